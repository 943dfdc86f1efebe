//! How long a call is longer for paying, on Solana and on an EVM chain in one run, and what nodes are asked meanwhile.
//! `BURSAR_PROGRAM=target/release/bursar cargo test --test solana latency -- --ignored --nocapture`

use std::time::{Duration, Instant};

use sandbox::host::Host;
use sandbox::sellers::{Stall, Way};
use serde_json::json;
use testkit::processes::{OPEN, Scene};

use crate::crashes::Street;

const CALLS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a benchmark: it says how long things take, and nothing is held to it"]
async fn beside_an_evm_chain() {
    let evm = Scene::open(vec![Stall::paid(Way::Eip3009, "/paid", 10_000), Stall::free("/free")], OPEN).await;
    let solana = Street::build().await;
    let (on_evm, on_solana) = (evm.host("a").await, solana.serve(None).await);
    let mut took: [Vec<Duration>; 4] = Default::default();
    for nth in 0..CALLS + 20 {
        let calls: [(&Host, String); 4] = [
            (&on_evm, evm.url(&format!("/paid?n={nth}"))),
            (&on_evm, evm.url(&format!("/free?n={nth}"))),
            (&on_solana, solana.url(&format!("/settles?n={nth}"))),
            (&on_solana, solana.url(&format!("/free?n={nth}"))),
        ];
        for (which, (host, url)) in calls.into_iter().enumerate() {
            let began = Instant::now();
            let answer = host.tool("fetch_paid", json!({ "url": url })).await.unwrap();
            let is_there = answer["structuredContent"]["outcome"] == "answered";
            assert!(is_there, "{answer:#}");
            // The first ones read keys and balances.
            if nth >= 20 {
                took[which].push(began.elapsed());
            }
        }
    }
    let [evm_paid, evm_free, solana_paid, solana_free] = took.map(|mut took| {
        took.sort();
        (took[took.len() / 2], took[took.len() * 95 / 100])
    });
    println!("paid on an EVM chain: {evm_paid:?}, free there: {evm_free:?} (median, 95 of 100)");
    println!("paid on Solana: {solana_paid:?}, free there: {solana_free:?}");
    let asked = solana.asked();
    let of = |method: &str| asked.iter().filter(|asked| *asked == method).count();
    println!(
        "two nodes were asked for a block {} times in {} payments; for anything else {} times",
        of("getLatestBlockhash"),
        CALLS + 20,
        asked.len() - of("getLatestBlockhash")
    );
}
