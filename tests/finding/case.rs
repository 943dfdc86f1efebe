//! One answer of a directory in a file, and what must be read of it in another beside it: the first line says why, the
//! second which kind of directory it is of, and every further one is a line of what is read.
//! `<<90 x [>>` stands for ninety brackets.

use std::fs;
use std::path::Path;

use bursar::listing::{ClaimedPrice, Directory, DirectoryKind, ListedThing};
use bursar::money::Assets;
use url::Url;

pub struct Case {
    pub name: String,
    pub kind: DirectoryKind,
    /// What it answers.
    pub body: Vec<u8>,
    expected: String,
}

/// Where such a directory is, as far as reading is concerned.
pub const HOME: &str = "https://directory.example/";

/// All cases of a folder under `tests/directories/`, by name.
pub fn cases(folder: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/directories").join(folder);
    let mut files: Vec<_> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|kind| kind == "json"));
    files.sort();
    files.iter().map(|file| Case::read(file)).collect()
}

impl Case {
    fn read(file: &Path) -> Case {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let about = fs::read_to_string(file.with_extension("expect")).unwrap();
        let mut lines = about.splitn(3, '\n');
        assert!(lines.next().unwrap().starts_with("# "), "{name}: the first line says why");
        let kind = match lines.next().and_then(|line| line.strip_prefix("kind: ")) {
            Some("bazaar") => DirectoryKind::Bazaar,
            Some("mpp") => DirectoryKind::Mpp,
            Some("index402") => DirectoryKind::Index402,
            Some("openapi") => DirectoryKind::Openapi,
            other => panic!("{name}: no kind: {other:?}"),
        };
        let expected = lines.next().unwrap_or_default().to_owned();
        Case { name, kind, body: spelled_out(&fs::read_to_string(file).unwrap()).into_bytes(), expected }
    }

    /// What is read of it, a line for each thing; and what is not.
    pub fn read_out(&self) -> String {
        let directory = Directory { kind: self.kind, base: Url::parse(HOME).unwrap() };
        let listing = match bursar::listing::read(&directory, &self.body, &Assets::default()) {
            Ok(listing) => listing,
            Err(cause) => return format!("error: {cause}\n"),
        };
        let mut told: String = listing.things.iter().map(thing).collect();
        for (count, what) in [(listing.unusable, "unusable"), (listing.unread, "unread")] {
            if count > 0 {
                told += &format!("{what}: {count}\n");
            }
        }
        told
    }

    pub fn differs(&self) -> Option<String> {
        let told = self.read_out();
        (told != self.expected).then(|| format!("{}:\n{told}and expected was\n{}", self.name, self.expected))
    }
}

fn thing(thing: &ListedThing) -> String {
    let ListedThing { url, tool, method, name, description, tags, arguments, prices, health } = thing;
    let mut told = method.as_ref().map(|method| format!("{method} ")).unwrap_or_default();
    told += url.as_str();
    for (what, said) in
        [("tool", tool.clone().unwrap_or_default()), ("name", name.clone()), ("says", description.clone())]
    {
        if !said.is_empty() {
            told += &format!("\n  {what}: {said}");
        }
    }
    for (what, list) in [("tags", tags), ("takes", arguments)] {
        if !list.is_empty() {
            told += &format!("\n  {what}: {}", list.join(", "));
        }
    }
    let mut costs: Vec<String> = prices.iter().map(price).collect();
    costs.dedup();
    told += &costs.concat();
    if !health.is_empty() {
        told += &format!("\n  fares: {}", serde_json::to_string(health).unwrap());
    }
    told + "\n"
}

fn price(price: &ClaimedPrice) -> String {
    let ClaimedPrice { dialect, scheme, network, asset, amount, usd, known, note } = price;
    let parts = [
        usd.map_or("no price".to_owned(), |usd| format!("${usd}")),
        note.map(|note| format!("({})", serde_json::to_value(note).unwrap().as_str().unwrap())).unwrap_or_default(),
        amount.map(|amount| amount.to_string()).unwrap_or_default(),
        asset.clone(),
        network.clone(),
        scheme.clone(),
        dialect.name().to_owned(),
        if known.is_some() { "known".to_owned() } else { String::new() },
    ];
    let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("\n  costs: {}", said.join(" "))
}

fn spelled_out(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<<") else { return text.to_owned() };
    let (what, after) = rest.split_once(">>").expect("`<<90 x [>>`");
    let (count, repeated) = what.split_once(" x ").expect("how often what");
    format!("{before}{}{}", repeated.repeat(count.parse().unwrap()), spelled_out(after))
}
