//! What the seller says became of a payment: a claim, not a proof.

use alloy_primitives::B256;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Dialect, Words, base64, in_its_words, mcp, mpp, shown, x402_v1, x402_v2};
use crate::json;
use crate::limits;
use crate::money::{Account, Amount, address_in_any_case, is_solana_signature};

/// What a seller says of a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whether it says that the money moved.
    pub success: bool,
    /// The chain transaction, as whoever is the proof names it.
    pub chain_tx: Option<String>,
    /// As the seller writes it: a CAIP-2 name, or a v1 one.
    pub network: String,
    /// Who paid, as the seller says.
    pub payer: Option<String>,
    /// Cleaned and bounded, and still the seller's words.
    pub error_reason: Option<String>,
    /// What was taken, where the seller says so.
    pub amount: Option<Amount>,
}

impl Receipt {
    /// Whether it says that money was taken. Of a ceiling, a seller may take nothing, and say so.
    pub fn says_taken(&self) -> bool {
        self.success && self.amount.is_none_or(|amount| !amount.is_zero())
    }

    /// What it says of a payment that is not so; nothing where it fits. What is left out contradicts nothing.
    pub fn contradicts(&self, payer: &Account, most: Amount, is_ceiling: bool) -> Vec<&'static str> {
        let is_amount = |claimed: Amount| claimed == most || (is_ceiling && claimed < most);
        let network = payer.network();
        let is_network = self.network.is_empty()
            || self.network == network.as_str()
            || network.v1_name() == Some(self.network.as_str());
        let wrong = [
            ("network", !is_network),
            ("payer", self.payer.as_ref().is_some_and(|claimed| claimed != payer.address())),
            ("amount", self.amount.is_some_and(|claimed| !is_amount(claimed))),
        ];
        wrong.into_iter().filter(|(_, is_wrong)| *is_wrong).map(|(what, _)| what).collect()
    }
}

/// What a dialect makes of a claim.
type Reading = fn(&Value) -> Option<Receipt>;

/// The receipt in a reply. Sellers of either version use either name; the dialect's own is read first.
pub fn receipt(dialect: Dialect, said: &Words<'_>) -> Option<Receipt> {
    let (names, read): (&[&str], Reading) = match dialect {
        Dialect::X402V1 => (&[x402_v1::RECEIPT, x402_v2::RECEIPT], x402),
        Dialect::X402V2 => (&[x402_v2::RECEIPT, x402_v1::RECEIPT], x402),
        Dialect::Mpp => (&[mpp::RECEIPT], of_mpp),
        Dialect::L402 | Dialect::Cashu | Dialect::PayPerCrawl | Dialect::Unknown => return None,
    };
    let in_headers = || names.iter().find_map(|name| read(&claim(only(said.headers, name)?)?));
    match said.meta.and_then(|_| in_a_tool(dialect, said)) {
        Some(text) => read(&json::strict(&text).ok()?),
        // Of HTTP; or of a gate before the server of a tool.
        None => in_headers(),
    }
}

/// As it was written, in what a tool answered.
pub(super) fn in_a_tool(dialect: Dialect, said: &Words<'_>) -> Option<String> {
    let text = mcp::receipt(dialect, std::str::from_utf8(said.body).ok()?, said.meta?)?;
    (text.len() <= limits::CHALLENGE_HEADER_BYTES).then_some(text)
}

/// The name of a chain transaction, in one spelling.
fn chain_tx(text: &str) -> Option<String> {
    let in_base58 = || is_solana_signature(text).then(|| text.to_owned());
    text.parse::<B256>().ok().map(|hash| hash.to_string()).or_else(in_base58)
}

/// By a name that v1 knows, or in CAIP-2.
fn network(text: &str) -> String {
    if x402_v1::is_name(text) { text.to_owned() } else { shown::network(text) }
}

/// Two that differ are none, and the same one twice is what a proxy made of it.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return None;
    }
    first.to_str().ok()
}

/// One that can be read in two ways is none: the money then counts as gone until the chain is asked.
fn claim(text: &str) -> Option<Value> {
    if text.len() > limits::CHALLENGE_HEADER_BYTES {
        return None;
    }
    json::strict(&base64::decode_text(text)?).ok()
}

/// Its reference is what the method calls a payment by: here, a chain transaction.
fn of_mpp(claim: &Value) -> Option<Receipt> {
    let text = |key: &str| claim.get(key).and_then(Value::as_str);
    Some(Receipt {
        success: text("status")? == "success",
        chain_tx: text("reference").and_then(chain_tx),
        network: String::new(),
        payer: None,
        error_reason: None,
        amount: None,
    })
}

fn x402(claim: &Value) -> Option<Receipt> {
    let text = |key: &str| claim.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(Receipt {
        success: claim.get("success")?.as_bool()?,
        chain_tx: text("transaction").and_then(chain_tx),
        network: text("network").map(network).unwrap_or_default(),
        payer: text("payer").and_then(address_in_any_case),
        error_reason: text("errorReason").map(in_its_words),
        amount: text("amount").and_then(Amount::parse),
    })
}
