//! What is told of things for sale: claims of strangers, beside what this wallet knows itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SellerKnown;
use crate::listing::{HealthClaim, PriceNote};
use crate::money::Usd;
use crate::reason::Reason;
use crate::time::Time;

/// What `find_paid` and `bursar find` are asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindQuery {
    /// What is looked for, in a few words; or the address of a server.
    pub query: String,
    /// Only such things.
    #[serde(default)]
    pub kind: Option<FoundKind>,
    /// Only what is said to cost no more, in US dollars.
    #[serde(default)]
    pub max_price: Option<String>,
    /// How many at the most.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FoundKind {
    /// A URL.
    Http,
    /// A tool of an MCP server.
    Tool,
}

/// The answer of `find_paid`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Found {
    /// What fits, the best first. Names, descriptions, addresses and prices are claims of strangers.
    pub results: Vec<FoundThing>,
    /// Who was asked, and what came of it.
    pub directories: Vec<DirectoryTold>,
    /// What can be done now, in one sentence.
    pub next: String,
}

/// One thing that is said to be for sale.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FoundThing {
    /// What kind of thing it is.
    pub kind: FoundKind,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Where it is had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The MCP server, of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Names of what it takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// What it is said to cost, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub price_usd: Option<Usd>,
    /// The same in atomic units of the asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_atomic: Option<String>,
    /// Which asset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// On which network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// By which scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Why the price is none, or less than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_note: Option<PriceNote>,
    /// As far as the claim goes, this wallet can pay it.
    pub payable: bool,
    /// What the policy would say at that price now.
    pub verdict: FindVerdict,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// What this wallet knows of the seller; absent where it has not dealt with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<SellerKnown>,
    /// What was last paid at this very place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_paid_usd: Option<Usd>,
    /// And when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_paid_at: Option<Time>,
    /// How it is said to fare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthClaim>,
    /// Who lists it.
    pub claimed_by: Vec<String>,
}

/// What the policy says of a price that is only claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FindVerdict {
    /// Goes on.
    Allow,
    /// Asks the owner first.
    Ask,
    /// No price is known, so nothing can be said.
    Unknown,
    /// Refuses.
    Refuse,
    /// Cannot be paid, and why.
    Unpayable,
}

/// What came of asking one directory.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DirectoryTold {
    /// Its host.
    pub name: String,
    /// It answered, now or lately.
    pub ok: bool,
    /// How much of what it lists fits.
    pub results: usize,
    /// How old its answer is, in seconds, where it was not asked anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u64>,
    /// What went wrong, or what of its answer was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
