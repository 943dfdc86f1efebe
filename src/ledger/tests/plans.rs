//! No question asked of the ledger walks all purchases or all events: SQLite is asked how it would go about each.
//!
//! The questions are read from the sources, so that one that is added is looked at too. The audit reads everything, and
//! says so.

use std::fs;
use std::path::Path;

use super::*;

/// Grow with every purchase, and go by these names in the questions.
const LONG: [&str; 9] = ["purchase", "p", "event", "e", "signed", "s", "detail", "question", "listed"];
/// Indexes of what is under way, and of nothing else.
const SHORT: [&str; 5] = [
    "USING COVERING INDEX doubtful",
    "USING INDEX news",
    "USING COVERING INDEX one_open",
    "USING INDEX one_open",
    "USING COVERING INDEX waiting",
];

pub(super) fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut query = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|wrong| panic!("{wrong}: {sql}"));
    let nothing = vec![rusqlite::types::Null; query.parameter_count()];
    let steps = query.query_map(rusqlite::params_from_iter(nothing), |row| row.get(3)).unwrap();
    steps.map(Result::unwrap).collect()
}

/// The steps that walk something long.
pub(super) fn walks(conn: &Connection, sql: &str) -> Vec<String> {
    let is_walk = |step: &String| {
        let (table, how) = step.strip_prefix("SCAN ").map_or(("", ""), |of| of.split_once(' ').unwrap_or((of, "")));
        LONG.contains(&table) && !SHORT.contains(&how)
    };
    // The newest of all is the first that is met.
    let is_newest = sql.trim_end().ends_with("ORDER BY id DESC LIMIT 1");
    plan(conn, sql).into_iter().filter(|step| is_walk(step) && !is_newest).collect()
}

/// Whether more is sorted than the one page that was found.
pub(super) fn sorts(conn: &Connection, sql: &str) -> bool {
    let sorts = plan(conn, sql).into_iter().filter(|step| step == "USE TEMP B-TREE FOR ORDER BY").count();
    sorts > usize::from(sql.contains("LIMIT ?)"))
}

#[tokio::test]
async fn no_question_in_the_sources_walks_a_long_table() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let conn = kit.by_hand();
    let (mut found, mut looked_at) = (Vec::new(), 0);
    for (file, sql) in questions() {
        looked_at += 1;
        found.extend(walks(&conn, &sql).into_iter().map(|step| format!("{file}: {step}: {sql}")));
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(looked_at > 60, "only {looked_at} questions were found in the sources");
}

/// What leads from a wish to the few rows that are meant, and not to all of its history.
const OF_A_WISH: [&str; 7] =
    ["one_open", "waiting", "goods", "bought", "question_approved", "question_denied", "question_shown"];

/// A wish may have been had any number of times: whatever is asked of it is found without walking them.
#[tokio::test]
async fn no_question_in_the_sources_walks_the_history_of_one_wish() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let conn = kit.by_hand();
    let is_short = |step: &String| {
        step.contains("INTEGER PRIMARY KEY")
            // What waits to be entered, and the one row that was found.
            || step == "SCAN unlisted"
            || step == "SCAN entered"
            || step == "SCAN bought"
            || step.starts_with("SCAN (subquery")
            || step.contains("SEARCH e USING INTEGER PRIMARY KEY")
            || ["sqlite_autoindex_purchase", "sqlite_autoindex_question"].iter().any(|own| step.contains(own))
            || OF_A_WISH.iter().any(|index| step.contains(&format!("INDEX {index} (identity=?")))
    };
    let of_wish: Vec<_> = questions().into_iter().filter(|(_, sql)| sql.contains("identity = ")).collect();
    let mut found = Vec::new();
    for (file, sql) in &of_wish {
        let steps = plan(&conn, sql).into_iter().filter(|step| step.starts_with("SE") || step.starts_with("SCAN"));
        found.extend(steps.filter(|step| !is_short(step)).map(|step| format!("{file}: {step}: {sql}")));
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(of_wish.len() >= 9, "only {} questions about a wish were found", of_wish.len());
}

#[tokio::test]
async fn no_page_and_no_total_walks_the_log_whatever_it_is_filtered_by() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let conn = kit.by_hand();
    for bits in 0..32 {
        let text = |bit: u32, text: &str| (bits >> bit & 1 == 1).then(|| text.to_owned());
        let filter = Filter {
            agent: text(0, "a"),
            state: text(1, "held"),
            domain: text(2, "api.shop.example"),
            session: (bits >> 3 & 1 == 1).then_some(1),
            oldest_first: bits >> 4 & 1 == 1,
            after: Some("1.1".parse::<Cursor>().unwrap()),
            ..Filter::default()
        };
        for (sql, _) in [filter.page(), filter.sums("NULL", filter.index(), ""), filter.changed()] {
            assert_eq!(walks(&conn, &sql), Vec::<String>::new(), "{sql}");
            assert!(!sorts(&conn, &sql) || sql.contains("changed"), "all of it is sorted before the first row: {sql}");
        }
        for by in [By::Day, By::Domain, By::Session, By::Agent] {
            let sql = filter.groups(by).0;
            let all = walks(&conn, &sql);
            assert!(all.iter().all(|step| step.contains("COVERING INDEX") || by == By::Session), "{sql}: {all:?}");
        }
    }
}

/// Every question that stands in a source of the ledger, with what it stands in.
fn questions() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ledger");
    let mut found = Vec::new();
    for file in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if ["audit.rs", "schema.rs", "tests.rs"].contains(&name.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        found.extend(literals(text).iter().filter_map(|literal| question(literal)).map(|sql| (name.clone(), sql)));
    }
    found
}

/// A whole statement as it is, the end of one put behind its beginning; anything else is no question.
fn question(literal: &str) -> Option<String> {
    let literal = literal.trim().replace("{COLUMNS}", "*");
    let is_statement = ["SELECT ", "UPDATE ", "DELETE ", "INSERT "].iter().any(|verb| literal.starts_with(verb));
    let is_clause = literal
        .split_once(" = :")
        .is_some_and(|(column, _)| !column.is_empty() && column.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
    match (is_statement, is_clause) {
        // What is put together is looked at where it is put together.
        _ if literal.contains('{') => None,
        (true, _) if literal.contains("FROM event ORDER BY id") && !literal.contains("LIMIT") => None,
        (true, _) => Some(literal),
        (_, true) if !["session", "agent", "state", "site"].iter().any(|column| literal == format!("{column} = ?")) => {
            Some(format!("SELECT * FROM purchase WHERE {literal}"))
        }
        _ => None,
    }
}

/// What stands in quotes, lines that were broken put together.
fn literals(text: &str) -> Vec<String> {
    let (mut found, mut chars) = (Vec::new(), text.chars().peekable());
    let mut before = ' ';
    while let Some(c) = chars.next() {
        if c == '/' && before == '/' {
            while chars.next().is_some_and(|c| c != '\n') {}
        }
        if c == '"' && before != '\'' {
            let mut literal = String::new();
            while let Some(c) = chars.next().filter(|c| *c != '"') {
                match c {
                    '\\' => literal.extend(chars.next().filter(|c| *c != '\n')),
                    c => literal.push(c),
                }
            }
            found.push(literal);
        }
        before = c;
    }
    found
}
