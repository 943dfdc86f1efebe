//! The chains over JSON-RPC, by the nodes the owner configured.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolCall, SolEvent};
use async_trait::async_trait;
use futures_util::future::join_all;
use url::Url;

use super::node::{At, Line, LogFilter, Node};
use super::reply::{EventLog, NodeFailure};
use crate::authorization::Authorization;
use crate::limits;
use crate::money::{Amount, Network};
use crate::ports::{Chains, Sighting};
use crate::settlement::{Block, ChainError, Testimony, Transfer};

/// What public nodes answer in one `eth_getLogs`; those that want less say so and are asked for less.
const LOG_BLOCKS: u64 = 2_000;
/// Below this a node that refuses does not refuse because of the range.
const LOG_BLOCKS_AT_LEAST: u64 = 50;
/// Questions for logs in one go: the rest is for the next.
const LOG_QUESTIONS: usize = 50;
/// Behind one address stand several machines, and not each has the newest block yet: the second try reads here.
const BEHIND_HEAD: u64 = 8;
/// How far back block times are measured to find the blocks of a window.
const PACE_BLOCKS: u64 = 10_000;
/// Without a final block, this many are read again next time, for what a reorganisation or a late machine changed.
const READ_AGAIN: u64 = 64;

/// The contract's side: EIP-3009 and ERC-20.
mod token {
    alloy_sol_types::sol! {
        function balanceOf(address owner) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        event Transfer(address indexed from, address indexed to, uint256 value);
    }
}

/// The nodes of one chain, as the owner or the built-in table has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The nodes, all of which are asked.
    pub rpc: Vec<Url>,
    /// For chains without a finalized tag: how many blocks behind the head count as final.
    pub confirmations: Option<u64>,
}

/// What the chains say, asked of every configured node.
#[derive(Debug)]
pub struct Rpc {
    line: Line,
    chains: HashMap<Network, Chain>,
}

#[derive(Debug)]
struct Chain {
    id: u64,
    nodes: Vec<Node>,
    confirmations: Option<u64>,
}

impl Rpc {
    /// Networks that are not EVM chains have no nodes here.
    pub fn new(chains: impl IntoIterator<Item = (Network, Nodes)>) -> Rpc {
        Rpc::waiting(limits::RPC_WAIT, chains)
    }

    fn waiting(wait: Duration, chains: impl IntoIterator<Item = (Network, Nodes)>) -> Rpc {
        let chains = chains.into_iter().filter_map(|(network, nodes)| Some((Chain::new(&network, nodes)?, network)));
        Rpc { line: Line::new(wait), chains: chains.map(|(chain, network)| (network, chain)).collect() }
    }

    /// Whether any node sees code at an address.
    pub async fn has_code(&self, network: &Network, address: Address) -> Result<bool, ChainError> {
        let chain = self.chain(network)?;
        let asked = chain.nodes.iter().map(|node| async {
            node.is_on(&self.line, chain.id).await?;
            node.has_code(&self.line, address).await.map_err(|failure| node.says(failure))
        });
        let told = join_all(asked).await;
        match told.iter().any(|told| matches!(told, Ok(true))) {
            true => Ok(true),
            false => told.into_iter().find(Result::is_ok).unwrap_or_else(|| Err(ChainError::NoNode(network.clone()))),
        }
    }

    fn chain(&self, network: &Network) -> Result<&Chain, ChainError> {
        self.chains.get(network).ok_or_else(|| ChainError::NoNode(network.clone()))
    }

    async fn testify(&self, chain: &Chain, node: &Node, signed: &Authorization) -> Result<Testimony, ChainError> {
        let line = &self.line;
        // The final block is read before the head, so that the head is never behind it.
        let (on_chain, finalized) = tokio::join!(node.is_on(line, chain.id), node.block(line, At::Finalized));
        on_chain?;
        let (used, at, head) = state(line, node, signed).await.map_err(|failure| node.says(failure))?;
        let finalized = match (finalized, chain.confirmations) {
            (Ok(Some(block)), _) => Some(block),
            (_, Some(behind)) => node.block(line, At::Number(head.saturating_sub(behind))).await.ok().flatten(),
            (_, None) => None,
        };
        // The logs say more about a use, and their silence nothing against it.
        let transfer = match used {
            true => tokio::time::timeout(limits::RPC_WAIT * 3, transfer(line, node, signed, at)).await,
            false => Ok(Ok(None)),
        };
        let transfer = transfer.ok().and_then(Result::ok).flatten();
        Ok(Testimony { node: node.name.clone(), used, at, finalized, transfer })
    }

    /// Whether a node has the chain transaction, with this very log in it. The teller's own will do: that a node makes up
    /// both costs a stop that its owner ends, and not to stop could cost what is in the wallet.
    async fn receipt_shows(&self, chain: &Chain, log: &EventLog) -> bool {
        let asked = chain.nodes.iter().map(|node| node.receipt(&self.line, log.transaction_hash));
        let has_it = |seen: &EventLog| seen.address == log.address && seen.topics == log.topics;
        join_all(asked).await.into_iter().flatten().any(|logs| logs.iter().any(has_it))
    }

    async fn sight(
        &self,
        chain: &Chain,
        node: &Node,
        filter: &LogFilter,
        from_block: Option<u64>,
    ) -> Result<(Vec<EventLog>, u64), ChainError> {
        node.is_on(&self.line, chain.id).await?;
        let finalized = node.block(&self.line, At::Finalized).await.ok().flatten();
        let head = head(&self.line, node).await.map_err(|failure| node.says(failure))?;
        let from = from_block.unwrap_or(head.number);
        let (logs, read_to) =
            search(&self.line, node, filter, from, head.number).await.map_err(|failure| node.says(failure))?;
        let sure = finalized.map_or(head.number.saturating_sub(READ_AGAIN), |block| block.number);
        Ok((logs, read_to.min(sure).max(from)))
    }
}

#[async_trait]
impl Chains for Rpc {
    async fn balance(&self, network: &Network, asset: Address, owner: Address) -> Result<Amount, ChainError> {
        let chain = self.chain(network)?;
        let asked = token::balanceOfCall { owner }.abi_encode();
        let told = join_all(chain.nodes.iter().map(|node| async {
            node.is_on(&self.line, chain.id).await?;
            node.word(&self.line, asset, &asked, At::Latest).await.map_err(|failure| node.says(failure))
        }));
        // One node may say too little and stop everything; too much only costs a payment that fails.
        let highest = told.await.into_iter().reduce(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => Ok(a.max(b)),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(error), Err(_)) => Err(error),
        });
        let word = highest.unwrap_or_else(|| Err(ChainError::NoNode(network.clone())))?;
        Ok(Amount(U256::from_be_bytes(word.0)))
    }

    async fn testimony(&self, authorization: &Authorization) -> Vec<Result<Testimony, ChainError>> {
        match self.chain(&authorization.network) {
            Ok(chain) => join_all(chain.nodes.iter().map(|node| self.testify(chain, node, authorization))).await,
            Err(none) => vec![Err(none)],
        }
    }

    async fn sightings(
        &self,
        network: &Network,
        asset: Address,
        owner: Address,
        from_block: Option<u64>,
    ) -> Result<(Vec<Sighting>, u64), ChainError> {
        let chain = self.chain(network)?;
        let filter = left(asset, owner);
        let told = join_all(chain.nodes.iter().map(|node| self.sight(chain, node, &filter, from_block))).await;
        let Some(read_to) = told.iter().flatten().map(|(_, read_to)| *read_to).min() else {
            let failed = told.into_iter().find_map(Result::err);
            return Err(failed.unwrap_or_else(|| ChainError::NoNode(network.clone())));
        };
        let mut seen: BTreeMap<Departure, (EventLog, BTreeSet<usize>)> = BTreeMap::new();
        for (nth, (logs, _)) in told.iter().enumerate().filter_map(|(nth, told)| Some((nth, told.as_ref().ok()?))) {
            for (which, log) in departures(logs) {
                seen.entry(which).or_insert_with(|| (log.clone(), BTreeSet::new())).1.insert(nth);
            }
        }
        let mut sightings = Vec::new();
        for ((chain_tx, nonce, _), (log, tellers)) in seen {
            let is_confirmed = tellers.len() > 1 || self.receipt_shows(chain, &log).await;
            let (network, block) = (network.clone(), log.block_number);
            sightings.push(Sighting { network, asset, nonce, chain_tx, block, is_confirmed });
        }
        Ok((sightings, read_to))
    }

    async fn heads(&self, network: &Network) -> Vec<Result<Block, ChainError>> {
        let chain = match self.chain(network) {
            Ok(chain) => chain,
            Err(none) => return vec![Err(none)],
        };
        let asked = chain.nodes.iter().map(|node| async {
            node.is_on(&self.line, chain.id).await?;
            head(&self.line, node).await.map_err(|failure| node.says(failure))
        });
        join_all(asked).await
    }
}

impl Chain {
    fn new(network: &Network, nodes: Nodes) -> Option<Chain> {
        let mut seen = BTreeSet::new();
        let nodes_once: Vec<Node> =
            nodes.rpc.into_iter().filter(|url| seen.insert(url.clone())).map(Node::new).collect();
        let id = network.chain_id().filter(|_| !nodes_once.is_empty())?;
        Some(Chain { id, nodes: nodes_once, confirmations: nodes.confirmations })
    }
}

/// Whether it was used, the block that was read at, and the head. The block is asked for by number, so that it is
/// certain which one answered.
async fn state(line: &Line, node: &Node, signed: &Authorization) -> Result<(bool, Block, u64), NodeFailure> {
    let newest = head(line, node).await?;
    match state_at(line, node, signed, newest).await {
        Err(NodeFailure::Refused(_)) => {
            let behind = At::Number(newest.number.saturating_sub(BEHIND_HEAD));
            let block =
                node.block(line, behind).await?.ok_or_else(|| NodeFailure::Nonsense("no recent block".to_owned()))?;
            Ok((state_at(line, node, signed, block).await?, block, newest.number))
        }
        read => Ok((read?, newest, newest.number)),
    }
}

async fn state_at(line: &Line, node: &Node, signed: &Authorization, block: Block) -> Result<bool, NodeFailure> {
    let asked = token::authorizationStateCall { authorizer: signed.from, nonce: signed.nonce }.abi_encode();
    let word = node.word(line, signed.asset, &asked, At::Number(block.number)).await?;
    match U256::from_be_bytes(word.0) {
        U256::ZERO => Ok(false),
        U256::ONE => Ok(true),
        _ => Err(NodeFailure::Nonsense("that is neither yes nor no".to_owned())),
    }
}

async fn head(line: &Line, node: &Node) -> Result<Block, NodeFailure> {
    node.block(line, At::Latest).await?.ok_or_else(|| NodeFailure::Nonsense("no newest block".to_owned()))
}

/// The transfer of the chain transaction that used the authorization.
async fn transfer(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    at: Block,
) -> Result<Option<Transfer>, NodeFailure> {
    let (from, to) = blocks_of_window(line, node, signed, at).await?;
    let mut filter = used_by(signed.asset, signed.from);
    filter.topics.push(signed.nonce);
    let (logs, _) = search(line, node, &filter, from, to).await?;
    let Some(used) = logs.first() else { return Ok(None) };
    let receipt = node.receipt(line, used.transaction_hash).await?;
    Ok(transfer_in(&receipt, used, signed))
}

/// The transfer among a receipt's logs: the one that was signed, or else the next from our address after the use, for
/// somebody to look at. One chain transaction can settle several authorizations.
fn transfer_in(receipt: &[EventLog], used: &EventLog, signed: &Authorization) -> Option<Transfer> {
    let of_ours =
        |log: &&EventLog| log.address == signed.asset && log.transaction_hash == used.transaction_hash && !log.removed;
    let transfers: Vec<(u64, Transfer)> =
        receipt.iter().filter(of_ours).filter_map(|log| Some((log.log_index, read_transfer(log)?))).collect();
    let from_us = || transfers.iter().filter(|(_, transfer)| transfer.from == signed.from);
    let exact = from_us().find(|(_, found)| found.to == signed.to && found.amount.0 == signed.value);
    let next = || from_us().filter(|(index, _)| *index > used.log_index).min_by_key(|(index, _)| *index);
    exact.or_else(next).map(|(_, transfer)| transfer.clone())
}

fn read_transfer(log: &EventLog) -> Option<Transfer> {
    let token::Transfer { from, to, value } =
        token::Transfer::decode_raw_log(log.topics.iter().copied(), &log.data).ok()?;
    Some(Transfer { chain_tx: log.transaction_hash, block: log.block_number, from, to, amount: Amount(value) })
}

/// The chain transaction, the authorization that was used, and otherwise which log it is.
type Departure = (B256, Option<B256>, u64);

/// What left, one by one, each with a name that every node has for it. A use and the transfer it makes are one, so of
/// the transfers of a chain transaction only those beyond its uses left by another way.
fn departures(logs: &[EventLog]) -> Vec<(Departure, &EventLog)> {
    let is_use = |log: &EventLog| log.topics.first() == Some(&token::AuthorizationUsed::SIGNATURE_HASH);
    let uses = logs.iter().filter(|log| is_use(log)).filter_map(|log| {
        let nonce = *log.topics.get(2)?;
        Some(((log.transaction_hash, Some(nonce), 0), log))
    });
    let mut found: Vec<_> = uses.collect();
    let mut explained: HashMap<B256, usize> = HashMap::new();
    found.iter().for_each(|((chain_tx, ..), _)| *explained.entry(*chain_tx).or_default() += 1);
    for log in logs.iter().filter(|log| !is_use(log)) {
        match explained.get_mut(&log.transaction_hash).filter(|uses| **uses > 0) {
            Some(uses) => *uses -= 1,
            None => found.push(((log.transaction_hash, None, log.log_index), log)),
        }
    }
    found
}

fn used_by(asset: Address, owner: Address) -> LogFilter {
    LogFilter {
        contract: asset,
        kinds: vec![token::AuthorizationUsed::SIGNATURE_HASH],
        topics: vec![owner.into_word()],
    }
}

/// What leaves an account tells it in one of these, or in both.
fn left(asset: Address, owner: Address) -> LogFilter {
    let kinds = vec![token::AuthorizationUsed::SIGNATURE_HASH, token::Transfer::SIGNATURE_HASH];
    LogFilter { kinds, ..used_by(asset, owner) }
}

/// The blocks in which the window lay, by the pace of recent ones, with room for a pace that changed.
async fn blocks_of_window(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    at: Block,
) -> Result<(u64, u64), NodeFailure> {
    let earlier = node.block(line, At::Number(at.number.saturating_sub(PACE_BLOCKS))).await?.unwrap_or(at);
    let blocks_in = |secs: u64| {
        let pace_secs = at.time_secs.saturating_sub(earlier.time_secs).max(1);
        let blocks = at.number.saturating_sub(earlier.number);
        u64::try_from(u128::from(secs) * u128::from(blocks) / u128::from(pace_secs)).unwrap_or(u64::MAX)
    };
    let back_to = |time: u64, room: i8| {
        let back = blocks_in(at.time_secs.saturating_sub(time));
        let spare = back / 20 + 100;
        let back = if room < 0 { back.saturating_sub(spare) } else { back.saturating_add(spare) };
        at.number.saturating_sub(back)
    };
    Ok((back_to(signed.valid_after, 1), back_to(signed.valid_before, -1)))
}

/// Logs between two blocks in bounded questions, oldest first, and the block that was read up to. A range that a node
/// refuses is asked for in halves.
async fn search(
    line: &Line,
    node: &Node,
    filter: &LogFilter,
    from: u64,
    to: u64,
) -> Result<(Vec<EventLog>, u64), NodeFailure> {
    let (mut logs, mut next, mut width) = (Vec::new(), from, LOG_BLOCKS);
    for _ in 0..LOG_QUESTIONS {
        if next > to {
            break;
        }
        let last = to.min(next.saturating_add(width - 1));
        match node.logs(line, filter, next, last).await {
            Ok(found) => {
                logs.extend(found);
                next = last.saturating_add(1);
            }
            Err(NodeFailure::Refused(_)) if width > LOG_BLOCKS_AT_LEAST => width = (width / 2).max(LOG_BLOCKS_AT_LEAST),
            Err(failure) => return Err(failure),
        }
    }
    Ok((logs, next.saturating_sub(1)))
}

#[cfg(test)]
mod tests;
