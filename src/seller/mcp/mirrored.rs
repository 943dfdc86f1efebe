//! Pure: arguments that a tool's schema wants in headers of HTTP too, so that whoever stands before its server can route by
//! them: `x-mcp-header` in the schema, `Mcp-Param-...` on the wire, in the newest era.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::json;

/// A name that nothing else of a request has.
const PREFIX: &str = "mcp-param-";
const NAME_CHARS: usize = 64;
/// More of them than any tool has that means it, or tools of one server that have any.
const MOST: usize = 500;

/// What the tools of one server want, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(BTreeMap<String, Vec<Mirror>>);

/// An argument, by where it stands, and the header it is wanted in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    path: Vec<String>,
    header: String,
}

impl Mirrors {
    /// Takes in what a page of a list says. A tool that wants none any more is as one that never did.
    pub fn learn(&mut self, page: &Value) {
        for tool in page.get("tools").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = tool.get("name").and_then(Value::as_str) else { continue };
            let mut wanted = Vec::new();
            if let Some(schema) = tool.get("inputSchema") {
                collect(schema, &mut Vec::new(), &mut wanted);
            }
            self.0.remove(name);
            if !wanted.is_empty() && self.0.len() < MOST {
                self.0.insert(name.to_owned(), wanted);
            }
        }
    }

    /// The headers of a call. What is not among its arguments, or is `null`, is in none.
    pub fn headers(&self, tool: &str, arguments: &str) -> Vec<(String, String)> {
        let one = |mirror: &Mirror| Some((mirror.header.clone(), in_a_header(&value_at(arguments, &mirror.path)?)));
        self.0.get(tool).into_iter().flatten().filter_map(one).collect()
    }
}

/// Along `properties` and nothing else: what may or may not hold for a call is wanted in no header.
fn collect(schema: &Value, path: &mut Vec<String>, wanted: &mut Vec<Mirror>) {
    for (name, of) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        path.push(name.clone());
        let header = of.get("x-mcp-header").and_then(Value::as_str).filter(|name| is_token(name));
        let header = header.map(|name| format!("{PREFIX}{}", name.to_ascii_lowercase()));
        let is_taken = |header: &String| wanted.iter().any(|mirror| mirror.header == *header);
        if let Some(header) = header.filter(|header| wanted.len() < MOST && !is_taken(header)) {
            wanted.push(Mirror { path: path.clone(), header });
        }
        collect(of, path, wanted);
        path.pop();
    }
}

fn is_token(name: &str) -> bool {
    let is_one = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=NAME_CHARS).contains(&name.len()) && name.bytes().all(is_one)
}

/// A text, a number or a truth, as it is written.
fn value_at(arguments: &str, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let members = json::members(arguments)?;
    let value = members.member(first).ok().flatten()?;
    match (rest, value.as_bytes().first()) {
        ([_, ..], _) => value_at(value, rest),
        ([], Some(b'"')) => serde_json::from_str(value).ok(),
        ([], Some(b'{' | b'[')) => None,
        ([], _) => Some(value.to_owned()),
    }
}

/// What no header can hold as it is goes in Base64.
pub fn in_a_header(value: &str) -> String {
    let is_plain = value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
    let is_whole = !value.is_empty() && value.trim_ascii() == value;
    match is_plain && is_whole && !value.starts_with("=?base64?") {
        true => value.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(value)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(schema: Value, arguments: &str) -> Vec<(String, String)> {
        let mut mirrors = Mirrors::default();
        mirrors.learn(&json!({"tools": [{"name": "query", "inputSchema": schema}]}));
        mirrors.headers("query", arguments)
    }

    fn region(header: Value) -> Value {
        json!({"properties": {"region": {"type": "string", "x-mcp-header": header}}})
    }

    #[test]
    fn an_argument_that_is_wanted_in_a_header_stands_in_it_as_it_is_written() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            "sql": {"type": "string"},
        }});
        let arguments = r#"{"sql": "select", "dry": false, "region": "eu \"1\"", "deep": {"n": 12345678901234567890}}"#;
        let header = |name: &str, value: &str| (format!("mcp-param-{name}"), value.to_owned());
        let mut told = wanted(schema.clone(), arguments);
        told.sort();
        assert_eq!(told, [header("dry", "false"), header("n", "12345678901234567890"), header("region", "eu \"1\"")]);
        assert_eq!(wanted(schema.clone(), r#"{"region": null, "deep": 1, "dry": [true]}"#), []);
        assert_eq!(wanted(schema, "no JSON"), []);
    }

    #[test]
    fn what_no_header_can_hold_goes_in_base64() {
        let said = |value: &str| wanted(region(json!("R")), &json!({"region": value}).to_string())[0].1.clone();
        assert_eq!((said("eu-1"), said("a b")), ("eu-1".to_owned(), "a b".to_owned()));
        assert_eq!(said("Zürich"), "=?base64?WsO8cmljaA==?=");
        assert_eq!(said("a\r\nx-payment: b"), "=?base64?YQ0KeC1wYXltZW50OiBi?=");
        assert_eq!((said(" a"), said("")), ("=?base64?IGE=?=".to_owned(), "=?base64??=".to_owned()));
        assert_eq!(said("=?base64?YQ==?="), "=?base64?PT9iYXNlNjQ/WVE9PT89?=");
    }

    #[test]
    fn a_schema_names_no_header_but_one_of_these_and_each_once() {
        let arguments = r#"{"region": "eu", "other": "us"}"#;
        for name in [json!(""), json!("a b"), json!("a\r\nb"), json!("ü"), json!(7), json!("n".repeat(65))] {
            assert_eq!(wanted(region(name.clone()), arguments), [], "{name}");
        }
        let twice = json!({"properties": {"region": {"x-mcp-header": "R"}, "other": {"x-mcp-header": "r"}}});
        assert_eq!(wanted(twice, arguments).len(), 1);
        let beside = json!({"anyOf": [region(json!("R"))], "items": region(json!("R"))});
        assert_eq!(wanted(beside, arguments), []);
    }

    #[test]
    fn a_tool_that_wants_none_any_more_has_none() {
        let mut mirrors = Mirrors::default();
        let list = |schema: Value| json!({"tools": [{"name": "query", "inputSchema": schema}]});
        mirrors.learn(&list(region(json!("R"))));
        mirrors.learn(&list(json!({})));
        assert_eq!(mirrors, Mirrors::default());
    }
}
