//! JSON as somebody wrote it, in one canonical form: keys sorted, no space between, every number digit by digit.
//!
//! Read into values, numbers are rounded to what a float holds: two orders become one, and what goes out is not what
//! was asked for. So numbers are never read at all.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Members;

/// As deep as anything honest is nested, and as the JSON library reads.
const DEPTH: usize = 128;

/// A JSON text. It is not known to be one before it was made [canonical](Written::canonical).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written(String);

/// Why a text has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrittenError {
    /// Not JSON.
    #[error("it is not JSON")]
    Malformed,
    /// Nobody knows which of the two is meant.
    #[error("the key `{0}` stands twice in one object")]
    KeyTwice(String),
    /// Nested deeper than is read.
    #[error("it is nested deeper than {DEPTH} levels")]
    TooDeep,
}

impl Written {
    /// A text that should be JSON.
    pub fn new(text: impl Into<String>) -> Written {
        Written(text.into())
    }

    /// The text as it is.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text for everything that differs in the order of keys, in spaces and in how characters are escaped.
    pub fn canonical(&self) -> Result<String, WrittenError> {
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(|_| WrittenError::Malformed)?;
        let mut out = String::with_capacity(self.0.len());
        write(raw.get(), DEPTH, &mut out)?;
        Ok(out)
    }
}

/// For values of our own.
impl From<Value> for Written {
    fn from(value: Value) -> Written {
        Written(value.to_string())
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From a string that holds it: whoever reads JSON into values has rounded the numbers before this sees them.
impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Written, D::Error> {
        String::deserialize(d).map(Written)
    }
}

fn write(text: &str, depth: usize, out: &mut String) -> Result<(), WrittenError> {
    let deeper = || depth.checked_sub(1).ok_or(WrittenError::TooDeep);
    match text.as_bytes().first() {
        Some(b'{') => object(text, deeper()?, out),
        Some(b'[') => array(text, deeper()?, out),
        Some(b'"') => string(text, out),
        // A number, true, false or null: as it is.
        _ => {
            out.push_str(text);
            Ok(())
        }
    }
}

fn object(text: &str, depth: usize, out: &mut String) -> Result<(), WrittenError> {
    let members: Members<'_> = serde_json::from_str(text).map_err(|_| WrittenError::Malformed)?;
    let mut sorted = BTreeMap::new();
    for (name, raw) in members.iter() {
        if sorted.insert(name, raw).is_some() {
            return Err(WrittenError::KeyTwice(name.to_owned()));
        }
    }
    out.push('{');
    for (index, (name, raw)) in sorted.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&quoted(name));
        out.push(':');
        write(raw, depth, out)?;
    }
    out.push('}');
    Ok(())
}

fn array(text: &str, depth: usize, out: &mut String) -> Result<(), WrittenError> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(|_| WrittenError::Malformed)?;
    out.push('[');
    for (index, raw) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(raw.get(), depth, out)?;
    }
    out.push(']');
    Ok(())
}

fn string(text: &str, out: &mut String) -> Result<(), WrittenError> {
    let text: String = serde_json::from_str(text).map_err(|_| WrittenError::Malformed)?;
    out.push_str(&quoted(&text));
    Ok(())
}

fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> Result<String, WrittenError> {
        Written::new(text).canonical()
    }

    #[test]
    fn numbers_stay_as_they_were_written() {
        let numbers = [
            "100000000000000000001",
            "100000000000000000002",
            "-0",
            "-0.0",
            "0.10",
            "0.1000000000000000000000000000000000000001",
            "1e2",
            "1E+2",
            "1e999",
            "-12345678901234567890123.456789012345678901234567890E-40",
        ];
        for number in numbers {
            assert_eq!(canonical(number), Ok(number.to_owned()));
            let nested = format!("{{ \"a\" : [ {number} , {{\"b\":{number}}} ] }}");
            assert_eq!(canonical(&nested), Ok(format!(r#"{{"a":[{number},{{"b":{number}}}]}}"#)));
        }
    }

    #[test]
    fn order_spaces_and_escapes_make_no_difference() {
        let one = canonical("\t{\"b\" : [true, null, \"\\u0041\\/\"],\n\"a\":{\"d\":1,\"c\":2}} ").unwrap();
        assert_eq!(one, r#"{"a":{"c":2,"d":1},"b":[true,null,"A/"]}"#);
        assert_eq!(canonical(&one), Ok(one.clone()));
        assert_eq!(canonical(r#"{"\u0061":1}"#), canonical(r#"{"a":1}"#));
    }

    #[test]
    fn a_key_that_stands_twice_has_no_canonical_form() {
        assert_eq!(canonical(r#"[{"a":1,"\u0061":1}]"#), Err(WrittenError::KeyTwice("a".to_owned())));
        assert!(canonical(r#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_no_json_and_what_is_too_deep_is_told() {
        for text in ["", "{", "{]", "[1,]", "01", "1.", "NaN", "\"\\ud800\"", "{\"a\":1}x", "1 2", "'a'"] {
            assert_eq!(canonical(text), Err(WrittenError::Malformed), "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(canonical(&nested(DEPTH)), Ok(nested(DEPTH)));
        assert_eq!(canonical(&nested(DEPTH + 1)), Err(WrittenError::TooDeep));
        assert!(canonical(&nested(100_000)).is_err());
    }
}
