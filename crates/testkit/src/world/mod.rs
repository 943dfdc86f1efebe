//! What is true outside of bursar: who was shown what, what the chain did, what time it is. Bursar meets it through its
//! [`ports`] and on its [`disk`], both of which may fail.

pub mod disk;
pub mod house;
mod medium;
pub mod ports;
mod random;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alloy_primitives::{B256, U256};
use bursar::answer::{Answer, Charged, Outcome};
use bursar::authorization::{Ends, Facts};
use bursar::ledger::Recorded;
use bursar::money::{Account, Amount, KeyAddress};
pub use random::Random;
use sandbox::sellers::mpp::Till;
use tokio::sync::Notify;

/// How far the finalized block is behind the head, in seconds.
pub const FINALITY: u64 = 30;
/// For so many blocks Solana takes what names one; here one comes each second.
pub const BLOCKHASH_BLOCKS: u64 = 150;

/// Whether sellers are paid on Solana in this run: where blocks decide what ends, and what was signed may fail.
pub fn is_on_solana() -> bool {
    static SOLANA: LazyLock<bool> = LazyLock::new(|| std::env::var("PLAY_WAY").is_ok_and(|way| way == "solana"));
    *SOLANA
}

#[derive(Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    /// Whether anything goes wrong by chance: the disk asks too.
    faults: Arc<AtomicBool>,
    /// Counts steps: what hangs, hangs until the next one.
    step: Arc<(Mutex<u64>, Condvar)>,
}

/// What sellers do with a payment they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Settles,
    Refuses,
    TakesItAndDropsTheLine,
    /// This or that, as chance has it.
    Whimsical,
}

pub struct World {
    seed: u64,
    /// One for each source of chance, so that what one makes of it changes nothing for the others.
    chance: HashMap<String, Random>,
    pub manner: Manner,
    pub millis: i64,
    /// How far the chain's time is ahead of the machine's: its clock may be set back, the chain's is not.
    pub chain_secs: u64,
    /// Every authorization a seller was shown, by handle.
    pub shown: BTreeMap<B256, Shown>,
    by_purchase: BTreeMap<String, B256>,
    /// Every sign-in a seller saw, by its signature.
    pub signed_in: BTreeSet<String>,
    /// Used on chain, with the moment.
    pub used: BTreeMap<B256, Used>,
    /// Failed on chain, with the moment: the chain takes it no more.
    pub failed: BTreeMap<B256, u64>,
    pub owner: KeyAddress,
    /// Challenges of MPP.
    till: Till,
    /// Somebody waits for ever: time to pull the plug.
    pub stuck: Arc<Notify>,
    faults: Arc<AtomicBool>,
    /// Happens when a seller is shown a payment for the first time.
    pub on_show: Option<Box<dyn FnOnce() + Send>>,
    /// What must never happen, and was seen by a seller. Bursar would take a panic there for a fault of its own.
    pub violations: Vec<String>,
    pub tally: Tally,
}

#[derive(Clone, Debug)]
pub struct Shown {
    /// The how manieth it was.
    order: usize,
    pub signed: Facts,
    pub wish: String,
    pub header: String,
    pub delivered: bool,
    /// A seller keeps it to settle later.
    pub kept: bool,
}

#[derive(Clone, Debug)]
pub struct Used {
    pub at_secs: u64,
    pub to: Account,
    pub value: Amount,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub settled: u64,
    pub lost: u64,
    pub again: u64,
    pub crashes: u64,
    pub cuts: u64,
    pub refused: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.calls += other.calls;
        self.settled += other.settled;
        self.lost += other.lost;
        self.again += other.again;
        self.crashes += other.crashes;
        self.cuts += other.cuts;
        self.refused += other.refused;
    }
}

impl Shared {
    pub fn new(seed: u64, owner: KeyAddress, manner: Manner) -> Shared {
        const BEGIN: u64 = 1_800_000_000;
        let faults = Arc::new(AtomicBool::new(manner == Manner::Whimsical));
        let world = World {
            seed,
            chance: HashMap::new(),
            manner,
            millis: BEGIN as i64 * 1_000,
            chain_secs: BEGIN,
            shown: BTreeMap::new(),
            by_purchase: BTreeMap::new(),
            signed_in: BTreeSet::new(),
            used: BTreeMap::new(),
            failed: BTreeMap::new(),
            owner,
            till: Till::default(),
            stuck: Arc::new(Notify::new()),
            faults: faults.clone(),
            on_show: None,
            violations: Vec::new(),
            tally: Tally::default(),
        };
        Shared { world: Arc::new(Mutex::new(world)), faults, step: Arc::default() }
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn has_faults(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    pub fn set_faults(&self, faults: bool) {
        self.faults.store(faults, Ordering::Relaxed);
    }

    /// What hung lets go.
    pub fn next_step(&self) {
        *self.step.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.step.1.notify_all();
    }

    /// Hangs until the next step, and not for ever where there is none.
    pub fn hang(&self) {
        const AT_LAST: Duration = Duration::from_secs(5);
        let step = self.step.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = *step;
        drop(self.step.1.wait_timeout_while(step, AT_LAST, |step| *step == now));
    }
}

impl World {
    /// A number below this one, by chance of this source.
    pub fn pick(&mut self, source: &str, below: u64) -> u64 {
        let seed = self.seed;
        self.chance.entry(source.to_owned()).or_insert_with(|| Random::of(seed, source)).below(below)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + if least < most { self.pick("ceilings", most - least + 1) } else { 0 }
    }

    /// One time in so many, while faults are on.
    pub fn fault(&mut self, source: &str, one_in: u64) -> bool {
        self.faults.load(Ordering::Relaxed) && self.pick(source, one_in) == 0
    }

    /// A payment arrives at a seller. This is where promises 2 and 3 would be seen broken.
    pub fn show(&mut self, recorded: &Recorded) -> B256 {
        let signed = recorded.authorization().facts();
        let (handle, wish) = (signed.handle, recorded.request().url.to_string());
        let (purchase, header) = (recorded.purchase_id().to_owned(), recorded.payment_header().1.to_owned());
        let first = *self.by_purchase.entry(purchase.clone()).or_insert(handle);
        if first != handle {
            self.violations.push(format!("purchase {purchase} has two authorizations"));
        }
        if let Some(before) = self.shown.get(&handle) {
            self.tally.again += 1;
            if before.header != header {
                self.violations.push(format!("a retry of {purchase} showed other bytes"));
            }
            return handle;
        }
        if let Some(rival) = self.shown.values().find(|other| other.wish == wish && self.is_alive(other)) {
            self.violations.push(format!("{wish} has two live authorizations: {rival:?} and {signed:?}"));
        }
        if let Some(happens) = self.on_show.take() {
            happens();
        }
        let order = self.shown.len();
        self.shown.insert(handle, Shown { order, signed, wish, header, delivered: false, kept: false });
        handle
    }

    /// Whether an authorization could still become a payment for goods nobody has: then nothing new may be signed.
    fn is_alive(&self, shown: &Shown) -> bool {
        const DAY: u64 = 24 * 3600;
        match self.used.get(&shown.signed.handle) {
            Some(used) => !shown.delivered && self.chain_secs < used.at_secs + DAY,
            None => !shown.delivered && !self.is_over(&shown.signed),
        }
    }

    /// Whether the chain takes it no more. Where heights decide, up to the last block that its signer reckoned with.
    fn is_over(&self, signed: &Facts) -> bool {
        self.failed.contains_key(&signed.handle)
            || match signed.ends {
                Ends::At(_) => self.chain_secs > signed.ends.secs(),
                Ends::AtHeight { last, .. } => self.chain_secs > last,
            }
    }

    /// The payment a seller was shown for a purchase, and whether the chain took it.
    fn payment_of(&self, purchase: &str) -> Option<(&Shown, bool)> {
        let handle = self.by_purchase.get(purchase)?;
        Some((self.shown.get(handle)?, self.used.contains_key(handle)))
    }

    /// What an answer says of money and goods is so, whatever went wrong meanwhile.
    pub fn holds_true(&self, answer: &Answer) {
        let payment = answer.purchase_id.as_deref().and_then(|id| self.payment_of(id));
        match (answer.charged, payment) {
            (Charged::Yes, payment) => {
                let is_taken = payment.is_some_and(|(_, is_taken)| is_taken);
                assert!(is_taken, "said to be charged, and the chain knows nothing of it: {answer:#?}");
            }
            (Charged::No, Some((shown, is_taken))) if !answer.served_from_store => {
                assert!(
                    !is_taken && self.is_over(&shown.signed),
                    "said not to be charged, and a seller has the payment: {answer:#?}"
                );
            }
            _ => {}
        }
        if let (Outcome::Answered, Some(body), Some(http)) = (answer.outcome, &answer.body, &answer.http) {
            let path = url::Url::parse(&http.final_url).unwrap().path().to_owned();
            assert_eq!(body.body, ports::goods(&path), "not what the seller gave: {answer:#?}");
        }
    }

    /// The seller takes it to the chain, which looks at nothing but handle and window.
    pub fn settle(&mut self, handle: B256) -> bool {
        let Some(shown) = self.shown.get(&handle) else { return false };
        // A time is one at which it is over; a height is the last one at which it is not.
        let is_late = matches!(shown.signed.ends, Ends::At(_)) && self.chain_secs == shown.signed.ends.secs();
        if is_late || self.is_over(&shown.signed) || self.used.contains_key(&handle) {
            return false;
        }
        if is_on_solana() && self.fault("failing", 8) {
            self.failed.insert(handle, self.chain_secs);
            return false;
        }
        let Some(shown) = self.shown.get(&handle) else { return false };
        let (to, value) = (shown.signed.to.clone(), shown.signed.most);
        // Of a ceiling, this seller takes what it likes.
        let least = if shown.signed.is_ceiling { 1 } else { u64::try_from(value.0).unwrap() };
        let value = Amount(U256::from(self.between(least, u64::try_from(value.0).unwrap())));
        self.used.insert(handle, Used { at_secs: self.chain_secs, to, value });
        self.tally.settled += 1;
        true
    }

    /// What the chain has moved, in millionths of a dollar.
    pub fn moved(&self) -> u64 {
        self.used.values().map(|used| u64::try_from(used.value.0).unwrap()).sum()
    }

    pub fn pass(&mut self, secs: u64) {
        self.millis += secs as i64 * 1_000;
        self.chain_secs += secs;
    }

    /// Sellers that kept a payment settle it when they please.
    pub fn settle_late(&mut self) {
        let mut kept: Vec<(usize, B256)> = Vec::new();
        kept.extend(self.shown.iter().filter(|(_, shown)| shown.kept).map(|(handle, shown)| (shown.order, *handle)));
        kept.sort();
        for (_, handle) in kept {
            if self.pick("late", 2) == 0 {
                self.settle(handle);
            }
        }
    }
}
