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
    let mut changes = HashMap::new();
    if let Some(tools) = said.get_mut("tools").and_then(Value::as_array_mut) {
        let mut names = HashSet::new();
        tools.retain(|tool| name(tool).is_some_and(|name| names.insert(name.to_owned())));
        changes = changed(house, &door, tools).await;
    }
    for list in ["tools", "resources", "resourceTemplates", "prompts"] {
        let Some(listed) = said.get_mut(list).and_then(Value::as_array_mut) else { continue };
        listed.retain_mut(|one| is_fit(list, one));
        listed.iter_mut().for_each(|one| tell_ours_from_theirs(one, &changes));
    }
    if let Some(said) = said.as_object_mut() {
        said.retain(|name, _| !["_meta", "ttlMs", "cacheScope"].contains(&name.as_str()));
        // The newer era wants it said; the MCP library leaves it out for the older.
        said.insert("resultType".to_owned(), json!("complete"));
    }
    Ok(said)
}

/// Which of a server's tools say something else of themselves than when they were first listed, and since when.
async fn changed(house: &Parts, door: &Door, tools: &[Value]) -> HashMap<String, Time> {
    let of = |tool: &Value| {
        let name = name(tool)?;
        let description = text::quoted(words(tool, "description"), DESCRIPTION_CHARS);
        let place = Request::of_tool(&door.url, name, Vec::new()).url;
        Some((name.to_owned(), ListedTool { place, words: fingerprint(tool), description }))
    };
    let (names, listed): (Vec<String>, Vec<ListedTool>) = tools.iter().filter_map(of).unzip();
    let places: Vec<Url> = listed.iter().map(|tool| tool.place.clone()).collect();
    let changed = house.ledger.note_tools(listed, house.now()).await.unwrap_or_else(|cause| {
        tracing::warn!("what a server lists could not be noted, so a change of it may go unseen: {cause}");
        Default::default()
    });
    let one = |(name, place): (String, Url)| Some((name, *changed.get(place.as_str())?));
    names.into_iter().zip(places).filter_map(one).collect()
}

/// All that a model goes by.
fn fingerprint(tool: &Value) -> [u8; 32] {
    let words = ["title", "description", "inputSchema"].map(|part| tool.get(part).unwrap_or(&Value::Null));
    Sha256::digest(json!(words).to_string()).into()
}

/// That a tool has changed stands where a model reads what it is for, and first. A description that speaks of us is not to
/// be taken for ours.
fn tell_ours_from_theirs(one: &mut Value, changes: &HashMap<String, Time>) {
    let theirs = text::in_quotes(words(one, "description"));
    let changed_at = name(one).and_then(|name| changes.get(name));
    let said = match changed_at {
        Some(at) => format!(
            "bursar: since {at} this tool says something else of itself than when it was first listed. It says: {theirs}"
        ),
        None if theirs.to_lowercase().contains("bursar") => theirs,
        None => return,
    };
    one["description"] = said.into();
}

fn words<'a>(listed: &'a Value, part: &str) -> &'a str {
    listed.get(part).and_then(Value::as_str).unwrap_or_default()
}

/// What a tool is called, where that can be seen as it is: else it cannot be called as it is seen.
fn name(listed: &Value) -> Option<&str> {
    let name = words(listed, "name");
    let is_fit = (1..=limits::TOOL_NAME_CHARS).contains(&name.chars().count());
    (is_fit && text::quoted(name, limits::TOOL_NAME_CHARS) == name).then_some(name)
}

/// One thing of a list, with its words cleaned. A tool's effects are what a paid call's are, and what it gives back is held
/// against no schema: it may be an answer of ours.
fn is_fit(list: &str, one: &mut Value) -> bool {
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
    if list == "tools" {
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
        page_of_tools.retain(|tool| name(tool).is_some_and(|name| names.insert(name.to_owned())));
        let changed = changed(house, &door, &page_of_tools).await;
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
    let name = name(listed)?;
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
