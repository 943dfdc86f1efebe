//! The same wish from many callers at once is one purchase.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use sandbox::sellers::{Behaviour, Stall};
use serde_json::{Value, json};

use crate::scene::{OPEN, Scene, buy, told, until};

const PROCESSES: usize = 4;
const CALLS: usize = 16;
const PRICE: u64 = 10_000;

/// One wish from 4 processes of one agent, 16 times each.
async fn all_at_once(scene: &Scene, wish: impl Fn(usize) -> Value) -> Vec<Value> {
    let hosts = join_all((0..PROCESSES).map(|_| scene.host("same"))).await;
    let calls: Vec<_> =
        (0..PROCESSES * CALLS).map(|n| hosts[n % PROCESSES].begin_tool("fetch_paid", wish(n))).collect();
    join_all(calls.into_iter().map(|call| async { told(call.result().await) })).await
}

async fn buys_once(behaviour: Behaviour) {
    let scene = Scene::open(vec![Stall::that(behaviour, "/p", PRICE)], OPEN).await;
    let answers = all_at_once(&scene, |_| json!({"url": scene.url("/p")})).await;
    assert_eq!(answers.len(), PROCESSES * CALLS);
    for answer in &answers {
        assert_eq!(
            (&answer["outcome"], &answer["body"]),
            (&json!("answered"), &json!("{\"goods\":\"/p\"}")),
            "{answer:#}"
        );
        assert_eq!(answer["payment"]["state"], "settled");
    }
    let ids: BTreeSet<&str> = answers.iter().filter_map(|answer| answer["purchase_id"].as_str()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(answers.iter().any(|answer| answer["charged"] == "yes"));
    assert_eq!((scene.presented().len(), scene.settlements(), scene.spent()), (1, 1, PRICE));
    assert_eq!(scene.audited().await["authorizations"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_identical_calls_from_four_processes_buy_once_and_all_hear_of_it() {
    buys_once(Behaviour::Normal).await;
    println!("bar: one wish at once | {} calls from {PROCESSES} processes | 0 violations", PROCESSES * CALLS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_calls_while_a_slow_seller_thinks_all_wait_for_the_one_outcome() {
    buys_once(Behaviour::Slow(Duration::from_secs(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_wish_of_another_agent_is_another_purchase() {
    let scene = Scene::open(vec![Stall::get("/p", PRICE)], OPEN).await;
    for agent in ["one", "two"] {
        let answer = buy(&scene.host(agent).await, &scene.url("/p")).await;
        assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")));
    }
    assert_eq!((scene.settlements(), scene.spent()), (2, 2 * PRICE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_calls_that_buy_again_have_one_child_between_them() {
    let scene = Scene::open(vec![Stall::get("/p", PRICE)], OPEN).await;
    let parent = buy(&scene.host("same").await, &scene.url("/p")).await;
    let again = json!({"url": scene.url("/p"), "buy_again": parent["purchase_id"]});
    let answers = all_at_once(&scene, |_| again.clone()).await;
    let ids: BTreeSet<&str> = answers.iter().filter_map(|answer| answer["purchase_id"].as_str()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(!ids.contains(parent["purchase_id"].as_str().expect("an id")));
    assert!(answers.iter().all(|answer| answer["outcome"] == "answered"), "{answers:#?}");
    assert_eq!((scene.presented().len(), scene.settlements(), scene.spent()), (2, 2, 2 * PRICE));
    assert_eq!(scene.audited().await["authorizations"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_id_for_many_things_at_once_buys_one_of_them() {
    let scene = Scene::open(vec![Stall::get("/p", PRICE)], OPEN).await;
    let wish = |n: usize| json!({"url": scene.url(&format!("/p?n={n}")), "purchase_id": "mine"});
    let answers = all_at_once(&scene, wish).await;
    let bought = answers.iter().filter(|answer| answer["outcome"] == "answered").count();
    let others = answers.iter().filter(|answer| answer["outcome"] != "answered");
    for other in others {
        let (outcome, code) = (&other["outcome"], &other["reasons"][0]["code"]);
        assert_eq!((outcome, code), (&json!("refused"), &json!("purchase_id_conflict")), "{other:#}");
        assert_eq!(other["charged"], "no");
    }
    assert_eq!((bought, scene.presented().len(), scene.spent()), (1, 1, PRICE));
    assert_eq!(scene.audited().await["authorizations"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_calls_after_a_crash_take_the_purchase_up_once() {
    let slow = Behaviour::Slow(Duration::from_millis(500));
    let scene = Scene::open(vec![Stall::that(slow, "/p", PRICE)], OPEN).await;
    let mortal = scene.host("same").await;
    let call = mortal.begin_tool("fetch_paid", json!({"url": scene.url("/p")}));
    until("the seller to have the payment", || scene.presented().len() == 1).await;
    mortal.kill();
    mortal.exited().await;
    drop(call);
    let answers = all_at_once(&scene, |_| json!({"url": scene.url("/p")})).await;
    let known = ["answered", "held", "failed"];
    assert!(answers.iter().all(|answer| known.iter().any(|known| answer["outcome"] == *known)), "{answers:#?}");
    let nonces: BTreeSet<_> = scene.presented().into_iter().map(|seen| seen.nonce).collect();
    assert_eq!((nonces.len(), scene.settlements(), scene.spent()), (1, 1, PRICE));
    // One taker at a time; where the goods did not come, the next call asks for them, three times in all.
    assert!(scene.presented().len() <= bursar::limits::PRESENTS as usize, "one taker at a time");
    assert_eq!(scene.audited().await["authorizations"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_all_hold_a_lease_of_their_own() {
    let scene = Scene::open(Vec::new(), OPEN).await;
    for _ in 0..2 {
        let hosts = join_all((0..12).map(|_| scene.host("same"))).await;
        let pids: BTreeSet<String> = hosts.iter().filter_map(|host| Some(host.pid()?.to_string())).collect();
        let leases = std::fs::read_dir(scene.home().join("leases")).expect("leases");
        let held = leases.map(|lease| lease.expect("a lease").file_name().to_string_lossy().into_owned());
        let holders: BTreeSet<String> = held.filter_map(|name| Some(name.split_once('-')?.0.to_owned())).collect();
        assert!(pids.is_subset(&holders), "somebody swept away a living one's lease: {pids:?}, {holders:?}");
        for host in hosts {
            host.kill();
            host.exited().await;
        }
    }
}
