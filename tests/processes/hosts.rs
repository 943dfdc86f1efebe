//! Hosts that change their mind.

use std::fs::File;
use std::time::Duration;

use sandbox::host::Era;
use sandbox::sellers::{Behaviour, Stall};
use serde_json::{Value, json};

use crate::scene::{OPEN, Scene, told, until};

const PRICE: u64 = 10_000;

/// A call cancelled mid-way goes on; the same call later is handed what it brought.
async fn handed_over(era: Era) {
    let stall = Stall::that(Behaviour::Slow(Duration::from_millis(500)), "/slow", PRICE);
    let scene = Scene::open(vec![stall], OPEN).await;
    let host = scene.host_in(era, "fickle").await;
    let wish = json!({"url": scene.url("/slow")});
    let call = host.begin_tool("fetch_paid", wish.clone());
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    host.cancel(call.id);

    let beside = told(host.tool("fetch_paid", wish.clone()).await);
    assert_eq!((&beside["outcome"], &beside["charged"]), (&json!("answered"), &json!("yes")), "{beside:#}");
    assert_eq!(beside["body"], "{\"goods\":\"/slow\"}");
    let later = told(host.tool("fetch_paid", wish).await);
    assert_eq!((&later["outcome"], &later["charged"]), (&json!("answered"), &json!("no")), "{later:#}");
    assert_eq!((&later["served_from_store"], &later["purchase_id"]), (&json!(true), &beside["purchase_id"]));
    assert_eq!((scene.presented().len(), scene.settlements(), scene.spent()), (1, 1, PRICE));
    assert_eq!(scene.audited().await["authorizations"], 1);
}

/// What a host's settings hand to `serve` refuses beside the policy, whatever the agent says; and allows nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_lowers_what_one_payment_may_be_and_raises_nothing() {
    let rules = OPEN.replacen("per_payment = \"none\"", "per_payment = \"1.00\"", 1);
    let scene = Scene::open(vec![Stall::get("/cent", PRICE), Stall::get("/dear", 2_000_000)], &rules).await;
    for (most, path, code) in [
        ("0.009999", "/cent", Some("over_max_price")),
        ("0.01", "/cent", None),
        ("1000", "/dear", Some("over_payment")),
        ("", "/dear", Some("over_payment")),
    ] {
        let command = scene.command(&["serve", "--agent", "form", "--max-per-payment", most]);
        let host = scene.host_of(command, Era::Initialize).await;
        let answer = told(host.tool("fetch_paid", json!({"url": scene.url(path), "max_price": "1000"})).await);
        let reason = code.map_or(Value::Null, |_| answer["reasons"][0]["code"].clone());
        assert_eq!(reason, json!(code), "at most `{most}`: {answer:#}");
        let budgets = told(host.tool("get_budget", json!({})).await);
        let of_host = budgets["budgets"].as_array().unwrap().iter().find(|budget| budget["scope"] == "host");
        assert_eq!(of_host.is_some(), !most.is_empty(), "{budgets:#}");
    }
    assert_eq!(scene.spent(), PRICE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_midway_is_handed_over_later_and_not_paid_again() {
    handed_over(Era::Initialize).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_midway_is_handed_over_later_in_the_stateless_era_too() {
    handed_over(Era::Stateless).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_cancelled_before_it_is_paid_never_pays_twice() {
    let scene = Scene::open(vec![Stall::get("/p", PRICE)], OPEN).await;
    let host = scene.host("fickle").await;
    let wish = json!({"url": scene.url("/p")});
    for _ in 0..10 {
        let call = host.begin_tool("fetch_paid", wish.clone());
        host.cancel(call.id);
    }
    let answer = told(host.tool("fetch_paid", wish).await);
    assert_eq!(answer["outcome"], "answered");
    assert_eq!((scene.presented().len(), scene.settlements(), scene.spent()), (1, 1, PRICE));
}

/// What a host says that asks for the tools and leaves, and what it must be told.
const ASKS_AND_LEAVES: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"#,
    r#""clientInfo":{"name":"host","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
    "\n",
);

fn assert_told(answers: &str) {
    let answers: Vec<Value> = answers.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let tools = answers.iter().find(|answer| answer["id"] == 2).map(|answer| &answer["result"]["tools"]);
    assert_eq!(tools.and_then(Value::as_array).map(Vec::len), Some(9), "{answers:#?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_host_speaks_through_sockets() {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let scene = Scene::open(vec![], OPEN).await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut serve = scene.command(&["serve", "--agent", "socket"]);
    serve.stdin(OwnedFd::from(theirs.try_clone().unwrap())).stdout(OwnedFd::from(theirs));
    let mut process = serve.spawn().unwrap();
    drop(serve);
    ours.set_nonblocking(true).unwrap();
    let mut ours = tokio::net::UnixStream::from_std(ours).unwrap();
    ours.write_all(ASKS_AND_LEAVES.as_bytes()).await.unwrap();
    ours.shutdown().await.unwrap();
    let mut told = String::new();
    ours.read_to_string(&mut told).await.unwrap();
    assert_told(&told);
    assert!(process.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_host_speaks_through_files() {
    let scene = Scene::open(vec![], OPEN).await;
    let (said, heard) = (scene.folder().join("said"), scene.folder().join("heard"));
    std::fs::write(&said, ASKS_AND_LEAVES).unwrap();
    let mut serve = scene.command(&["serve", "--agent", "file"]);
    serve.stdin(File::open(said).unwrap()).stdout(File::create(&heard).unwrap());
    assert!(serve.status().await.unwrap().success());
    assert_told(&std::fs::read_to_string(heard).unwrap());
}

#[cfg(unix)]
#[tokio::test]
async fn a_host_may_hear_the_log_through_the_same_pipe() {
    use std::io::{Read, Write};

    let scene = Scene::open(vec![], OPEN).await;
    let ((mut ours, theirs), (said, mut say)) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    say.write_all(ASKS_AND_LEAVES.as_bytes()).unwrap();
    drop(say);
    let mut serve = scene.command(&["serve", "--agent", "both"]);
    serve.stdin(said).stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut process = serve.spawn().unwrap();
    drop(serve);
    let mut told = String::new();
    ours.read_to_string(&mut told).unwrap();
    assert_told(&told);
    assert!(process.wait().await.unwrap().success());
}
