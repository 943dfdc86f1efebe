//! A chain of play money: the play dollar running on a real EVM, in memory, in this process.
//!
//! It calls itself Base Sepolia and keeps its dollar at USDC's address there, so everything that reads, signs or pays
//! treats it like the real test network. Settling makes a block; so does `mine`; and, as on a chain that lives, blocks
//! appear while the clock runs (`idle_blocks`). The clock can be replaced, so tests pass windows without waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, address, hex, keccak256};
use alloy_sol_types::{Revert, SolCall, SolError, sol};
use revm::context::result::ExecutionResult;
use revm::context::{BlockEnv, TxEnv};
use revm::database::{CacheDB, EmptyDB};
use revm::state::{AccountInfo, Bytecode, EvmState};
use revm::{Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext};

/// The chain id of Base Sepolia.
pub const CHAIN_ID: u64 = 84532;
/// The same, as x402 v2 writes it.
pub const NETWORK: &str = "eip155:84532";
/// The same, as x402 v1 writes it.
pub const NETWORK_V1: &str = "base-sepolia";
/// Where USDC lives on Base Sepolia, and the play dollar lives here.
pub const ASSET: Address = address!("036CbD53842c5426634e7929541eC2318f3dCF7e");

/// Who sends the chain transactions: a settler with no key and no gas to pay.
const SETTLER: Address = address!("00000000000000000000000000000000005e771e");
/// Enough for any call of the play dollar, below the protocol's cap for one chain transaction.
const GAS_LIMIT: u64 = 1_000_000;
/// Base makes a block every two seconds.
const IDLE_BLOCK_S: u64 = 2;
const CODE: &str = include_str!("../../../contracts/PlayDollar.hex");

sol! {
    interface PlayDollar {
        function mint(address to, uint256 value);
        function transfer(address to, uint256 value) returns (bool);
        function balanceOf(address owner) returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) returns (bool);
        function transferWithAuthorization(
            address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce,
            bytes signature
        );
    }
}

/// Seconds since 1970, from wherever the chain's owner says time comes from.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The clock on the wall.
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// A clock that stands still until a test moves its hand, and the hand.
pub fn hand_clock(start: u64) -> (Clock, Arc<AtomicU64>) {
    let hand = Arc::new(AtomicU64::new(start));
    let shown = hand.clone();
    (Arc::new(move || shown.load(Ordering::Relaxed)), hand)
}

#[derive(Clone)]
pub struct ChainOptions {
    pub clock: Clock,
    /// How many blocks `finalized` is behind `latest`.
    pub finality_depth: u64,
    /// Whether empty blocks appear as the clock runs. Without them only settling and `mine` move the chain.
    pub idle_blocks: bool,
}

impl Default for ChainOptions {
    fn default() -> Self {
        Self { clock: system_clock(), finality_depth: 2, idle_blocks: true }
    }
}

/// What a payer signs: the arguments of the play dollar's `transferWithAuthorization`, without the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub from: Address,
    pub to: Address,
    pub value: U256,
    pub valid_after: U256,
    pub valid_before: U256,
    pub nonce: B256,
}

/// Why the contract said no, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Reverted {
    pub reason: String,
    /// The bytes as a node would return them.
    pub data: Bytes,
}

/// A block holds one chain transaction or none.
#[derive(Clone, Debug)]
pub struct Block {
    pub number: u64,
    pub hash: B256,
    pub parent: B256,
    pub timestamp: u64,
    pub receipt: Option<Receipt>,
    /// The play dollar's storage slots this block changed, with what they held before.
    undo: Vec<(U256, U256)>,
}

#[derive(Clone, Debug)]
pub struct Receipt {
    pub tx: B256,
    pub from: Address,
    pub to: Address,
    pub gas_used: u64,
    pub logs: Vec<Log>,
}

pub struct PlayChain {
    options: ChainOptions,
    state: Mutex<State>,
}

struct State {
    db: CacheDB<EmptyDB>,
    /// Never empty; the index is the number.
    blocks: Vec<Block>,
}

impl PlayChain {
    pub fn new(options: ChainOptions) -> Self {
        let state = State::with_play_dollar((options.clock)());
        Self { options, state: Mutex::new(state) }
    }

    /// What time the chain's clock shows; a block may be a little behind it.
    pub fn now(&self) -> u64 {
        (self.options.clock)()
    }

    /// Makes dollars out of nothing.
    pub fn mint(&self, to: Address, value: U256) -> Result<B256, Reverted> {
        self.send(PlayDollar::mintCall { to, value }.abi_encode().into())
    }

    /// Takes a signed authorization to the contract. What would revert is not sent, so it leaves no block.
    pub fn transfer_with_authorization(&self, transfer: &Transfer, signature: &[u8]) -> Result<B256, Reverted> {
        self.send(transfer_call(transfer, signature))
    }

    /// What sending the same would say now, without sending it.
    pub fn simulate_transfer(&self, transfer: &Transfer, signature: &[u8]) -> Result<(), Reverted> {
        self.call(ASSET, transfer_call(transfer, signature)).map(drop)
    }

    pub fn balance_of(&self, owner: Address) -> U256 {
        self.ask(PlayDollar::balanceOfCall { owner }).unwrap_or_default()
    }

    pub fn authorization_used(&self, authorizer: Address, nonce: B256) -> bool {
        self.ask(PlayDollar::authorizationStateCall { authorizer, nonce }).unwrap_or_default()
    }

    /// Runs a call on the latest state, as if in the next block, and keeps nothing.
    pub fn call(&self, to: Address, data: Bytes) -> Result<Bytes, Reverted> {
        let mut state = self.state();
        let now = state.head().timestamp.max(self.now());
        let State { db, blocks } = &mut *state;
        execute(db, (blocks.len() as u64, now), SETTLER, to, data).map(|done| done.output)
    }

    /// Runs a call on the state a block left behind; a block that does not exist yet counts as the latest.
    pub fn call_at(&self, block: u64, to: Address, data: Bytes) -> Result<Bytes, Reverted> {
        let mut state = self.state();
        let State { db, blocks } = &mut *state;
        let newer = blocks.get((block as usize).saturating_add(1)..).unwrap_or_default();
        let at = &blocks[blocks.len() - 1 - newer.len()];
        if newer.is_empty() {
            // No copy for the latest state, which is asked for most.
            return execute(db, (at.number, at.timestamp), SETTLER, to, data).map(|done| done.output);
        }
        let mut db = db.clone();
        newer.iter().rev().for_each(|block| undo(&mut db, block));
        execute(&mut db, (at.number, at.timestamp), SETTLER, to, data).map(|done| done.output)
    }

    /// The code at an address: the play dollar's, or none.
    pub fn code_at(&self, address: Address) -> Bytes {
        if address == ASSET { play_dollar_code() } else { Bytes::new() }
    }

    /// Adds empty blocks.
    pub fn mine(&self, blocks: u64) {
        let mut state = self.state();
        for _ in 0..blocks {
            state.append(self.now(), None, Vec::new());
        }
    }

    /// Forgets the newest blocks and what they did, as a chain does that changes its mind; the first block stays.
    pub fn reorganize(&self, blocks: u64) {
        let mut state = self.state();
        for _ in 0..blocks.min(state.head().number) {
            if let Some(gone) = state.blocks.pop() {
                undo(&mut state.db, &gone);
            }
        }
    }

    /// The latest block.
    pub fn head(&self) -> Block {
        self.state().head().clone()
    }

    /// How many blocks `finalized` is behind `latest`.
    pub fn finality_depth(&self) -> u64 {
        self.options.finality_depth
    }

    pub fn block(&self, number: u64) -> Option<Block> {
        self.state().blocks.get(usize::try_from(number).ok()?).cloned()
    }

    pub fn block_with_hash(&self, hash: B256) -> Option<Block> {
        let state = self.state();
        state.blocks.iter().rev().find(|b| b.hash == hash).cloned()
    }

    /// The block that holds a chain transaction.
    pub fn block_of(&self, tx: B256) -> Option<Block> {
        let state = self.state();
        let holds_it = |b: &&Block| b.receipt.as_ref().is_some_and(|r| r.tx == tx);
        state.blocks.iter().rev().find(holds_it).cloned()
    }

    /// The blocks of a range that have something to tell.
    pub fn blocks_with_receipts(&self, from: u64, to: u64) -> Vec<Block> {
        let state = self.state();
        let in_range = state.blocks.iter().skip(from as usize);
        in_range.take_while(|b| b.number <= to).filter(|b| b.receipt.is_some()).cloned().collect()
    }

    /// A plain transfer, as whoever has the key of `from` would send it.
    pub fn transfer(&self, from: Address, to: Address, value: U256) -> Result<B256, Reverted> {
        self.send_from(from, PlayDollar::transferCall { to, value }.abi_encode().into())
    }

    fn send(&self, data: Bytes) -> Result<B256, Reverted> {
        self.send_from(SETTLER, data)
    }

    fn send_from(&self, from: Address, data: Bytes) -> Result<B256, Reverted> {
        let mut state = self.state();
        let now = state.head().timestamp.max(self.now());
        let number = state.blocks.len() as u64;
        let done = execute(&mut state.db, (number, now), from, ASSET, data.clone())?;
        let undo = slots_before(&done.changes);
        state.db.commit(done.changes);
        let tx = tx_hash(number, &data);
        let receipt = Receipt { tx, from, to: ASSET, gas_used: done.gas_used, logs: done.logs };
        state.append(now, Some(receipt), undo);
        Ok(tx)
    }

    fn ask<C: SolCall>(&self, call: C) -> Option<C::Return> {
        let output = self.call(ASSET, call.abi_encode().into()).ok()?;
        C::abi_decode_returns(&output).ok()
    }

    /// The only way in, so whoever looks finds the blocks that time has brought.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.options.idle_blocks {
            state.catch_up(self.now(), self.options.finality_depth);
        }
        state
    }
}

struct Executed {
    output: Bytes,
    logs: Vec<Log>,
    gas_used: u64,
    changes: EvmState,
}

impl State {
    fn with_play_dollar(now: u64) -> Self {
        let mut db = CacheDB::new(EmptyDB::default());
        let code = Bytecode::new_raw(play_dollar_code());
        db.insert_account_info(ASSET, AccountInfo::from_bytecode(code));
        let mut state = Self { db, blocks: Vec::new() };
        state.append(now, None, Vec::new());
        state
    }

    fn head(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// Blocks never go back in time; several may share a second.
    fn append(&mut self, now: u64, receipt: Option<Receipt>, undo: Vec<(U256, U256)>) {
        let parent = self.blocks.last();
        let number = self.blocks.len() as u64;
        let timestamp = parent.map_or(now, |p| p.timestamp.max(now));
        let parent = parent.map_or(B256::ZERO, |p| p.hash);
        let tx = receipt.as_ref().map_or(B256::ZERO, |r| r.tx);
        let hash = keccak256([parent.0, tx.0, U256::from(timestamp).to_be_bytes()].concat());
        self.blocks.push(Block { number, hash, parent, timestamp, receipt, undo });
    }

    /// Adds the blocks that passed while nobody looked: enough that the finalized one is young too, and no more, so
    /// that a clock moved by a year does not make a year of blocks.
    fn catch_up(&mut self, now: u64, finality_depth: u64) {
        let missed = now.saturating_sub(self.head().timestamp) / IDLE_BLOCK_S;
        for ago in (0..missed.min(finality_depth + 1)).rev() {
            self.append(now - ago * IDLE_BLOCK_S, None, Vec::new());
        }
    }
}

/// Runs a call without committing what it changes.
fn execute(
    db: &mut CacheDB<EmptyDB>,
    (number, timestamp): (u64, u64),
    caller: Address,
    to: Address,
    data: Bytes,
) -> Result<Executed, Reverted> {
    let block = BlockEnv { number: U256::from(number), timestamp: U256::from(timestamp), ..BlockEnv::default() };
    let call = TxEnv {
        caller,
        gas_limit: GAS_LIMIT,
        kind: TxKind::Call(to),
        data,
        chain_id: Some(CHAIN_ID),
        ..TxEnv::default()
    };
    let mut evm = Context::mainnet()
        .with_db(db)
        .with_block(block)
        .modify_cfg_chained(|cfg| {
            cfg.chain_id = CHAIN_ID;
            cfg.disable_nonce_check = true;
        })
        .build_mainnet();
    let ran = evm.transact(call).map_err(|e| halted(&e.to_string()))?;
    executed(ran.result, ran.state)
}

fn executed(result: ExecutionResult, changes: EvmState) -> Result<Executed, Reverted> {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { logs, output, .. } => {
            Ok(Executed { output: output.into_data(), logs, gas_used, changes })
        }
        ExecutionResult::Revert { output, .. } => Err(Reverted {
            reason: Revert::abi_decode(&output).map_or_else(|_| "reverted without a reason".into(), |r| r.reason),
            data: output,
        }),
        ExecutionResult::Halt { reason, .. } => Err(halted(&format!("{reason:?}"))),
    }
}

fn halted(reason: &str) -> Reverted {
    Reverted { reason: reason.to_owned(), data: Bytes::new() }
}

fn slots_before(changes: &EvmState) -> Vec<(U256, U256)> {
    let slots = changes.get(&ASSET).map(|asset| &asset.storage);
    let changed = slots.into_iter().flatten().filter(|(_, v)| v.is_changed());
    changed.map(|(slot, v)| (*slot, v.original_value)).collect()
}

fn undo(db: &mut CacheDB<EmptyDB>, block: &Block) {
    for (slot, before) in &block.undo {
        // The database beneath is empty, so there is nothing to read that could fail.
        let Ok(()) = db.insert_account_storage(ASSET, *slot, *before);
    }
}

fn transfer_call(t: &Transfer, signature: &[u8]) -> Bytes {
    let call = PlayDollar::transferWithAuthorizationCall {
        from: t.from,
        to: t.to,
        value: t.value,
        validAfter: t.valid_after,
        validBefore: t.valid_before,
        nonce: t.nonce,
        signature: signature.to_vec().into(),
    };
    call.abi_encode().into()
}

/// Unique on this chain, because a block holds one chain transaction at most.
fn tx_hash(block: u64, data: &Bytes) -> B256 {
    keccak256([&block.to_be_bytes()[..], data].concat())
}

fn play_dollar_code() -> Bytes {
    hex::decode(CODE.trim()).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eip3009::payer::Payer;

    const START: u64 = 1_800_000_000;

    /// A chain whose time stands still until told, and a payer with one dollar.
    struct Scene {
        chain: PlayChain,
        time: Arc<AtomicU64>,
        payer: Payer,
    }

    impl Scene {
        fn new(idle_blocks: bool) -> Self {
            let (clock, time) = hand_clock(START);
            let chain = PlayChain::new(ChainOptions { clock, idle_blocks, ..ChainOptions::default() });
            let payer = Payer::well_known();
            chain.mint(payer.address, U256::from(1_000_000)).expect("minted");
            Self { chain, time, payer }
        }

        fn wait(&self, seconds: u64) {
            self.time.fetch_add(seconds, Ordering::Relaxed);
        }

        fn settle(&self, transfer: &Transfer) -> Result<B256, String> {
            self.settle_with(transfer, &self.payer.sign(transfer))
        }

        fn settle_with(&self, transfer: &Transfer, signature: &[u8]) -> Result<B256, String> {
            self.chain.transfer_with_authorization(transfer, signature).map_err(|e| e.reason)
        }
    }

    #[test]
    fn a_settled_authorization_moves_exactly_its_value() {
        let s = Scene::new(false);
        let cent = s.payer.one_cent(&s.chain, 1);
        let tx = s.settle(&cent).expect("settled");
        assert_eq!(s.chain.balance_of(s.payer.address), U256::from(990_000));
        assert_eq!(s.chain.balance_of(cent.to), U256::from(10_000));
        assert!(s.chain.authorization_used(cent.from, cent.nonce));
        let block = s.chain.block_of(tx).expect("in a block");
        assert_eq!(block.receipt.expect("with a receipt").logs.len(), 2);
    }

    #[test]
    fn a_replayed_authorization_reverts_and_moves_nothing() {
        let s = Scene::new(false);
        let cent = s.payer.one_cent(&s.chain, 1);
        s.settle(&cent).expect("settled");
        let again = s.settle(&cent).expect_err("replayed");
        assert_eq!(again, "PlayDollar: authorization is used or cancelled");
        assert_eq!(s.chain.balance_of(cent.to), U256::from(10_000));
    }

    #[test]
    fn a_window_that_has_passed_or_not_begun_reverts() {
        let s = Scene::new(false);
        let mut early = s.payer.one_cent(&s.chain, 1);
        early.valid_after = U256::from(START);
        let reason = s.settle(&early).expect_err("too early");
        assert_eq!(reason, "PlayDollar: authorization is not valid yet");
        let cent = s.payer.one_cent(&s.chain, 2);
        s.wait(60);
        let reason = s.settle(&cent).expect_err("too late");
        assert_eq!(reason, "PlayDollar: authorization has expired");
    }

    #[test]
    fn a_signature_over_other_terms_reverts() {
        let s = Scene::new(false);
        let cent = s.payer.one_cent(&s.chain, 1);
        let mut dearer = cent.clone();
        dearer.value = U256::from(10_001);
        let reason = s.settle_with(&dearer, &s.payer.sign(&cent));
        assert_eq!(reason.expect_err("not what was signed"), "PlayDollar: signature is not the payer's");
    }

    #[test]
    fn malformed_signatures_revert_with_their_own_reasons() {
        let s = Scene::new(false);
        let cent = s.payer.one_cent(&s.chain, 1);
        let good = s.payer.sign(&cent);
        let mut high_s = good.clone();
        high_s[32] = 0xff;
        let mut strange_v = good.clone();
        strange_v[64] = 1;
        let nobody = [&[0; 64][..], &[27]].concat();
        for (signature, reason) in [
            (&good[..64], "signature is not 65 bytes long"),
            (&high_s, "signature has a high s"),
            (&strange_v, "signature has a strange v"),
            (&nobody, "signature recovers to nobody"),
        ] {
            let reverted = s.settle_with(&cent, signature).expect_err(reason);
            assert_eq!(reverted, format!("PlayDollar: {reason}"));
        }
    }

    #[test]
    fn more_than_the_balance_reverts_and_leaves_the_authorization_unused() {
        let s = Scene::new(false);
        let mut dear = s.payer.one_cent(&s.chain, 1);
        dear.value = U256::from(1_000_001);
        let reason = s.settle(&dear).expect_err("too dear");
        assert_eq!(reason, "PlayDollar: balance is too low");
        assert!(!s.chain.authorization_used(dear.from, dear.nonce));
    }

    #[test]
    fn the_contract_s_domain_is_that_of_usdc_on_base_sepolia() {
        let s = Scene::new(false);
        let separator = s.chain.call(ASSET, Bytes::from(hex!("3644e515")));
        assert_eq!(
            hex::encode(separator.expect("a domain")),
            "71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818"
        );
    }

    #[test]
    fn an_older_block_remembers_the_state_it_left() {
        let s = Scene::new(false);
        let before = s.chain.head().number;
        let cent = s.payer.one_cent(&s.chain, 1);
        s.settle(&cent).expect("settled");
        let call = PlayDollar::balanceOfCall { owner: cent.to }.abi_encode();
        let at = |block| s.chain.call_at(block, ASSET, call.clone().into());
        assert_eq!(at(before).expect("then"), U256::ZERO.to_be_bytes_vec());
        let now = U256::from(10_000).to_be_bytes_vec();
        assert_eq!(at(before + 1).expect("now"), now);
    }

    #[test]
    fn a_reorganized_block_takes_its_settlement_with_it() {
        let s = Scene::new(false);
        let cent = s.payer.one_cent(&s.chain, 1);
        let tx = s.settle(&cent).expect("settled");
        s.chain.reorganize(1);
        assert!(!s.chain.authorization_used(cent.from, cent.nonce));
        assert_eq!(s.chain.balance_of(s.payer.address), U256::from(1_000_000));
        assert!(s.chain.block_of(tx).is_none());
        s.settle(&cent).expect("settled anew");
    }

    #[test]
    fn a_stopped_chain_moves_only_by_settling_and_mining() {
        let s = Scene::new(false);
        let before = s.chain.head().number;
        s.wait(3_600);
        assert_eq!(s.chain.head().number, before);
        s.chain.mine(3);
        assert_eq!(s.chain.head().number, before + 3);
        assert_eq!(s.chain.head().timestamp, START + 3_600);
    }

    #[test]
    fn a_living_chain_makes_blocks_as_time_passes_and_finality_follows() {
        let s = Scene::new(true);
        s.wait(365 * 24 * 3_600);
        let head = s.chain.head();
        let finalized = s.chain.block(head.number - s.chain.finality_depth()).expect("a block");
        assert_eq!(head.timestamp, s.chain.now());
        assert_eq!(finalized.timestamp, s.chain.now() - 4);
        assert!(head.number < 10);
    }

    #[test]
    fn time_on_chain_never_runs_backwards() {
        let s = Scene::new(true);
        s.time.store(START - 1_000, Ordering::Relaxed);
        s.chain.mine(1);
        assert_eq!(s.chain.head().timestamp, START);
    }
}
