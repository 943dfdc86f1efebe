//! Our entry in a TOML file of a host: the table `[mcp_servers.bursar]`. Pure: text in, text out, and no byte changed
//! but ours.

use std::ops::Range;

use toml_edit::{Array, Document, Item, Table, Value};

use crate::cli::hosts::launch::{FoundEntry, Launch, LeftAlone, newline};

const SERVERS: &str = "mcp_servers";

/// How the entry is written, and where.
enum Place {
    /// `[mcp_servers.bursar]` and the lines of its own; further tables of it, each with its lines.
    Tables(Range<usize>, Vec<Range<usize>>),
    /// `bursar = { ... }` in `[mcp_servers]`: the line, and the value in it.
    Inline(Range<usize>, Range<usize>),
}

/// Our entry, if it is there.
pub fn found(text: &str, name: &str) -> Result<Option<FoundEntry>, LeftAlone> {
    let document = document(text)?;
    let Some(entry) = entry(&document, name) else { return Ok(None) };
    let place = place(text, &document, name)?;
    let (Place::Tables(range, _) | Place::Inline(range, _)) = &place;
    Ok(Some(FoundEntry { launch: launch(name, entry), text: text[range.clone()].trim_end().to_owned() }))
}

/// The text with our entry: at its end, or in place of the one that is there.
pub fn put(text: &str, launch: &Launch) -> Result<String, LeftAlone> {
    let document = document(text)?;
    let newline = newline(text);
    let name = launch.entry.as_str();
    let written = match entry(&document, name) {
        None => appended(text, &table(launch, newline), newline),
        Some(_) => match place(text, &document, name)? {
            Place::Tables(range, _) => {
                let ending = if text[range.clone()].ends_with('\n') { newline } else { "" };
                format!("{}{}{ending}{}", &text[..range.start], table(launch, newline), &text[range.end..])
            }
            Place::Inline(_, value) => {
                format!("{}{{ {} }}{}", &text[..value.start], keys(launch).join(", "), &text[value.end..])
            }
        },
    };
    // A table that was opened in another way cannot be opened again: then what came out is no TOML.
    match found(&written, name) {
        Ok(Some(FoundEntry { launch: Some(read), .. })) if read == *launch => Ok(written),
        _ => Err(elsewhere(text, &document)),
    }
}

/// The text without our entry.
pub fn take_out(text: &str, name: &str) -> Result<String, LeftAlone> {
    let document = document(text)?;
    if entry(&document, name).is_none() {
        return Ok(text.to_owned());
    }
    let mut ranges = match place(text, &document, name)? {
        Place::Tables(own, further) => std::iter::once(own).chain(further).collect(),
        Place::Inline(line, _) => vec![line],
    };
    ranges.sort_by_key(|range| range.start);
    let mut left = text.to_owned();
    for range in ranges.into_iter().rev() {
        let begin = before_the_gap(&left, range.start, range.end == left.len());
        left.replace_range(begin..range.end, "");
    }
    Ok(left)
}

fn document(text: &str) -> Result<Document<&str>, LeftAlone> {
    Document::parse(text).map_err(|error| match error.span() {
        Some(span) => LeftAlone::at(text, span.start, error.message()),
        None => LeftAlone { line: None, what: error.message().to_owned() },
    })
}

fn entry<'a>(document: &'a Document<&str>, name: &str) -> Option<&'a Item> {
    document.as_table().get(SERVERS)?.as_table_like()?.get(name)
}

fn launch(name: &str, entry: &Item) -> Option<Launch> {
    let entry = entry.as_table_like()?;
    let program = entry.get("command")?.as_str()?.to_owned();
    let strings =
        |array: &Array| array.iter().map(|item| Some(item.as_str()?.to_owned())).collect::<Option<Vec<String>>>();
    let args = match entry.get("args") {
        Some(args) => strings(args.as_array()?)?,
        None => Vec::new(),
    };
    Some(Launch { entry: name.to_owned(), program, args })
}

/// Where the entry stands, if it is written in one of the two ways that are changed for sure.
fn place(text: &str, document: &Document<&str>, name: &str) -> Result<Place, LeftAlone> {
    let servers = document.as_table().get(SERVERS).and_then(Item::as_table);
    let servers = servers.ok_or_else(|| elsewhere(text, document))?;
    match servers.get_key_value(name) {
        Some((_, Item::Table(table))) => {
            let own = lines_of(text, table).ok_or_else(|| elsewhere(text, document))?;
            let mut further = Vec::new();
            tables_within(text, table, &mut further).ok_or_else(|| elsewhere(text, document))?;
            Ok(Place::Tables(own, further))
        }
        Some((key, Item::Value(value @ Value::InlineTable(_)))) if servers.span().is_some_and(|s| !s.is_empty()) => {
            let spans = key.span().zip(value.span());
            let (key, value) = spans.ok_or_else(|| elsewhere(text, document))?;
            Ok(Place::Inline(whole_lines(text, key.start..value.end), value))
        }
        _ => Err(elsewhere(text, document)),
    }
}

/// The header of a table and its own values, in whole lines.
fn lines_of(text: &str, table: &Table) -> Option<Range<usize>> {
    let header = table.span().filter(|span| !span.is_empty() && !table.is_dotted() && !table.is_implicit())?;
    let end = table.iter().filter_map(|(_, item)| end_of_value(item)).max();
    Some(whole_lines(text, header.start..end.unwrap_or(header.end).max(header.end)))
}

/// Where a value ends that stands under its table's own header.
fn end_of_value(item: &Item) -> Option<usize> {
    match item {
        Item::Value(value) => value.span().map(|span| span.end),
        Item::Table(table) if table.is_dotted() => table.iter().filter_map(|(_, item)| end_of_value(item)).max(),
        _ => None,
    }
}

fn tables_within(text: &str, table: &Table, into: &mut Vec<Range<usize>>) -> Option<()> {
    for (_, item) in table.iter() {
        match item {
            Item::Table(table) if !table.is_dotted() => {
                if !table.is_implicit() {
                    into.push(lines_of(text, table)?);
                }
                tables_within(text, table, into)?;
            }
            Item::ArrayOfTables(_) => return None,
            _ => {}
        }
    }
    Some(())
}

fn elsewhere(text: &str, document: &Document<&str>) -> LeftAlone {
    let what = "the servers are written in a way that bursar does not change";
    match document.as_table().get_key_value(SERVERS).and_then(|(key, _)| key.span()) {
        Some(span) => LeftAlone::at(text, span.start, what),
        None => LeftAlone { line: None, what: what.to_owned() },
    }
}

fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let begin = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline + 1);
    begin..end
}

/// One empty line before a table goes with it; at the end of a file without a last newline, so does the one before.
fn before_the_gap(text: &str, begin: usize, is_at_the_end: bool) -> usize {
    let ended = text.ends_with('\n');
    let stripped = |text: &str| {
        let shorter = text.strip_suffix('\n')?;
        Some(shorter.strip_suffix('\r').unwrap_or(shorter).len())
    };
    let mut begin = begin;
    if let Some(shorter) = stripped(&text[..begin]).filter(|at| text[..*at].ends_with('\n') || *at == 0) {
        begin = shorter;
    }
    match stripped(&text[..begin]) {
        Some(shorter) if is_at_the_end && !ended => shorter,
        _ => begin,
    }
}

fn appended(text: &str, table: &str, newline: &str) -> String {
    match text {
        "" => format!("{text}{table}{newline}"),
        said if said.ends_with('\n') => format!("{text}{newline}{table}{newline}"),
        _ => format!("{text}{newline}{newline}{table}"),
    }
}

fn table(launch: &Launch, newline: &str) -> String {
    format!("[{SERVERS}.{}]{newline}{}", launch.entry, keys(launch).join(newline))
}

fn keys(launch: &Launch) -> [String; 2] {
    let text = |text: &String| Value::from(text.as_str()).to_string();
    let args: Vec<String> = launch.args.iter().map(text).collect();
    [format!("command = {}", text(&launch.program)), format!("args = [{}]", args.join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bursar() -> Launch {
        let args = ["--home", "/home/me/.bursar", "serve", "--agent", "codex"];
        Launch { entry: "bursar".into(), program: "/opt/bursar".into(), args: args.map(str::to_owned).into() }
    }

    #[test]
    fn what_was_put_in_is_taken_out_to_the_byte() {
        for text in [
            "",
            "model = \"o\"",
            "model = \"o\"\n",
            "model = \"o\" # mine\r\n\r\n",
            "# only a comment",
            "[mcp_servers.other]\ncommand = \"x\"\nargs = [\n  \"a\", # why\n]\n\n[mcp_servers.other.env]\nA = \"1\"\n",
            "[mcp_servers]\n[projects.\"/a\"]\ntrust = \"yes\"\n",
        ] {
            let with = put(text, &bursar()).unwrap();
            assert!(with.starts_with(text), "{with}");
            assert_eq!(found(&with, "bursar").unwrap().and_then(|found| found.launch), Some(bursar()), "{with}");
            assert_eq!(put(&with, &bursar()).unwrap(), with);
            assert_eq!(take_out(&with, "bursar").unwrap(), text, "{with}");
        }
    }

    #[test]
    fn an_entry_that_is_there_is_replaced_where_it_stands() {
        let text = "a = 1\n[mcp_servers.bursar] # old\ncommand = \"/old\"\nargs = [\n \"x\"]\n# mine\n\n\
                    [mcp_servers.bursar.env]\nA = \"1\"\n\n[b]\n";
        insta::assert_snapshot!(put(text, &bursar()).unwrap(), @r#"
        a = 1
        [mcp_servers.bursar]
        command = "/opt/bursar"
        args = ["--home", "/home/me/.bursar", "serve", "--agent", "codex"]
        # mine

        [mcp_servers.bursar.env]
        A = "1"

        [b]
        "#);
        assert_eq!(take_out(text, "bursar").unwrap(), "a = 1\n# mine\n\n[b]\n");
        let text = "[mcp_servers]\nbursar = { command = \"/old\" } # old\nx = { command = \"y\" }\n";
        insta::assert_snapshot!(put(text, &bursar()).unwrap(), @r#"
        [mcp_servers]
        bursar = { command = "/opt/bursar", args = ["--home", "/home/me/.bursar", "serve", "--agent", "codex"] } # old
        x = { command = "y" }
        "#);
        assert_eq!(take_out(text, "bursar").unwrap(), "[mcp_servers]\nx = { command = \"y\" }\n");
    }

    #[test]
    fn what_is_broken_or_written_otherwise_is_left_alone() {
        assert_eq!(put("a = 1\nb =\n", &bursar()).unwrap_err().line, Some(2));
        for text in [
            "mcp_servers = { other = { command = \"x\" } }\n",
            "mcp_servers.bursar.command = \"x\"\n",
            "[mcp_servers.bursar.env]\nA = \"1\"\n",
            "mcp_servers = 1\n",
        ] {
            assert!(put(text, &bursar()).is_err(), "{text}");
        }
    }
}
