//! The play chain's JSON-RPC: the calls a wallet makes to learn what a chain knows, over HTTP on loopback.
//!
//! Old blocks answer with their own state. `safe` is `finalized`, `pending` is `latest`, and blocks list hashes only.
//! A node can be told to lie or to fail (`Mood`), because a wallet must survive nodes that do.

use std::io;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use alloy_primitives::{Address, B256, Bytes, Log, hex};
use http::StatusCode;
use serde_json::{Value, json};

use super::chain::{Block, CHAIN_ID, PlayChain, Receipt, Reverted, SETTLER};
use super::http::{self as wire, Request, Server, Wire};

/// How a node behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Honest,
    /// Hangs up on everyone.
    Down,
    /// Takes requests and never answers.
    Silent,
    /// Answers every call with a JSON-RPC error.
    Failing,
    /// Answers with status 429, as public nodes love to.
    Busy,
    /// Says it is another chain.
    WrongChain(u64),
    /// Has seen nothing after this block.
    StaleSince(u64),
    /// Says of every authorization that it was never used, and shows no log.
    Blind,
    /// Says of every authorization that it was used, and shows no log.
    Lying,
    /// The same, in blocks whose numbers are this far above everybody's.
    FromTheFuture(u64),
    /// Dates every block this many seconds into the future.
    ClockAhead(u64),
    /// Shows one more log for whatever it is asked, of a chain transaction that never was.
    Inventing,
    /// Shows logs and no receipt.
    NoReceipts,
    /// Says of every account that it was delegated to a contract.
    Delegated,
    /// Calls no block final.
    Undecided,
    /// Has the state and the logs of this many newest blocks, and no others.
    Pruned(u64),
}

/// A node that stops when dropped.
pub struct Rpc {
    server: Server,
    mood: Arc<Mutex<Mood>>,
}

impl Rpc {
    /// Listens on 127.0.0.1; port 0 takes any free one.
    pub async fn start(chain: Arc<PlayChain>, port: u16) -> io::Result<Self> {
        let mood = Arc::new(Mutex::new(Mood::Honest));
        let felt = mood.clone();
        let server = Server::start(port, move |request| {
            let mood = *felt.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = reply(&chain, mood, &request);
            async move { reply }
        });
        let server = server.await?;
        Ok(Self { server, mood })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn set_mood(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    pub fn set_down(&self, down: bool) {
        self.set_mood(if down { Mood::Down } else { Mood::Honest });
    }
}

fn reply(chain: &PlayChain, mood: Mood, request: &Request) -> Wire {
    match mood {
        Mood::Down => return Wire::HangUp,
        Mood::Silent => return Wire::Silence,
        Mood::Busy => {
            let status = StatusCode::TOO_MANY_REQUESTS.as_u16();
            return Wire::Answer(wire::response(status, "text/plain", "slow down"));
        }
        _ => {}
    }
    let node = Node { chain, mood };
    let answer = match serde_json::from_slice(&request.body) {
        Ok(Value::Array(calls)) => calls.iter().map(|call| node.answer(call)).collect(),
        Ok(call) => node.answer(&call),
        Err(_) => failure(&Value::Null, &Failure::new(-32700, "this is not JSON")),
    };
    Wire::Answer(wire::json(200, &answer))
}

struct Node<'a> {
    chain: &'a PlayChain,
    mood: Mood,
}

struct Failure {
    code: i64,
    message: String,
    data: Option<Bytes>,
}

type Outcome = Result<Value, Failure>;

impl Node<'_> {
    fn answer(&self, call: &Value) -> Value {
        let id = call.get("id").unwrap_or(&Value::Null);
        let Some(method) = call.get("method").and_then(Value::as_str) else {
            return failure(id, &Failure::new(-32600, "this is not a JSON-RPC request"));
        };
        match self.dispatch(method, &Params(call.get("params"))) {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(f) => failure(id, &f),
        }
    }

    fn dispatch(&self, method: &str, params: &Params) -> Outcome {
        if self.mood == Mood::Failing {
            return Err(Failure::new(-32000, "this node was told to fail"));
        }
        match method {
            "web3_clientVersion" => Ok(json!("bursar-sandbox")),
            "net_version" => Ok(json!(self.chain_id().to_string())),
            "eth_chainId" => Ok(quantity(self.chain_id())),
            "eth_blockNumber" => Ok(quantity(self.head())),
            "eth_getBlockByNumber" => self.block_by_number(params),
            "eth_getBlockByHash" => self.block_by_hash(params),
            "eth_call" => self.call(params),
            "eth_getLogs" => self.logs(params),
            "eth_getTransactionReceipt" => self.receipt(params),
            "eth_getTransactionByHash" => self.tx(params),
            "eth_getTransactionCount" => self.tx_count(params),
            "eth_sendRawTransaction" => self.send_raw(params),
            "eth_gasPrice" | "eth_maxPriorityFeePerGas" => Ok(quantity(0)),
            "eth_getBalance" => Ok(quantity(0)), // nobody here owns ether, and nothing costs any
            "eth_getCode" if self.mood == Mood::Delegated => {
                Ok(json!("0xef01005e11e50000000000000000000000000000000004"))
            }
            "eth_getCode" => Ok(bytes(self.chain.code_at(params.at(0)?))),
            _ => Err(Failure::new(-32601, &format!("no method `{method}` here"))),
        }
    }

    fn chain_id(&self) -> u64 {
        match self.mood {
            Mood::WrongChain(id) => id,
            _ => CHAIN_ID,
        }
    }

    fn head(&self) -> u64 {
        let head = self.chain.head().number;
        match self.mood {
            Mood::StaleSince(block) => head.min(block),
            _ => head,
        }
    }

    /// By how much its block numbers are made up.
    fn ahead(&self) -> u64 {
        match self.mood {
            Mood::FromTheFuture(by) => by,
            _ => 0,
        }
    }

    fn is_pruned(&self, block: u64) -> bool {
        matches!(self.mood, Mood::Pruned(kept) if block.saturating_add(kept) <= self.head())
    }

    /// A block by tag, number or `{blockHash}`, if this node has seen it; none given means the latest.
    fn find(&self, which: Option<&Value>) -> Result<Option<Block>, Failure> {
        let number = match which {
            None | Some(Value::Null) => self.head(),
            Some(Value::String(name)) => self.named(name)?,
            Some(Value::Object(by)) => match (by.get("blockHash"), by.get("blockNumber")) {
                (Some(hash), _) => {
                    let block = self.chain.block_with_hash(parse(hash)?);
                    return Ok(block.filter(|b| b.number <= self.head()));
                }
                (None, number) => return self.find(number),
            },
            Some(_) => return Err(Failure::bad("a block is a tag, a number or a hash")),
        };
        let seen = number <= self.head();
        Ok(seen.then(|| self.chain.block(number)).flatten())
    }

    fn named(&self, name: &str) -> Result<u64, Failure> {
        match name {
            "latest" | "pending" => Ok(self.head()),
            "safe" | "finalized" if self.mood == Mood::Undecided => Err(Failure::bad("no such block tag or number")),
            "safe" | "finalized" => Ok(self.head().saturating_sub(self.chain.finality_depth())),
            "earliest" => Ok(0),
            number => number
                .strip_prefix("0x")
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .map(|number| number.saturating_sub(self.ahead()))
                .ok_or_else(|| Failure::bad("no such block tag or number")),
        }
    }

    fn block_by_number(&self, params: &Params) -> Outcome {
        let mut block = self.find(params.get(0))?;
        if let Some(block) = &mut block {
            block.number += self.ahead();
            block.timestamp += if let Mood::ClockAhead(secs) = self.mood { secs } else { 0 };
        }
        Ok(block.map_or(Value::Null, |b| block_json(&b)))
    }

    fn block_by_hash(&self, params: &Params) -> Outcome {
        let block = self.find(Some(&json!({"blockHash": params.get(0)})))?;
        Ok(block.map_or(Value::Null, |b| block_json(&b)))
    }

    fn call(&self, params: &Params) -> Outcome {
        let call = params.get(0).ok_or_else(|| Failure::bad("no call"))?;
        let to: Address = parse(call.get("to").unwrap_or(&Value::Null))?;
        let data = call.get("input").or_else(|| call.get("data"));
        let data: Bytes = data.map_or(Ok(Bytes::new()), parse)?;
        let from = call.get("from").map_or(Ok(SETTLER), parse)?;
        let block = self.state_of(params.get(1))?;
        match (self.mood, used(&data)) {
            (Mood::Blind, Some(_)) => Ok(bytes(B256::ZERO)),
            (Mood::Lying | Mood::FromTheFuture(_), Some(used)) => Ok(bytes(used)),
            _ => Ok(bytes(self.chain.call_from_at(block, from, to, data)?)),
        }
    }

    /// The number of a block this node still has the state of.
    fn state_of(&self, which: Option<&Value>) -> Result<u64, Failure> {
        let block = self.find(which)?;
        let block = block.ok_or_else(|| Failure::new(-32000, "header not found"))?;
        if self.is_pruned(block.number) {
            return Err(Failure::new(-32000, "missing trie node"));
        }
        Ok(block.number)
    }

    fn tx_count(&self, params: &Params) -> Outcome {
        let block = self.state_of(params.get(1))?;
        Ok(quantity(self.chain.nonce_at(block, params.at(0)?)))
    }

    fn tx(&self, params: &Params) -> Outcome {
        let block = self.chain.block_of(params.at(0)?);
        let seen = block.filter(|b| b.number <= self.head() && self.mood != Mood::Blind);
        let tx = seen.and_then(|b| Some(tx_json(&b, b.receipt.as_ref()?)));
        Ok(tx.unwrap_or(Value::Null))
    }

    fn send_raw(&self, params: &Params) -> Outcome {
        let raw: Bytes = params.at(0)?;
        let sent = self.chain.send_raw(&raw);
        Ok(bytes(sent.map_err(|refused| Failure::new(-32000, &refused.reason))?))
    }

    fn receipt(&self, params: &Params) -> Outcome {
        let block = self.chain.block_of(params.at(0)?);
        let seen = block.filter(|b| b.number <= self.head() && !matches!(self.mood, Mood::Blind | Mood::NoReceipts));
        let receipt = seen.and_then(|b| Some(receipt_json(&b, b.receipt.as_ref()?)));
        Ok(receipt.unwrap_or(Value::Null))
    }

    fn logs(&self, params: &Params) -> Outcome {
        let filter = params.get(0).ok_or_else(|| Failure::bad("no filter"))?;
        let (from, to) = self.range(filter)?;
        let wanted = Filter::parse(filter)?;
        if self.is_pruned(from) {
            return Err(Failure::new(-32000, "history has been pruned for this block"));
        }
        let blocks = match self.mood {
            Mood::Blind | Mood::Lying | Mood::FromTheFuture(_) => Vec::new(),
            _ => self.chain.blocks_with_receipts(from, to),
        };
        let logs = blocks.iter().flat_map(log_rows);
        let mut rows: Vec<Value> = logs.filter(|(log, _)| wanted.matches(log)).map(|(_, row)| row).collect();
        rows.extend((self.mood == Mood::Inventing).then(|| wanted.invented(to)));
        Ok(rows.into())
    }

    fn range(&self, filter: &Value) -> Result<(u64, u64), Failure> {
        if filter.get("blockHash").is_some() {
            let block = self.find(Some(filter))?;
            let block = block.ok_or_else(|| Failure::new(-32000, "unknown block"))?;
            return Ok((block.number, block.number));
        }
        let bound = |key| match filter.get(key).and_then(Value::as_str) {
            Some(name) => self.named(name),
            None => Ok(self.head()),
        };
        Ok((bound("fromBlock")?, bound("toBlock")?.min(self.head())))
    }
}

/// The selector of `authorizationState(address,bytes32)`.
const AUTHORIZATION_STATE: [u8; 4] = [0xe9, 0x4a, 0x01, 0x02];
/// The selector of `nonceBitmap(address,uint256)`.
const NONCE_BITMAP: [u8; 4] = [0x4f, 0xe0, 0x2b, 0x44];

/// What says yes to a call that asks whether an authorization was used, for every one it can be about.
fn used(data: &[u8]) -> Option<B256> {
    if data.starts_with(&AUTHORIZATION_STATE) {
        return Some(B256::with_last_byte(1));
    }
    data.starts_with(&NONCE_BITMAP).then(|| B256::repeat_byte(0xff))
}

/// Which logs a caller wants: for the address and for each topic, any of a list; an empty list is anything.
struct Filter {
    addresses: Vec<Address>,
    topics: Vec<Vec<B256>>,
}

impl Filter {
    fn parse(filter: &Value) -> Result<Self, Failure> {
        let topics = match filter.get("topics") {
            None | Some(Value::Null) => &[],
            Some(Value::Array(topics)) => topics.as_slice(),
            Some(_) => return Err(Failure::bad("topics are a list")),
        };
        Ok(Self {
            addresses: one_or_many(filter.get("address"))?,
            topics: topics.iter().map(|topic| one_or_many(Some(topic))).collect::<Result<_, _>>()?,
        })
    }

    /// What fits, and never happened.
    fn invented(&self, block: u64) -> Value {
        let made_up = B256::repeat_byte(0x77);
        let topics = (0..3).map(|position| self.topics.get(position).and_then(|any| any.first()).unwrap_or(&made_up));
        json!({
            "address": self.addresses.first().map(bytes),
            "topics": topics.map(bytes).collect::<Vec<Value>>(),
            "data": "0x",
            "blockNumber": quantity(block),
            "blockHash": bytes(made_up),
            "transactionHash": bytes(made_up),
            "transactionIndex": quantity(0),
            "logIndex": quantity(0),
            "removed": false,
        })
    }

    fn matches(&self, log: &Log) -> bool {
        let any = self.addresses.is_empty() || self.addresses.contains(&log.address);
        any && self.topics.iter().enumerate().all(|(position, wanted)| {
            let topic = log.topics().get(position);
            wanted.is_empty() || topic.is_some_and(|t| wanted.contains(t))
        })
    }
}

struct Params<'a>(Option<&'a Value>);

impl Params<'_> {
    fn get(&self, position: usize) -> Option<&Value> {
        self.0?.get(position)
    }

    fn at<T: FromStr>(&self, position: usize) -> Result<T, Failure> {
        parse(self.get(position).unwrap_or(&Value::Null))
    }
}

/// Reads an address, a hash or bytes from their hex.
fn parse<T: FromStr>(value: &Value) -> Result<T, Failure> {
    let text = value.as_str();
    text.and_then(|t| t.parse().ok()).ok_or_else(|| Failure::bad("a hex string is missing or malformed"))
}

fn one_or_many<T: FromStr>(value: Option<&Value>) -> Result<Vec<T>, Failure> {
    match value {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(many)) => many.iter().map(parse).collect(),
        Some(one) => Ok(vec![parse(one)?]),
    }
}

impl Failure {
    fn new(code: i64, message: &str) -> Self {
        Self { code, message: message.to_owned(), data: None }
    }

    fn bad(message: &str) -> Self {
        Self::new(-32602, message)
    }
}

/// Nodes answer a revert with code 3 and the contract's own bytes.
impl From<Reverted> for Failure {
    fn from(reverted: Reverted) -> Self {
        Self { code: 3, message: format!("execution reverted: {}", reverted.reason), data: Some(reverted.data) }
    }
}

fn failure(id: &Value, f: &Failure) -> Value {
    let mut error = json!({"code": f.code, "message": f.message});
    if let Some(data) = &f.data {
        error["data"] = bytes(data);
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error})
}

fn quantity(n: u64) -> Value {
    json!(format!("{n:#x}"))
}

fn bytes(raw: impl AsRef<[u8]>) -> Value {
    json!(hex::encode_prefixed(raw))
}

fn block_json(block: &Block) -> Value {
    let txs: Vec<Value> = block.receipt.iter().map(|r| bytes(r.tx)).collect();
    let gas_used = block.receipt.as_ref().map_or(0, |r| r.gas_used);
    json!({
        "number": quantity(block.number),
        "hash": bytes(block.hash),
        "parentHash": bytes(block.parent),
        "timestamp": quantity(block.timestamp),
        "gasLimit": quantity(30_000_000),
        "gasUsed": quantity(gas_used),
        "baseFeePerGas": quantity(0),
        "transactions": txs,
    })
}

fn receipt_json(block: &Block, receipt: &Receipt) -> Value {
    let logs: Vec<Value> = log_rows(block).map(|(_, row)| row).collect();
    json!({
        "transactionHash": bytes(receipt.tx),
        "transactionIndex": quantity(0),
        "blockHash": bytes(block.hash),
        "blockNumber": quantity(block.number),
        "from": bytes(receipt.from),
        "to": bytes(receipt.to),
        "contractAddress": null,
        "status": quantity(receipt.succeeded.into()),
        "gasUsed": quantity(receipt.gas_used),
        "cumulativeGasUsed": quantity(receipt.gas_used),
        "effectiveGasPrice": quantity(0),
        "type": quantity(2),
        "logs": logs,
    })
}

/// Without what a signature would add: most here were sent by nobody's key.
fn tx_json(block: &Block, receipt: &Receipt) -> Value {
    json!({
        "hash": bytes(receipt.tx),
        "blockHash": bytes(block.hash),
        "blockNumber": quantity(block.number),
        "transactionIndex": quantity(0),
        "from": bytes(receipt.from),
        "to": bytes(receipt.to),
        "nonce": quantity(receipt.nonce),
        "input": bytes(&receipt.input),
        "value": quantity(0),
        "gasPrice": quantity(0),
        "chainId": quantity(CHAIN_ID),
        "type": quantity(2),
    })
}

fn log_rows(block: &Block) -> impl Iterator<Item = (&Log, Value)> {
    let receipt = block.receipt.iter();
    let logs = receipt.flat_map(|r| r.logs.iter().enumerate().map(move |(i, log)| (r, i, log)));
    logs.map(|(receipt, index, log)| (log, log_json(block, receipt, index, log)))
}

fn log_json(block: &Block, receipt: &Receipt, index: usize, log: &Log) -> Value {
    let topics: Vec<Value> = log.topics().iter().map(bytes).collect();
    json!({
        "address": bytes(log.address),
        "topics": topics,
        "data": bytes(&log.data.data),
        "blockNumber": quantity(block.number),
        "blockHash": bytes(block.hash),
        "transactionHash": bytes(receipt.tx),
        "transactionIndex": quantity(0),
        "logIndex": quantity(index as u64),
        "removed": false,
    })
}

#[cfg(test)]
mod tests;
