//! Our entry in a JSON file of a host, comments and all. Pure: text in, text out, and no byte changed but ours.

mod tree;

use std::ops::Range;

use serde_json::json;

use crate::cli::hosts::launch::{FoundEntry, Launch, LeftAlone, newline};
use tree::{JsonKind, JsonNode, Member};

/// What an entry has beside the program and its arguments, by host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryFields {
    /// `command` and `args`, which most hosts take.
    Plain,
    /// With `"type": "stdio"` before them.
    Stdio,
    /// Copilot's: `"type": "local"`, and which tools may be used.
    Tools,
    /// opencode's: one list of words.
    Words,
    /// Zed's: `"source": "custom"` before them.
    Custom,
}

/// What is written: values of their own, because the order of names is ours and not the alphabet's.
#[derive(Clone, Debug)]
pub enum EntryValue {
    /// On one line: a text, a switch, a list of texts.
    Value(serde_json::Value),
    /// Names and what they stand for.
    Object(Vec<(String, EntryValue)>),
}

/// How the text around is laid out.
struct Layout<'a> {
    newline: &'static str,
    unit: &'a str,
}

impl EntryFields {
    /// The entry that starts this.
    pub fn entry(self, launch: &Launch) -> EntryValue {
        let value = |value| EntryValue::Value(value);
        let command = ("command", value(json!(launch.program)));
        let args = ("args", value(json!(launch.args)));
        let words: Vec<&String> = std::iter::once(&launch.program).chain(&launch.args).collect();
        let members = match self {
            EntryFields::Plain => vec![command, args],
            EntryFields::Stdio => vec![("type", value(json!("stdio"))), command, args],
            EntryFields::Tools => {
                vec![("type", value(json!("local"))), command, args, ("tools", value(json!(["*"])))]
            }
            EntryFields::Words => {
                vec![("type", value(json!("local"))), ("command", value(json!(words))), ("enabled", value(json!(true)))]
            }
            EntryFields::Custom => vec![("source", value(json!("custom"))), command, args],
        };
        EntryValue::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// Our entry among the servers, if it is there.
pub fn found(text: &str, servers: &str, name: &str) -> Result<Option<FoundEntry>, LeftAlone> {
    let Some(root) = tree::read(text)? else { return Ok(None) };
    let Some(servers) = member(text, &root, servers)? else { return Ok(None) };
    let Some(entry) = member(text, &servers.value, name)? else { return Ok(None) };
    let written = text[entry.start..entry.value.end].to_owned();
    Ok(Some(FoundEntry { launch: launch(text, name, &entry.value), text: written }))
}

/// The text with this entry of ours among the servers: added after the last one, or in place of the one that is there.
pub fn put(text: &str, servers: &'static str, name: &str, entry: &EntryValue) -> Result<String, LeftAlone> {
    let Some(root) = tree::read(text)? else { return Ok(fresh(text, servers, name, entry)) };
    let layout = Layout::of(text, &root);
    let Some(found) = member(text, &root, servers)? else {
        let object = EntryValue::Object(vec![(name.to_owned(), entry.clone())]);
        return layout.add(text, &root, servers, &object);
    };
    match member(text, &found.value, name)? {
        None => layout.add(text, &found.value, name, entry),
        Some(old) => {
            let is_spread = text[found.value.start..found.value.end].contains('\n');
            let indent = is_spread.then(|| line_indent(text, old.start));
            let new = layout.written(entry, indent);
            Ok(replaced(text, vec![(old.value.start..old.value.end, new)]))
        }
    }
}

/// The text without our entry, and without the object of servers if nothing else is in it.
pub fn take_out(text: &str, servers: &str, name: &str) -> Result<String, LeftAlone> {
    let Some(root) = tree::read(text)? else { return Ok(text.to_owned()) };
    let Some(found) = member(text, &root, servers)? else { return Ok(text.to_owned()) };
    if member(text, &found.value, name)?.is_none() {
        return Ok(text.to_owned());
    }
    let text = without(text, &found.value, name);
    let Some(root) = tree::read(&text)? else { return Ok(text) };
    match member(&text, &root, servers)? {
        Some(found) if is_bare(&text, &found.value) => Ok(without(&text, &root, servers)),
        _ => Ok(text),
    }
}

/// A file of our own, after whatever comments there are.
fn fresh(text: &str, servers: &'static str, name: &str, entry: &EntryValue) -> String {
    let layout = Layout { newline: newline(text), unit: "  " };
    let root =
        EntryValue::Object(vec![(servers.to_owned(), EntryValue::Object(vec![(name.to_owned(), entry.clone())]))]);
    let before = text.trim_end();
    let gap = if before.is_empty() { "" } else { layout.newline };
    format!("{before}{gap}{}{}", layout.written(&root, Some("")), layout.newline)
}

impl<'a> Layout<'a> {
    fn of(text: &'a str, root: &JsonNode) -> Layout<'a> {
        let indents = members(root).iter().filter(|member| is_first_on_its_line(text, member.start));
        let unit = indents.map(|member| line_indent(text, member.start)).find(|indent| !indent.is_empty());
        Layout { newline: newline(text), unit: unit.unwrap_or("  ") }
    }

    /// One more member at the end of an object. What a comment there is about stays what it is about.
    fn add(&self, text: &str, object: &JsonNode, key: &str, value: &EntryValue) -> Result<String, LeftAlone> {
        let last = members(object).last();
        let is_spread = last.is_none() || text[object.start..object.end].contains('\n');
        let indent = is_spread.then(|| self.indent_within(text, object));
        let lead = indent.as_ref().map_or(" ".to_owned(), |indent| format!("{}{indent}", self.newline));
        let written = format!("{lead}{}: {}", json!(key), self.written(value, indent.as_deref()));
        let begin = last.map_or(object.start + 1, |last| last.comma.map_or(last.value.end, |comma| comma + 1));
        let gap = &text[begin..object.end - 1];
        let at = begin + gap.trim_end().len();
        let edits = match last {
            Some(Member { comma: Some(_), .. }) => vec![(at..at, format!("{written},"))],
            Some(_) => vec![(begin..begin, ",".to_owned()), (at..at, written)],
            None if gap.contains('\n') => vec![(at..at, written)],
            None => vec![(at..at, format!("{written}{}{}", self.newline, line_indent(text, object.start)))],
        };
        Ok(replaced(text, edits))
    }

    /// How far the members of an object are indented.
    fn indent_within(&self, text: &str, object: &JsonNode) -> String {
        match members(object).last() {
            Some(last) if is_first_on_its_line(text, last.start) => line_indent(text, last.start).to_owned(),
            _ => format!("{}{}", line_indent(text, object.start), self.unit),
        }
    }

    /// A value as text; spread over lines where an indent is given.
    fn written(&self, value: &EntryValue, indent: Option<&str>) -> String {
        match value {
            EntryValue::Value(serde_json::Value::Array(items)) => {
                format!("[{}]", items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            EntryValue::Value(value) => value.to_string(),
            EntryValue::Object(members) => {
                let within = indent.map(|indent| format!("{indent}{}", self.unit));
                let named = |(key, value): &(String, EntryValue)| {
                    format!("{}: {}", json!(key), self.written(value, within.as_deref()))
                };
                let named: Vec<String> = members.iter().map(named).collect();
                match (indent, &within) {
                    (Some(indent), Some(within)) => {
                        let newline = self.newline;
                        let lines = named.join(&format!(",{newline}{within}"));
                        format!("{{{newline}{within}{lines}{newline}{indent}}}")
                    }
                    _ => format!("{{{}}}", named.join(", ")),
                }
            }
        }
    }
}

/// The text without one member of an object, which is there once.
fn without(text: &str, object: &JsonNode, key: &str) -> String {
    let members = members(object);
    let Some(index) = members.iter().position(|member| member.key == key) else { return text.to_owned() };
    let member = &members[index];
    let before = index.checked_sub(1).and_then(|before| members[before].comma);
    let begin = before.map_or(object.start + 1, |comma| comma + 1);
    let end = member.comma.map_or(member.value.end, |comma| comma + 1);
    let rest = text[end..].trim_start_matches([' ', '\t']);
    let needs_its_line = text[begin..member.start].contains("//") && !rest.starts_with(['\n', '\r']);
    let from = if needs_its_line { member.start } else { text[..member.start].trim_end().len() };
    let mut edits = vec![(from..member.value.end, String::new())];
    match member.comma {
        Some(comma) => edits.push((comma..comma + 1, String::new())),
        None => edits.extend(before.map(|comma| (comma..comma + 1, String::new()))),
    }
    let taken: usize = edits.iter().map(|(range, _)| range.len()).sum();
    let text = replaced(text, edits);
    let inside = object.start + 1..object.end - 1 - taken;
    match members.len() == 1 && text[inside.clone()].trim().is_empty() {
        true => replaced(&text, vec![(inside, String::new())]),
        false => text,
    }
}

/// The text with each of these places written anew. Places do not overlap.
fn replaced(text: &str, mut edits: Vec<(Range<usize>, String)>) -> String {
    // Two at one place stay in their order: the later one is put in first, and the earlier one before it.
    edits.sort_by_key(|(range, _)| range.start);
    let mut text = text.to_owned();
    for (range, new) in edits.into_iter().rev() {
        text.replace_range(range, &new);
    }
    text
}

fn members(node: &JsonNode) -> &[Member] {
    match &node.kind {
        JsonKind::Object(members) => members,
        JsonKind::Array(_) | JsonKind::Scalar => &[],
    }
}

/// The member of this name. More than one, or something else than an object, is not for us to judge.
fn member<'a>(text: &str, object: &'a JsonNode, key: &str) -> Result<Option<&'a Member>, LeftAlone> {
    if !matches!(object.kind, JsonKind::Object(_)) {
        return Err(LeftAlone::at(text, object.start, format!("`{key}` is looked for in an object, and this is none")));
    }
    let mut named = members(object).iter().filter(|member| member.key == key);
    let first = named.next();
    match named.next() {
        Some(second) => Err(LeftAlone::at(text, second.start, format!("`{key}` stands here a second time"))),
        None => Ok(first),
    }
}

/// What an entry starts, in any of the ways hosts write it.
fn launch(text: &str, name: &str, entry: &JsonNode) -> Option<Launch> {
    let launch = |program, args| Some(Launch { entry: name.to_owned(), program, args });
    let string = |node: &JsonNode| serde_json::from_str::<String>(&text[node.start..node.end]).ok();
    let strings = |node: &JsonNode| match &node.kind {
        JsonKind::Array(items) => items.iter().map(string).collect::<Option<Vec<String>>>(),
        _ => None,
    };
    let named = |key: &str| members(entry).iter().find(|member| member.key == key).map(|member| &member.value);
    let command = named("command")?;
    match strings(command) {
        Some(mut words) if !words.is_empty() => launch(words.remove(0), words),
        Some(_) => None,
        None => {
            let args = named("args").map_or(Some(Vec::new()), strings)?;
            launch(string(command)?, args)
        }
    }
}

/// An object with nothing in it, not even a comment.
fn is_bare(text: &str, node: &JsonNode) -> bool {
    matches!(node.kind, JsonKind::Object(_)) && text[node.start + 1..node.end - 1].trim().is_empty()
}

/// The space that a line begins with.
fn line_indent(text: &str, at: usize) -> &str {
    let begin = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[begin..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn is_first_on_its_line(text: &str, at: usize) -> bool {
    text[..at].trim_end_matches([' ', '\t']).ends_with('\n')
}

#[cfg(test)]
mod tests;
