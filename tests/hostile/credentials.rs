//! An agent pays through bursar or not at all: a payment of its own, or a signature that logs a wallet in, is not sent.

use sandbox::sellers::Stall;
use serde_json::json;

use crate::raw::Raw;
use crate::scene::{OPEN, Scene};

const CREDENTIALS: [(&str, &str); 14] = [
    ("Authorization", "Payment eyJjaGFsbGVuZ2UiOnt9fQ"),
    ("authorization", "payment\teyJjaGFsbGVuZ2UiOnt9fQ"),
    ("AUTHORIZATION", "L402 AgEC:0000"),
    ("Authorization", "LSAT AgEC:0000"),
    ("Authorization", "Bearer abc, Payment eyJjaGFsbGVuZ2UiOnt9fQ"),
    ("Payment-Authorization", "eyJjaGFsbGVuZ2UiOnt9fQ"),
    ("PAYMENT-SIGNATURE", "eyJ4NDAyVmVyc2lvbiI6Mn0="),
    ("X-PAYMENT", "eyJ4NDAyVmVyc2lvbiI6MX0="),
    ("SIGN-IN-WITH-X", "eyJkb21haW4iOiIifQ=="),
    ("Sign-In-With-Ethereum", "eyJkb21haW4iOiIifQ=="),
    ("X-Cashu", "cashuBo2F0"),
    ("Crawler-Exact-Price", "USD 0.01"),
    ("Crawler-Max-Price", "USD 0.01"),
    ("X-Wallet-Key", "0x00"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_credential_of_the_agents_own_is_refused_by_name_and_never_sent() {
    let scene = Scene::open(vec![Stall::free("/free")], OPEN).await;
    let mut raw = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    for tool in ["quote", "fetch_paid"] {
        for (name, value) in CREDENTIALS {
            let reply = raw.tool(tool, json!({"url": scene.url("/free"), "headers": {name: value}})).await;
            let reason = &reply["result"]["structuredContent"]["reasons"][0];
            assert_eq!(reason["code"], "bad_headers", "{tool} {name}: {reply}");
            let message = reason["message"].as_str().expect("a sentence");
            assert!(message.contains(&name.to_lowercase()) && message.contains("pay"), "{message}");
            assert!(!reply.to_string().contains(value), "a credential is not repeated: {reply}");
        }
    }
    assert!(scene.sandbox.sellers.seen().is_empty(), "nobody was asked");
    let ordinary = json!({"url": scene.url("/free"), "headers": {"Authorization": "Bearer Payment"}});
    assert_eq!(raw.tool("fetch_paid", ordinary).await["result"]["structuredContent"]["outcome"], "answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_not_sent_because_it_would_be_paid_for_and_bring_nothing() {
    let scene = Scene::open(vec![Stall::get("/thing", 10_000)], OPEN).await;
    let mut raw = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    for tool in ["quote", "fetch_paid"] {
        for method in ["HEAD", "head"] {
            let reply = raw.tool(tool, json!({"url": scene.url("/thing"), "method": method})).await;
            let told = &reply["result"]["structuredContent"];
            assert!(told["reasons"][0]["message"].as_str().expect("why").contains("`method`"), "{reply}");
        }
    }
    let output = scene.run(&["fetch", "-X", "HEAD", &scene.url("/thing")]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("HEAD brings no goods"), "{output:?}");
    assert!(scene.sandbox.sellers.seen().is_empty(), "nobody was asked");
}
