//! What an agent is told. Field names and values are the contract of the tools; text of others is data in them.
//! What the owner is told beside it is in `owners`.

mod owners;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::owners::*;
use crate::money::Usd;
use crate::offer::Dialect;
use crate::reason::Reason;
pub use crate::settlement::Charged;
use crate::time::Time;

/// The answer of `fetch_paid`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Answer {
    pub outcome: Outcome,
    /// Whether money moved, which is independent of the outcome.
    pub charged: Charged,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    #[serde(flatten)]
    pub body: Option<Body>,
    pub served_from_store: bool,
    pub age_s: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_left_usd: Option<BudgetLeft>,
    pub reasons: Vec<Reason>,
    /// What the agent can do now, in one sentence.
    pub next: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The seller's final answer is inside, free or paid, whatever its status.
    Answered,
    /// Still under way: call again with this id.
    Pending,
    NeedsApproval,
    Refused,
    Held,
    Failed,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Http {
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    pub final_url: String,
}

/// The seller's body, or as much of it as was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Body {
    pub body: String,
    /// Who wrote it: `api.example.com (untrusted)`.
    pub body_source: String,
    pub body_encoding: Encoding,
    pub body_bytes: u64,
    pub truncated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    Text,
    Base64,
    None,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Payment {
    #[schemars(with = "String")]
    pub amount_usd: Usd,
    pub amount_atomic: String,
    pub asset: String,
    pub network: String,
    pub payee: String,
    #[schemars(with = "String")]
    pub dialect: Dialect,
    pub scheme: String,
    pub state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_tx: Option<String>,
    /// Who says so: `seller`, `chain` or `none`.
    pub proof: String,
}

/// What is left; `null` is no limit.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct BudgetLeft {
    #[schemars(with = "Option<String>")]
    pub session: Option<Usd>,
    #[schemars(with = "Option<String>")]
    pub domain: Option<Usd>,
    #[schemars(with = "Option<String>")]
    pub day: Option<Usd>,
}

/// The answer of `quote`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Quote {
    pub payable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// A free endpoint's own answer.
    #[serde(flatten)]
    pub body: Option<Body>,
    pub offers: Vec<QuotedOffer>,
    /// Index into `offers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_left_usd: Option<BudgetLeft>,
    pub reasons: Vec<Reason>,
    pub next: String,
    /// Set when the question itself could not be asked.
    pub failed: bool,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuotedOffer {
    #[schemars(with = "String")]
    pub dialect: Dialect,
    pub scheme: String,
    pub network: String,
    pub asset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub amount_usd: Option<Usd>,
    pub amount_atomic: String,
    pub payee: String,
    pub verdict: OfferVerdict,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfferVerdict {
    Allow,
    Ask,
    Refuse,
    Unpayable,
}

/// The answer of `get_balance`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Balances {
    pub address: String,
    pub balances: Vec<Balance>,
    /// How much of it the budgets let be spent now.
    #[schemars(with = "String")]
    pub spendable_usd: Usd,
    #[schemars(with = "String")]
    pub as_of: Time,
    /// Networks whose nodes did not answer, and why.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Balance {
    pub network: String,
    pub asset: String,
    /// In whole units, exactly.
    pub amount: String,
    pub amount_atomic: String,
    #[schemars(with = "String")]
    pub usd: Usd,
}

/// The answer of `get_budget`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Budgets {
    pub budgets: Vec<Budget>,
    /// The owner stopped all spending.
    pub frozen: bool,
    /// The owner changed the policy and has not applied it: these limits are the ones before the change.
    pub change_not_applied: bool,
}

/// One cap. `used_usd` is all that counts, `held_usd` the part of it whose outcome is not known.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Budget {
    pub scope: String,
    pub window: String,
    #[schemars(with = "String")]
    pub limit_usd: Usd,
    #[schemars(with = "String")]
    pub used_usd: Usd,
    #[schemars(with = "String")]
    pub held_usd: Usd,
    #[schemars(with = "String")]
    pub left_usd: Usd,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub frees_at: Option<Time>,
}

/// What `list_spend` and `bursar log` are asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendQuery {
    /// RFC 3339, or a span back from now such as `24h`.
    #[serde(default)]
    pub since: Option<String>,
    #[serde(default)]
    pub until: Option<String>,
    #[serde(default)]
    pub domain: Option<String>,
    #[serde(default)]
    pub state: Option<String>,
    #[serde(default)]
    pub limit: Option<usize>,
    #[serde(default)]
    pub cursor: Option<String>,
}

/// The answer of `list_spend`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Spend {
    pub purchases: Vec<Row>,
    pub totals: Totals,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Totals {
    pub count: u64,
    #[schemars(with = "String")]
    pub settled_usd: Usd,
    /// Authorized or held: counts as spent, outcome not known.
    #[schemars(with = "String")]
    pub held_usd: Usd,
}

/// One purchase as `list_spend` lists it and `bursar log --json` prints it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    pub purchase_id: String,
    #[schemars(with = "String")]
    pub at: Time,
    pub agent: String,
    pub session: Option<String>,
    pub method: String,
    pub url: String,
    pub domain: String,
    pub state: String,
    pub delivered: bool,
    pub http_status: Option<u16>,
    #[schemars(with = "Option<String>")]
    pub amount_usd: Option<Usd>,
    pub amount_atomic: Option<String>,
    pub asset: Option<String>,
    pub network: Option<String>,
    pub payee: Option<String>,
    pub dialect: Option<String>,
    pub scheme: Option<String>,
    pub chain_tx: Option<String>,
    pub proof: Option<String>,
    pub reasons: Vec<Reason>,
}

/// The answer of `get_purchase`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Purchase {
    #[serde(flatten)]
    pub row: Row,
    #[serde(flatten)]
    pub body: Option<Body>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    /// The seller's own words about the payment, as it sent them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<serde_json::Value>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    #[schemars(with = "String")]
    pub at: Time,
    pub kind: String,
    pub detail: serde_json::Value,
}

impl Answer {
    /// What hosts show as an error: refused, held and failed.
    pub fn is_error(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::Held | Outcome::Failed)
    }
}
