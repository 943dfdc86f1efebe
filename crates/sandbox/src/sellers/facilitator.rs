//! The facilitator that sits inside the seller: decides whether a presented payment is good, and takes it to the chain.
//!
//! It is as strict as the reference ones, and speaks their error codes.

use alloy_primitives::{B256, U256};
use serde_json::Value;

use super::x402::{Offer, Payment, Version};
use crate::chain::{NETWORK_V1, PlayChain};
use crate::eip3009;

/// An authorization must live this much longer, or it could expire on its way into a block.
const SETTLING_S: u64 = 6;

/// Why a payment is not taken: the code a seller puts into `error` or `errorReason`.
pub type Reason = &'static str;

/// Everything that can be known before settling: the terms are the offered ones, the signature is the payer's, the
/// time is right, the money is there, and the contract would not revert.
pub fn verify(chain: &PlayChain, offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    match payment.version {
        Version::V1 => is_exact_v1(payment)?,
        Version::V2 => matches_offer_v2(offer, payment)?,
    }
    pays_the_offer(offer, payment)?;
    is_signed_by_its_payer(payment)?;
    is_in_time(chain.now(), payment)?;
    would_settle(chain, payment)
}

/// Moves the money.
pub fn settle(chain: &PlayChain, payment: &Payment) -> Result<B256, Reason> {
    chain.transfer_with_authorization(&payment.transfer, &payment.signature).map_err(|_| "invalid_transaction_state")
}

fn is_exact_v1(payment: &Payment) -> Result<(), Reason> {
    let said = &payment.said;
    ensure(said["x402Version"] == 1, "invalid_x402_version")?;
    ensure(said["scheme"] == "exact", "unsupported_scheme")?;
    ensure(said["network"] == NETWORK_V1, "invalid_network")
}

fn matches_offer_v2(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let said = &payment.said;
    ensure(said["x402Version"] == 2, "invalid_x402_version")?;
    ensure(accepts_as_offered(&offer.accepts_v2(), &said["accepted"]), "No matching payment requirements")?;
    ensure(said["resource"] == offer.resource_v2(), "invalid_payment_requirements")?;
    let echoed =
        offer.extensions.iter().all(|(key, declared)| holds_all(&declared["info"], &said["extensions"][key]["info"]));
    ensure(echoed, "extension_echo_mismatch")
}

/// Equal in every field; only `extra` may have gained keys.
fn accepts_as_offered(offered: &Value, accepted: &Value) -> bool {
    let mut trimmed = accepted.clone();
    if holds_all(&offered["extra"], &accepted["extra"]) {
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

fn pays_the_offer(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let price = U256::from(offer.price_atomic);
    ensure(payment.transfer.to == offer.payee, "invalid_exact_evm_payload_recipient_mismatch")?;
    match payment.version {
        Version::V1 => ensure(payment.transfer.value >= price, "invalid_exact_evm_payload_authorization_value"),
        Version::V2 => {
            ensure(payment.transfer.value == price, "invalid_exact_evm_payload_authorization_value_mismatch")
        }
    }
}

fn is_signed_by_its_payer(payment: &Payment) -> Result<(), Reason> {
    let hash = eip3009::signing_hash(&payment.transfer);
    let signer = eip3009::signer(hash, &payment.signature);
    ensure(signer == Some(payment.transfer.from), "invalid_exact_evm_payload_signature")
}

fn is_in_time(now: u64, payment: &Payment) -> Result<(), Reason> {
    ensure(
        payment.transfer.valid_before >= U256::from(now + SETTLING_S),
        "invalid_exact_evm_payload_authorization_valid_before",
    )?;
    ensure(payment.transfer.valid_after <= U256::from(now), "invalid_exact_evm_payload_authorization_valid_after")
}

fn would_settle(chain: &PlayChain, payment: &Payment) -> Result<(), Reason> {
    let transfer = &payment.transfer;
    ensure(!chain.authorization_used(transfer.from, transfer.nonce), "invalid_exact_evm_nonce_already_used")?;
    ensure(chain.balance_of(transfer.from) >= transfer.value, "insufficient_funds")?;
    chain.simulate_transfer(transfer, &payment.signature).map_err(|_| "invalid_exact_evm_transaction_simulation_failed")
}

fn ensure(holds: bool, otherwise: Reason) -> Result<(), Reason> {
    if holds { Ok(()) } else { Err(otherwise) }
}
