//! One node: JSON-RPC questions, and answers that are bounded. Only its host is ever shown: keys to nodes stand in paths
//! and queries.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256};
use reqwest::{Client, Response};
use serde_json::{Value, json};
use url::Url;

use super::gather::Gather;
use super::reply::{self, NodeFailure};
use crate::outward::{self, OutwardClient};
use crate::settlement::{Block, ChainError, EventLog, LogFilter};

/// A month of one wallet's logs is far below this; what is above it was not asked for.
const REPLY_BYTES: usize = 1024 * 1024;

/// The owner's way to nodes: any address, so unguarded, and apart from what goes to sellers.
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    wait: Duration,
    /// Where what is asked here waits for more.
    gather: Option<Arc<Gather>>,
}

#[derive(Debug, Default)]
struct Shared {
    client: OutwardClient,
    /// The nodes that take one question at a time.
    alone: Mutex<HashSet<Url>>,
}

#[derive(Debug)]
pub struct Node {
    url: Url,
    pub name: String,
    /// The chain it said it is on, once it was asked; zero until then.
    chain: AtomicU64,
}

/// Which block a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Latest,
    Finalized,
    Number(u64),
}

impl Node {
    pub fn new(url: Url) -> Node {
        Node { name: outward::name(&url), url, chain: AtomicU64::new(0) }
    }

    /// Asked once: a node that changes its chain has changed its URL.
    pub async fn is_on(&self, line: &Line, expected: u64) -> Result<(), ChainError> {
        let mut found = self.chain.load(Ordering::Relaxed);
        if found != expected {
            let said = self.ask(line, "eth_chainId", json!([])).await.and_then(|said| reply::quantity(&said));
            found = said.map_err(|failure| self.says(failure))?;
            self.chain.store(found, Ordering::Relaxed);
        }
        if found == expected {
            Ok(())
        } else {
            Err(ChainError::OtherChain { node: self.name.clone(), found, expected })
        }
    }

    /// A block's number and time; none where the node has no such block.
    pub async fn block(&self, line: &Line, at: At) -> Result<Option<Block>, NodeFailure> {
        let said = self.ask(line, "eth_getBlockByNumber", json!([at.spelt(), false])).await?;
        match (at, reply::block(said)?) {
            (At::Number(asked), Some(Block { number, .. })) if asked != number => {
                Err(NodeFailure::Nonsense(format!("block {number}, asked for {asked}")))
            }
            (_, block) => Ok(block),
        }
    }

    /// One 32-byte word from a contract.
    pub async fn word(&self, line: &Line, contract: Address, data: &[u8], at: At) -> Result<B256, NodeFailure> {
        let call = json!({ "to": contract, "data": alloy_primitives::hex::encode_prefixed(data) });
        let said = self.ask(line, "eth_call", json!([call, at.spelt()])).await?;
        let word = reply::word(said)?;
        word.ok_or_else(|| NodeFailure::Nonsense(format!("no contract answers at {contract}")))
    }

    /// How many chain transactions an account has sent.
    pub async fn sent(&self, line: &Line, account: Address) -> Result<B256, NodeFailure> {
        self.number(line, "eth_getTransactionCount", json!([account, "pending"])).await
    }

    /// How much of the chain's own coin an account has.
    pub async fn coin(&self, line: &Line, account: Address) -> Result<B256, NodeFailure> {
        self.number(line, "eth_getBalance", json!([account, At::Latest.spelt()])).await
    }

    /// What a unit of gas costs now.
    pub async fn gas_price(&self, line: &Line) -> Result<B256, NodeFailure> {
        self.number(line, "eth_gasPrice", json!([])).await
    }

    /// Hands over a signed chain transaction.
    pub async fn push(&self, line: &Line, signed: &[u8]) -> Result<(), NodeFailure> {
        let signed = alloy_primitives::hex::encode_prefixed(signed);
        self.ask(line, "eth_sendRawTransaction", json!([signed])).await.map(drop)
    }

    async fn number(&self, line: &Line, method: &'static str, params: Value) -> Result<B256, NodeFailure> {
        let said = self.ask(line, method, params).await?;
        Ok(B256::from(U256::from(reply::quantity(&said)?)))
    }

    /// Whether there is code at an address: a contract, or what an account was delegated to.
    pub async fn has_code(&self, line: &Line, address: Address) -> Result<bool, NodeFailure> {
        let said = self.ask(line, "eth_getCode", json!([address, At::Latest.spelt()])).await?;
        let code = said.as_str().ok_or_else(|| NodeFailure::Nonsense("code that is no text".to_owned()))?;
        Ok(!matches!(code, "0x" | "0x0"))
    }

    /// The logs a filter matches between two blocks, both included. What does not match was not asked for and is left.
    pub async fn logs(
        &self,
        line: &Line,
        filter: &LogFilter,
        from: u64,
        to: u64,
    ) -> Result<Vec<EventLog>, NodeFailure> {
        let (from_block, to_block) = (At::Number(from).spelt(), At::Number(to).spelt());
        let asked = json!([{
            "address": filter.contract, "topics": wanted(filter), "fromBlock": from_block, "toBlock": to_block,
        }]);
        let said = self.ask(line, "eth_getLogs", asked).await?;
        let fits = |log: &EventLog| filter.matches(log) && (from..=to).contains(&log.block_number);
        Ok(reply::logs(said)?.into_iter().filter(fits).collect())
    }

    /// The logs of a chain transaction that succeeded; none where it did not, or is not there.
    pub async fn receipt(&self, line: &Line, chain_tx: B256) -> Result<Vec<EventLog>, NodeFailure> {
        reply::logs_of_success(self.ask(line, "eth_getTransactionReceipt", json!([chain_tx])).await?)
    }

    /// What a chain transaction was called with; none where it is not there.
    pub async fn input(&self, line: &Line, chain_tx: B256) -> Result<Option<Bytes>, NodeFailure> {
        reply::input(self.ask(line, "eth_getTransactionByHash", json!([chain_tx])).await?)
    }

    pub fn says(&self, failure: NodeFailure) -> ChainError {
        let node = self.name.clone();
        match failure {
            NodeFailure::Silent(cause) | NodeFailure::Refused(cause) => ChainError::Silent { node, cause },
            NodeFailure::Nonsense(cause) => ChainError::Nonsense { node, cause },
        }
    }

    /// One question, one answer; `null` is an answer.
    async fn ask(&self, line: &Line, method: &'static str, params: Value) -> Result<Value, NodeFailure> {
        match &line.gather {
            Some(gather) => gather.ask(&self.url, method, params).await,
            None => line.ask_alone(&self.url, method, params).await,
        }
    }
}

impl Line {
    pub fn new(wait: Duration) -> Line {
        Line { shared: Arc::default(), wait, gather: None }
    }

    /// Does work over this line whose questions go together as far as they are asked at once.
    pub async fn gathering<T, F>(&self, work: impl FnOnce(Line) -> F) -> T
    where
        F: Future<Output = T>,
    {
        let gather = Arc::new(Gather::default());
        let line = Line { shared: self.shared.clone(), wait: self.wait, gather: Some(gather.clone()) };
        gather.carry(self, work(line)).await
    }

    pub async fn ask_alone(&self, url: &Url, method: &str, params: Value) -> Result<Value, NodeFailure> {
        const ID: u64 = 1;
        let question = json!({ "jsonrpc": "2.0", "id": ID, "method": method, "params": params });
        let (status, body) = self.post(url, question.to_string()).await?;
        reply::result(&body, ID).map_err(|failure| match failure {
            NodeFailure::Nonsense(_) if status != 200 => NodeFailure::Silent(format!("HTTP status {status}")),
            NodeFailure::Refused(cause) => NodeFailure::Refused(format!("{method} refused ({cause})")),
            other => other,
        })
    }

    pub fn is_asked_alone(&self, url: &Url) -> bool {
        self.shared.alone.lock().unwrap_or_else(PoisonError::into_inner).contains(url)
    }

    pub fn ask_alone_from_now_on(&self, url: &Url) {
        self.shared.alone.lock().unwrap_or_else(PoisonError::into_inner).insert(url.clone());
    }

    pub async fn post(&self, url: &Url, body: String) -> Result<(u16, Vec<u8>), NodeFailure> {
        let exchange = async {
            let sending = self.client()?.post(url.clone()).header("content-type", "application/json").body(body);
            let reply = sending.send().await.map_err(|error| NodeFailure::Silent(outward::root(&error)))?;
            Ok((reply.status().as_u16(), read(reply).await?))
        };
        match tokio::time::timeout(self.wait, exchange).await {
            Ok(result) => result,
            Err(_) => Err(NodeFailure::Silent(format!("nothing within {} s", self.wait.as_secs()))),
        }
    }

    fn client(&self) -> Result<&Client, NodeFailure> {
        self.shared.client.get().map_err(NodeFailure::Silent)
    }
}

impl At {
    fn spelt(self) -> String {
        match self {
            At::Latest => "latest".to_owned(),
            At::Finalized => "finalized".to_owned(),
            At::Number(number) => format!("{number:#x}"),
        }
    }
}

/// As nodes are asked for them.
fn wanted(filter: &LogFilter) -> Vec<Value> {
    let kind = if let [only] = filter.kinds.as_slice() { json!(only) } else { json!(filter.kinds) };
    std::iter::once(kind).chain(filter.topics.iter().map(|topic| json!(topic))).collect()
}

async fn read(mut reply: Response) -> Result<Vec<u8>, NodeFailure> {
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await.map_err(|error| NodeFailure::Silent(outward::root(&error)))? {
        if body.len() + chunk.len() > REPLY_BYTES {
            return Err(NodeFailure::Refused(format!("its answer is larger than {REPLY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
