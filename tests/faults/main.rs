//! The program stopped dead at every named place, times what the seller does, times what the chain says.
//! Each time it is started again, asked for the same thing, reconciled and audited: no second authorization, nothing a
//! seller saw is missing, and in the end ledger and chain agree.
//!
//! Only builds with debug assertions have the places to stop at.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]
#![cfg(debug_assertions)]

mod house;
mod sign_in;

use std::collections::BTreeSet;
use std::time::Duration;

use bursar::crash;
use futures_util::future::join_all;
use house::House;
use sandbox::host::{Host, Pending};
use sandbox::sellers::{Behaviour, Stall, Way};
use serde_json::{Value, json};

const PRICE: u64 = 10_000;
/// Houses that crash side by side.
const LANES: usize = 4;

/// What the seller does with the payment it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seller {
    Settles,
    Refuses,
    SettlesLate,
    StaysSilent,
    TakesItAndDropsTheLine,
}

/// What the chain says when the program is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    /// Whatever a seller was shown it has taken by now.
    Used,
    /// One of two nodes has seen nothing, whatever is true.
    Unused,
    Down,
}

/// Where the program stops: in its first run, and for some again in the run that takes the purchase up.
#[derive(Clone, Copy, Debug)]
struct Crash {
    first: &'static str,
    again: Option<&'static str>,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    crash: Crash,
    seller: Seller,
    chain: Chain,
}

impl Seller {
    const ALL: [Seller; 5] =
        [Seller::Settles, Seller::Refuses, Seller::SettlesLate, Seller::StaysSilent, Seller::TakesItAndDropsTheLine];

    fn behaviour(self) -> Behaviour {
        match self {
            Seller::Settles => Behaviour::Normal,
            Seller::Refuses => Behaviour::RefuseAlways,
            Seller::SettlesLate => Behaviour::DropBeforeSettling,
            Seller::StaysSilent => Behaviour::NeverAnswers,
            Seller::TakesItAndDropsTheLine => Behaviour::DropAfterSettling,
        }
    }
}

impl Chain {
    /// By Permit2 nothing is signed where no node says what it is allowed: a chain that is down stops it before that.
    fn all() -> Vec<Chain> {
        match Way::of_this_run() {
            Way::Eip3009 | Way::Mpp => vec![Chain::Used, Chain::Unused, Chain::Down],
            Way::Permit2 | Way::Upto => vec![Chain::Used, Chain::Unused],
        }
    }
}

impl Crash {
    fn all() -> Vec<Crash> {
        let once = crash::POINTS.map(|first| Crash { first, again: None });
        // What was not shown is shown when it is taken up; what was shown is moved by what the chain says.
        let twice =
            [("loaded", "resumed"), ("answered", "moved")].map(|(first, again)| Crash { first, again: Some(again) });
        once.into_iter().chain(twice).collect()
    }
}

impl Case {
    fn all() -> Vec<Case> {
        let mut cases = Vec::new();
        for crash in Crash::all() {
            for seller in Seller::ALL {
                cases.extend(Chain::all().into_iter().map(|chain| Case { crash, seller, chain }));
            }
        }
        cases
    }

    fn name(self) -> String {
        format!("{}-{}-{:?}-{:?}", self.crash.first, self.crash.again.unwrap_or("once"), self.seller, self.chain)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_pays_once_and_loses_nothing() {
    let cases = Case::all();
    let lanes =
        (0..LANES).map(|lane| tokio::spawn(crash_through(cases.iter().copied().skip(lane).step_by(LANES).collect())));
    let stopped: BTreeSet<&str> =
        join_all(lanes).await.into_iter().flat_map(|lane| lane.expect("a lane without a fault")).collect();
    let every: BTreeSet<&str> = crash::POINTS.into_iter().chain(crash::POINTS_AGAIN).collect();
    assert_eq!(stopped, every, "every point was reached by somebody");
    println!("bar: crash points | {} points x sellers x chain: {} cases | 0 violations", every.len(), cases.len());
}

/// Plays some of the cases in a house of their own, and says at which points it was stopped.
async fn crash_through(cases: Vec<Case>) -> BTreeSet<&'static str> {
    let house = House::build().await;
    let mut stopped = BTreeSet::new();
    for case in cases {
        stopped.extend(play(&house, case).await);
        house.nothing_is_wrong().await;
    }
    house.every_window_ends();
    house.reconcile().await;
    house.everything_adds_up().await;
    stopped
}

async fn play(house: &House, case: Case) -> Vec<&'static str> {
    let (id, path) = (case.name(), format!("/{}", case.name()));
    house.sandbox.sellers.put(Stall::that(case.seller.behaviour(), &path, PRICE));
    let wish = json!({ "url": house.url(&path), "purchase_id": id });

    let mut stopped = Vec::new();
    stopped.extend(run_until_it_stops(house, case.crash.first, case.seller, &path, &wish).await);
    house.chain_says(case.chain == Chain::Down, case.chain == Chain::Unused);
    if case.chain == Chain::Used || case.seller == Seller::SettlesLate {
        house.redeem_all(&path);
    }
    if let Some(again) = case.crash.again {
        stopped.extend(run_until_it_stops(house, again, case.seller, &path, &wish).await);
    }
    // It has shown its face; a call that waits for it would wait for two minutes.
    if case.seller == Seller::StaysSilent {
        house.sandbox.sellers.put(Stall::that(Behaviour::DropBeforeSettling, &path, PRICE));
    }
    let answer = run(house, &wish).await;
    house.chain_says(false, false);

    let outcome = answer["outcome"].as_str().unwrap_or_default();
    assert!(["answered", "held", "failed"].contains(&outcome), "{path}: {answer:#}");
    let nonces = house.nonces(&path);
    assert!(nonces.len() <= 1, "{path}: a seller saw {nonces:?}");
    if let Some(nonce) = nonces.first() {
        house.ledger_knows(&id, nonce).await;
    }
    stopped
}

/// Runs with a place to stop at. A run that does not come by there ends with its answer; one whose seller is silent is
/// killed while it waits.
async fn run_until_it_stops(
    house: &House,
    point: &'static str,
    seller: Seller,
    path: &str,
    wish: &Value,
) -> Option<&'static str> {
    let host = house.serve(Some(point)).await;
    let call = host.begin_tool("fetch_paid", wish.clone());
    let shown = house.times_shown(path);
    tokio::select! {
        () = ended(&host, call) => {}
        () = left_waiting(house, path, shown), if seller == Seller::StaysSilent => {}
    }
    host.kill();
    let status = host.exited().await.expect("an exit");
    // What it does to itself is an abort; what a test does to it, a kill.
    is_abort(status).then_some(point)
}

async fn ended(host: &Host, call: Pending) {
    tokio::select! {
        _ = call.result() => {}
        _ = host.exited() => {}
    }
}

/// Until the seller has been shown the payment once more.
async fn left_waiting(house: &House, path: &str, shown: usize) {
    const LOOK_AGAIN: Duration = Duration::from_millis(5);
    while house.times_shown(path) <= shown {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn run(house: &House, wish: &Value) -> Value {
    let host = house.serve(None).await;
    let answer = host.tool("fetch_paid", wish.clone()).await.unwrap();
    host.close_stdin();
    host.exited().await;
    answer["structuredContent"].clone()
}

#[cfg(unix)]
fn is_abort(status: std::process::ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGABRT)
}

#[cfg(not(unix))]
fn is_abort(status: std::process::ExitStatus) -> bool {
    !status.success()
}
