//! One node that lies, against one that does not: what it says moves no money and no rule.

use bursar::answer::{Charged, Outcome};
use sandbox::rpc::Mood;
use sandbox::sellers::Stall;

use crate::scene::*;

async fn unsent_and_denied(mood: Mood) {
    let scene = market([Stall::get("/thing", CENT)]).nodes(2).open().await;
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::No);
    scene.write_rules("[each_domain]\naccess = \"refuse\"\n");
    scene.nodes[0].set_mood(mood);
    for _ in 0..2 {
        scene.get("/thing").await;
    }
    assert_eq!((scene.payments().len(), scene.spent()), (0, 0), "rules say no, and it left");
    scene.end().await;
}

#[tokio::test]
async fn a_lying_node_does_not_lead_an_unsent_payment_past_the_rules() {
    unsent_and_denied(Mood::Lying).await;
}

#[tokio::test]
async fn a_node_from_the_future_does_not_lead_an_unsent_payment_past_the_rules() {
    unsent_and_denied(Mood::FromTheFuture(100_000)).await;
}

/// It counts as settled then, and no more as held: what it counts in must follow.
#[tokio::test]
async fn an_unsent_payment_that_a_node_calls_used_is_decided_on_again_and_leaves() {
    let scene = market([Stall::get("/thing", CENT)]).finality(50).open().await;
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::No);
    scene.sandbox.rpc.set_mood(Mood::Lying);
    bought(&scene.get("/thing").await);
    assert_eq!((scene.payments().len(), scene.nonces().await.len(), scene.spent()), (1, 1, CENT));
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn one_node_that_shares_our_wrong_clock_does_not_outvote_seller_and_honest_node() {
    let scene = market([Stall::get("/thing", CENT).in_x402()]).nodes(2).open().await;
    scene.set_ours_ahead(HOUR as i64);
    scene.nodes[0].set_mood(Mood::ClockAhead(HOUR));
    scene.bursar.read_funds().await;
    refused(&scene.get("/thing").await, "clock_skew");
    scene.end().await;
}

#[tokio::test]
async fn an_alarm_that_was_not_confirmed_does_not_hush_the_freeze_when_it_is() {
    let scene = market([Stall::get("/thing", CENT)]).nodes(2).open().await;
    bought(&scene.get("/thing").await);
    scene.bursar.reconcile().await.unwrap();
    scene.steal(alloy_primitives::Address::repeat_byte(0x99), 3 * CENT).await;
    scene.pass(10);
    // Only one node tells at first, and the receipt is not to be had: made here by a log alone.
    scene.nodes[0].set_mood(Mood::Blind);
    scene.sandbox.rpc.set_mood(Mood::NoReceipts);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!((found.alarms.len(), scene.bursar.frozen().await.unwrap()), (1, None), "{found:?}");
    scene.nodes[0].set_mood(Mood::Honest);
    scene.sandbox.rpc.set_mood(Mood::Honest);
    scene.bursar.reconcile().await.unwrap();
    assert!(scene.bursar.frozen().await.unwrap().is_some(), "two nodes and the receipt show it now");
    scene.end_with_another_history().await;
}

#[tokio::test]
async fn our_clock_an_hour_ahead_is_refused_with_honest_nodes() {
    let scene = market([Stall::get("/thing", CENT).in_x402()]).nodes(2).open().await;
    scene.set_ours_ahead(HOUR as i64);
    scene.bursar.read_funds().await;
    refused(&scene.get("/thing").await, "clock_skew");
    scene.end().await;
}

/// A liar that names the block above the other's head each time it is asked.
#[tokio::test]
async fn a_use_that_is_always_one_block_ahead_is_not_seen_for_ever() {
    let scene =
        market([Stall::that(sandbox::sellers::Behaviour::DropBeforeSettling, "/thing", CENT)]).nodes(2).open().await;
    let lost = scene.get("/thing").await;
    scene.nodes[0].set_mood(Mood::FromTheFuture(1));
    for secs in [10, 300, 3_000, 30_000] {
        scene.pass(secs);
        scene.bursar.reconcile().await.unwrap();
        let row = scene.bursar.why(lost.purchase_id.as_deref().unwrap()).await.unwrap().row;
        println!("after {secs} s: {} {:?}", row.state, row.proof);
    }
    scene.buy_again("/thing", &lost).await;
    assert_eq!(scene.nonces().await.len(), 1, "a second one was signed");
    scene.end().await;
}

#[tokio::test]
async fn no_second_payment_beside_a_live_one_when_our_clock_is_a_little_ahead() {
    let scene =
        market([Stall::that(sandbox::sellers::Behaviour::DropBeforeSettling, "/thing", CENT)]).nodes(2).open().await;
    scene.set_ours_ahead(45);
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    let id = lost.purchase_id.clone().unwrap();
    let ends = scene.bursar.why(&id).await.unwrap().window_ends.unwrap().secs() as u64;
    scene.nodes[0].set_mood(Mood::FromTheFuture(1));
    scene.pass(ends - 20 - scene.now());
    scene.bursar.reconcile().await.unwrap();
    scene.buy_again("/thing", &lost).await;
    assert!(scene.now() < ends, "the first one can still be taken");
    assert_eq!(
        scene.nonces().await.len(),
        1,
        "a second one was signed, with {} s of the first left",
        ends - scene.now()
    );
    scene.end().await;
}
