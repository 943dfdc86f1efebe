//! How long a policy of a thousand rules takes to decide, inside the program: where the first rule holds, and where none
//! does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bursar::money::{Account, Amount, Assets, Network};
use bursar::offer::{Carrier, Echo, Listed, Offer, Scheme};
use bursar::policy::{Decision, Funds, Policy, Question, Snapshot, decide};
use bursar::request::Request;
use bursar::time::Time;

use crate::writing::{Spread, Table};

const RULES: usize = 1_000;
const DECISIONS: usize = 10_000;

pub fn table() {
    let rules: String = (0..RULES)
        .map(|n| format!("[[domain]]\nhost = \"*.shop-{n}.example.com\"\nper_day = \"1.00\"\npaths = [\"/v1/*\"]\n"))
        .collect();
    let policy = Policy::parse("policy.toml", &rules).expect("a policy");
    let mut table = Table::new(&["a policy of 1,000 rules decides", "p50", "p95", "p99"]);
    for (what, host) in [("by its first", "a.shop-0.example.com"), ("by its last", "a.shop-999.example.com")] {
        row(&mut table, &policy, what, host);
    }
    row(&mut table, &policy, "by none of them", "api.example.org");
    table.print();
}

fn row(table: &mut Table, policy: &Policy, what: &str, host: &str) {
    let url = format!("https://{host}/v1/data").parse().expect("a URL");
    let request = Request { method: "GET".into(), url, headers: vec![], body: vec![] };
    let (offers, funds) = ([Listed::Payable(Box::new(a_cent()))], Funds::default());
    let snapshot = Snapshot { now: Time::from_secs(1_800_000_000), ..Snapshot::default() };
    let took: Vec<Duration> = (0..DECISIONS)
        .map(|_| {
            let question = Question { request: &request, max_price: None, funds: &funds };
            let began = Instant::now();
            let decided = decide(black_box(policy), &question, &offers, &snapshot);
            let took = began.elapsed();
            assert!(matches!(decided.decision, Decision::Allow(_)), "{:?}", decided.decision);
            took
        })
        .collect();
    let Spread { p50, p95, p99 } = Spread::of(&took);
    let us = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    table.row([what.to_owned(), us(p50), us(p95), us(p99)]);
}

fn a_cent() -> Offer {
    let asset = Assets::default().on(&Network::eip155(8453)).next().expect("USDC on Base").clone();
    let echo = Echo::X402V2 { accepted: "{}".into(), resource: None, extensions: None };
    Offer {
        scheme: Scheme::Eip3009,
        payee: Account::anybody(asset.network()),
        amount: Amount(alloy_primitives::U256::from(10_000)),
        usd: "0.01".parse().expect("a price"),
        asset,
        window_secs: 60,
        takes_first: false,
        carrier: Carrier::Headers,
        echo,
    }
}
