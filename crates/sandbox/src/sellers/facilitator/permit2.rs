//! Payments by Permit2, `exact` and `upto`.

use alloy_primitives::{B256, U256};

use super::{Reason, SETTLING_S, ensure, sponsoring};
use crate::chain::{EXACT_PROXY, PERMIT2, Permit2Settlement, PlayChain, SETTLER, Sponsored, UPTO_PROXY};
use crate::eip3009::signer;
use crate::permit2::{Permit2Transfer, signing_hash};
use crate::sellers::x402::{ALLOWANCE_REQUIRED, Offer, Payment};

pub(super) fn verify(
    chain: &PlayChain,
    offer: &Offer,
    payment: &Payment,
    transfer: &Permit2Transfer,
) -> Result<(), Reason> {
    pays_the_offer(offer, transfer)?;
    is_in_time(chain.now(), transfer)?;
    ensure(signer(signing_hash(transfer), &payment.signature) == Some(transfer.from), "invalid_permit2_signature")?;
    let allowance = sponsoring::sent_along(payment, |key| offer.extensions.contains_key(key))?;
    if let Some(allowance) = &allowance {
        sponsoring::check(chain.now(), allowance, transfer)?;
    }
    would_settle(chain, payment, transfer, allowance.map(|a| a.signed).as_ref())
}

pub(super) fn settle(
    chain: &PlayChain,
    payment: &Payment,
    transfer: &Permit2Transfer,
    amount: U256,
    sponsored: Option<&Sponsored>,
) -> Result<B256, Reason> {
    ensure(amount <= transfer.amount, "invalid_upto_evm_payload_settlement_exceeds_amount")?;
    let settlement = Permit2Settlement { transfer, signature: &payment.signature, amount, sponsored };
    chain.settle_permit2(&settlement).map_err(|reverted| failure(&reverted.reason))
}

fn pays_the_offer(offer: &Offer, transfer: &Permit2Transfer) -> Result<(), Reason> {
    let spender = if transfer.facilitator.is_some() { UPTO_PROXY } else { EXACT_PROXY };
    ensure(transfer.spender == spender, "invalid_permit2_spender")?;
    ensure(transfer.to == offer.payee, "invalid_permit2_recipient_mismatch")?;
    ensure(transfer.facilitator.is_none_or(|named| named == SETTLER), "upto_facilitator_mismatch")?;
    ensure(transfer.amount == U256::from(offer.price_atomic), "permit2_amount_mismatch")?;
    ensure(transfer.asset == offer.asset.address, "permit2_token_mismatch")
}

fn is_in_time(now: u64, transfer: &Permit2Transfer) -> Result<(), Reason> {
    ensure(transfer.deadline >= U256::from(now + SETTLING_S), "permit2_deadline_expired")?;
    ensure(transfer.valid_after <= U256::from(now), "permit2_not_yet_valid")
}

/// Where settling would fail, the first of the usual reasons is told: a payment that was settled out of an allowance
/// for just its amount is missing that allowance, before anybody looks at its nonce.
fn would_settle(
    chain: &PlayChain,
    payment: &Payment,
    transfer: &Permit2Transfer,
    sponsored: Option<&Sponsored>,
) -> Result<(), Reason> {
    let amount = transfer.amount;
    let settlement = Permit2Settlement { transfer, signature: &payment.signature, amount, sponsored };
    let Err(reverted) = chain.simulate_permit2(&settlement) else { return Ok(()) };
    let asset = chain.asset(transfer.asset);
    ensure(reverted.reason != "Permit2612AmountMismatch", "permit2_2612_amount_mismatch")?;
    ensure(asset.balance_of(transfer.from) >= amount, "permit2_insufficient_balance")?;
    ensure(asset.allowance(transfer.from, PERMIT2) >= amount, ALLOWANCE_REQUIRED)?;
    ensure(!chain.permit2_nonce_used(transfer.from, transfer.nonce), "permit2_invalid_nonce")?;
    Err("permit2_simulation_failed")
}

/// What a contract's error is called in x402.
fn failure(reverted: &str) -> Reason {
    match reverted {
        "Permit2612AmountMismatch" => "permit2_2612_amount_mismatch",
        "InvalidAmount" => "permit2_invalid_amount",
        "InvalidDestination" => "permit2_invalid_destination",
        "InvalidOwner" => "permit2_invalid_owner",
        "PaymentTooEarly" => "permit2_payment_too_early",
        "InvalidSignature" | "InvalidSigner" | "SignatureExpired" => "invalid_permit2_signature",
        "InvalidNonce" => "permit2_invalid_nonce",
        "AmountExceedsPermitted" => "upto_amount_exceeds_permitted",
        "UnauthorizedFacilitator" => "upto_unauthorized_facilitator",
        "nonce too low" | "nonce too high" => "erc20_approval_broadcast_failed",
        _ => "invalid_transaction_state",
    }
}
