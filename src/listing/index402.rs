//! 402index: prices in dollars, and how each service fares.

use serde_json::Value;

use super::price::ClaimedPrice;
use super::{Entry, HealthClaim, ListedThing, words};
use crate::money::Assets;
use crate::offer::Dialect;

pub(super) fn entries(root: &Value) -> Option<Vec<Entry<'_>>> {
    Some(root.get("services")?.as_array()?.iter().map(Entry::Index402).collect())
}

pub(super) fn thing(service: &Value, assets: &Assets) -> Option<ListedThing> {
    let said = |name: &str| service.get(name);
    let url = words::address(said("url")?.as_str()?)?;
    Some(ListedThing {
        tool: None,
        method: words::method(said("method")),
        name: words::name(&[said("name")], &url),
        description: words::description(&[said("description")]),
        tags: words::tags(&[said("tags"), said("categories")]),
        arguments: Vec::new(),
        prices: vec![price(service, assets)],
        health: HealthClaim { status: status(said("health_status")), ..HealthClaim::default() },
        url,
    })
}

fn price(service: &Value, assets: &Assets) -> ClaimedPrice {
    let text = |name: &str| service.get(name).and_then(Value::as_str).unwrap_or_default();
    let (dialect, scheme) = match text("protocol").to_ascii_lowercase().as_str() {
        "x402" => (Dialect::X402V2, "exact"),
        "mpp" => (Dialect::Mpp, ""),
        "l402" => (Dialect::L402, ""),
        _ => (Dialect::Unknown, ""),
    };
    let paid = (text("payment_network"), text("payment_asset"));
    match service.get("price_usd") {
        None | Some(Value::Null) => ClaimedPrice::varying(dialect),
        price => ClaimedPrice::in_dollars(dialect, price, paid, assets).by(scheme),
    }
}

/// One of the words there are for it.
fn status(value: Option<&Value>) -> Option<String> {
    const STATES: [&str; 3] = ["healthy", "degraded", "down"];
    STATES.into_iter().find(|state| value.and_then(Value::as_str) == Some(state)).map(str::to_owned)
}
