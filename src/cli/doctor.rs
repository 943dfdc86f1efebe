//! `bursar doctor`: is everything in order, and if not, what to do.

mod chains;
mod check;
mod doors;
mod egress;
mod files;
mod homes;
mod hosts;
mod key;
mod ledger;
mod rules;
mod server;

use clap::Args;
use serde::Serialize;

use crate::cli::exit::{Exit, Failure};
use crate::cli::wallet::{PassphraseAsker, passphrases};
use crate::cli::{Context, out};
use crate::config::{Config, Home, PolicyFile};
use crate::house::House;
use crate::owner::{look_at_server, versions};
use check::{Check, Health, fail, ok};

/// Check everything, and say what to do where something is wrong
///
/// Files and who can read them, room on the disk, config and policy, the key, the ledger, the nodes of each chain and
/// the clock, balances, the way out, the hosts that start bursar, versions, and what waits for you. Nothing secret is
/// shown and nothing is changed, but for closing files that others could read. Exits 1 when something is broken.
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

impl Doctor {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.home()?;
        let checks = examine(&home).await;
        let ok = checks.iter().all(|check| check.state != Health::Fail);
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
        let head = format!("bursar {} in {}", self.version, out::clean(&self.home));
        std::iter::once(head).chain(self.checks.iter().flat_map(Check::lines)).collect()
    }
}

/// From the folder outwards: what stands on something broken is not examined.
async fn examine(home: &Home) -> Vec<Check> {
    if !home.dir().exists() {
        return vec![fail("home", "there is none yet", "bursar init")];
    }
    let (ledger, engine) = versions();
    let versions = format!("bursar {}, ledger {ledger}, SQLite {engine}", env!("CARGO_PKG_VERSION"));
    let mut checks = vec![ok("versions", versions)];
    checks.extend(files::folder(home));
    checks.extend(homes::others(home));
    let (config, policy) = (Config::load(home), PolicyFile::new(home).current());
    checks.push(match &config {
        Ok(_) if home.config_file().exists() => ok("config", "config.toml is right"),
        Ok(_) => ok("config", "no config.toml: built-in values"),
        Err(error) => fail("config", error, "correct it; nothing is paid until then"),
    });
    checks.extend(match &policy {
        Ok(policy) => rules::examine(home, policy),
        Err(error) => vec![fail("policy", error, "correct it; nothing is paid until then")],
    });
    checks.extend(hosts::examine(home).await);
    let Ok(config) = config else { return checks };
    checks.extend(doors::examine(home, &config));
    // A ledger that is missing is told, and not made by looking.
    let server = look_at_server(home).transpose();
    checks.extend(server.iter().flat_map(server::examine));
    let is_there = match &server {
        Some(looked) => looked.as_ref().is_ok_and(|looked| looked.standing.is_begun),
        None => ledger::is_there(home),
    };
    let house = match is_there {
        true => Some(House::open(home, passphrases(PassphraseAsker::Host)).await),
        false => None,
    };
    checks.extend(key::examine(home, &config, house.as_ref().and_then(|house| house.as_ref().ok())).await);
    if let Ok(policy) = &policy {
        checks.extend(chains::examine(home, &config, policy).await);
    }
    checks.extend(match house {
        Some(house) => ledger::examine(home, house).await,
        None => ledger::missing(home, &config).await,
    });
    checks
}
