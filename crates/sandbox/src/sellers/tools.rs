//! The market as an MCP server: every stall of one name is a tool, and is paid and behaves as it does over HTTP. What a
//! stall says in headers stands in results, errors and `_meta` here.
//!
//! At [`SERVER`] both eras are spoken, without sessions; at [`OLD_SERVER`] only the one with a handshake, and a session.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use serde_json::{Map, Value, json};

use super::{Behaviour, Market, Stall};
use crate::http::{self as wire, Request, Wire};

/// Where the market is an MCP server.
pub const SERVER: &str = "/mcp";
/// Where it is one of yesterday.
pub const OLD_SERVER: &str = "/mcp-2025";

const STATELESS: &str = "2026-07-28";
const HANDSHAKEN: &str = "2025-11-25";
const SESSION: &str = "play-session";

/// A stall's answer to a call, or to anything else that a server is asked.
pub(super) enum Asked {
    Said(Value),
    /// It stands for itself, as HTTP has it.
    Status(Response<Bytes>),
    Call {
        inner: Request,
        asks_by_extension: bool,
        id: Value,
    },
}

/// What a message asks for. Calls go to the stall of the tool's name.
pub(super) fn asked(market: &Market, request: &Request) -> Asked {
    let Ok(message) = serde_json::from_slice::<Value>(&request.body) else {
        return Asked::Status(wire::json(400, &json!({"error": "no JSON"})));
    };
    let id = message["id"].clone();
    let is_old = request.uri.path() == OLD_SERVER;
    let method = message["method"].as_str().unwrap_or_default();
    if id.is_null() {
        return Asked::Status(wire::response(202, "text/plain", ""));
    }
    let session = request.headers.get("mcp-session-id").and_then(|id| id.to_str().ok());
    if is_old && method != "initialize" && session != Some(SESSION) {
        return Asked::Status(wire::json(400, &error(&id, -32000, "no session", Value::Null)));
    }
    let me = json!({"name": "play-market", "version": "1"});
    let capabilities = json!({"tools": {}});
    let result = match method {
        "server/discover" if !is_old => json!({
            "supportedVersions": [STATELESS], "capabilities": capabilities, "resultType": "complete",
            "serverInfo": me, "ttlMs": 0, "cacheScope": "private"}),
        "initialize" => json!({"protocolVersion": HANDSHAKEN, "capabilities": capabilities, "serverInfo": me}),
        "tools/list" => {
            json!({"tools": market.pitches().iter().filter_map(|pitch| listed(&pitch.stall)).collect::<Value>()})
        }
        "tools/call" => return call(market, request, &message, id),
        _ => return Asked::Said(error(&id, -32601, "no such method", Value::Null)),
    };
    Asked::Said(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

/// The path of a stall without its slash is the name of its tool.
fn listed(stall: &Stall) -> Option<Value> {
    let name = stall.path.strip_prefix('/').filter(|name| !name.is_empty() && !name.contains('/'))?;
    let mut tool = json!({
        "name": name, "description": stall.description, "inputSchema": {"type": "object"},
    });
    if stall.behaviour != Behaviour::Free {
        let dollars = stall.price_at(0) as f64 / 1e6;
        tool["annotations"] = json!({"paymentHint": true, "paymentPriceUSD": dollars.to_string()});
    }
    Some(tool)
}

fn call(market: &Market, request: &Request, message: &Value, id: Value) -> Asked {
    let (params, no) = (&message["params"], |text: &str| Asked::Said(error(&id, -32602, text, Value::Null)));
    let Some(name) = params["name"].as_str() else { return no("a tool has a name") };
    let pitches = market.pitches();
    let Some(pitch) = pitches.iter().find(|pitch| pitch.stall.path.strip_prefix('/') == Some(name)) else {
        return no("no such tool");
    };
    let arguments = params["arguments"].clone();
    let texts = arguments.as_object().into_iter().flatten().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let query: Vec<String> =
        texts.map(|(key, value)| format!("{key}={}", value.replace([' ', '&', '#'], "+"))).collect();
    let uri: Option<Uri> = format!("{}?{}", pitch.stall.path, query.join("&")).parse().ok();
    let Some(uri) = uri else { return no("these arguments cannot be read") };
    let mut headers: HeaderMap = request.headers.iter().filter(|(name, _)| *name == "host").map(owned).collect();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    for (member, header, written) in payments(&params["_meta"]) {
        if let (Ok(value), true) = (HeaderValue::from_str(&written), !params["_meta"][member].is_null()) {
            headers.insert(HeaderName::from_static(header), value);
        }
    }
    let method = pitch.stall.methods.first().cloned().unwrap_or_default();
    let inner = Request { method, uri, headers, body: Bytes::from(arguments.to_string()) };
    let capabilities = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    let asks_by_extension = capabilities["extensions"]["org.x402/payment"].is_object();
    Asked::Call { inner, asks_by_extension, id }
}

fn owned((name, value): (&HeaderName, &HeaderValue)) -> (HeaderName, HeaderValue) {
    (name.clone(), value.clone())
}

/// A payment, as a stall has it in a header.
fn payments(meta: &Value) -> [(&'static str, &'static str, String); 2] {
    let (x402, mpp) = (&meta["x402/payment"], &meta["org.paymentauth/credential"]);
    let header = if x402["x402Version"] == 1 { "x-payment" } else { "payment-signature" };
    [
        ("x402/payment", header, STANDARD.encode(x402.to_string())),
        ("org.paymentauth/credential", "authorization", format!("Payment {}", URL_SAFE_NO_PAD.encode(mpp.to_string()))),
    ]
}

/// What a stall answered, in the words of MCP.
pub(super) fn told(answer: Wire, asks_by_extension: bool, id: &Value) -> Wire {
    let Wire::Answer(response) = answer else { return answer };
    let result = match response.status().as_u16() {
        402 | 412 => match challenge(&response, asks_by_extension) {
            Ok(result) => result,
            Err(challenges) => {
                let data = json!({"httpStatus": 402, "challenges": challenges});
                return Wire::Answer(wire::json(200, &error(id, -32042, "Payment Required", data)));
            }
        },
        status => {
            let text = String::from_utf8_lossy(response.body()).into_owned();
            let mut result = json!({"content": [{"type": "text", "text": text}], "isError": status >= 400});
            if let Some(meta) = receipt(response.headers()) {
                result["_meta"] = meta;
            }
            result
        }
    };
    Wire::Answer(wire::json(200, &json!({"jsonrpc": "2.0", "id": id, "result": result})))
}

/// x402 in a result; MPP, where there is nothing else, in an error.
fn challenge(response: &Response<Bytes>, asks_by_extension: bool) -> Result<Value, Value> {
    let headers = response.headers();
    let in_header = headers.get("payment-required").and_then(decoded);
    let in_body = || serde_json::from_slice(response.body()).ok().filter(|body: &Value| body["accepts"].is_array());
    let failed = headers.get("payment-response").or_else(|| headers.get("x-payment-response"));
    let after_failing =
        || failed.map(|_| json!({"x402Version": 2, "accepts": [], "error": "Payment settlement failed"}));
    let Some(mut required) = in_header.or_else(in_body).or_else(after_failing) else {
        let challenges =
            headers.get_all("www-authenticate").iter().filter_map(|value| Some(members(value.to_str().ok()?)));
        return Err(challenges.collect());
    };
    if let Some(failed) = failed {
        required["x402/payment-response"] = decoded(failed).unwrap_or_default();
    }
    Ok(match asks_by_extension {
        true => json!({"resultType": "payment_required", "paymentRequired": required}),
        false => {
            let content = json!([{"type": "text", "text": required.to_string()}]);
            json!({"content": content, "structuredContent": required, "isError": true})
        }
    })
}

fn receipt(headers: &HeaderMap) -> Option<Value> {
    let x402 = headers.get("payment-response").or_else(|| headers.get("x-payment-response"));
    let mpp = || Some(json!({"org.paymentauth/receipt": decoded(headers.get("payment-receipt")?)?}));
    x402.and_then(|value| Some(json!({"x402/payment-response": decoded(value)?}))).or_else(mpp)
}

fn decoded(value: &HeaderValue) -> Option<Value> {
    let bytes = STANDARD.decode(value).or_else(|_| URL_SAFE_NO_PAD.decode(value)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// The parameters of a `Payment` challenge of ours, none of which has a quote or a comma in it.
fn members(header: &str) -> Value {
    let params = header.trim_start_matches("Payment ").split(", ");
    let pairs = params.filter_map(|param| param.split_once('='));
    Value::Object(pairs.map(|(name, value)| (name.to_owned(), json!(value.trim_matches('"')))).collect::<Map<_, _>>())
}

fn error(id: &Value, code: i64, message: &str, data: Value) -> Value {
    let mut error = json!({"code": code, "message": message});
    if !data.is_null() {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

/// What opens a session says which one it is.
pub(super) fn with_session(response: &mut Response<Bytes>) {
    response.headers_mut().insert("mcp-session-id", HeaderValue::from_static(SESSION));
}
