//! The doctor beside a cluster of Solana's: a node that says what it is told to say, and what is made of that.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Response;
use sandbox::chain::system_clock;
use sandbox::http::{Request, Server, Wire};
use serde_json::{Value, json};

use crate::home::{Home, SOLANA_ADDRESS, code, err, out, solana_pair};

const DEVNET: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
/// Of which the cluster's name is the beginning.
const GENESIS: &str = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
const TESTNET: &str = "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY";
const USDC: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const SPL: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const TOKEN_2022: &str = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb";

/// What a node is like.
#[derive(Clone)]
struct Node {
    genesis: &'static str,
    /// How old its newest final block is.
    age_secs: u64,
    /// What the wallet has of the chain's own coin.
    coin: u64,
    /// Whose the asset is to move, and how many decimals it has.
    mint: Option<(&'static str, u8)>,
    /// How much of it the wallet holds, where there is an account for it.
    held: Option<u64>,
}

const WELL: Node = Node { genesis: GENESIS, age_secs: 13, coin: 0, mint: Some((SPL, 6)), held: Some(5_000_000) };

impl Node {
    fn says(&self, method: &str, params: &Value) -> Value {
        let told = |value: Value| json!({ "context": { "slot": 1_000 }, "value": value });
        match method {
            "getGenesisHash" => json!(self.genesis),
            "getEpochInfo" => json!({ "absoluteSlot": 1_000, "blockHeight": 900, "epoch": 1 }),
            "getBlockTime" => json!(system_clock()() - self.age_secs),
            "getBalance" => told(json!(self.coin)),
            "getAccountInfo" if params[0] == USDC => told(self.mint.map_or(Value::Null, |(program, decimals)| {
                let mut data = [0; 82];
                (data[44], data[45]) = (decimals, 1);
                account(program, &data)
            })),
            "getAccountInfo" => told(self.held.map_or(Value::Null, |held| {
                let mut data = [0; 165];
                data[..32].copy_from_slice(&bs58::decode(USDC).into_vec().expect("base58"));
                data[32..64].copy_from_slice(&solana_pair()[32..]);
                data[64..72].copy_from_slice(&held.to_le_bytes());
                account(SPL, &data)
            })),
            _ => Value::Null,
        }
    }
}

fn account(program: &str, data: &[u8]) -> Value {
    json!({ "owner": program, "lamports": 1, "data": [STANDARD.encode(data), "base64"] })
}

/// A node that is one thing and then another, what it was asked, and a user whose only key is Solana's.
struct Ward {
    server: Server,
    node: Arc<Mutex<(Node, Vec<String>)>>,
    home: Home,
}

impl Ward {
    async fn open() -> Ward {
        let node = Arc::new(Mutex::new((WELL, Vec::new())));
        let answering = node.clone();
        let server = Server::start(0, move |request: Request| {
            let asked: Value = serde_json::from_slice(&request.body).expect("JSON");
            let method = asked["method"].as_str().expect("one question");
            let (node, calls) = &mut *answering.lock().expect("well");
            calls.push(method.to_owned());
            let result = node.says(method, &asked["params"]);
            let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
            async move { Wire::Answer(Response::new(Bytes::from(answer.to_string()))) }
        });
        let server = server.await.expect("a server");
        let home = Home::empty();
        let key = bs58::encode(solana_pair()).into_string();
        assert_eq!(code(&home.run_with(&["wallet", "import", "--store", "file"], &key)), 0);
        assert_eq!(code(&home.run(&["init", "--network", "Solana Devnet"])), 0);
        let chain = format!("\n[chains.\"{DEVNET}\"]\nrpc = [\"{}\"]\n", server.url());
        home.write("config.toml", &(home.read("config.toml") + &chain));
        Ward { server, node, home }
    }

    /// What the doctor says while the node is like this.
    fn doctor(&self, node: Node) -> Vec<Value> {
        *self.node.lock().expect("well") = (node, Vec::new());
        let told = self.home.run(&["doctor", "--json"]);
        let report: Value = serde_json::from_str(&out(&told)).unwrap_or_else(|_| panic!("{}", err(&told)));
        let checks = report["checks"].as_array().expect("checks").clone();
        assert_eq!(code(&told) == 1, checks.iter().any(|check| check["state"] == "fail"), "{report:#}");
        checks
    }

    #[track_caller]
    fn is_told(&self, checks: &[Value], what: &str, state: &str, found: &str, to_do: &str) {
        let text = |check: &Value, field: &str| {
            let address = self.server.url().replace("http://", "");
            check[field].as_str().unwrap_or_default().replace(&address, "NODE")
        };
        let is_it = |check: &Value| {
            check["what"] == what
                && check["state"] == state
                && text(check, "found").starts_with(found)
                && text(check, "to_do").starts_with(to_do)
        };
        assert!(checks.iter().any(is_it), "{what} {state}: {found}\n  {to_do}\nis not in {checks:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_well_and_a_wallet_with_money_need_nothing() {
    let ward = Ward::open().await;
    let checks = ward.doctor(WELL);
    assert!(checks.iter().all(|check| check["state"] == "ok"), "{checks:#?}");
    ward.is_told(&checks, "key", "ok", &format!("{SOLANA_ADDRESS} is in wallet.solana.json, and can be read"), "");
    ward.is_told(&checks, "node", "ok", &format!("NODE is on Solana Devnet ({DEVNET}), at block 900, 13 s old"), "");
    ward.is_told(&checks, "chain", "ok", "Solana Devnet: 1 of 1 nodes answer; USDC is paid with there", "");
    ward.is_told(&checks, "balance", "ok", "5 USDC on Solana Devnet", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_cluster_is_asked_for_nothing_more() {
    let ward = Ward::open().await;
    let correct = format!("correct or remove it under [chains.\"{DEVNET}\"] in config.toml");
    for (genesis, title) in [(TESTNET, "Solana Testnet"), ("not a hash", "another one")] {
        let checks = ward.doctor(Node { genesis, ..WELL });
        ward.is_told(&checks, "node", "fail", &format!("NODE is on chain {title}, not Solana Devnet"), &correct);
        ward.is_told(&checks, "chain", "fail", "no node of Solana Devnet answers", "check the network");
        let calls = ward.node.lock().expect("well").1.clone();
        assert!(!calls.is_empty() && calls.iter().all(|call| call == "getGenesisHash"), "{calls:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_silent_or_behind_is_told() {
    let ward = Ward::open().await;
    let checks = ward.doctor(Node { age_secs: 3_600, ..WELL });
    let old = "the newest block NODE knows on Solana Devnet is 1 h old, number 900";
    ward.is_told(&checks, "clock", "warn", old, "the node is behind, or this computer's clock is ahead");
    let config = ward.home.read("config.toml").replace(&ward.server.url(), "http://127.0.0.1:9");
    ward.home.write("config.toml", &config);
    let checks = ward.doctor(WELL);
    ward.is_told(&checks, "node", "warn", "127.0.0.1:9 did not answer", "payments go on");
    ward.is_told(&checks, "chain", "fail", "no node of Solana Devnet answers", "check the network");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_wallet_holds_and_should_not_hold_is_told() {
    let ward = Ward::open().await;
    let checks = ward.doctor(Node { held: None, coin: 1_000_000, ..WELL });
    let none = "no account for USDC on Solana Devnet yet: it is made when some is sent, by whoever sends it";
    ward.is_told(&checks, "account", "ok", none, "");
    let fund = format!("send USDC to {SOLANA_ADDRESS}, free at https://faucet.circle.com");
    ward.is_told(&checks, "balance", "warn", "the wallet holds nothing on Solana Devnet", &fund);
    let coin = format!("{SOLANA_ADDRESS} holds some of Solana Devnet's own coin, which bursar never needs");
    ward.is_told(&checks, "coin", "warn", &coin, "better keep it elsewhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asset_that_is_not_as_the_table_has_it_is_told() {
    let ward = Ward::open().await;
    for (mint, found) in [
        (None, "is not there"),
        (Some((SPL, 9)), "has other decimals than the table says"),
        (Some((TOKEN_2022, 6)), "is moved by another program than the table says"),
    ] {
        let checks = ward.doctor(Node { mint, ..WELL });
        ward.is_told(
            &checks,
            "asset",
            "fail",
            &format!("USDC ({USDC}) {found}"),
            "take its [[asset]] out of config.toml",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_two_that_is_gone_or_another_ones_is_told_by_its_own_file() {
    let ward = Ward::open().await;
    assert_eq!(code(&ward.home.run(&["wallet", "create", "--rail", "evm"])), 0);
    let evm = out(&ward.home.run(&["wallet", "address", "--rail", "evm"]));
    let (evm, good) = (evm.trim(), ward.home.read("wallet.json"));
    let checks = ward.doctor(WELL);
    for (address, place) in [(SOLANA_ADDRESS, "wallet.solana.json"), (evm, "wallet.json")] {
        ward.is_told(&checks, "key", "ok", &format!("{address} is in {place}, and can be read"), "");
    }
    std::fs::remove_file(ward.home.file("wallet.json")).expect("removed");
    let checks = ward.doctor(WELL);
    let gone = format!("the key of {evm} is not there, in wallet.json");
    ward.is_told(&checks, "key", "fail", &gone, "bring it back");
    ward.is_told(&checks, "key", "ok", &format!("{SOLANA_ADDRESS} is in wallet.solana.json"), "");
    ward.home.write("wallet.json", &good);
    let other = Home::empty();
    assert_eq!(code(&other.run(&["wallet", "create", "--rail", "solana", "--store", "file"])), 0);
    ward.home.write("wallet.solana.json", &other.read("wallet.solana.json"));
    let checks = ward.doctor(WELL);
    let found = "wallet.solana.json holds the key of ";
    ward.is_told(
        &checks,
        "key",
        "fail",
        found,
        "correct the address in config.toml, or bring the right wallet.solana.json",
    );
}
