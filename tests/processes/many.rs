//! Many processes, one ledger, one cap.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bursar::sandbox::host::Host;
use bursar::sandbox::sellers::Stall;
use futures_util::StreamExt;
use serde_json::Value;

use crate::scene::{OPEN, Scene, buy};

const PROCESSES: usize = 8;
const WISHES: usize = 400;
const AFFORDED: usize = 1_000;
/// A tenth of a cent.
const PRICE: u64 = 1_000;
/// What one agent asks for at a time.
const AT_ONCE: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_that_want_3200_things_get_exactly_the_thousand_the_cap_affords() {
    let rules = OPEN.replacen("per_day = \"none\"", "per_day = \"1.00\"", 1);
    let scene = Arc::new(Scene::open(vec![Stall::get("/p", PRICE)], &rules).await);
    let began = Instant::now();
    let agents = (0..PROCESSES).map(|n| tokio::spawn(agent(scene.clone(), n)));
    let outcomes = futures_util::future::join_all(agents).await.into_iter().flat_map(|done| done.expect("no panic"));
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    outcomes.for_each(|outcome| *counted.entry(outcome).or_default() += 1);
    println!("{} calls in {:?}: {counted:?}", PROCESSES * WISHES, began.elapsed());

    let expected = [("answered, charged yes", AFFORDED), ("refused: over_day", PROCESSES * WISHES - AFFORDED)];
    assert_eq!(counted, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
    assert_eq!(scene.settlements(), AFFORDED);
    assert_eq!(scene.spent(), AFFORDED as u64 * PRICE);
    let audit = scene.audited().await;
    assert_eq!(audit["authorizations"], AFFORDED);
    assert_eq!(audit["settled_usd"], "1.00");
}

/// Asks for its own 400 things, some at a time.
async fn agent(scene: Arc<Scene>, n: usize) -> Vec<String> {
    let host = scene.host(&format!("a{n}")).await;
    let wishes = (0..WISHES).map(|wish| {
        let (host, url): (&Host, String) = (&host, scene.url(&format!("/p?agent={n}&wish={wish}")));
        async move { in_short(&buy(host, &url).await) }
    });
    let outcomes = futures_util::stream::iter(wishes).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(host.noise(), Vec::<String>::new());
    outcomes
}

fn in_short(answer: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let codes: Vec<String> = answer["reasons"].as_array().into_iter().flatten().map(|r| word(&r["code"])).collect();
    match codes.is_empty() {
        true => format!("{}, charged {}", word(&answer["outcome"]), word(&answer["charged"])),
        false => format!("{}: {}", word(&answer["outcome"]), codes.join(", ")),
    }
}
