//! What a scheme must know of a chain before it signs: the ground it stands on.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U256};

use crate::money::{Account, Network};

/// One thing to know. The answer to each is one word of 32 bytes.
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
}

/// A fact that a scheme must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub fact: Fact,
    /// It may be known from a while ago. Otherwise it is asked for each time: each use changes it.
    pub is_steady: bool,
}

impl Need {
    /// One that may be known from a while ago.
    pub fn steady(fact: Fact) -> Need {
        Need { fact, is_steady: true }
    }

    /// One that each use changes.
    pub fn fresh(fact: Fact) -> Need {
        Need { fact, is_steady: false }
    }
}

/// What is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground(BTreeMap<Fact, B256>);

impl Fact {
    /// Of which network.
    pub fn network(&self) -> &Network {
        match self {
            Fact::Call { to: account, .. } | Fact::Sent(account) => account.network(),
            Fact::GasPrice(network) => network,
        }
    }
}

impl Ground {
    /// A fact as a number, where it is known.
    pub fn number(&self, fact: &Fact) -> Option<U256> {
        self.0.get(fact).map(|word| U256::from_be_bytes(word.0))
    }
}

impl FromIterator<(Fact, B256)> for Ground {
    fn from_iter<T: IntoIterator<Item = (Fact, B256)>>(facts: T) -> Ground {
        Ground(facts.into_iter().collect())
    }
}
