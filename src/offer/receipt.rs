//! What the seller says became of a payment: a claim, not a proof.

use alloy_primitives::{Address, B256};
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Dialect, base64, in_its_words, shown, x402_v1};
use crate::json;
use crate::limits;
use crate::money::{Amount, Network};

/// What a seller says of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether it says that the money moved.
    pub success: bool,
    /// The chain transaction, as whoever is the proof names it.
    pub chain_tx: Option<B256>,
    /// As the seller writes it: a CAIP-2 name, or a v1 one.
    pub network: String,
    /// Who paid, as the seller says.
    pub payer: Option<Address>,
    /// Cleaned and bounded, and still the seller's words.
    pub error_reason: Option<String>,
    /// What was taken, where the seller says so.
    pub amount: Option<Amount>,
}

impl Receipt {
    /// What it says of a payment that is not so; nothing where it fits. What is left out contradicts nothing.
    pub fn contradicts(&self, network: &Network, payer: Address, amount: Amount) -> Vec<&'static str> {
        let is_network = self.network.is_empty()
            || self.network == network.as_str()
            || x402_v1::name(network) == Some(self.network.as_str());
        let wrong = [
            ("network", !is_network),
            ("payer", self.payer.is_some_and(|claimed| claimed != payer)),
            ("amount", self.amount.is_some_and(|claimed| claimed != amount)),
        ];
        wrong.into_iter().filter(|(_, is_wrong)| *is_wrong).map(|(what, _)| what).collect()
    }
}

/// The receipt in a reply. Sellers of either version use either name; the dialect's own is read first.
pub fn receipt(dialect: Dialect, headers: &HeaderMap) -> Option<Receipt> {
    const V2: &str = "payment-response";
    const V1: &str = "x-payment-response";
    let names = if dialect == Dialect::X402V1 { [V1, V2] } else { [V2, V1] };
    names.into_iter().find_map(|name| read(only(headers, name)?))
}

/// By a name that v1 knows, or in CAIP-2.
fn network(text: &str) -> String {
    if x402_v1::is_name(text) { text.to_owned() } else { shown::network(text) }
}

/// Two that differ are none, and the same one twice is what a proxy made of it.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    first.to_str().ok()
}

/// One that can be read in two ways is none: the money then counts as gone until the chain is asked.
fn read(text: &str) -> Option<Receipt> {
    if text.len() > limits::CHALLENGE_HEADER_BYTES {
        return None;
    }
    let claim = json::strict(&base64::decode_text(text)?).ok()?;
    let text = |key: &str| claim.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(Receipt {
        success: claim.get("success")?.as_bool()?,
        chain_tx: text("transaction").and_then(|text| text.parse().ok()),
        network: text("network").map(network).unwrap_or_default(),
        payer: text("payer").and_then(|text| text.parse().ok()),
        error_reason: text("errorReason").map(in_its_words),
        amount: text("amount").and_then(Amount::parse),
    })
}
