//! `bursar doctor`: is everything in order, and if not, what to do.

use clap::Args;
use serde::Serialize;

use crate::answer::LogQuery;
use crate::answer::SpendQuery;
use crate::chain::{self, Nodes};
use crate::cli::exit::{Exit, Failure};
use crate::cli::wallet::{PassphraseAsker, passphrases, store_of};
use crate::cli::{Context, out, words};
use crate::config::{Config, Home, PolicyFile};
use crate::house::House;
use crate::limits;
use crate::money::{Account, Network};
use crate::owner::{LedgerSeal, Owner};
use crate::policy::Policy;
use crate::ports::Chains;
use crate::settlement::ChainError;
use crate::time::Time;
use crate::wallet::Wallet;

/// Check everything, and say what to do where something is wrong
///
/// Files and who can read them, policy, ledger, key, clock, nodes, and what waits for you. Nothing secret is shown and
/// nothing is changed, but for closing files that others could read. Exits 1 when something is broken.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar doctor\n  bursar doctor --json | jq '.checks[] | select(.state != \"ok\")'")]
pub struct Doctor {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    version: &'static str,
    home: String,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    what: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    to_do: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

impl Doctor {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.home()?;
        let checks = examine(&home).await;
        let ok = checks.iter().all(|check| check.state != State::Fail);
        let report = Report { ok, version: env!("CARGO_PKG_VERSION"), home: home.dir().display().to_string(), checks };
        match self.json {
            true => context.out.json(&report),
            false => report.lines().iter().for_each(|line| context.out.line(line)),
        }
        Ok(if ok { Exit::Done } else { Exit::Failed })
    }
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("bursar {} in {}", self.version, out::clean(&self.home))];
        for check in &self.checks {
            let state = match check.state {
                State::Ok => out::good("ok  "),
                State::Warn => out::warn("warn"),
                State::Fail => out::bad("fail"),
            };
            lines.push(format!("{state} {:<9} {}", check.what, out::clean(&check.found)));
            if !check.to_do.is_empty() {
                lines.push(format!("               {}", out::dim(&check.to_do)));
            }
        }
        lines
    }
}

/// From the folder outwards: what stands on something broken is not examined.
async fn examine(home: &Home) -> Vec<Check> {
    if !home.dir().exists() {
        return vec![fail("home", "there is none yet", "bursar init")];
    }
    let mut checks = folder(home);
    let (config, policy) = (Config::load(home), PolicyFile::new(home).current());
    checks.push(match &config {
        Ok(_) if home.config_file().exists() => ok("config", "config.toml is right"),
        Ok(_) => ok("config", "no config.toml: built-in values"),
        Err(error) => fail("config", error, "correct it; nothing is paid until then"),
    });
    checks.extend(match &policy {
        Ok(policy) => rules(home, policy),
        Err(error) => vec![fail("policy", error, "correct it; nothing is paid until then")],
    });
    let Ok(config) = config else { return checks };
    checks.push(key(home, &config).await);
    if let Ok(policy) = &policy {
        for network in &policy.networks {
            checks.extend(nodes(&config, network).await);
            checks.extend(account(&config, network).await);
        }
    }
    checks.extend(ledger(home).await);
    checks
}

fn folder(home: &Home) -> Vec<Check> {
    match home.prepare() {
        Err(error) => vec![fail("home", error, "")],
        Ok(tightened) if tightened.is_empty() => vec![ok("home", "closed to other users")],
        Ok(tightened) => tightened
            .iter()
            .map(|file| {
                let found =
                    format!("{} could be read by others (mode {:o}), and is closed now", file.path.display(), file.was);
                warn("home", found, "if others use this machine, consider a new key")
            })
            .collect(),
    }
}

fn rules(home: &Home, policy: &Policy) -> Vec<Check> {
    let hash: String = policy.hash.chars().take(12).collect();
    let mut checks = vec![match home.policy_file().exists() {
        true => ok("policy", format!("policy.toml is right ({hash})")),
        false => ok("policy", format!("no policy.toml: the built-in one is in force ({hash})")),
    }];
    match PolicyFile::new(home).waiting() {
        Ok(None) => {}
        Ok(Some(what)) => {
            checks.push(warn("policy", format!("{what} was changed and is not in force"), "bursar policy apply"));
        }
        Err(error) => checks.push(fail("policy", error, "correct it")),
    }
    if let Some(error) = &policy.payee.deny_list_error {
        checks.push(fail("policy", error, "make the deny list readable; nothing is paid until then"));
    }
    let tests = policy.networks.iter().filter(|network| network.is_test()).count();
    if tests > 0 && tests < policy.networks.len() {
        checks.push(warn("policy", "real and test money are both allowed", "keep one of them in [networks] allow"));
    }
    checks
}

async fn key(home: &Home, config: &Config) -> Check {
    let Some(address) = config.wallet.address else {
        return fail("key", "there is no wallet yet", "bursar init");
    };
    match Wallet::list(&store_of(home, config.wallet.store, PassphraseAsker::Host)).await {
        Ok(there) if there.contains(&address) => ok("key", format!("{address} is there")),
        Ok(_) => fail("key", format!("the key of {address} is not there"), "bring it back with `bursar wallet import`"),
        Err(error) => fail("key", error, ""),
    }
}

/// Each node by itself, and our clock against its newest block.
async fn nodes(config: &Config, network: &Network) -> Vec<Check> {
    let chain = config.chain(network);
    if chain.rpc.is_empty() {
        return vec![fail("node", ChainError::NoNode(network.clone()), "")];
    }
    let mut checks = Vec::new();
    for url in chain.rpc {
        let name = url.host_str().unwrap_or_default().to_owned();
        let alone = Nodes { rpc: vec![url], confirmations: chain.confirmations };
        let newest = chain::Rpc::new([(network.clone(), alone)]).heads(network).await.pop();
        checks.push(match newest.unwrap_or_else(|| Err(ChainError::NoNode(network.clone()))) {
            Ok(block) => against_our_clock(&name, network, Time::from_secs(block.time_secs as i64)),
            Err(error) => warn("node", error, "payments go on; proof of lost ones waits for it"),
        });
    }
    checks.push(summary(config, network, &checks));
    checks
}

/// One line for a chain: whether it can be asked, and what is paid with there.
fn summary(config: &Config, network: &Network, nodes: &[Check]) -> Check {
    let (title, answer) =
        (network.title(), nodes.iter().filter(|check| check.what == "node" && check.state == State::Ok).count());
    let assets = config.assets();
    let symbols: Vec<&str> = assets.on(network).map(|asset| asset.symbol.as_str()).collect();
    if nodes.iter().all(|check| check.state == State::Warn) {
        return fail("chain", format!("no node of {title} answers"), "check the network, or [chains] in config.toml");
    }
    match symbols.is_empty() {
        true => warn("chain", format!("bursar knows no asset on {title}"), "add an [[asset]] to config.toml"),
        false => {
            let found =
                format!("{title}: {answer} of {} nodes answer; {} is paid with there", nodes.len(), symbols.join(", "));
            ok("chain", found)
        }
    }
}

/// An account with code is not the plain one it is taken for: whoever it was delegated to (EIP-7702) can move its money.
async fn account(config: &Config, network: &Network) -> Option<Check> {
    let chain = config.chain(network);
    let nodes = Nodes { rpc: chain.rpc, confirmations: chain.confirmations };
    let account = Account::evm(network, config.wallet.address?);
    match chain::Rpc::new([(network.clone(), nodes)]).has_code(&account).await {
        Ok(true) => Some(warn(
            "account",
            format!(
                "{account} has code on {}: it was delegated to a contract, which can move its money",
                network.title()
            ),
            "undo the delegation, or move what it holds to a new wallet",
        )),
        // That a node does not answer is said already.
        Ok(false) | Err(_) => None,
    }
}

fn against_our_clock(node: &str, network: &Network, newest: Time) -> Check {
    let now = words::now();
    let (behind, ahead) = (now.since(newest), newest.since(now));
    if ahead > limits::CLOCK_SKEW {
        let found = format!("this computer's clock is {} behind {node}", words::lasting(ahead));
        return fail("clock", found, "set the clock; nothing is signed until then");
    }
    if behind > limits::CLOCK_SKEW + limits::BLOCKS_MAY_LAG {
        let found = format!("the newest block {node} knows on {} is {} old", network.title(), words::lasting(behind));
        return warn("clock", found, "the node is behind, or this computer's clock is ahead");
    }
    ok("node", format!("{node} answers for {}", network.title()))
}

async fn ledger(home: &Home) -> Vec<Check> {
    match House::open(home, passphrases(PassphraseAsker::Host)).await {
        Ok(house) => standing(&house.owner()).await.unwrap_or_else(|failure| vec![of(failure)]),
        Err(refusal) => vec![of(refusal.into())],
    }
}

/// What the ledger says about now: frozen, waiting, open.
async fn standing(bursar: &Owner) -> Result<Vec<Check>, Failure> {
    let mut checks = vec![own_ledger(bursar).await?];
    checks.push(match bursar.frozen().await? {
        Some(why) => warn("frozen", format!("all spending is stopped: {why}"), "bursar thaw lets it go on"),
        None => ok("frozen", "no"),
    });
    let pending = bursar.pending().await?.len();
    checks.push(match pending {
        0 => ok("pending", "no question waits for you"),
        n => warn("pending", format!("{n} waiting for your yes"), "bursar pending"),
    });
    let held = in_state(bursar, "held").await? + in_state(bursar, "authorized").await?;
    checks.push(match held {
        0 => ok("open", "every payment's outcome is known"),
        n => warn("open", format!("{n} whose outcome is not known yet; counted as spent"), "bursar reconcile"),
    });
    Ok(checks)
}

/// Compared with what is kept beside the key; nothing is written.
async fn own_ledger(bursar: &Owner) -> Result<Check, Failure> {
    const ADOPT: &str =
        "bring the right one back, or accept this one with `bursar ledger adopt`; nothing is paid until then";
    Ok(match bursar.ledger_seal().await? {
        LedgerSeal::NoWallet => ok("ledger", "opens"),
        LedgerSeal::Unseen(cause) => {
            warn("ledger", format!("opens; whether it is this wallet's own was not seen: {cause}"), "")
        }
        LedgerSeal::Replaced => fail("ledger", "is not the one this wallet spent from", ADOPT),
        LedgerSeal::RolledBack => fail("ledger", "is an old copy", ADOPT),
        LedgerSeal::Own => ok("ledger", "opens, and is this wallet's own"),
        LedgerSeal::Unspent => ok("ledger", "opens; this wallet has not spent yet"),
    })
}

async fn in_state(bursar: &Owner, state: &str) -> Result<u64, Failure> {
    let spend = SpendQuery { state: Some(state.to_owned()), limit: Some(1), ..SpendQuery::default() };
    Ok(bursar.log(LogQuery { spend, ..LogQuery::default() }).await?.totals.count)
}

fn of(failure: Failure) -> Check {
    let found: Vec<String> = failure.reasons.into_iter().map(|reason| reason.message).collect();
    fail("ledger", found.join("; "), failure.next)
}

fn ok(what: &'static str, found: impl ToString) -> Check {
    Check { what, state: State::Ok, found: found.to_string(), to_do: String::new() }
}

fn warn(what: &'static str, found: impl ToString, to_do: impl Into<String>) -> Check {
    Check { what, state: State::Warn, found: found.to_string(), to_do: to_do.into() }
}

fn fail(what: &'static str, found: impl ToString, to_do: impl Into<String>) -> Check {
    Check { what, state: State::Fail, found: found.to_string(), to_do: to_do.into() }
}
