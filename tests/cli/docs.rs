//! The documents keep up with the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, TableLike};

use crate::home::{Home, code, err, out};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect(name)
}

/// Crates of this repository.
const OURS: [&str; 3] = ["bursar", "sandbox", "testkit"];

#[test]
fn every_dependency_has_its_line_of_reason() {
    let mut used = BTreeSet::new();
    for manifest in ["Cargo.toml", "crates/sandbox/Cargo.toml", "crates/testkit/Cargo.toml", "fuzz/Cargo.toml"] {
        let manifest: DocumentMut = read(manifest).parse().expect("TOML");
        dependencies(manifest.as_table(), &mut used);
        let targets = manifest.get("target").and_then(|item| item.as_table_like());
        for (_, target) in targets.into_iter().flat_map(|targets| targets.iter()) {
            dependencies(target.as_table_like().expect("a table"), &mut used);
        }
    }
    used.retain(|name| !OURS.contains(&name.as_str()));
    let page = read("docs/dependencies.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let explained: BTreeSet<String> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(used, explained);
}

fn dependencies(table: &dyn TableLike, into: &mut BTreeSet<String>) {
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let names = table.get(section).and_then(|item| item.as_table_like());
        into.extend(names.into_iter().flat_map(|names| names.iter()).map(|(name, _)| name.to_owned()));
    }
}

#[test]
fn the_lists_of_dependencies_are_in_order() {
    let page = read("docs/dependencies.md");
    for table in page.split("| crate |") {
        let names: Vec<&str> =
            table.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
        assert!(names.is_sorted(), "{names:?}");
    }
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root().join(name)).into();
    for folder in ["docs", "docs/decisions"] {
        pages.extend(fs::read_dir(root().join(folder)).expect(folder).map(|page| page.expect("a page").path()));
    }
    for page in pages.iter().filter(|page| page.extension().is_some_and(|kind| kind == "md")) {
        for target in links(&fs::read_to_string(page).expect("readable")) {
            let file = page.parent().expect("a folder").join(target.split('#').next().unwrap_or_default());
            assert!(file.exists(), "{} links to {target}", page.display());
        }
    }
}

/// Targets of `[text](target)` that are no URLs.
fn links(text: &str) -> Vec<&str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with('#')).collect()
}

#[test]
fn the_page_of_hosts_knows_every_host_that_init_knows() {
    let help = out(&Home::empty().run(&["init", "-h"]));
    let (_, list) = help.split_once("--host <HOST>").expect("the flag");
    let (_, list) = list.split_once("[possible values:").expect("its values");
    let (list, _) = list.split_once(']').expect("their end");
    let page = read("docs/hosts.md");
    for host in list.split(',').map(str::trim) {
        let named = page.contains(&format!("--agent {host}")) || page.contains(&format!("\"--agent\", \"{host}\""));
        assert!(named, "docs/hosts.md says nothing about {host}");
    }
}

#[test]
fn the_example_for_hosts_is_json_and_the_one_in_the_readme() {
    let example = read("mcp.json.example");
    serde_json::from_str::<serde_json::Value>(&example).expect("JSON");
    assert!(read("README.md").contains(example.trim()));
}

/// The pages that somebody reads who wants to use bursar.
fn pages() -> Vec<(String, String)> {
    let mut names: Vec<String> = vec!["README.md".to_owned()];
    for page in fs::read_dir(root().join("docs")).expect("docs") {
        let name = page.expect("a page").file_name().into_string().expect("text");
        names.extend(name.ends_with(".md").then(|| format!("docs/{name}")));
    }
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&name))).collect()
}

/// What stands between fences of this kind.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// The words of a line of shell, its comment left out. None where it is more than one plain command.
fn words(line: &str) -> Option<Vec<String>> {
    let command = line.split(" #").next().unwrap_or_default().trim();
    let rest = command.strip_prefix("bursar ").or((command == "bursar").then_some(""))?;
    let is_plain = !rest.contains(['|', '>', '<', '$', '`', '&', ';', '\\']);
    is_plain.then(|| rest.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned()).collect())
}

#[test]
fn every_command_in_the_documents_is_one_that_bursar_takes() {
    let home = Home::empty();
    let (mut tried, mut wrong) = (0, Vec::new());
    for (name, page) in pages() {
        for line in blocks(&page, "sh").iter().flat_map(|block| block.lines()) {
            let Some(words) = words(line) else { continue };
            // Whatever stands before it has been understood when the help is printed.
            let told = home.run(&words.iter().map(String::as_str).chain(["--help"]).collect::<Vec<_>>());
            tried += 1;
            wrong.extend((code(&told) != 0).then(|| format!("{name}: {line}: {}", err(&told))));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tried > 40, "only {tried} commands were found");
}

/// As their text says; the policy above a command is in force when it is run.
#[test]
fn every_policy_of_the_cookbook_does_what_is_said_beside_it() {
    let page = read("docs/cookbook.md");
    let mut tried = 0;
    for situation in page.split("\n## ").skip(1).filter(|situation| situation.contains("```toml")) {
        let title = situation.lines().next().unwrap_or_default();
        let home = Home::ready();
        fs::write(home.file("sanctioned.txt"), "# none\n").expect("a list");
        fs::write(home.file("policy.toml"), blocks(situation, "toml")[0]).expect("a policy");
        let right = home.run(&["policy", "check"]);
        assert_eq!(code(&right), 0, "{title}: {}{}", out(&right), err(&right));
        for line in blocks(situation, "sh").iter().flat_map(|block| block.lines()) {
            let (_, says) = line.split_once(" # ").unwrap_or_else(|| panic!("{title}: {line} says nothing"));
            let words = words(line).unwrap_or_else(|| panic!("{title}: {line}"));
            let told = home.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(out(&told).contains(says.trim()), "{title}: {line}: {}{}", out(&told), err(&told));
            tried += 1;
        }
    }
    assert!(tried >= 18, "only {tried} were found");
}

/// In the other pages too. A part of a policy, or of another file, names its file in its first line.
#[test]
fn every_policy_in_the_documents_is_right() {
    for (name, page) in pages().into_iter().filter(|(name, _)| name != "docs/cookbook.md") {
        for block in blocks(&page, "toml").into_iter().filter(|block| !block.starts_with("# config.toml")) {
            let home = Home::ready();
            let text = if block.contains("version = 1") { block.to_owned() } else { format!("version = 1\n{block}") };
            fs::write(home.file("policy.toml"), &text).expect("a policy");
            let told = home.run(&["policy", "check"]);
            assert_eq!(code(&told), 0, "{name}: {}{}\n{text}", out(&told), err(&told));
        }
    }
}

/// Each names its file in its first line, and is a whole one.
#[test]
fn every_config_in_the_documents_is_right() {
    let mut tried = 0;
    for (name, page) in pages() {
        for block in blocks(&page, "toml").into_iter().filter(|block| block.starts_with("# config.toml")) {
            let right = bursar::config::Config::parse(&name, block);
            assert!(right.is_ok(), "{}", right.err().map(|wrong| wrong.to_string()).unwrap_or_default());
            tried += 1;
        }
    }
    assert!(tried >= 2, "only {tried} were found");
}

#[test]
fn every_exit_code_is_documented() {
    let page = read("docs/commands.md");
    for code in 0..=7 {
        assert!(page.contains(&format!("\n| {code} | ")), "{code}");
    }
}
