//! What an agent is told. Field names and values are the contract of the tools; text of others is data in them.
//! What the owner is told beside it is in `owners`.

mod found;
mod owners;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::found::*;
pub use self::owners::*;
use crate::money::Usd;
use crate::offer::{Attestation, Dialect};
use crate::reason::Reason;
pub use crate::settlement::Charged;
use crate::time::Time;

/// The answer of `fetch_paid`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// What came of the call.
    pub outcome: Outcome,
    /// Whether money moved, which is independent of the outcome.
    pub charged: Charged,
    /// The purchase's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<String>,
    /// The seller's answer, as HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The body.
    #[serde(flatten)]
    pub body: Option<Body>,
    /// The answer was bought before, and cost nothing now.
    pub served_from_store: bool,
    /// How old a stored answer is, in seconds.
    pub age_s: u64,
    /// What was signed for, and what is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// What the caps leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_left_usd: Option<BudgetLeft>,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// What the agent can do now, in one sentence.
    pub next: String,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The seller's final answer is inside, free or paid, whatever its status.
    Answered,
    /// Still under way: call again with this id.
    Pending,
    /// The owner has to say yes first.
    NeedsApproval,
    /// Refused.
    Refused,
    /// Presented, outcome unknown.
    Held,
    /// It did not work; the text says whether money may have moved.
    Failed,
}

/// The seller's answer, as HTTP.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Http {
    /// The HTTP status.
    pub status: u16,
    /// What the seller says the body is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Where the answer came from, after redirects.
    pub final_url: String,
}

/// The seller's body, or as much of it as was asked for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Body {
    /// The body.
    pub body: String,
    /// Who wrote it: `api.example.com (untrusted)`.
    pub body_source: String,
    /// How the body is written here.
    pub body_encoding: Encoding,
    /// How long the whole body is.
    pub body_bytes: u64,
    /// There is more of the body than this.
    pub truncated: bool,
}

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text.
    Text,
    /// In Base64.
    Base64,
    /// There is no body, or it is not handed over.
    None,
}

/// What was signed for, and what is known of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Payment {
    /// How much, in US dollars.
    #[schemars(with = "String")]
    pub amount_usd: Usd,
    /// How much, in atomic units of the asset.
    pub amount_atomic: String,
    /// Which asset.
    pub asset: String,
    /// On which network.
    pub network: String,
    /// Who is paid.
    pub payee: String,
    /// The language of the challenge.
    #[schemars(with = "String")]
    pub dialect: Dialect,
    /// The scheme it is paid by, such as `exact`.
    pub scheme: String,
    /// Where its money is.
    pub state: String,
    /// The chain transaction, as whoever is the proof names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_tx: Option<String>,
    /// Who says so: `seller`, `seen` (by nodes, not final yet), `chain` or `none`.
    pub proof: String,
}

/// What is left; `null` is no limit.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct BudgetLeft {
    /// Of the session's cap.
    #[schemars(with = "Option<String>")]
    pub session: Option<Usd>,
    /// Of the domain's cap for a day.
    #[schemars(with = "Option<String>")]
    pub domain: Option<Usd>,
    /// Of the wallet's cap for a day.
    #[schemars(with = "Option<String>")]
    pub day: Option<Usd>,
}

/// The answer of `quote`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Quote {
    /// The policy would pay one of the offers now.
    pub payable: bool,
    /// The seller's answer, as HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// A free endpoint's own answer.
    #[serde(flatten)]
    pub body: Option<Body>,
    /// Every offer, and what the policy says of it.
    pub offers: Vec<QuotedOffer>,
    /// Index into `offers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chosen: Option<usize>,
    /// What this wallet knows of the seller; absent where it has not dealt with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seller: Option<SellerKnown>,
    /// What the caps leave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_left_usd: Option<BudgetLeft>,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// What can be done now, in one sentence.
    pub next: String,
    /// Set when the question itself could not be asked.
    pub failed: bool,
}

/// What a wallet knows of a seller, of the last so many days.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SellerKnown {
    /// The registrable domain.
    pub domain: String,
    /// How far back this goes.
    pub days: u64,
    /// Payments that it took, or may have taken.
    pub paid: u64,
    /// Of these, complete answers of success.
    pub delivered: u64,
    /// Of these, empty, an error, or of another type than was offered.
    pub bad: u64,
    /// Receipts of it that were not true.
    pub lied: u64,
}

/// One way to pay, and what the policy says of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuotedOffer {
    /// The language of the challenge.
    #[schemars(with = "String")]
    pub dialect: Dialect,
    /// The scheme it is paid by, such as `exact`.
    pub scheme: String,
    /// On which network.
    pub network: String,
    /// Which asset.
    pub asset: String,
    /// How much, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub amount_usd: Option<Usd>,
    /// How much, in atomic units of the asset.
    pub amount_atomic: String,
    /// Who is paid.
    pub payee: String,
    /// What the policy says.
    pub verdict: OfferVerdict,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// What the seller put its name to, where it signed this offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<SignedTerms>,
}

/// What was found of a signed offer.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SignedTerms {
    /// `by_payee`, `expired`, `differs`, `by_another_key`, `cannot_verify` or `wrong_signature`.
    #[schemars(with = "String")]
    pub verdict: Attestation,
    /// Whose key it is or is said to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// In a sentence.
    pub says: String,
}

/// What the policy says of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfferVerdict {
    /// Goes on.
    Allow,
    /// Asks the owner first.
    Ask,
    /// Refuses.
    Refuse,
    /// Cannot be paid, and why.
    Unpayable,
}

/// What an MCP server says of itself, bounded and cleaned.
#[derive(Clone, Debug)]
pub struct ServerMet {
    /// What it calls itself.
    pub name: String,
    /// Whose words these are: `api.example.com (untrusted)`.
    pub source: String,
    /// How it wants to be used.
    pub instructions: Option<String>,
    /// It has resources.
    pub has_resources: bool,
    /// It has prompts.
    pub has_prompts: bool,
}

/// The answer of `list_paid_tools`: a server's own words, bounded and cleaned.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PaidTools {
    /// As it was asked for.
    pub server: String,
    /// Whose words these are: `api.example.com (untrusted)`.
    pub source: String,
    /// Its tools, in its order.
    pub tools: Vec<PaidTool>,
    /// How many more there are than fit in here.
    pub omitted: usize,
    /// What can be done now, in one sentence.
    pub next: String,
}

/// One tool of an MCP server, as it lists it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PaidTool {
    /// As it is called.
    pub name: String,
    /// As logs and rules have it: `mcp://api.example.com/search`.
    pub place: String,
    /// What its server says that it does.
    pub description: String,
    /// What it takes, as its server says; absent where that is too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<serde_json::Map<String, serde_json::Value>>,
    /// What its server claims that a call costs, in US dollars. The call itself says what it does cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub price_usd: Option<Usd>,
    /// Since when it says something else of itself than when it was first listed: its owner may be asked before it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub changed_at: Option<Time>,
}

/// The answer of `get_balance`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Balances {
    /// The address.
    pub address: String,
    /// The address of its second key, on another kind of chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub also: Option<String>,
    /// What the wallet holds, by network and asset.
    pub balances: Vec<Balance>,
    /// How much of it the budgets let be spent now.
    #[schemars(with = "String")]
    pub spendable_usd: Usd,
    /// When that was read.
    #[schemars(with = "String")]
    pub as_of: Time,
    /// Networks whose nodes did not answer, and why.
    pub problems: Vec<String>,
}

/// What the wallet holds of one asset.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Balance {
    /// On which network.
    pub network: String,
    /// Which asset.
    pub asset: String,
    /// In whole units, exactly.
    pub amount: String,
    /// How much, in atomic units of the asset.
    pub amount_atomic: String,
    /// In US dollars.
    #[schemars(with = "String")]
    pub usd: Usd,
}

/// The answer of `get_budget`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Budgets {
    /// Every cap that applies.
    pub budgets: Vec<Budget>,
    /// The owner stopped all spending.
    pub frozen: bool,
    /// The owner changed the policy and has not applied it: these limits are the ones before the change.
    pub change_not_applied: bool,
}

/// One cap. `used_usd` is all that counts, `held_usd` the part of it whose outcome is not known.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Budget {
    /// What it is about.
    pub scope: String,
    /// Over which time.
    pub window: String,
    /// The limit.
    #[schemars(with = "String")]
    pub limit_usd: Usd,
    /// What counts already.
    #[schemars(with = "String")]
    pub used_usd: Usd,
    /// What counts and whose outcome is not known.
    #[schemars(with = "String")]
    pub held_usd: Usd,
    /// What is left.
    #[schemars(with = "String")]
    pub left_usd: Usd,
    /// When more of it comes free.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub frees_at: Option<Time>,
}

impl Budget {
    /// What one payment may take: nothing of it is ever used.
    pub fn of_one_payment(scope: &str, most: Usd) -> Budget {
        let (scope, window) = (scope.to_owned(), "payment".to_owned());
        Budget {
            scope,
            window,
            limit_usd: most,
            used_usd: Usd::ZERO,
            held_usd: Usd::ZERO,
            left_usd: most,
            frees_at: None,
        }
    }
}

/// What `list_spend` and `bursar log` are asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendQuery {
    /// RFC 3339, or a span back from now such as `24h`.
    #[serde(default)]
    pub since: Option<String>,
    /// Until when.
    #[serde(default)]
    pub until: Option<String>,
    /// Of which domain.
    #[serde(default)]
    pub domain: Option<String>,
    /// Where its money is.
    #[serde(default)]
    pub state: Option<String>,
    /// How many purchases at the most.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Where the page before this one ended.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// The answer of `list_spend`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Spend {
    /// One page of them.
    pub purchases: Vec<Row>,
    /// What all of them add up to.
    pub totals: Totals,
    /// Where the next page begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// What a log adds up to.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Totals {
    /// How many.
    pub count: u64,
    /// What settled, in US dollars.
    #[schemars(with = "String")]
    pub settled_usd: Usd,
    /// Authorized or held: counts as spent, outcome not known.
    #[schemars(with = "String")]
    pub held_usd: Usd,
}

/// One purchase as `list_spend` lists it and `bursar log --json` prints it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The purchase's id.
    pub purchase_id: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Time,
    /// Whose purchase it is.
    pub agent: String,
    /// On which machine, where several share a ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// Which session.
    pub session: Option<String>,
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Of which domain.
    pub domain: String,
    /// Where its money is.
    pub state: String,
    /// The goods arrived, whole.
    pub delivered: bool,
    /// The status of the seller's answer.
    pub http_status: Option<u16>,
    /// What came for the money, judged: `fine`, `empty`, `error_page` or `other_type`.
    pub goods: Option<String>,
    /// How much, in US dollars.
    #[schemars(with = "Option<String>")]
    pub amount_usd: Option<Usd>,
    /// How much, in atomic units of the asset.
    pub amount_atomic: Option<String>,
    /// Which asset.
    pub asset: Option<String>,
    /// On which network.
    pub network: Option<String>,
    /// Who is paid.
    pub payee: Option<String>,
    /// The language of the challenge.
    pub dialect: Option<String>,
    /// The scheme it was paid by, such as `exact`.
    pub scheme: Option<String>,
    /// The chain transaction, as whoever is the proof names it.
    pub chain_tx: Option<String>,
    /// Who says so.
    pub proof: Option<String>,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
}

impl Row {
    /// The agent, and on which machine where several share a ledger.
    pub fn who(&self) -> String {
        match &self.machine {
            Some(machine) => format!("{}@{machine}", self.agent),
            None => self.agent.clone(),
        }
    }
}

/// The answer of `get_purchase`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Purchase {
    /// Its row.
    #[serde(flatten)]
    pub row: Row,
    /// The body.
    #[serde(flatten)]
    pub body: Option<Body>,
    /// Where the next page of the body begins; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
    /// The seller's own words about the payment, as it sent them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub receipt: Option<serde_json::Value>,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

/// One thing that happened to a purchase.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    /// When.
    #[schemars(with = "String")]
    pub at: Time,
    /// What kind it is.
    pub kind: String,
    /// What is known of it.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub detail: serde_json::Value,
}

impl Answer {
    /// What hosts show as an error: refused, held and failed.
    pub fn is_error(&self) -> bool {
        matches!(self.outcome, Outcome::Refused | Outcome::Held | Outcome::Failed)
    }
}
