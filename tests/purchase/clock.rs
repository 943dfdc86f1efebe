//! This machine's clock set by days and minutes, forth and back, between any two looks at it while a purchase is made.

use bursar::answer::{Answer, Charged, Outcome};
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

const MINUTE: i64 = 60;
const JUMPS: [i64; 8] = [-2 * DAY as i64, -90 * MINUTE, -2 * MINUTE, -45, 45, 2 * MINUTE, 90 * MINUTE, 2 * DAY as i64];
/// No limit stands in the way: a clock that was two days ahead makes the ledger's time stay there.
const WIDE: &str = "[wallet]\nper_hour = \"none\"\nper_day = \"none\"\nper_month = \"none\"\n\
    payments_per_minute = \"none\"\n[session]\ntotal = \"none\"\n[each_domain]\nper_session = \"none\"\n\
    per_day = \"none\"\n[payee]\nper_day = \"none\"\n";
/// More looks than a purchase takes.
const LOOKS_AT_MOST: usize = 60;

/// Which of two calls for the same thing the clock is set in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum During {
    First,
    Second,
}

/// Sets the clock at each look in turn, for one purchase each, until a purchase ends without coming so far.
async fn clock_set_at_each_look(behaviour: Behaviour, during: During, by: i64) -> usize {
    let scene = market([Stall::get("/warm", CENT)]).rules(WIDE).funds(10_000 * CENT).open().await;
    bought(&scene.get("/warm").await);
    for looks in 0..LOOKS_AT_MOST {
        let path = format!("/thing-{looks}");
        scene.sandbox.sellers.put(Stall::that(behaviour.clone(), &path, CENT));
        if during == During::Second {
            is_true(&scene, &path, &scene.get(&path).await);
        }
        scene.set_ours_later(looks, by);
        is_true(&scene, &path, &scene.get(&path).await);
        let was_set = scene.was_set();
        // Whoever asks again, with the clock put right, hears of the same purchase.
        scene.set_ours_ahead(0);
        is_true(&scene, &path, &scene.get(&path).await);
        if !was_set {
            the_chain_agrees(&scene).await;
            scene.end().await;
            return looks;
        }
    }
    panic!("a purchase looks at the clock more than {LOOKS_AT_MOST} times");
}

/// One authorization at most, and nothing better said of it than is true.
fn is_true(scene: &Scene, path: &str, told: &Answer) {
    let seen = scene.sandbox.sellers.seen_at(path);
    let mut nonces: Vec<_> = seen.iter().filter_map(|seen| seen.nonce).collect();
    nonces.dedup();
    assert!(nonces.len() <= 1, "{path} was paid for with {nonces:?}");
    let is_taken = seen.iter().any(|seen| seen.settled_tx.is_some());
    match told.charged {
        Charged::Yes => assert!(is_taken, "{path}: {told:#?}"),
        // A refusal is about this call, and a repeat costs nothing beside what was paid before.
        Charged::No => {
            let is_another = told.served_from_store || told.outcome == Outcome::Refused;
            assert!(!is_taken || is_another, "{path}: {told:#?}");
        }
        Charged::Unknown => {}
    }
}

/// Long after every window, by every clock.
async fn the_chain_agrees(scene: &Scene) {
    scene.pass(DAY);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!((found.waiting.len(), found.alarms.len()), (0, 0), "{found:?}");
    let audit = scene.bursar.audit().await.unwrap();
    assert_eq!(audit.held_usd.as_micros(), 0);
    assert_eq!(audit.settled_usd.as_micros(), scene.spent());
}

async fn clock_jumps_while(behaviour: Behaviour, what: &str) {
    let mut cases = 0;
    for by in JUMPS {
        for during in [During::First, During::Second] {
            cases += clock_set_at_each_look(behaviour.clone(), during, by).await;
        }
    }
    assert!(cases > JUMPS.len() * 3, "the clock was set {cases} times: nobody looks at it");
    println!("bar: clock, while a seller {what} | {} jumps x every look: {cases} cases | 0 violations", JUMPS.len());
}

#[tokio::test]
async fn a_clock_set_while_a_seller_settles_pays_once_and_tells_the_truth() {
    clock_jumps_while(Behaviour::Normal, "settles").await;
}

#[tokio::test]
async fn a_clock_set_while_a_reply_is_lost_before_settling_pays_once_and_tells_the_truth() {
    clock_jumps_while(Behaviour::DropBeforeSettling, "drops the line").await;
}

#[tokio::test]
async fn a_clock_set_while_a_reply_is_lost_after_settling_pays_once_and_tells_the_truth() {
    clock_jumps_while(Behaviour::DropAfterSettling, "settles and drops the line").await;
}

#[tokio::test]
async fn a_clock_two_days_ahead_does_not_make_an_old_purchase_of_one_that_settled_a_moment_ago() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/thing", CENT)]).open().await;
    let lost = scene.get("/thing").await;
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    scene.set_ours_ahead(2 * DAY as i64);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    scene.set_ours_ahead(0);
    let told = scene.get("/thing").await;
    is(&told, Outcome::Failed, Charged::Yes);
    assert_eq!(told.purchase_id, lost.purchase_id);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn one_node_an_hour_ahead_stops_nothing() {
    let scene = market([Stall::get("/thing", CENT), Stall::get("/other", CENT)]).nodes(2).open().await;
    scene.nodes[0].set_mood(sandbox::rpc::Mood::ClockAhead(HOUR));
    scene.bursar.read_funds().await;
    bought(&scene.get("/thing").await);
    // With every node an hour ahead it is the seller's word and ours against theirs.
    scene.sandbox.rpc.set_mood(sandbox::rpc::Mood::ClockAhead(HOUR));
    scene.bursar.read_funds().await;
    refused(&scene.get("/other").await, "clock_skew");
    scene.end().await;
}
