//! What a host sends, line by line, and that every line can be read.
//!
//! Hosts write down what a model put together: half an emoji, a number without end, brackets without bottom. The MCP
//! library drops a line that is not JSON to it, and whoever asked would wait for an answer that never comes. So such a
//! line goes on as a request of its own, with the same id, and is answered.
//!
//! The library also reads JSON into values, which rounds numbers to what a float holds. What an agent gives a tool as
//! `json` is what its seller gets and what its purchase is known by, so it goes on as a string that holds its text.

use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde_json::{Value, json};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader, ReadBuf};

use crate::json::{self, Written};

/// What an unreadable line is called from here on.
pub const UNREADABLE: &str = "bursar/unreadable";

/// The largest body a request may have, with every character of it escaped, and room for the rest.
const LINE_BYTES: usize = 8 * 1024 * 1024;
/// Ids are counters or UUIDs.
const ID_BYTES: usize = 256;

/// The same lines, all of them readable.
pub struct Readable<R> {
    read: BufReader<R>,
    line: Line,
    as_text: AsText,
    /// A line that goes on, and how much of it has gone.
    whole: Vec<u8>,
    gone: usize,
}

/// Which arguments go on as the texts they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsText {
    /// Those of our own tools that hold any JSON.
    Ours,
    /// All of a call: it is for another server. They stand under [`WHOLE`].
    All,
}

/// What a call's arguments are called where they go on as one text.
pub const WHOLE: &str = "bursar/arguments";

pub fn readable<R: AsyncRead + Unpin>(read: R, as_text: AsText) -> Readable<R> {
    Readable { read: BufReader::new(read), line: Line::default(), as_text, whole: Vec::new(), gone: 0 }
}

impl<R: AsyncRead + Unpin> AsyncRead for Readable<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Readable { read, line, as_text, whole, gone } = self.get_mut();
        while *gone == whole.len() {
            let heard = ready!(Pin::new(&mut *read).poll_fill_buf(cx))?;
            if heard.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let end = heard.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            let taken = end.unwrap_or(heard.len());
            line.hear(&heard[..taken]);
            Pin::new(&mut *read).consume(taken);
            if end.is_some() {
                (*whole, *gone) = (std::mem::take(line).passed_on(*as_text), 0);
            }
        }
        let going = (whole.len() - *gone).min(buf.remaining());
        buf.put_slice(&whole[*gone..*gone + going]);
        *gone += going;
        Poll::Ready(Ok(()))
    }
}

/// A line as it comes in. One that is too long is not kept, and still listened to for its id.
#[derive(Default)]
struct Line {
    text: Vec<u8>,
    is_too_long: bool,
    id: Id,
}

impl Line {
    fn hear(&mut self, part: &[u8]) {
        part.iter().for_each(|byte| self.id.hear(*byte));
        self.is_too_long |= self.text.len() + part.len() > LINE_BYTES;
        match self.is_too_long {
            true => self.text = Vec::new(),
            false => self.text.extend_from_slice(part),
        }
    }

    /// As it came where it can be read. Nobody waits for an answer to a line without an id.
    fn passed_on(self, as_text: AsText) -> Vec<u8> {
        if !self.is_too_long {
            let text = with_json_as_text(self.text, as_text);
            if text.trim_ascii().is_empty() || serde_json::from_slice::<Value>(&text).is_ok() {
                return text;
            }
        }
        let request = |id| format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "method": UNREADABLE})).into_bytes();
        self.id.found().map(request).unwrap_or_default()
    }
}

/// Where arguments stand whose numbers must not be rounded: a body, and what a tool elsewhere is given.
const JSON_ARGUMENTS: [[&str; 3]; 2] = [["params", "arguments", "json"], ["params", "arguments", "arguments"]];

/// The line as it came, but for those arguments.
fn with_json_as_text(line: Vec<u8>, as_text: AsText) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&line) else { return line };
    let so_far = |before: Option<String>, path: &[&str; 3]| {
        rewritten(before.as_deref().unwrap_or(text), path, as_string).or(before)
    };
    let rewritten = match as_text {
        AsText::Ours => JSON_ARGUMENTS.iter().fold(None, so_far),
        AsText::All => rewritten(text, &["params", "arguments"], under_one_name),
    };
    match rewritten {
        Some(text) => format!("{text}\n").into_bytes(),
        None => line,
    }
}

/// The same object with what stands at this path as a string that holds it; none if nothing does.
fn rewritten(text: &str, path: &[&str], into: fn(&str) -> Option<String>) -> Option<String> {
    let Some((name, rest)) = path.split_first() else { return into(text) };
    let members = json::members(text)?;
    // Told twice, it is the library's to choose one: each is rewritten.
    let inside: Vec<_> =
        members.iter().map(|(key, raw)| if key == *name { rewritten(raw, rest, into) } else { None }).collect();
    if inside.iter().all(Option::is_none) {
        return None;
    }
    let mut whole = String::from("{");
    for ((key, raw), inside) in members.iter().zip(inside) {
        let comma = if whole.len() > 1 { "," } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(whole, "{comma}{}:{}", Value::from(key), inside.as_deref().unwrap_or(raw));
    }
    whole.push('}');
    Some(whole)
}

/// What is left out stays so. In canonical form, where it has one, it is the same text when a host writes it again.
fn as_string(text: &str) -> Option<String> {
    let json = Written::new(text);
    (text != "null").then(|| Value::from(json.canonical().unwrap_or(json.to_string())).to_string())
}

fn under_one_name(text: &str) -> Option<String> {
    Some(format!("{{\"{WHOLE}\":{}}}", as_string(text)?))
}

/// Looks for the `id` of the outermost object, in a line that may be no JSON anywhere else.
#[derive(Default)]
struct Id {
    depth: usize,
    in_quotes: bool,
    escaped: bool,
    /// The name or value being heard, as it is written.
    word: Vec<u8>,
    /// The value being heard is the id's.
    is_next: bool,
    id: Option<Vec<u8>>,
}

impl Id {
    fn hear(&mut self, byte: u8) {
        if self.in_quotes {
            self.keep(byte);
            self.in_quotes = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
            return;
        }
        match byte {
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.end_of_member();
                self.depth = self.depth.saturating_sub(1);
            }
            b',' => self.end_of_member(),
            b':' if self.depth == 1 => {
                self.is_next = self.word == b"\"id\"";
                self.word.clear();
            }
            byte if byte.is_ascii_whitespace() => {}
            byte => {
                self.in_quotes = byte == b'"';
                self.keep(byte);
            }
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.depth == 1 && self.word.len() < ID_BYTES {
            self.word.push(byte);
        }
    }

    fn end_of_member(&mut self) {
        if self.depth == 1 {
            let word = std::mem::take(&mut self.word);
            self.id = self.id.take().or((self.is_next && !word.is_empty()).then_some(word));
            self.is_next = false;
        }
    }

    /// A text or a whole number, as ids are.
    fn found(self) -> Option<Value> {
        let id: Value = serde_json::from_slice(&self.id?).ok()?;
        (id.is_string() || id.is_u64() || id.is_i64()).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(text: &[u8]) -> String {
        let mut line = Line::default();
        // However it is cut on its way.
        text.chunks(7).for_each(|part| line.hear(part));
        String::from_utf8_lossy(&line.passed_on(AsText::Ours)).trim_end().to_owned()
    }

    #[test]
    fn what_is_for_another_server_goes_on_as_one_text() {
        let mut line = Line::default();
        line.hear(br#"{"id":1,"params":{"name":"a","arguments":{"b":1.50,"a":[2.0]}}}"#);
        let on: Value = serde_json::from_slice(&line.passed_on(AsText::All)).expect("JSON");
        assert_eq!(on["params"]["arguments"], json!({ WHOLE: r#"{"a":[2.0],"b":1.50}"# }));
    }

    /// The id of what goes on instead.
    fn id_of(text: &[u8]) -> Value {
        let request: Value = serde_json::from_str(&passed_on(text)).expect("a request");
        assert_eq!((&request["jsonrpc"], &request["method"]), (&json!("2.0"), &json!(UNREADABLE)));
        request["id"].clone()
    }

    #[test]
    fn what_can_be_read_goes_on_as_it_came() {
        for text in ["", "\r", r#"{ "id" : 1, "method":"ping", "params":{"id":[2]} }"#, r#"{"id":null}"#, "[1]"] {
            assert_eq!(passed_on(text.as_bytes()), text.trim_end());
        }
    }

    #[test]
    fn what_an_agent_gives_as_json_goes_on_as_a_text() {
        let call =
            |json: &str| format!(r#"{{"id":1,"params":{{"name":"a","arguments":{{"url":"u","json":{json}}}}}}}"#);
        let json_of = |text: &str| {
            let on: Value = serde_json::from_str(&passed_on(call(text).as_bytes())).expect("JSON");
            assert_eq!((&on["id"], &on["params"]["arguments"]["url"]), (&json!(1), &json!("u")));
            on["params"]["arguments"]["json"].clone()
        };
        assert_eq!(json_of(r#"{ "b": 100000000000000000001, "a": 1E+2 }"#), r#"{"a":1E+2,"b":100000000000000000001}"#);
        assert_eq!(json_of(r#""text""#), r#""text""#);
        assert_eq!(json_of("1e999"), "1e999");
        assert_eq!(json_of(r#"{"a":1,"a":2}"#), r#"{"a":1,"a":2}"#);
        assert_eq!(json_of("null"), Value::Null);
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        assert_eq!(json_of(&deep), *deep);
    }

    #[test]
    fn what_a_tool_elsewhere_is_given_goes_on_as_a_text_too() {
        let call =
            r#"{"id":1,"params":{"name":"a","arguments":{"tool":"t","arguments":{"b":1.50,"a":{"arguments":2.0}}}}}"#;
        let on: Value = serde_json::from_str(&passed_on(call.as_bytes())).expect("JSON");
        assert_eq!(on["params"]["arguments"]["arguments"], r#"{"a":{"arguments":2.0},"b":1.50}"#);
    }

    #[test]
    fn nothing_but_the_argument_of_a_tool_is_rewritten() {
        let line = r#"{"id":1,"params":{"json":1.50,"arguments":{"a":{"json":1.50},"b":[{"json":1.50}]},"x":1.50}}"#;
        assert_eq!(passed_on(line.as_bytes()), line);
        let escaped = r#"{"params":{"\u0061rguments":{"js\u006fn":1.50,"json":2.50}}}"#;
        assert_eq!(passed_on(escaped.as_bytes()), r#"{"params":{"arguments":{"json":"1.50","json":"2.50"}}}"#);
    }

    #[test]
    fn what_cannot_be_read_keeps_its_id_wherever_that_stands() {
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        let long = "x".repeat(LINE_BYTES);
        let cases = [
            (format!(r#"{{"id":7,"params":{deep}}}"#), json!(7)),
            (format!(r#"{{"params":{{"id":1,"a":{deep}}},"jsonrpc":"2.0", "id" : "a-7" }}"#), json!("a-7")),
            (format!(r#"{{"params":{{"body":"{long}"}},"id":7}}"#), json!(7)),
            (r#"{"params":1e999,"id":7}"#.to_owned(), json!(7)),
            (r#"{"params":"\ud83d","id":7}"#.to_owned(), json!(7)),
            (r#"{"params":NaN,"id":-7}"#.to_owned(), json!(-7)),
            (r#"{"params":{"a":"\"}\\","b":"{["},"x":nul,"id":7}"#.to_owned(), json!(7)),
        ];
        for (text, id) in cases {
            assert_eq!(id_of(text.as_bytes()), id, "{text:.60}");
        }
        assert_eq!(id_of(b"{\"params\":\"\xff\",\"id\":7}"), json!(7));
    }

    #[test]
    fn what_has_no_id_waits_for_no_answer() {
        let long_id = format!(r#"{{"id":"{}","a":nul}}"#, "x".repeat(2 * ID_BYTES));
        for text in ["nonsense", "{", "}}}]]", r#"{"a":{"id":7},"b":nul}"#, r#"{"id":1.5,"b":nul}"#, &long_id] {
            assert_eq!(passed_on(text.as_bytes()), "", "{text:.60}");
        }
    }
}
