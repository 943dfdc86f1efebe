//! What is true outside of bursar: who was shown what, what the chain did, what time it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256, U256};
use bursar::authorization::Authorization;
use bursar::ledger::Recorded;
use tokio::sync::Notify;

/// How far the finalized block is behind the head, in seconds.
pub const FINALITY: u64 = 30;

#[derive(Clone)]
pub struct Shared(Arc<Mutex<World>>);

pub struct World {
    random: u64,
    pub millis: i64,
    /// How far the chain's time is ahead of the machine's: its clock may be set back, the chain's is not.
    pub chain_secs: u64,
    /// Every authorization a seller was shown, by nonce.
    pub shown: BTreeMap<B256, Shown>,
    by_purchase: HashMap<String, B256>,
    /// Used on chain, with the moment.
    pub used: BTreeMap<B256, Used>,
    pub owner: Address,
    /// Somebody waits for ever: time to pull the plug.
    pub stuck: Arc<Notify>,
    pub faults: bool,
    pub tally: Tally,
}

#[derive(Clone, Debug)]
pub struct Shown {
    pub authorization: Authorization,
    pub wish: String,
    pub header: String,
    pub delivered: bool,
    /// A seller keeps it to settle later.
    pub kept: bool,
}

#[derive(Clone, Debug)]
pub struct Used {
    pub at_secs: u64,
    pub to: Address,
    pub value: U256,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub calls: u64,
    pub settled: u64,
    pub lost: u64,
    pub again: u64,
    pub crashes: u64,
    pub refused: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.calls += other.calls;
        self.settled += other.settled;
        self.lost += other.lost;
        self.again += other.again;
        self.crashes += other.crashes;
        self.refused += other.refused;
    }
}

impl Shared {
    pub fn new(seed: u64, owner: Address) -> Shared {
        const BEGIN: u64 = 1_800_000_000;
        Shared(Arc::new(Mutex::new(World {
            random: seed,
            millis: BEGIN as i64 * 1_000,
            chain_secs: BEGIN,
            shown: BTreeMap::new(),
            by_purchase: HashMap::new(),
            used: BTreeMap::new(),
            owner,
            stuck: Arc::new(Notify::new()),
            faults: true,
            tally: Tally::default(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    pub fn pick(&mut self, below: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    /// One time in so many, while faults are on.
    pub fn fault(&mut self, one_in: u64) -> bool {
        self.faults && self.pick(one_in) == 0
    }

    /// A payment arrives at a seller. This is where promises 2 and 3 would be seen broken.
    pub fn show(&mut self, recorded: &Recorded) -> B256 {
        let authorization = recorded.authorization().clone();
        let (nonce, wish) = (authorization.nonce, recorded.request().url.to_string());
        let header = recorded.payment_header().1.to_owned();
        let first = *self.by_purchase.entry(recorded.purchase_id().to_owned()).or_insert(nonce);
        assert_eq!(first, nonce, "purchase {} has two authorizations", recorded.purchase_id());
        if let Some(before) = self.shown.get(&nonce) {
            self.tally.again += 1;
            assert_eq!(before.header, header, "a retry showed other bytes");
            return nonce;
        }
        let rival = self.shown.values().find(|other| other.wish == wish && self.is_alive(other));
        assert!(rival.is_none(), "{wish} has two live authorizations: {rival:?} and {authorization:?}");
        self.shown.insert(nonce, Shown { authorization, wish, header, delivered: false, kept: false });
        nonce
    }

    /// Whether an authorization could still become a payment for goods nobody has: then nothing new may be signed.
    fn is_alive(&self, shown: &Shown) -> bool {
        const DAY: u64 = 24 * 3600;
        match self.used.get(&shown.authorization.nonce) {
            Some(used) => !shown.delivered && self.chain_secs < used.at_secs + DAY,
            None => !shown.delivered && self.chain_secs <= shown.authorization.valid_before,
        }
    }

    /// The seller takes it to the chain, which looks at nothing but nonce and window.
    pub fn settle(&mut self, nonce: B256) -> bool {
        let Some(shown) = self.shown.get(&nonce) else { return false };
        let Authorization { to, value, valid_after, valid_before, .. } = shown.authorization;
        let in_window = self.chain_secs > valid_after && self.chain_secs < valid_before;
        if !in_window || self.used.contains_key(&nonce) {
            return false;
        }
        self.used.insert(nonce, Used { at_secs: self.chain_secs, to, value });
        self.tally.settled += 1;
        true
    }

    pub fn pass(&mut self, secs: u64) {
        self.millis += secs as i64 * 1_000;
        self.chain_secs += secs;
    }

    /// Sellers that kept a payment settle it when they please.
    pub fn settle_late(&mut self) {
        let kept: Vec<B256> = self.shown.iter().filter(|(_, shown)| shown.kept).map(|(nonce, _)| *nonce).collect();
        for nonce in kept {
            if self.pick(2) == 0 {
                self.settle(nonce);
            }
        }
    }
}
