//! What a host starts, and what stands about it in the host's file. Pure: text in, text out.

use crate::cli::hosts::{jsonc, toml, yaml};

/// The name of our entry in every host's file. A proxy's begins with it.
pub const ENTRY: &str = "bursar";

/// A program and what it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The name of the entry.
    pub entry: String,
    /// The whole path of the program.
    pub program: String,
    /// What it is given, in order.
    pub args: Vec<String>,
}

/// The entry of our name in a host's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEntry {
    /// What it starts, if that could be read.
    pub launch: Option<Launch>,
    /// As it is written.
    pub text: String,
}

/// Why a file is left alone: it is not what its host writes, or is written in a way that is not changed for sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Where, counted from one.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: String,
}

/// How a host writes its servers down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON, comments allowed: an object of servers under this key.
    Json(&'static str, jsonc::EntryFields),
    /// TOML: a table `[mcp_servers.bursar]`.
    Toml,
    /// YAML: a mapping under `extensions`.
    Yaml,
}

impl Launch {
    /// It is bursar that is started, wherever it lies.
    pub fn is_ours(&self) -> bool {
        let name = self.program.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        name.strip_suffix(".exe").unwrap_or(&name) == ENTRY
    }
}

impl LeftAlone {
    /// What is wrong at this byte of a text.
    pub fn at(text: &str, offset: usize, what: impl Into<String>) -> LeftAlone {
        let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        LeftAlone { line: Some(line), what: what.into() }
    }
}

impl Form {
    /// Our entry, if there is one.
    pub fn found(self, text: &str, entry: &str) -> Result<Option<FoundEntry>, LeftAlone> {
        let (_, text) = marked(text);
        match self {
            Form::Json(servers, _) => jsonc::found(text, servers, entry),
            Form::Toml => toml::found(text, entry),
            Form::Yaml => yaml::found(text, entry),
        }
    }

    /// The text with our entry in it, and every other byte as it was.
    pub fn put(self, text: &str, launch: &Launch) -> Result<String, LeftAlone> {
        let (mark, text) = marked(text);
        let put = match self {
            Form::Json(servers, fields) => jsonc::put(text, servers, &launch.entry, &fields.entry(launch)),
            Form::Toml => toml::put(text, launch),
            Form::Yaml => yaml::put(text, launch),
        };
        let written = put.map(|text| format!("{mark}{text}"))?;
        // What is not read back as it was meant is not written at all.
        match self.found(&written, &launch.entry) {
            Ok(Some(FoundEntry { launch: Some(read), .. })) if read == *launch => Ok(written),
            _ => Err(LeftAlone { line: None, what: "it is written in a way that bursar does not change".to_owned() }),
        }
    }

    /// The text without our entry, and without what held nothing else.
    pub fn take_out(self, text: &str, entry: &str) -> Result<String, LeftAlone> {
        let (mark, text) = marked(text);
        let left = match self {
            Form::Json(servers, _) => jsonc::take_out(text, servers, entry),
            Form::Toml => toml::take_out(text, entry),
            Form::Yaml => yaml::take_out(text, entry),
        };
        left.map(|text| format!("{mark}{text}"))
    }

    /// A whole file with nothing but our entry.
    pub fn block(self, launch: &Launch) -> String {
        self.put("", launch).unwrap_or_default()
    }
}

/// The mark that some editors begin a file with, and the rest.
fn marked(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 })
}

/// A file that says nothing: as good as none.
pub fn says_nothing(text: &str) -> bool {
    let said: String = marked(text).1.split_whitespace().collect();
    said.is_empty() || said == "{}"
}

/// How the lines of a text end.
pub fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_that_a_file_begins_with_stays_where_it_is() {
        let bursar = Launch { entry: ENTRY.into(), program: "/opt/bursar".into(), args: vec!["serve".into()] };
        for form in [Form::Json("mcpServers", jsonc::EntryFields::Plain), Form::Toml, Form::Yaml] {
            let block = form.block(&bursar);
            assert_eq!(form.put("\u{feff}", &bursar).unwrap(), format!("\u{feff}{block}"));
            assert!(says_nothing(&form.take_out(&format!("\u{feff}{block}"), ENTRY).unwrap()), "{block}");
        }
    }

    #[test]
    fn bursar_is_known_wherever_it_lies() {
        let is_ours = |program: &str| Launch { entry: ENTRY.into(), program: program.into(), args: vec![] }.is_ours();
        assert!(is_ours("/opt/my tools/bursar") && is_ours(r"C:\Tools\Bursar.exe") && is_ours("bursar"));
        assert!(!is_ours("/opt/bursar/other") && !is_ours("npx") && !is_ours("bursar-next"));
    }
}
