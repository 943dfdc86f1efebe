//! What the bytes of a body say for certain.

use serde_json::{Map, Value};

use crate::json;

/// A message of an error is short; whatever is longer is something.
const ERROR_OBJECT_BYTES: usize = 16 * 1024;
/// As much of a body as shows whether it is text.
const BEGINNING_BYTES: usize = 4 * 1024;
/// Comments and declarations before a page begins.
const BEFORE_A_PAGE: usize = 8;

/// What may stand in an error object beside the error, and says nothing more than that there is one.
const BESIDE_AN_ERROR: [&str; 18] = [
    "code",
    "detail",
    "details",
    "message",
    "ok",
    "path",
    "requestid",
    "request_id",
    "stack",
    "status",
    "statuscode",
    "status_code",
    "success",
    "timestamp",
    "trace",
    "traceid",
    "trace_id",
    "type",
];

/// Without the mark some programs begin a text with.
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// It begins as a web page does.
pub fn is_page(body: &[u8]) -> bool {
    let mut rest = without_mark(body).trim_ascii_start();
    for _ in 0..BEFORE_A_PAGE {
        let Some(after) = after_comment(rest) else { break };
        rest = after.trim_ascii_start();
    }
    begins(rest, b"<!doctype html") || begins(rest, b"<html")
}

/// It is an object that says that something went wrong, and nothing else.
pub fn is_error_object(body: &[u8]) -> bool {
    let text = without_mark(body).trim_ascii();
    if text.len() > ERROR_OBJECT_BYTES || !text.starts_with(b"{") {
        return false;
    }
    let value = std::str::from_utf8(text).ok().and_then(|text| json::strict(text).ok());
    matches!(value, Some(Value::Object(members)) if says_only_error(&members))
}

/// It is one JSON text, or begins like one.
pub fn may_be_json(body: &[u8]) -> bool {
    let text = without_mark(body).trim_ascii();
    if text.starts_with(b"{") || text.starts_with(b"[") {
        return true;
    }
    text.len() <= ERROR_OBJECT_BYTES && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

/// It begins with text, and not with the bytes of something else.
pub fn is_text(body: &[u8]) -> bool {
    let beginning = &body[..body.len().min(BEGINNING_BYTES)];
    let is_utf8 = match std::str::from_utf8(beginning) {
        Ok(_) => true,
        // A character that is cut in two at the end of what is looked at.
        Err(wrong) => wrong.error_len().is_none(),
    };
    is_utf8 && !beginning.contains(&0) && !beginning.starts_with(b"%PDF")
}

/// A name of its own for `error`, which is a text, an object, or a bare yes; and beside it only what belongs to one.
fn says_only_error(members: &Map<String, Value>) -> bool {
    let is_said = match members.get("error") {
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(Value::Object(inside)) => !inside.is_empty(),
        Some(Value::Bool(is_one)) => *is_one,
        _ => false,
    };
    // That it went well speaks for whatever else is said.
    let denies = ["success", "ok"].iter().any(|name| members.get(*name) == Some(&Value::Bool(true)));
    let is_beside = |name: &String| BESIDE_AN_ERROR.contains(&name.to_ascii_lowercase().as_str());
    is_said && !denies && members.keys().all(|name| name == "error" || is_beside(name))
}

fn after_comment(text: &[u8]) -> Option<&[u8]> {
    let (opens, closes): (&[u8], &[u8]) = if text.starts_with(b"<!--") { (b"<!--", b"-->") } else { (b"<?xml", b"?>") };
    let inside = text.strip_prefix(opens)?;
    let inside = &inside[..inside.len().min(BEGINNING_BYTES)];
    let at = inside.windows(closes.len()).position(|window| window == closes)?;
    Some(&text[opens.len() + at + closes.len()..])
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(with))
}
