//! The Bazaar: what payers had a facilitator list, as the specification of x402 and as Coinbase have it.

use serde_json::Value;

use super::price::ClaimedPrice;
use super::{Entry, HealthClaim, ListedThing, words};
use crate::limits;
use crate::money::Assets;
use crate::time::Time;

/// `items` where everything is listed, `resources` where it was searched for; both at once is neither.
pub(super) fn entries(root: &Value) -> Option<Vec<Entry<'_>>> {
    let list = |name: &str| root.get(name).and_then(Value::as_array);
    match (list("items"), list("resources")) {
        (Some(items), None) | (None, Some(items)) => Some(items.iter().map(Entry::Bazaar).collect()),
        _ => None,
    }
}

pub(super) fn thing(item: &Value, assets: &Assets) -> Option<ListedThing> {
    let input = item.pointer("/extensions/bazaar/info/input");
    let said = |name: &str| input.and_then(|input| input.get(name));
    let tool = match item.get("type").and_then(Value::as_str)? {
        "http" => None,
        "mcp" if is_over_http(said("transport")) => Some(words::tool(said("toolName"))?),
        _ => return None,
    };
    // `mcp://tool/NAME` says nothing about where the server is.
    let url = words::address(item.get("resource")?.as_str()?)?;
    let accepts = item.get("accepts").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // In version 1 these stand with the terms.
    let old = |path: &str| accepts.first().and_then(|entry| entry.pointer(path));
    let method = match tool {
        Some(_) => None,
        None => words::method(said("method")).or_else(|| words::method(old("/outputSchema/input/method"))),
    };
    let properties = said("inputSchema").and_then(|schema| schema.get("properties"));
    Some(ListedThing {
        name: words::name(&[item.get("serviceName"), said("toolName")], &url),
        description: words::description(&[item.get("description"), said("description"), old("/description")]),
        tags: words::tags(&[item.get("tags")]),
        arguments: words::arguments(&[properties, said("queryParams"), said("bodyFields"), said("body")]),
        prices: accepts.iter().take(limits::OFFERS).map(|entry| ClaimedPrice::of_x402(entry, assets)).collect(),
        health: item.get("quality").map(health).unwrap_or_default(),
        url,
        tool,
        method,
    })
}

/// A server over stdio is on somebody else's machine.
fn is_over_http(transport: Option<&Value>) -> bool {
    match transport {
        None | Some(Value::Null) => true,
        Some(named) => matches!(named.as_str(), Some("streamable-http" | "sse")),
    }
}

fn health(quality: &Value) -> HealthClaim {
    let count = |name: &str| quality.get(name).and_then(Value::as_u64);
    HealthClaim {
        status: None,
        calls_30d: count("l30DaysTotalCalls"),
        payers_30d: count("l30DaysUniquePayers"),
        last_called_at: quality.get("lastCalledAt").and_then(Value::as_str).and_then(Time::parse),
    }
}
