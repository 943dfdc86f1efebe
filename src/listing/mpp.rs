//! MPP's list of services: each has endpoints under its own address.

use serde_json::Value;
use url::Url;

use super::price::ClaimedPrice;
use super::{Entry, HealthClaim, ListedThing, words};
use crate::money::Assets;

/// An endpoint with the service it is one of.
pub(super) struct Endpoint<'a> {
    service: &'a Value,
    /// None: the service names no endpoint.
    endpoint: Option<&'a Value>,
}

pub(super) fn entries(root: &Value) -> Option<Vec<Entry<'_>>> {
    let services = root.get("services")?.as_array()?;
    Some(services.iter().flat_map(of_service).map(Entry::Mpp).collect())
}

fn of_service(service: &Value) -> Vec<Endpoint<'_>> {
    match service.get("endpoints").and_then(Value::as_array).filter(|list| !list.is_empty()) {
        Some(list) => list.iter().map(|endpoint| Endpoint { service, endpoint: Some(endpoint) }).collect(),
        None => vec![Endpoint { service, endpoint: None }],
    }
}

pub(super) fn thing(listed: &Endpoint<'_>, assets: &Assets) -> Option<ListedThing> {
    let Endpoint { service, endpoint } = listed;
    let said = |name: &str| endpoint.and_then(|endpoint| endpoint.get(name));
    let base = base(service)?;
    let url = match endpoint {
        Some(endpoint) => words::under(&base, endpoint.get("path")?.as_str()?)?,
        None => base,
    };
    let payment = said("payment").filter(|payment| payment.is_object());
    Some(ListedThing {
        tool: None,
        method: words::method(said("method")),
        name: words::name(&[service.get("name")], &url),
        description: words::description(&[said("description"), service.get("description")]),
        tags: words::tags(&[service.get("categories"), service.get("tags")]),
        arguments: Vec::new(),
        prices: payment.map(|payment| ClaimedPrice::of_mpp(payment, assets)).into_iter().collect(),
        health: HealthClaim::default(),
        url,
    })
}

/// Where it is called, which need not be where it is advertised.
fn base(service: &Value) -> Option<Url> {
    let named = service.get("serviceUrl").or_else(|| service.get("url"))?;
    words::address(named.as_str()?)
}
