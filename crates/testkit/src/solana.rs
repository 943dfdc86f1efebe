//! A cluster of Solana's in memory: blocks that come by a clock, assets in a map, and nodes that answer for it over HTTP,
//! well or badly. It takes the one form of chain transaction that bursar signs, by the rules that the chain has for it;
//! Solana's own runtime is under `tests/peers/solana`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bursar::authorization::{SolanaKey, TokenProgram, token_account};
use bursar::money::Network;
use sandbox::http::{self as wire, Request, Server, Wire};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub mod shop;

/// The test cluster, and its own dollar.
pub const CLUSTER: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const GENESIS: &str = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
pub const USDC: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
/// A block comes this often.
pub const BLOCK_MS: u64 = 400;
/// For so many blocks what names one is taken.
pub const LIFE: u64 = 150;
/// So many blocks behind the head is final, and one behind it confirmed.
const FINALITY: u64 = 32;
/// The first block that anybody here knows.
const FIRST: u64 = 10_000;

/// Milliseconds since 1970.
pub type Millis = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What becomes of what is sent next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Lands,
    /// Nobody hears of it.
    IsDropped,
    /// It waits until it is let go.
    IsHeld,
    /// It is in a block, and moves nothing.
    Fails,
}

/// How a node behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Honest,
    /// Hangs up on everyone.
    Down,
    /// Is so many blocks behind.
    Behind(u64),
    /// Is several machines: one that is so many blocks behind tells of everything but what is final.
    Several(u64),
    /// Keeps no history from before now, and says so.
    Forgetful,
    /// Says that everything it ever knew is there, and shows none of it.
    Blind,
    /// Is of another cluster.
    Elsewhere,
    /// Says that the chain is so many blocks lower than it is, where it is asked for a block to sign by.
    TooLow(u64),
}

#[derive(Clone)]
pub struct Cluster {
    state: Arc<Mutex<State>>,
    clock: Millis,
}

struct State {
    began: u64,
    accounts: BTreeMap<SolanaKey, TokenAccount>,
    coins: BTreeMap<SolanaKey, u64>,
    landed: Vec<Landed>,
    held: Vec<Vec<u8>>,
    next: Fate,
    /// Hashes are others from this height on, and count how often that was so.
    forks: Vec<u64>,
}

#[derive(Clone)]
struct TokenAccount {
    owner: SolanaKey,
    mint: SolanaKey,
    program: TokenProgram,
    amount: u64,
}

#[derive(Clone)]
struct Landed {
    name: String,
    transaction: Vec<u8>,
    message: Vec<u8>,
    memo: String,
    height: u64,
    has_failed: bool,
    accounts: BTreeSet<SolanaKey>,
    before: Vec<TokenAccount>,
    after: Vec<TokenAccount>,
}

/// What a transaction of bursar's form says.
pub struct Read {
    pub fee_payer: SolanaKey,
    pub from: SolanaKey,
    pub source: SolanaKey,
    pub mint: SolanaKey,
    pub destination: SolanaKey,
    pub amount: u64,
    pub memo: String,
    pub blockhash: [u8; 32],
    pub message: Vec<u8>,
}

impl Cluster {
    pub fn new(clock: Millis) -> Cluster {
        let state = State {
            began: clock(),
            accounts: BTreeMap::new(),
            coins: BTreeMap::new(),
            landed: Vec::new(),
            held: Vec::new(),
            next: Fate::Lands,
            forks: Vec::new(),
        };
        Cluster { state: Arc::new(Mutex::new(state)), clock }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970, as its clock has them.
    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    pub fn height(&self) -> u64 {
        FIRST + self.now().saturating_sub(self.state().began) / BLOCK_MS
    }

    /// Some slots have no block.
    fn slot(height: u64) -> u64 {
        2 * FIRST + height + height / 16
    }

    /// The height of the block in a slot, or of the one before it.
    fn height_at(slot: u64) -> u64 {
        let mut height = slot.saturating_sub(2 * FIRST) * 16 / 17;
        while Cluster::slot(height + 1) <= slot {
            height += 1;
        }
        height
    }

    fn time(&self, height: u64) -> u64 {
        (self.state().began + height.saturating_sub(FIRST) * BLOCK_MS) / 1_000
    }

    fn blockhash(&self, height: u64) -> [u8; 32] {
        let forks = self.state().forks.iter().filter(|since| **since <= height).count();
        Sha256::digest(format!("block {height} of fork {forks}")).into()
    }

    /// Gives an owner this much more of an asset.
    pub fn fund(&self, owner: SolanaKey, program: TokenProgram, mint: SolanaKey, amount: u64) {
        let at = token_account(owner, program, mint);
        let mut state = self.state();
        state.accounts.entry(at).or_insert(TokenAccount { owner, mint, program, amount: 0 }).amount += amount;
    }

    /// Gives an owner some of the chain's own coin.
    pub fn give_coin(&self, owner: SolanaKey, lamports: u64) {
        self.state().coins.insert(owner, lamports);
    }

    pub fn balance(&self, owner: SolanaKey, program: TokenProgram, mint: SolanaKey) -> u64 {
        self.state().accounts.get(&token_account(owner, program, mint)).map_or(0, |account| account.amount)
    }

    /// What becomes of everything that is sent from now on.
    pub fn next(&self, fate: Fate) {
        self.state().next = fate;
    }

    /// What was held is sent.
    pub fn release(&self) {
        let held = std::mem::take(&mut self.state().held);
        self.next(Fate::Lands);
        held.iter().for_each(|transaction| drop(self.send(transaction)));
    }

    /// Takes back the newest blocks and what was in them, which may land again.
    pub fn reorganize(&self, blocks: u64) {
        let since = self.height().saturating_sub(blocks);
        let mut state = self.state();
        state.forks.push(since + 1);
        let gone: Vec<Landed> = state.landed.iter().filter(|landed| landed.height > since).cloned().collect();
        state.landed.retain(|landed| landed.height <= since);
        for landed in gone.iter().rev().filter(|landed| !landed.has_failed) {
            for was in &landed.before {
                let at = token_account(was.owner, was.program, was.mint);
                state.accounts.insert(at, was.clone());
            }
        }
    }

    /// How many transactions are in blocks and moved something.
    pub fn transfers(&self) -> usize {
        self.state().landed.iter().filter(|landed| !landed.has_failed).count()
    }

    /// Completes a transaction and sends it. Its name, where it is in a block and moved what it says.
    pub fn send(&self, transaction: &[u8]) -> Result<String, String> {
        let read = read(transaction).ok_or("that is not a transaction of this form")?;
        let height = self.height();
        let names = |height: &u64| self.blockhash(*height) == read.blockhash;
        let named = (height.saturating_sub(LIFE + 1)..=height).find(names).ok_or("its block is unknown or too old")?;
        let mut state = self.state();
        // A block's age counts from the parent of the block it lands in.
        if height - named > LIFE + 1 {
            return Err("its block is too old".to_owned());
        }
        if state.landed.iter().any(|landed| landed.message == read.message) {
            return Err("it was processed already".to_owned());
        }
        match state.next {
            Fate::IsDropped => return Err("it was not confirmed in time".to_owned()),
            Fate::IsHeld => {
                state.held.push(transaction.to_vec());
                return Err("it was not confirmed in time".to_owned());
            }
            Fate::Lands | Fate::Fails => {}
        }
        let touched = [read.source, read.destination];
        let found = |state: &State| touched.iter().filter_map(|at| state.accounts.get(at).cloned()).collect::<Vec<_>>();
        let before = found(&state);
        let can = before.len() == 2 && before[0].amount >= read.amount && before[0].owner == read.from;
        let has_failed = state.next == Fate::Fails || !can;
        if !has_failed {
            let moved = |state: &mut State, at, change: fn(u64, u64) -> u64| {
                if let Some(account) = state.accounts.get_mut(&at) {
                    account.amount = change(account.amount, read.amount);
                }
            };
            moved(&mut state, read.source, |held, amount| held - amount);
            moved(&mut state, read.destination, |held, amount| held + amount);
        }
        let (one, two) = (Sha256::digest(&read.message), Sha256::digest(transaction));
        let name = bs58::encode([one, two].concat()).into_string();
        let after = found(&state);
        let accounts = [read.fee_payer, read.from, read.source, read.destination].into();
        state.landed.push(Landed {
            name: name.clone(),
            transaction: transaction.to_vec(),
            message: read.message,
            memo: read.memo,
            height,
            has_failed,
            accounts,
            before,
            after,
        });
        if has_failed { Err("it failed".to_owned()) } else { Ok(name) }
    }
}

/// Reads a transaction in two signatures, of which the second is ours.
pub fn read(transaction: &[u8]) -> Option<Read> {
    let message = transaction.strip_prefix(&[2])?.get(128..)?;
    let keys = message.strip_prefix(&[0x80, 2, 1, 4, 8])?;
    let key = |at: u8| -> Option<SolanaKey> {
        let at = usize::from(at) * 32;
        Some(SolanaKey(keys.get(..8 * 32)?.get(at..at + 32)?.try_into().ok()?))
    };
    let blockhash = keys.get(8 * 32..9 * 32)?.try_into().ok()?;
    let mut rest = keys.get(9 * 32..)?.strip_prefix(&[4])?;
    let mut instructions = Vec::new();
    for _ in 0..4 {
        let (_, behind) = rest.split_first()?;
        let (accounts, behind) = counted(behind)?;
        let (data, behind) = counted(behind)?;
        instructions.push((accounts, data));
        rest = behind;
    }
    let ([source, mint, destination, from], moved) = (<[u8; 4]>::try_from(instructions[2].0).ok()?, instructions[2].1);
    let amount = moved.strip_prefix(&[12])?.get(..8)?.try_into().ok().map(u64::from_le_bytes)?;
    Some(Read {
        fee_payer: key(0)?,
        from: key(from).filter(|from| Some(*from) == key(1))?,
        source: key(source)?,
        mint: key(mint)?,
        destination: key(destination)?,
        amount,
        memo: String::from_utf8(instructions[3].1.to_vec()).ok()?,
        blockhash,
        message: message.to_vec(),
    })
    .filter(|_| rest == [0])
}

/// Bytes behind how many they are.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    match first & 0x80 {
        0 => rest.split_at_checked(usize::from(*first)),
        _ => {
            let (second, rest) = rest.split_first()?;
            rest.split_at_checked(usize::from(first & 0x7f) | usize::from(*second) << 7)
        }
    }
}

/// A node that stops when dropped.
pub struct Node {
    server: Server,
    shared: Arc<NodeState>,
}

struct NodeState {
    cluster: Cluster,
    mood: Mutex<(Mood, u64)>,
    asked: Mutex<Vec<String>>,
}

impl Node {
    pub async fn start(cluster: &Cluster) -> io::Result<Node> {
        let mood = Mutex::new((Mood::Honest, 0));
        let shared = Arc::new(NodeState { cluster: cluster.clone(), mood, asked: Mutex::default() });
        let state = shared.clone();
        let server = Server::start(0, move |request| {
            let answer = state.answer(&request);
            async move { answer }
        });
        Ok(Node { server: server.await?, shared })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn set_mood(&self, mood: Mood) {
        let height = self.shared.cluster.height();
        *self.shared.mood.lock().unwrap_or_else(PoisonError::into_inner) = (mood, height);
    }

    /// What it was asked since the last look.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl NodeState {
    fn answer(&self, request: &Request) -> Wire {
        let (mood, since) = *self.mood.lock().unwrap_or_else(PoisonError::into_inner);
        if mood == Mood::Down {
            return Wire::HangUp;
        }
        let asked: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let one = |asked: &Value| {
            let method = asked["method"].as_str().unwrap_or_default();
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(method.to_owned());
            let view = View { cluster: &self.cluster, mood, since };
            match view.tell(method, &asked["params"]) {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }),
                Err((code, message)) => {
                    json!({ "jsonrpc": "2.0", "id": asked["id"], "error": { "code": code, "message": message } })
                }
            }
        };
        let told = match asked.as_array() {
            Some(all) => Value::Array(all.iter().map(one).collect()),
            None => one(&asked),
        };
        Wire::Answer(wire::json(200, &told))
    }
}

/// The cluster as one node has it now.
struct View<'a> {
    cluster: &'a Cluster,
    mood: Mood,
    since: u64,
}

type Told = Result<Value, (i64, &'static str)>;

impl View<'_> {
    fn tip(&self, commitment: &Value) -> u64 {
        let is_final = !matches!(commitment["commitment"].as_str(), Some("processed" | "confirmed"));
        let behind = match self.mood {
            Mood::Behind(blocks) => blocks,
            Mood::Several(blocks) if !is_final => blocks,
            _ => 0,
        };
        let behind = behind
            + match commitment["commitment"].as_str() {
                Some("processed") => 0,
                Some("confirmed") => 1,
                _ => FINALITY,
            };
        self.cluster.height().saturating_sub(behind)
    }

    fn landed(&self, tip: u64) -> Vec<Landed> {
        let is_known = |landed: &&Landed| match self.mood {
            Mood::Blind => false,
            Mood::Forgetful => landed.height > self.since,
            _ => landed.height <= tip,
        };
        self.cluster.state().landed.iter().filter(is_known).cloned().collect()
    }

    fn tell(&self, method: &str, params: &Value) -> Told {
        let key = |at: usize| {
            let text = params[at].as_str().unwrap_or_default();
            bursar::money::solana_key(text).map(SolanaKey).ok_or((-32602, "that is no address"))
        };
        match method {
            "getGenesisHash" if self.mood == Mood::Elsewhere => {
                Ok(json!("4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY"))
            }
            "getGenesisHash" => Ok(json!(GENESIS)),
            "getEpochInfo" => {
                let height = self.tip(&params[0]);
                Ok(json!({ "absoluteSlot": Cluster::slot(height), "blockHeight": height, "epoch": 1 }))
            }
            "getBlockTime" => Ok(json!(self.cluster.time(Cluster::height_at(params[0].as_u64().unwrap_or_default())))),
            "getLatestBlockhash" => {
                let height = self.tip(&params[0]);
                let lower = if let Mood::TooLow(blocks) = self.mood { blocks } else { 0 };
                let hash = SolanaKey(self.cluster.blockhash(height)).to_string();
                Ok(told_at(height, json!({ "blockhash": hash, "lastValidBlockHeight": height + LIFE - lower })))
            }
            "getSignaturesForAddress" => self.history(key(0)?, &params[1]),
            "getTransaction" => Ok(self.transaction(params[0].as_str().unwrap_or_default(), self.tip(&params[1]))),
            "getBlock" => Ok(json!({ "blockHeight": Cluster::height_at(params[0].as_u64().unwrap_or_default()) })),
            "getFirstAvailableBlock" => Ok(match self.mood {
                Mood::Forgetful => json!(Cluster::slot(self.since)),
                _ => json!(0),
            }),
            "getAccountInfo" => Ok(told_at(self.tip(&params[1]), self.account(key(0)?))),
            "getBalance" => {
                let lamports = self.cluster.state().coins.get(&key(0)?).copied().unwrap_or_default();
                Ok(told_at(self.tip(&params[1]), json!(lamports)))
            }
            _ => Err((-32601, "there is no such method")),
        }
    }

    fn history(&self, account: SolanaKey, how: &Value) -> Told {
        let tip = self.tip(how);
        if how["minContextSlot"].as_u64().is_some_and(|wanted| wanted > Cluster::slot(tip)) {
            return Err((-32016, "Minimum context slot has not been reached"));
        }
        let mut landed = self.landed(tip);
        landed.retain(|landed| landed.accounts.contains(&account));
        landed.reverse();
        let before = how["before"].as_str();
        let behind = landed.iter().skip_while(|landed| before.is_some_and(|before| landed.name != before));
        let limit = how["limit"].as_u64().unwrap_or(1_000) as usize;
        let shown = behind.skip(usize::from(before.is_some())).take(limit).map(|landed| {
            let failed = json!({ "InstructionError": [2, { "Custom": 1 }] });
            json!({
                "signature": landed.name, "slot": Cluster::slot(landed.height), "blockTime": self.cluster.time(landed.height), "memo": format!("[{}] {}", landed.memo.len(), landed.memo),
                "err": if landed.has_failed { failed } else { Value::Null },
            })
        });
        Ok(Value::Array(shown.collect()))
    }

    fn transaction(&self, name: &str, tip: u64) -> Value {
        let Some(landed) = self.landed(tip).into_iter().find(|landed| landed.name == name) else { return Value::Null };
        let held = |accounts: &[TokenAccount]| -> Vec<Value> {
            let one = |account: &TokenAccount| {
                json!({ "mint": account.mint.to_string(), "owner": account.owner.to_string(),
                        "uiTokenAmount": { "amount": account.amount.to_string() } })
            };
            accounts.iter().map(one).collect()
        };
        let failed = json!({ "InstructionError": [2, { "Custom": 1 }] });
        json!({
            "slot": Cluster::slot(landed.height), "version": 0, "transaction": [STANDARD.encode(&landed.transaction), "base64"],
            "meta": {
                "err": if landed.has_failed { failed } else { Value::Null },
                "preTokenBalances": held(&landed.before), "postTokenBalances": held(&landed.after),
            },
        })
    }

    fn account(&self, at: SolanaKey) -> Value {
        let state = self.cluster.state();
        let Some(account) = state.accounts.get(&at) else { return Value::Null };
        let mut data = [&account.mint.0[..], &account.owner.0, &account.amount.to_le_bytes()].concat();
        data.resize(165, 0);
        json!({ "owner": account.program.key().to_string(), "data": [STANDARD.encode(data), "base64"], "lamports": 1 })
    }
}

fn told_at(height: u64, value: Value) -> Value {
    json!({ "context": { "slot": Cluster::slot(height) }, "value": value })
}

/// The cluster's name.
pub fn network() -> Network {
    Network::new(CLUSTER)
}

/// A key that is good for nothing else.
pub fn key(text: &str) -> SolanaKey {
    SolanaKey(bursar::money::solana_key(text).expect("32 bytes in base58"))
}
