//! What the chains say: balances, and whether an authorization was used.

mod node;
pub mod reply;
mod rpc;

use alloy_primitives::{Address, B256};
use async_trait::async_trait;

pub use self::reply::Block;
pub use self::rpc::{Nodes, Rpc};
use crate::authorization::Authorization;
use crate::money::{Amount, Network};

/// One node's word on one authorization, all of it read at one block of that node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    pub node: String,
    /// `authorizationState` at `at`.
    pub used: bool,
    /// The block it was read at, and that block's time.
    pub at: Block,
    /// The newest block this node calls final (or `confirmations` behind its head, where the owner said so).
    pub finalized: Option<Block>,
    /// The transfer that used it, when the logs have it.
    pub transfer: Option<Transfer>,
}

/// An `AuthorizationUsed` log with the `Transfer` of the same chain transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub chain_tx: B256,
    pub block: u64,
    pub from: Address,
    pub to: Address,
    pub amount: Amount,
}

/// An authorization the chain saw used under our address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub network: Network,
    pub asset: Address,
    pub nonce: B256,
    pub chain_tx: B256,
    pub block: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    #[error("no node is configured for {0}: add [chains.\"{0}\"] rpc to config.toml")]
    NoNode(Network),
    #[error("{node} did not answer: {cause}")]
    Silent { node: String, cause: String },
    #[error("{node} is on chain {found}, not {expected}")]
    OtherChain { node: String, found: u64, expected: u64 },
    #[error("{node} answered nonsense: {cause}")]
    Nonsense { node: String, cause: String },
}

#[async_trait]
pub trait Chains: Send + Sync {
    /// What `owner` holds, as the first node that answers says.
    async fn balance(&self, network: &Network, asset: Address, owner: Address) -> Result<Amount, ChainError>;

    /// Every configured node's word, one result a node: agreement is for [`crate::settlement`] to judge.
    async fn testimony(&self, authorization: &Authorization) -> Vec<Result<Testimony, ChainError>>;

    /// Every authorization used under `owner` since a block, to compare with the ledger; and the block read up to.
    async fn sightings(
        &self,
        network: &Network,
        asset: Address,
        owner: Address,
        from_block: Option<u64>,
    ) -> Result<(Vec<Sighting>, u64), ChainError>;

    /// Time of the newest block, to notice a clock of ours that is off.
    async fn newest_block(&self, network: &Network) -> Result<Block, ChainError>;
}
