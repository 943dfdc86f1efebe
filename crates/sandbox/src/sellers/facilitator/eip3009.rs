//! Payments by an authorization that the asset itself takes.

use alloy_primitives::{B256, U256};

use super::{Reason, SETTLING_S, ensure};
use crate::chain::PlayChain;
use crate::eip3009;
use crate::sellers::x402::{Offer, Payment, Version};

pub(super) fn verify(chain: &PlayChain, offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    pays_the_offer(offer, payment)?;
    is_signed_by_its_payer(offer, payment)?;
    is_in_time(chain.now(), payment)?;
    would_settle(chain, offer, payment)
}

pub(super) fn settle(chain: &PlayChain, payment: &Payment) -> Result<B256, Reason> {
    let asset = chain.asset(payment.asset());
    let settled = asset.transfer_with_authorization(&payment.transfer, &payment.signature);
    settled.map_err(|_| "invalid_transaction_state")
}

fn pays_the_offer(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let price = U256::from(offer.price_atomic);
    ensure(payment.transfer.to == offer.payee, "invalid_exact_evm_payload_recipient_mismatch")?;
    match payment.version {
        Version::V1 => ensure(payment.transfer.value >= price, "invalid_exact_evm_payload_authorization_value"),
        Version::V2 | Version::Mpp => {
            ensure(payment.transfer.value == price, "invalid_exact_evm_payload_authorization_value_mismatch")
        }
    }
}

fn is_signed_by_its_payer(offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let hash = eip3009::signing_hash_in(&offer.asset, &payment.transfer);
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

fn would_settle(chain: &PlayChain, offer: &Offer, payment: &Payment) -> Result<(), Reason> {
    let (asset, transfer) = (chain.asset(offer.asset.address), &payment.transfer);
    ensure(!asset.authorization_used(transfer.from, transfer.nonce), "invalid_exact_evm_nonce_already_used")?;
    ensure(asset.balance_of(transfer.from) >= transfer.value, "insufficient_funds")?;
    asset.simulate_transfer(transfer, &payment.signature).map_err(|_| "invalid_exact_evm_transaction_simulation_failed")
}
