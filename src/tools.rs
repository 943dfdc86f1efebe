//! What an MCP server sells: its tools, as it lists them. Whatever stands there is a stranger's word, bounded and cleaned;
//! what a call costs is said by the call alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use crate::answer::{PaidTool, PaidTools, Refusal, ServerMet};
use crate::json;
use crate::ledger::ListedTool;
use crate::limits;
use crate::money::Usd;
use crate::parts::Parts;
use crate::policy::Policy;
use crate::ports::{Egress, Inquiry};
use crate::purchase::{next_step, seller_reason};
use crate::reason::{Reason, Who};
use crate::request::Request;
use crate::text;
use crate::time::Time;
use crate::wish;

/// As much of a description as tells what a tool is for.
const DESCRIPTION_CHARS: usize = 600;
/// What something is called.
const NAME_CHARS: usize = 120;
/// How a server wants to be used, as far as that is heard.
const INSTRUCTIONS_CHARS: usize = 1_500;
/// A schema that is longer is left out: it is for its server to say what is wrong with a call.
const SCHEMA_CHARS: usize = 4_000;

/// A server that may be asked, and by which rules.
struct Door {
    url: Url,
    policy: Arc<Policy>,
}

impl Door {
    fn to(house: &Parts, server: &str) -> Result<Door, Refusal> {
        let wrong = |message| refused(Reason::new("bad_server", "arguments", message, Who::Agent));
        Ok(Door { url: wish::parse_server(server).map_err(wrong)?, policy: house.policy().map_err(refused)? })
    }

    async fn ask(&self, house: &Parts, inquiry: &Inquiry) -> Result<Value, Refusal> {
        let egress = Egress { allow: &self.policy.egress };
        let said = house.seller.inquire(&self.url, inquiry, egress).await;
        Ok(json::strict(&said.map_err(|cause| refused(seller_reason(&cause)))?).unwrap_or_default())
    }

    fn source(&self) -> String {
        text::source(self.url.host_str().unwrap_or_default())
    }
}

fn refused(reason: Reason) -> Refusal {
    Refusal { next: next_step(std::slice::from_ref(&reason)), reasons: vec![reason] }
}

/// Words that stand in quotes of ours, which they cannot close.
fn in_one_line(words: &str, chars: usize) -> String {
    text::closing_none(&text::quoted(words, chars))
}

/// What a server says of itself.
pub async fn meet(house: &Parts, server: &str) -> Result<ServerMet, Refusal> {
    let door = Door::to(house, server)?;
    let about = house.seller.meet(&door.url, Egress { allow: &door.policy.egress }).await;
    let about = json::strict(&about.map_err(|cause| refused(seller_reason(&cause)))?).unwrap_or_default();
    let text = |at: &str, chars| about.pointer(at).and_then(Value::as_str).map(|words| in_one_line(words, chars));
    let has = |what: &str| about.pointer(&format!("/capabilities/{what}")).is_some_and(Value::is_object);
    Ok(ServerMet {
        name: text("/serverInfo/name", NAME_CHARS).unwrap_or_else(|| "an MCP server".to_owned()),
        source: door.source(),
        instructions: text("/instructions", INSTRUCTIONS_CHARS).filter(|words| !words.is_empty()),
        has_resources: has("resources"),
        has_prompts: has("prompts"),
    })
}

/// What a server answers to anything but a call of a tool. What it lists is cleaned, and says nothing that a host would
/// act on by itself.
pub async fn relayed(house: &Parts, server: &str, inquiry: &Inquiry) -> Result<Value, Refusal> {
    let door = Door::to(house, server)?;
    let mut said = door.ask(house, inquiry).await?;
    for list in LISTS {
        let Some(listed) = said.get_mut(list.member).and_then(Value::as_array_mut) else { continue };
        let mut names = HashSet::new();
        listed.retain(|one| list.name(one).is_some_and(|name| names.insert(name.to_owned())));
        let changes = changed(house, &door, list, listed).await;
        listed.retain_mut(|one| is_fit(list, one));
        for one in listed {
            let changed_at = list.name(one).and_then(|name| changes.get(name)).copied();
            tell_ours_from_theirs(one, list.what, changed_at);
        }
    }
    if let Some(said) = said.as_object_mut() {
        said.retain(|name, _| !["_meta", "ttlMs", "cacheScope"].contains(&name.as_str()));
        // The newer era wants it said; the MCP library leaves it out for the older.
        said.insert("resultType".to_owned(), json!("complete"));
    }
    Ok(said)
}

/// A list of a server's: the member it stands in, what one of it is, and by which of its fields one is known.
#[derive(Clone, Copy)]
struct List {
    member: &'static str,
    what: &'static str,
    known_by: &'static str,
}

const TOOLS: List = List { member: "tools", what: "tool", known_by: "name" };
const LISTS: [List; 4] = [
    TOOLS,
    List { member: "resources", what: "resource", known_by: "uri" },
    List { member: "resourceTemplates", what: "resource", known_by: "uriTemplate" },
    List { member: "prompts", what: "prompt", known_by: "name" },
];

impl List {
    /// What one is known by, where that can be seen as it is: else it cannot be asked for as it is seen.
    fn name(self, one: &Value) -> Option<&str> {
        let name = words(one, self.known_by);
        let most = if self.known_by == "name" { limits::TOOL_NAME_CHARS } else { limits::URL_CHARS };
        let is_fit = (1..=most).contains(&name.chars().count());
        (is_fit && text::quoted(name, most) == name).then_some(name)
    }

    /// Where one is. What is no tool has a place that no tool can have.
    fn place(self, server: &Url, name: &str) -> Url {
        let mut place = Request::of_tool(server, name, Vec::new()).url;
        if self.member != TOOLS.member {
            let of_list = format!("{}={}", self.member, place.fragment().unwrap_or_default());
            place.set_fragment(Some(&of_list));
        }
        place
    }
}

/// What of a server's list says something else of itself than when it was first listed, and since when.
async fn changed(house: &Parts, door: &Door, list: List, listed: &[Value]) -> HashMap<String, Time> {
    let of = |one: &Value| {
        let name = list.name(one)?.to_owned();
        let description = text::quoted(words(one, "description"), DESCRIPTION_CHARS);
        let place = list.place(&door.url, &name);
        Some(ListedTool { place, what: list.what, name, words: fingerprint(one), description })
    };
    let noted: Vec<ListedTool> = listed.iter().filter_map(of).collect();
    let names: Vec<(String, Url)> = noted.iter().map(|one| (one.name.clone(), one.place.clone())).collect();
    let changed = house.ledger.note_tools(noted, house.now()).await.unwrap_or_else(|cause| {
        tracing::warn!("what a server lists could not be noted, so a change of it may go unseen: {cause}");
        Default::default()
    });
    names.into_iter().filter_map(|(name, place)| Some((name, *changed.get(place.as_str())?))).collect()
}

/// All that a model goes by.
fn fingerprint(one: &Value) -> [u8; 32] {
    let parts = ["name", "title", "description", "inputSchema", "arguments", "mimeType"];
    let all = parts.map(|part| one.get(part).unwrap_or(&Value::Null));
    Sha256::digest(json!(all).to_string()).into()
}

/// That something has changed stands where a model reads what it is for, and first. A description that speaks of us is not
/// to be taken for ours.
fn tell_ours_from_theirs(one: &mut Value, what: &str, changed_at: Option<Time>) {
    let theirs = text::in_quotes(words(one, "description"));
    let said = match changed_at {
        Some(at) => format!(
            "bursar: since {at} this {what} says something else of itself than when it was first listed. It says: {theirs}"
        ),
        None if theirs.to_lowercase().contains("bursar") => theirs,
        None => return,
    };
    one["description"] = said.into();
}

fn words<'a>(listed: &'a Value, part: &str) -> &'a str {
    listed.get(part).and_then(Value::as_str).unwrap_or_default()
}

/// One thing of a list, with its words cleaned. A tool's effects are what a paid call's are, and what it gives back is held
/// against no schema: it may be an answer of ours.
fn is_fit(list: List, one: &mut Value) -> bool {
    let Some(members) = one.as_object_mut() else { return false };
    let is_name = |name: &Value| name.as_str().is_some_and(|name| text::quoted(name, limits::URL_CHARS) == name);
    if !members.get("name").is_some_and(is_name) {
        return false;
    }
    members.retain(|name, _| !["_meta", "icons", "outputSchema", "execution", "annotations"].contains(&name.as_str()));
    for (name, chars) in [("title", NAME_CHARS), ("description", DESCRIPTION_CHARS)] {
        if let Some(Value::String(words)) = members.get_mut(name) {
            *words = text::quoted(words, chars);
        }
    }
    for name in ["inputSchema", "arguments"] {
        if let Some(schema) = members.get_mut(name) {
            *schema = without_traps(schema, 0);
        }
    }
    if list.member == TOOLS.member {
        let effects =
            json!({ "readOnlyHint": false, "destructiveHint": true, "idempotentHint": true, "openWorldHint": true });
        members.insert("annotations".to_owned(), effects);
        return members.get("inputSchema").is_some_and(Value::is_object);
    }
    true
}

/// The tools of a server, as many as an answer holds.
pub async fn listed(house: &Parts, server: &str) -> Result<PaidTools, Refusal> {
    let door = Door::to(house, server)?;
    let (mut tools, mut names, mut omitted, mut room) = (Vec::new(), HashSet::new(), 0, limits::ANSWER_CHARS / 2);
    let mut cursor: Option<String> = None;
    for _ in 0..limits::PAGES_OF_TOOLS {
        let page = door.ask(house, &Inquiry::tools(cursor)).await?;
        let mut page_of_tools: Vec<Value> = page.get("tools").and_then(Value::as_array).cloned().unwrap_or_default();
        page_of_tools.retain(|tool| TOOLS.name(tool).is_some_and(|name| names.insert(name.to_owned())));
        let changed = changed(house, &door, TOOLS, &page_of_tools).await;
        for listed in &page_of_tools {
            let Some(tool) = read(&door.url, listed, &changed) else { continue };
            let size = tool.name.len()
                + tool.description.len()
                + tool.input_schema.as_ref().map_or(0, |schema| Value::from(schema.clone()).to_string().len());
            match room.checked_sub(size) {
                Some(left) => {
                    room = left;
                    tools.push(tool);
                }
                None => omitted += 1,
            }
        }
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let source = door.source();
    let next = "call_paid_tool calls one: its live price is asked, and paid only within the owner's rules".to_owned();
    Ok(PaidTools { server: server.to_owned(), source, tools, omitted, next })
}

fn read(server: &Url, listed: &Value, changed: &HashMap<String, Time>) -> Option<PaidTool> {
    let name = TOOLS.name(listed)?;
    let schema = without_traps(listed.get("inputSchema")?, 0);
    let is_short = schema.to_string().len() <= SCHEMA_CHARS;
    Some(PaidTool {
        name: name.to_owned(),
        place: wish::masked(&Request::of_tool(server, name, Vec::new()).url),
        description: text::quoted(words(listed, "description"), DESCRIPTION_CHARS),
        input_schema: schema.as_object().filter(|_| is_short).cloned(),
        price_usd: claimed_price(listed),
        changed_at: changed.get(name).copied(),
    })
}

/// Where sellers that follow nobody's specification have come to write it.
fn claimed_price(listed: &Value) -> Option<Usd> {
    let price = listed.pointer("/annotations/paymentPriceUSD")?;
    let written = price.as_str().map(str::to_owned).or_else(|| price.as_number().map(ToString::to_string))?;
    written.trim_start_matches('$').parse().ok()
}

/// A schema with its texts cleaned and bounded, as deep as anybody's arguments go.
fn without_traps(schema: &Value, depth: usize) -> Value {
    const DEEPEST: usize = 12;
    match schema {
        Value::String(text) => Value::String(text::quoted(text, DESCRIPTION_CHARS)),
        Value::Array(_) | Value::Object(_) if depth >= DEEPEST => Value::Null,
        Value::Array(all) => all.iter().map(|one| without_traps(one, depth + 1)).collect(),
        Value::Object(members) => {
            let one = |(name, value): (&String, &Value)| (text::quoted(name, 128), without_traps(value, depth + 1));
            Value::Object(members.iter().map(one).collect())
        }
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_tool_has_a_place_that_no_tool_has() {
        let server = Url::parse("https://api.example.com/mcp").unwrap();
        let [tools, resources, templates, prompts] = LISTS;
        let names = ["x", "prompts=x", "prompts%3Dx", "#", ""];
        let places: Vec<Url> = [tools, resources, templates, prompts]
            .into_iter()
            .flat_map(|list| names.map(|name| list.place(&server, name)))
            .collect();
        for (nth, place) in places.iter().enumerate() {
            assert!(!places[nth + 1..].contains(place), "{place}");
        }
        assert_eq!(tools.place(&server, "x"), Request::of_tool(&server, "x", Vec::new()).url);
    }

    #[test]
    fn a_change_of_anything_a_model_goes_by_is_one_and_of_nothing_else() {
        let one = json!({"name": "a", "title": "A", "description": "b", "inputSchema": {"type": "object"}});
        let with = |part: &str, value: Value| {
            let mut other = one.clone();
            other[part] = value;
            fingerprint(&other) != fingerprint(&one)
        };
        for part in ["title", "description", "inputSchema", "arguments", "mimeType"] {
            assert!(with(part, json!(["another"])), "{part}");
        }
        for part in ["annotations", "_meta", "icons", "outputSchema"] {
            assert!(!with(part, json!(["another"])), "{part}");
        }
    }
}
