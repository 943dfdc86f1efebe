//! What becomes of a wallet as its log grows: the same things over ledgers of several sizes, in one table.
//!
//! `benches/run growth` takes 0, ten thousand and a million purchases; `benches/run growth 10000000` takes those it is
//! given. A million takes five minutes to make and 4 GB, ten million ten times that. Beside them stand a wish that was
//! bought 300,000 times and a hundred thousand payments that nobody knows the end of.
//!
//! Numbers, not assertions. That no question walks the whole log is held in `src/ledger/tests/plans.rs`.

#[path = "../table/seller.rs"]
mod seller;
#[path = "../table/writing.rs"]
mod writing;

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy_primitives::U256;
use bursar::config::Home;
use bursar::house::House;
use bursar::web::Review;
use sandbox::host::Host;
use serde_json::{Value, json};
use testkit::processes::{Scene, told};
use testkit::visitor::Visitor;
use testkit::years::Years;

use seller::Seller;
use writing::{Spread, Table, mib, ms};

/// A million of the asset's units.
const DOLLAR: u64 = 1_000_000;
const CALLS: usize = 100;
const TRIES: usize = 7;
const SIZES: [u64; 3] = [0, 10_000, 1_000_000];
const ALIKE: u64 = 300_000;
const HELD: u64 = 100_000;

/// What a person asks on the command line.
const COMMANDS: [&[&str]; 15] = [
    &["statusline"],
    &["log"],
    &["log", "--state", "held"],
    &["log", "--state", "settled", "--agent", "agent-7"],
    &["log", "--domain", "site-31.example"],
    &["log", "--domain", "h2.site-31.example", "--state", "refused"],
    &["log", "--session", "se_200"],
    &["log", "--since", "300d"],
    &["log", "--until", "300d"],
    &["log", "--unreviewed"],
    &["log", "--by", "day", "--since", "300d"],
    &["log", "--by", "domain"],
    &["log", "--json", "--limit", "10000"],
    &["pending"],
    &["sellers"],
];

/// What a person looks at in a browser.
const PAGES: [&str; 7] = [
    "overview",
    "pulse",
    "purchases",
    "purchases?agent=agent-7&state=settled",
    "purchases?domain=site-31.example",
    "purchases?q=item%2F777",
    "pending",
];

#[tokio::main]
async fn main() {
    let named: Vec<u64> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if named.is_empty() { SIZES.to_vec() } else { named };
    let seller = Seller::open().await;
    let mut columns = Vec::new();
    for purchases in sizes {
        let years = Years { purchases, ..Years::default() };
        columns.push((grouped(purchases), measured(&seller, years).await));
    }
    let years = Years { purchases: ALIKE + 1, alike: ALIKE, wish: again(&seller), ..Years::default() };
    columns.push((format!("one wish {}", grouped(ALIKE)), measured(&seller, years).await));
    let years = Years { purchases: HELD + 1, held: HELD, ..Years::default() };
    columns.push((format!("held {}", grouped(HELD)), measured(&seller, years).await));
    let mut header = vec!["purchases before"];
    header.extend(columns.iter().map(|(name, _)| name.as_str()));
    let mut table = Table::new(&header);
    for nth in 0..columns[0].1.len() {
        let cells = columns.iter().map(|(_, rows)| rows[nth].1.clone());
        table.row([columns[0].1[nth].0.clone()].into_iter().chain(cells));
    }
    table.print();
}

/// 1 000 000
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).expect("digits")).collect();
    groups.join(" ")
}

/// What was measured, by its name.
type Rows = Vec<(String, String)>;

async fn measured(seller: &Seller, years: Years) -> Rows {
    let scene = seller.scene(None).await;
    // What is held is not free.
    scene.sandbox.chain.mint(scene.wallet, U256::from(1_000_000 * DOLLAR)).expect("funds");
    if years.purchases > 0 {
        let home = Home::at(scene.home());
        years.write(&home.ledger_file(), &home.leases_dir()).await;
    }
    let mut rows = Rows::new();
    let mut starts = Vec::new();
    for _ in 0..TRIES {
        let began = Instant::now();
        let host = scene.host(Years::AGENT).await;
        host.call("tools/list", json!({})).await.expect("tools");
        starts.push(began.elapsed());
    }
    rows.push(("start, to the answer of tools/list".to_owned(), half(&starts)));
    let host = scene.host(Years::AGENT).await;
    let again = again(seller);
    let pays = async |url: String, id: String| {
        let answer = told(host.tool("fetch_paid", json!({ "url": url, "purchase_id": id })).await);
        assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")), "{answer:#}");
    };
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for nth in 0..CALLS {
        new.push(timed(pays(seller.page(), format!("new-{nth}"))).await);
    }
    rows.push(("fetch_paid, something new: p50, p95, p99".to_owned(), spread(&new)));
    known.push(timed(pays(again, "known".to_owned())).await);
    rows.push(("fetch_paid, the wish".to_owned(), half(&known)));
    for (tool, arguments) in [("list_spend", json!({})), ("get_budget", json!({}))] {
        rows.push((format!("{tool}, first page"), half(&asked(&host, tool, &arguments).await)));
    }
    drop(host);
    for args in COMMANDS {
        let took: Vec<Duration> = (0..TRIES).map(|_| ran(&scene, args)).collect();
        rows.push((format!("bursar {}", args.join(" ")), half(&took)));
    }
    rows.extend(pages(&scene).await);
    rows.push(("bursar audit".to_owned(), ms(ran(&scene, &["audit"]))));
    rows.push(("the ledger".to_owned(), size(&scene.home().join("ledger.db"))));
    // Large ones take minutes: what is known of them is not to be lost with the next.
    rows.iter().for_each(|(what, took)| eprintln!("{what}: {took}"));
    eprintln!();
    rows
}

/// What a browser waits for, from its request to the end of the page.
async fn pages(scene: &Scene) -> Rows {
    let house = House::open(&Home::at(scene.home()), vec![]).await.expect("a house").owner();
    let review = Review::open(house, 0).expect("a page");
    let visitor = Visitor::by(&review.link().expect("a link")).await;
    let newest = scene.json(&["log", "--json", "--limit", "1"]).await;
    let purchase = format!("purchase?id={}", newest["purchase_id"].as_str().expect("an id"));
    let mut rows = Rows::new();
    for page in PAGES.into_iter().chain([purchase.as_str()]) {
        let mut took = Vec::new();
        for _ in 0..TRIES {
            let looked = async { assert_eq!(visitor.look(page).await.status, 200, "{page}") };
            took.push(timed(looked).await);
        }
        rows.push((format!("the page {}", page.split("?id").next().unwrap_or_default()), half(&took)));
    }
    rows
}

async fn asked(host: &Host, tool: &str, arguments: &Value) -> Vec<Duration> {
    let mut took = Vec::new();
    for _ in 0..CALLS {
        took.push(timed(async { drop(told(host.tool(tool, arguments.clone()).await)) }).await);
    }
    took
}

fn ran(scene: &Scene, args: &[&str]) -> Duration {
    let mut command = scene.command(args);
    let began = Instant::now();
    let status = command.as_std_mut().stdout(Stdio::null()).stderr(Stdio::null()).status().expect("started");
    assert!(status.success(), "{args:?}");
    began.elapsed()
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

fn half(times: &[Duration]) -> String {
    ms(Spread::of(times).p50)
}

fn spread(times: &[Duration]) -> String {
    let Spread { p50, p95, p99 } = Spread::of(times);
    [p50, p95, p99].map(ms).join(", ")
}

/// The page that is bought again and again.
fn again(seller: &Seller) -> String {
    format!("{}/again", seller.url)
}

fn size(file: &Path) -> String {
    mib(std::fs::metadata(file).map_or(0, |file| file.len() / 1024))
}
