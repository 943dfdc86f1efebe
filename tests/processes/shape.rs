//! Holds an answer to the fields a tool promises: their names, their kinds, the words they may hold.

use serde_json::Value;

/// One line a field: `name: kinds`, or `name?: kinds` where it may be left out. Kinds are `string`, `whole` (a number),
/// `flag`, `list`, `object`, `usd` (dollars as a decimal string), `atomic` (digits), `moment`, `null`, or else the very
/// word, with `|` between them. A field that no line names is a fault.
pub fn holds(value: &Value, fields: &str) {
    let lines: Vec<&str> = fields.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut known = Vec::new();
    for line in lines {
        let (name, kinds) = line.split_once(": ").expect("a name and its kinds");
        let (name, may_be_missing) = name.strip_suffix('?').map_or((name, false), |name| (name, true));
        known.push(name);
        match value.get(name) {
            None => assert!(may_be_missing, "`{name}` is missing in {value:#}"),
            Some(found) => assert!(kinds.split('|').any(|kind| is(found, kind)), "`{name}` is no {kinds}: {value:#}"),
        }
    }
    let members = value.as_object().unwrap_or_else(|| panic!("no object: {value:#}"));
    let strangers: Vec<&String> = members.keys().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(strangers.is_empty(), "nobody promised {strangers:?}: {value:#}");
}

fn is(value: &Value, kind: &str) -> bool {
    let text = value.as_str();
    match kind {
        "string" => text.is_some(),
        "whole" => value.is_u64(),
        "flag" => value.is_boolean(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        "atomic" => text.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())),
        "usd" => text.is_some_and(is_dollars),
        "moment" => text.is_some_and(|text| text.len() >= 20 && text.contains('T') && text.ends_with('Z')),
        word => text == Some(word),
    }
}

/// `1.00`, `0.005`: digits, a point, at least two more, and no float that was printed.
fn is_dollars(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, cents)| digits(whole) && digits(cents) && (2..=6).contains(&cents.len()))
}
