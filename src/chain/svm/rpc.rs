//! Solana's clusters over JSON-RPC, by the nodes the owner configured.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use alloy_primitives::{B256, U256};
use async_trait::async_trait;
use futures_util::future::join_all;
use sha2::{Digest, Sha256};

use super::mint;
use super::node::{Commitment, SvmNode};
use super::reply::{self, HistoryEntry, Tip, Transaction};
use crate::authorization::{
    Authorization, BLOCKHASH_BLOCKS, Fact, Known, RecentBlock, Signature, SolanaKey, TokenProgram, token_account,
};
use crate::chain::json_rpc::NodeFailure;
use crate::chain::line::Line;
use crate::chain::{Nodes, largest};
use crate::limits;
use crate::money::{Account, Amount, Asset, Assets, Network, Rail};
use crate::ports::{Chains, Departed, SearchedTo, Sighting};
use crate::settlement::{Block, ChainError, LandedTx, SolanaQuestion, Testimony, Use};

/// Chain transactions of a history that are read in one go. Whoever likes can add to it, for a fee.
const READ: usize = 10_000;
/// Of those that may have taken money out, so many are looked at in one go: the rest is for the next.
const SIGHTED: usize = 50;
/// Chain transactions that are looked at for one use: whoever pays more in one window is a busy one.
const LOOKED_AT: usize = 200;
/// A slow node does not keep a payment waiting for a block that another one has told already.
const BLOCK_WAIT: Duration = Duration::from_secs(2);

/// What the clusters say, asked of every configured node.
#[derive(Debug)]
pub struct SvmRpc {
    line: Line,
    clusters: HashMap<Network, Cluster>,
}

#[derive(Debug)]
struct Cluster {
    network: Network,
    nodes: Vec<SvmNode>,
    /// Whose each asset is to move.
    programs: HashMap<Account, TokenProgram>,
}

impl SvmRpc {
    /// Networks that are not Solana's have no nodes here.
    pub fn new(chains: impl IntoIterator<Item = (Network, Nodes)>, assets: &Assets) -> SvmRpc {
        let is_ours =
            |(network, nodes): &(Network, Nodes)| network.rail() == Some(Rail::Solana) && !nodes.rpc.is_empty();
        let clusters = chains.into_iter().filter(is_ours);
        let clusters = clusters.map(|(network, nodes)| (network.clone(), Cluster::new(network, nodes, assets)));
        SvmRpc { line: Line::new(limits::RPC_WAIT), clusters: clusters.collect() }
    }

    /// How much of the chain's own coin an account has: the largest of what the nodes answer.
    pub async fn coin(&self, account: &Account) -> Result<u64, ChainError> {
        let cluster = self.cluster(account.network())?;
        let key = cluster.key(account)?;
        let told = cluster.ask_all(&self.line, |node| node.coin(&self.line, key)).await;
        largest(told).unwrap_or_else(|| Err(cluster.no_node()))
    }

    /// Whether the account is there that an asset of an owner's is kept in, as any node has it.
    pub async fn has_token_account(&self, asset: &Account, owner: &Account) -> Result<bool, ChainError> {
        let cluster = self.cluster(asset.network())?;
        let kept_in = cluster.kept_in(asset, owner)?;
        let told = cluster.ask_all(&self.line, |node| node.account(&self.line, kept_in)).await;
        largest(told.into_iter().map(|told| told.map(|found| found.is_some())).collect())
            .unwrap_or_else(|| Err(cluster.no_node()))
    }

    /// Why nothing should be paid with an asset, as the first node that answers has it; none where it is as it should be.
    pub async fn trouble_with(&self, asset: &Asset) -> Result<Option<&'static str>, ChainError> {
        let cluster = self.cluster(asset.network())?;
        let (key, program) = (cluster.key(&asset.account)?, cluster.program(&asset.account)?);
        let told = cluster.ask_all(&self.line, |node| node.account(&self.line, key)).await;
        let found = told.into_iter().reduce(|one, other| if one.is_ok() { one } else { other });
        Ok(match found.unwrap_or_else(|| Err(cluster.no_node()))? {
            Some(found) => mint::trouble(program, asset.decimals, &found),
            None => Some("is not there"),
        })
    }

    fn cluster(&self, network: &Network) -> Result<&Cluster, ChainError> {
        self.clusters.get(network).ok_or_else(|| ChainError::NoNode(network.clone()))
    }

    async fn testify(
        line: &Line,
        cluster: &Cluster,
        node: &SvmNode,
        signed: &Authorization,
    ) -> Result<Testimony, ChainError> {
        let question = signed.solana_question().ok_or_else(|| cluster.no_node())?;
        node.is_on(line, &cluster.network).await?;
        let read = read(line, node, signed, &question).await.map_err(|failure| node.says(failure))?;
        Ok(Testimony { node: node.name.clone(), fate: read.fate, at: read.at, finalized: Some(read.finalized) })
    }

    /// What left an account since a slot, as one node has it, and up to which slot it was read.
    async fn sight(
        &self,
        cluster: &Cluster,
        node: &SvmNode,
        kept_in: SolanaKey,
        since: Option<u64>,
    ) -> Result<(Vec<(HistoryEntry, Transaction)>, u64), ChainError> {
        node.is_on(&self.line, &cluster.network).await?;
        let sighted = async {
            // Read before the history, so that what is in it later is read again.
            let (_, last) = node.final_block(&self.line).await?;
            let newest = newest(&self.line, node, last).await?;
            let Some(since) = since else { return Ok((Vec::new(), newest.slot)) };
            let is_older = |entry: &HistoryEntry| entry.slot < since;
            let history = history(&self.line, node, kept_in, is_older, newest.slot).await?;
            let mut found = Vec::new();
            // The oldest first: how far it was read is how far it need not be read again.
            let entries: Vec<HistoryEntry> = history.into_iter().rev().filter(|entry| !entry.has_failed).collect();
            for (nth, entry) in entries.into_iter().enumerate() {
                let landed =
                    if nth < SIGHTED { node.transaction(&self.line, &entry.signature).await } else { Ok(None) };
                match landed {
                    Ok(Some(landed)) => found.push((entry, landed)),
                    Err(failure) if found.is_empty() => return Err(failure),
                    Ok(None) if found.is_empty() => {
                        return Err(NodeFailure::Refused("it has not all of its history".to_owned()));
                    }
                    Ok(None) | Err(_) => return Ok((found, entry.slot.saturating_sub(1).min(last).max(since))),
                }
            }
            // What is not final may be taken back, and something else come in its place.
            Ok((found, last.max(since)))
        };
        sighted.await.map_err(|failure| node.says(failure))
    }
}

#[async_trait]
impl Chains for SvmRpc {
    /// The largest of what the nodes answer. Where there is no account for it yet, there is nothing.
    async fn balance(&self, asset: &Account, owner: &Account) -> Result<Amount, ChainError> {
        let cluster = self.cluster(asset.network())?;
        let (kept_in, mint, of) = (cluster.kept_in(asset, owner)?, cluster.key(asset)?, cluster.key(owner)?);
        let told = cluster.ask_all(&self.line, |node| async move {
            let Some(found) = node.account(&self.line, kept_in).await? else { return Ok(0) };
            let held = reply::held(&found.data, &mint.0, &of.0);
            held.ok_or_else(|| NodeFailure::Nonsense("that is not the account of this asset".to_owned()))
        });
        let amount = largest(told.await).unwrap_or_else(|| Err(cluster.no_node()))?;
        Ok(Amount(U256::from(amount)))
    }

    /// The block of the node that is furthest on; that it ends no earlier than any of them says.
    async fn know(&self, fact: &Fact) -> Result<Known, ChainError> {
        let cluster = self.cluster(fact.network())?;
        let Fact::RecentBlock(_) = fact else { return Err(cluster.no_node()) };
        let told = cluster.ask_all(&self.line, |node| async move {
            let told = tokio::time::timeout(BLOCK_WAIT, node.recent_block(&self.line)).await;
            let late = || Err(NodeFailure::Silent(format!("nothing within {} s", BLOCK_WAIT.as_secs())));
            match told.unwrap_or_else(|_| late())? {
                block if can_be(&block) => Ok(block),
                _ => Err(NodeFailure::Nonsense("a block that is higher than it can be".to_owned())),
            }
        });
        let apart = || ChainError::Nonsense {
            node: cluster.names(),
            cause: "they contradict each other on how far the cluster is".to_owned(),
        };
        let told = told.await.into_iter().reduce(|one, other| match (one, other) {
            (Ok(one), Ok(other)) => together(one, other).ok_or_else(apart),
            (Ok(one), Err(ChainError::Silent { .. })) | (Err(ChainError::Silent { .. }), Ok(one)) => Ok(one),
            (Err(error), _) | (_, Err(error)) => Err(error),
        });
        told.unwrap_or_else(|| Err(cluster.no_node())).map(Known::Block)
    }

    /// Whoever is paid brings payments to the chain; nothing else is ever sent.
    async fn push(&self, network: &Network, _: &[u8]) -> Result<String, ChainError> {
        Err(ChainError::NoNode(network.clone()))
    }

    async fn testimonies(&self, signed: &[Authorization]) -> Vec<Vec<Result<Testimony, ChainError>>> {
        self.line
            .gathering(|line| async move {
                let line = &line;
                let each = signed.iter().map(|signed| async move {
                    match self.cluster(signed.facts().asset.network()) {
                        Ok(cluster) => {
                            let asked = cluster.nodes.iter().map(|node| SvmRpc::testify(line, cluster, node, signed));
                            join_all(asked).await
                        }
                        Err(none) => vec![Err(none)],
                    }
                });
                join_all(each).await
            })
            .await
    }

    /// By slots, for a history has no heights.
    async fn sightings(
        &self,
        asset: &Account,
        owner: &Account,
        since: &SearchedTo,
    ) -> Result<(Vec<Sighting>, SearchedTo), ChainError> {
        let cluster = self.cluster(asset.network())?;
        let (kept_in, ours) = (cluster.kept_in(asset, owner)?, cluster.key(owner)?);
        let asked = cluster.nodes.iter().map(|node| {
            let since = since.get(&node.name).or(since.get("")).copied();
            self.sight(cluster, node, kept_in, since)
        });
        let told = join_all(asked).await;
        if let Some(Err(failed)) = told.iter().find(|told| told.is_err()).filter(|_| !told.iter().any(Result::is_ok)) {
            return Err(failed.clone());
        }
        let told: Vec<_> =
            cluster.nodes.iter().zip(told).filter_map(|(node, told)| Some((&node.name, told.ok()?))).collect();
        let searched = told.iter().map(|(name, (_, read_to))| ((*name).clone(), *read_to)).collect();
        let mut seen: BTreeMap<&str, (&Transaction, BTreeSet<&String>)> = BTreeMap::new();
        for (name, (found, _)) in &told {
            let left = |(_, landed): &&(HistoryEntry, Transaction)| has_left(landed, asset.address(), owner.address());
            for (entry, landed) in found.iter().filter(left) {
                seen.entry(&entry.signature).or_insert_with(|| (landed, BTreeSet::new())).1.insert(name);
            }
        }
        let sighting = |(chain_tx, (landed, tellers)): (&str, (&Transaction, BTreeSet<&String>))| Sighting {
            asset: asset.clone(),
            how: how_it_left(landed, ours),
            chain_tx: chain_tx.to_owned(),
            block: landed.slot,
            is_confirmed: tellers.len() > 1 || is_signed_by(landed, ours),
            seen_by: tellers.into_iter().cloned().collect(),
        };
        Ok((seen.into_iter().map(sighting).collect(), searched))
    }

    /// The newest final one: of younger ones not every node tells the time.
    async fn heads(&self, network: &Network) -> Vec<Result<Block, ChainError>> {
        match self.cluster(network) {
            Ok(cluster) => {
                let told = cluster.ask_all(&self.line, |node| node.final_block(&self.line)).await;
                told.into_iter().map(|told| told.map(|(block, _)| block)).collect()
            }
            Err(none) => vec![Err(none)],
        }
    }
}

impl Cluster {
    fn new(network: Network, nodes: Nodes, assets: &Assets) -> Cluster {
        let mut seen = BTreeSet::new();
        let nodes = nodes.rpc.into_iter().filter(|url| seen.insert(url.clone())).map(SvmNode::new).collect();
        let programs =
            assets.on(&network).filter_map(|asset| Some((asset.account.clone(), TokenProgram::of(asset.transfer)?)));
        Cluster { programs: programs.collect(), network, nodes }
    }

    fn names(&self) -> String {
        self.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(" and ")
    }

    fn no_node(&self) -> ChainError {
        ChainError::NoNode(self.network.clone())
    }

    fn key(&self, account: &Account) -> Result<SolanaKey, ChainError> {
        account.as_solana().map(SolanaKey).ok_or_else(|| self.no_node())
    }

    fn program(&self, asset: &Account) -> Result<TokenProgram, ChainError> {
        self.programs.get(asset).copied().ok_or_else(|| self.no_node())
    }

    fn kept_in(&self, asset: &Account, owner: &Account) -> Result<SolanaKey, ChainError> {
        Ok(token_account(self.key(owner)?, self.program(asset)?, self.key(asset)?))
    }

    /// The same question to each node that is of this cluster.
    async fn ask_all<'a, T, F>(&'a self, line: &'a Line, ask: impl Fn(&'a SvmNode) -> F) -> Vec<Result<T, ChainError>>
    where
        F: Future<Output = Result<T, NodeFailure>>,
    {
        let asked = self.nodes.iter().map(|node| {
            let asked = ask(node);
            async move {
                node.is_on(line, &self.network).await?;
                asked.await.map_err(|failure| node.says(failure))
            }
        });
        join_all(asked).await
    }
}

/// What became of it, by which block, and the newest that is final.
struct Read {
    fate: Use,
    at: Block,
    finalized: Block,
}

/// The final block comes first, then the newest, and the history last, told by a machine that has all of both: nothing can
/// have come between. Silence says something only where the node keeps the history of the whole window.
async fn read(
    line: &Line,
    node: &SvmNode,
    signed: &Authorization,
    question: &SolanaQuestion,
) -> Result<Read, NodeFailure> {
    let (finalized, last) = node.final_block(line).await?;
    let newest = newest(line, node, last).await?;
    let at = |height: u64| Block { number: height.max(newest.height).max(finalized.number), ..finalized };
    let is_older = |entry: &HistoryEntry| entry.time_secs.is_some_and(|time| time < question.since_secs);
    let in_window = |entry: &&HistoryEntry| entry.time_secs.is_none_or(|time| time < question.until_secs);
    let entries = history(line, node, question.account, is_older, newest.slot).await?;
    for (nth, entry) in entries.iter().filter(in_window).filter(|entry| is_like(entry, question)).enumerate() {
        if nth == LOOKED_AT {
            return Err(NodeFailure::Refused(format!("more than {LOOKED_AT} payments look like this one")));
        }
        // It is in the history, so it is somewhere.
        let landed = node.transaction(line, &entry.signature).await?;
        let landed = landed.ok_or_else(|| NodeFailure::Refused("it has not all of its history".to_owned()))?;
        let as_landed = |height| LandedTx {
            chain_tx: entry.signature.clone(),
            message: landed.message.clone(),
            height,
            has_failed: landed.has_failed,
        };
        if signed.fate_on_solana(&as_landed(0)).is_none() {
            continue;
        }
        let height = node.height_of(line, landed.slot).await?;
        if let Some(fate) = signed.fate_on_solana(&as_landed(height)) {
            return Ok(Read { fate, at: at(height), finalized });
        }
    }
    if node.keeps_since(line).await? > question.since_secs {
        return Err(NodeFailure::Refused("it keeps no history from before this payment".to_owned()));
    }
    Ok(Read { fate: Use::Unused, at: at(0), finalized })
}

/// How far a node has come. Behind one address stand several machines: one that is behind what another called final knows
/// nothing of what came between.
async fn newest(line: &Line, node: &SvmNode, last: u64) -> Result<Tip, NodeFailure> {
    let newest = node.tip(line, Commitment::Confirmed).await?;
    match newest.slot >= last {
        true => Ok(newest),
        false => Err(NodeFailure::Refused("one of its machines is behind another".to_owned())),
    }
}

/// Whether it has the memo of the payment that is looked for. A memo of a seller's may be told otherwise than it was written.
fn is_like(entry: &HistoryEntry, question: &SolanaQuestion) -> bool {
    let is_plain = question.memo.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let has_it = |memo: &String| memo.is_empty() || memo.contains(&question.memo);
    !is_plain || entry.memo.as_ref().is_none_or(has_it)
}

/// What an account took part in, newest first, up to what is older than is asked for: all of it, or nothing is said. Some
/// nodes hand out less at a time than they are asked for, so only one that is older, or nothing more, is the end.
async fn history(
    line: &Line,
    node: &SvmNode,
    account: SolanaKey,
    is_older: impl Fn(&HistoryEntry) -> bool,
    no_earlier_than: u64,
) -> Result<Vec<HistoryEntry>, NodeFailure> {
    let mut all: Vec<HistoryEntry> = Vec::new();
    while all.len() < READ {
        let before = all.last().map(|entry| entry.signature.clone());
        let page = node.history(line, account, before.as_deref(), no_earlier_than).await?;
        let is_last = page.last().is_none_or(&is_older);
        all.extend(page);
        if is_last {
            all.retain(|entry| !is_older(entry));
            return Ok(all);
        }
    }
    Err(NodeFailure::Refused(format!("more than {READ} chain transactions to look through")))
}

/// The block of the node that is further on, which ends no earlier than either says; none where they are so far apart that one
/// of them must be wrong.
fn together(one: RecentBlock, other: RecentBlock) -> Option<RecentBlock> {
    let newer = if other.slot > one.slot { other } else { one };
    let is_near = one.slot.abs_diff(other.slot) <= limits::BLOCKS_APART;
    is_near.then(|| RecentBlock { last_height: one.last_height.max(other.last_height), ..newer })
}

/// A block is never higher than its slot.
fn can_be(block: &RecentBlock) -> bool {
    block.last_height <= block.slot.saturating_add(BLOCKHASH_BLOCKS)
}

/// Whether an owner had less of an asset afterwards.
fn has_left(landed: &Transaction, mint: &str, owner: &str) -> bool {
    let of_owner = |held: &[reply::Holding]| {
        let ours = held.iter().filter(|held| held.mint == mint && held.owner.as_deref() == Some(owner));
        ours.fold(0_u128, |sum, held| sum + u128::from(held.amount))
    };
    of_owner(&landed.after) < of_owner(&landed.before)
}

/// Whether everybody signed who had to, and our key among them: no node can make that up.
fn is_signed_by(landed: &Transaction, ours: SolanaKey) -> bool {
    let signers = reply::signers(&landed.message).unwrap_or_default();
    let is_signed =
        |(signer, signature): (&[u8; 32], &[u8; 64])| Signature::Ed25519(*signature).is_of(signer, &landed.message);
    signers.contains(&ours.0)
        && signers.len() == landed.signatures.len()
        && signers.iter().zip(&landed.signatures).all(is_signed)
}

/// By a message that our key signed, which has a name; or by somebody else's hand.
fn how_it_left(landed: &Transaction, ours: SolanaKey) -> Departed {
    match reply::signers(&landed.message).is_some_and(|signers| signers.contains(&ours.0)) {
        true => Departed::By(B256::from_slice(&Sha256::digest(&landed.message))),
        false => Departed::Unnamed { to: None, called_with: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_of_the_furthest_node_and_ends_as_late_as_any_says() {
        let block = |hash, slot, last_height| RecentBlock { hash: [hash; 32], slot, last_height };
        for (one, other, expected) in [
            (block(1, 10, 160), block(2, 11, 150), Some(block(2, 11, 160))),
            (block(1, 11, 150), block(2, 10, 160), Some(block(1, 11, 160))),
            (block(1, 10, 160), block(2, 10, 160), Some(block(1, 10, 160))),
            (block(1, 10, 160), block(2, 74, 160), Some(block(2, 74, 160))),
            (block(1, 10, 160), block(2, 75, 160), None),
            (block(1, u64::MAX, 160), block(2, 10, 160), None),
        ] {
            assert_eq!(together(one, other), expected);
        }
        assert!(can_be(&block(1, 10, 160)) && !can_be(&block(1, 10, 161)));
    }

    #[test]
    fn no_node_can_make_up_what_our_key_signed() {
        let [theirs, our_own] = [1, 7].map(|seed| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]));
        let [payer, ours] = [&theirs, &our_own].map(|key| SolanaKey(key.verifying_key().to_bytes()));
        let message = [&[0x80, 2, 0, 0, 2][..], &payer.0, &ours.0, &[0; 32]].concat();
        let sign = |key: &ed25519_dalek::SigningKey| ed25519_dalek::Signer::sign(key, &message).to_bytes();
        let (first, second) = (sign(&theirs), sign(&our_own));
        let landed = |signatures: Vec<[u8; 64]>| Transaction {
            slot: 1,
            signatures,
            message: message.clone(),
            has_failed: false,
            before: Vec::new(),
            after: Vec::new(),
        };
        assert!(is_signed_by(&landed(vec![first, second]), ours));
        // What was shown to a seller and never taken has our signature, and nobody's beside it.
        for made_up in [vec![], vec![[0; 64], second], vec![second, first], vec![second], vec![first, second, second]] {
            assert!(!is_signed_by(&landed(made_up.clone()), ours), "{}", made_up.len());
        }
        assert!(!is_signed_by(&landed(vec![first, second]), SolanaKey([1; 32])));
    }

    #[test]
    fn what_left_is_what_its_owner_has_less_of() {
        let held = |owner: &str, amount| reply::Holding { mint: "m".to_owned(), owner: Some(owner.to_owned()), amount };
        let moved = |before: Vec<reply::Holding>, after: Vec<reply::Holding>| {
            let landed =
                Transaction { slot: 1, signatures: Vec::new(), message: Vec::new(), has_failed: false, before, after };
            has_left(&landed, "m", "us")
        };
        assert!(moved(vec![held("us", 5), held("them", 0)], vec![held("us", 3), held("them", 2)]));
        assert!(!moved(vec![held("us", 5)], vec![held("us", 9)]), "it came");
        assert!(!moved(vec![held("us", 5), held("us", 1)], vec![held("us", 1), held("us", 5)]), "between ours");
        assert!(moved(vec![held("us", 5)], vec![]), "the account was closed");
        assert!(moved(vec![held("us", 5)], vec![held("them", 5)]), "the account was given away");
        assert!(!moved(vec![held("them", 5)], vec![held("them", 1)]), "it is not ours");
    }
}
