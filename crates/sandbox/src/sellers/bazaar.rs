//! The market's own directory, as x402's Bazaar has it: what is for sale at a path, and the same as tools.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::stall::Behaviour;
use super::{Market, offer, resource_url, tools};
use crate::http::{self as wire, Request};

/// Everything that is listed.
pub const RESOURCES: &str = "/discovery/resources";
/// What has the words of a query in it.
pub const SEARCH: &str = "/discovery/search";

pub(super) fn answer(market: &Market, request: &Request) -> Response<Bytes> {
    let pitches = market.pitches();
    let stalls = pitches.iter().map(|pitch| &pitch.stall).filter(|stall| stall.behaviour != Behaviour::Free);
    let host = resource_url(&request.headers, &"/".parse().unwrap_or_default());
    let host = host.trim_end_matches('/');
    let listed = stalls.flat_map(|stall| {
        let offer = offer(stall, stall.price_at(0), request);
        let method = stall.methods.first().map_or("GET", http::Method::as_str);
        let page = json!({
            "resource": format!("{host}{}", stall.path), "type": "http", "x402Version": 2,
            "accepts": offer.accepts_v2(), "description": stall.description, "mimeType": stall.sells,
            "extensions": {"bazaar": {"info": {"input": {"type": "http", "method": method}}}},
        });
        let tool = json!({
            "resource": format!("{host}{}", tools::SERVER), "type": "mcp", "x402Version": 2,
            "accepts": offer.accepts_v2(), "description": stall.description, "mimeType": "application/json",
            "extensions": {"bazaar": {"info": {"input": {
                "type": "mcp", "toolName": stall.path.trim_start_matches('/'), "transport": "streamable-http",
                "inputSchema": {"type": "object"}}}}},
        });
        [page, tool]
    });
    match request.uri.path() {
        SEARCH => {
            let words = query(request);
            let fits = |one: &Value| words.iter().any(|word| one.to_string().to_ascii_lowercase().contains(word));
            let found: Vec<Value> = listed.filter(fits).collect();
            wire::json(200, &json!({"x402Version": 2, "resources": found, "partialResults": false, "pagination": null}))
        }
        _ => {
            let items: Vec<Value> = listed.collect();
            let pages = json!({"limit": 100, "offset": 0, "total": items.len()});
            wire::json(200, &json!({"x402Version": 2, "items": items, "pagination": pages}))
        }
    }
}

fn query(request: &Request) -> Vec<String> {
    let query = request.uri.query().unwrap_or_default();
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("query=")).unwrap_or_default();
    let words = asked.replace('+', " ").replace("%20", " ").to_ascii_lowercase();
    words.split_whitespace().map(str::to_owned).collect()
}
