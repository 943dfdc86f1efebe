//! Pure: what an agent gives a tool, checked against the tool's own schema, with everything that is wrong said at once and
//! each argument named. Only the few keywords that our schemas use are understood.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::reason::{Reason, Who};
use crate::text;

/// An agent that got more than this wrong starts over anyway.
const FAULTS_LISTED: usize = 10;
/// As much of an unknown argument's name as is worth repeating.
const NAME_CHARS: usize = 40;
/// Below this two names are different words, not one misspelt.
const ALIKE: f64 = 0.8;

/// As the MCP library calls it, too.
pub type JsonObject = serde_json::Map<String, Value>;

/// The arguments as they are meant: nulls are what was left out, and values of an enum are in its spelling.
pub fn check(schema: &JsonObject, given: JsonObject) -> Result<JsonObject, Vec<Reason>> {
    let known = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut wrong = missing(schema, &given);
    let mut kept = JsonObject::new();
    for (name, value) in given {
        match (known.get(&name), value) {
            (_, Value::Null) => {}
            (None, _) if wrong.len() < FAULTS_LISTED => wrong.push(unknown(&name, &known)),
            (None, _) => {}
            (Some(schema), value) => match fitted(&name, schema, value) {
                Ok(value) => drop(kept.insert(name, value)),
                Err(message) => wrong.push(message),
            },
        }
    }
    if wrong.is_empty() { Ok(kept) } else { Err(bad_arguments(wrong)) }
}

/// Into the type that the flow takes.
pub fn read<T: DeserializeOwned>(checked: JsonObject) -> Result<T, Vec<Reason>> {
    serde_json::from_value(Value::Object(checked)).map_err(|cause| {
        let cause = text::quoted(&cause.to_string(), crate::limits::QUOTED_CHARS);
        bad_arguments(vec![format!("the arguments do not fit: {cause}")])
    })
}

fn missing(schema: &JsonObject, given: &JsonObject) -> Vec<String> {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    required
        .filter(|name| given.get(*name).is_none_or(Value::is_null))
        .map(|name| format!("`{name}` is missing"))
        .collect()
}

fn unknown(name: &str, known: &JsonObject) -> String {
    let nearest = known
        .keys()
        // A name longer than any of ours is none of them misspelt, and takes long to compare.
        .filter(|_| name.len() <= NAME_CHARS)
        .map(|key| (strsim::jaro_winkler(name, key), key))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(one, _), (two, _)| one.total_cmp(two));
    let name = text::quoted(name, NAME_CHARS);
    match nearest {
        Some((_, key)) => format!("`{name}` is not an argument; the nearest is `{key}`"),
        None if known.is_empty() => format!("`{name}` is not an argument; there are none"),
        None => {
            let all: Vec<String> = known.keys().map(|key| format!("`{key}`")).collect();
            format!("`{name}` is not an argument; there are {}", all.join(", "))
        }
    }
}

fn fitted(name: &str, schema: &Value, value: Value) -> Result<Value, String> {
    match (schema.get("type").and_then(Value::as_str), value) {
        (Some("string"), Value::String(text)) => in_enum(name, schema, text).map(Value::String),
        (Some("string"), value) => Err(format!("`{name}` must be a string, not {}", kind(&value))),
        (Some("integer"), value) if value.is_u64() => Ok(value),
        (Some("integer"), value) => Err(format!("`{name}` must be a whole number, not {}", kind(&value))),
        // Hosts want to be told one type for everything; what holds anything at all is taken as it is.
        (Some("object"), value) if schema.get("additionalProperties").is_none() => Ok(value),
        (Some("object"), Value::Object(members)) => strings(name, members),
        (Some("object"), value) => Err(format!("`{name}` must be an object, not {}", kind(&value))),
        (_, value) => Ok(value),
    }
}

fn in_enum(name: &str, schema: &Value, text: String) -> Result<String, String> {
    let Some(values) = schema.get("enum").and_then(Value::as_array) else { return Ok(text) };
    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    match values.iter().find(|value| value.eq_ignore_ascii_case(&text)) {
        Some(value) => Ok((*value).to_owned()),
        None => Err(format!("`{name}` must be one of {}", values.join(", "))),
    }
}

fn strings(name: &str, members: JsonObject) -> Result<Value, String> {
    match members.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(Value::Object(members)),
        Some((member, value)) => {
            let member = text::quoted(member, NAME_CHARS);
            Err(format!("`{member}` in `{name}` must be a string, not {}", kind(value)))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_u64() => "a whole number",
        Value::Number(_) => "such a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn bad_arguments(mut wrong: Vec<String>) -> Vec<Reason> {
    wrong.truncate(FAULTS_LISTED);
    wrong.into_iter().map(|message| Reason::new("bad_arguments", "arguments", message, Who::Agent)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(arguments: Value) -> Result<JsonObject, Vec<String>> {
        let tool = super::super::fetch_paid::tool();
        let given = super::super::tool::schema(arguments);
        check(&tool.input, given).map_err(|reasons| reasons.into_iter().map(|r| r.message).collect())
    }

    #[test]
    fn everything_wrong_with_the_arguments_is_said_at_once_and_by_name() {
        let wrong = checked(json!({
            "max_price_usd": "1", "headers": {"a": 1}, "max_price": 0.5, "max_chars": "9", "method": "BREW", "z": 1
        }));
        insta::assert_snapshot!(wrong.unwrap_err().join("\n"), @r"
        `url` is missing
        `a` in `headers` must be a string, not a whole number
        `max_chars` must be a whole number, not a string
        `max_price` must be a string, not such a number
        `max_price_usd` is not an argument; the nearest is `max_price`
        `method` must be one of GET, POST, PUT, PATCH, DELETE
        `z` is not an argument; there are `body`, `buy_again`, `headers`, `json`, `max_chars`, `max_price`, `method`, `purchase_id`, `url`
        ");
    }

    #[test]
    fn what_a_host_fills_with_null_was_left_out() {
        let kept = checked(json!({"url": "https://e.com/", "method": null, "json": null})).unwrap();
        assert_eq!(Value::Object(kept), json!({"url": "https://e.com/"}));
        assert_eq!(checked(json!({"url": null})).unwrap_err(), ["`url` is missing"]);
    }

    #[test]
    fn an_enum_is_put_into_its_own_spelling() {
        let kept = checked(json!({"url": "https://e.com/", "method": "post"})).unwrap();
        assert_eq!(kept["method"], "POST");
    }

    #[test]
    fn json_is_any_json() {
        for value in [json!(1), json!("text"), json!([1, null]), json!({"a": null}), json!(false)] {
            let kept = checked(json!({"url": "https://e.com/", "json": value})).unwrap();
            assert_eq!(kept["json"], value);
        }
    }

    #[test]
    fn a_misused_name_is_bounded_and_cleaned_before_it_is_repeated() {
        let name = format!("\u{202e}{}\n", "x".repeat(5_000));
        let wrong = checked(json!({"url": "https://e.com/", name: 1})).unwrap_err();
        assert!(wrong[0].starts_with("`xxxx") && wrong[0].len() < 300, "{wrong:?}");
    }

    #[test]
    fn a_flood_of_wrong_arguments_is_listed_only_in_part() {
        let flood: JsonObject = (0..1_000).map(|n| (format!("k{n}"), json!(1))).collect();
        assert_eq!(checked(Value::Object(flood)).unwrap_err().len(), FAULTS_LISTED);
    }
}
