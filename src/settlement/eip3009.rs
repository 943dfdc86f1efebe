//! EIP-3009: the token itself remembers which authorizations were used, and logs each use and each cancellation.

use alloy_primitives::U256;
use alloy_sol_types::{SolCall, SolEvent};

use super::evm::{ChainTx, EvmQuestion, LogFilter, UseRecord, transfers};
use super::{Transfer, Use};
use crate::authorization::Eip3009;

mod token {
    alloy_sol_types::sol! {
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);
    }
}

pub(super) fn question(signed: &Eip3009) -> EvmQuestion {
    let call = token::authorizationStateCall { authorizer: signed.from, nonce: signed.nonce };
    let trace = LogFilter {
        contract: signed.asset,
        kinds: vec![token::AuthorizationUsed::SIGNATURE_HASH, token::AuthorizationCanceled::SIGNATURE_HASH],
        topics: vec![signed.from.into_word(), signed.nonce],
    };
    EvmQuestion {
        memory: Some(UseRecord { contract: signed.asset, call: call.abi_encode() }),
        traces: vec![trace],
        since_secs: signed.valid_after,
        until_secs: signed.valid_before,
        reads_input: false,
    }
}

pub(super) fn is_used(answer: U256) -> Option<bool> {
    match answer {
        U256::ZERO => Some(false),
        U256::ONE => Some(true),
        _ => None,
    }
}

/// The transfer that was signed, or else the next from our address after the use, for somebody to look at. One chain
/// transaction can settle several authorizations.
pub(super) fn fate_in(signed: &Eip3009, tx: &ChainTx) -> Option<Use> {
    if tx.trace.topics.first() == Some(&token::AuthorizationCanceled::SIGNATURE_HASH) {
        return Some(Use::NeverAgain(tx.trace.block_number));
    }
    let from_us = transfers(tx, &signed.network, signed.asset, signed.from);
    let is_signed = |found: &Transfer| found.to.as_evm() == Some(signed.to) && found.amount.0 == signed.value;
    let exact = from_us.iter().find(|(_, found)| is_signed(found));
    let next = || from_us.iter().filter(|(index, _)| *index > tx.trace.log_index).min_by_key(|(index, _)| *index);
    exact.or_else(next).map(|(_, transfer)| Use::Used(Some(transfer.clone())))
}

/// The log of a use of an authorization of this kind: what leaves an account by one has a name.
pub fn use_log() -> alloy_primitives::B256 {
    token::AuthorizationUsed::SIGNATURE_HASH
}
