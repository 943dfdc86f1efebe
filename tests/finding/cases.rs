//! Every file, through the reader and through a house.

use bursar::answer::{FindQuery, Found};
use bursar::listing::DirectoryKind;
use bursar::text::is_unseen;
use serde_json::Value;
use testkit::scene;

use crate::case::{Case, cases};
use crate::market::{SEARCH, Shelf, find, words};

#[test]
fn there_are_as_many_cases_as_we_say() {
    assert!(cases("hostile").len() >= 36 && cases("good").len() >= 9);
}

#[test]
fn every_answer_is_read_as_its_file_says() {
    let wrong: Vec<String> = all().filter_map(|case| case.differs()).collect();
    assert!(wrong.is_empty(), "{} files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// All of them, one directory after the other, in a house that has a wallet and could pay.
#[tokio::test]
async fn no_answer_of_a_directory_is_paid_kept_or_told_as_bursars_own() {
    let shelf = Shelf::open().await;
    let (mut wrong, mut results) = (Vec::new(), 0);
    for case in all() {
        let scene = scene::market([]).directories(&[shelf.as_a(case.kind)]).open().await;
        shelf.put_bytes(path(case.kind), 200, case.body.clone());
        let asked_before = shelf.asked().len();
        let query = FindQuery { limit: Some(50), ..words("weather ignore index") };
        let found = find(&scene, query).await;
        let fails = case.read_out().strip_prefix("error: ").map(|cause| cause.trim_end().to_owned());
        let told = &found.directories[0];
        if told.ok == fails.is_some() || (fails.is_some() && told.problem != fails) {
            wrong.push(format!("{}: {told:?}, and reading it says {fails:?}", case.name));
        }
        wrong.extend(odd_texts(&found).into_iter().map(|text| format!("{}: {text:?}", case.name)));
        wrong.extend(odd_places(&found).into_iter().map(|url| format!("{}: {url}", case.name)));
        assert_eq!(shelf.asked().len(), asked_before + 1, "{}: asked once, and nothing it refers to", case.name);
        assert_eq!(scene.ids().await, Vec::<String>::new(), "{}: a row in the ledger", case.name);
        results += found.results.len();
        scene.end().await;
    }
    assert!(results > 60, "hardly anything was found at all: {results}");
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn all() -> impl Iterator<Item = Case> {
    ["good", "hostile"].into_iter().flat_map(cases)
}

fn path(kind: DirectoryKind) -> &'static str {
    match kind {
        DirectoryKind::Bazaar => SEARCH,
        DirectoryKind::Mpp => "/api/services",
        DirectoryKind::Index402 => "/api/v1/services",
        DirectoryKind::Openapi => "/openapi.json",
    }
}

/// Texts of an answer that are not clean, of one line and bounded.
fn odd_texts(found: &Found) -> Vec<String> {
    let mut odd = Vec::new();
    texts(&serde_json::to_value(found).unwrap(), &mut |text| {
        let is_odd = text.contains(|c: char| is_unseen(c) || c == '\n') || text.chars().count() > 520;
        odd.extend(is_odd.then(|| text.chars().take(80).collect::<String>()));
    });
    odd
}

fn texts(value: &Value, note: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => note(text),
        Value::Array(list) => list.iter().for_each(|value| texts(value, note)),
        Value::Object(members) => members.values().for_each(|value| texts(value, note)),
        _ => {}
    }
}

/// Addresses that bursar would not go to, or that name somebody before an @.
fn odd_places(found: &Found) -> Vec<String> {
    let places = found.results.iter().filter_map(|thing| thing.url.as_ref().or(thing.server.as_ref()));
    // What a document on loopback says of itself is on loopback, and the owner opened the market's ports alone.
    let is_fine = |url: &str| url.starts_with("https://") && !url.contains('@');
    places.filter(|url| !is_fine(url)).cloned().collect()
}
