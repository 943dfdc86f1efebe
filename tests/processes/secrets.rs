//! The key is in its store, and nowhere else: not in what is said, not in what is written, not in what other programs
//! see of a process.

use std::fs;
use std::path::Path;

use alloy_primitives::hex;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use sandbox::host::{Era, Host};
use sandbox::sellers::{Behaviour, Stall};
use serde_json::{Value, json};

use crate::scene::{KEY, OPEN, Scene, ended};

const PASSPHRASE: &str = "correct horse battery staple";

/// Something that must not be found, in each of the ways it could be written.
struct Secret(Vec<Vec<u8>>);

impl Secret {
    fn of(bytes: &[u8]) -> Secret {
        let digits = hex::encode(bytes);
        let base64 = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].map(|engine| engine.encode(bytes));
        let listed = format!("{bytes:?}").trim_matches(['[', ']']).to_owned();
        let mut ways: Vec<Vec<u8>> = base64.map(String::into_bytes).into();
        // Whatever stands before the digits, 0x say, finding them finds it.
        ways.extend([bytes.to_vec(), digits.to_uppercase().into(), digits.into(), listed.into()]);
        ways.push(bytes.iter().rev().copied().collect());
        Secret(ways)
    }

    fn is_in(&self, haystack: &[u8]) -> bool {
        self.0.iter().any(|way| haystack.windows(way.len()).any(|window| window == way))
    }
}

fn key() -> Secret {
    Secret::of(&hex::decode(KEY).expect("hex"))
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let bytes = hex::decode(KEY).expect("hex");
    let ways = [KEY.to_owned(), format!("0x{}", KEY.to_uppercase()), STANDARD.encode(&bytes), format!("{bytes:?}")];
    for way in ways {
        assert!(key().is_in(format!("before{way}after").as_bytes()), "{way}");
    }
    assert!(!key().is_in(&KEY.as_bytes()[1..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_found_nowhere_outside_its_store() {
    let stalls = vec![
        Stall::free("/free"),
        Stall::get("/plain", 10_000),
        Stall::that(Behaviour::DropAfterSettling, "/drops", 10_000),
        Stall::get("/yacht", 900_000_000),
    ];
    let scene = Scene::open(stalls, OPEN).await;
    let mut command = scene.command(&["serve", "--agent", "curious"]);
    // Whoever debugs a server turns everything on.
    command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    let host = scene.host_of(command, Era::Initialize).await;

    let mut said = all_that_is_answered(&scene, &host).await;
    said.extend(all_that_a_process_shows(&host));
    host.terminate().expect("told");
    assert_eq!(ended(&host).await, Some(0));
    let id = scene.log().await[0]["purchase_id"].as_str().expect("an id").to_owned();
    said.extend(all_that_commands_print(&scene, &id).await);

    let passphrase = Secret::of(PASSPHRASE.as_bytes());
    for (where_, what) in &said {
        assert!(!key().is_in(what), "the key is in {where_}");
        assert!(!passphrase.is_in(what), "the passphrase is in {where_}");
        for payment in scene.presented().iter().filter_map(|seen| seen.payment_header.as_deref()) {
            assert!(!Secret(vec![payment.into(), signature_in(payment)]).is_in(what), "a payment is in {where_}");
        }
    }
    let mut files = Vec::new();
    files_in(scene.folder(), &mut files);
    for name in ["ledger.db", "wallet.json", "config.toml", "policy.toml", "stderr-0", "wallet.anchor"] {
        assert!(files.iter().any(|(path, _)| path.ends_with(name)), "{name} was not searched");
    }
    assert!(files.iter().any(|(path, _)| path.contains("/purchases/")), "no stored body was searched");
    for (path, bytes) in &files {
        assert!(!key().is_in(bytes), "the key is in {path}");
        assert!(path.ends_with("/passphrase") || !passphrase.is_in(bytes), "the passphrase is in {path}");
    }
}

/// Where it was said, and what.
type Said = Vec<(String, Vec<u8>)>;

/// Every tool, what goes well and what does not.
async fn all_that_is_answered(scene: &Scene, host: &Host) -> Said {
    let url = |path: &str| json!({"url": scene.url(path)});
    let calls: [(&str, Value); 10] = [
        ("fetch_paid", url("/free")),
        ("fetch_paid", url("/plain")),
        ("fetch_paid", url("/plain")),
        ("fetch_paid", url("/drops")),
        ("fetch_paid", url("/drops")),
        ("fetch_paid", url("/yacht")),
        ("fetch_paid", json!({"url": 7})),
        ("quote", url("/plain")),
        ("get_balance", json!({})),
        ("list_spend", json!({})),
    ];
    let mut said = vec![("the greeting".to_owned(), host.server.to_string().into_bytes())];
    for (tool, arguments) in calls {
        let answer = host.tool(tool, arguments).await.expect("an answer");
        said.push((format!("an answer of {tool}"), answer.to_string().into_bytes()));
        if let Some(id) = answer["structuredContent"]["purchase_id"].as_str() {
            let purchase = host.tool("get_purchase", json!({"purchase_id": id})).await.expect("an answer");
            said.push(("an answer of get_purchase".to_owned(), purchase.to_string().into_bytes()));
        }
    }
    said.extend(host.notifications().iter().map(|told| ("a notification".to_owned(), told.to_string().into_bytes())));
    said
}

/// What any program of the same user can read.
fn all_that_a_process_shows(host: &Host) -> Said {
    let pid = host.pid().expect("it runs");
    let shown = ["cmdline", "environ", "comm", "status"].map(|name| format!("/proc/{pid}/{name}"));
    shown.map(|path| (path.clone(), fs::read(path).expect("readable"))).into()
}

async fn all_that_commands_print(scene: &Scene, id: &str) -> Said {
    let commands: [&[&str]; 12] = [
        &["why", id],
        &["why", id, "--json"],
        &["log"],
        &["log", "--json"],
        &["log", "--csv"],
        &["audit"],
        &["doctor"],
        &["balance"],
        &["reconcile"],
        &["wallet", "list"],
        &["wallet", "address"],
        &["wallet", "export"],
    ];
    let mut said = Said::new();
    for args in commands {
        let output = scene.run(args).await;
        said.push((format!("the output of {args:?}"), [output.stdout, output.stderr].concat()));
    }
    said
}

fn signature_in(payment: &str) -> Vec<u8> {
    let payment: Value = serde_json::from_slice(&STANDARD.decode(payment).expect("base64")).expect("JSON");
    let signature = payment["payload"]["signature"].as_str().expect("a signature");
    signature.trim_start_matches("0x").into()
}

fn files_in(folder: &Path, found: &mut Said) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files_in(&path, found),
            false => found.push((path.display().to_string(), fs::read(&path).expect("readable"))),
        }
    }
}
