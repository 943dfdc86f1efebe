//! One scene for all of them: a home with a wallet and a policy, a market to spend in, and hosts that start the program.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use sandbox::chain::NETWORK;
use sandbox::host::{Era, Host, HostError, HostOptions};
use sandbox::sellers::{Seen, Stall};
use sandbox::{Options, Sandbox};
use serde_json::{Value, json};

use crate::program;
use crate::scene::{allow_the_way, schemes_for};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::Instant;

/// The key of every scene's wallet: an account of test nodes, known to everybody.
pub const KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
/// What a wallet begins with, in millionths of a dollar.
pub const FUNDS: u64 = 100_000_000;
/// A policy that stands in nobody's way.
pub const OPEN: &str = r#"
[wallet]
per_payment = "none"
per_hour = "none"
per_day = "none"
per_month = "none"
payments_per_minute = "none"
[session]
total = "none"
[each_domain]
per_payment = "none"
per_session = "none"
per_day = "none"
[payee]
per_day = "none"
on_change = "allow"
[approval]
above = "none"
[price]
rise = "none"
[breakers]
undelivered = "none"
refusals_per_minute = "none"
"#;

/// Nothing here takes this long on the slowest machine that is any use.
const DEADLINE: Duration = Duration::from_secs(60);

pub struct Scene {
    pub sandbox: Sandbox,
    pub wallet: Address,
    user: TempDir,
    /// Each process writes its stderr into a file of its own.
    logs: AtomicUsize,
}

impl Scene {
    /// `rules` are sections of a policy; the market and its chain are added.
    pub async fn open(stalls: Vec<Stall>, rules: &str) -> Scene {
        Scene::open_in(&std::env::temp_dir(), stalls, rules).await
    }

    /// The same with its home in a folder of its own in this one.
    pub async fn open_in(folder: &Path, stalls: Vec<Stall>, rules: &str) -> Scene {
        let sandbox = Sandbox::start(Options { stalls, ..Options::default() }).await.expect("a sandbox");
        let user = tempfile::tempdir_in(folder).expect("a folder");
        let scene = Scene { sandbox, wallet: Address::ZERO, user, logs: AtomicUsize::new(0) };
        scene.write("passphrase", "correct horse battery staple\n");
        bursar::config::Home::at(scene.home()).prepare().expect("a home");
        let market = scene.market();
        let networks = format!("[networks]\nallow = [\"{NETWORK}\"]\n[egress]\nallow = [\"{market}\"]\n");
        let schemes = schemes_for(rules);
        scene.write(".bursar/policy.toml", &format!("version = 1\n{rules}\n{schemes}{networks}"));
        let rpc = scene.sandbox.rpc_url();
        // No test asks a directory of the world's.
        let find = "[find]\nbazaar = []\nmpp = []\nindex402 = []\n";
        let config = format!("{find}[wallet]\nstore = \"file\"\n[chains.\"{NETWORK}\"]\nrpc = [\"{rpc}\"]\n");
        scene.write(".bursar/config.toml", &config);
        let wallet = scene.import().await;
        scene.sandbox.chain.mint(wallet, U256::from(FUNDS)).expect("funds");
        allow_the_way(&scene.sandbox, wallet);
        Scene { wallet, ..scene }
    }

    async fn import(&self) -> Address {
        let mut command = self.command(&["wallet", "import", "--store", "file"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(KEY.as_bytes()).await.expect("read");
        drop(stdin);
        let done = child.wait_with_output().await.expect("ended");
        assert!(done.status.success(), "the key was not imported");
        String::from_utf8_lossy(&done.stdout).trim().parse().expect("an address")
    }

    /// The program, with nothing of this machine's environment but where to look for a passphrase.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).env_clear().current_dir(self.user.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env("HOME", self.user.path());
        command.env("BURSAR_PASSPHRASE_FILE", self.user.path().join("passphrase"));
        for kept in ["PATH", "SystemRoot", "TEMP", "TMPDIR"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command
    }

    /// Lets the wallet reach another seller of this machine, by its `host:port`.
    pub fn allow_door(&self, door: &str) {
        let policy = std::fs::read_to_string(self.home().join("policy.toml")).expect("a policy");
        let wider = policy.replace("[egress]\nallow = [", &format!("[egress]\nallow = [\"{door}\", "));
        self.write(".bursar/policy.toml", &wider);
    }

    pub async fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().await.expect("started")
    }

    /// The one JSON document a command prints.
    pub async fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args).await;
        let told = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&told).unwrap_or_else(|_| panic!("{args:?} printed {told}{output:?}"))
    }

    /// A host with the program as its child, in the older era.
    pub async fn host(&self, agent: &str) -> Host {
        self.host_in(Era::Initialize, agent).await
    }

    pub async fn host_in(&self, options: impl Into<HostOptions>, agent: &str) -> Host {
        self.host_of(self.command(&["serve", "--agent", agent]), options).await
    }

    pub async fn host_of(&self, mut command: Command, options: impl Into<HostOptions>) -> Host {
        let log = self.user.path().join(format!("stderr-{}", self.logs.fetch_add(1, Ordering::Relaxed)));
        command.stderr(File::create(log).expect("a file"));
        Host::start(command, options).await.expect("a session")
    }

    /// `host:port` of the market.
    pub fn market(&self) -> String {
        self.sandbox.sellers_url().replace("http://", "")
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.sellers_url())
    }

    pub fn home(&self) -> PathBuf {
        self.user.path().join(".bursar")
    }

    /// Everything the program has or could have written, its stderr among it.
    pub fn folder(&self) -> &Path {
        self.user.path()
    }

    fn write(&self, name: &str, text: &str) {
        bursar::config::write_private(&self.user.path().join(name), text.as_bytes()).expect("written");
    }

    /// How much has left the wallet, as the chain says.
    pub fn spent(&self) -> u64 {
        FUNDS - u64::try_from(self.sandbox.chain.balance_of(self.wallet)).expect("a balance")
    }

    /// The requests a payment came with.
    pub fn presented(&self) -> Vec<Seen> {
        self.sandbox.sellers.seen().into_iter().filter(|seen| seen.payment_header.is_some()).collect()
    }

    pub fn settlements(&self) -> usize {
        self.sandbox.sellers.seen().iter().filter(|seen| seen.settled_tx.is_some()).count()
    }

    /// The rows of `bursar log`, newest first.
    pub async fn log(&self) -> Vec<Value> {
        let output = self.run(&["log", "--json", "--limit", "1000000"]).await;
        let lines = String::from_utf8(output.stdout).expect("text");
        lines.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
    }

    /// The nonces in the ledger, by purchase id.
    pub fn nonces(&self) -> BTreeMap<String, B256> {
        let ledger = rusqlite::Connection::open(self.home().join("ledger.db")).expect("the ledger");
        let mut query = ledger.prepare("SELECT purchase_id, handle FROM purchase WHERE handle IS NOT NULL").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, B256::from(row.get::<_, [u8; 32]>(1)?)))).unwrap();
        rows.map(|row| row.expect("a row")).collect()
    }

    /// Derives the ledger anew, and holds it against itself.
    pub async fn audited(&self) -> Value {
        let audit = self.json(&["audit", "--json"]).await;
        assert_eq!(audit["violations"], json!([]), "{audit:#}");
        audit
    }
}

/// What a tool answered, as programs read it.
pub fn told(answer: Result<Value, HostError>) -> Value {
    answer.expect("an answer")["structuredContent"].clone()
}

/// What a tool answered, as a model may read it.
pub fn words(answer: &Value) -> String {
    let texts = answer["content"].as_array().into_iter().flatten().filter_map(|item| item["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Buys `url`.
pub async fn buy(host: &Host, url: &str) -> Value {
    told(host.tool("fetch_paid", json!({"url": url})).await)
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    const LOOK_AGAIN: Duration = Duration::from_millis(2);
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits for the program to end by itself, and says with which status.
pub async fn ended(host: &Host) -> Option<i32> {
    let status = tokio::time::timeout(DEADLINE, host.exited()).await.expect("it ends in time");
    status.expect("seen").code()
}

/// A small source of numbers that a seed replays.
pub struct Random(u64);

impl Random {
    /// The seed is BURSAR_SEED's, or a fresh one; either is printed.
    pub fn seeded() -> Random {
        let given = std::env::var("BURSAR_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).expect("randomness");
            u64::from_le_bytes(bytes)
        });
        println!("BURSAR_SEED={seed} replays this");
        Random(seed)
    }

    /// Another source, which follows from this one.
    pub fn fork(&mut self) -> Random {
        Random(self.below(u64::MAX))
    }

    /// Any number below `end` (splitmix64).
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
