//! Our entry in a YAML file of a host: a mapping under `extensions`. Pure: text in, text out, line by line.
//!
//! YAML can be written in more ways than lines show. Whatever is not plainly one name a line is left alone, with a word
//! where, instead of being guessed at.

use serde_json::json;

use crate::cli::hosts::launch::{FoundEntry, Launch, LeftAlone, newline};

const SECTION: &str = "extensions";

/// As the host writes it where there are none.
const NONE: &str = "{}";

/// The lines of a file, each with its ending.
struct Lines<'a> {
    all: Vec<&'a str>,
    /// The line that says `extensions:`.
    head: Option<usize>,
    /// The line after the last that belongs to it.
    end: usize,
    /// How far its extensions are indented.
    indent: usize,
    /// The first line of our entry, and the one after its last.
    entry: Option<(usize, usize)>,
}

/// Our entry, if it is there.
pub fn found(text: &str, name: &str) -> Result<Option<FoundEntry>, LeftAlone> {
    let lines = Lines::read(text, name)?;
    Ok(lines.entry.map(|(begin, end)| {
        let entry = &lines.all[begin..end];
        FoundEntry { launch: launch(name, entry), text: entry.concat().trim_end().to_owned() }
    }))
}

/// The text with our entry: after the last extension, or in place of the one that is there.
pub fn put(text: &str, launch: &Launch) -> Result<String, LeftAlone> {
    let lines = Lines::read(text, &launch.entry)?;
    if let Some(head) = lines.head.filter(|head| says_none(lines.all[*head])) {
        let ending = lines.all[head].trim_start_matches(|c| c != '\r' && c != '\n');
        let (before, after) = (lines.all[..head].concat(), lines.all[head + 1..].concat());
        return put(&format!("{before}{SECTION}:{ending}{after}"), launch);
    }
    let newline = newline(text);
    let entry = written(launch, lines.indent, newline);
    let (begin, end) = match (lines.entry, lines.head) {
        (Some(place), _) => place,
        (None, Some(_)) => (lines.end, lines.end),
        (None, None) => (lines.all.len(), lines.all.len()),
    };
    let (before, after) = (lines.all[..begin].concat(), lines.all[end..].concat());
    let head = if lines.head.is_none() { format!("{SECTION}:{newline}") } else { String::new() };
    let is_unended = !before.is_empty() && !before.ends_with('\n');
    let was_unended = is_unended || lines.entry.is_some_and(|_| after.is_empty() && !text.ends_with('\n'));
    let entry = if was_unended { entry.trim_end() } else { &entry };
    Ok(format!("{before}{}{head}{entry}{after}", if is_unended { newline } else { "" }))
}

/// The text without our entry, and without `extensions:` if nothing else is in it.
pub fn take_out(text: &str, name: &str) -> Result<String, LeftAlone> {
    let lines = Lines::read(text, name)?;
    let (Some((begin, end)), Some(head)) = (lines.entry, lines.head) else { return Ok(text.to_owned()) };
    let mut left = Vec::from(&lines.all[..begin]);
    left.extend(&lines.all[end..]);
    let others = left[head + 1..].iter().take(lines.end - head - 1 - (end - begin));
    if others.into_iter().all(|line| line.trim().is_empty()) {
        left.remove(head);
    }
    let left = left.concat();
    match text.ends_with('\n') || !left.ends_with('\n') {
        true => Ok(left),
        false => {
            let shorter = left.strip_suffix('\n').unwrap_or(&left);
            Ok(shorter.strip_suffix('\r').unwrap_or(shorter).to_owned())
        }
    }
}

impl<'a> Lines<'a> {
    fn read(text: &'a str, ours: &str) -> Result<Lines<'a>, LeftAlone> {
        let mut lines = Lines { all: text.split_inclusive('\n').collect(), head: None, end: 0, indent: 2, entry: None };
        for (at, line) in text.split_inclusive('\n').enumerate() {
            if says_something(line) && !line.starts_with(' ') && !(at == 0 && line.trim_end() == "---") {
                let name = name_of(line).filter(|_| is_plain(line));
                let name = name.ok_or_else(|| wrong(at, "this line is not plainly a name and its value"))?;
                if name == SECTION {
                    lines.begin(at, line)?;
                }
            }
        }
        if let Some(head) = lines.head {
            lines.section(head, ours)?;
        }
        Ok(lines)
    }

    fn begin(&mut self, at: usize, line: &str) -> Result<(), LeftAlone> {
        if self.head.is_some() {
            return Err(wrong(at, "`extensions` stands here a second time"));
        }
        let value = line.split_once(':').map_or("", |(_, value)| value.trim());
        if !value.is_empty() && !value.starts_with('#') && !says_none(line) {
            return Err(wrong(at, "the extensions do not stand one below the other, each indented"));
        }
        self.head = Some(at);
        Ok(())
    }

    /// The extensions: one name at each line that is indented like the first.
    fn section(&mut self, head: usize, ours: &str) -> Result<(), LeftAlone> {
        let is_none = says_none(self.all[head]);
        if is_none && self.all.get(head + 1).is_some_and(|below| says_something(below) && below.starts_with(' ')) {
            return Err(wrong(head + 1, "this stands below a line that says there are none"));
        }
        let rest = self.all[head + 1..].iter();
        let within = rest.take_while(|line| !says_something(line) || line.starts_with(' ')).count();
        let said = (head + 1..head + 1 + within).filter(|at| says_something(self.all[*at]));
        let said: Vec<usize> = said.collect();
        self.end = said.last().map_or(head + 1, |last| last + 1);
        self.indent = said.first().map_or(2, |first| indent(self.all[*first]));
        for (number, at) in said.iter().enumerate() {
            let line = self.all[*at];
            if indent(line) < self.indent {
                return Err(wrong(*at, "this line is indented less than the extensions before it"));
            }
            if indent(line) > self.indent {
                continue;
            }
            let name = name_of(line.trim_start()).filter(|_| is_plain(line.trim_start()));
            let name = name.ok_or_else(|| wrong(*at, "this line is not plainly the name of an extension"))?;
            if name == ours {
                if self.entry.is_some() {
                    return Err(wrong(*at, &format!("`{ours}` stands here a second time")));
                }
                if line.split_once(':').is_some_and(|(_, value)| says_something(value)) {
                    return Err(wrong(*at, &format!("the entry `{ours}` does not stand one value a line")));
                }
                let deeper = said[number + 1..].iter().take_while(|at| indent(self.all[**at]) > self.indent);
                self.entry = Some((*at, deeper.last().unwrap_or(at) + 1));
            }
        }
        Ok(())
    }
}

/// The line that says that there are no extensions.
fn says_none(line: &str) -> bool {
    line.strip_prefix(SECTION).and_then(|rest| rest.strip_prefix(':')).is_some_and(|value| value.trim() == NONE)
}

/// More than space or a comment.
fn says_something(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

/// The name a line begins with, if it is written without quotes.
fn name_of(line: &str) -> Option<&str> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-. ".contains(&byte));
    (is_name && !name.starts_with('-') && (value.is_empty() || value.starts_with([' ', '\r', '\n']))).then_some(name)
}

/// What the line begins, it ends: no anchor, no tab, no quote or bracket that goes on below.
fn is_plain(line: &str) -> bool {
    let value = line.split_once(':').map_or("", |(_, value)| value.trim());
    let closes = |open: char, close: char| !value.starts_with(open) || (value.len() > 1 && value.ends_with(close));
    let pairs = [('"', '"'), ('\'', '\''), ('{', '}'), ('[', ']')];
    !line.contains('\t')
        && !value.starts_with(['&', '*', '!'])
        && pairs.iter().all(|(open, close)| closes(*open, *close))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn wrong(at: usize, what: &str) -> LeftAlone {
    LeftAlone { line: Some(at + 1), what: what.to_owned() }
}

fn written(launch: &Launch, indent: usize, newline: &str) -> String {
    let (name, value) = (" ".repeat(indent), " ".repeat(2 * indent));
    let mut lines = vec![
        format!("{name}{}:", launch.entry),
        format!("{value}enabled: true"),
        format!("{value}type: stdio"),
        format!("{value}name: {}", launch.entry),
        format!("{value}description: Pays for what agents fetch, inside limits its owner set"),
        format!("{value}cmd: {}", json!(launch.program)),
        format!("{value}args:"),
    ];
    lines.extend(launch.args.iter().map(|arg| format!("{value}  - {}", json!(arg))));
    lines.push(format!("{value}timeout: 300"));
    lines.iter().map(|line| format!("{line}{newline}")).collect()
}

/// What the entry starts, as the host or this file writes it.
fn launch(name: &str, entry: &[&str]) -> Option<Launch> {
    let ours = name.to_owned();
    let named = |name: &str| {
        let at = entry.iter().position(|line| line.trim_start().starts_with(&format!("{name}:")))?;
        Some((at, entry[at].split_once(':')?.1.trim()))
    };
    let program = scalar(named("cmd")?.1)?;
    let args = match named("args") {
        None => Vec::new(),
        Some((_, inline)) if inline.starts_with('[') => serde_json::from_str(inline).ok()?,
        Some((at, "")) => {
            let items = entry[at + 1..].iter().map(|line| line.trim()).filter(|line| says_something(line));
            let items = items.map_while(|line| line.strip_prefix("- "));
            items.map(|item| scalar(item.trim())).collect::<Option<Vec<String>>>()?
        }
        Some(_) => return None,
    };
    Some(Launch { entry: ours, program, args })
}

/// A text on one line, with or without quotes.
fn scalar(text: &str) -> Option<String> {
    match text.chars().next()? {
        '"' => serde_json::from_str(text).ok(),
        '\'' => Some(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'")),
        '|' | '>' | '&' | '*' | '!' | '{' | '[' => None,
        _ => Some(text.split(" #").next()?.trim_end().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bursar() -> Launch {
        let args = ["--home", "/home/me/.bursar", "serve", "--agent", "goose"];
        Launch { entry: "bursar".into(), program: "/opt/my tools/bursar".into(), args: args.map(str::to_owned).into() }
    }

    #[test]
    fn what_was_put_in_is_taken_out_to_the_byte() {
        for text in [
            "",
            "GOOSE_MODEL: x",
            "GOOSE_MODEL: x\r\n\r\n",
            "---\n# mine\nextensions:\n    developer:\n        enabled: true\n        args: [a]\n    # the last\n\nX: 1\n",
            "extensions: # all of them\n  memory:\n    description: |\n      a: b\n     - c\n    envs: {}",
        ] {
            let with = put(text, &bursar()).unwrap();
            assert_eq!(found(&with, "bursar").unwrap().and_then(|found| found.launch), Some(bursar()), "{with}");
            assert_eq!(put(&with, &bursar()).unwrap(), with);
            assert_eq!(take_out(&with, "bursar").unwrap(), text, "{with}");
        }
    }

    #[test]
    fn where_there_were_none_there_is_one() {
        let with = put("a: 1\nextensions: {}\nb: 2\n", &bursar()).unwrap();
        assert!(
            with.starts_with("a: 1\nextensions:\n  bursar:\n") && with.ends_with("    timeout: 300\nb: 2\n"),
            "{with}"
        );
        assert_eq!(take_out(&with, "bursar").unwrap(), "a: 1\nb: 2\n");
        assert_eq!(take_out("extensions: {}\n", "bursar").unwrap(), "extensions: {}\n");
    }

    #[test]
    fn an_entry_that_is_there_is_replaced_where_it_stands() {
        let text = "extensions:\n  a:\n    enabled: true\n  bursar:\n    cmd: /old/bursar\n    args:\n    - serve\n    - 'it''s'\n\
                    \x20 b:\n    x: 1\n";
        let old = found(text, "bursar").unwrap().unwrap();
        assert_eq!(old.launch.unwrap().args, ["serve", "it's"]);
        insta::assert_snapshot!(put(text, &bursar()).unwrap(), @r#"
        extensions:
          a:
            enabled: true
          bursar:
            enabled: true
            type: stdio
            name: bursar
            description: Pays for what agents fetch, inside limits its owner set
            cmd: "/opt/my tools/bursar"
            args:
              - "--home"
              - "/home/me/.bursar"
              - "serve"
              - "--agent"
              - "goose"
            timeout: 300
          b:
            x: 1
        "#);
    }

    #[test]
    fn what_is_not_plain_is_left_alone_with_its_line() {
        for (text, line) in [
            ("a: 1\nextensions: {a: {b: 1}}\n", 2),
            ("a: 1\nextensions: {}\n  b: 1\n", 3),
            ("extensions: &x\n  a:\n    b: 1\n", 1),
            ("\"extensions\":\n  a:\n    b: 1\n", 1),
            ("a: \"x\n  y\"\nextensions:\n", 1),
            ("extensions:\n- a\n", 2),
            ("extensions:\n\ta: 1\n", 2),
            ("extensions:\n    a:\n      b: 1\n  c:\n", 4),
            ("extensions:\n  <<: *base\n", 2),
            ("extensions:\n  bursar: {cmd: x}\n", 2),
            ("extensions:\n  a: 1\nextensions:\n", 3),
            ("a: 1\n---\nb: 2\n", 2),
            ("[1]\n", 1),
        ] {
            assert_eq!(put(text, &bursar()).map_err(|wrong| wrong.line), Err(Some(line)), "{text}");
        }
    }
}
