//! What an MCP server sells: its tools, as it lists them. Whatever stands there is a stranger's word, bounded and cleaned;
//! what a call costs is said by the call alone.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::answer::{PaidTool, PaidTools, Refusal};
use crate::json;
use crate::limits;
use crate::money::Usd;
use crate::parts::Parts;
use crate::ports::{Egress, Inquiry};
use crate::purchase::{next_step, seller_reason};
use crate::reason::{Reason, Who};
use crate::request::Request;
use crate::text;
use crate::wish;

/// Pages of a list that are turned; a list without end has more.
const PAGES: usize = 10;
/// As much of a description as tells what a tool is for.
const DESCRIPTION_CHARS: usize = 600;
/// A schema that is longer is left out: it is for its server to say what is wrong with a call.
const SCHEMA_CHARS: usize = 4_000;

/// The tools of a server, as many as an answer holds.
pub async fn listed(house: &Arc<Parts>, server: &str) -> Result<PaidTools, Refusal> {
    let refused = |reason: Reason| Refusal { next: next_step(std::slice::from_ref(&reason)), reasons: vec![reason] };
    let url = wish::parse_server(server)
        .map_err(|message| refused(Reason::new("bad_server", "arguments", message, Who::Agent)))?;
    let policy = house.policy().map_err(refused)?;
    let egress = Egress { allow: &policy.egress };
    let (mut tools, mut names, mut omitted, mut room) = (Vec::new(), HashSet::new(), 0, limits::ANSWER_CHARS / 2);
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES {
        let params = cursor.map(|cursor| format!("\"cursor\":{}", Value::from(cursor))).unwrap_or_default();
        let inquiry = Inquiry { method: "tools/list".to_owned(), params, name: None };
        let page =
            house.seller.inquire(&url, &inquiry, egress).await.map_err(|cause| refused(seller_reason(&cause)))?;
        let page = json::strict(&page).unwrap_or_default();
        for listed in page.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let Some(tool) = read(&url, listed).filter(|tool| names.insert(tool.name.clone())) else { continue };
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
    let source = format!("{} (untrusted)", text::quoted(url.host_str().unwrap_or_default(), limits::QUOTED_CHARS));
    let next = "call_paid_tool calls one: its live price is asked, and paid only within the owner's rules".to_owned();
    Ok(PaidTools { server: server.to_owned(), source, tools, omitted, next })
}

fn read(server: &url::Url, listed: &Value) -> Option<PaidTool> {
    let text = |key: &str| listed.get(key).and_then(Value::as_str);
    let name = text("name").filter(|name| (1..=limits::TOOL_NAME_CHARS).contains(&name.chars().count()))?;
    // A name that cannot be seen as it is cannot be called as it is seen.
    if text::quoted(name, limits::TOOL_NAME_CHARS) != name {
        return None;
    }
    let schema = without_traps(listed.get("inputSchema")?, 0);
    let is_short = schema.to_string().len() <= SCHEMA_CHARS;
    Some(PaidTool {
        name: name.to_owned(),
        place: wish::masked(&Request::of_tool(server, name, Vec::new()).url),
        description: text::quoted(text("description").unwrap_or_default(), DESCRIPTION_CHARS),
        input_schema: schema.as_object().filter(|_| is_short).cloned(),
        price_usd: claimed_price(listed),
    })
}

/// Where sellers that follow nobody's specification have come to write it.
fn claimed_price(listed: &Value) -> Option<Usd> {
    let price = listed.pointer("/annotations/paymentPriceUSD")?;
    let written = price.as_str().map(str::to_owned).or_else(|| price.as_number().map(ToString::to_string))?;
    written.trim_start_matches('$').parse().ok()
}

/// A schema with its texts cleaned and bounded, as deep as anybody's arguments go.
pub(crate) fn without_traps(schema: &Value, depth: usize) -> Value {
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
