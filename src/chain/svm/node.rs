//! One node of a cluster of Solana's: what it is asked.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use url::Url;

use super::reply::{self, AccountData, HistoryEntry, Tip, Transaction};
use crate::authorization::{RecentBlock, SolanaKey};
use crate::chain::json_rpc::NodeFailure;
use crate::chain::line::Line;
use crate::money::Network;
use crate::outward;
use crate::settlement::{Block, ChainError};

/// How much of a history is asked for at a time: as much as nodes hand out, or less.
const PAGES: [usize; 3] = [1_000, 100, 10];

#[derive(Debug)]
pub struct SvmNode {
    url: Url,
    pub name: String,
    /// It has shown the first block of its cluster.
    is_known: AtomicBool,
}

/// How sure a node has to be of what it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commitment {
    Confirmed,
    Finalized,
}

impl Commitment {
    fn word(self) -> &'static str {
        match self {
            Commitment::Confirmed => "confirmed",
            Commitment::Finalized => "finalized",
        }
    }
}

impl SvmNode {
    pub fn new(url: Url) -> SvmNode {
        SvmNode { name: outward::name(&url), url, is_known: AtomicBool::new(false) }
    }

    /// Asked once: a node that changes its cluster has changed its URL. A cluster is named by the beginning of its first
    /// block's hash.
    pub async fn is_on(&self, line: &Line, network: &Network) -> Result<(), ChainError> {
        if self.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let said = self.ask(line, "getGenesisHash", json!([])).await.map_err(|failure| self.says(failure))?;
        let hash = reply::text(&said).map_err(|failure| self.says(failure))?;
        let found = Network::new(format!("solana:{}", hash.chars().take(32).collect::<String>()));
        if found != *network {
            let title = |network: &Network| match network.rail() {
                Some(_) => network.title().to_owned(),
                None => "another one".to_owned(),
            };
            let (found, expected) = (title(&found), title(network));
            return Err(ChainError::OtherChain { node: self.name.clone(), found, expected });
        }
        self.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub async fn tip(&self, line: &Line, commitment: Commitment) -> Result<Tip, NodeFailure> {
        reply::tip(self.ask(line, "getEpochInfo", json!([{ "commitment": commitment.word() }])).await?)
    }

    /// The newest block this node calls final, its time, and its slot.
    pub async fn final_block(&self, line: &Line) -> Result<(Block, u64), NodeFailure> {
        let Tip { slot, height } = self.tip(line, Commitment::Finalized).await?;
        Ok((Block { number: height, time_secs: self.time_of(line, slot).await? }, slot))
    }

    async fn time_of(&self, line: &Line, slot: u64) -> Result<u64, NodeFailure> {
        let time = reply::time(&self.ask(line, "getBlockTime", json!([slot])).await?)?;
        time.ok_or_else(|| NodeFailure::Refused(format!("it has no time for slot {slot}")))
    }

    pub async fn recent_block(&self, line: &Line) -> Result<RecentBlock, NodeFailure> {
        reply::recent_block(self.ask(line, "getLatestBlockhash", json!([{ "commitment": "confirmed" }])).await?)
    }

    /// The newest of what an account took part in, or what came before one of it; told by a machine that is no further
    /// behind than this slot.
    pub async fn history(
        &self,
        line: &Line,
        account: SolanaKey,
        before: Option<&str>,
        no_earlier_than: u64,
    ) -> Result<Vec<HistoryEntry>, NodeFailure> {
        // Whoever likes can write a lot beside what they send: a page that is too long is asked for in shorter ones.
        let mut refused = NodeFailure::Refused("its history is not asked for".to_owned());
        for limit in PAGES {
            match self.page(line, account, before, no_earlier_than, limit).await {
                Err(NodeFailure::Refused(why)) => refused = NodeFailure::Refused(why),
                page => return page,
            }
        }
        Err(refused)
    }

    async fn page(
        &self,
        line: &Line,
        account: SolanaKey,
        before: Option<&str>,
        no_earlier_than: u64,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, NodeFailure> {
        let mut asked = json!({ "commitment": "confirmed", "limit": limit, "minContextSlot": no_earlier_than });
        if let Some(before) = before {
            asked["before"] = before.into();
        }
        reply::history(self.ask(line, "getSignaturesForAddress", json!([account.to_string(), asked])).await?)
    }

    pub async fn transaction(&self, line: &Line, signature: &str) -> Result<Option<Transaction>, NodeFailure> {
        let how = json!({ "encoding": "base64", "commitment": "confirmed", "maxSupportedTransactionVersion": 0 });
        reply::transaction(self.ask(line, "getTransaction", json!([signature, how])).await?)
    }

    /// How many blocks came before the one of a slot.
    pub async fn height_of(&self, line: &Line, slot: u64) -> Result<u64, NodeFailure> {
        let how = json!({
            "transactionDetails": "none", "rewards": false, "commitment": "confirmed", "maxSupportedTransactionVersion": 0,
        });
        reply::block_height(self.ask(line, "getBlock", json!([slot, how])).await?)
    }

    /// From when on it keeps the history.
    pub async fn keeps_since(&self, line: &Line) -> Result<u64, NodeFailure> {
        let slot = reply::number(&self.ask(line, "getFirstAvailableBlock", json!([])).await?)?;
        // From the beginning.
        if slot == 0 { Ok(0) } else { self.time_of(line, slot).await }
    }

    pub async fn account(&self, line: &Line, account: SolanaKey) -> Result<Option<AccountData>, NodeFailure> {
        let how = json!({ "encoding": "base64", "commitment": "confirmed" });
        reply::account(self.ask(line, "getAccountInfo", json!([account.to_string(), how])).await?)
    }

    /// How much of the chain's own coin an account has.
    pub async fn coin(&self, line: &Line, account: SolanaKey) -> Result<u64, NodeFailure> {
        let how = json!({ "commitment": "confirmed" });
        reply::number_told(self.ask(line, "getBalance", json!([account.to_string(), how])).await?)
    }

    pub fn says(&self, failure: NodeFailure) -> ChainError {
        failure.of(&self.name)
    }

    async fn ask(&self, line: &Line, method: &'static str, params: Value) -> Result<Value, NodeFailure> {
        line.ask(&self.url, method, params).await
    }
}
