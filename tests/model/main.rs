//! The ledger against a model of it: random histories run through both, compared after every step.
//!
//! `BURSAR_HISTORIES=100000 cargo test --test model` runs more of them; `BURSAR_SEED=… cargo test --test model` replays
//! the one that failed.

mod history;
mod model;

use history::History;

const HISTORIES: u64 = 60;

#[test]
fn the_ledger_does_what_its_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("BURSAR_SEED") {
        Some(seed) => seed..seed + 1,
        None => 1..1 + number("BURSAR_HISTORIES").unwrap_or(HISTORIES),
    };
    let mut steps = 0;
    for seed in seeds.clone() {
        let ran = std::panic::catch_unwind(|| runtime.block_on(History::begin(seed).run()));
        steps += ran.unwrap_or_else(|_| panic!("history {seed} failed; replay it with BURSAR_SEED={seed}"));
    }
    println!(
        "bar: random histories against the model | {} histories, {steps} steps | 0 violations",
        seeds.end - seeds.start
    );
}
