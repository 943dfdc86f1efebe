//! Where things stand in a JSON text that may have comments and trailing commas. Nothing is changed and nothing is kept
//! but places, so that what is not ours is never written anew.

use serde::de::IgnoredAny;

use crate::cli::hosts::launch::LeftAlone;

/// Deeper than any file a person writes, and not so deep that reading it could fail.
const DEPTH: usize = 200;

/// A value and its place.
#[derive(Debug)]
pub struct JsonNode {
    pub start: usize,
    pub end: usize,
    pub kind: JsonKind,
}

/// What a value is, as far as anybody here asks.
#[derive(Debug)]
pub enum JsonKind {
    Object(Vec<Member>),
    Array(Vec<JsonNode>),
    Scalar,
}

/// One name and its value.
#[derive(Debug)]
pub struct Member {
    pub key: String,
    pub start: usize,
    pub value: JsonNode,
    /// Where the comma after it is.
    pub comma: Option<usize>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// The value of a text; none where there is nothing but space and comments.
pub fn read(text: &str) -> Result<Option<JsonNode>, LeftAlone> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip()?;
    if reader.peek().is_none() {
        return Ok(None);
    }
    let node = reader.value()?;
    reader.skip()?;
    match reader.peek() {
        None => Ok(Some(node)),
        Some(_) => Err(reader.wrong("something stands after the end of the JSON")),
    }
}

impl Reader<'_> {
    fn value(&mut self) -> Result<JsonNode, LeftAlone> {
        let start = self.at;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(self.wrong("this is nested too deep"));
        }
        let kind = match self.peek() {
            Some(b'{') => JsonKind::Object(self.members()?),
            Some(b'[') => JsonKind::Array(self.items()?),
            _ => self.scalar()?,
        };
        self.depth -= 1;
        Ok(JsonNode { start, end: self.at, kind })
    }

    fn members(&mut self) -> Result<Vec<Member>, LeftAlone> {
        let mut members: Vec<Member> = Vec::new();
        self.at += 1;
        loop {
            self.skip()?;
            match self.peek() {
                Some(b'}') => break,
                Some(b'"') if members.last().is_none_or(|before| before.comma.is_some()) => {}
                _ => return Err(self.wrong("a name in quotes, a comma or a closing brace is missing here")),
            }
            let mut member = self.member()?;
            self.skip()?;
            member.comma = self.take(b',');
            members.push(member);
        }
        self.at += 1;
        Ok(members)
    }

    fn member(&mut self) -> Result<Member, LeftAlone> {
        let start = self.at;
        self.scalar()?;
        let written = &self.text[start..self.at];
        let key = serde_json::from_str(written).unwrap_or_else(|_| written.to_owned());
        self.skip()?;
        self.take(b':').ok_or_else(|| self.wrong("a colon is missing here"))?;
        self.skip()?;
        Ok(Member { key, start, value: self.value()?, comma: None })
    }

    fn items(&mut self) -> Result<Vec<JsonNode>, LeftAlone> {
        let mut items = Vec::new();
        let mut goes_on = true;
        self.at += 1;
        loop {
            self.skip()?;
            if self.peek() == Some(b']') {
                break;
            }
            if !goes_on {
                return Err(self.wrong("a comma or a closing bracket is missing here"));
            }
            items.push(self.value()?);
            self.skip()?;
            goes_on = self.take(b',').is_some();
        }
        self.at += 1;
        Ok(items)
    }

    /// A text, a number, true, false or null.
    fn scalar(&mut self) -> Result<JsonKind, LeftAlone> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = match rest.first() {
            Some(b'"') => quoted_length(rest),
            _ => rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count(),
        };
        let is_sound = serde_json::from_slice::<IgnoredAny>(&rest[..length]).is_ok();
        if !is_sound {
            return Err(self.wrong("this is no JSON"));
        }
        self.at += length;
        Ok(JsonKind::Scalar)
    }

    /// Space and comments.
    fn skip(&mut self) -> Result<(), LeftAlone> {
        loop {
            let rest = &self.text[self.at..];
            let length = match rest.as_bytes() {
                [b' ' | b'\t' | b'\n' | b'\r', ..] => 1,
                [b'/', b'/', ..] => rest.find('\n').unwrap_or(rest.len()),
                [b'/', b'*', ..] => match rest[2..].find("*/") {
                    Some(length) => length + 4,
                    None => return Err(self.wrong("this comment has no end")),
                },
                _ => return Ok(()),
            };
            self.at += length;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, sign: u8) -> Option<usize> {
        let at = self.at;
        (self.peek() == Some(sign)).then(|| {
            self.at += 1;
            at
        })
    }

    fn wrong(&self, what: &str) -> LeftAlone {
        LeftAlone::at(self.text, self.at, what)
    }
}

/// Up to the quote that closes it, or to the end if none does.
fn quoted_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hosts_write_is_read() {
        for text in
            ["{}", "// mine\r\n{\"a\": [1, -2.5e9, true, null, \"\\ud800\",],}\n/* end */", "{\"a\":{\"b\":1e999}}"]
        {
            assert!(read(text).unwrap().is_some(), "{text}");
        }
        assert!(read(" // nothing\n").unwrap().is_none());
    }

    #[test]
    fn what_is_broken_is_told_with_its_line() {
        for (text, line) in [
            ("{\n\"a\": 1\n\"b\": 2}", 3),
            ("{\n'a': 1}", 2),
            ("{\"a\": \n", 2),
            ("{} {}", 1),
            ("[1 2]", 1),
            ("[,]", 1),
            ("{\n/* a", 2),
            ("{\"a\": \"b", 1),
            ("{\"a\": 01}", 1),
        ] {
            assert_eq!(read(text).unwrap_err().line, Some(line), "{text}");
        }
        assert!(read(&"[".repeat(100_000)).is_err());
    }
}
