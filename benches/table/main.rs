//! What a paid call costs, beside what others cost, in one run: `benches/run` installs the others and prints one table.
//! `cargo bench --bench table` measures bursar alone.
//!
//! Numbers, not assertions: they are a machine's as much as ours. Everybody is called in turn, so that a machine's mood
//! is everybody's. The seller answers at once and checks nothing: what is measured is the buyer.

mod buyer;
mod counts;
mod deciding;
mod floor;
mod seller;
mod starting;
mod storing;
mod writing;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use buyer::Buyer;
use seller::Seller;
use writing::{Spread, Table, ms};

/// Calls of each, one at a time.
const CALLS: usize = 500;
const WARM_UP: usize = 50;
/// Calls of each at every number in flight.
const AT_ONCE: usize = 640;
const IN_FLIGHT: [usize; 4] = [1, 8, 32, 64];

#[tokio::main]
async fn main() {
    let seller = Seller::open().await;
    let rivals = std::env::var_os("BENCH_RIVALS").map(PathBuf::from);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted = |part: &str| wanted.is_empty() || wanted.iter().any(|word| word == part);
    println!("{}\n", machine());
    if is_wanted("latency") {
        latency(&seller, rivals.as_deref()).await;
    }
    if is_wanted("throughput") {
        throughput(&seller, rivals.as_deref()).await;
    }
    if is_wanted("counts") {
        counts::table(&seller).await;
    }
    if is_wanted("starting") {
        starting::table(&seller).await;
    }
    if is_wanted("deciding") {
        deciding::table();
    }
    if is_wanted("storing") {
        storing::table(&seller).await;
    }
}

/// Everybody who buys, each with a home or a process of its own.
async fn buyers(seller: &Seller, rivals: Option<&Path>) -> Vec<Buyer> {
    let mut all = vec![Buyer::floor(seller).await, Buyer::bursar("bursar: fetch_paid", seller.scene(None).await).await];
    // In memory a sync costs nothing.
    if let Some(memory) = Some(Path::new("/dev/shm")).filter(|memory| memory.is_dir()) {
        all.push(Buyer::bursar("bursar: without the sync", seller.scene(Some(memory)).await).await);
    }
    if let Some(rivals) = rivals {
        all.extend(Buyer::rivals(rivals).await);
    }
    all
}

async fn latency(seller: &Seller, rivals: Option<&Path>) {
    let all = buyers(seller, rivals).await;
    let nothing = Buyer::bursar("an MCP call that does nothing", seller.scene(None).await).await;
    let mut took: Vec<Vec<Duration>> = vec![Vec::new(); all.len() + 1];
    let began: Vec<_> = all.iter().map(Buyer::spent).collect();
    for n in 0..CALLS + WARM_UP {
        for (buyer, took) in all.iter().zip(&mut took) {
            took.push(timed(buyer.buy(&seller.page())).await);
        }
        took[all.len()].push(timed(nothing.pings()).await);
        if n + 1 == WARM_UP {
            took.iter_mut().for_each(Vec::clear);
        }
    }
    let mut table = Table::new(&[
        "one at a time",
        "p50",
        "p95",
        "p99",
        "over the floor (p50)",
        "its own CPU a call",
        "peak memory",
    ]);
    let floor = Spread::of(&took[0]).p50;
    for ((buyer, took), began) in all.iter().zip(&took).zip(&began) {
        let Spread { p50, p95, p99 } = Spread::of(took);
        let spent = buyer.spent().cpu.checked_sub(began.cpu).map(|cpu| cpu / (CALLS + WARM_UP) as u32);
        let over = p50.saturating_sub(floor);
        table.row([
            buyer.name.clone(),
            ms(p50),
            ms(p95),
            ms(p99),
            ms(over),
            spent.map_or("-".into(), ms),
            buyer.peak(),
        ]);
    }
    let Spread { p50, p95, p99 } = Spread::of(&took[all.len()]);
    table.row([nothing.name.clone(), ms(p50), ms(p95), ms(p99), "-".into(), "-".into(), nothing.peak()]);
    table.print();
}

async fn throughput(seller: &Seller, rivals: Option<&Path>) {
    let all = buyers(seller, rivals).await;
    let mut table = Table::new(&["calls a second, by how many are in flight", "1", "8", "32", "64"]);
    let mut rows: Vec<Vec<String>> = all.iter().map(|buyer| vec![buyer.name.clone()]).collect();
    for buyer in &all {
        buyer.buy_many(seller, WARM_UP, 8).await;
    }
    for at_once in IN_FLIGHT {
        for (buyer, row) in all.iter().zip(&mut rows) {
            let began = Instant::now();
            buyer.buy_many(seller, AT_ONCE, at_once).await;
            row.push(format!("{:.0}", AT_ONCE as f64 / began.elapsed().as_secs_f64()));
        }
    }
    rows.into_iter().for_each(|row| table.row(row));
    table.print();
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let began = Instant::now();
    work.await;
    began.elapsed()
}

/// What the figures are of.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{CALLS} calls of each, in turn; {} {}, {cores} cores", std::env::consts::OS, std::env::consts::ARCH)
}
