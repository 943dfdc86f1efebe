//! Ledgers that programs of before have written, on file: each is taken over by the program of today, and adds up.
//! README.md beside this file says how they were made.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

#[cfg(unix)]
mod make;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bursar::config::Home;
use bursar::ledger::{Ledger, LedgerError};
use bursar::money::Usd;
use bursar::time::Time;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::program;
use testkit::years::Years;

/// One ledger on file, and what was known of it when it was made.
struct Old {
    version: i32,
    file: PathBuf,
    known: Value,
}

/// A home with a copy of it.
struct Copy {
    home: Home,
    _dir: TempDir,
}

impl Old {
    fn all() -> Vec<Old> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledgers");
        let folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut all: Vec<Old> = folders.filter(|path| path.is_dir()).map(|path| Old::in_folder(&path)).collect();
        all.sort_by_key(|old| old.version);
        all
    }

    fn in_folder(folder: &Path) -> Old {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let known = fs::read_to_string(folder.join("known.json")).unwrap();
        Old {
            version: name.trim_start_matches('v').parse().unwrap(),
            file: folder.join("ledger.db"),
            known: serde_json::from_str(&known).unwrap(),
        }
    }

    fn copied(&self) -> Copy {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        fs::copy(&self.file, home.ledger_file()).unwrap();
        Copy { home, _dir: dir }
    }
}

impl Copy {
    fn open(&self) -> Result<Ledger, LedgerError> {
        Ledger::open(&self.home.ledger_file(), &self.home.leases_dir(), [7; 16], Time::from_secs(1_900_000_000))
    }

    /// What the audit does not like; and what it says settled.
    async fn audited(&self) -> (Vec<String>, Usd) {
        let found = self.open().unwrap().audit().await.unwrap();
        (found.violations, found.settled)
    }

    fn sql(&self) -> Connection {
        Connection::open(self.home.ledger_file()).unwrap()
    }

    fn version(&self) -> i32 {
        self.sql().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    /// What the program prints, a document a line.
    fn told(&self, args: &[&str]) -> Vec<Value> {
        let mut command = std::process::Command::new(program());
        let done = command.arg("--home").arg(self.home.dir()).args(args).output().unwrap();
        assert!(done.status.success(), "{args:?}: {done:?}");
        let lines = String::from_utf8(done.stdout).unwrap();
        serde_json::Deserializer::from_str(&lines).into_iter().map(Result::unwrap).collect()
    }
}

/// What no version of the program may tell otherwise of a purchase.
fn told_alike(row: &Value) -> Value {
    let fields =
        ["purchase_id", "at", "agent", "method", "url", "state", "proof", "delivered", "http_status", "chain_tx"];
    let money = ["amount_usd", "amount_atomic", "asset", "network", "dialect", "scheme"];
    let mut alike: serde_json::Map<String, Value> =
        fields.iter().chain(&money).map(|field| ((*field).to_owned(), row[*field].clone())).collect();
    alike.insert("payee".to_owned(), json!(row["payee"].as_str().unwrap_or_default().to_ascii_lowercase()));
    Value::Object(alike)
}

/// Not every version had the same order for a question that was asked again.
fn in_order(rows: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut rows: Vec<Value> = rows.collect();
    rows.sort_by_key(|row| row["purchase_id"].to_string());
    rows
}

/// The time of every question in these files is over.
fn later(mut row: Value) -> Value {
    if row["state"] == "needs_approval" {
        row["state"] = json!("expired");
    }
    row
}

/// What counts, by scope and window, whatever the spelling of an address.
fn budgets(ledger: &Connection) -> Value {
    let mut query = ledger
        .prepare(
            "SELECT lower(scope), window, sum(counted), sum(held), sum(payments) FROM bucket GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .unwrap();
    let rows = query.query_map([], |row| {
        let (scope, window): (String, String) = (row.get(0)?, row.get(1)?);
        let (counted, held, payments): (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(json!({ "scope": scope, "window": window, "counted": counted, "held": held, "payments": payments }))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn there_is_a_ledger_of_each_version_and_each_has_every_state() {
    let all = Old::all();
    let versions: Vec<i32> = all.iter().map(|old| old.version).collect();
    let todays = Copy::fresh();
    drop(todays.open().unwrap());
    assert_eq!(versions, (1..todays.version()).collect::<Vec<_>>());
    for old in &all {
        let written: i32 =
            Connection::open(&old.file).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(written, old.version);
        let rows = old.known["log"].as_array().unwrap();
        let states: BTreeSet<&str> = rows.iter().map(|row| row["state"].as_str().unwrap()).collect();
        let every = ["authorized", "denied", "free", "held", "lapsed", "needs_approval", "refused", "settled"];
        assert_eq!(states, BTreeSet::from(every), "version {}", old.version);
    }
}

#[tokio::test]
async fn a_ledger_of_any_earlier_version_is_taken_over_and_adds_up_to_what_it_held() {
    for old in Old::all() {
        let copy = old.copied();
        let (violations, settled_in_all) = copy.audited().await;
        assert_eq!(violations, Vec::<String>::new(), "version {}", old.version);
        assert_eq!(copy.told(&["audit", "--json"])[0]["violations"], json!([]));
        let rows = copy.told(&["log", "--json", "--limit", "1000"]);
        let rows = in_order(rows.iter().map(told_alike));
        let known = in_order(old.known["log"].as_array().unwrap().iter().map(told_alike).map(later));
        assert_eq!(json!(rows), json!(known), "version {}", old.version);
        assert_eq!(budgets(&copy.sql()), old.known["budgets"], "version {}", old.version);
        assert_eq!(settled_in_all, settled(&known), "version {}", old.version);
    }
}

/// What settled, as the rows of the log say.
fn settled(rows: &[Value]) -> Usd {
    let of = |row: &Value| row["amount_usd"].as_str().unwrap().parse::<Usd>().unwrap();
    let settled = rows.iter().filter(|row| row["state"] == "settled").map(of);
    settled.fold(Usd::ZERO, |sum, usd| sum.saturating_add(usd))
}

#[tokio::test]
async fn a_ledger_that_was_taken_over_once_is_as_good_as_a_new_one() {
    for old in Old::all() {
        let copy = old.copied();
        drop(copy.audited().await);
        let version = copy.version();
        let fresh = Copy::fresh();
        drop(fresh.open().unwrap());
        assert_eq!(version, fresh.version());
        let columns = |copy: &Copy| -> Vec<(String, String)> {
            let ledger = copy.sql();
            let mut query = ledger
                .prepare("SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' ORDER BY 1, 2")
                .unwrap();
            query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
        };
        assert_eq!(columns(&copy), columns(&fresh), "version {}", old.version);
        assert_eq!(copy.audited().await.0, Vec::<String>::new(), "again");
    }
}

impl Copy {
    fn fresh() -> Copy {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        Copy { home, _dir: dir }
    }
}

#[tokio::test]
async fn a_ledger_that_is_made_of_any_size_adds_up() {
    for (purchases, alike, held) in [(1, 0, 0), (300, 40, 30), (60, 60, 60)] {
        let copy = Copy::fresh();
        let years = Years { purchases, alike, held, wish: "https://shop.example/again".to_owned() };
        years.write(&copy.home.ledger_file(), &copy.home.leases_dir()).await;
        assert_eq!(copy.audited().await.0, Vec::<String>::new(), "{purchases} {alike} {held}");
        let found = copy.told(&["audit", "--json"]).remove(0);
        assert_eq!(found["authorizations"], purchases, "{found}");
    }
}

/// What may have become of a file, and is told by opening it.
const DAMAGED: [&str; 4] = [
    "PRAGMA application_id = 7",
    "PRAGMA user_version = 0",
    "PRAGMA user_version = -1",
    "DROP TABLE bucket; DROP TABLE event; PRAGMA user_version = 1",
];

#[test]
fn a_damaged_ledger_of_an_earlier_version_is_refused_and_left_as_it_is() {
    for old in Old::all() {
        for damage in DAMAGED {
            let copy = old.copied();
            copy.sql().execute_batch(damage).unwrap();
            let version = copy.version();
            // What has no step left to take is told by the audit.
            let is_todays = damage.contains("DROP") && old.version == 1 && copy.open().is_ok();
            assert!(is_todays || copy.open().is_err(), "version {} after {damage}", old.version);
            assert!(is_todays || copy.version() == version, "version {} after {damage}", old.version);
        }
    }
}

/// The step after this version changes nothing where it was taken before.
const TAKEN_AGAIN: i32 = 5;

#[test]
fn a_ledger_that_says_it_took_fewer_steps_or_more_than_it_did_is_refused() {
    for old in Old::all() {
        for wrong in [old.version - 1, 1_000] {
            let copy = old.copied();
            copy.sql().pragma_update(None, "user_version", wrong).unwrap();
            let refused = copy.open().err();
            match wrong {
                1_000 => assert!(matches!(refused, Some(LedgerError::Newer { found: 1_000, .. })), "{refused:?}"),
                TAKEN_AGAIN => continue,
                _ => assert!(refused.is_some(), "version {} that says {wrong}", old.version),
            }
            assert_eq!(copy.version(), wrong, "nothing of it was taken");
        }
    }
}

#[tokio::test]
async fn a_half_of_an_earlier_ledger_is_refused() {
    for old in Old::all() {
        let copy = old.copied();
        let bytes = fs::read(&old.file).unwrap();
        fs::write(copy.home.ledger_file(), &bytes[..bytes.len() / 2]).unwrap();
        let is_refused = match copy.open() {
            Err(_) => true,
            Ok(ledger) => ledger.audit().await.map_or(true, |found| !found.violations.is_empty()),
        };
        assert!(is_refused, "half of version {}", old.version);
    }
}

#[tokio::test]
async fn money_that_was_changed_in_an_earlier_ledger_is_found_by_the_audit() {
    for old in Old::all() {
        for change in [
            "UPDATE purchase SET usd = usd - 1 WHERE state = 'settled'",
            "UPDATE purchase SET state = 'lapsed', open = 0 WHERE state = 'held'",
            "UPDATE event SET detail = '{}' WHERE kind = 'authorized'",
            "DELETE FROM bucket WHERE scope LIKE 'wallet%'",
        ] {
            let copy = old.copied();
            let ledger = copy.sql();
            for trigger in triggers(&ledger) {
                ledger.execute_batch(&format!("DROP TRIGGER {}", trigger.0)).unwrap();
            }
            let changed = triggers_back(&ledger, &old, change);
            assert!(changed > 0, "version {}: {change} changes something", old.version);
            assert_ne!(copy.audited().await.0, Vec::<String>::new(), "version {}: {change}", old.version);
        }
    }
}

fn triggers(ledger: &Connection) -> Vec<(String, String)> {
    let mut query = ledger.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
    query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// Changes what the triggers would not let anybody change, and puts them back.
fn triggers_back(ledger: &Connection, old: &Old, change: &str) -> usize {
    let changed = ledger.execute(change, []).unwrap();
    for (_, sql) in triggers(&Connection::open(&old.file).unwrap()) {
        ledger.execute_batch(&sql).unwrap();
    }
    changed
}
