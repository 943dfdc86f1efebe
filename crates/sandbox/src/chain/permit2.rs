//! Permit2 and its two spenders on the play chain: settling what was signed, and what has become of a nonce.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;

use super::asset::parts;
use super::contracts::{
    EXACT_PROXY, PERMIT2, Permit2612, PermitTransferFrom, PlayExactProxy, PlayPermit2, PlayUptoProxy, TokenPermissions,
    UPTO_PROXY,
};
use super::evm::Message;
use super::{PlayChain, Reverted, SETTLER};
use crate::eip2612::SignedPermit;
use crate::permit2::Permit2Transfer;
use crate::tx::SignedTx;

/// What a payer sends along, so that somebody else brings its allowance to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sponsored {
    /// A signed EIP-2612 permit, which the spender hands in.
    Permit(SignedPermit),
    /// A signed chain transaction, which is sent before the payment.
    Approval(Bytes),
}

/// A signed transfer, and how it is to be settled.
#[derive(Clone, Debug)]
pub struct Permit2Settlement<'a> {
    pub transfer: &'a Permit2Transfer,
    pub signature: &'a [u8],
    /// Only for `upto`; `exact` takes all of it.
    pub amount: U256,
    pub sponsored: Option<&'a Sponsored>,
}

impl PlayChain {
    /// Takes a signed transfer to its spender. What would revert is not sent, so it leaves no block.
    pub fn settle_permit2(&self, settlement: &Permit2Settlement<'_>) -> Result<B256, Reverted> {
        if let Some(Sponsored::Approval(raw)) = settlement.sponsored {
            self.simulate_permit2(settlement)?;
            self.send_raw(raw)?;
        }
        let (to, data) = settlement.call();
        self.send(SETTLER, to, data)
    }

    /// What settling would say now, without sending anything.
    pub fn simulate_permit2(&self, settlement: &Permit2Settlement<'_>) -> Result<(), Reverted> {
        let (to, data) = settlement.call();
        let approval = match settlement.sponsored {
            Some(Sponsored::Approval(raw)) => Some(SignedTx::read(raw).ok_or_else(super::raw::unreadable)?),
            _ => None,
        };
        self.rehearse(approval.as_ref(), &Message::new(SETTLER, to, data))
    }

    /// Whether a nonce of Permit2 was used or invalidated.
    pub fn permit2_nonce_used(&self, owner: Address, nonce: U256) -> bool {
        let (word, mask) = place(nonce);
        let bitmap = self.ask(PERMIT2, PlayPermit2::nonceBitmapCall { owner, word });
        bitmap.is_some_and(|bitmap| bitmap & mask != U256::ZERO)
    }

    /// Invalidates a nonce of Permit2, as whoever has the owner's key would.
    pub fn invalidate_permit2_nonce(&self, owner: Address, nonce: U256) -> Result<B256, Reverted> {
        let (word, mask) = place(nonce);
        let call = PlayPermit2::invalidateUnorderedNoncesCall { wordPos: word, mask };
        self.send(owner, PERMIT2, call.abi_encode().into())
    }
}

impl Permit2Settlement<'_> {
    /// The proxy that is called, and with what.
    fn call(&self) -> (Address, Bytes) {
        let permit2612 = match self.sponsored {
            Some(Sponsored::Permit(signed)) => Some(permit_2612(signed)),
            _ => None,
        };
        match self.transfer.facilitator {
            None => (EXACT_PROXY, self.exact_call(permit2612).into()),
            Some(facilitator) => (UPTO_PROXY, self.upto_call(facilitator, permit2612).into()),
        }
    }

    fn exact_call(&self, permit2612: Option<Permit2612>) -> Vec<u8> {
        let (permit, owner, signature) = self.signed();
        let witness = PlayExactProxy::Witness { to: self.transfer.to, validAfter: self.transfer.valid_after };
        match permit2612 {
            None => PlayExactProxy::settleCall { permit, owner, witness, signature }.abi_encode(),
            Some(permit2612) => {
                PlayExactProxy::settleWithPermitCall { permit2612, permit, owner, witness, signature }.abi_encode()
            }
        }
    }

    fn upto_call(&self, facilitator: Address, permit2612: Option<Permit2612>) -> Vec<u8> {
        let ((permit, owner, signature), amount) = (self.signed(), self.amount);
        let witness =
            PlayUptoProxy::Witness { to: self.transfer.to, facilitator, validAfter: self.transfer.valid_after };
        match permit2612 {
            None => PlayUptoProxy::settleCall { permit, amount, owner, witness, signature }.abi_encode(),
            Some(permit2612) => {
                PlayUptoProxy::settleWithPermitCall { permit2612, permit, amount, owner, witness, signature }
                    .abi_encode()
            }
        }
    }

    fn signed(&self) -> (PermitTransferFrom, Address, Bytes) {
        let t = self.transfer;
        let permitted = TokenPermissions { token: t.asset, amount: t.amount };
        let permit = PermitTransferFrom { permitted, nonce: t.nonce, deadline: t.deadline };
        (permit, t.from, self.signature.to_vec().into())
    }
}

fn permit_2612(signed: &SignedPermit) -> Permit2612 {
    let (r, s, v) = parts(&signed.signature);
    Permit2612 { value: signed.permit.value, deadline: signed.permit.deadline, r, s, v }
}

/// The word a nonce is in, and its bit there.
fn place(nonce: U256) -> (U256, U256) {
    let bit: usize = nonce.as_limbs()[0] as usize & 0xff;
    (nonce >> 8, U256::ONE << bit)
}

#[cfg(test)]
mod tests;
