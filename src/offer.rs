//! Pure: a challenge becomes offers.
//!
//! One file per dialect. Every entry is parsed on its own: one bad offer never spoils its neighbours, and what cannot
//! be paid is an offer with a reason, not an error.

use alloy_primitives::Address;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::money::{Amount, Asset, Network, Usd};
use crate::reason::Reason;

/// The language of a 402.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dialect {
    #[serde(rename = "x402v1")]
    X402V1,
    #[serde(rename = "x402v2")]
    X402V2,
    #[serde(rename = "mpp")]
    Mpp,
    #[serde(rename = "l402")]
    L402,
    #[serde(rename = "cashu")]
    Cashu,
    #[serde(rename = "pay-per-crawl")]
    PayPerCrawl,
    #[serde(rename = "unknown")]
    Unknown,
}

/// One way to pay, parsed and checked. It is the one object that is shown, budgeted, hashed and signed.
#[derive(Clone, Debug)]
pub struct Offer {
    pub dialect: Dialect,
    /// Only `exact` is payable today.
    pub scheme: String,
    pub asset: Asset,
    pub amount: Amount,
    /// What `amount` counts for, rounded up.
    pub usd: Usd,
    pub payee: Address,
    /// How long the seller wants the authorization to be good for, as it said; clamped when signing.
    pub window_secs: u64,
    pub echo: Echo,
}

/// What the seller wrote, kept as it wrote it, because it compares what comes back.
#[derive(Clone, Debug)]
pub struct Echo {
    /// The chosen entry of `accepts`.
    pub accepted: Box<RawValue>,
    /// v2: the top-level `resource`.
    pub resource: Option<Box<RawValue>>,
    /// v2: the whole `extensions` object.
    pub extensions: Option<Box<RawValue>>,
}

/// One entry of a challenge.
#[derive(Clone, Debug)]
pub enum Listed {
    Payable(Box<Offer>),
    Unpayable(Unpayable),
}

/// An entry bursar recognises and cannot pay. The texts are the seller's, bounded and cleaned.
#[derive(Clone, Debug)]
pub struct Unpayable {
    pub dialect: Dialect,
    pub scheme: String,
    pub network: String,
    pub asset: String,
    pub amount: String,
    pub payee: String,
    pub reason: Reason,
}

impl Offer {
    pub fn network(&self) -> &Network {
        &self.asset.network
    }
}

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Dialect::X402V1 => "x402v1",
            Dialect::X402V2 => "x402v2",
            Dialect::Mpp => "mpp",
            Dialect::L402 => "l402",
            Dialect::Cashu => "cashu",
            Dialect::PayPerCrawl => "pay-per-crawl",
            Dialect::Unknown => "unknown",
        }
    }
}
