//! The facilitator that sits inside the seller: decides whether a presented payment is good, and takes it to the chain.
//!
//! It is as strict as the reference ones, and speaks their error codes. Each way to pay has its own file.

use alloy_primitives::{B256, U256};
use serde_json::Value;

use super::sign_in;
use super::signing::OFFER_RECEIPT;
use super::way::Way;
use super::x402::{Offer, Payment, Version};
use crate::chain::{NETWORK_V1, PlayChain};

mod eip3009;
mod permit2;
mod sponsoring;

/// An authorization must live this much longer, or it could expire on its way into a block.
const SETTLING_S: u64 = 6;

/// Why a payment is not taken: the code a seller puts into `error` or `errorReason`.
pub type Reason = &'static str;

/// Whether a payment is for what was offered: the seller's own check, before it asks anybody.
pub fn agrees(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    match payment.version {
        Version::V1 => is_exact_v1(offer, payment),
        Version::V2 => matches_offer_v2(offer, payment),
        // Its seller has held it against the challenge it issued.
        Version::Mpp => ensure(offer.ways.contains(&Way::Mpp), "unsupported_scheme"),
    }
}

/// Everything that can be known before settling: the terms are the offered ones, the signature is the payer's, the
/// time is right, the money is there, and the contract would not revert.
pub fn verify(chain: &PlayChain, offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    agrees(offer, payment)?;
    match &payment.permit2 {
        None => eip3009::verify(chain, offer, payment),
        Some(transfer) => permit2::verify(chain, offer, payment, transfer),
    }
}

/// Moves the money, all of it.
pub fn settle(chain: &PlayChain, payment: &Payment) -> Result<B256, Reason> {
    settle_amount(chain, payment, payment.transfer.value)
}

/// Moves this much of an `upto` payment; any other is moved as a whole. What the payer sent along for its allowance is
/// used, whether anybody offered to or not.
pub fn settle_amount(chain: &PlayChain, payment: &Payment, amount: U256) -> Result<B256, Reason> {
    match &payment.permit2 {
        None => eip3009::settle(chain, payment),
        Some(transfer) => {
            let allowance = sponsoring::sent_along(payment, |_| true)?;
            permit2::settle(chain, payment, transfer, amount, allowance.map(|a| a.signed).as_ref())
        }
    }
}

/// The same for what was verified: what the seller did not offer to bring to the chain stays where it is.
pub fn settle_offered(chain: &PlayChain, offer: &Offer, payment: &Payment, amount: U256) -> Result<B256, Reason> {
    match &payment.permit2 {
        None => eip3009::settle(chain, payment),
        Some(transfer) => {
            let allowance = sponsoring::sent_along(payment, |key| offer.extensions.contains_key(key))?;
            permit2::settle(chain, payment, transfer, amount, allowance.map(|a| a.signed).as_ref())
        }
    }
}

fn is_exact_v1(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let said = &payment.said;
    ensure(said["x402Version"] == 1, "invalid_x402_version")?;
    ensure(said["scheme"] == "exact", "unsupported_scheme")?;
    ensure(said["network"] == NETWORK_V1, "invalid_network")?;
    let way = Way::Eip3009;
    ensure(offer.ways.contains(&way) && payment.way() == way, "unsupported_payload_type")
}

fn matches_offer_v2(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let said = &payment.said;
    ensure(said["x402Version"] == 2, "invalid_x402_version")?;
    let mut ways = offer
        .ways
        .iter()
        .filter(|way| **way != Way::Mpp && accepts_as_offered(&offer.entry_v2(**way), &said["accepted"]));
    let way = ways.next().ok_or("No matching payment requirements")?;
    ensure(*way == payment.way(), "unsupported_payload_type")?;
    ensure(said["resource"] == offer.resource_v2(), "invalid_payment_requirements")?;
    let echoed = offer.extensions.iter().all(|(key, declared)| {
        // Offers are signed anew at each challenge, and so are the words of a sign-in.
        let is_lasting = ![sign_in::EXTENSION, OFFER_RECEIPT].contains(&key.as_str());
        let echo = &said["extensions"][key]["info"];
        echo.is_object() && (!is_lasting || holds_all(&declared["info"], echo))
    });
    ensure(echoed, "extension_echo_mismatch")
}

/// Equal in every field; only `extra` may have gained keys, and none that the protocol keeps for itself.
fn accepts_as_offered(offered: &Value, accepted: &Value) -> bool {
    let mut trimmed = accepted.clone();
    let reserved = ["assetTransferMethod", "paymentFlow"];
    let same = reserved.iter().all(|key| offered["extra"].get(key) == accepted["extra"].get(key));
    if same && holds_all(&offered["extra"], &accepted["extra"]) {
        trimmed["extra"] = offered["extra"].clone();
    }
    trimmed == *offered
}

/// Whether `echo` has everything `declared` has; a client may add to it, not change it.
fn holds_all(declared: &Value, echo: &Value) -> bool {
    match (declared, echo) {
        (Value::Object(declared), Value::Object(echo)) => {
            declared.iter().all(|(key, value)| echo.get(key).is_some_and(|e| holds_all(value, e)))
        }
        _ => declared == echo,
    }
}

fn ensure(holds: bool, otherwise: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(otherwise) }
}
