//! What a server says of itself in its `openapi.json`: operations with `x-payment-info`. Two dialects share that name,
//! one in base units and one in dollars; they are told apart by shape, and what has both shapes has no price.

use serde_json::Value;
use url::Url;

use super::price::ClaimedPrice;
use super::{Entry, HealthClaim, ListedThing, words};
use crate::limits;
use crate::money::Assets;
use crate::offer::Dialect;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Of a price in base units.
const FLAT: [&str; 4] = ["amount", "currency", "intent", "method"];
/// Of a price in dollars.
const DECIMAL: [&str; 3] = ["pricingMode", "price", "protocols"];

/// One operation of the document that asks to be paid.
pub(super) struct Operation<'a> {
    root: &'a Value,
    base: Url,
    path: &'a str,
    method: &'a str,
    operation: &'a Value,
    payment: &'a Value,
}

/// Only what says that it is paid for. Nothing that the document refers to is looked up.
pub(super) fn entries<'a>(root: &'a Value, home: &Url) -> Option<Vec<Entry<'a>>> {
    let paths = root.get("paths")?.as_object()?;
    let base = base(root, home);
    let mut entries = Vec::new();
    for (path, item) in paths {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let Some(payment) = operation.get("x-payment-info") else { continue };
            let base = base.clone();
            entries.push(Entry::Openapi(Operation { root, base, path, method, operation, payment }));
        }
    }
    Some(entries)
}

pub(super) fn thing(listed: &Operation<'_>, assets: &Assets) -> Option<ListedThing> {
    let Operation { root, base, path, method, operation, payment } = listed;
    let url = words::under(base, path)?;
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let names = parameters.into_iter().flatten().filter_map(|one| Some(one.get("name")?.as_str()?.to_owned()));
    let named = Value::Object(names.map(|name| (name, Value::Null)).collect());
    let body = operation.pointer("/requestBody/content/application~1json/schema/properties");
    Some(ListedThing {
        tool: None,
        method: Some(method.to_ascii_uppercase()),
        name: words::name(&[root.pointer("/x-service-info/name"), root.pointer("/info/title")], &url),
        description: words::description(&[
            operation.get("summary"),
            operation.get("description"),
            root.pointer("/x-service-info/description"),
            root.pointer("/info/description"),
        ]),
        tags: words::tags(&[operation.get("tags"), root.pointer("/x-service-info/categories")]),
        arguments: words::arguments(&[Some(&named), body]),
        prices: prices(payment, assets),
        health: HealthClaim::default(),
        url,
    })
}

/// Where the document says that the server is, seen from where it lies itself; without a word, where that is.
fn base(root: &Value, home: &Url) -> Url {
    let named = root.pointer("/servers/0/url").and_then(Value::as_str);
    let document = words::under(home, "/openapi.json");
    let named = named.zip(document).and_then(|(named, document)| document.join(named).ok());
    let named = named.and_then(|url| words::address(url.as_str()));
    named.unwrap_or_else(|| {
        let mut base = home.clone();
        base.set_query(None);
        base
    })
}

fn prices(payment: &Value, assets: &Assets) -> Vec<ClaimedPrice> {
    let has = |names: &[&str]| names.iter().any(|name| payment.get(name).is_some());
    match (payment.get("offers"), has(&FLAT), has(&DECIMAL)) {
        (Some(Value::Array(offers)), false, false) => {
            offers.iter().take(limits::OFFERS).map(|offer| of_offer(offer, assets)).collect()
        }
        (None, true, false) => vec![ClaimedPrice::of_mpp(payment, assets)],
        (None, false, true) => in_dollars(payment, assets),
        (None, false, false) => Vec::new(),
        _ => vec![ClaimedPrice::unclear()],
    }
}

/// An offer is in base units; one that has a word of the other dialect is in neither.
fn of_offer(offer: &Value, assets: &Assets) -> ClaimedPrice {
    match DECIMAL.iter().any(|name| offer.get(name).is_some()) {
        true => ClaimedPrice::unclear(),
        false => ClaimedPrice::of_mpp(offer, assets),
    }
}

/// The same price by each protocol that bursar pays by, or by the first where it pays by none.
fn in_dollars(payment: &Value, assets: &Assets) -> Vec<ClaimedPrice> {
    let protocols = payment.get("protocols").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut dialects: Vec<Dialect> = protocols.iter().filter_map(Value::as_str).map(dialect).collect();
    dialects.sort();
    dialects.dedup();
    if dialects.is_empty() {
        dialects.push(Dialect::Unknown);
    }
    let price = |dialect| match payment.get("pricingMode").and_then(Value::as_str) {
        None | Some("fixed") => ClaimedPrice::in_dollars(dialect, payment.get("price"), ("", ""), assets),
        Some(_) => ClaimedPrice::varying(dialect),
    };
    dialects.into_iter().map(price).collect()
}

fn dialect(protocol: &str) -> Dialect {
    match protocol {
        "x402" => Dialect::X402V2,
        "mpp" => Dialect::Mpp,
        "l402" => Dialect::L402,
        _ => Dialect::Unknown,
    }
}
