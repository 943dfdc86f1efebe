//! Where words go: data on stdout, talk on stderr, colours only where somebody sees them.
//!
//! Text of others (URLs, names, answers) goes through [`clean`] or a styling function, which cleans too, so that no
//! escape sequence but ours reaches a terminal.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use crate::limits;
use crate::text;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Both streams of one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Out;

impl Color {
    /// Decides once, for both streams.
    pub fn settle(self) {
        match self {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }
}

impl Out {
    /// A line of what was asked for.
    pub fn line(&self, line: impl Display) {
        survive(writeln!(anstream::stdout().lock(), "{line}"));
    }

    /// A line about it.
    pub fn say(&self, line: Arguments<'_>) {
        survive(writeln!(anstream::stderr().lock(), "{line}"));
    }

    /// A line about it that passes: shown only where somebody watches.
    pub fn progress(&self, line: Arguments<'_>) {
        if io::stderr().is_terminal() {
            self.say(line);
        }
    }

    /// One JSON document.
    pub fn json(&self, value: &impl Serialize) {
        self.line(printable(&serde_json::to_string_pretty(value).unwrap_or_default()));
    }

    /// One line of JSON Lines.
    pub fn json_line(&self, value: &impl Serialize) {
        self.line(printable(&serde_json::to_string(value).unwrap_or_default()));
    }

    /// Bytes as they are; for a terminal, what can be seen of them.
    pub fn body(&self, body: &[u8]) {
        let shown = match io::stdout().is_terminal() {
            true => text::visible(&String::from_utf8_lossy(body)).into_bytes(),
            false => body.to_vec(),
        };
        let mut stdout = io::stdout().lock();
        survive(stdout.write_all(&shown));
        if io::stdout().is_terminal() && !shown.ends_with(b"\n") {
            survive(stdout.write_all(b"\n"));
        }
        survive(stdout.flush());
    }

    /// How many columns there are to fill; 80 where nobody says.
    pub fn width(&self) -> usize {
        let columns = terminal_size::terminal_size().map(|(columns, _)| usize::from(columns.0));
        columns.unwrap_or(80).clamp(60, 160)
    }
}

/// Foreign text as it may stand in a line of ours.
pub fn clean(text: &str) -> String {
    text::quoted(text, 4 * limits::QUOTED_CHARS)
}

pub fn good(text: &str) -> String {
    paint(AnsiColor::Green.on_default(), text)
}

pub fn bad(text: &str) -> String {
    paint(AnsiColor::Red.on_default().bold(), text)
}

pub fn warn(text: &str) -> String {
    paint(AnsiColor::Yellow.on_default(), text)
}

pub fn dim(text: &str) -> String {
    paint(Style::new().dimmed(), text)
}

pub fn bold(text: &str) -> String {
    paint(Style::new().bold(), text)
}

pub fn paint(style: Style, text: &str) -> String {
    format!("{style}{}{style:#}", clean(text))
}

/// JSON whose strings cannot steer a terminal. What cannot be seen only ever stands inside strings, where an escape
/// means the same.
fn printable(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        match c == '\n' || !text::is_unseen(c) {
            true => shown.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    shown
}

/// A reader that has seen enough (`| head`) is no failure.
fn survive(written: io::Result<()>) {
    match written {
        Err(cause) if cause.kind() == ErrorKind::BrokenPipe => process::exit(0),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_meaning_and_cannot_steer_a_terminal() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{202e}\u{e0041}é";
        let shown = printable(&serde_json::to_string(&hostile).unwrap());
        assert!(shown.chars().all(|c| !text::is_unseen(c)), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }

    #[test]
    fn styled_text_is_cleaned_first() {
        assert_eq!(clean("\u{1b}[31mred\nline"), "[31mred line");
        assert!(!bold("\u{1b}]0;title\u{7}").contains("\u{1b}]"));
    }
}
