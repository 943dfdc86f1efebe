//! The ledger against a model of it: random histories run through both, compared after every step.
//!
//! `BURSAR_HISTORIES=100000 cargo test --test model` runs more of them; `BURSAR_SEED=… cargo test --test model` replays
//! the one that failed.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod history;
mod model;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use history::History;

const HISTORIES: u64 = 60;

#[test]
fn the_ledger_does_what_its_model_does() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("BURSAR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("BURSAR_HISTORIES").unwrap_or(HISTORIES),
    };
    let (next, steps) = (AtomicU64::new(seeds.start), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| run_some(&seeds, &next, &steps));
        }
    });
    println!(
        "bar: random histories against the model | {} histories, {} steps | 0 violations",
        seeds.end - seeds.start,
        steps.into_inner()
    );
}

/// One after the other, as long as there are any.
fn run_some(seeds: &Range<u64>, next: &AtomicU64, steps: &AtomicU64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let ran = std::panic::catch_unwind(|| runtime.block_on(History::begin(seed).run()));
        let taken = ran.unwrap_or_else(|_| panic!("history {seed} failed; replay it with BURSAR_SEED={seed}"));
        steps.fetch_add(taken, Ordering::Relaxed);
    }
}
