//! A home on disk, a sandbox beside it, and the real program in between.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{B256, U256};

use bursar::config::{self, Config, Home, write_private};
use bursar::settlement::State;
use bursar::wallet::{PassphraseSource, RailKey, Store, Wallet};
use sandbox::chain::{ChainOptions, NETWORK};
use sandbox::host::{Era, Host};
use sandbox::rpc::{Mood, Rpc};
use sandbox::{Options, Sandbox};
use testkit::house::Open;
use tokio::process::Command;

const KEY: &str = "ca9a57edca9a57edca9a57edca9a57edca9a57edca9a57edca9a57edca9a57ed";
const FUNDS: u64 = 100_000_000;

pub struct House {
    pub sandbox: Sandbox,
    /// A second node of the same chain.
    other: Rpc,
    ahead: Arc<AtomicU64>,
    home: Home,
    wallet: alloy_primitives::Address,
    _dir: tempfile::TempDir,
}

impl House {
    pub async fn build() -> House {
        let (clock, ahead) = clock();
        let chain = ChainOptions { clock, ..ChainOptions::default() };
        let sandbox = Sandbox::start(Options { chain, stalls: Vec::new(), ..Options::default() }).await.unwrap();
        let other = Rpc::start(sandbox.chain.clone(), 0).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        let host = sandbox.sellers_url().trim_start_matches("http://").trim_end_matches('/').to_owned();
        let nodes = format!("\"{}\", \"{}\"", sandbox.rpc_url(), other.url());
        write(&home.config_file(), &format!("[chains.\"{NETWORK}\"]\nrpc = [{nodes}]\n"));
        write(&home.policy_file(), &policy(&host));
        write(&home.dir().join("passphrase"), "open sesame");
        let key = RailKey::read(KEY.as_bytes(), None).unwrap();
        let wallet = Wallet::import(&Store::file(home.dir(), passphrase(&home)), key, None).await.unwrap();
        Config::write_wallet(&home, config::StoreKind::File, wallet).unwrap();
        let wallet = wallet.as_evm().unwrap();
        sandbox.chain.mint(wallet, U256::from(FUNDS)).unwrap();
        testkit::scene::allow_the_way(&sandbox, wallet);
        House { sandbox, other, ahead, home, wallet, _dir: dir }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.sellers_url().trim_end_matches('/'))
    }

    /// The real program, which stops dead where it is told to.
    pub async fn serve(&self, crash_at: Option<&str>) -> Host {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bursar"));
        command.arg("--home").arg(self.home.dir()).args(["serve", "--agent", "a"]);
        command.env("BURSAR_PASSPHRASE_FILE", self.home.dir().join("passphrase"));
        command.stderr(Stdio::null());
        if let Some(point) = crash_at {
            command.env("BURSAR_CRASH_AT", point);
        }
        Host::start(command, Era::Initialize).await.unwrap()
    }

    /// A tardy seller goes to the chain with everything it was shown.
    pub fn redeem_all(&self, path: &str) {
        for seen in self.sandbox.sellers.seen_at(path).iter().filter(|seen| seen.payment_header.is_some()) {
            let _ = self.sandbox.sellers.redeem(seen);
        }
    }

    /// Both nodes are down, or one of them has seen nothing; else both say what is true.
    pub fn chain_says(&self, down: bool, unused: bool) {
        self.sandbox.rpc.set_down(down);
        self.other.set_mood(match (down, unused) {
            (true, _) => Mood::Down,
            (false, true) => Mood::Blind,
            (false, false) => Mood::Honest,
        });
    }

    /// How often a seller was shown a payment for a path.
    pub fn times_shown(&self, path: &str) -> usize {
        self.sandbox.sellers.seen_at(path).iter().filter(|seen| seen.payment_header.is_some()).count()
    }

    /// Every authorization a seller was shown for a path.
    pub fn nonces(&self, path: &str) -> Vec<B256> {
        let seen = self.sandbox.sellers.seen_at(path);
        let nonces: BTreeSet<B256> = seen.iter().filter_map(|seen| seen.nonce).collect();
        nonces.into_iter().collect()
    }

    /// How many sign-ins for a path the ledger has.
    pub async fn sign_ins_of(&self, path: &str) -> i64 {
        let ledger = rusqlite::Connection::open(self.home.ledger_file()).unwrap();
        let sql = "SELECT count(*) FROM sign_in s JOIN purchase p ON p.row = s.purchase WHERE p.url = ?1";
        ledger.query_row(sql, [self.url(path)], |row| row.get(0)).unwrap()
    }

    /// The chain's time goes past every window there can be.
    pub fn every_window_ends(&self) {
        self.ahead.fetch_add(1_000, Ordering::SeqCst);
        self.sandbox.chain.mine(5);
    }

    pub async fn reconcile(&self) {
        let found = self.bursar().await.reconcile().await.unwrap();
        assert_eq!(found.waiting.len(), 0, "{found:?}");
        assert_eq!(found.alarms, Vec::<String>::new());
    }

    /// Whatever still waits: nothing contradicts anything.
    pub async fn nothing_is_wrong(&self) {
        let bursar = self.bursar().await;
        let found = bursar.reconcile().await.unwrap();
        assert_eq!(found.alarms, Vec::<String>::new());
        let audit = bursar.audit().await.unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
    }

    pub async fn ledger_knows(&self, id: &str, nonce: &B256) {
        let story = self.bursar().await.why(id).await.unwrap();
        let events = serde_json::to_string(&story.events).unwrap();
        assert!(events.contains(&nonce.to_string()), "{id}: a seller saw {nonce}, the log does not");
    }

    /// What the ledger calls settled is what left the wallet, and nothing is in doubt any more.
    pub async fn everything_adds_up(&self) {
        let bursar = self.bursar().await;
        let audit = bursar.audit().await.unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
        assert_eq!(audit.held_usd.as_micros(), 0, "{} is not reconciled", State::Held);
        let left = self.sandbox.chain.balance_of(self.wallet);
        assert_eq!(left, U256::from(FUNDS - audit.settled_usd.as_micros()), "the chain and the ledger disagree");
        assert!(audit.settled_usd.as_micros() > 0);
    }

    async fn bursar(&self) -> Open {
        bursar::house::House::open(&self.home, passphrase(&self.home)).await.unwrap().into()
    }
}

/// The system's time, and how far a test has put the chain ahead of it.
fn clock() -> (Arc<dyn Fn() -> u64 + Send + Sync>, Arc<AtomicU64>) {
    let (system, ahead) = (sandbox::chain::system_clock(), Arc::new(AtomicU64::new(0)));
    let by = ahead.clone();
    (Arc::new(move || system() + by.load(Ordering::SeqCst)), ahead)
}

fn policy(host: &str) -> String {
    format!(
        "version = 1\n[wallet]\nper_hour = \"none\"\nper_day = \"none\"\nper_month = \"none\"\n\
         payments_per_minute = \"none\"\n[session]\ntotal = \"none\"\n[each_domain]\nper_session = \"none\"\n\
         sign_in = \"allow\"\nrepeat_window = \"0s\"\nper_day = \"none\"\n[payee]\nper_day = \"none\"\n[breakers]\nundelivered = \"none\"\n[networks]\nallow = [\"{NETWORK}\"]\n\
         [egress]\nallow = [\"{host}\"]\n{}",
        testkit::scene::schemes_for("")
    )
}

fn passphrase(home: &Home) -> Vec<PassphraseSource> {
    vec![PassphraseSource::File(home.dir().join("passphrase"))]
}

fn write(path: &std::path::Path, text: &str) {
    write_private(path, text.as_bytes()).unwrap();
}
