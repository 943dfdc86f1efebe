//! `kill -9` at any moment of a purchase. `BURSAR_KILLS=1000 cargo test --test processes killed` kills more often, and
//! `BURSAR_SEED=…` replays the moments (as far as a machine does the same thing twice).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alloy_primitives::B256;
use sandbox::host::Host;
use sandbox::sellers::{Behaviour, Stall};
use serde_json::{Value, json};

use crate::scene::{OPEN, Random, Scene, told};

const KILLS: usize = 60;
/// Homes where somebody is killed at the same time.
const LANES: usize = 3;
const PRICE: u64 = 10_000;
/// Every third purchase is killed again while it is resumed.
const AGAIN: u64 = 3;

/// Sellers a kill hurts in different ways.
fn market() -> Vec<Stall> {
    let slow = Behaviour::Slow(Duration::from_millis(20));
    vec![
        Stall::get("/plain", PRICE),
        Stall::that(slow, "/slow", PRICE),
        Stall::that(Behaviour::HonoursSameBytes, "/same-bytes", PRICE),
        Stall::that(Behaviour::DropAfterSettling, "/drops", PRICE),
        Stall::that(Behaviour::DropBeforeSettling, "/drops-unpaid", PRICE),
        Stall::that(Behaviour::NoReceipt, "/no-receipt", PRICE),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_no_seller_sees_two_authorizations_and_the_log_has_all_they_saw() {
    let kills = std::env::var("BURSAR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = Random::seeded();
    let lanes: Vec<_> = (0..LANES).map(|_| tokio::spawn(lane(kills.div_ceil(LANES), random.fork()))).collect();
    let (mut killed, mut purchases) = (0, 0);
    for lane in lanes {
        let (kills, bought) = lane.await.expect("a lane without a fault");
        (killed, purchases) = (killed + kills, purchases + bought);
    }
    println!("bar: kill -9 at random | {killed} kills in {purchases} purchases | 0 violations");
}

/// A home of its own, where one process after the other is killed.
async fn lane(kills: usize, mut random: Random) -> (usize, usize) {
    let scene = Scene::open(market(), OPEN).await;
    let span = how_long_a_purchase_takes(&scene).await;
    let mut host = scene.host("mortal").await;
    let (mut killed, mut purchase, mut last_words) = (0, 0, BTreeMap::new());
    while killed < kills {
        purchase += 1;
        let stall = &market()[purchase % market().len()].path;
        let wish = json!({"url": scene.url(&format!("{stall}?n={purchase}")), "purchase_id": format!("p-{purchase}")});
        // The key is read first, or most kills would meet a process that derives it.
        warm(&scene, &host).await;
        loop {
            kill_in_the_middle(&host, &wish, Duration::from_micros(random.below(span.as_micros() as u64))).await;
            killed += 1;
            host = scene.host("mortal").await;
            if random.below(AGAIN) != 0 {
                break;
            }
        }
        let answer = told(host.tool("fetch_paid", wish).await);
        *last_words.entry(format!("{} {}", answer["outcome"], answer["charged"])).or_insert(0) += 1;
        let is_an_outcome = ["answered", "held", "failed"].iter().any(|outcome| answer["outcome"] == *outcome);
        assert!(is_an_outcome, "after kill {killed}: {answer:#}");
    }
    println!("{killed} kills in {purchase} purchases, each within {span:?}: {last_words:?}");
    drop(host);
    one_authorization_each_and_all_in_the_log(&scene).await;
    what_was_taken_is_known(&scene).await;
    (killed, purchase)
}

/// As many of a seller that drops the line once it has the money, and hands the goods over to the same bytes.
const ARRIVE: usize = 40;
/// The killed call; one that the seller drops; one that brings the goods. No more, or the presents would not do.
const CALLS_AFTER_A_KILL: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_what_a_seller_that_honours_the_same_bytes_sold_arrives() {
    let mut random = Random::seeded();
    let each = ARRIVE / LANES + 1;
    let lanes: Vec<_> = (0..LANES).map(|_| tokio::spawn(lane_of_arrivals(each, random.fork()))).collect();
    let mut arrived = 0;
    for lane in lanes {
        arrived += lane.await.expect("a lane without a fault");
    }
    assert_eq!(arrived, each * LANES, "everything arrives");
    println!(
        "bar: kill -9, a seller that honours the same bytes | {arrived} of {} arrive | 0 violations",
        each * LANES
    );
}

/// How many of these purchases, each killed once, arrive in the end.
async fn lane_of_arrivals(purchases: usize, mut random: Random) -> usize {
    let path = "/same-bytes";
    let stalls = vec![Stall::get("/plain", PRICE), Stall::that(Behaviour::HonoursSameBytes, path, PRICE)];
    let scene = Scene::open(stalls, OPEN).await;
    let span = how_long_a_purchase_takes(&scene).await;
    let mut host = scene.host("mortal").await;
    let mut arrived = 0;
    for purchase in 0..purchases {
        let wish = json!({"url": scene.url(&format!("{path}?n={purchase}")), "purchase_id": format!("p-{purchase}")});
        warm(&scene, &host).await;
        kill_in_the_middle(&host, &wish, Duration::from_micros(random.below(span.as_micros() as u64))).await;
        host = scene.host("mortal").await;
        arrived += usize::from(arrives(&host, &wish).await);
    }
    drop(host);
    let sold = scene.sandbox.sellers.seen_at(path).iter().filter(|seen| seen.settled_tx.is_some()).count();
    assert_eq!(sold, purchases, "each is paid for once");
    one_authorization_each_and_all_in_the_log(&scene).await;
    what_was_taken_is_known(&scene).await;
    arrived
}

async fn arrives(host: &Host, wish: &Value) -> bool {
    for _ in 0..CALLS_AFTER_A_KILL {
        let answer = told(host.tool("fetch_paid", wish.clone()).await);
        if answer["body"] == r#"{"goods":"/same-bytes"}"# {
            return true;
        }
        assert!(["held", "failed"].iter().any(|outcome| answer["outcome"] == *outcome), "{answer:#}");
    }
    false
}

async fn kill_in_the_middle(host: &Host, wish: &Value, after: Duration) {
    let call = host.begin_tool("fetch_paid", wish.clone());
    tokio::time::sleep(after).await;
    host.kill();
    host.exited().await;
    drop(call);
}

/// From a call to its answer, in a process that has its key at hand; and half as much again.
async fn how_long_a_purchase_takes(scene: &Scene) -> Duration {
    let host = scene.host("mortal").await;
    warm(scene, &host).await;
    let began = Instant::now();
    for n in 0..5 {
        told(host.tool("fetch_paid", json!({"url": scene.url(&format!("/plain?measured={n}"))})).await);
    }
    began.elapsed() / 5 * 3 / 2
}

async fn warm(scene: &Scene, host: &Host) {
    static WARMED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let n = WARMED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    told(host.tool("fetch_paid", json!({"url": scene.url(&format!("/plain?warm={n}"))})).await);
}

async fn one_authorization_each_and_all_in_the_log(scene: &Scene) {
    let mut seen: BTreeMap<String, BTreeSet<B256>> = BTreeMap::new();
    for presented in scene.presented() {
        let thing = format!("{}?{}", presented.path, presented.query.unwrap_or_default());
        seen.entry(thing).or_default().insert(presented.nonce.expect("a nonce"));
    }
    let doubled: Vec<_> = seen.iter().filter(|(_, nonces)| nonces.len() > 1).collect();
    assert!(doubled.is_empty(), "sellers saw two authorizations: {doubled:?}");
    let recorded: BTreeSet<B256> = scene.nonces().into_values().collect();
    let unrecorded: Vec<_> = seen.values().flatten().filter(|nonce| !recorded.contains(*nonce)).collect();
    assert!(unrecorded.is_empty(), "not in the ledger: {unrecorded:?}");
    scene.audited().await;
}

/// The chain has settled the doubts: what left the wallet is what the log says, to the last atom.
async fn what_was_taken_is_known(scene: &Scene) {
    let found = scene.json(&["reconcile", "--json"]).await;
    assert_eq!(found["alarms"], json!([]), "{found:#}");
    let log = scene.log().await;
    let settled = log.iter().filter(|row| row["state"] == "settled").count();
    assert_eq!((settled, settled as u64 * PRICE), (scene.settlements(), scene.spent()));
    let states: BTreeMap<String, usize> = log.iter().fold(BTreeMap::new(), |mut states, row: &Value| {
        *states.entry(row["state"].to_string()).or_default() += 1;
        states
    });
    println!("the log: {states:?}");
    scene.audited().await;
}
