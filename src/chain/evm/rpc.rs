//! The chains over JSON-RPC, by the nodes the owner configured.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent};
use async_trait::async_trait;
use futures_util::future::join_all;

use super::node::{At, Node};
use crate::authorization::{Authorization, Fact, Known};
use crate::chain::json_rpc::NodeFailure;
use crate::chain::line::Line;
use crate::chain::{Nodes, largest};
use crate::limits;
use crate::money::{Account, Amount, Network};
use crate::ports::{Chains, Departed, SearchedTo, Sighting};
use crate::settlement::{Block, ChainError, ChainTx, EventLog, EvmQuestion, LogFilter, Testimony, Use, UseRecord};
use crate::settlement::{eip3009_use, is_tempo_fee, tempo_memo};

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
/// Chain transactions that are looked at for one use: a payee that takes more in one window is a busy one.
const TRACES: usize = 200;
/// Without a final block, this many are read again next time, for what a reorganisation or a late machine changed.
const READ_AGAIN: u64 = 64;

/// The contract's side: ERC-20.
mod token {
    alloy_sol_types::sol! {
        function balanceOf(address owner) external view returns (uint256);
        event Transfer(address indexed from, address indexed to, uint256 value);
    }
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
    pub async fn has_code(&self, account: &Account) -> Result<bool, ChainError> {
        let (chain, address) = self.of(account)?;
        let asked = chain.nodes.iter().map(|node| async {
            node.is_on(&self.line, chain.id).await?;
            node.has_code(&self.line, address).await.map_err(|failure| node.says(failure))
        });
        let told = join_all(asked).await.into_iter().reduce(|a, b| match (a, b) {
            (Ok(a), Ok(b)) => Ok(a || b),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
            (Err(error), Err(_)) => Err(error),
        });
        told.unwrap_or_else(|| Err(ChainError::NoNode(account.network().clone())))
    }

    /// How much of the chain's own coin an account has, for gas: the largest of what the nodes answer.
    pub async fn coin(&self, account: &Account) -> Result<B256, ChainError> {
        let (chain, address) = self.of(account)?;
        let told = join_all(chain.nodes.iter().map(|node| async {
            node.is_on(&self.line, chain.id).await?;
            node.coin(&self.line, address).await.map_err(|failure| node.says(failure))
        }));
        largest(told.await).unwrap_or_else(|| Err(ChainError::NoNode(account.network().clone())))
    }

    fn chain(&self, network: &Network) -> Result<&Chain, ChainError> {
        self.chains.get(network).ok_or_else(|| ChainError::NoNode(network.clone()))
    }

    /// The chain an account is on, and its address there.
    fn of(&self, account: &Account) -> Result<(&Chain, Address), ChainError> {
        let address = account.as_evm().ok_or_else(|| ChainError::NoNode(account.network().clone()))?;
        Ok((self.chain(account.network())?, address))
    }

    async fn testify(line: &Line, chain: &Chain, node: &Node, signed: &Authorization) -> Result<Testimony, ChainError> {
        let elsewhere = || ChainError::NoNode(signed.facts().asset.network().clone());
        let question = signed.evm_question().ok_or_else(elsewhere)?;
        // The final block is read before the head, so that the head is never behind it.
        let (on_chain, finalized) = tokio::join!(node.is_on(line, chain.id), node.block(line, At::Finalized));
        on_chain?;
        let Read { fate, at, head } =
            read(line, node, signed, &question).await.map_err(|failure| node.says(failure))?;
        let finalized = match (finalized, chain.confirmations) {
            (Ok(Some(block)), _) => Some(block),
            (_, Some(behind)) => node.block(line, At::Number(head.saturating_sub(behind))).await.ok().flatten(),
            (_, None) => None,
        };
        // What is said of an earlier block is final as far as that one.
        let finalized =
            finalized.map(|last| if question.memory.is_none() && last.number > at.number { at } else { last });
        Ok(Testimony { node: node.name.clone(), fate, at, finalized })
    }

    /// Whether a node has the chain transaction, with this very log in it. The teller's own will do: that a node makes up
    /// both costs a stop that its owner ends, and not to stop could cost what is in the wallet.
    async fn receipt_shows(&self, chain: &Chain, log: &EventLog) -> bool {
        let asked = chain.nodes.iter().map(|node| node.receipt(&self.line, log.transaction_hash));
        let has_it = |seen: &EventLog| seen.address == log.address && seen.topics == log.topics;
        join_all(asked).await.into_iter().flatten().any(|logs| logs.iter().any(has_it))
    }

    /// What a chain transaction was called with, as any node has it; none where all say that there is no such one.
    async fn input(&self, chain: &Chain, chain_tx: B256) -> Result<Option<Bytes>, ChainError> {
        let asked = chain
            .nodes
            .iter()
            .map(|node| async { node.input(&self.line, chain_tx).await.map_err(|failure| node.says(failure)) });
        join_all(asked)
            .await
            .into_iter()
            .reduce(|a, b| match (a, b) {
                (Ok(Some(found)), _) | (_, Ok(Some(found))) => Ok(Some(found)),
                (Err(error), _) | (_, Err(error)) => Err(error),
                (Ok(None), Ok(None)) => Ok(None),
            })
            .unwrap_or(Ok(None))
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
    async fn balance(&self, asset: &Account, owner: &Account) -> Result<Amount, ChainError> {
        let owner = owner.as_evm().ok_or_else(|| ChainError::NoNode(owner.network().clone()))?;
        let data = token::balanceOfCall { owner }.abi_encode();
        // One node may say too little and stop everything; too much only costs a payment that fails.
        let known = self.know(&Fact::Call { to: asset.clone(), data }).await?;
        Ok(Amount(known.number().unwrap_or_default()))
    }

    /// The largest of what the nodes answer.
    async fn know(&self, fact: &Fact) -> Result<Known, ChainError> {
        let (line, network) = (&self.line, fact.network());
        let chain = self.chain(network)?;
        let told = join_all(chain.nodes.iter().map(|node| async {
            node.is_on(line, chain.id).await?;
            let word = match fact {
                Fact::Call { to, data } => node.word(line, self.of(to)?.1, data, At::Latest).await,
                Fact::Sent(account) => node.sent(line, self.of(account)?.1).await,
                Fact::GasPrice(_) => node.gas_price(line).await,
                Fact::RecentBlock(_) => return Err(ChainError::NoNode(network.clone())),
            };
            word.map_err(|failure| node.says(failure))
        }));
        let told = largest(told.await).unwrap_or_else(|| Err(ChainError::NoNode(network.clone())));
        told.map(Known::Word)
    }

    /// To the first node that takes it; the others hear of it from that one.
    async fn push(&self, network: &Network, signed: &[u8]) -> Result<String, ChainError> {
        let mut failed = ChainError::NoNode(network.clone());
        let chain = self.chain(network)?;
        for node in &chain.nodes {
            match node.is_on(&self.line, chain.id).await {
                Ok(()) => match node.push(&self.line, signed).await {
                    Ok(()) => return Ok(keccak256(signed).to_string()),
                    Err(failure) => failed = node.says(failure),
                },
                Err(cause) => failed = cause,
            }
        }
        Err(failed)
    }

    async fn testimonies(&self, signed: &[Authorization]) -> Vec<Vec<Result<Testimony, ChainError>>> {
        self.line
            .gathering(|line| async move {
                let line = &line;
                let each = signed.iter().map(|signed| async move {
                    match self.chain(signed.facts().asset.network()) {
                        Ok(chain) => {
                            join_all(chain.nodes.iter().map(|node| Rpc::testify(line, chain, node, signed))).await
                        }
                        Err(none) => vec![Err(none)],
                    }
                });
                join_all(each).await
            })
            .await
    }

    async fn sightings(
        &self,
        asset: &Account,
        owner: &Account,
        since: &SearchedTo,
    ) -> Result<(Vec<Sighting>, SearchedTo), ChainError> {
        let (chain, contract) = self.of(asset)?;
        let filter = left(contract, owner.as_evm().ok_or_else(|| ChainError::NoNode(owner.network().clone()))?);
        let asked = chain
            .nodes
            .iter()
            .map(|node| self.sight(chain, node, &filter, since.get(&node.name).or(since.get("")).copied()));
        let told = join_all(asked).await;
        if let Some(failed) =
            told.iter().find_map(|told| told.as_ref().err()).filter(|_| !told.iter().any(Result::is_ok))
        {
            return Err(failed.clone());
        }
        let told: Vec<_> =
            chain.nodes.iter().zip(told).filter_map(|(node, told)| Some((&node.name, told.ok()?))).collect();
        let searched: SearchedTo = told.iter().map(|(name, (_, read_to))| ((*name).clone(), *read_to)).collect();
        let mut seen: BTreeMap<Departure, (EventLog, BTreeSet<&String>)> = BTreeMap::new();
        for (name, (logs, _)) in &told {
            for (which, log) in departures(logs) {
                seen.entry(which).or_insert_with(|| (log.clone(), BTreeSet::new())).1.insert(name);
            }
        }
        let mut sightings = Vec::new();
        for ((chain_tx, used, _), (log, tellers)) in seen {
            let how = match used {
                Some(handle) => Departed::By(handle),
                None => Departed::Unnamed {
                    // Of a payment that failed there is the fee alone, which no payee got.
                    to: log
                        .topics
                        .get(2)
                        .filter(|_| !is_tempo_fee(&log))
                        .map(|to| Account::evm(asset.network(), Address::from_word(*to))),
                    called_with: self.input(chain, chain_tx).await.ok().map(|input| input.unwrap_or_default().to_vec()),
                },
            };
            sightings.push(Sighting {
                asset: asset.clone(),
                how,
                chain_tx: chain_tx.to_string(),
                block: log.block_number,
                is_confirmed: tellers.len() > 1 || self.receipt_shows(chain, &log).await,
                seen_by: tellers.into_iter().cloned().collect(),
            });
        }
        Ok((sightings, searched))
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

/// What became of it, by which block, and the newest there is.
struct Read {
    fate: Use,
    at: Block,
    head: u64,
}

async fn read(line: &Line, node: &Node, signed: &Authorization, question: &EvmQuestion) -> Result<Read, NodeFailure> {
    let Some(memory) = &question.memory else { return read_logs(line, node, signed, question).await };
    let (used, at, head) = state(line, node, signed, memory).await?;
    // The logs say more about a use, and their silence nothing against it.
    let fate = match used {
        true => {
            let found = tokio::time::timeout(limits::RPC_WAIT * 3, trace(line, node, signed, question, at)).await;
            found.ok().and_then(Result::ok).flatten().unwrap_or(Use::Used(None))
        }
        false => Use::Unused,
    };
    Ok(Read { fate, at, head })
}

/// Where nothing but logs tells of a use, their silence says that there was none: so all blocks of the window are read,
/// or nothing is said. Behind one address stand several machines, and one that is behind has no logs of the newest
/// blocks and does not say so: silence counts up to a while ago only.
async fn read_logs(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    question: &EvmQuestion,
) -> Result<Read, NodeFailure> {
    let newest = head(line, node).await?;
    let from = newest_by(line, node, question.since_secs, newest).await?.number;
    let to = newest_by(line, node, question.until_secs, newest).await?.number.saturating_add(1).min(newest.number);
    if let Some(fate) = in_logs(line, node, signed, question, (from, to)).await? {
        return Ok(Read { fate, at: newest, head: newest.number });
    }
    let a_while_ago = newest.time_secs.saturating_sub(limits::LOGS_ARE_LATE.as_secs());
    let at = newest_by(line, node, a_while_ago, newest).await?;
    Ok(Read { fate: Use::Unused, at, head: newest.number })
}

/// The newest block that is no later than a time; the first one where all are.
async fn newest_by(line: &Line, node: &Node, time_secs: u64, newest: Block) -> Result<Block, NodeFailure> {
    let block = async |number| {
        let found = node.block(line, At::Number(number)).await?;
        found.ok_or_else(|| NodeFailure::Nonsense(format!("it has no block {number}")))
    };
    let (mut low, mut high, mut step) = (newest, newest, 64_u64);
    while low.time_secs > time_secs && low.number > 0 {
        high = low;
        low = block(low.number.saturating_sub(step)).await?;
        step = step.saturating_mul(2);
    }
    while high.number.saturating_sub(low.number) > 1 {
        let middle = block(low.number + (high.number - low.number) / 2).await?;
        if middle.time_secs > time_secs { high = middle } else { low = middle }
    }
    Ok(low)
}

/// Whether it was used, the block that was read at, and the head. The block is asked for by number, so that it is
/// certain which one answered.
async fn state(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    memory: &UseRecord,
) -> Result<(bool, Block, u64), NodeFailure> {
    let newest = head(line, node).await?;
    match state_at(line, node, signed, memory, newest).await {
        Err(NodeFailure::Refused(_)) => {
            let behind = At::Number(newest.number.saturating_sub(BEHIND_HEAD));
            let block =
                node.block(line, behind).await?.ok_or_else(|| NodeFailure::Nonsense("no recent block".to_owned()))?;
            Ok((state_at(line, node, signed, memory, block).await?, block, newest.number))
        }
        read => Ok((read?, newest, newest.number)),
    }
}

async fn state_at(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    memory: &UseRecord,
    block: Block,
) -> Result<bool, NodeFailure> {
    let word = node.word(line, memory.contract, &memory.call, At::Number(block.number)).await?;
    let answer = signed.is_used(U256::from_be_bytes(word.0));
    answer.ok_or_else(|| NodeFailure::Nonsense("that is neither yes nor no".to_owned()))
}

async fn head(line: &Line, node: &Node) -> Result<Block, NodeFailure> {
    node.block(line, At::Latest).await?.ok_or_else(|| NodeFailure::Nonsense("no newest block".to_owned()))
}

/// What became of it, by the logs that its use or its end left.
async fn trace(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    question: &EvmQuestion,
    at: Block,
) -> Result<Option<Use>, NodeFailure> {
    let blocks = blocks_of_window(line, node, question, at).await?;
    in_logs(line, node, signed, question, blocks).await
}

/// What became of it, by the logs of these blocks. They are read to the last, or it is not known.
async fn in_logs(
    line: &Line,
    node: &Node,
    signed: &Authorization,
    question: &EvmQuestion,
    (from, to): (u64, u64),
) -> Result<Option<Use>, NodeFailure> {
    for filter in &question.traces {
        let (logs, read_to) = search(line, node, filter, from, to).await?;
        if read_to < to && question.memory.is_none() {
            return Err(NodeFailure::Refused(format!("its logs were read up to block {read_to} of {to}")));
        }
        if logs.len() > TRACES && question.memory.is_none() {
            return Err(NodeFailure::Refused(format!("{} logs are more than are looked at", logs.len())));
        }
        for trace in logs.into_iter().take(TRACES) {
            let input = match question.reads_input {
                true => node.input(line, trace.transaction_hash).await?.unwrap_or_default(),
                false => Bytes::new(),
            };
            let tx = ChainTx { input, logs: node.receipt(line, trace.transaction_hash).await?, trace };
            if let Some(fate) = signed.fate_in(&tx) {
                return Ok(Some(fate));
            }
        }
    }
    Ok(None)
}

/// The chain transaction, the authorization that was used, and otherwise which log it is.
type Departure = (B256, Option<B256>, u64);

/// What left, one by one, each with a name that every node has for it. A use and the transfer it makes are one, so of
/// the transfers of a chain transaction only those beyond its uses left by another way. So are a use and its fee.
fn departures(logs: &[EventLog]) -> Vec<(Departure, &EventLog)> {
    let uses = logs.iter().filter_map(|log| Some(((log.transaction_hash, Some(used_in(log)?), 0), log)));
    let mut found: Vec<_> = uses.collect();
    let mut explained: HashMap<B256, usize> = HashMap::new();
    found.iter().for_each(|((chain_tx, ..), _)| *explained.entry(*chain_tx).or_default() += 1);
    let has_memo = |log: &EventLog| log.topics.first() == Some(&tempo_memo());
    let with_fees: BTreeSet<B256> = logs.iter().filter(|log| has_memo(log)).map(|log| log.transaction_hash).collect();
    let is_its_fee = |log: &EventLog| is_tempo_fee(log) && with_fees.contains(&log.transaction_hash);
    for log in logs.iter().filter(|log| used_in(log).is_none() && !is_its_fee(log)) {
        match explained.get_mut(&log.transaction_hash).filter(|uses| **uses > 0) {
            Some(uses) => *uses -= 1,
            None => found.push(((log.transaction_hash, None, log.log_index), log)),
        }
    }
    found
}

/// The name of the authorization that a log tells the use of, where it has one.
fn used_in(log: &EventLog) -> Option<B256> {
    let kind = log.topics.first()?;
    let named_at = if *kind == eip3009_use() {
        2
    } else if *kind == tempo_memo() {
        3
    } else {
        return None;
    };
    log.topics.get(named_at).copied()
}

/// What leaves an account tells it in one of these, or in several.
fn left(contract: Address, owner: Address) -> LogFilter {
    let kinds = vec![eip3009_use(), tempo_memo(), token::Transfer::SIGNATURE_HASH];
    LogFilter { contract, kinds, topics: vec![owner.into_word()] }
}

/// The blocks in which the window lay, by the pace of recent ones, with room for a pace that changed.
async fn blocks_of_window(
    line: &Line,
    node: &Node,
    question: &EvmQuestion,
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
    Ok((back_to(question.since_secs, 1), back_to(question.until_secs, -1)))
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
