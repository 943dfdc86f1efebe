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

    /// What an account has.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{ASSET, ChainOptions, DOLLAR, SEQUENCE_ASSET, SEQUENCE_DOLLAR};
    use crate::eip3009::{cancellation_hash, signing_hash_in};
    use crate::payer::Payer;

    /// A payer with a dollar of either kind.
    fn scene() -> (PlayChain, Payer) {
        let chain = PlayChain::new(ChainOptions { idle_blocks: false, ..ChainOptions::default() });
        let payer = Payer::well_known();
        for asset in [ASSET, SEQUENCE_ASSET] {
            chain.asset(asset).mint(payer.address, U256::from(1_000_000)).expect("minted");
        }
        (chain, payer)
    }

    #[test]
    fn a_cancelled_authorization_is_used_and_never_settles() {
        let (chain, payer) = scene();
        let cent = payer.one_cent(&chain, 1);
        let signature = payer.key.sign(cancellation_hash(&DOLLAR, payer.address, cent.nonce));
        let dollar = chain.asset(ASSET);
        let tx = dollar.cancel_authorization(payer.address, cent.nonce, &signature).expect("cancelled");
        let logs = chain.block_of(tx).and_then(|block| block.receipt).expect("a receipt").logs;
        assert_eq!(logs[0].topics()[0], alloy_primitives::keccak256("AuthorizationCanceled(address,bytes32)"));
        assert!(chain.authorization_used(payer.address, cent.nonce));
        let settled = chain.transfer_with_authorization(&cent, &payer.sign(&cent));
        assert_eq!(settled.expect_err("worthless").reason, "PlayDollar: authorization is used or cancelled");
        let other = B256::repeat_byte(2);
        let wrong = dollar.cancel_authorization(payer.address, other, &signature);
        assert_eq!(wrong.expect_err("not what was signed").reason, "PlayDollar: signature is not the payer's");
        assert!(!chain.authorization_used(payer.address, other));
    }

    #[test]
    fn a_nonce_of_the_sequence_dollar_is_a_queue_and_the_place_in_it() {
        let (chain, payer) = scene();
        let asset = chain.asset(SEQUENCE_ASSET);
        let settle = |nonce: B256| {
            let cent = Transfer { nonce, ..payer.one_cent(&chain, 0) };
            let signature = payer.key.sign(signing_hash_in(&SEQUENCE_DOLLAR, &cent));
            asset.transfer_with_authorization(&cent, &signature).map_err(|e| e.reason)
        };
        let nonce = |queue: u64, place: u64| B256::from((U256::from(queue) << 64) | U256::from(place));
        let not_next = Err("PlaySequenceDollar: nonce is not the next of its queue".to_owned());
        assert_eq!(settle(B256::repeat_byte(7)), not_next);
        assert_eq!(settle(nonce(5, 1)), not_next);
        for (queue, place) in [(5, 0), (5, 1), (6, 0)] {
            assert!(!asset.authorization_used(payer.address, nonce(queue, place)));
            settle(nonce(queue, place)).expect("the next of its queue");
            assert!(asset.authorization_used(payer.address, nonce(queue, place)));
        }
        assert_eq!(settle(nonce(5, 1)), not_next);
        assert_eq!(asset.balance_of(payer.address), U256::from(970_000));
        assert_eq!(chain.balance_of(payer.address), U256::from(1_000_000));
    }

    #[test]
    fn an_allowance_is_what_its_owner_said_last() {
        let (chain, payer) = scene();
        let dollar = chain.asset(ASSET);
        dollar.approve(payer.address, SETTLER, U256::from(5)).expect("approved");
        dollar.approve(payer.address, SETTLER, U256::from(2)).expect("approved");
        assert_eq!(dollar.allowance(payer.address, SETTLER), U256::from(2));
        assert_eq!(dollar.allowance(payer.address, PERMIT2), U256::ZERO);
    }
}
