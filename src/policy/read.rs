//! Pure: reading a TOML file of ours, so that every complaint has a line, a cause and a remedy.
//!
//! A [`Section`] is one table. It remembers which keys were asked for, so that the list of known keys is the code that
//! reads them; and it falls back to another section, which is how a key that is left out gets its built-in value.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use toml_edit::{Document, Item, TableLike, Value};

use crate::money::{self, Network, NotAnAddress, Usd};
use crate::text::quoted;

/// What is wrong with a file, all of it, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// Which file.
    pub file: String,
    /// What went wrong.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line and column, from 1. None: it is about the file as a whole.
    pub at: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// What is wrong with one value, before it is known where it stands.
pub(crate) struct Complaint {
    what: String,
    remedy: String,
}

/// Where complaints about one file are gathered.
pub(crate) struct Notes<'a> {
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

/// One table of a file, with what it falls back to.
pub(crate) struct Section<'a> {
    name: String,
    table: Option<&'a dyn TableLike>,
    span: Option<Range<usize>>,
    fallback: Option<Rc<Section<'a>>>,
    notes: &'a Notes<'a>,
    asked: RefCell<Vec<&'static str>>,
}

/// A value with the place it stands at.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub value: T,
    pub span: Option<Range<usize>>,
}

impl std::error::Error for FileError {}

/// `policy.toml:12:1: what is wrong`, and under it what to do.
impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let line_break = if i == 0 { "" } else { "\n" };
            match problem.at {
                Some((line, column)) => write!(f, "{line_break}{}:{line}:{column}: {}", self.file, problem.what)?,
                None => write!(f, "{line_break}{}: {}", self.file, problem.what)?,
            }
            write!(f, "\n  {}", problem.remedy)?;
        }
        Ok(())
    }
}

impl FileError {
    /// All of it in one line, for where a sentence is wanted.
    pub fn in_one_line(&self) -> String {
        self.to_string().replace("\n  ", ": ").replace('\n', "; ")
    }

    /// A complaint about the whole file: it cannot be read, say.
    pub fn whole(file: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> FileError {
        let problem = Problem { at: None, what: what.into(), remedy: remedy.into() };
        FileError { file: file.into(), problems: vec![problem] }
    }
}

impl Complaint {
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Complaint {
        Complaint { what: what.into(), remedy: remedy.into() }
    }

    pub fn what(&self) -> &str {
        &self.what
    }

    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

/// The TOML itself, or where it breaks.
pub(crate) fn document<'a>(file: &str, text: &'a str) -> Result<Document<&'a str>, FileError> {
    Document::parse(text).map_err(|error| {
        let notes = Notes::new(text);
        let remedy = "correct the line; strings are quoted, tables are [in brackets], comments begin with #";
        notes.say(error.span(), quoted(error.message(), 300), remedy);
        FileError { file: file.to_owned(), problems: notes.problems.into_inner() }
    })
}

impl<'a> Notes<'a> {
    pub fn new(text: &'a str) -> Notes<'a> {
        Notes { text, problems: RefCell::default() }
    }

    /// Said once, however often it is noticed: a key that many rules inherit is one mistake.
    pub fn say(&self, span: Option<Range<usize>>, what: impl Into<String>, remedy: impl Into<String>) {
        let at = span.map(|span| self.line_and_column(span.start));
        let problem = Problem { at, what: what.into(), remedy: remedy.into() };
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }

    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    }

    /// The value if nothing was wrong, else everything that was.
    pub fn conclude<T>(&self, file: &str, value: T) -> Result<T, FileError> {
        let mut problems = self.problems.take();
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|problem| problem.at);
        Err(FileError { file: file.to_owned(), problems })
    }

    fn source(&self, span: Option<Range<usize>>) -> &'a str {
        span.and_then(|span| self.text.get(span)).unwrap_or_default()
    }
}

impl<'a> Section<'a> {
    pub fn root(
        document: &'a Document<&'a str>,
        notes: &'a Notes<'a>,
        fallback: Option<Rc<Section<'a>>>,
    ) -> Section<'a> {
        let table: &'a dyn TableLike = document.as_table();
        Section { name: "the file".into(), table: Some(table), span: None, fallback, notes, asked: RefCell::default() }
    }

    /// The table `[name]`, empty if the file leaves it out.
    pub fn section(&self, name: &'static str) -> Rc<Section<'a>> {
        self.ask_for(name);
        let fallback = self.fallback.as_ref().map(|section| section.section(name));
        let item = self.table.and_then(|table| table.get(name));
        Rc::new(self.child(self.name_of(name), item, fallback))
    }

    /// The same, if it is there.
    pub fn optional(&self, name: &'static str) -> Option<Rc<Section<'a>>> {
        let section = self.section(name);
        self.has(name).then_some(section)
    }

    /// As a table within this one is headed.
    fn name_of(&self, name: &str) -> String {
        match self.name.strip_prefix('[').and_then(|own| own.strip_suffix(']')) {
            Some(own) => format!("[{own}.{name}]"),
            None => format!("[{name}]"),
        }
    }

    /// The tables `[[name]]`, each falling back to `fallback`.
    pub fn list(&self, name: &'static str, fallback: Option<Rc<Section<'a>>>) -> Vec<Section<'a>> {
        self.ask_for(name);
        let Some(item) = self.table.and_then(|table| table.get(name)) else {
            return Vec::new();
        };
        let Some(tables) = item.as_array_of_tables() else {
            let remedy = format!("begin each one with a line [[{name}]]");
            self.notes.say(item.span(), format!("`{name}` is a list of tables"), remedy);
            return Vec::new();
        };
        let section = |table: &'a toml_edit::Table| Section {
            name: format!("[[{name}]]"),
            span: table.span(),
            table: Some(table),
            fallback: fallback.clone(),
            notes: self.notes,
            asked: RefCell::default(),
        };
        tables.iter().map(section).collect()
    }

    /// The tables `[name.KEY]`, with their keys.
    pub fn named(&self, name: &'static str) -> Vec<(Placed<String>, Section<'a>)> {
        let parent = self.section(name);
        let Some(table) = parent.table else {
            return Vec::new();
        };
        let entry = |(key, item): (&'a str, &'a Item)| {
            let span = table.key(key).and_then(toml_edit::Key::span);
            let section = parent.child(format!("[{name}.\"{}\"]", quoted(key, 60)), Some(item), None);
            (Placed { value: key.to_owned(), span }, section)
        };
        table.iter().map(entry).collect()
    }

    fn child(&self, name: String, item: Option<&'a Item>, fallback: Option<Rc<Section<'a>>>) -> Section<'a> {
        let table = item.and_then(Item::as_table_like);
        if let (Some(item), None) = (item, table) {
            let what = format!("`{}` is a table, not a value", name.trim_matches(['[', ']']));
            self.notes.say(item.span(), what, format!("write it as {name}, with its keys on the lines below"));
        }
        let span = item.and_then(Item::span);
        Section { name, table, span, fallback, notes: self.notes, asked: RefCell::default() }
    }

    /// To be called when all keys were read: every other key is unknown.
    pub fn finish(&self) {
        let asked = self.asked.borrow();
        for (key, item) in self.table.into_iter().flat_map(|table| table.iter()) {
            if !asked.contains(&key) {
                let span = self.table.and_then(|table| table.key(key)).and_then(toml_edit::Key::span);
                let (what, remedy) = unknown(key, &self.name, &asked);
                self.notes.say(span.or(item.span()), what, remedy);
            }
        }
    }

    /// A value of this section or the one it falls back to. `None` only together with a complaint.
    pub fn value<T>(&self, key: &'static str, read: impl Fn(&Item) -> Result<T, Complaint>) -> Option<Placed<T>> {
        self.ask_for(key);
        if self.has(key) {
            return self.own(key, read);
        }
        if let Some(fallback) = &self.fallback {
            return fallback.value(key, read);
        }
        let what = format!("`{key}` is missing in {}", self.name);
        self.notes.say(self.span.clone().or(Some(0..0)), what, format!("add a line {key} = ..."));
        None
    }

    /// A value of this section alone, which may leave it out.
    pub fn own<T>(&self, key: &'static str, read: impl Fn(&Item) -> Result<T, Complaint>) -> Option<Placed<T>> {
        self.ask_for(key);
        let item = self.table?.get(key)?;
        match read(item) {
            Ok(value) => Some(Placed { value, span: item.span() }),
            Err(complaint) => {
                let source = quoted(self.notes.source(item.span()), 60);
                let fill = |text: String| text.replace("{key}", key).replace("{value}", &source);
                let what = format!("`{key}` in {}: {}", self.name, fill(complaint.what));
                self.notes.say(item.span(), what, fill(complaint.remedy));
                None
            }
        }
    }

    /// A list of texts, each entry read by itself, of this section or the one it falls back to.
    pub fn texts<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, Complaint>) -> Vec<Placed<T>> {
        let list = self.value(key, |item| self.entries(key, item, &read));
        list.map(|list| list.value).unwrap_or_default()
    }

    /// A list of texts of this section alone. Left out, it restricts nothing; empty, it would read like the same and
    /// mean the opposite, so it is not taken.
    pub fn own_texts<T>(&self, key: &'static str, read: impl Fn(&str) -> Result<T, Complaint>) -> Vec<Placed<T>> {
        let list = self.own(key, |item| match item.as_array().is_some_and(toml_edit::Array::is_empty) {
            true => Err(Complaint::new("this list is empty", "leave {key} out, or list at least one")),
            false => self.entries(key, item, &read),
        });
        list.map(|list| list.value).unwrap_or_default()
    }

    fn entries<T>(
        &self,
        key: &str,
        item: &Item,
        read: &impl Fn(&str) -> Result<T, Complaint>,
    ) -> Result<Vec<Placed<T>>, Complaint> {
        let not_a_list = || Complaint::new("this is a list of quoted texts, not {value}", "write {key} = [{value}]");
        let array = item.as_array().ok_or_else(not_a_list)?;
        Ok(array.iter().filter_map(|value| self.entry(key, value, read)).collect())
    }

    fn entry<T>(&self, key: &str, value: &Value, read: &impl Fn(&str) -> Result<T, Complaint>) -> Option<Placed<T>> {
        let quote_it = || Complaint::new("each entry is a text in quotes", "put the entry in quotes");
        match value.as_str().ok_or_else(quote_it).and_then(read) {
            Ok(read) => Some(Placed { value: read, span: value.span() }),
            Err(complaint) => {
                self.notes.say(value.span(), format!("`{key}` in {}: {}", self.name, complaint.what), complaint.remedy);
                None
            }
        }
    }

    pub fn notes(&self) -> &'a Notes<'a> {
        self.notes
    }

    pub fn span(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// This section has the key, be its value good or bad.
    pub fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    pub fn is_empty(&self) -> bool {
        self.table.is_none_or(|table| table.is_empty())
    }

    fn ask_for(&self, key: &'static str) {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(&key) {
            asked.push(key);
        }
    }
}

fn unknown(key: &str, place: &str, known: &[&str]) -> (String, String) {
    let key = quoted(key, 60);
    match nearest(&key, known) {
        Some(near) => (
            format!("unknown key `{key}` in {place}; did you mean `{near}`?"),
            format!("write `{near}`, or remove the line"),
        ),
        None => {
            (format!("unknown key `{key}` in {place}"), format!("remove it; what may stand here: {}", known.join(", ")))
        }
    }
}

/// The known word a mistyped one was probably meant to be.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let word = word.to_lowercase().replace(['-', ' '], "_");
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(&word, &known.to_lowercase());
    let best = known.iter().map(|known| (likeness(known), *known)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 >= 0.5).then_some(best.1)
}

/// A text in quotes.
pub(crate) fn text(item: &Item) -> Result<&str, Complaint> {
    item.as_str().ok_or_else(|| Complaint::new("this is a text in quotes, not {value}", "write {key} = \"...\""))
}

/// An amount of dollars, or `"none"` for no limit.
pub(crate) fn usd_or_none(item: &Item) -> Result<Option<Usd>, Complaint> {
    const REMEDY: &str = "write {key} = \"1.00\", or \"none\" for no limit";
    if item.is_integer() || item.is_float() {
        let what = "amounts are written in quotes, not as the bare number {value}";
        let sane = item.as_integer().is_some_and(|n| n >= 0) || item.as_float().is_some_and(|n| n >= 0.0);
        return Err(Complaint::new(what, if sane { "write {key} = \"{value}\"" } else { REMEDY }));
    }
    match item.as_str() {
        Some("none") => Ok(None),
        Some(text) => match text.parse() {
            Ok(usd) => Ok(Some(usd)),
            Err(cause) => Err(Complaint::new(format!("{{value}} is not an amount of dollars: {cause}"), REMEDY)),
        },
        None => Err(Complaint::new("{value} is not an amount of dollars in quotes", REMEDY)),
    }
}

/// A chain by its CAIP-2 name.
pub(crate) fn network(text: &str) -> Result<Network, Complaint> {
    let network = Network::new(text);
    let shaped = text.split_once(':').is_some_and(|(namespace, reference)| {
        let within = |part: &str, least, most, extra: &[char]| {
            let fits = |c: char| c.is_ascii_alphanumeric() || extra.contains(&c);
            (least..=most).contains(&part.len()) && part.chars().all(fits)
        };
        let lower = !namespace.contains(|c: char| c.is_ascii_uppercase());
        lower && within(namespace, 3, 8, &['-']) && within(reference, 1, 32, &['-', '_'])
    });
    let is_known_kind = text.starts_with("eip155:") || text.starts_with("solana:");
    let canonical = !is_known_kind || network.rail().is_some();
    if shaped && canonical {
        return Ok(network);
    }
    let what = format!("`{}` is not a network's CAIP-2 name", quoted(text, 60));
    Err(match Network::meant(text) {
        Some(network) => Complaint::new(what, format!("write \"{network}\"")),
        None if text.starts_with("solana:") => {
            let named = |name| Network::of_v1(name).map(|network| network.to_string()).unwrap_or_default();
            let (real, test) = (named("solana"), named("solana-devnet"));
            let what = format!("`{}` is none of Solana's clusters", quoted(text, 60));
            Complaint::new(what, format!("write \"{real}\", or for test money \"{test}\""))
        }
        None => Complaint::new(what, "write it as \"eip155:\" and the chain id: \"eip155:8453\" is Base"),
    })
}

/// An address, in the one spelling of its rail.
pub(crate) fn address(text: &str) -> Result<String, Complaint> {
    money::address(text).map_err(|cause| match cause {
        NotAnAddress::Shape => {
            let what = format!("`{}` is not an address", quoted(text, 60));
            Complaint::new(what, "an address is 0x and 40 hexadecimal digits, or on Solana 32 bytes in base58")
        }
        NotAnAddress::WrongChecksum => {
            let shown = quoted(text, 60);
            let what =
                format!("the checksum of the address `{shown}` does not hold: a digit or a letter's case is wrong");
            Complaint::new(what, "copy it again from where it comes from")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_its_neighbour_and_a_strange_one_does_not() {
        assert_eq!(nearest("perday", &["per_hour", "per_day"]), Some("per_day"));
        assert_eq!(nearest("Per-Day", &["per_hour", "per_day"]), Some("per_day"));
        assert_eq!(nearest("colour", &["per_hour", "per_day"]), None);
    }

    #[test]
    fn an_address_in_one_case_has_no_checksum_and_in_two_cases_it_must_hold() {
        let good = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";
        assert!(address(good).is_ok());
        assert!(address(&good.to_lowercase()).is_ok());
        assert!(address(&good.replace("fCD6", "fcd6")).is_err());
        for bad in [
            "",
            "0x",
            "833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
            "0x833589",
            "0xzz3589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_network_is_a_caip_2_name_in_its_one_spelling() {
        assert!(network("eip155:8453").is_ok());
        assert!(network("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp").is_ok());
        for bad in ["base", "eip155:", "eip155:08453", "EIP155:1", "eip155:8453:1", "e:1", "eip155:base", ""] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lines_and_columns_count_characters_from_one() {
        let notes = Notes::new("a\nßb\n");
        assert_eq!(notes.line_and_column(0), (1, 1));
        assert_eq!(notes.line_and_column(4), (2, 2));
    }
}
