//! Pure: JSON-RPC as MCP speaks it, written and read as text: what goes through is never rebuilt from values.

use serde_json::value::RawValue;

use crate::json;
use crate::limits;
use crate::text;

/// Every version before the newest is spoken after a handshake. The first of these is proposed.
pub const HANDSHAKEN: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The newest is spoken without one: each request says by itself what there is to know.
pub const STATELESS: &str = "2026-07-28";

/// What bursar says of itself: to a seller as to anybody.
const ME: &str = concat!(r#"{"name":"bursar","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#);
/// What a seller may ask of us: nothing. It may offer x402 in the form that is made for MCP.
const STATELESS_CAPABILITIES: &str = r#"{"extensions":{"org.x402/payment":{}}}"#;

/// In which version a server is spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Era {
    /// In this one, after a handshake.
    Handshaken(String),
    /// Without one.
    Stateless,
}

impl Era {
    /// As headers and `_meta` have it.
    pub fn version(&self) -> &str {
        match self {
            Era::Handshaken(version) => version,
            Era::Stateless => STATELESS,
        }
    }
}

/// One request of ours, before it has an id and an era.
#[derive(Clone, Debug)]
pub struct McpMessage {
    pub method: String,
    /// The members of `params`, as text; none where it is empty.
    pub params: String,
    /// What it is about, where HTTP wants that in a header: a tool, a prompt, a resource.
    pub name: Option<String>,
    /// What it says in headers too, where those are HTTP's.
    pub headers: Vec<(String, String)>,
    /// Members of `_meta`, each with its text.
    pub meta: Vec<(String, String)>,
    /// Whether its server may say how far it is.
    pub has_progress: bool,
}

impl McpMessage {
    /// Of this method, with nothing in it.
    pub fn new(method: &str) -> McpMessage {
        let (params, name, headers, meta) = (String::new(), None, Vec::new(), Vec::new());
        McpMessage { method: method.to_owned(), params, name, headers, meta, has_progress: false }
    }

    /// A call of a tool; `arguments` is an object.
    pub fn call(tool: &str, arguments: &str) -> McpMessage {
        let params = format!(r#""name":{},"arguments":{arguments}"#, quoted(tool));
        McpMessage { params, name: Some(tool.to_owned()), has_progress: true, ..McpMessage::new("tools/call") }
    }

    /// The handshake of every version that has one.
    pub fn handshake() -> McpMessage {
        let params = format!(r#""protocolVersion":"{}","capabilities":{{}},"clientInfo":{ME}"#, HANDSHAKEN[0]);
        McpMessage { params, ..McpMessage::new("initialize") }
    }

    /// The same with one more member in its `_meta`.
    pub fn with_meta(mut self, name: &str, value: &str) -> McpMessage {
        self.meta.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As it goes out.
    pub fn written(&self, id: u64, era: &Era) -> String {
        let mut meta: Vec<String> = self.meta.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
        if self.has_progress {
            meta.push(format!(r#""progressToken":{id}"#));
        }
        if *era == Era::Stateless {
            let ours = [
                ("protocolVersion", format!("\"{STATELESS}\"")),
                ("clientInfo", ME.to_owned()),
                ("clientCapabilities", STATELESS_CAPABILITIES.to_owned()),
            ];
            meta.extend(ours.map(|(name, value)| format!(r#""io.modelcontextprotocol/{name}":{value}"#)));
        }
        let meta = (!meta.is_empty()).then(|| format!(r#""_meta":{{{}}}"#, meta.join(",")));
        let params = Some(self.params.clone()).filter(|params| !params.is_empty());
        let params: Vec<String> = params.into_iter().chain(meta).collect();
        let params = if params.is_empty() { String::new() } else { format!(r#","params":{{{}}}"#, params.join(",")) };
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{}{params}}}"#, quoted(&self.method))
    }
}

/// Said after the handshake.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// The answer to a request of ours: its result or its error, as it was written.
    Answer { id: u64, is_error: bool, text: String },
    /// A request of its own; `id` as it was written.
    Asked { id: String, method: String },
    /// How far it is with the request of this id.
    Progress { id: u64, words: String },
    /// Anything else: it is not for us.
    Other,
}

/// One message; none where this is not one.
pub fn heard(line: &str) -> Option<Spoken> {
    let members = json::members(line)?;
    let member = |key: &str| members.member(key).ok().flatten();
    let method = member("method").and_then(|text| serde_json::from_str::<String>(text).ok());
    Some(match (method, member("id")) {
        (Some(method), Some(id)) => Spoken::Asked { id: id.to_owned(), method },
        (Some(method), None) if method == "notifications/progress" => {
            member("params").and_then(progress).unwrap_or(Spoken::Other)
        }
        (Some(_), None) => Spoken::Other,
        (None, id) => {
            let (is_error, text) = match (members.member("result"), members.member("error")) {
                (Ok(Some(result)), Ok(None)) => (false, result),
                (Ok(None), Ok(Some(error))) => (true, error),
                _ => return None,
            };
            // An error without an id is about what could not be read: only our one request can be meant.
            let id = id.map_or(Some(0), |id| id.trim_matches('"').parse().ok())?;
            Spoken::Answer { id, is_error, text: text.to_owned() }
        }
    })
}

/// The messages in a body of HTTP: one, or a list of them.
pub fn all_heard(body: &str) -> Vec<Spoken> {
    let listed: Vec<&RawValue> = match body.trim_start().starts_with('[') {
        true => serde_json::from_str(body).unwrap_or_default(),
        false => return heard(body).into_iter().collect(),
    };
    listed.into_iter().filter_map(|message| heard(message.get())).collect()
}

/// `the seller says: 3 of 10, “half way”`
fn progress(params: &str) -> Option<Spoken> {
    let members = json::members(params)?;
    let member = |key: &str| members.member(key).ok().flatten();
    // As many digits as anybody counts with.
    let shown = |number: f64| (number.abs() < 1e12).then(|| (number * 1e3).round() / 1e3);
    let number = |key: &str| member(key).and_then(|text| text.parse::<f64>().ok()).and_then(shown);
    let id = member("progressToken")?.trim_matches('"').parse().ok()?;
    let so_far = number("progress")?;
    let of_all = number("total").map(|total| format!(" of {total}")).unwrap_or_default();
    let said = member("message").and_then(|text| serde_json::from_str::<String>(text).ok());
    let said = said.map(|said| format!(", {}", text::in_quotes(&text::quoted(&said, limits::QUOTED_CHARS))));
    let said = said.unwrap_or_default();
    Some(Spoken::Progress { id, words: format!("the seller says: {so_far}{of_all}{said}") })
}

/// What is said to a request of a server. Nothing is offered to a seller: no roots, no samples, no questions to a person.
pub fn answer_to(id: &str, method: &str) -> String {
    match method {
        "ping" => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        _ => format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"not offered"}}}}"#),
    }
}

/// An object without its `_meta`, and that. Two of them are none.
pub fn without_meta(object: &str) -> Option<(String, String)> {
    let members = json::members(object)?;
    let meta = members.member("_meta").ok().flatten().unwrap_or("{}").to_owned();
    let others = members.iter().filter(|(name, _)| *name != "_meta");
    let others: Vec<String> = others.map(|(name, text)| format!("{}:{text}", quoted(name))).collect();
    Some((format!("{{{}}}", others.join(",")), meta))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_call_says_what_its_era_wants_and_no_more() {
        let call = McpMessage::call("we\"ather", r#"{"city":"Bern","n":1.0}"#).with_meta("x402/payment", r#"{"a":1}"#);
        let old: Value = serde_json::from_str(&call.written(7, &Era::Handshaken(HANDSHAKEN[0].to_owned()))).unwrap();
        assert_eq!(
            old,
            json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
                "name": "we\"ather", "arguments": {"city": "Bern", "n": 1.0},
                "_meta": {"x402/payment": {"a": 1}, "progressToken": 7}}})
        );
        assert!(call.written(7, &Era::Stateless).contains(r#""n":1.0"#));
        let new: Value = serde_json::from_str(&call.written(7, &Era::Stateless)).unwrap();
        let meta = new["params"]["_meta"].as_object().unwrap();
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], STATELESS);
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({"extensions": {"org.x402/payment": {}}}));
        let bare: Value =
            serde_json::from_str(&McpMessage::new("tools/list").written(1, &Era::Handshaken("x".into()))).unwrap();
        assert_eq!(bare, json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}));
    }

    #[test]
    fn what_a_server_says_is_told_apart() {
        let answer = |id, is_error, text: &str| Some(Spoken::Answer { id, is_error, text: text.to_owned() });
        assert_eq!(heard(r#"{"jsonrpc":"2.0","id":3,"result":{"n":1.0}}"#), answer(3, false, r#"{"n":1.0}"#));
        assert_eq!(heard(r#"{"id":"3","error":{"code":1}}"#), answer(3, true, r#"{"code":1}"#));
        assert_eq!(heard(r#"{"id":3,"result":{},"error":{}}"#), None);
        assert_eq!(heard(r#"{"id":3,"result":{},"result":{}}"#), None);
        let asked = Spoken::Asked { id: "\"a\"".to_owned(), method: "roots/list".to_owned() };
        assert_eq!(heard(r#"{"id":"a","method":"roots/list"}"#), Some(asked));
        let told = r#"{"method":"notifications/progress","params":{"progressToken":3,"progress":1,"total":4,"message":"a\nb\" c"}}"#;
        let words = "the seller says: 1 of 4, \u{201c}a b' c\u{201d}".to_owned();
        assert_eq!(heard(told), Some(Spoken::Progress { id: 3, words }));
        assert_eq!(heard("[1]"), None);
        assert_eq!(all_heard(r#"[{"id":1,"result":{}},{"method":"x"}]"#).len(), 2);
    }

    #[test]
    fn nothing_but_a_ping_is_answered_with_a_result() {
        for method in ["roots/list", "sampling/createMessage", "elicitation/create", "x"] {
            let said: Value = serde_json::from_str(&answer_to("\"a\"", method)).unwrap();
            assert_eq!((&said["id"], &said["error"]["code"]), (&json!("a"), &json!(-32601)), "{method}");
        }
        assert!(answer_to("1", "ping").contains("\"result\":{}"));
    }

    #[test]
    fn the_meta_is_taken_out_and_everything_else_stays_as_it_was_written() {
        let (object, meta) = without_meta(r#"{"a":1.00,"_meta":{"x":1},"b":"\u00e9"}"#).unwrap();
        assert_eq!((object.as_str(), meta.as_str()), (r#"{"a":1.00,"b":"\u00e9"}"#, r#"{"x":1}"#));
        assert_eq!(without_meta(r#"{"_meta":{"x":1},"_meta":{"x":2}}"#).unwrap(), ("{}".into(), "{}".into()));
        assert_eq!(without_meta("[]"), None);
    }
}
