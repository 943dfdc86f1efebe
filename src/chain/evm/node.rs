//! One node: what it is asked. Only its host is ever shown: keys to nodes stand in paths and queries.

use std::sync::atomic::{AtomicU64, Ordering};

use alloy_primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use url::Url;

use super::reply;
use crate::chain::json_rpc::NodeFailure;
use crate::chain::line::Line;
use crate::outward;
use crate::settlement::{Block, ChainError, EventLog, LogFilter};

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
            let (found, expected) = (found.to_string(), expected.to_string());
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
        failure.of(&self.name)
    }

    async fn ask(&self, line: &Line, method: &'static str, params: Value) -> Result<Value, NodeFailure> {
        line.ask(&self.url, method, params).await
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
