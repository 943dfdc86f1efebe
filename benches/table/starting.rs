//! From starting a server to its answer to `tools/list`, beside starting Node to do nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;

use crate::buyer::status;
use crate::seller::Seller;
use crate::writing::{Spread, Table, mib, ms};

const STARTS: usize = 30;
/// Starts whose memory is read, each when what goes on beside the calls has been through once.
const IDLES: usize = 5;
const SETTLED: Duration = Duration::from_secs(1);

pub async fn table(seller: &Seller) {
    let scene = seller.scene(None).await;
    let (mut bursar, mut node, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let began = Instant::now();
        let host = scene.host("starter").await;
        host.call("tools/list", json!({})).await.expect("tools");
        bursar.push(began.elapsed());
        node.extend(node_starts().await);
    }
    for _ in 0..IDLES {
        let host = scene.host("starter").await;
        host.call("tools/list", json!({})).await.expect("tools");
        tokio::time::sleep(SETTLED).await;
        idle.extend(host.pid().and_then(|pid| status(pid, "VmRSS:")));
    }
    idle.sort_unstable();
    let mut table = Table::new(&["starting", "p50", "p95", "p99", "memory, idle"]);
    let middle = idle.get(idle.len() / 2).copied().map_or_else(|| "-".into(), mib);
    row(&mut table, "bursar, to the answer of tools/list", &bursar, middle);
    if !node.is_empty() {
        row(&mut table, "node -e 0", &node, "-".into());
    }
    table.print();
}

fn row(table: &mut Table, what: &str, times: &[Duration], memory: String) {
    let Spread { p50, p95, p99 } = Spread::of(times);
    table.row([what.into(), ms(p50), ms(p95), ms(p99), memory]);
}

async fn node_starts() -> Option<Duration> {
    let began = Instant::now();
    let ended = Command::new("node").args(["-e", "0"]).stdin(Stdio::null()).status().await.ok()?;
    ended.success().then(|| began.elapsed())
}
