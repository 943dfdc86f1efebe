//! What does not depend on a machine's mood: system calls, pages written to the ledger, instructions. Counted from
//! outside, by `strace` and `perf` where they are.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use crate::buyer::Buyer;
use crate::seller::Seller;
use crate::writing::Table;

const CALLS: usize = 100;
const WARM_UP: usize = 20;
/// SQLite writes the ledger in these.
const PAGE: &str = ", 4096, ";

pub async fn table(seller: &Seller) {
    let buyer = Buyer::bursar("", seller.scene(None).await).await;
    let Some(pid) = buyer.pid() else { return };
    buyer.buy_many(seller, WARM_UP, 1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut table = Table::new(&["of one paid call of bursar", "how many"]);
    if let Some(calls) = traced(&buyer, seller, pid, &folder.path().join("strace")).await {
        let count = |is: &dyn Fn(&str) -> bool| calls.lines().filter(|line| is(line)).count() as f64 / CALLS as f64;
        let mut row = |what: &str, is: &dyn Fn(&str) -> bool| table.row([what.to_owned(), format!("{:.1}", count(is))]);
        let is_call = |line: &str| line.contains('(') && !line.contains("resumed>");
        row("system calls", &is_call);
        for name in ["pwrite64", "fcntl", "futex", "pread64", "statx", "openat", "flock", "fdatasync"] {
            let named = format!(" {name}(");
            row(&format!("- {name}"), &|line| is_call(line) && line.contains(&named));
        }
        row("pages of 4 KiB written", &|line| line.contains(" pwrite64(") && line.contains(PAGE));
    }
    if let Some(instructions) = instructions(&buyer, seller, pid, &folder.path().join("perf")).await {
        table.row(["instructions of its own".into(), format!("{:.2} million", instructions / CALLS as f64 / 1e6)]);
    }
    table.print();
}

/// Every system call of a hundred purchases, a line each.
async fn traced(buyer: &Buyer, seller: &Seller, pid: u32, file: &Path) -> Option<String> {
    let strace =
        Command::new("strace").args(["-f", "-s", "0", "-o"]).arg(file).args(["-p", &pid.to_string()]).watching();
    watch(strace, buyer, seller).await?;
    std::fs::read_to_string(file).ok()
}

async fn instructions(buyer: &Buyer, seller: &Seller, pid: u32, file: &Path) -> Option<f64> {
    let perf = ["stat", "-x", ",", "-e", "instructions:u", "-p", &pid.to_string(), "-o"].map(str::to_owned);
    watch(Command::new("perf").args(perf).arg(file).watching(), buyer, seller).await?;
    let told = std::fs::read_to_string(file).ok()?;
    told.lines().find(|line| line.contains("instructions"))?.split(',').next()?.parse().ok()
}

/// Buys while somebody looks on; nothing if nobody could.
async fn watch(watcher: std::io::Result<Child>, buyer: &Buyer, seller: &Seller) -> Option<()> {
    let mut watcher = watcher.ok()?;
    // It says nowhere when it has begun.
    tokio::time::sleep(Duration::from_millis(500)).await;
    buyer.buy_many(seller, CALLS, 1).await;
    let pid = watcher.id()?.to_string();
    Command::new("kill").args(["-INT", &pid]).status().await.ok()?;
    watcher.wait().await.ok().map(|_| ())
}

trait Watching {
    fn watching(&mut self) -> std::io::Result<Child>;
}

impl Watching for Command {
    fn watching(&mut self) -> std::io::Result<Child> {
        self.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn()
    }
}
