//! What can be done with a play asset: minting, moving, allowing, and taking what was signed.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::SolCall;

use super::contracts::{PERMIT2, PlayDollar};
use super::{PlayChain, Reverted, SETTLER, Transfer};

/// The contract of one asset. Calls that say who sends them need no key: they are what whoever has it would send.
pub struct AssetContract<'a> {
    chain: &'a PlayChain,
    address: Address,
}

impl PlayChain {
    /// The asset at an address.
    pub fn asset(&self, address: Address) -> AssetContract<'_> {
        AssetContract { chain: self, address }
    }
}

impl AssetContract<'_> {
    /// Makes money out of nothing.
    pub fn mint(&self, to: Address, value: U256) -> Result<B256, Reverted> {
        self.send(SETTLER, PlayDollar::mintCall { to, value })
    }

    /// A plain transfer.
    pub fn transfer(&self, from: Address, to: Address, value: U256) -> Result<B256, Reverted> {
        self.send(from, PlayDollar::transferCall { to, value })
    }

    /// Lets a spender take up to a value, in place of what it could take before.
    pub fn approve(&self, owner: Address, spender: Address, value: U256) -> Result<B256, Reverted> {
        self.send(owner, PlayDollar::approveCall { spender, value })
    }

    /// The same for Permit2.
    pub fn approve_permit2(&self, owner: Address, value: U256) -> Result<B256, Reverted> {
        self.approve(owner, PERMIT2, value)
    }

    pub fn balance_of(&self, owner: Address) -> U256 {
        self.ask(PlayDollar::balanceOfCall { owner }).unwrap_or_default()
    }

    /// What a spender can still take.
    pub fn allowance(&self, owner: Address, spender: Address) -> U256 {
        self.ask(PlayDollar::allowanceCall { owner, spender }).unwrap_or_default()
    }

    /// The nonce of the owner's next EIP-2612 permit.
    pub fn permit_nonce(&self, owner: Address) -> U256 {
        self.ask(PlayDollar::noncesCall { owner }).unwrap_or_default()
    }

    /// Whether an authorization was used or cancelled.
    pub fn authorization_used(&self, authorizer: Address, nonce: B256) -> bool {
        self.ask(PlayDollar::authorizationStateCall { authorizer, nonce }).unwrap_or_default()
    }

    /// Takes a signed authorization to the contract. What would revert is not sent, so it leaves no block.
    pub fn transfer_with_authorization(&self, transfer: &Transfer, signature: &[u8]) -> Result<B256, Reverted> {
        self.send(SETTLER, transfer_call(transfer, signature))
    }

    /// What sending the same would say now, without sending it.
    pub fn simulate_transfer(&self, transfer: &Transfer, signature: &[u8]) -> Result<(), Reverted> {
        self.chain.call(self.address, transfer_call(transfer, signature).abi_encode().into()).map(drop)
    }

    /// Takes a signed cancellation to the contract; `eip3009::cancellation_hash` is what is signed.
    pub fn cancel_authorization(
        &self,
        authorizer: Address,
        nonce: B256,
        signature: &[u8; 65],
    ) -> Result<B256, Reverted> {
        let (r, s, v) = parts(signature);
        self.send(SETTLER, PlayDollar::cancelAuthorizationCall { authorizer, nonce, v, r, s })
    }

    fn send(&self, from: Address, call: impl SolCall) -> Result<B256, Reverted> {
        self.chain.send(from, self.address, call.abi_encode().into())
    }

    fn ask<C: SolCall>(&self, call: C) -> Option<C::Return> {
        self.chain.ask(self.address, call)
    }
}

fn transfer_call(t: &Transfer, signature: &[u8]) -> PlayDollar::transferWithAuthorizationCall {
    PlayDollar::transferWithAuthorizationCall {
        from: t.from,
        to: t.to,
        value: t.value,
        validAfter: t.valid_after,
        validBefore: t.valid_before,
        nonce: t.nonce,
        signature: signature.to_vec().into(),
    }
}

/// A signature as contracts like it: `r`, `s` and `v`.
pub(super) fn parts(signature: &[u8; 65]) -> (B256, B256, u8) {
    (B256::from_slice(&signature[..32]), B256::from_slice(&signature[32..64]), signature[64])
}
