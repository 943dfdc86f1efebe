//! What a seller says, as bytes: an honest reply, with what its file changes of it.

use std::sync::LazyLock;

use alloy_primitives::B256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use sandbox::chain::{ASSET, DOLLAR, NETWORK, NETWORK_V1, SETTLER};
use sandbox::http::Request;
use sandbox::sellers::Way;
use sandbox::sellers::mpp::{self, Charge, Form, Till};
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::x402::{Payment, Version};
use serde_json::{Value, json};

use crate::file::Act;

/// Who can be named in a file: `{seller}`, `{other}`, `{closed}`, `{wallet}`, and what every sandbox has.
#[derive(Clone, Debug)]
pub struct Names(pub Vec<(&'static str, String)>);

/// What a reply is made from beside its act.
pub struct Moment<'a> {
    pub request: &'a Request,
    pub payment: Option<&'a Payment>,
    pub settled: Option<B256>,
    pub origin: String,
    pub date: String,
    /// By the chain, in seconds.
    pub now: u64,
    pub way: Way,
    pub names: &'a Names,
}

impl Names {
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    fn fill_json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.fill(text).into(),
            Value::Array(all) => all.iter().map(|value| self.fill_json(value)).collect(),
            Value::Object(all) => all.iter().map(|(key, value)| (key.clone(), self.fill_json(value))).collect(),
            other => other.clone(),
        }
    }
}

/// All there is of a reply, before anything is cut from it.
pub fn reply(act: &Act, moment: &Moment<'_>) -> Vec<u8> {
    if let Some(raw) = &act.raw {
        return moment.names.fill(raw).into_bytes();
    }
    let body = body(act, moment);
    let mut head = vec![format!("HTTP/1.1 {}", status(act)), "Connection: close".to_owned()];
    let written = |name: &str| act.headers.iter().any(|line| line.to_ascii_lowercase().starts_with(name));
    if !written("date:") {
        head.push(format!("Date: {}", moment.date));
    }
    if !written("content-type:") {
        head.push("Content-Type: application/json".to_owned());
    }
    if !written("content-length:") && !written("transfer-encoding:") {
        head.push(format!("Content-Length: {}", act.says_length.unwrap_or(body.len() as u64)));
    }
    head.extend(act.v2.iter().flat_map(|all| all.all()).map(|changes| challenge_header(act, changes, moment)));
    head.extend(act.mpp.iter().flat_map(|all| all.all()).map(|changes| mpp_header(changes, moment)));
    head.extend(act.receipt.iter().flat_map(|all| all.all()).map(|changes| receipt_header(changes, moment)));
    head.extend(act.headers.iter().map(|line| moment.names.fill(line)));
    head.extend((act.big_header > 0).then(|| format!("X-Filler: {}", "x".repeat(act.big_header))));
    head.extend((0..act.many_headers).map(|n| format!("X-Filler-{n}: x")));
    let mut bytes = (head.join("\r\n") + "\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

fn status(act: &Act) -> String {
    let asks = act.v1.is_some() || act.v2.is_some() || act.mpp.is_some();
    let status = act.status.unwrap_or(if asks { 402 } else { 200 });
    let said = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    format!("{status} {}", said.unwrap_or("Whatever"))
}

fn body(act: &Act, moment: &Moment<'_>) -> Vec<u8> {
    let text = match (&act.body, &act.v1, &act.v2) {
        (Some(body), _, _) => moment.names.fill(body),
        (None, Some(changes), _) => challenge(act, Version::V1, changes, moment).to_string(),
        (None, None, Some(_)) => "{}".to_owned(),
        (None, None, None) if act.mpp.is_some() => json!({"title": "Payment Required"}).to_string(),
        (None, None, None) => json!({"goods": moment.request.uri.path()}).to_string(),
    };
    let mut body = text.into_bytes();
    body.resize(body.len() + act.big_body, b' ');
    body
}

fn challenge_header(act: &Act, changes: &Value, moment: &Moment<'_>) -> String {
    if let Some(changes) = in_mpp(act, changes, moment.way) {
        return mpp_header(&changes, moment);
    }
    let text = challenge(act, Version::V2, changes, moment).to_string();
    format!("PAYMENT-REQUIRED: {}", STANDARD.encode(text))
}

/// The same challenge in MPP, where this run sells by it and the file changes nothing that only x402 has.
fn in_mpp(act: &Act, changes: &Value, way: Way) -> Option<Value> {
    if way != Way::Mpp || act.v1.is_some() || act.v2.as_ref()?.all().len() > 1 || act.offers.is_some() {
        return None;
    }
    let whole = changes.as_object()?;
    let entry = match whole.get("accepts") {
        None => json!({}),
        Some(Value::Array(entries)) if entries.len() == 1 => entries[0].clone(),
        Some(_) => return None,
    };
    let speaks = |key: &String| ["amount", "payTo"].contains(&key.as_str());
    let is_said = whole.keys().all(|key| key == "accepts") && entry.as_object()?.keys().all(speaks);
    is_said.then_some(entry)
}

/// An honest MPP challenge for one cent, changed.
fn mpp_header(changes: &Value, moment: &Moment<'_>) -> String {
    static TILL: LazyLock<Till> = LazyLock::new(Till::default);
    let changes = moment.names.fill_json(changes);
    let text = |key: &str, otherwise: &str| changes[key].as_str().unwrap_or(otherwise).to_owned();
    let charge = Charge {
        form: Form::Joined,
        price: text("amount", "10000"),
        asset: DOLLAR,
        payee: text("payTo", &PAYEE.to_string()).parse().unwrap(),
        realm: text("realm", "sellers"),
        expires: moment.now as i64 + changes["expires_in"].as_i64().unwrap_or(60),
        more: text("more", ""),
        one_id: changes["one_id"] == true,
    };
    format!("WWW-Authenticate: {}", TILL.ask(&charge))
}

/// A receipt in the words of the version that paid.
fn receipt_header(changes: &Value, moment: &Moment<'_>) -> String {
    let version = moment.payment.map_or(Version::V2, |payment| payment.version);
    if version == Version::Mpp {
        return mpp_receipt(changes, moment);
    }
    let is_v1 = version == Version::V1;
    let (name, network) = if is_v1 { ("X-PAYMENT-RESPONSE", NETWORK_V1) } else { ("PAYMENT-RESPONSE", NETWORK) };
    let payer = moment.payment.map(|payment| payment.transfer.from.to_string());
    let tx = moment.settled.unwrap_or(B256::repeat_byte(0x11)).to_string();
    let honest = json!({"success": true, "transaction": tx, "network": network, "payer": payer});
    let text = changed(honest, &moment.names.fill_json(changes)).to_string();
    format!("{name}: {}", STANDARD.encode(text))
}

/// The same in MPP: `success` is its `status`, `transaction` its `reference`.
fn mpp_receipt(changes: &Value, moment: &Moment<'_>) -> String {
    let tx = moment.settled.unwrap_or(B256::repeat_byte(0x11)).to_string();
    let changes = moment.names.fill_json(changes);
    let status = if changes["success"] == false { "failed" } else { "success" };
    let reference = changes["transaction"].as_str().unwrap_or(&tx);
    let honest =
        json!({ "method": "evm", "reference": reference, "status": status, "timestamp": "2027-01-15T08:00:00Z" });
    format!("Payment-Receipt: {}", mpp::packed(&honest))
}

/// An honest challenge for one cent, changed. Each entry the file lists is an honest one with its changes.
fn challenge(act: &Act, version: Version, changes: &Value, moment: &Moment<'_>) -> Value {
    let changes = moment.names.fill_json(changes);
    let resource = format!("{}{}", moment.origin, moment.request.uri);
    let honest = match version {
        Version::V1 => json!({"x402Version": 1, "error": "payment is required"}),
        Version::V2 | Version::Mpp => {
            json!({"x402Version": 2, "error": "payment is required", "resource": {"url": resource}})
        }
    };
    let listed = changes["accepts"].as_array().cloned().unwrap_or_else(|| vec![json!({})]);
    let entries: Vec<Value> =
        listed.iter().map(|changes| changed(entry(version, &resource, moment.way), changes)).collect();
    let count = act.offers.unwrap_or(entries.len());
    let mut whole = changed(honest, &changes);
    whole["accepts"] = entries.into_iter().cycle().take(count).collect();
    whole
}

fn entry(version: Version, resource: &str, way: Way) -> Value {
    let mut entry = json!({
        "scheme": "exact",
        "asset": ASSET.to_string(),
        "payTo": PAYEE.to_string(),
        "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2"},
    });
    match version {
        Version::V1 => {
            entry["network"] = NETWORK_V1.into();
            entry["maxAmountRequired"] = "10000".into();
            entry["resource"] = resource.into();
            entry["description"] = "a thing".into();
        }
        Version::V2 | Version::Mpp => {
            entry["network"] = NETWORK.into();
            entry["amount"] = "10000".into();
            say_the_way(way, &mut entry);
        }
    }
    entry
}

/// So that the same sellers are played over every scheme.
fn say_the_way(way: Way, entry: &mut Value) {
    match way {
        Way::Eip3009 | Way::Mpp => {}
        Way::Permit2 => entry["extra"]["assetTransferMethod"] = "permit2".into(),
        Way::Upto => {
            entry["scheme"] = "upto".into();
            entry["extra"]["assetTransferMethod"] = "permit2".into();
            entry["extra"]["facilitatorAddress"] = SETTLER.to_string().into();
        }
    }
}

/// Objects are changed key by key, everything else as a whole.
fn changed(honest: Value, changes: &Value) -> Value {
    match (honest, changes) {
        (Value::Object(mut honest), Value::Object(changes)) => {
            for (key, change) in changes {
                let before = honest.remove(key).unwrap_or_default();
                honest.insert(key.clone(), changed(before, change));
            }
            Value::Object(honest)
        }
        (_, changes) => changes.clone(),
    }
}
