//! A home on a disk that may fail, and bursar living in it, in a world that may fail too.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::house::Open;
use alloy_primitives::B256;
use bursar::answer::{Audit, Reconciled, Refusal};
use bursar::config::{Home, write_private};
use bursar::house::Ports;
use bursar::money::Assets;
use bursar::ports::NoDirectories;
use bursar::wallet::{RailKey, Store, Wallet};
use rusqlite::Connection;
use tokio::runtime::{Builder, Runtime};

use super::disk::Disk;
use super::ports::{WorldChains, WorldClock, WorldSeller, keys, network, rail};
use super::{Manner, Shared};

pub struct House {
    pub world: Shared,
    pub disk: Arc<Disk>,
    pub home: Home,
    keys: Store,
    life: Option<(Runtime, Open)>,
    _dir: tempfile::TempDir,
}

impl House {
    /// Built, and not opened yet.
    pub fn build(seed: u64, manner: Manner) -> House {
        let key = RailKey::read(&b"ca9a57ed".repeat(8)[..], Some(rail())).unwrap();
        let world = Shared::new(seed, key.address(), manner);
        let keys = Store::over(Arc::new(keys(world.clone(), &key)), Duration::from_secs(1));
        let dir = tempfile::tempdir_in(memory()).unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        write_private(&home.policy_file(), policy().as_bytes()).unwrap();
        House { world, disk: Disk::under(home.dir()), home, keys, life: None, _dir: dir }
    }

    pub fn open(&mut self) -> Result<(), Refusal> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let bursar = runtime.block_on(async { self.over() })?;
        self.life = Some((runtime, bursar));
        Ok(())
    }

    fn over(&self) -> Result<Open, Refusal> {
        let clock = Arc::new(WorldClock(self.world.clone()));
        let owner = self.world.lock().owner;
        let ports = Ports {
            wallet: Some(Wallet::open(self.keys.clone(), owner, clock.clone())),
            seller: Arc::new(WorldSeller(self.world.clone())),
            chains: Arc::new(WorldChains(self.world.clone())),
            directories: Arc::new(NoDirectories),
            clock,
        };
        Ok(bursar::house::House::over(&self.home, Assets::default(), ports)?.into())
    }

    pub fn bursar(&self) -> Open {
        self.life.as_ref().expect("the house is open").1.clone()
    }

    /// Leaves in peace.
    pub fn leave(&mut self) {
        let bursar = self.bursar();
        self.patiently(async move { bursar.drain().await });
        self.life = None;
    }

    /// Everything in memory is gone, and what `pick` says of what the disk had not synced. Stored bodies are never
    /// synced: some are gone, some empty.
    pub fn lose_power(&mut self, pick: &mut dyn FnMut(u64) -> u64) {
        self.die(pick);
        for body in std::fs::read_dir(self.home.purchases_dir()).unwrap().map(|entry| entry.unwrap().path()) {
            match pick(4) {
                0 => std::fs::remove_file(body).unwrap(),
                1 => std::fs::write(body, "").unwrap(),
                _ => {}
            }
        }
    }

    /// Everything in memory is gone; what was written stays.
    pub fn crash(&mut self) {
        self.die(&mut |below| below - 1);
    }

    fn die(&mut self, pick: &mut dyn FnMut(u64) -> u64) {
        self.disk.cut_power();
        self.world.next_step();
        self.life = None;
        self.disk.come_back(pick);
    }

    /// Where everybody only waits, time flies.
    pub fn patiently<T>(&self, work: impl Future<Output = T>) -> T {
        const MOMENT: Duration = Duration::from_millis(20);
        const LEAP: Duration = Duration::from_millis(500);
        let (runtime, _) = self.life.as_ref().expect("the house is open");
        runtime.block_on(async {
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => return done,
                    () = tokio::time::sleep(MOMENT) => leap(LEAP).await,
                }
            }
        })
    }

    /// What a seller saw is in the ledger, what the chain took counts, and the audit finds nothing wrong.
    pub fn is_in_order(&self) {
        let audit = self.audit();
        let world = self.world.lock();
        assert_eq!(world.violations, Vec::<String>::new());
        let shown: BTreeSet<B256> = world.shown.keys().copied().collect();
        let recorded = self.recorded();
        assert!(shown.is_subset(&recorded), "sellers saw {shown:?}, and the ledger has {recorded:?}");
        let signed_in = self.signed_in();
        assert!(world.signed_in.is_subset(&signed_in), "sellers saw a sign-in that the ledger does not know");
        let (counted, moved) = (audit.settled_usd.as_micros() + audit.held_usd.as_micros(), world.moved());
        assert!(moved <= counted, "the chain took {moved}, and {counted} count");
    }

    /// Long past every window, ledger and chain agree to the last unit.
    pub fn adds_up(&self) {
        {
            let mut world = self.world.lock();
            world.pass(100_000);
            world.millis = world.chain_secs as i64 * 1_000;
        }
        let found = self.reconcile().unwrap();
        assert!(found.waiting.is_empty(), "{found:#?}");
        let audit = self.audit();
        let settled = (audit.settled_usd.as_micros(), audit.held_usd.as_micros());
        assert_eq!(settled, (self.world.lock().moved(), 0), "the ledger and the chain disagree");
    }

    pub fn reconcile(&self) -> Result<Reconciled, Refusal> {
        let found = self.patiently(self.bursar().reconcile());
        let alarms = found.as_ref().map(|found| found.alarms.clone()).unwrap_or_default();
        assert_eq!(alarms, Vec::<String>::new(), "an alarm where nothing was wrong");
        found
    }

    fn audit(&self) -> Audit {
        let audit = self.patiently(self.bursar().audit()).unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
        audit
    }

    fn signed_in(&self) -> BTreeSet<String> {
        let ledger = Connection::open(self.home.ledger_file()).unwrap();
        let mut signatures = ledger.prepare("SELECT signature FROM sign_in").unwrap();
        signatures.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn recorded(&self) -> BTreeSet<B256> {
        let ledger = Connection::open(self.home.ledger_file()).unwrap();
        let mut nonces = ledger.prepare("SELECT handle FROM purchase WHERE handle IS NOT NULL").unwrap();
        let nonces = nonces.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        nonces.map(|nonce| B256::from_slice(&nonce.unwrap())).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.world.next_step();
    }
}

/// Lets the timers of this runtime believe that this long has passed.
async fn leap(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

fn policy() -> String {
    format!(
        "version = 1\n[wallet]\nper_hour = \"0.05\"\nper_day = \"0.08\"\nper_month = \"none\"\n\
         [session]\ntotal = \"none\"\n[each_domain]\nper_session = \"none\"\nper_day = \"none\"\nsign_in = \"allow\"\n\
         [payee]\nper_day = \"none\"\n[price]\nrise = \"none\"\n[breakers]\nundelivered = \"none\"\n[networks]\nallow = [\"{}\"]\n{}",
        network(),
        crate::scene::schemes_for("")
    )
}

fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
