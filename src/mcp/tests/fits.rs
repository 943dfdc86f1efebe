//! Whether JSON fits a JSON schema: as much of 2020-12 as our schemas use, and a panic on anything else.

use serde_json::Value;

const UNDERSTOOD: [&str; 12] = [
    "$defs",
    "$ref",
    "additionalProperties",
    "anyOf",
    "const",
    "description",
    "enum",
    "items",
    "minimum",
    "properties",
    "required",
    "type",
];

/// Where and why it does not fit; nothing if it does.
pub fn misfits(schema: &Value, value: &Value) -> Vec<String> {
    check(schema, schema, value, "$")
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(keywords) = schema else {
        return if schema == &Value::Bool(true) { vec![] } else { vec![format!("{at} is not allowed")] };
    };
    for keyword in keywords.keys() {
        assert!(
            UNDERSTOOD.contains(&keyword.as_str()) || keyword == "oneOf" || keyword == "maximum",
            "{keyword} at {at}"
        );
    }
    let mut wrong = Vec::new();
    if let Some(name) = schema["$ref"].as_str() {
        wrong.extend(check(root, &root["$defs"][name.trim_start_matches("#/$defs/")], value, at));
    }
    if !of_type(&schema["type"], value) {
        wrong.push(format!("{at} is {value}, not {}", schema["type"]));
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        wrong.push(format!("{at} is {value}, none of {}", schema["enum"]));
    }
    if keywords.get("const").is_some_and(|only| only != value) {
        wrong.push(format!("{at} is {value}, not {}", schema["const"]));
    }
    for either in ["anyOf", "oneOf"] {
        wrong.extend(schema[either].as_array().and_then(|all| none_fits(root, all, value, at)));
    }
    wrong.extend(members(root, schema, value, at));
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(items) = keywords.get("items") {
            wrong.extend(check(root, items, item, &format!("{at}[{index}]")));
        }
    }
    wrong
}

fn none_fits(root: &Value, all: &[Value], value: &Value, at: &str) -> Option<String> {
    let tried: Vec<Vec<String>> = all.iter().map(|one| check(root, one, value, at)).collect();
    (!tried.iter().any(Vec::is_empty)).then(|| format!("{at} fits none: {tried:?}"))
}

fn members(root: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(members) = value else { return vec![] };
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut wrong: Vec<String> =
        required.filter(|name| !members.contains_key(*name)).map(|name| format!("{at}.{name} is missing")).collect();
    for (name, member) in members {
        let at = format!("{at}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => wrong.extend(check(root, schema, member, &at)),
            (None, None) => {}
        }
    }
    wrong
}

/// Every member that an answer has is one its schema knows: nothing is sent that is not written down.
pub fn unlisted(schema: &Value, value: &Value) -> Vec<String> {
    let mut known: Vec<&str> =
        schema["properties"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
    for either in schema["anyOf"].as_array().into_iter().flatten() {
        let name = either["$ref"].as_str().unwrap_or_default().trim_start_matches("#/$defs/");
        known.extend(schema["$defs"][name]["properties"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()));
    }
    value.as_object().into_iter().flatten().map(|(k, _)| k.clone()).filter(|k| !known.contains(&k.as_str())).collect()
}

fn of_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    };
    match wanted {
        Value::Null => true,
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        other => panic!("unknown type {other}"),
    }
}
