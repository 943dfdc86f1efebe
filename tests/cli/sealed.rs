//! The ledger held against what is kept beside the key, by the commands that look after it.

use std::fs;

use serde_json::Value;

use crate::home::{code, err, out};
use crate::playing::Market;

const FILES: [&str; 3] = ["ledger.db", "ledger.db-wal", "ledger.db-shm"];

/// Something was bought, and the ledger's files are as they were before the last purchase and after it.
async fn spent() -> (Market, Vec<u8>) {
    let market = Market::open().await;
    assert_eq!(code(&market.fetch("/weather")), 0);
    let early = fs::read(market.home.file("ledger.db")).expect("closed, so in one file");
    assert_eq!(code(&market.fetch("/joke")), 0);
    (market, early)
}

fn remove(market: &Market) {
    for file in FILES {
        _ = fs::remove_file(market.home.file(file));
    }
}

#[track_caller]
fn is_told(market: &Market, found: &str) {
    for locked in [false, true] {
        let run = |args: &[&str]| {
            let mut command = market.home.command(args);
            if locked {
                command.env_remove("BURSAR_PASSPHRASE_FILE");
            }
            command.output().expect("started")
        };
        let audit = run(&["audit"]);
        let told = out(&audit) + &err(&audit);
        assert_eq!(code(&audit), 1, "locked {locked}: {told}");
        assert!(told.contains(found) && told.contains("bursar ledger adopt"), "locked {locked}: {told}");
        assert!(!told.contains("everything adds up"), "{told}");
        let audit: Value = serde_json::from_str(&out(&run(&["audit", "--json"]))).expect("JSON");
        let told = audit["violations"].to_string();
        assert!(told.contains(found) && told.contains("bursar ledger adopt"), "locked {locked}: {audit:#}");
        let doctor = run(&["doctor"]);
        assert_eq!(code(&doctor), 1);
        assert!(out(&doctor).contains("fail ledger"), "locked {locked}: {}", out(&doctor));
        let doctor: Value = serde_json::from_str(&out(&run(&["doctor", "--json"]))).expect("JSON");
        let failed = |check: &&Value| check["what"] == "ledger" && check["state"] == "fail";
        assert!(
            doctor["ok"] == false && doctor["checks"].as_array().expect("checks").iter().any(|check| failed(&check))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_doctor_say_that_the_ledger_is_missing() {
    let (market, _) = spent().await;
    remove(&market);
    is_told(&market, "not the one this wallet spent from");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_doctor_say_that_the_ledger_was_replaced() {
    let (market, _) = spent().await;
    let (other, _) = spent().await;
    remove(&market);
    fs::copy(other.home.file("ledger.db"), market.home.file("ledger.db")).expect("copied");
    is_told(&market, "not the one this wallet spent from");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_and_doctor_say_that_the_ledger_was_rolled_back() {
    let (market, early) = spent().await;
    remove(&market);
    fs::write(market.home.file("ledger.db"), early).expect("written");
    is_told(&market, "an old copy");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_key_is_locked_audit_says_that_it_did_not_see_whose_the_ledger_is() {
    let (market, _) = spent().await;
    let mut command = market.home.command(&["audit"]);
    let told = out(&command.output().expect("started"));
    assert!(told.contains("everything adds up") && !told.contains("not seen"), "{told}");
    let audit = command.env_remove("BURSAR_PASSPHRASE_FILE").output().expect("started");
    assert_eq!(code(&audit), 0);
    assert!(out(&audit).contains("not seen whether it is this wallet's own"), "{}", out(&audit));
}
