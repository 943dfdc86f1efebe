//! What a server says, as bytes: an honest answer of MCP, with what its file changes of it.

use alloy_primitives::B256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use sandbox::chain::{ASSET, CHAIN_ID, NETWORK, NETWORK_V1};
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::x402::{Payment, Version};
use serde_json::{Value, json};

use crate::file::Act;

/// Who can be named in a file: `{server}`, `{other}`, `{closed}`, `{wallet}`, and what every sandbox has.
#[derive(Clone, Debug)]
pub struct Names(pub Vec<(&'static str, String)>);

/// What a server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    Discover,
    Initialize,
    List,
    Unpaid,
    Paid,
    Listen,
}

/// What an answer is made from beside its act.
pub struct Moment<'a> {
    pub asked: Asked,
    /// How often that was asked before, and this time.
    pub nth: usize,
    /// The request's id, as it was written.
    pub id: Value,
    pub payment: Option<&'a Payment>,
    pub settled: Option<B256>,
    /// By the chain, in seconds.
    pub now: u64,
    pub names: &'a Names,
}

impl Names {
    pub fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }
}

/// All there is of a reply, before anything is cut from it.
pub fn reply(act: &Act, moment: &Moment<'_>) -> Vec<u8> {
    if let Some(raw) = &act.raw {
        return fill(raw, act, moment).into_bytes();
    }
    let (kind, body) = match &act.stream {
        Some(stream) => ("text/event-stream", fill(stream, act, moment).replace("{answer}", &message(act, moment))),
        None => ("application/json", message(act, moment)),
    };
    let body: Vec<u8> = match act.latin1 {
        true => body.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
        false => body.into_bytes(),
    };
    let status = act.status.unwrap_or(200);
    let said = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Whatever");
    let mut head = vec![format!("HTTP/1.1 {status} {said}"), "Connection: close".to_owned()];
    if !act.headers.iter().any(|line| line.to_ascii_lowercase().starts_with("content-type:")) {
        head.push(format!("Content-Type: {kind}"));
    }
    if act.stream.is_none() && !act.stalls {
        head.push(format!("Content-Length: {}", body.len()));
    }
    head.extend(act.headers.iter().map(|line| fill(line, act, moment)));
    let mut bytes = (head.join("\r\n") + "\r\n\r\n").into_bytes();
    bytes.extend(body);
    bytes
}

/// The answer in JSON-RPC, under the id that was asked under.
fn message(act: &Act, moment: &Moment<'_>) -> String {
    if let Some(text) = &act.text {
        return fill(text, act, moment);
    }
    let (member, honest) = said(act, moment);
    let changes = if member == "error" { &act.error } else { &act.result };
    let said = match changes {
        Some(changes) => changed(honest, &fill_json(changes, act, moment)),
        None => honest,
    };
    let mut message = json!({"jsonrpc": "2.0", "id": moment.id, member: said});
    match &act.id {
        Some(Value::String(none)) if none == "none" => _ = message.as_object_mut().and_then(|all| all.remove("id")),
        Some(other) => message["id"] = other.clone(),
        None => {}
    }
    message.to_string()
}

/// What an honest server would have said, or one that is asked for something in particular.
fn said(act: &Act, moment: &Moment<'_>) -> (&'static str, Value) {
    let me = json!({"name": "hostile", "version": "1"});
    let capabilities = json!({"tools": {}});
    if act.error.is_some() && act.mpp.is_none() {
        return ("error", json!({"code": -32603, "message": "no"}));
    }
    match moment.asked {
        Asked::Discover => {
            ("result", json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities, "serverInfo": me}))
        }
        Asked::Initialize => {
            ("result", json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": me}))
        }
        Asked::List => ("result", json!({"tools": tools(act, moment)})),
        Asked::Unpaid | Asked::Paid | Asked::Listen => called(act, moment),
    }
}

fn called(act: &Act, moment: &Moment<'_>) -> (&'static str, Value) {
    if let Some(changes) = &act.mpp {
        let challenge = changed(mpp(moment), &fill_json(changes, act, moment));
        let data = json!({"httpStatus": 402, "challenges": [challenge]});
        return ("error", json!({"code": -32042, "message": "Payment Required", "data": data}));
    }
    let is_plain = act.goods.is_none() && act.result.is_none() && moment.asked == Asked::Unpaid;
    let plain = is_plain.then(|| json!({}));
    let required = match (&act.v1, act.x402.as_ref().or(plain.as_ref())) {
        (Some(changes), _) => Some(challenge(Version::V1, &fill_json(changes, act, moment))),
        (None, Some(changes)) => Some(challenge(Version::V2, &fill_json(changes, act, moment))),
        (None, None) => None,
    };
    let mut result = match required {
        Some(required) if act.by_extension => json!({"resultType": "payment_required", "paymentRequired": required}),
        Some(required) => {
            let mut result = json!({"content": [{"type": "text", "text": required.to_string()}], "isError": true});
            if !act.in_text {
                result["structuredContent"] = required;
            }
            result
        }
        None => {
            let goods = act.goods.as_deref().unwrap_or("the goods");
            json!({"content": [{"type": "text", "text": fill(goods, act, moment)}], "isError": false})
        }
    };
    if let Some(changes) = &act.receipt {
        result["_meta"] = receipt(&fill_json(changes, act, moment), moment);
    }
    ("result", result)
}

fn tools(act: &Act, moment: &Moment<'_>) -> Vec<Value> {
    let honest = json!({"name": "search", "description": "looks for it", "inputSchema": {"type": "object"}});
    let mut listed = act.tools.clone();
    if listed.is_empty() {
        listed.push(json!({}));
    }
    let tools = listed.iter().map(|changes| changed(honest.clone(), &fill_json(changes, act, moment)));
    let tools: Vec<Value> = tools.collect();
    let Some(many) = act.many else { return tools };
    let numbered = tools.into_iter().cycle().take(many).enumerate().map(|(nth, mut tool)| {
        tool["name"] = format!("{}{nth}", tool["name"].as_str().unwrap_or_default()).into();
        tool
    });
    numbered.collect()
}

/// An honest challenge for one cent, changed. Each entry the file lists is an honest one with its changes.
fn challenge(version: Version, changes: &Value) -> Value {
    let honest = match version {
        Version::V1 => json!({"x402Version": 1, "error": "payment is required"}),
        Version::V2 | Version::Mpp => {
            json!({"x402Version": 2, "error": "payment is required", "resource": {"url": "mcp://tool/search"}})
        }
    };
    let listed = changes["accepts"].as_array().cloned().unwrap_or_else(|| vec![json!({})]);
    let entries = listed.iter().map(|changes| changed(entry(version), changes)).collect();
    let mut whole = changed(honest, changes);
    whole["accepts"] = entries;
    whole
}

fn entry(version: Version) -> Value {
    let mut entry = json!({
        "scheme": "exact", "asset": ASSET.to_string(), "payTo": PAYEE.to_string(), "maxTimeoutSeconds": 60,
        "extra": {"name": "USDC", "version": "2"},
    });
    let terms = match version {
        Version::V1 => json!({"network": NETWORK_V1, "maxAmountRequired": "10000", "resource": "mcp://tool/search"}),
        Version::V2 | Version::Mpp => json!({"network": NETWORK, "amount": "10000"}),
    };
    entry = changed(entry, &terms);
    entry
}

/// The same in MPP.
fn mpp(moment: &Moment<'_>) -> Value {
    let expires = jiff::Timestamp::from_second(moment.now as i64 + 60).unwrap();
    json!({
        "id": format!("challenge-{}-{}", moment.now, moment.nth), "realm": "tools", "method": "evm", "intent": "charge",
        "request": {
            "amount": "10000", "currency": ASSET.to_checksum(None), "recipient": PAYEE.to_checksum(None),
            "methodDetails": {"chainId": CHAIN_ID, "credentialTypes": ["authorization"], "decimals": 6},
            "_mppx_scope": {"http_method": "POST", "resource": "tools/call", "route": "tool:search"},
        },
        "expires": expires.to_string(),
    })
}

/// A receipt in the words of what paid.
fn receipt(changes: &Value, moment: &Moment<'_>) -> Value {
    let tx = moment.settled.unwrap_or(B256::repeat_byte(0x11)).to_string();
    match moment.payment.map_or(Version::V2, |payment| payment.version) {
        Version::Mpp => {
            let honest =
                json!({"status": "success", "method": "evm", "reference": tx, "timestamp": "2027-01-15T08:00:00Z"});
            json!({"org.paymentauth/receipt": changed(honest, changes)})
        }
        version => {
            let network = if version == Version::V1 { NETWORK_V1 } else { NETWORK };
            let payer = moment.payment.map(|payment| payment.transfer.from.to_string());
            let honest = json!({"success": true, "transaction": tx, "network": network, "payer": payer});
            json!({"x402/payment-response": changed(honest, changes)})
        }
    }
}

fn fill(text: &str, act: &Act, moment: &Moment<'_>) -> String {
    let text = moment.names.fill(text).replace("{nth}", &moment.nth.to_string());
    let mut text = text.replace("{id}", &moment.id.to_string());
    type Made<'a> = (&'a str, &'a dyn Fn() -> String);
    let ping = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n";
    let made: [Made<'_>; 7] = [
        ("{flood}", &|| ping.repeat(act.pads)),
        ("{pad}", &|| "x".repeat(act.pads)),
        ("{nest}", &|| format!("{}1{}", "{\"a\":".repeat(act.nests), "}".repeat(act.nests))),
        ("{challenge}", &|| challenge(Version::V2, &json!({})).to_string()),
        ("{mpp}", &|| mpp(moment).to_string()),
        ("{challenge64}", &|| STANDARD.encode(challenge(Version::V2, &json!({})).to_string())),
        ("{receipt64}", &|| STANDARD.encode(receipt(&json!({}), moment)["x402/payment-response"].to_string())),
    ];
    for (name, make) in made {
        if text.contains(name) {
            text = text.replace(name, &make());
        }
    }
    text
}

/// `@challenge` and `@mpp` are objects where `{challenge}` and `{mpp}` are their text.
fn fill_json(value: &Value, act: &Act, moment: &Moment<'_>) -> Value {
    match value {
        Value::String(text) if text == "@challenge" => challenge(Version::V2, &json!({})),
        Value::String(text) if text == "@mpp" => mpp(moment),
        Value::String(text) => fill(text, act, moment).into(),
        Value::Array(all) => all.iter().map(|value| fill_json(value, act, moment)).collect(),
        Value::Object(all) => all
            .iter()
            .map(|(key, value)| (key.clone(), fill_json(value, act, moment)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
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
