//! Chain transactions that others signed: what a node takes, and what becomes of them.

use alloy_primitives::{Address, B256, Bytes, U256};

use super::evm::{Message, World};
use super::{CHAIN_ID, PlayChain, Reverted};
use crate::tx::SignedTx;

impl PlayChain {
    /// Takes a signed chain transaction into the next block. What reverts there leaves a block and a receipt that says
    /// so; what no node would take leaves nothing.
    pub fn send_raw(&self, raw: &[u8]) -> Result<B256, Reverted> {
        let signed = SignedTx::read(raw).ok_or_else(unreadable)?;
        let mut state = self.state();
        is_next(&state.world, &signed)?;
        let now = self.now();
        state.include(now, &message(&signed), Some(signed.hash), true)
    }

    /// How many chain transactions an account has sent.
    pub fn nonce_of(&self, account: Address) -> u64 {
        self.state().world.nonce_of(account)
    }

    /// The same, as a block left it.
    pub fn nonce_at(&self, block: u64, account: Address) -> u64 {
        self.at(block, |world, _| world.nonce_of(account))
    }

    /// What a call would say, after a signed chain transaction if there is one. Nothing is kept.
    pub(super) fn rehearse(&self, first: Option<&SignedTx>, then: &Message) -> Result<(), Reverted> {
        let mut state = self.state();
        let block = state.next_block(self.now());
        let Some(first) = first else {
            return state.world.ask(block, then).map(drop);
        };
        let mut world = state.world.clone();
        is_next(&world, first)?;
        let done = world.run(block, &message(first))?;
        done.outcome.clone()?;
        world.commit(first.from, done);
        world.ask(block, then).map(drop)
    }
}

fn message(signed: &SignedTx) -> Message {
    let tx = &signed.tx;
    Message { from: signed.from, to: tx.to, data: tx.data.clone(), gas_limit: tx.gas_limit }
}

/// Whether a node would take it now. One with a nonce to come is refused too: nothing waits here.
fn is_next(world: &World, signed: &SignedTx) -> Result<(), Reverted> {
    let tx = &signed.tx;
    match tx.nonce.cmp(&world.nonce_of(signed.from)) {
        _ if tx.chain_id != CHAIN_ID => Err(refused("invalid chain id for signer")),
        _ if tx.value != U256::ZERO => Err(refused("insufficient funds for gas * price + value")),
        _ if tx.max_priority_fee_per_gas > tx.max_fee_per_gas => {
            Err(refused("max priority fee per gas higher than max fee per gas"))
        }
        std::cmp::Ordering::Less => Err(refused("nonce too low")),
        std::cmp::Ordering::Greater => Err(refused("nonce too high")),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

pub(super) fn unreadable() -> Reverted {
    refused("this is not a signed chain transaction of type 2")
}

fn refused(reason: &str) -> Reverted {
    Reverted { reason: reason.to_owned(), data: Bytes::new() }
}
