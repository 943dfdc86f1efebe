//! What the owner is told: questions, stories, reports. Field names are the contract of `--json`.

use serde::Serialize;

use super::{Event, OfferVerdict, Row, SpendQuery, Totals};
use crate::money::Usd;
use crate::offer::Needs;
use crate::policy;
use crate::reason::{Reason, Who};
use crate::time::Time;

/// A question that could not be answered: why, in the same words as a refusal.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// What can be done now, in one sentence.
    pub next: String,
}

/// A question before the owner, with its exact terms.
#[derive(Clone, Debug, Serialize)]
pub struct Pending {
    /// The purchase's id.
    pub purchase_id: String,
    /// Whose purchase it is.
    pub agent: String,
    /// When it was asked.
    pub asked_at: Time,
    /// Until when it stands.
    pub expires_at: Time,
    /// The HTTP method.
    pub method: String,
    /// What is paid for, with its query values: the owner sees them.
    pub url: String,
    /// What the agent asked for, where that led elsewhere.
    pub led_from: Option<String>,
    /// Of which domain.
    pub domain: String,
    /// How much, in US dollars.
    pub amount_usd: Usd,
    /// How much, in atomic units.
    pub amount: String,
    /// Which asset.
    pub asset: String,
    /// On which network.
    pub network: String,
    /// Who is paid.
    pub payee: String,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// Already said yes to, and until when that stands.
    pub approved_until: Option<Time>,
    /// What a yes or a no is for, exactly.
    pub terms: String,
}

/// What a changed `policy.toml` would change, before its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// The hash of the policy in force.
    pub from: String,
    /// The hash of the file.
    pub to: String,
    /// None of them: the file says the same in other words.
    pub changes: Vec<policy::Change>,
    /// What is in force is not what its owner put there, so this is everything that differs from the built-in policy.
    pub is_whole: bool,
}

/// Everything known about one purchase, for the owner.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// Its row.
    pub row: Row,
    /// The URL; of a tool, its place.
    pub url: String,
    /// Of a tool, the server that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What the host says of itself.
    pub client: Option<String>,
    /// Every offer, and what the policy says of it.
    pub offers: serde_json::Value,
    /// What each rule said.
    pub rules: serde_json::Value,
    /// Which policy decided.
    pub policy_hash: Option<String>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
    /// What is wrong with what came for the money, if anything is.
    pub complaint: Option<String>,
    /// What the seller says of the payment.
    pub receipt: Option<serde_json::Value>,
    /// What the chain said, when it proved something.
    pub evidence: serde_json::Value,
    /// When the seller cannot take it any more.
    pub window_ends: Option<Time>,
}

/// What reconciling found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Reconciled {
    /// How many were looked at.
    pub looked_at: usize,
    /// What settled.
    pub settled: Vec<String>,
    /// Purchases proven never taken.
    pub lapsed: Vec<String>,
    /// Still waiting: which, why, and until when at the earliest.
    pub waiting: Vec<Waiting>,
    /// What the owner must hear about.
    pub alarms: Vec<String>,
}

/// A payment whose end nobody can tell yet.
#[derive(Clone, Debug, Serialize)]
pub struct Waiting {
    /// The purchase's id.
    pub purchase_id: String,
    /// Why.
    pub why: String,
    /// Until when.
    pub until: Option<Time>,
}

/// What the policy would say of a price, for `bursar policy explain`.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// What the policy says.
    pub verdict: OfferVerdict,
    /// What each rule said.
    pub rules: Vec<policy::RuleReport>,
    /// Whether the wallet may sign in there to get again what it paid for.
    pub sign_in: policy::RuleReport,
    /// What the policy's file says otherwise is not in force, and does not count here.
    pub change_not_applied: bool,
}

/// What an audit found: nothing wrong is an empty list.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// How many purchases there are.
    pub purchases: u64,
    /// How many authorizations there are.
    pub authorizations: u64,
    /// How many events there are.
    pub events: u64,
    /// What settled, in US dollars.
    pub settled_usd: Usd,
    /// What counts and whose outcome is not known.
    pub held_usd: Usd,
    /// What does not agree; nothing where all is well.
    pub violations: Vec<String>,
}

/// What the owner asks of the log: all agents, more filters.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// What of the log, as an agent may ask.
    pub spend: SpendQuery,
    /// Whose purchase it is.
    pub agent: Option<String>,
    /// Which session.
    pub session: Option<String>,
    /// Show query values.
    pub unmasked: bool,
    /// Only what came after the owner's last review.
    pub unreviewed: bool,
    /// The oldest first.
    pub oldest_first: bool,
}

/// A line of what the log adds up to: a day, a domain, a session or an agent, and its totals.
#[derive(Clone, Debug, Serialize)]
pub struct Sum {
    /// What it is added up by.
    pub key: String,
    /// What all of them add up to.
    #[serde(flatten)]
    pub totals: Totals,
}

/// What could not be bought for lack of one way to pay, added up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// What is missing.
    pub needs: Needs,
    /// The same, for people.
    pub what: &'static str,
    /// How many purchases.
    pub count: u64,
    /// At how many hosts.
    pub hosts: u64,
    /// What the sellers asked for, where it was in an asset that is known.
    pub claimed_usd: Usd,
    /// How many of the purchases that is of.
    pub priced: u64,
}

/// All of it, the most wanted first.
#[derive(Clone, Debug, Default)]
pub struct UnmetDemand {
    /// A line for each thing that is missing. A purchase that several of them would pay for is in each.
    pub lines: Vec<Unmet>,
    /// How many purchases that is in all.
    pub count: u64,
    /// Older refusals were not looked at any more.
    pub is_cut: bool,
}

/// What is known of one seller, for `bursar sellers`. Paid is what it took or may have taken.
#[derive(Clone, Debug, Serialize)]
pub struct SellerRecord {
    /// The registrable domain.
    pub domain: String,
    /// How many payments.
    pub paid: u64,
    /// What they come to, in US dollars.
    pub paid_usd: Usd,
    /// The part of it whose outcome is not known.
    pub held_usd: Usd,
    /// Complete answers of success.
    pub delivered: u64,
    /// Payments that brought none.
    pub not_delivered: u64,
    /// Delivered, and nothing was in it.
    pub empty: u64,
    /// Delivered, and it was an error.
    pub error_page: u64,
    /// Delivered, and it was of another type than was offered.
    pub other_type: u64,
    /// All that was paid, for each good delivery; none where there is none.
    pub per_delivery_usd: Option<Usd>,
    /// Receipts that were not true: for another payment, or for money that never moved.
    pub lied: u64,
    /// When it was first dealt with.
    pub first: Time,
    /// When it was last.
    pub last: Time,
}

/// What has happened since a place in the history.
#[derive(Clone, Debug)]
pub struct News {
    /// Where to go on from.
    pub event: i64,
    /// The purchases it happened to, as they stand now.
    pub purchases: Vec<Row>,
    /// What the owner is told, and where.
    pub notices: Vec<Notice>,
}

/// What another policy would have done to the recorded past.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// From when on.
    pub since: Option<Time>,
    /// What was paid then, and what this policy says of it; `now_refused` is what it would have saved.
    pub paid: Outcomes,
    /// What was asked then and not paid.
    pub asked: Outcomes,
    /// What was refused then.
    pub refused: Outcomes,
    /// How many purchases it judges otherwise.
    pub changed: u64,
    /// The first of them.
    pub changes: Vec<Changed>,
    /// Terms or assets that are not known any more.
    pub not_replayed: u64,
}

/// Purchases of one outcome then, by their outcome now.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Outcomes {
    /// All of them.
    pub all: Dollars,
    /// Of these, what the other policy pays.
    pub now_paid: Dollars,
    /// Of these, what the other policy asks about.
    pub now_asked: Dollars,
    /// Of these, what the other policy refuses.
    pub now_refused: Dollars,
}

/// How many, and what they come to.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Dollars {
    /// How many.
    pub count: u64,
    /// In US dollars.
    pub usd: Usd,
}

/// A purchase that another policy judges otherwise.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The purchase.
    pub purchase: Row,
    /// What was done then.
    pub then: &'static str,
    /// What this policy says of it.
    pub now: &'static str,
    /// Why it says so.
    pub reasons: Vec<Reason>,
}

/// Something the owner must hear about: an alarm, a breaker that tripped, a budget that is nearly spent.
#[derive(Clone, Debug, Serialize)]
pub struct Notice {
    /// When.
    pub at: Time,
    /// What kind it is.
    pub kind: String,
    /// What happened, in a sentence.
    pub message: String,
    /// What it comes to, where it is about a budget.
    #[serde(skip)]
    pub usd: Option<Usd>,
    /// It is about what tools of a server say of themselves.
    #[serde(skip)]
    pub is_of_tools: bool,
}

impl Refusal {
    /// One reason, for the owner to act on.
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
