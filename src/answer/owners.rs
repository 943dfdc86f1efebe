//! What the owner is told: questions, stories, reports. Field names are the contract of `--json`.

use serde::Serialize;

use super::{Event, OfferVerdict, Row, SpendQuery, Totals};
use crate::money::Usd;
use crate::policy;
use crate::reason::{Reason, Who};
use crate::time::Time;

/// A question that could not be answered: why, in the same words as a refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    pub reasons: Vec<Reason>,
    pub next: String,
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
    pub verdict: OfferVerdict,
    pub rules: Vec<policy::RuleReport>,
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

/// Something the owner must hear about: an alarm, a breaker that tripped, a budget that is nearly spent.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    pub at: Time,
    pub kind: String,
    pub message: String,
}

impl Refusal {
    pub fn of(code: &str, cause: impl std::fmt::Display, next: &str) -> Refusal {
        let reason = Reason::new(code, "bursar", cause.to_string(), Who::Owner);
        Refusal { reasons: vec![reason], next: next.to_owned() }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let messages: Vec<&str> = self.reasons.iter().map(|reason| reason.message.as_str()).collect();
        write!(f, "{}\n  {}", messages.join("; "), self.next)
    }
}

impl std::error::Error for Refusal {}
