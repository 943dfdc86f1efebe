//! Pure: JSON of others, read without losing a byte, and without two readings.
//!
//! Members of an object are handed out as the text the seller wrote. A value that is decided on is read with
//! [`strict`]: an object that has a key twice means one thing to us and another to the next reader, so it means nothing.

mod written;

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

pub use self::written::{Written, WrittenError};

/// The members of an object in their order, each as its own text.
#[derive(Debug)]
pub struct Members<'a>(Vec<(String, &'a RawValue)>);

/// Why a stranger's JSON is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A key stands there twice.
    Ambiguous,
    /// Not JSON, or nested deeper than anything honest.
    Malformed,
}

/// The members of an object, if this is one.
pub fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

/// A value that is decided on.
pub fn strict(text: &str) -> Result<Value, Unreadable> {
    match serde_json::from_str(text) {
        Ok(Strict(value)) => Ok(value),
        Err(error) if error.is_data() => Err(Unreadable::Ambiguous),
        Err(_) => Err(Unreadable::Malformed),
    }
}

impl<'a> Members<'a> {
    /// Each with its text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(name, raw)| (name.as_str(), raw.get()))
    }

    /// Whether there is one of this name.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, _)| name == key)
    }

    /// The text of a member; `null` is the same as none.
    pub fn member(&self, key: &str) -> Result<Option<&'a str>, Unreadable> {
        let mut found = self.0.iter().filter(|(name, _)| name == key);
        let first = found.next().map(|(_, raw)| raw.get()).filter(|text| *text != "null");
        if found.next().is_some() { Err(Unreadable::Ambiguous) } else { Ok(first) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Members<'a>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        d.deserialize_map(Object)
    }
}

/// A value in which no object has a key twice. The only error of its own is that one; all others are syntax.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Strict, D::Error> {
        d.deserialize_any(AnyValue).map(Strict)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_ambiguous_at_any_depth_and_in_any_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert_eq!(strict(text), Err(Unreadable::Ambiguous), "{text}");
        }
        assert!(strict(r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#).is_ok());
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(60_000);
        let closed = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        for text in ["", "{", "{]", "1e999", "\"\\ud800\"", &deep, &closed] {
            assert_eq!(strict(text), Err(Unreadable::Malformed), "{:.20}", text);
        }
    }

    #[test]
    fn members_are_the_text_as_it_was_written() {
        let members = members("{ \"a\" : { \"x\":1.0 , \"y\":\"\\u0041\" } , \"b\" : null }").unwrap();
        assert_eq!(members.member("a"), Ok(Some("{ \"x\":1.0 , \"y\":\"\\u0041\" }")));
        assert_eq!(members.member("b"), Ok(None));
        assert!(members.has("b") && !members.has("c"));
    }
}
