//! Hosts that change their mind.

use std::time::Duration;

use sandbox::host::Era;
use sandbox::sellers::{Behaviour, Stall};
use serde_json::json;

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
