//! Everything that belongs to one home, put together: ledger, wallet, seller, chains and rules.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use serde::Serialize;
use tokio::sync::{Mutex, Notify, RwLock};

use crate::chain::{Chains, Nodes, Rpc};
use crate::config::{Config, Home, OwnerFile, PolicyFile, Store as KeptIn};
use crate::funds::FundsBook;
pub use crate::ledger::By;
use crate::ledger::{Bodies, Ledger, LedgerError};
use crate::limits;
use crate::money::{Assets, Usd};
use crate::owner::passphrase::{mark_of, policy_replaced, tampered};
use crate::policy::{self, Policy};
use crate::purchase::answer::{Event, Row, SpendQuery, Totals};
use crate::reason::{Reason, Who};
use crate::seller::{HttpSeller, Seller};
use crate::time::{Clock, Time};
use crate::wallet::{Anchor, OwnerMark, PassphraseSource, Store, Wallet, WalletError};

pub struct Bursar {
    pub(crate) ledger: Ledger,
    pub(crate) bodies: Bodies,
    /// None: nothing can be paid yet, and everything free works.
    pub(crate) wallet: Option<Wallet>,
    pub(crate) seller: Arc<dyn Seller>,
    pub(crate) chains: Arc<dyn Chains>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rules: PolicyFile,
    pub(crate) owner_file: OwnerFile,
    pub(crate) assets: Assets,
    pub(crate) funds: FundsBook,
    screen: OnceLock<Arc<dyn Screen>>,
    /// Something is unproven: reconciling has work.
    pub(crate) doubt: Notify,
    /// Set once the ledger was found to be the one this key has been spending from: with which owner's passphrase and
    /// policy.
    sealed: Mutex<Option<Option<OwnerMark>>>,
    anchor_due: AtomicBool,
    /// Every purchase under way holds this for reading; leaving waits to hold it for writing.
    under_way: Arc<RwLock<()>>,
    leaving: AtomicBool,
}

/// The ports a house stands on: the real ones in life, others in a simulation.
pub struct Ports {
    pub wallet: Option<Wallet>,
    pub seller: Arc<dyn Seller>,
    pub chains: Arc<dyn Chains>,
    pub clock: Arc<dyn Clock>,
}

/// The system's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A question that could not be answered: why, in the same words as a refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub reasons: Vec<Reason>,
    pub next: String,
}

/// Whoever called and waits: it is told that the purchase goes on, and may have a person to put a question to.
pub trait Caller: Send + Sync {
    fn step(&self, message: &str);

    /// Whether the answer will still be heard: what nobody hears is handed over at the next call.
    fn is_heard(&self) -> bool {
        true
    }

    /// Puts a question before the person there, if it can.
    fn ask(&self, _: &Pending, _: &Ways) -> Asked {
        Asked::Nowhere
    }
}

/// How a host may ask.
#[derive(Clone, Debug)]
pub struct Ways {
    /// With a form, since a yes given there would count.
    pub form: bool,
    /// By showing the way to the owner's own page.
    pub page: Option<String>,
}

pub enum Asked {
    /// There is nobody, or no way to ask.
    Nowhere,
    /// It is being asked now.
    Here(Shut),
    /// The answer to this very call carries the question.
    InTheAnswer,
}

/// Ends when nobody can answer there any more.
pub type Shut = BoxFuture<'static, ()>;

/// Nobody listens.
pub struct Quiet;

impl Caller for Quiet {
    fn step(&self, _: &str) {}
}

/// What reaches the owner beside the terminal: notes on the desktop, the review page.
pub trait Screen: Send + Sync {
    /// A note that asks for nothing.
    fn note(&self, title: &str, text: &str);

    /// Shows a question. Whether it can be answered where it is shown, so that it is worth waiting for.
    fn ask(&self, question: &Pending) -> bool;

    /// Where a question can be answered by an owner who is logged in there. It logs nobody in.
    fn address(&self, _: &Pending) -> Option<String> {
        None
    }
}

/// A question before the owner, with its exact terms.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    pub purchase_id: String,
    pub agent: String,
    pub asked_at: Time,
    pub expires_at: Time,
    pub method: String,
    /// What is paid for, with its query values: the owner sees them.
    pub url: String,
    /// What the agent asked for, where that led elsewhere.
    pub led_from: Option<String>,
    pub domain: String,
    pub amount_usd: Usd,
    pub amount: String,
    pub asset: String,
    pub network: String,
    pub payee: String,
    pub reasons: Vec<Reason>,
    /// Already said yes to, and until when that stands.
    pub approved_until: Option<Time>,
    /// What a yes or a no is for, exactly.
    pub terms: String,
}

/// What a changed `policy.toml` would change, before its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// The hashes of the policy in force and of the file.
    pub from: String,
    pub to: String,
    /// None of them: the file says the same in other words.
    pub changes: Vec<policy::Change>,
}

/// Everything known about one purchase, for the owner.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    pub row: Row,
    pub url: String,
    pub client: Option<String>,
    pub offers: serde_json::Value,
    pub rules: serde_json::Value,
    pub policy_hash: Option<String>,
    pub events: Vec<Event>,
    pub receipt: Option<serde_json::Value>,
    pub evidence: serde_json::Value,
    pub window_ends: Option<Time>,
}

/// What reconciling found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reconciled {
    pub looked_at: usize,
    pub settled: Vec<String>,
    pub lapsed: Vec<String>,
    /// Still waiting: which, why, and until when at the earliest.
    pub waiting: Vec<Waiting>,
    pub alarms: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    pub purchase_id: String,
    pub why: String,
    pub until: Option<Time>,
}

/// What the policy would say of a price, for `bursar policy explain`.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    pub verdict: crate::purchase::answer::OfferVerdict,
    pub rules: Vec<crate::policy::RuleReport>,
    /// What the policy's file says otherwise is not in force, and does not count here.
    pub change_not_applied: bool,
}

/// What an audit found: nothing wrong is an empty list.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    pub purchases: u64,
    pub authorizations: u64,
    pub events: u64,
    pub settled_usd: Usd,
    pub held_usd: Usd,
    pub violations: Vec<String>,
}

/// What the owner asks of the log: all agents, more filters.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    pub spend: SpendQuery,
    pub agent: Option<String>,
    pub session: Option<String>,
    /// Show query values.
    pub unmasked: bool,
    /// Only what came after the owner's last review.
    pub unreviewed: bool,
    pub oldest_first: bool,
}

/// A line of what the log adds up to: a day, a domain, a session or an agent, and its totals.
#[derive(Clone, Debug, Serialize)]
pub struct Sum {
    pub key: String,
    #[serde(flatten)]
    pub totals: Totals,
}

/// What has happened since a place in the history.
#[derive(Clone, Debug)]
pub struct News {
    /// Where to go on from.
    pub event: i64,
    pub purchases: Vec<Row>,
    pub notices: Vec<Notice>,
}

/// What another policy would have done to the recorded past.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    pub since: Option<Time>,
    /// What was paid then, and what this policy says of it; `now_refused` is what it would have saved.
    pub paid: Outcomes,
    /// What was asked then and not paid.
    pub asked: Outcomes,
    pub refused: Outcomes,
    /// Purchases it judges otherwise, and the first of them.
    pub changed: u64,
    pub changes: Vec<Changed>,
    /// Terms or assets that are not known any more.
    pub not_replayed: u64,
}

/// Purchases of one outcome then, by their outcome now.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Outcomes {
    pub all: Dollars,
    pub now_paid: Dollars,
    pub now_asked: Dollars,
    pub now_refused: Dollars,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Dollars {
    pub count: u64,
    pub usd: Usd,
}

/// A purchase that another policy judges otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    pub purchase: Row,
    pub then: &'static str,
    pub now: &'static str,
    pub reasons: Vec<Reason>,
}

/// How things stand, and how much a day may cost.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    pub stands: crate::ledger::Glance,
    pub limit: Option<Usd>,
    /// policy.toml was changed and is not in force.
    pub is_held_back: bool,
}

/// Something the owner must hear about: an alarm, a breaker that tripped, a budget that is nearly spent.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    pub at: Time,
    pub kind: String,
    pub message: String,
}

impl Bursar {
    /// Opens what is in a home. Nothing is signed, asked or unlocked yet. `passphrases` says where the key file's may
    /// come from; a server has no terminal to ask at.
    pub async fn open(home: &Home, passphrases: Vec<PassphraseSource>) -> Result<Arc<Bursar>, Refusal> {
        home.prepare()
            .map_err(|cause| Refusal::of("home_unusable", cause, "fix the home directory and start again"))?;
        let config = Config::load(home).map_err(|cause| {
            Refusal::of("config_invalid", cause.in_one_line(), "correct config.toml and start again")
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match config.wallet.store {
            Some(KeptIn::File) if passphrases.contains(&PassphraseSource::Prompt) => {
                Store::file(home.dir(), passphrases).waiting(limits::TYPING_WAIT)
            }
            Some(KeptIn::File) => Store::file(home.dir(), passphrases),
            _ => Store::keyring(home.dir()),
        };
        let wallet = config.wallet.address.map(|address| Wallet::open(store, address, clock.clone()));
        let chains = Arc::new(Rpc::new(nodes(&config)));
        let seller = Arc::new(HttpSeller::new());
        Bursar::over(home, config.assets(), Ports { wallet, seller, chains, clock })
    }

    /// The same house over other ports.
    pub fn over(home: &Home, assets: Assets, ports: Ports) -> Result<Arc<Bursar>, Refusal> {
        let Ports { wallet, seller, chains, clock } = ports;
        private_dir(&home.purchases_dir())
            .and_then(|()| private_dir(&home.leases_dir()))
            .map_err(|cause| Refusal::of("home_unusable", cause, "fix the home directory and start again"))?;
        let nonce = fresh().map_err(|cause| Refusal::of("no_randomness", cause, "start again"))?;
        let ledger =
            Ledger::open(&home.ledger_file(), &home.leases_dir(), nonce, clock.now()).map_err(Refusal::from)?;
        let funds = FundsBook::new(wallet.as_ref().map(Wallet::address));
        Ok(Arc::new(Bursar {
            ledger,
            bodies: Bodies::at(&home.purchases_dir()),
            wallet,
            seller,
            chains,
            clock,
            rules: PolicyFile::new(home),
            owner_file: OwnerFile::new(home),
            assets,
            funds,
            screen: OnceLock::new(),
            doubt: Notify::new(),
            sealed: Mutex::new(None),
            anchor_due: AtomicBool::new(false),
            under_way: Arc::new(RwLock::new(())),
            leaving: AtomicBool::new(false),
        }))
    }

    /// What questions and notes are shown on from now on. The first one stays.
    pub fn show_on(&self, screen: Arc<dyn Screen>) {
        let _ = self.screen.set(screen);
    }

    pub(crate) fn screen(&self) -> Option<&dyn Screen> {
        self.screen.get().map(AsRef::as_ref)
    }

    /// A note to the owner, where there is a screen. Foreign text in it is cleaned by whoever shows it.
    pub fn note(&self, title: &str, text: &str) {
        if let Some(screen) = self.screen() {
            screen.note(title, text);
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
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
        let message = "policy.toml was changed and is not in force until its owner applies it; the one before it is";
        self.is_held_back().then(|| Reason::new("policy_not_applied", "policy.toml", message, Who::Owner))
    }

    /// Whether this ledger is the one the key has been spending from, and the policy in force the owner's: a ledger that
    /// is missing, replaced or shorter signs nothing, nor does a policy that the owner's passphrase did not put there.
    pub(crate) async fn check_seal(&self, wallet: &Wallet) -> Result<(), Reason> {
        let owner = self.owner_mark()?;
        let mut sealed = self.sealed.lock().await;
        if sealed.as_ref() == Some(&owner) {
            return Ok(());
        }
        let ours = anchor_of(self.ledger.seal().await?);
        match wallet.anchor().await.map_err(|cause| wallet_reason(&cause))? {
            Some(kept) => {
                let broken = broken_seal(&kept, &ours).or_else(|| tampered(kept.owner.as_ref(), owner.as_ref()));
                broken.map_or(Ok(()), Err)?;
            }
            None => {
                let ours = Anchor { owner: owner.clone(), ..ours };
                wallet.write_anchor(ours).await.map_err(|cause| wallet_reason(&cause))?;
            }
        }
        *sealed = Some(owner);
        Ok(())
    }

    /// The policy a payment is decided by is the one that was sealed: for the moment in which it was read there may have
    /// been another.
    pub(crate) async fn check_policy(&self, policy: &Policy) -> Result<(), Reason> {
        match &*self.sealed.lock().await {
            Some(Some(mark)) if !mark.is_of(&policy.hash, || Policy::built_in().hash) => Err(policy_replaced()),
            _ => Ok(()),
        }
    }

    /// The owner's passphrase and policy as they lie on the disk now.
    fn owner_mark(&self) -> Result<Option<OwnerMark>, Reason> {
        let guarded = self
            .owner_file
            .read()
            .map_err(|cause| Reason::new("owner_unreadable", "owner.json", cause.in_one_line(), Who::Owner))?;
        Ok(guarded.as_ref().map(mark_of))
    }

    /// The ones that were sealed beside the key. None: there is no key, or it has never been used.
    pub(crate) async fn sealed_owner(&self) -> Result<Option<Option<OwnerMark>>, Refusal> {
        let Some(wallet) = &self.wallet else { return Ok(None) };
        Ok(wallet.anchor().await.map_err(|cause| unsealed(&cause))?.map(|kept| kept.owner))
    }

    pub(crate) async fn seal_owner(&self, owner: Option<OwnerMark>) -> Result<(), Refusal> {
        let Some(wallet) = &self.wallet else { return Ok(()) };
        let anchor = Anchor { owner, ..anchor_of(self.ledger.seal().await?) };
        wallet.mark_owner(anchor).await.map_err(|cause| unsealed(&cause))
    }

    /// Notes beside the key how far the ledger has come: soon, and never on the path of a payment.
    pub(crate) fn note_anchor(self: &Arc<Bursar>) {
        const SOON: Duration = Duration::from_secs(2);
        if self.anchor_due.swap(true, Ordering::AcqRel) {
            return;
        }
        let house = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(SOON).await;
            house.write_anchor().await;
        });
    }

    async fn write_anchor(&self) {
        if !self.anchor_due.swap(false, Ordering::AcqRel) {
            return;
        }
        let Some(wallet) = &self.wallet else { return };
        if let Ok(seal) = self.ledger.seal().await
            && let Err(cause) = wallet.write_anchor(anchor_of(seal)).await
        {
            tracing::warn!("how far the ledger has come could not be noted beside the key: {cause}");
        }
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

    /// Takes no new calls and waits until presented purchases close, within [`limits::DRAIN`].
    pub async fn drain(&self) {
        self.leaving.store(true, Ordering::Release);
        if tokio::time::timeout(limits::DRAIN, self.under_way.write()).await.is_err() {
            tracing::warn!("a purchase is still under way; the next start picks it up from the ledger");
        }
        self.write_anchor().await;
        // A copy of ledger.db alone is then the whole ledger.
        if let Err(cause) = self.ledger.fold_in().await {
            tracing::debug!("the ledger's journal stays beside it: {cause}");
        }
    }

    /// What goes on beside the calls of an agent: balances, reconciling, forgetting an idle key, making room.
    pub async fn tend(self: Arc<Bursar>) {
        const HOUR: Duration = Duration::from_secs(3600);
        const SOONEST: Duration = Duration::from_secs(15);
        const LATEST: Duration = Duration::from_secs(600);
        let mut room_made = None;
        let mut pause = SOONEST;
        loop {
            if room_made.is_none_or(|at: Time| self.now().since(at) >= HOUR) {
                room_made = Some(self.now());
                self.make_room().await;
            }
            self.read_funds().await;
            let is_done = self.reconcile().await.is_ok_and(|found| found.waiting.is_empty());
            self.bring_news().await;
            let news = self.wait_for_doubt(if is_done { HOUR } else { pause }).await;
            pause = if news || is_done { SOONEST } else { (pause * 2).min(LATEST) };
        }
    }

    /// Waits until a payment leaves something to find out, or until it is time to ask again. Several payments at once
    /// are one reason to ask.
    async fn wait_for_doubt(&self, at_most: Duration) -> bool {
        const IDLE_CHECK: Duration = Duration::from_secs(60);
        const GATHER: Duration = Duration::from_secs(1);
        let until = tokio::time::Instant::now() + at_most;
        loop {
            let check = (tokio::time::Instant::now() + IDLE_CHECK).min(until);
            tokio::select! {
                () = self.doubt.notified() => {
                    tokio::time::sleep(GATHER).await;
                    return true;
                }
                () = tokio::time::sleep_until(check) => {
                    self.wallet.iter().for_each(Wallet::forget_if_idle);
                    self.bring_news().await;
                }
            }
            if check == until {
                return false;
            }
        }
    }

    async fn make_room(&self) {
        let bodies = self.bodies.clone();
        let swept = tokio::task::spawn_blocking(move || bodies.sweep(SystemTime::now())).await;
        if let Ok(Err(cause)) = swept {
            tracing::warn!("stored bodies could not be cleared away: {cause}");
        }
        if let Err(cause) = self.ledger.tidy(self.now()).await {
            tracing::warn!("the ledger could not be tidied: {cause}");
        }
    }
}

impl Refusal {
    pub fn of(code: &str, cause: impl std::fmt::Display, next: &str) -> Refusal {
        let reason = Reason::new(code, "bursar", cause.to_string(), Who::Owner);
        Refusal { reasons: vec![reason], next: next.to_owned() }
    }
}

impl From<LedgerError> for Refusal {
    fn from(cause: LedgerError) -> Refusal {
        let next = match cause {
            LedgerError::Busy => "try again: another program is writing to the ledger",
            LedgerError::Full => "make room on the disk and try again",
            LedgerError::NotNow(_) | LedgerError::Conflict(_) => "look at the purchase as it stands now",
            LedgerError::ReadOnly => "nothing was signed: make ledger.db and its folder writable for this user",
            LedgerError::Newer { .. } => "nothing was signed: install the bursar that wrote it, or a newer one",
            LedgerError::Damaged(_) => {
                "nothing is signed: put a copy of ledger.db in its place, or move it away to begin a new one, and then \
                 say so with `bursar ledger adopt`"
            }
            LedgerError::CommitFailed(_) | LedgerError::Io(_) => {
                "nothing was signed: make sure that ledger.db and its folder can be written, and try again"
            }
        };
        Refusal { reasons: vec![cause.into()], next: next.to_owned() }
    }
}

impl From<LedgerError> for Reason {
    fn from(cause: LedgerError) -> Reason {
        let who = match cause {
            LedgerError::Busy | LedgerError::NotNow(_) => Who::Time,
            LedgerError::Conflict(_) => Who::Agent,
            _ => Who::Owner,
        };
        Reason::new(cause.code(), "ledger", cause.to_string(), who)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let messages: Vec<&str> = self.reasons.iter().map(|reason| reason.message.as_str()).collect();
        write!(f, "{}\n  {}", messages.join("; "), self.next)
    }
}

impl std::error::Error for Refusal {}

pub(crate) fn wallet_reason(cause: &WalletError) -> Reason {
    Reason::new(cause.code(), "wallet", cause.to_string(), Who::Owner)
}

/// Fresh randomness, for ids and nonces.
pub(crate) fn fresh<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn anchor_of(seal: crate::ledger::Seal) -> Anchor {
    Anchor { ledger_id: seal.ledger_id, authorizations: seal.authorizations, owner: None }
}

/// Why a ledger is not the one that was noted beside the key.
fn broken_seal(kept: &Anchor, ours: &Anchor) -> Option<Reason> {
    let (code, what) = if kept.ledger_id != ours.ledger_id {
        let what = "the ledger is not the one this wallet has been spending from: it is missing or was replaced";
        ("ledger_replaced", what.to_owned())
    } else if kept.authorizations > ours.authorizations {
        let (held, made) = (ours.authorizations, kept.authorizations);
        let what = format!(
            "the ledger holds {held} authorizations, and this wallet has made at least {made}: it was rolled back"
        );
        ("ledger_rolled_back", what)
    } else {
        return None;
    };
    let message = format!("{what}. Nothing is signed until its owner restores or adopts it");
    Some(Reason::new(code, "ledger", message, Who::Owner))
}

fn unsealed(cause: &WalletError) -> Refusal {
    Refusal { reasons: vec![wallet_reason(cause)], next: "nothing was changed: make the wallet reachable".to_owned() }
}

/// Nodes for every chain bursar has an asset on: the owner's, or the built-in ones.
fn nodes(config: &Config) -> Vec<(crate::money::Network, Nodes)> {
    let assets = config.assets();
    let mut networks: Vec<_> = assets.networks().into_iter().chain(config.chains().cloned()).collect();
    networks.sort();
    networks.dedup();
    let of = |network: &crate::money::Network| {
        let chain = config.chain(network);
        Nodes { rpc: chain.rpc, confirmations: chain.confirmations }
    };
    networks.into_iter().map(|network| (network.clone(), of(&network))).collect()
}

fn private_dir(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
