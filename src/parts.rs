//! What a home is made of: ledger, wallet, seller, chains, clock and rules. Everything here is for the flow and for those
//! who hold an [`Agent`](crate::agent::Agent), an [`Owner`](crate::owner::Owner) or a
//! [`Keeper`](crate::keeper::Keeper); none of them hands it out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};

use std::time::{Duration, Instant};

use tokio::sync::{Mutex, Notify, RwLock};

use crate::authorization::{Fact, Known};
use crate::config::{OwnerFile, PolicyFile};
use crate::ledger::{Bodies, Entry, Ledger};
use crate::limits;
use crate::listing::Listing;
use crate::money::{Account, Amount, Assets};
use crate::policy::Policy;
use crate::ports::{Chains, Directories, Screen, Seller};
use crate::reason::{Reason, Who};
use crate::time::{Clock, Time};
use crate::wallet::{OwnerMark, Wallet, WalletError};

pub struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) bodies: Bodies,
    /// None: nothing can be paid yet, and everything free works.
    pub(crate) wallet: Option<Wallet>,
    pub(crate) seller: Arc<dyn Seller>,
    pub(crate) chains: Arc<dyn Chains>,
    pub(crate) directories: Arc<dyn Directories>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: PolicyFile,
    pub(crate) owner_file: OwnerFile,
    pub(crate) assets: Assets,
    pub(crate) funds: FundsBook,
    pub(crate) ground: GroundBook,
    pub(crate) listings: ListingBook,
    pub(crate) screen: OnceLock<Arc<dyn Screen>>,
    /// Something is unproven: reconciling has work.
    pub(crate) doubt: Notify,
    /// Set once the ledger was found to be the one this key has been spending from: with which owner's passphrase and
    /// policy.
    pub(crate) sealed: Mutex<Option<Option<OwnerMark>>>,
    pub(crate) anchor_due: AtomicBool,
    /// Every purchase under way holds this for reading; leaving waits to hold it for writing.
    pub(crate) under_way: Arc<RwLock<()>>,
    pub(crate) leaving: AtomicBool,
}

/// The last reading, and what went wrong with it.
#[derive(Default)]
pub struct FundsBook {
    read: std::sync::Mutex<Reading>,
}

/// What was heard of the chains that a scheme must know before it signs, and when.
#[derive(Default)]
pub struct GroundBook {
    heard: std::sync::Mutex<BTreeMap<Fact, (Time, Known)>>,
    /// What is kept young beside the calls, and when somebody last may have wanted it.
    wanted: std::sync::Mutex<BTreeMap<Fact, Time>>,
}

/// What directories listed lately, by what they were asked, and when.
#[derive(Default)]
pub struct ListingBook(std::sync::Mutex<BTreeMap<String, (Time, Arc<Listing>)>>);

/// A look at this machine's clock, by which it is seen later that somebody set it since.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub said: Time,
    steady: Instant,
}

impl Look {
    pub(crate) fn at(clock: &dyn Clock) -> Look {
        Look { said: clock.now(), steady: Instant::now() }
    }

    /// How far the clock is from where it would be, had nobody set it.
    pub(crate) fn set_by(self, now: Time) -> Duration {
        let expected = self.said.plus(self.steady.elapsed());
        now.since(expected).max(expected.since(now))
    }
}

#[derive(Clone, Default)]
pub struct Reading {
    /// When a node last answered.
    pub at: Option<Time>,
    pub tried: bool,
    pub balances: BTreeMap<Account, Amount>,
    pub problems: Vec<String>,
    /// How far each node's newest block was from our clock, in seconds: ahead above zero, behind below it.
    pub clocks: Vec<i64>,
    /// Our clock at that moment: once it was set, they tell nothing.
    pub look: Option<Look>,
}

impl FundsBook {
    pub fn last(&self) -> Reading {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn note(&self, reading: Reading) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

impl GroundBook {
    /// What is known, and when it was heard, unless that is longer ago.
    pub(crate) fn recall(&self, fact: &Fact, now: Time, within: Duration) -> Option<(Time, Known)> {
        let known = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(fact).copied().filter(|(at, _)| now.since(*at) < within)
    }

    pub(crate) fn note(&self, fact: &Fact, heard: Known, now: Time) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(fact.clone(), (now, heard));
    }

    /// Somebody may want it. Whether nobody keeps it young yet.
    pub(crate) fn is_wanted(&self, fact: &Fact, now: Time) -> bool {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(fact.clone(), now).is_none()
    }

    /// Whether nobody has wanted it for a while: then whoever keeps it young lets it go.
    pub(crate) fn is_let_go(&self, fact: &Fact, now: Time) -> bool {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = wanted.get(fact).is_some_and(|at| now.since(*at) < limits::BLOCK_IS_WANTED);
        if !is_wanted {
            wanted.remove(fact);
        }
        !is_wanted
    }

    /// What was known turned out to be otherwise.
    pub(crate) fn forget(&self) {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl ListingBook {
    /// What is known, and how old it is.
    pub(crate) fn recall(&self, asked: &str, now: Time) -> Option<(Duration, Arc<Listing>)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, listing) = known.get(asked)?;
        Some((now.since(*at), listing.clone()))
    }

    /// The oldest gives way.
    pub(crate) fn note(&self, asked: &str, listing: Arc<Listing>, now: Time) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(asked.to_owned(), (now, listing));
        if known.len() > limits::LISTINGS {
            let oldest = known.iter().min_by_key(|(_, (at, _))| *at).map(|(asked, _)| asked.clone());
            oldest.map(|oldest| known.remove(&oldest));
        }
    }
}

impl Parts {
    pub(crate) fn screen(&self) -> Option<&dyn Screen> {
        self.screen.get().map(AsRef::as_ref)
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// At most `most` bytes from `offset` on of what a purchase brought, wherever they lie; none where they are gone.
    pub(crate) async fn stored_bytes(&self, entry: &Entry, offset: u64, most: u64) -> Option<Vec<u8>> {
        if !entry.body_kept {
            return None;
        }
        let total = entry.body_bytes.unwrap_or_default();
        if let Ok(Some(body)) = self.ledger.small_body(entry.row).await {
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(body.len());
            let to = from.saturating_add(usize::try_from(most).unwrap_or(usize::MAX)).min(body.len());
            return (body.len() as u64 == total).then(|| body[from..to].to_vec());
        }
        let (bodies, agent, id) = (self.bodies.clone(), entry.agent.clone(), entry.purchase_id.clone());
        let read = tokio::task::spawn_blocking(move || bodies.read(&agent, &id, total, offset, most)).await;
        read.ok()?.ok()
    }

    /// The policy as it stands on the disk now.
    pub(crate) fn policy(&self) -> Result<Arc<Policy>, Reason> {
        self.rules.current().map_err(|cause| {
            let message = format!("the policy is not right, so nothing is paid: {}", cause.in_one_line());
            Reason::new("policy_invalid", "policy.toml", message, Who::Owner)
        })
    }

    /// policy.toml was changed, and its owner has not applied it.
    pub fn is_held_back(&self) -> bool {
        self.rules.is_held_back()
    }

    /// Said beside every decision that a changed policy might have made otherwise.
    pub(crate) fn not_applied(&self) -> Option<Reason> {
        let told = |what: &str| {
            let message =
                format!("{what} was changed and is not in force until its owner applies it; the one before it is");
            Reason::new("policy_not_applied", "policy.toml", message, Who::Owner)
        };
        self.rules.held_back().map(told)
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Held by a purchase for as long as it is under way; `None` once bursar is leaving.
    pub(crate) async fn stay(&self) -> Option<tokio::sync::OwnedRwLockReadGuard<()>> {
        if self.is_leaving() {
            return None;
        }
        self.under_way.clone().try_read_owned().ok()
    }
}

pub(crate) fn wallet_reason(cause: &WalletError) -> Reason {
    Reason::new(cause.code(), "wallet", cause.to_string(), Who::Owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_listing_gives_way_when_there_are_too_many() {
        let book = ListingBook::default();
        let at = |nth: usize| Time::from_secs(nth as i64);
        for nth in 0..=limits::LISTINGS {
            book.note(&nth.to_string(), Arc::default(), at(nth));
        }
        let now = at(1_000);
        assert!(book.recall("0", now).is_none());
        let (age, _) = book.recall("1", now).unwrap();
        assert_eq!(age, Duration::from_secs(999));
        assert!(book.recall(&limits::LISTINGS.to_string(), now).is_some());
    }
}
