//! What a scheme must know of a chain before it signs: the ground it stands on.

use std::collections::BTreeMap;

use std::time::Duration;

use alloy_primitives::{B256, U256};

use crate::limits;
use crate::money::{Account, Network};
use crate::time::Time;

/// One thing to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// What a contract answers to a call.
    Call {
        /// The contract.
        to: Account,
        /// The function and its arguments.
        data: Vec<u8>,
    },
    /// How many chain transactions an account has sent.
    Sent(Account),
    /// What a unit of gas costs, in wei.
    GasPrice(Network),
    /// A block of Solana's that is young enough to be named in what is signed.
    RecentBlock(Network),
}

/// What is known of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// One word of 32 bytes.
    Word(B256),
    /// A block.
    Block(RecentBlock),
}

/// A block that may be named in what is signed, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentBlock {
    /// Its hash.
    pub hash: [u8; 32],
    /// How far its node was when it told.
    pub slot: u64,
    /// No block above this height takes what names it, by the highest word that any node has for it.
    pub last_height: u64,
}

/// A fact that a scheme must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub fact: Fact,
    /// For so long what is known is as good as new.
    pub keeps: Duration,
    /// For so long it is of some use, where nobody answers.
    pub is_of_use: Duration,
}

impl Need {
    /// One that may be known from a while ago.
    pub fn steady(fact: Fact) -> Need {
        Need { fact, keeps: limits::GROUND_KEPT, is_of_use: Duration::ZERO }
    }

    /// A block that is young. An older one tells how high the chain has grown at the most.
    pub fn young(network: &Network) -> Need {
        let (keeps, is_of_use) = (limits::BLOCK_IS_TAKEN, limits::BLOCK_IS_OF_USE);
        Need { fact: Fact::RecentBlock(network.clone()), keeps, is_of_use }
    }

    /// One that each use changes.
    pub fn fresh(fact: Fact) -> Need {
        Need { fact, keeps: Duration::ZERO, is_of_use: Duration::ZERO }
    }
}

/// What is known, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground(BTreeMap<Fact, (Time, Known)>);

impl Fact {
    /// Of which network.
    pub fn network(&self) -> &Network {
        match self {
            Fact::Call { to: account, .. } | Fact::Sent(account) => account.network(),
            Fact::GasPrice(network) | Fact::RecentBlock(network) => network,
        }
    }
}

impl Ground {
    /// A fact as a number, where it is known.
    pub fn number(&self, fact: &Fact) -> Option<U256> {
        self.0.get(fact).and_then(|(_, known)| known.number())
    }

    /// A recent block of a network, and how long ago it was told.
    pub fn recent_block(&self, network: &Network, now: Time) -> Option<(RecentBlock, Duration)> {
        match self.0.get(&Fact::RecentBlock(network.clone()))? {
            (at, Known::Block(block)) => Some((*block, now.since(*at))),
            (_, Known::Word(_)) => None,
        }
    }
}

impl FromIterator<(Fact, Time, Known)> for Ground {
    fn from_iter<T: IntoIterator<Item = (Fact, Time, Known)>>(facts: T) -> Ground {
        Ground(facts.into_iter().map(|(fact, at, known)| (fact, (at, known))).collect())
    }
}

impl From<B256> for Known {
    fn from(word: B256) -> Known {
        Known::Word(word)
    }
}

impl Known {
    /// As a number, where it is one.
    pub fn number(self) -> Option<U256> {
        match self {
            Known::Word(word) => Some(U256::from_be_bytes(word.0)),
            Known::Block(_) => None,
        }
    }
}
