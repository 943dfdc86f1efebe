//! One call on the EVM: what it brings, and what must be known to take it back.

use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use revm::context::result::{ExecutionResult, Output};
use revm::context::{BlockEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::state::{AccountInfo, EvmState};
use revm::{Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext};

use super::{CHAIN_ID, Reverted, contracts};

/// Enough for any call of a play contract, below the protocol's cap for one chain transaction.
pub(super) const GAS_LIMIT: u64 = 1_000_000;

/// Who calls what. Nothing here costs ether, and nobody has any.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) data: Bytes,
    pub(super) gas_limit: u64,
}

impl Message {
    pub(super) fn new(from: Address, to: Address, data: Bytes) -> Self {
        Self { from, to, data, gas_limit: GAS_LIMIT }
    }
}

/// What a call did, before it is committed. One that reverted did nothing but use up its sender's nonce.
pub(super) struct Executed {
    pub(super) outcome: Result<Bytes, Reverted>,
    pub(super) logs: Vec<Log>,
    pub(super) gas_used: u64,
    changes: EvmState,
}

/// The play chain's state.
#[derive(Clone)]
pub(super) struct World(CacheDB<EmptyDB>);

/// What a block changed, with what was there before.
#[derive(Clone, Debug)]
pub(super) struct Undo {
    sender: Address,
    nonce: u64,
    /// Address, slot, value.
    slots: Vec<(Address, U256, U256)>,
}

impl World {
    /// Every contract in its place, and nothing else.
    pub(super) fn new() -> Self {
        let mut db = CacheDB::new(EmptyDB::default());
        for (address, code) in contracts::all() {
            let code = revm::state::Bytecode::new_raw(code);
            db.insert_account_info(address, AccountInfo::from_bytecode(code));
        }
        Self(db)
    }

    /// How many chain transactions an account has sent.
    pub(super) fn nonce_of(&self, account: Address) -> u64 {
        self.0.cache.accounts.get(&account).map_or(0, |found| found.info.nonce)
    }

    /// Runs a call in a block of this number and time, and commits nothing. One that cannot even begin is an error.
    pub(super) fn run(&mut self, (number, timestamp): (u64, u64), message: &Message) -> Result<Executed, Reverted> {
        let block = BlockEnv { number: U256::from(number), timestamp: U256::from(timestamp), ..BlockEnv::default() };
        let call = TxEnv {
            caller: message.from,
            gas_limit: message.gas_limit,
            kind: TxKind::Call(message.to),
            data: message.data.clone(),
            chain_id: Some(CHAIN_ID),
            ..TxEnv::default()
        };
        let mut evm = Context::mainnet()
            .with_db(&mut self.0)
            .with_block(block)
            .modify_cfg_chained(|cfg| {
                cfg.chain_id = CHAIN_ID;
                cfg.disable_nonce_check = true;
            })
            .build_mainnet();
        let ran = evm.transact(call).map_err(|e| halted(&e.to_string()))?;
        Ok(executed(ran.result, ran.state))
    }

    /// What a call answers in a block of this number and time.
    pub(super) fn ask(&mut self, block: (u64, u64), message: &Message) -> Result<Bytes, Reverted> {
        self.run(block, message)?.outcome
    }

    /// Keeps what a call changed, and says how to take it back.
    pub(super) fn commit(&mut self, sender: Address, done: Executed) -> Undo {
        let nonce = self.nonce_of(sender);
        let changed = done.changes.iter().flat_map(|(address, account)| {
            let slots = account.storage.iter().filter(|(_, value)| value.is_changed());
            slots.map(|(slot, value)| (*address, *slot, value.original_value))
        });
        let slots = changed.collect();
        self.0.commit(done.changes);
        Undo { sender, nonce, slots }
    }

    pub(super) fn take_back(&mut self, undo: &Undo) {
        let info = AccountInfo { nonce: undo.nonce, ..AccountInfo::default() };
        self.0.insert_account_info(undo.sender, info);
        for (address, slot, before) in &undo.slots {
            // The database beneath is empty, so there is nothing to read that could fail.
            let Ok(()) = self.0.insert_account_storage(*address, *slot, *before);
        }
    }
}

fn executed(result: ExecutionResult, changes: EvmState) -> Executed {
    let gas_used = result.tx_gas_used();
    let (outcome, logs) = match result {
        ExecutionResult::Success { logs, output, .. } => (Ok(Output::into_data(output)), logs),
        ExecutionResult::Revert { output, .. } => {
            (Err(Reverted { reason: contracts::reason(&output), data: output }), Vec::new())
        }
        ExecutionResult::Halt { reason, .. } => (Err(halted(&format!("{reason:?}"))), Vec::new()),
    };
    Executed { outcome, logs, gas_used, changes }
}

fn halted(reason: &str) -> Reverted {
    Reverted { reason: reason.to_owned(), data: Bytes::new() }
}
