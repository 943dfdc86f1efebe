//! One world from its beginning to the time when the dust has settled.

use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::B256;
use bursar::bursar::{Bursar, Ports, Quiet};
use bursar::config::{Home, write_private};
use bursar::money::Assets;
use bursar::purchase::answer::{Answer, Charged};
use bursar::wallet::{Key, KeyStore, Memory, Store, Wallet};
use bursar::wish::Call;
use tokio::runtime::Runtime;

use crate::ports::{NETWORK, WorldChains, WorldClock, WorldKeys, WorldSeller};
use crate::world::{Shared, Tally};

const STEPS: u64 = 18;
const WISHES: u64 = 4;

struct Run {
    world: Shared,
    home: Home,
    keys: Arc<WorldKeys>,
    runtime: Runtime,
    house: Arc<Bursar>,
    /// Ids the agent was told, with the wish they are for.
    told: Vec<(u64, String)>,
    _dir: tempfile::TempDir,
}

pub fn run(seed: u64) -> Tally {
    let mut run = Run::begin(seed);
    for _ in 0..STEPS {
        run.step();
    }
    run.dust_settles();
    run.world.lock().tally
}

impl Run {
    fn begin(seed: u64) -> Run {
        let key = Key::read(format!("{:064x}", 0x51u8).as_bytes()).unwrap();
        let world = Shared::new(seed, key.address());
        let keys = Arc::new(WorldKeys(world.clone(), Memory::default()));
        keys.save(&key).unwrap();
        let dir = tempfile::tempdir_in(memory()).unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        write_private(&home.policy_file(), policy().as_bytes()).unwrap();
        let runtime = runtime();
        let house = runtime.block_on(async { open(&world, &home, &keys) });
        Run { world, home, keys, runtime, house, told: Vec::new(), _dir: dir }
    }

    fn step(&mut self) {
        let what = self.world.lock().pick(20);
        match what {
            0..11 => self.calls(),
            11..14 => self.time_passes(),
            14 => self.clock_jumps(),
            15..17 => self.reconcile(),
            17 => self.world.lock().settle_late(),
            _ => self.plug_pulled(),
        }
    }

    /// One to three calls at once, some of them for the same thing.
    fn calls(&mut self) {
        let count = 1 + self.world.lock().pick(3);
        let calls: Vec<(u64, Call)> = (0..count).map(|_| self.call()).collect();
        let stuck = self.world.lock().stuck.clone();
        let house = self.house.clone();
        let heard = self.runtime.block_on(async {
            let under_way: Vec<_> = calls
                .into_iter()
                .map(|(wish, call)| {
                    let house = house.clone();
                    tokio::spawn(async move { (wish, house.fetch_paid("a", None, call, &Quiet).await) })
                })
                .collect();
            tokio::select! {
                heard = futures_util::future::join_all(under_way) => Some(heard),
                () = stuck.notified() => None,
            }
        });
        match heard {
            Some(answers) => answers.into_iter().for_each(|answer| {
                let (wish, answer) = answer.expect("a call panicked");
                self.hear(wish, &answer);
            }),
            None => self.plug_pulled(),
        }
    }

    fn call(&mut self) -> (u64, Call) {
        let mut world = self.world.lock();
        world.tally.calls += 1;
        let wish = world.pick(WISHES);
        let known: Vec<&String> = self.told.iter().filter(|(of, _)| *of == wish).map(|(_, id)| id).collect();
        let purchase_id = match known.is_empty() || world.pick(2) == 0 {
            true => None,
            false => Some(known[world.pick(known.len() as u64) as usize].clone()),
        };
        let url = format!("https://shop.test/{}", "x".repeat(wish as usize));
        (wish, Call { url, purchase_id, ..Call::default() })
    }

    /// What an answer says about money must not be better than the truth.
    fn hear(&mut self, wish: u64, answer: &Answer) {
        let mut world = self.world.lock();
        if let Some(id) = &answer.purchase_id {
            self.told.push((wish, id.clone()));
        }
        world.tally.refused += u64::from(answer.is_error());
        let Some(tx) = answer.payment.as_ref().filter(|_| answer.charged == Charged::Yes) else { return };
        if let Some(tx) = tx.chain_tx.as_ref().and_then(|tx| tx.parse::<B256>().ok()) {
            assert!(world.used.contains_key(&tx), "said to be charged, and the chain knows nothing of {tx}");
        }
    }

    fn time_passes(&mut self) {
        let mut world = self.world.lock();
        let span = [1, 20, 59, 61, 125, 400, 4_000, 90_000];
        let secs = span[world.pick(span.len() as u64) as usize];
        world.pass(secs);
    }

    /// Only this machine's clock; the chain's goes on as it does.
    fn clock_jumps(&mut self) {
        let mut world = self.world.lock();
        let by = [-3_600_000, -30_000, 30_000, 45_000][world.pick(4) as usize];
        world.millis = (world.chain_secs as i64 * 1_000) + by;
    }

    fn reconcile(&mut self) {
        let house = self.house.clone();
        let found = self.runtime.block_on(async move { house.reconcile().await });
        let alarms = found.map(|found| found.alarms).unwrap_or_default();
        assert_eq!(alarms, Vec::<String>::new(), "an alarm where nothing was wrong");
        self.nothing_given_back_that_was_taken();
    }

    /// Everything in memory is gone; what is on the disk stays.
    fn plug_pulled(&mut self) {
        self.world.lock().tally.crashes += 1;
        drop(std::mem::replace(&mut self.runtime, runtime()));
        let (world, home, keys) = (&self.world, &self.home, &self.keys);
        self.house = self.runtime.block_on(async { open(world, home, keys) });
    }

    /// A purchase whose money the chain has seen moving must count.
    fn nothing_given_back_that_was_taken(&self) {
        let used: Vec<_> = self.world.lock().used.keys().copied().collect();
        let house = self.house.clone();
        let audit = self.runtime.block_on(async move { house.audit().await.unwrap() });
        assert_eq!(audit.violations, Vec::<String>::new());
        let counted = audit.settled_usd.as_micros() + audit.held_usd.as_micros();
        let taken: u64 = used.iter().map(|nonce| self.value(nonce)).sum();
        assert!(counted >= taken, "the chain took {taken}, and {counted} count");
    }

    fn value(&self, nonce: &B256) -> u64 {
        u64::try_from(self.world.lock().used[nonce].value).unwrap()
    }

    /// No more faults, every window long past: each authorization is settled or lapsed, and the sums agree.
    fn dust_settles(&mut self) {
        self.plug_pulled();
        {
            let mut world = self.world.lock();
            world.faults = false;
            world.pass(100_000);
            world.millis = world.chain_secs as i64 * 1_000;
        }
        self.reconcile();
        let house = self.house.clone();
        let audit = self.runtime.block_on(async move { house.audit().await.unwrap() });
        let used: Vec<_> = self.world.lock().used.keys().copied().collect();
        let taken: u64 = used.iter().map(|nonce| self.value(nonce)).sum();
        assert_eq!(audit.held_usd.as_micros(), 0, "something is still in doubt");
        assert_eq!(audit.settled_usd.as_micros(), taken, "the ledger and the chain disagree");
    }
}

fn open(world: &Shared, home: &Home, keys: &Arc<WorldKeys>) -> Arc<Bursar> {
    let clock = Arc::new(WorldClock(world.clone()));
    let store = Store::over(keys.clone(), std::time::Duration::from_secs(5));
    let owner = world.lock().owner;
    let ports = Ports {
        wallet: Some(Wallet::open(store, owner, clock.clone())),
        seller: Arc::new(WorldSeller(world.clone())),
        chains: Arc::new(WorldChains(world.clone())),
        clock,
    };
    Bursar::over(home, Assets::default(), ports).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn policy() -> String {
    format!(
        "version = 1\n[wallet]\nper_hour = \"0.05\"\nper_day = \"0.08\"\nper_month = \"none\"\n\
         [session]\ntotal = \"none\"\n[each_domain]\nper_session = \"none\"\nper_day = \"none\"\n\
         [payee]\nper_day = \"none\"\n[price]\nrise = \"none\"\n[breakers]\nundelivered = \"none\"\n\
         [networks]\nallow = [\"{NETWORK}\"]\n"
    )
}

fn memory() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
