//! Everything that belongs to one home, put together: ledger, wallet, seller, chains and rules.

use std::sync::Arc;

use serde::Serialize;

use crate::config::Home;
use crate::money::Usd;
use crate::purchase::answer::{Answer, Balances, Budgets, Event, Purchase, Quote, Row, Spend, SpendQuery};
use crate::reason::Reason;
use crate::time::Time;
use crate::wish::Call;

pub struct Bursar {}

/// A question that could not be answered: why, in the same words as a refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub reasons: Vec<Reason>,
    pub next: String,
}

/// Who is told that a purchase is still under way.
pub trait Progress: Send + Sync {
    fn step(&self, message: &str);
}

/// Nobody listens.
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, _: &str) {}
}

/// A question before the owner, with its exact terms.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    pub purchase_id: String,
    pub agent: String,
    pub asked_at: Time,
    pub expires_at: Time,
    pub method: String,
    /// With its query values: the owner sees them.
    pub url: String,
    pub domain: String,
    pub amount_usd: Usd,
    pub amount: String,
    pub asset: String,
    pub network: String,
    pub payee: String,
    pub reasons: Vec<Reason>,
    /// Already said yes to, and until when that stands.
    pub approved_until: Option<Time>,
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
}

impl Bursar {
    /// Opens what is in a home. Nothing is signed, asked or unlocked yet. `passphrases` says where the key file's may
    /// come from; a server has no terminal to ask at.
    pub async fn open(home: &Home, passphrases: Vec<crate::wallet::PassphraseSource>) -> Result<Arc<Bursar>, Refusal> {
        let _ = (home, passphrases);
        todo!()
    }

    /// The agent's door, one method a tool. `client` is what the host says of itself: recorded, never trusted.
    pub async fn fetch_paid(
        self: &Arc<Bursar>,
        agent: &str,
        client: Option<&str>,
        call: Call,
        progress: &dyn Progress,
    ) -> Answer {
        let _ = (agent, client, call, progress);
        todo!()
    }

    pub async fn quote(self: &Arc<Bursar>, agent: &str, call: Call) -> Quote {
        let _ = (agent, call);
        todo!()
    }

    pub async fn balances(&self, agent: &str, network: Option<&str>) -> Result<Balances, Refusal> {
        let _ = (agent, network);
        todo!()
    }

    pub async fn budgets(&self, agent: &str, url: Option<&str>) -> Result<Budgets, Refusal> {
        let _ = (agent, url);
        todo!()
    }

    pub async fn spend(&self, agent: &str, query: SpendQuery) -> Result<Spend, Refusal> {
        let _ = (agent, query);
        todo!()
    }

    pub async fn purchase(
        &self,
        agent: &str,
        purchase_id: &str,
        offset: u64,
        max_chars: Option<usize>,
    ) -> Result<Purchase, Refusal> {
        let _ = (agent, purchase_id, offset, max_chars);
        todo!()
    }

    /// Takes no new calls and waits until presented purchases close, within `limits::DRAIN`.
    pub async fn drain(&self) {
        todo!()
    }

    /// The owner's door. IDs may be shortened to any unambiguous beginning.
    pub async fn log(&self, query: LogQuery) -> Result<Spend, Refusal> {
        let _ = query;
        todo!()
    }

    pub async fn why(&self, id: &str) -> Result<Story, Refusal> {
        let _ = id;
        todo!()
    }

    pub async fn pending(&self) -> Result<Vec<Pending>, Refusal> {
        todo!()
    }

    /// The caller has made sure that this is the owner.
    pub async fn approve(&self, id: &str) -> Result<Pending, Refusal> {
        let _ = id;
        todo!()
    }

    pub async fn deny(&self, id: &str) -> Result<Pending, Refusal> {
        let _ = id;
        todo!()
    }

    pub async fn freeze(&self, why: &str) -> Result<(), Refusal> {
        let _ = why;
        todo!()
    }

    pub async fn thaw(&self) -> Result<(), Refusal> {
        todo!()
    }

    pub async fn reconcile(&self) -> Result<Reconciled, Refusal> {
        todo!()
    }

    /// Gives the budget of an open authorization back by the owner's word.
    pub async fn release(&self, id: &str) -> Result<Row, Refusal> {
        let _ = id;
        todo!()
    }

    pub async fn audit(&self) -> Result<Audit, Refusal> {
        todo!()
    }

    /// What the policy would say of a price at a URL now, rule by rule. Nobody is asked, nothing is spent.
    pub async fn explain(&self, agent: &str, method: &str, url: &str, price: Usd) -> Result<Explained, Refusal> {
        let _ = (agent, method, url, price);
        todo!()
    }

    /// Accepts a restored ledger: it becomes this wallet's, and every window counts as full until it rolls.
    pub async fn adopt(&self) -> Result<(), Refusal> {
        todo!()
    }
}
