//! The rooms of the house and their doors, read from the sources: what is pure stays pure, and imports go one way.
//!
//! It reads what stands outside `#[cfg(test)]`, with comments and texts taken out, and knows a module by its path.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Rooms that know no clock, network, disk, environment or randomness. `now` and snapshots come in as values.
const PURE: [&str; 16] = [
    "answer",
    "authorization",
    "goods",
    "json",
    "limits",
    "listing",
    "money",
    "offer",
    "policy",
    "reason",
    "request",
    "settlement",
    "sign_in",
    "text",
    "time",
    "wish",
];

/// What a pure room never names, by the beginnings of paths.
const IMPURE: [&str; 27] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::path",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::time::UNIX_EPOCH",
    "alloy_primitives::B256::random",
    "alloy_primitives::Address::random",
    "getrandom",
    "hyper",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
    "k256::elliptic_curve::rand_core",
    "keyring_core",
    "rand",
    "reqwest",
    "rusqlite",
    "tokio",
    "tracing",
];

/// Nor these as a whole, by which anything in them could be meant.
const IMPURE_AS_A_WHOLE: [&str; 3] = ["std", "std::net", "std::time"];

/// What each door is given of the house, beside pure rooms and values: nothing else compiles into a wall like this one.
const DOORS: [(&str, &[&str]); 1] = [("mcp", &["agent", "answer", "ports", "random"])];

/// Adapters to the world outside never name each other.
const ADAPTERS: [&str; 9] = ["chain", "cli", "directory", "ledger", "mcp", "notify", "seller", "wallet", "web"];

/// The command line starts the servers of the other two doors, makes the wallets that a house is opened over, and asks
/// nodes and keyrings how they are before there is one.
const MEET: [(&str, &str); 5] =
    [("cli", "chain"), ("cli", "mcp"), ("cli", "notify"), ("cli", "wallet"), ("cli", "web")];

#[test]
fn pure_rooms_know_no_clock_disk_network_environment_or_randomness() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room())) {
        for path in source.paths.iter().filter(|path| is_impure(path)) {
            found.push(format!("{} names {path}", source.file));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_rooms_name_each_other_not_even_in_a_circle() {
    let names = names_by_room();
    let circles: Vec<String> =
        names.keys().filter_map(|room| way_back(room, &names)).map(|circle| circle.join(" -> ")).collect();
    assert!(circles.is_empty(), "{circles:#?}\n{}", why(&circles));
}

#[test]
fn pure_rooms_name_only_pure_rooms() {
    let names = names_by_room();
    let found: Vec<_> = PURE
        .iter()
        .flat_map(|room| names.get(*room).into_iter().flatten().map(move |named| (*room, named)))
        .filter(|(_, named)| !PURE.contains(&named.as_str()))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn adapters_do_not_name_each_other() {
    let names = names_by_room();
    let found: Vec<_> = ADAPTERS
        .iter()
        .flat_map(|room| names.get(*room).into_iter().flatten().map(move |named| (*room, named.as_str())))
        .filter(|(room, named)| ADAPTERS.contains(named) && !MEET.contains(&(*room, *named)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_agents_door_is_given_an_agent_and_nothing_else() {
    let names = names_by_room();
    for (door, given) in DOORS {
        let named = names.get(door).expect("the door is there");
        let others: Vec<_> =
            named.iter().filter(|room| !given.contains(&room.as_str()) && !PURE.contains(&room.as_str())).collect();
        assert!(others.is_empty(), "{door} names {others:?}");
    }
}

#[test]
fn no_two_public_types_share_a_name() {
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (file, text) in texts() {
        for name in public_types(&text) {
            named.entry(name).or_default().insert(file.clone());
        }
    }
    assert!(named.len() > 100, "the types were not found");
    named.retain(|_, files| files.len() > 1);
    assert!(named.is_empty(), "{named:#?}");
}

/// The types a source declares for others, tests left out.
fn public_types(text: &str) -> Vec<String> {
    const KINDS: [&str; 4] = ["enum", "struct", "trait", "type"];
    let tokens = without_tests(tokens(text));
    let is_public = |at: usize| at > 0 && (tokens[at - 1] == "pub" || tokens[at - 1] == ")");
    let found =
        (0..tokens.len().saturating_sub(1)).filter(|at| KINDS.contains(&tokens[*at].as_str()) && is_public(*at));
    found.map(|at| tokens[at + 1].clone()).collect()
}

/// Which rooms each room names, read from the sources.
fn names_by_room() -> BTreeMap<String, BTreeSet<String>> {
    let sources = sources();
    let rooms: BTreeSet<String> = sources.iter().map(|source| source.room().to_owned()).collect();
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !["lib", "main"].contains(&source.room())) {
        let named = source.paths.iter().filter_map(|path| path.strip_prefix("crate::"));
        let named = named.filter_map(|path| path.split("::").next()).filter(|named| rooms.contains(*named));
        let of_room = names.entry(source.room().to_owned()).or_default();
        of_room.extend(named.filter(|named| *named != source.room()).map(str::to_owned));
    }
    names
}

/// The shortest way from a room through what it names back to itself, if there is one.
fn way_back(room: &str, names: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut ways = std::collections::VecDeque::from([vec![room.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in names.get(way.last()?).into_iter().flatten() {
            let longer: Vec<String> = way.iter().cloned().chain([next.clone()]).collect();
            if next == room {
                return Some(longer);
            }
            if seen.insert(next.clone()) {
                ways.push_back(longer);
            }
        }
    }
    None
}

/// The files in which the rooms of these circles name each other.
fn why(circles: &[String]) -> String {
    let mut lines = BTreeSet::new();
    for source in sources() {
        for circle in circles {
            for (from, to) in circle.split(" -> ").zip(circle.split(" -> ").skip(1)) {
                let named = source.paths.iter().filter(|path| begins(path, &format!("crate::{to}")));
                lines.extend(
                    named.filter(|_| source.room() == from).map(|path| format!("{} names {path}", source.file)),
                );
            }
        }
    }
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reader_sees_what_a_source_names() {
    let text = r##"
        //! std::fs in a comment
        use std::{collections::BTreeMap, time::{Duration, SystemTime as Now}};
        use super::super::ledger::Ledger as _;
        fn f() { let text = "std::env::var"; let c = '"'; r#"std::net"#; std::thread::sleep(self::g::<tokio::X>()); }
        #[cfg(test)]
        mod tests { use std::fs; fn g() { reqwest::get("}") } }
        #[cfg(test)]
        use rusqlite::Connection;
        fn after() { getrandom::fill() }
    "##;
    let paths = paths_in(text, &["crate".into(), "mcp".into(), "tool".into()]);
    for named in [
        "std::collections::BTreeMap",
        "std::time::Duration",
        "std::time::SystemTime",
        "crate::ledger::Ledger",
        "std::thread::sleep",
        "crate::mcp::tool::g",
        "tokio::X",
        "getrandom::fill",
    ] {
        assert!(paths.contains(named), "{named} not in {paths:#?}");
    }
    let hidden = ["std::fs", "std::env", "std::net", "reqwest", "rusqlite"];
    assert!(!paths.iter().any(|path| hidden.iter().any(|hidden| begins(path, hidden))), "{paths:#?}");
}

#[test]
fn the_tests_that_the_docs_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for page in ["docs/design.md", "docs/promises.md", "docs/threats.md"] {
        let text = fs::read_to_string(root.join(page)).expect("readable");
        let named = text.split('`').skip(1).step_by(2).filter(|name| name.contains("::") || name.starts_with("src/"));
        missing.extend(named.filter(|name| !is_there(root, name)).map(|name| format!("{page} names {name}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `file::module::test` under `tests/`, or as much of it as is given; or a path.
fn is_there(root: &Path, name: &str) -> bool {
    if name == "file::module::test" {
        return true;
    }
    let Some((file, rest)) = name.split_once("::") else {
        return root.join(name.split("*").next().unwrap_or_default()).exists();
    };
    let holds =
        |path: &Path, test: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}(")));
    let folder = root.join("tests").join(file);
    match rest.split_once("::") {
        Some((module, test)) => holds(&folder.join(module).with_extension("rs"), test),
        None => folder.join(rest).with_extension("rs").exists() || holds(&folder.join("main.rs"), rest),
    }
}

fn is_impure(path: &str) -> bool {
    IMPURE.iter().any(|impure| begins(path, impure)) || IMPURE_AS_A_WHOLE.contains(&path)
}

/// A source file, and the paths it names.
struct Source {
    file: String,
    module: Vec<String>,
    paths: BTreeSet<String>,
}

impl Source {
    fn room(&self) -> &str {
        self.module.get(1).map_or("lib", String::as_str)
    }
}

fn begins(path: &str, with: &str) -> bool {
    path.strip_prefix(with).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn sources() -> Vec<Source> {
    let found = texts().into_iter().map(|(file, text)| {
        let mut module = vec!["crate".to_owned()];
        module.extend(Path::new(&file).with_extension("").iter().map(|part| part.to_string_lossy().into_owned()));
        let paths = paths_in(&text, &module);
        Source { file, module, paths }
    });
    found.collect()
}

/// Every source by its file's name, tests left out.
fn texts() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    read(&root, &root, &mut found);
    assert!(found.len() > 100, "the sources were not found");
    found
}

fn read(root: &Path, folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(root, &path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let file = path.strip_prefix(root).expect("beneath");
            if !file.with_extension("").iter().any(|part| part == "tests") {
                found.push((file.display().to_string(), fs::read_to_string(&path).expect("readable")));
            }
        }
    }
}

/// Every path of two parts or more that a text names, `use` trees spelt out, `self` and `super` resolved.
fn paths_in(text: &str, module: &[String]) -> BTreeSet<String> {
    let tokens = without_tests(tokens(text));
    let mut paths = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            at = spell_out(&tokens, at + 1, &[], &mut paths);
        } else if is_name(&tokens[at]) {
            let mut path = vec![tokens[at].clone()];
            while tokens.get(at + 1).is_some_and(|t| t == "::") && tokens.get(at + 2).is_some_and(|t| is_name(t)) {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            paths.insert(path);
        }
        at += 1;
    }
    paths.iter().filter(|path| path.len() > 1).map(|path| resolved(path, module)).collect()
}

/// One branch of a `use` tree, up to the token that ends it.
fn spell_out(tokens: &[String], mut at: usize, before: &[String], paths: &mut BTreeSet<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    let mut is_branch = true;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" => {
                is_branch = false;
                at = spell_out(tokens, at + 1, &path, paths);
                while tokens.get(at).is_some_and(|token| token == ",") {
                    at = spell_out(tokens, at + 1, &path, paths);
                }
            }
            "as" => at += 1,
            "," | "}" | ";" => break,
            name if is_name(name) && (name != "self" || path.is_empty()) => path.push(name.to_owned()),
            _ => {}
        }
        at += 1;
    }
    if is_branch && (path.len() > before.len() || tokens.get(at.wrapping_sub(1)).is_some_and(|t| t == "self")) {
        paths.insert(path);
    }
    at
}

/// Inside an inline module `super` means less than this takes it for; the sources have none outside tests.
fn resolved(path: &[String], module: &[String]) -> String {
    let supers = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path[0].as_str() {
        "self" => (module, &path[1..]),
        "super" => (&module[..module.len().saturating_sub(supers)], &path[supers..]),
        _ => (&[][..], path),
    };
    let whole: Vec<&str> = base.iter().chain(rest).map(String::as_str).collect();
    whole.join("::")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Items under `#[cfg(test)]` left out: up to their closing brace, or their semicolon.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mark: Vec<String> = ["#", "[", "cfg", "(", "test", ")", "]"].map(str::to_owned).into();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&mark) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += mark.len();
        loop {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let is_over = depth == 0 && (tokens[at] == "}" || tokens[at] == ";");
            at += 1;
            if is_over || at == tokens.len() {
                break;
            }
        }
    }
    kept
}

/// Names and signs; comments and what stands in quotes are gone.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, with: &str| with.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if c == '"' {
            at = after_quoted(&chars, at + 1);
        } else if (c == 'r' || starts(at, "br")) && raw_quote(&chars, at).is_some() {
            let (begin, hashes) = raw_quote(&chars, at).expect("looked a line above");
            at = after_quoted_raw(&chars, begin, hashes);
        } else if c == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'')) {
            let escaped = chars.get(at + 1) == Some(&'\\');
            at += if escaped { 2 } else { 1 };
            at += 1 + chars[at + 1..].iter().take_while(|c| **c != '\'').count() + 1;
        } else if c.is_alphanumeric() || c == '_' {
            let length = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
            tokens.push(chars[at..at + length].iter().collect());
            at += length;
        } else if starts(at, "::") {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            at += 1;
        }
    }
    tokens
}

fn after_quoted(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Where the text of a raw string begins, and how many `#` guard it.
fn raw_quote(chars: &[char], at: usize) -> Option<(usize, usize)> {
    let from = at + if chars[at] == 'b' { 2 } else { 1 };
    let hashes = chars.get(from..)?.iter().take_while(|c| **c == '#').count();
    let is_name = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    (chars.get(from + hashes) == Some(&'"') && !is_name).then_some((from + hashes + 1, hashes))
}

fn after_quoted_raw(chars: &[char], mut at: usize, hashes: usize) -> usize {
    let ends =
        |at: usize| chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    while at < chars.len() && !ends(at) {
        at += 1;
    }
    at + 1 + hashes
}
