//! What a witness says: one node's word, and why there may be none.

use alloy_primitives::{Address, B256};

use crate::money::{Amount, Network};

/// A block, as a node names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// How many came before it.
    pub number: u64,
    /// Its own time, in seconds since 1970.
    pub time_secs: u64,
}

/// One node's word on one authorization, all of it read at one block of that node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Testimony {
    /// Who says so: a host, never a whole URL.
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
    /// The chain transaction it stands in.
    pub chain_tx: B256,
    /// The block that holds it.
    pub block: u64,
    /// Who paid.
    pub from: Address,
    /// Who was paid.
    pub to: Address,
    /// How much.
    pub amount: Amount,
}

/// Why a question to a chain has no answer.
#[expect(missing_docs, reason = "each text says what it means")]
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
