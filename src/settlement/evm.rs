//! What a witness of an EVM chain is asked about an authorization, and what its answers mean. How it is asked is the
//! rail's; what for, and what to make of it, each scheme says in a file of its own.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolEvent;

use super::{Transfer, Use, eip3009, permit2, tempo};
use crate::authorization::Authorization;
use crate::money::{Account, Amount, Network};

mod erc20 {
    alloy_sol_types::sol! {
        event Transfer(address indexed from, address indexed to, uint256 value);
    }
}

/// A question to a contract, and the logs that tell more once its answer is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvmQuestion {
    /// Which contract remembers a use; none where nothing but logs tells of one.
    pub memory: Option<UseRecord>,
    /// Where a use leaves a log.
    pub traces: Vec<LogFilter>,
    /// No block before this time holds a use.
    pub since_secs: u64,
    /// Nor any from this time on.
    pub until_secs: u64,
    /// What a chain transaction was called with tells whether it was a use.
    pub reads_input: bool,
}

/// A contract that remembers, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UseRecord {
    /// Whom to ask.
    pub contract: Address,
    /// The function and its arguments. The answer is one word.
    pub call: Vec<u8>,
}

/// Events of one contract: any of some kinds, then by their topics; an absent one matches anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter {
    /// Which contract writes them.
    pub contract: Address,
    /// Which events.
    pub kinds: Vec<B256>,
    /// What they are about.
    pub topics: Vec<B256>,
}

/// A log, as a node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLog {
    /// The contract that wrote it.
    pub address: Address,
    /// What the log is about.
    pub topics: Vec<B256>,
    /// What else the log says.
    pub data: Bytes,
    /// In which block.
    pub block_number: u64,
    /// Which log of its block.
    pub log_index: u64,
    /// The chain transaction it stands in.
    pub transaction_hash: B256,
    /// Its block is no longer part of the chain.
    pub removed: bool,
}

/// A chain transaction that succeeded and left a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainTx {
    /// The log that led to it.
    pub trace: EventLog,
    /// All its logs.
    pub logs: Vec<EventLog>,
    /// What it was called with.
    pub input: Bytes,
}

impl LogFilter {
    /// Whether a log is one of these.
    pub fn matches(&self, log: &EventLog) -> bool {
        let is_one = log
            .topics
            .split_first()
            .is_some_and(|(kind, topics)| self.kinds.contains(kind) && topics.starts_with(&self.topics));
        !log.removed && log.address == self.contract && is_one
    }
}

impl Authorization {
    /// What a witness is asked about it; none where it is on another rail.
    pub fn evm_question(&self) -> Option<EvmQuestion> {
        match self {
            Authorization::Eip3009(signed) => Some(eip3009::question(signed)),
            Authorization::Permit2(signed) => Some(permit2::question(signed)),
            Authorization::Tempo(signed) => Some(tempo::question(signed)),
            Authorization::Solana(_) => None,
        }
    }

    /// Whether the answer says that it was used; none where it says nothing.
    pub fn is_used(&self, answer: U256) -> Option<bool> {
        match self {
            Authorization::Eip3009(_) => eip3009::is_used(answer),
            Authorization::Permit2(signed) => Some(permit2::is_used(signed, answer)),
            Authorization::Tempo(_) | Authorization::Solana(_) => None,
        }
    }

    /// What a chain transaction did with it; none where it was about something else.
    pub fn fate_in(&self, tx: &ChainTx) -> Option<Use> {
        match self {
            Authorization::Eip3009(signed) => eip3009::fate_in(signed, tx),
            Authorization::Permit2(signed) => permit2::fate_in(signed, tx),
            Authorization::Tempo(signed) => tempo::fate_in(signed, tx),
            Authorization::Solana(_) => None,
        }
    }
}

/// The log of a transfer of an ERC-20 asset.
pub(super) fn transfer_log() -> B256 {
    erc20::Transfer::SIGNATURE_HASH
}

/// The transfers of a chain transaction out of an account, by the place of their logs.
pub(super) fn transfers(tx: &ChainTx, network: &Network, asset: Address, from: Address) -> Vec<(u64, Transfer)> {
    let of_ours = |log: &&EventLog| log.address == asset && log.transaction_hash == tx.trace.transaction_hash;
    let read = |log: &EventLog| {
        let erc20::Transfer { from: payer, to, value } =
            erc20::Transfer::decode_raw_log(log.topics.iter().copied(), &log.data).ok()?;
        let transfer = Transfer {
            chain_tx: log.transaction_hash.to_string(),
            block: log.block_number,
            from: Account::evm(network, payer),
            to: Account::evm(network, to),
            amount: Amount(value),
        };
        (payer == from && !log.removed).then_some((log.log_index, transfer))
    };
    tx.logs.iter().filter(of_ours).filter_map(read).collect()
}
