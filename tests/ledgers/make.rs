//! Makes a ledger with another program: `BURSAR_PROGRAM=… BURSAR_LEDGER_TO=tests/ledgers/v7 cargo test --test ledgers
//! -- --ignored`.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sandbox::sellers::{Behaviour, Stall, Way};
use serde_json::{Value, json};
use testkit::processes::{Scene, told};
use testkit::terminal::AtTerminal;

const CENT: u64 = 10_000;
/// Questions are forgotten this soon, and so are payments that nobody takes.
const SOON: Duration = Duration::from_secs(15);

/// What is sold by the ways that a program of this version knows.
fn market(version: i32) -> Vec<Stall> {
    let soon = |stall: Stall| Stall { max_timeout_s: SOON.as_secs(), ..stall };
    let mut stalls = vec![
        Stall::free("/free"),
        Stall::get("/settled", CENT),
        Stall::get("/settled-too", 2 * CENT),
        Stall::that(Behaviour::DropAfterSettling, "/lost", 3 * CENT),
        Stall::that(Behaviour::LieAboutSettling, "/word", CENT),
        Stall::that(Behaviour::SettleThenStatus(500), "/broken", CENT),
        soon(Stall::that(Behaviour::DropBeforeSettling, "/lapsed", 4 * CENT)),
        Stall { max_timeout_s: 300, ..Stall::that(Behaviour::DropBeforeSettling, "/held", 5 * CENT) },
        Stall { max_timeout_s: 300, ..Stall::get("/authorized", 6 * CENT) },
        Stall::get("/dear", 90_000 * CENT),
        Stall::get("/asked", 20 * CENT),
        Stall::get("/approved", 12 * CENT),
        Stall::get("/denied", 21 * CENT),
        Stall::get("/expired", 22 * CENT),
    ];
    if version >= 8 {
        stalls.push(Stall { takes: Some(CENT), ..Stall::paid(Way::Upto, "/upto", 2 * CENT) });
        stalls.push(Stall::paid(Way::Upto, "/upto-all", CENT));
        stalls.push(Stall::paid(Way::Permit2, "/permit2", CENT));
        stalls.push(Stall::paid(Way::Mpp, "/mpp", CENT));
    }
    stalls
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it makes a file with the program that BURSAR_PROGRAM names"]
async fn a_ledger_is_made_with_every_state_it_can_have() {
    let to = std::env::var("BURSAR_LEDGER_TO").expect("BURSAR_LEDGER_TO names a folder");
    let to = Path::new(&to);
    let version: i32 = to.file_name().unwrap().to_string_lossy().trim_start_matches('v').parse().unwrap();
    let schemes = if version >= 8 { "[schemes]\nallow = [\"exact\", \"upto\"]\n" } else { "" };
    let breakers = if version >= 3 { "[breakers]\nundelivered = \"none\"\n" } else { "" };
    let rules = format!(
        "[wallet]\nper_hour = \"2.00\"\n[each_domain]\nper_session = \"1.00\"\n[payee]\non_change = \"allow\"\n\
         [approval]\npending_for = \"{}s\"\n{breakers}{schemes}",
        SOON.as_secs()
    );
    let scene = Scene::open(market(version), &rules).await;
    let dollar = scene.sandbox.chain.asset(sandbox::chain::ASSET);
    dollar.approve_permit2(scene.wallet, alloy_primitives::U256::MAX).unwrap();
    shop(&scene, version).await;
    keep(&scene, to).await;
}

async fn shop(scene: &Scene, version: i32) {
    let host = scene.host("maker").await;
    let fetch = async |path: &str, id: &str| {
        let answer = told(host.tool("fetch_paid", json!({"url": scene.url(path), "purchase_id": id})).await);
        println!("{id}: {} {} {}", answer["outcome"], answer["charged"], answer["reasons"][0]["code"]);
        answer
    };
    for id in ["free", "settled", "settled-too", "lost", "word", "broken", "lapsed", "dear", "expired"] {
        fetch(&format!("/{id}"), id).await;
    }
    for id in ["upto", "upto-all", "permit2", "mpp"].into_iter().filter(|_| version >= 8) {
        fetch(&format!("/{id}"), id).await;
    }
    for (id, command) in [("denied", "deny"), ("approved", "approve")] {
        fetch(&format!("/{id}"), id).await;
        answer_the_question(scene, command, id);
    }
    fetch("/approved", "approved").await;
    until_lapsed(scene).await;
    for id in ["expired", "held", "asked"] {
        fetch(&format!("/{id}"), id).await;
    }
    host.kill();
    host.exited().await;
    drop(host);
    let mut command = scene.command(&["serve", "--agent", "maker"]);
    command.env("BURSAR_CRASH_AT", "loaded");
    let dying = scene.host_of(command, sandbox::host::Era::Initialize).await;
    let wish = json!({"url": scene.url("/authorized"), "purchase_id": "authorized"});
    let died = dying.tool("fetch_paid", wish).await;
    assert!(died.is_err(), "it died: {died:?}");
}

fn answer_the_question(scene: &Scene, command: &str, id: &str) {
    let mut begun = scene.command(&[command, id]);
    let mut owner = AtTerminal::start(begun.as_std_mut());
    if command == "approve" {
        let shown = owner.until(" to approve: ");
        let amount = shown.split("Type ").nth(1).unwrap().split(' ').next().unwrap();
        owner.types(amount);
    }
    println!("{command}: {:?}", owner.ends().status);
}

/// What nobody took is past its window, and what was taken is final.
async fn until_lapsed(scene: &Scene) {
    const AT_LAST: Duration = Duration::from_secs(120);
    let begun = Instant::now();
    loop {
        scene.run(&["reconcile", "--json"]).await;
        let log = scene.log().await;
        if log.iter().any(|row| row["state"] == "lapsed") {
            return;
        }
        assert!(begun.elapsed() < AT_LAST, "{log:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The ledger in one small file, and what the program of its time says of it.
async fn keep(scene: &Scene, to: &Path) {
    let log: Value = scene.log().await.into();
    let audit = scene.json(&["audit", "--json"]).await;
    assert_eq!(audit["violations"], json!([]), "{audit:#}");
    std::fs::create_dir_all(to).unwrap();
    let file = to.join("ledger.db");
    drop(std::fs::remove_file(&file));
    let ledger = Connection::open(scene.home().join("ledger.db")).unwrap();
    ledger.execute("VACUUM INTO ?1", [file.to_str().unwrap()]).unwrap();
    let known = json!({ "log": log.as_array().unwrap().iter().map(super::told_alike).collect::<Value>(),
                        "budgets": super::budgets(&ledger) });
    std::fs::write(to.join("known.json"), serde_json::to_string_pretty(&known).unwrap() + "\n").unwrap();
}
