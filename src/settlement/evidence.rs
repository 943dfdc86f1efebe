//! What a witness says: one node's word, and why there may be none.

use crate::money::{Account, Amount, Network};

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
    /// What became of it by `at`.
    pub fate: Use,
    /// The block it was read at, and that block's time.
    pub at: Block,
    /// The newest block this node calls final (or `confirmations` behind its head, where the owner said so).
    pub finalized: Option<Block>,
}

/// What became of an authorization, as a witness has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nobody has used it.
    Unused,
    /// It was used, with what moved, where the logs have it.
    Used(Option<Transfer>),
    /// It came to nothing in this block: its owner took it back, or it failed there. Nobody can use it any more.
    NeverAgain(u64),
}

/// What a chain transaction moved by an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The chain transaction, as its rail writes it.
    pub chain_tx: String,
    /// The block that holds it.
    pub block: u64,
    /// Who paid.
    pub from: Account,
    /// Who was paid.
    pub to: Account,
    /// How much.
    pub amount: Amount,
}

impl Testimony {
    /// It was used, as this node has it.
    pub fn is_used(&self) -> bool {
        matches!(self.fate, Use::Used(_))
    }

    /// What it shows to have moved.
    pub fn transfer(&self) -> Option<&Transfer> {
        match &self.fate {
            Use::Used(transfer) => transfer.as_ref(),
            Use::Unused | Use::NeverAgain(_) => None,
        }
    }
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
    OtherChain { node: String, found: String, expected: String },
    #[error("{node} answered nonsense: {cause}")]
    Nonsense { node: String, cause: String },
}
