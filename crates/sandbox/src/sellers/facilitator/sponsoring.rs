//! Allowances that a payer signed and did not bring to the chain itself.

use alloy_primitives::{Address, Bytes, hex};
use serde_json::Value;

use super::{Reason, SETTLING_S, ensure};
use crate::chain::{PERMIT2, Sponsored};
use crate::eip2612::{Permit, SignedPermit};
use crate::permit2::Permit2Transfer;
use crate::sellers::payload::Said;
use crate::sellers::stall::{EIP2612_GAS_SPONSORING, ERC20_APPROVAL_GAS_SPONSORING};
use crate::sellers::x402::Payment;
use crate::tx::SignedTx;

/// The selector of `approve(address,uint256)`.
const APPROVE: [u8; 4] = hex!("095ea7b3");

/// An allowance as its `info` says it: whose, in what, for whom; and what is signed.
pub(super) struct Allowance {
    from: Address,
    asset: Address,
    spender: Address,
    pub(super) signed: Sponsored,
}

/// What the payer sent along by an extension that somebody wants to use; the permit where there are both. An `info`
/// without the payer's part counts as none: it is the echo of what was declared.
pub(super) fn sent_along(payment: &Payment, wanted: impl Fn(&str) -> bool) -> Result<Option<Allowance>, Reason> {
    let info = |key: &str, part: &str| {
        let info = &payment.said["extensions"][key]["info"];
        (wanted(key) && info.get(part).is_some()).then_some(info)
    };
    if let Some(info) = info(EIP2612_GAS_SPONSORING, "signature") {
        return permit(info).ok_or("invalid_eip2612_extension_format").map(Some);
    }
    match info(ERC20_APPROVAL_GAS_SPONSORING, "signedTransaction") {
        Some(info) => approval(info).ok_or("invalid_erc20_approval_extension_format").map(Some),
        None => Ok(None),
    }
}

/// Whether an allowance is the payer's, in the asset that is paid, for Permit2.
pub(super) fn check(now: u64, allowance: &Allowance, transfer: &Permit2Transfer) -> Result<(), Reason> {
    let is_permit = matches!(allowance.signed, Sponsored::Permit(_));
    let either = |of_permit, of_approval| if is_permit { of_permit } else { of_approval };
    ensure(allowance.from == transfer.from, either("eip2612_from_mismatch", "erc20_approval_from_mismatch"))?;
    ensure(allowance.asset == transfer.asset, either("eip2612_asset_mismatch", "erc20_approval_asset_mismatch"))?;
    let spender = either("eip2612_spender_not_permit2", "erc20_approval_spender_not_permit2");
    ensure(allowance.spender == PERMIT2, spender)?;
    match &allowance.signed {
        Sponsored::Permit(signed) => {
            let lives = signed.permit.deadline.saturating_to::<u64>() >= now + SETTLING_S;
            ensure(lives, "eip2612_deadline_expired")
        }
        Sponsored::Approval(raw) => approves(raw, transfer),
    }
}

fn approves(raw: &[u8], transfer: &Permit2Transfer) -> Result<(), Reason> {
    let signed = SignedTx::read(raw).ok_or("erc20_approval_tx_parse_failed")?;
    ensure(signed.tx.to == transfer.asset, "erc20_approval_tx_wrong_target")?;
    let words = signed.tx.data.strip_prefix(&APPROVE).ok_or("erc20_approval_tx_wrong_selector")?;
    ensure(words.len() == 64, "erc20_approval_tx_invalid_calldata")?;
    ensure(words.starts_with(PERMIT2.into_word().as_slice()), "erc20_approval_tx_wrong_spender")?;
    ensure(signed.from == transfer.from, "erc20_approval_tx_signer_mismatch")
}

fn permit(info: &Value) -> Option<Allowance> {
    let said = Said(info);
    let (from, spender) = (said.address("from")?, said.address("spender")?);
    info["version"].as_str()?;
    let permit = Permit {
        owner: from,
        spender,
        value: said.number("amount")?,
        nonce: said.number("nonce")?,
        deadline: said.number("deadline")?,
    };
    let signature = said.bytes("signature")?.to_vec().try_into().ok()?;
    let signed = Sponsored::Permit(SignedPermit { permit, signature });
    Some(Allowance { from, asset: said.address("asset")?, spender, signed })
}

fn approval(info: &Value) -> Option<Allowance> {
    let said = Said(info);
    said.number("amount")?;
    info["version"].as_str()?;
    let signed = Sponsored::Approval(said.bytes("signedTransaction")?);
    let (from, asset, spender) = (said.address("from")?, said.address("asset")?, said.address("spender")?);
    Some(Allowance { from, asset, spender, signed })
}

impl Said<'_> {
    fn bytes(&self, key: &str) -> Option<Bytes> {
        let text = self.0[key].as_str()?.strip_prefix("0x")?;
        Some(hex::decode(text).ok()?.into())
    }
}
