//! The nodes of every chain the policy pays on: each by itself, against each other, and against our clock. Then what the
//! wallet holds there.

use futures_util::future::join_all;
use url::Url;

use super::check::{Check, fail, ok, warn};
use super::egress;
use crate::authorization::allowance_of;
use crate::chain::{Nodes, Rails};
use crate::cli::{out, words};
use crate::config::{Config, Home};
use crate::money::{Account, Amount, Asset, Assets, Network, Rail, TransferMethod};
use crate::policy::Policy;
use crate::ports::Chains;
use crate::settlement::{Block, ChainError};
use crate::time::Time;
use crate::{limits, outward};

/// One node, and what it said of its newest block.
pub struct AskedNode {
    pub url: Url,
    pub name: String,
    pub head: Result<Block, ChainError>,
}

pub async fn examine(home: &Home, config: &Config, policy: &Policy) -> Vec<Check> {
    let chains: Vec<(&Network, Vec<AskedNode>)> =
        join_all(policy.networks.iter().map(async |network| (network, ask(config, network).await))).await;
    let mut checks = egress::examine(policy, chains.iter().flat_map(|(_, nodes)| nodes)).await;
    let assets = config.assets_in_force(home).unwrap_or_else(|_| config.assets());
    for (network, nodes) in &chains {
        checks.extend(nodes_of(network, nodes));
        checks.push(summary(&assets, network, nodes));
        if let Some(ours) = config.wallet.addresses().and_then(|addresses| addresses.on(network))
            && nodes.iter().any(|node| node.head.is_ok())
        {
            checks.extend(account(config, &assets, &ours).await);
        }
    }
    let has_told_the_time = chains.iter().flat_map(|(_, nodes)| nodes).any(|node| node.head.is_ok());
    if has_told_the_time && !checks.iter().any(|check| check.what == "clock") {
        checks.push(ok("clock", "agrees with the newest blocks"));
    }
    checks
}

/// Each node by itself, all of them at once.
async fn ask(config: &Config, network: &Network) -> Vec<AskedNode> {
    let chain = config.chain(network);
    join_all(chain.rpc.into_iter().map(async |url| {
        let name = outward::name(&url);
        let alone = Nodes { rpc: vec![url.clone()], confirmations: chain.confirmations };
        let head = Rails::new([(network.clone(), alone)], &Assets::default()).heads(network).await.pop();
        AskedNode { url, name, head: head.unwrap_or_else(|| Err(ChainError::NoNode(network.clone()))) }
    }))
    .await
}

fn nodes_of(network: &Network, nodes: &[AskedNode]) -> Vec<Check> {
    let now = words::now();
    let newest = |node: &AskedNode| node.head.as_ref().ok().map(|block| Time::from_secs(block.time_secs as i64));
    let agrees =
        |at: Time| at.since(now) <= limits::CLOCK_SKEW && now.since(at) <= limits::CLOCK_SKEW + limits::BLOCKS_MAY_LAG;
    // Where one node agrees with our clock, it is the other that is wrong.
    let is_clock_right = nodes.iter().filter_map(newest).any(agrees);
    let mut checks: Vec<Check> = nodes
        .iter()
        .map(|node| match &node.head {
            Ok(block) => against_our_clock(node, network, block, is_clock_right),
            Err(error) => unheard(network, error),
        })
        .collect();
    checks.extend(contradiction(network, nodes, agrees));
    checks
}

fn unheard(network: &Network, error: &ChainError) -> Check {
    match error {
        ChainError::OtherChain { .. } => {
            fail("node", error, format!("correct or remove it under [chains.\"{network}\"] in config.toml"))
        }
        _ => warn("node", error, "payments go on; proof of lost ones waits for it"),
    }
}

fn against_our_clock(node: &AskedNode, network: &Network, newest: &Block, is_clock_right: bool) -> Check {
    let (now, at) = (words::now(), Time::from_secs(newest.time_secs as i64));
    let (behind, ahead) = (now.since(at), at.since(now));
    let (name, title) = (&node.name, network.title());
    if ahead > limits::CLOCK_SKEW {
        return match is_clock_right {
            true => warn(
                "node",
                format!("{name} dates its newest block on {title} {} into the future", words::lasting(ahead)),
                format!("other nodes do not: remove it from [chains.\"{network}\"] in config.toml"),
            ),
            false => fail(
                "clock",
                format!("this computer's clock is {} behind {name}", words::lasting(ahead)),
                "set the clock; nothing is signed until then",
            ),
        };
    }
    if behind > limits::CLOCK_SKEW + limits::BLOCKS_MAY_LAG {
        let found = format!(
            "the newest block {name} knows on {title} is {} old, number {}",
            words::lasting(behind),
            newest.number
        );
        return match is_clock_right {
            true => warn("node", found, "the node is behind, and proves nothing until it has caught up"),
            false => warn("clock", found, "the node is behind, or this computer's clock is ahead"),
        };
    }
    ok("node", format!("{name} is on {title} ({network}), at block {}, {} old", newest.number, words::lasting(behind)))
}

/// Two nodes that are both of now, and stand further apart than blocks come.
fn contradiction(network: &Network, nodes: &[AskedNode], agrees: impl Fn(Time) -> bool) -> Option<Check> {
    let of_now =
        |node: &&AskedNode| node.head.as_ref().is_ok_and(|block| agrees(Time::from_secs(block.time_secs as i64)));
    let height = |node: &&AskedNode| node.head.as_ref().map_or(0, |block| block.number);
    let (low, high) =
        (nodes.iter().filter(of_now).min_by_key(height)?, nodes.iter().filter(of_now).max_by_key(height)?);
    if height(&high).saturating_sub(height(&low)) <= limits::BLOCKS_APART {
        return None;
    }
    let (low_at, high_at) = (height(&low), height(&high));
    let found = format!(
        "{} and {} contradict each other on {}: one is at block {high_at}, the other at {low_at}",
        high.name,
        low.name,
        network.title()
    );
    let next = format!(
        "payments they disagree about stay held: find out which is wrong, and remove it from [chains.\"{network}\"]"
    );
    Some(warn("node", found, next))
}

/// One line for a chain: whether it can be asked, and what is paid with there.
fn summary(assets: &Assets, network: &Network, nodes: &[AskedNode]) -> Check {
    let title = network.title();
    if nodes.is_empty() {
        return fail("chain", ChainError::NoNode(network.clone()), "nothing is proven on it until then");
    }
    let answer = nodes.iter().filter(|node| node.head.is_ok()).count();
    let symbols: Vec<&str> = assets.on(network).map(|asset| asset.symbol.as_str()).collect();
    match (answer, symbols.is_empty()) {
        (0, _) => fail("chain", format!("no node of {title} answers"), "check the network, or [chains] in config.toml"),
        (_, true) => warn("chain", format!("bursar knows no asset on {title}"), "add an [[asset]] to config.toml"),
        (_, false) => {
            let found =
                format!("{title}: {answer} of {} nodes answer; {} is paid with there", nodes.len(), symbols.join(", "));
            ok("chain", found)
        }
    }
}

/// What the wallet's account on one chain holds, and whether it is the plain account it is taken for.
async fn account(config: &Config, assets: &Assets, account: &Account) -> Vec<Check> {
    let network = account.network();
    let chain = config.chain(network);
    let nodes = Nodes { rpc: chain.rpc, confirmations: chain.confirmations };
    let rpc = Rails::new([(network.clone(), nodes)], assets);
    let mut checks = Vec::new();
    match network.rail() {
        Some(Rail::Solana) => checks.extend(on_solana(&rpc, assets, account).await),
        Some(Rail::Evm) | None => checks.extend(delegated(&rpc, account).await),
    }
    let held =
        join_all(assets.on(network).map(async |asset| (asset, rpc.balance(&asset.account, account).await))).await;
    let held: Vec<(&Asset, Amount)> = held.into_iter().filter_map(|(asset, held)| Some((asset, held.ok()?))).collect();
    checks.extend(balance(account, &held));
    for (asset, _) in held.iter().filter(|(asset, held)| asset.transfer == TransferMethod::Permit2 && !held.is_zero()) {
        checks.extend(allowance(&rpc, asset, account).await);
    }
    checks
}

/// Whoever an account was delegated to (EIP-7702) can move its money. That a node does not answer is said already.
async fn delegated(rpc: &Rails, account: &Account) -> Option<Check> {
    let title = account.network().title();
    (rpc.evm.has_code(account).await == Ok(true)).then(|| {
        warn(
            "account",
            format!("{account} has code on {title}: it was delegated to a contract, which can move its money"),
            "undo the delegation, or move what it holds to a new wallet",
        )
    })
}

/// What is paid with is kept in an account of its own for each asset, which is there once some of it has come. The chain's
/// own coin is for nothing here: whoever completes a payment pays for it.
async fn on_solana(rpc: &Rails, assets: &Assets, account: &Account) -> Vec<Check> {
    let (mut checks, title) = (Vec::new(), account.network().title());
    if rpc.solana.coin(account).await.is_ok_and(|lamports| lamports > 0) {
        checks.push(warn(
            "coin",
            format!("{account} holds some of {title}'s own coin, which bursar never needs"),
            "better keep it elsewhere: a payment that names this wallet as the one who pays the chain could spend it, and \
             bursar refuses those",
        ));
    }
    let mut missing = Vec::new();
    for asset in assets.on(account.network()) {
        if rpc.solana.has_token_account(&asset.account, account).await == Ok(false) {
            missing.push(out::clean(&asset.symbol));
        }
        checks.extend(mint(rpc, asset).await);
    }
    if !missing.is_empty() {
        let found = format!("no account for {} on {title} yet", missing.join(", "));
        checks.push(ok("account", format!("{found}: it is made when some is sent, by whoever sends it")));
    }
    checks
}

/// What the chain says of an asset, against what the table says of it.
async fn mint(rpc: &Rails, asset: &Asset) -> Option<Check> {
    const NEXT: &str = "take its [[asset]] out of config.toml, or correct it; nothing is safe to be paid with it";
    let symbol = out::clean(&asset.symbol);
    // That a node does not answer is said already.
    let trouble = rpc.solana.trouble_with(asset).await.ok().flatten()?;
    Some(fail("asset", format!("{symbol} ({}) {trouble}", asset.account), NEXT))
}

fn balance(account: &Account, held: &[(&Asset, Amount)]) -> Option<Check> {
    let (network, some) = (account.network(), held.iter().filter(|(_, held)| !held.is_zero()));
    let some: Vec<String> = some.map(|(asset, held)| format!("{} {}", asset.units(*held), asset.symbol)).collect();
    if !some.is_empty() {
        return Some(ok("balance", format!("{} on {}", some.join(", "), network.title())));
    }
    let (first, _) = held.first()?;
    let free = network.faucet().filter(|faucet| faucet.gives == first.symbol);
    let free = free.map(|faucet| format!(", free at {}", faucet.url)).unwrap_or_default();
    let next = format!("send {} to {account}{free}; `bursar balance --watch` waits for it", out::clean(&first.symbol));
    Some(warn("balance", format!("the wallet holds nothing on {}", network.title()), next))
}

/// What moves by Permit2 moves only as far as that was allowed to move it, and allowing it costs gas: the wallet's own, or
/// a sponsor's.
async fn allowance(rpc: &Rails, asset: &Asset, account: &Account) -> Option<Check> {
    let allowed = rpc.know(&allowance_of(asset, account)?).await.ok()?;
    if allowed.number().is_none_or(|allowed| !allowed.is_zero()) {
        return None;
    }
    let (symbol, title) = (out::clean(&asset.symbol), account.network().title());
    Some(match rpc.evm.coin(account).await.ok()?.is_zero() {
        true => warn(
            "gas",
            format!(
                "Permit2 may move no {symbol} on {title} yet, and the wallet has no coin for the gas of allowing it"
            ),
            "only sellers that sponsor the allowance are paid; else send some of the chain's coin, then \
             `bursar wallet allow-permit2`",
        ),
        false => warn(
            "gas",
            format!("Permit2 may move no {symbol} on {title} yet"),
            "only sellers that sponsor the allowance are paid; `bursar wallet allow-permit2` allows it for all",
        ),
    })
}

/// Whether anything came back from it over the network.
pub fn was_reached(node: &AskedNode) -> bool {
    !matches!(node.head, Err(ChainError::Silent { .. } | ChainError::NoNode(_)))
}

impl AskedNode {
    /// Why it did not answer.
    pub fn silence(&self) -> Option<&str> {
        match &self.head {
            Err(ChainError::Silent { cause, .. }) => Some(cause),
            _ => None,
        }
    }
}
