//! The same wish from many callers at once is one purchase.

use std::collections::BTreeSet;
use std::time::Duration;

use bursar::sandbox::sellers::{Behaviour, Stall};
use futures_util::future::join_all;
use serde_json::json;

use crate::scene::{OPEN, Scene, told};

const PROCESSES: usize = 4;
const CALLS: usize = 16;
const PRICE: u64 = 10_000;

async fn all_at_once(scene: &Scene, agent: &str, path: &str) -> Vec<serde_json::Value> {
    let hosts = join_all((0..PROCESSES).map(|_| scene.host(agent))).await;
    let wish = json!({"url": scene.url(path)});
    let calls: Vec<_> =
        (0..CALLS).flat_map(|_| hosts.iter().map(|h| h.begin_tool("fetch_paid", wish.clone()))).collect();
    join_all(calls.into_iter().map(|call| async { told(call.result().await) })).await
}

async fn buys_once(behaviour: Behaviour) {
    let scene = Scene::open(vec![Stall::that(behaviour, "/p", PRICE)], OPEN).await;
    let answers = all_at_once(&scene, "same", "/p").await;
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_calls_while_a_slow_seller_thinks_all_wait_for_the_one_outcome() {
    buys_once(Behaviour::Slow(Duration::from_secs(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_wish_of_another_agent_is_another_purchase() {
    let scene = Scene::open(vec![Stall::get("/p", PRICE)], OPEN).await;
    for agent in ["one", "two"] {
        let answer = crate::scene::buy(&scene.host(agent).await, &scene.url("/p")).await;
        assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")));
    }
    assert_eq!((scene.settlements(), scene.spent()), (2, 2 * PRICE));
}
