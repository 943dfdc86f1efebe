//! A chain of play money: the play contracts running on a real EVM, in memory, in this process.
//!
//! It calls itself Base Sepolia and keeps its dollar at USDC's address there and Permit2 at its own, so everything that reads, signs or pays
//! treats it like the real test network. Settling makes a block; so does `mine`; and, as on a chain that lives, blocks
//! appear while the clock runs (`idle_blocks`). The clock can be replaced, so tests pass windows without waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::{Address, B256, Bytes, Log, U256, address, keccak256};
use alloy_sol_types::SolCall;

use self::evm::{Message, Undo, World};

mod asset;
mod contracts;
mod evm;
mod permit2;
mod raw;

pub use asset::AssetContract;
pub use contracts::{ASSET, DOLLAR, EXACT_PROXY, PERMIT2, PlayAsset, SEQUENCE_ASSET, SEQUENCE_DOLLAR, UPTO_PROXY};
pub use permit2::{Permit2Settlement, Sponsored};

/// The chain id of Base Sepolia.
pub const CHAIN_ID: u64 = 84532;
/// The same, as x402 v2 writes it.
pub const NETWORK: &str = "eip155:84532";
/// The same, as x402 v1 writes it.
pub const NETWORK_V1: &str = "base-sepolia";

/// Who sends the facilitator's chain transactions: a settler with no key and no gas to pay. It is the facilitator that
/// `upto` payments name.
pub const SETTLER: Address = address!("00000000000000000000000000000000005e771e");
/// Base makes a block every two seconds.
const IDLE_BLOCK_S: u64 = 2;

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
    undo: Option<Undo>,
}

/// What a chain transaction was, and what became of it.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub tx: B256,
    pub from: Address,
    pub to: Address,
    /// How many its sender had sent before.
    pub nonce: u64,
    /// What the contract was called with.
    pub input: Bytes,
    /// Only what others signed can revert in a block.
    pub succeeded: bool,
    pub gas_used: u64,
    pub logs: Vec<Log>,
}

pub struct PlayChain {
    options: ChainOptions,
    state: Mutex<State>,
}

struct State {
    world: World,
    /// Never empty; the index is the number.
    blocks: Vec<Block>,
}

impl PlayChain {
    pub fn new(options: ChainOptions) -> Self {
        let state = State::new((options.clock)());
        Self { options, state: Mutex::new(state) }
    }

    /// What time the chain's clock shows; a block may be a little behind it.
    pub fn now(&self) -> u64 {
        (self.options.clock)()
    }

    /// Makes dollars out of nothing.
    pub fn mint(&self, to: Address, value: U256) -> Result<B256, Reverted> {
        self.asset(ASSET).mint(to, value)
    }

    /// Takes a signed authorization to the play dollar. What would revert is not sent, so it leaves no block.
    pub fn transfer_with_authorization(&self, transfer: &Transfer, signature: &[u8]) -> Result<B256, Reverted> {
        self.asset(ASSET).transfer_with_authorization(transfer, signature)
    }

    /// What sending the same would say now, without sending it.
    pub fn simulate_transfer(&self, transfer: &Transfer, signature: &[u8]) -> Result<(), Reverted> {
        self.asset(ASSET).simulate_transfer(transfer, signature)
    }

    /// How many dollars an account has.
    pub fn balance_of(&self, owner: Address) -> U256 {
        self.asset(ASSET).balance_of(owner)
    }

    /// Whether an authorization over dollars was used or cancelled.
    pub fn authorization_used(&self, authorizer: Address, nonce: B256) -> bool {
        self.asset(ASSET).authorization_used(authorizer, nonce)
    }

    /// A plain transfer of dollars, as whoever has the key of `from` would send it.
    pub fn transfer(&self, from: Address, to: Address, value: U256) -> Result<B256, Reverted> {
        self.asset(ASSET).transfer(from, to, value)
    }

    /// Runs a call on the latest state, as if in the next block, and keeps nothing.
    pub fn call(&self, to: Address, data: Bytes) -> Result<Bytes, Reverted> {
        let mut state = self.state();
        let block = state.next_block(self.now());
        state.world.ask(block, &Message::new(SETTLER, to, data))
    }

    /// Runs a call on the state a block left behind; a block that does not exist yet counts as the latest.
    pub fn call_at(&self, block: u64, to: Address, data: Bytes) -> Result<Bytes, Reverted> {
        self.call_from_at(block, SETTLER, to, data)
    }

    /// The same, where it matters who asks.
    pub fn call_from_at(&self, block: u64, from: Address, to: Address, data: Bytes) -> Result<Bytes, Reverted> {
        self.at(block, |world, at| world.ask(at, &Message::new(from, to, data)))
    }

    /// The code at an address; none where no contract is.
    pub fn code_at(&self, address: Address) -> Bytes {
        contracts::code_at(address)
    }

    /// Adds empty blocks.
    pub fn mine(&self, blocks: u64) {
        let mut state = self.state();
        for _ in 0..blocks {
            state.append(self.now(), None, None);
        }
    }

    /// Forgets the newest blocks and what they did, as a chain does that changes its mind; the first block stays.
    pub fn reorganize(&self, blocks: u64) {
        let mut state = self.state();
        for _ in 0..blocks.min(state.head().number) {
            if let Some(undo) = state.blocks.pop().and_then(|gone| gone.undo) {
                state.world.take_back(&undo);
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

    fn send(&self, from: Address, to: Address, data: Bytes) -> Result<B256, Reverted> {
        let now = self.now();
        self.state().include(now, &Message::new(from, to, data), None, false)
    }

    fn ask<C: SolCall>(&self, to: Address, call: C) -> Option<C::Return> {
        let output = self.call(to, call.abi_encode().into()).ok()?;
        C::abi_decode_returns(&output).ok()
    }

    /// Looks at the state a block left behind, with the block's number and time.
    fn at<T>(&self, block: u64, look: impl FnOnce(&mut World, (u64, u64)) -> T) -> T {
        let mut state = self.state();
        let State { world, blocks } = &mut *state;
        let newer = blocks.get((block as usize).saturating_add(1)..).unwrap_or_default();
        let at = &blocks[blocks.len() - 1 - newer.len()];
        if newer.is_empty() {
            // No copy for the latest state, which is asked for most.
            return look(world, (at.number, at.timestamp));
        }
        let mut world = world.clone();
        newer.iter().rev().filter_map(|block| block.undo.as_ref()).for_each(|undo| world.take_back(undo));
        look(&mut world, (at.number, at.timestamp))
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

impl State {
    fn new(now: u64) -> Self {
        let mut state = Self { world: World::new(), blocks: Vec::new() };
        state.append(now, None, None);
        state
    }

    fn head(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    /// The number and time of the block that would come now.
    fn next_block(&self, now: u64) -> (u64, u64) {
        (self.blocks.len() as u64, self.head().timestamp.max(now))
    }

    /// Makes a block of one call. One without a hash of its own gets one; one that reverts is left out unless told.
    fn include(
        &mut self,
        now: u64,
        message: &Message,
        hash: Option<B256>,
        reverted_too: bool,
    ) -> Result<B256, Reverted> {
        let block = self.next_block(now);
        let mut done = self.world.run(block, message)?;
        let succeeded = done.outcome.is_ok();
        if !reverted_too {
            done.outcome.clone()?;
        }
        let tx = hash.unwrap_or_else(|| tx_hash(block.0, &message.data));
        let receipt = Receipt {
            tx,
            from: message.from,
            to: message.to,
            nonce: self.world.nonce_of(message.from),
            input: message.data.clone(),
            succeeded,
            gas_used: done.gas_used,
            logs: std::mem::take(&mut done.logs),
        };
        let undo = self.world.commit(message.from, done);
        self.append(block.1, Some(receipt), Some(undo));
        Ok(tx)
    }

    /// Blocks never go back in time; several may share a second.
    fn append(&mut self, now: u64, receipt: Option<Receipt>, undo: Option<Undo>) {
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
            self.append(now - ago * IDLE_BLOCK_S, None, None);
        }
    }
}

/// Unique on this chain, because a block holds one chain transaction at most.
fn tx_hash(block: u64, data: &Bytes) -> B256 {
    keccak256([&block.to_be_bytes()[..], data].concat())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::contracts::PlayDollar;
    use super::*;
    use crate::payer::Payer;

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
