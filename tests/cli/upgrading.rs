//! Whole homes that programs of before have made, on file (`tests/homes`, made by `tests/homes/make`): the program of
//! today takes each over with its config, policy, passphrase, key and ledger.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::home::{Home, code, err, out};
use crate::terminal::AtTerminal;

const PASSPHRASE: &str = "a few plain words";

/// A copy of one of them, and what is known of it.
struct Before {
    name: String,
    home: Home,
    known: Value,
}

fn all() -> Vec<Before> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/homes");
    let folders = fs::read_dir(folder).expect("homes").map(|entry| entry.expect("an entry").path());
    let all: Vec<Before> = folders.filter(|path| path.is_dir()).map(copied).collect();
    assert!(all.len() >= 3, "only {} were found", all.len());
    all
}

fn copied(folder: PathBuf) -> Before {
    let home = Home::empty();
    home.write("config.toml", "");
    for file in fs::read_dir(&folder).expect("files") {
        let file = file.expect("a file").path();
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        fs::copy(&file, home.file(&name)).expect("copied");
    }
    let known = serde_json::from_str(&home.read("known.json")).expect("JSON");
    Before { name: folder.file_name().expect("a name").to_string_lossy().into_owned(), home, known }
}

#[test]
fn a_home_of_before_is_taken_over_whole() {
    for Before { name, home, known } in all() {
        let address = home.run(&["wallet", "address"]);
        assert_eq!(out(&address).trim(), known["address"], "{name}: {}", err(&address));
        let report: Value = serde_json::from_str(&out(&home.run(&["doctor", "--json"]))).expect("a report");
        // No node answers here; everything that lies in the home is as it should be.
        for what in ["config", "policy", "key", "ledger"] {
            let of = |check: &&Value| check["what"] == what;
            let checks: Vec<&Value> = report["checks"].as_array().expect("checks").iter().filter(of).collect();
            assert!(!checks.is_empty() && checks.iter().all(|check| check["state"] == "ok"), "{name}: {checks:#?}");
        }
        assert_eq!(code(&home.run(&["audit"])), 0, "{name}");
        assert_eq!(code(&home.run(&["freeze"])), 0, "{name}");
        let thawed = |passphrase: Option<&str>| {
            let mut owner = AtTerminal::start(&mut home.command(&["thaw"]));
            owner.until("let agents spend again: ");
            owner.types("thaw");
            if let Some(passphrase) = passphrase {
                owner.until("Owner's passphrase: ");
                owner.types(passphrase);
            }
            code(&owner.ends())
        };
        match known["has_passphrase"] == true {
            true => assert_eq!((thawed(Some("open barley")), thawed(Some(PASSPHRASE))), (1, 0), "{name}"),
            false => assert_eq!(thawed(None), 0, "{name}"),
        }
    }
}
