//! A home that lives as long as its sandbox: own key, own ledger, own policy, all in a folder that is deleted with it.
//!
//! Nothing of the real home is read. The chain is gone when the process ends, so a ledger that bought there must not
//! outlive it either.

use std::fs;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, U256, hex};
use url::Url;

use crate::cli::exit::{Exit, Failure};
use crate::cli::serve::{attend, not_served};
use crate::cli::{Context, out};
use crate::config::{self, Config, Home, write_private};
use crate::house::House;
use crate::mcp;
use crate::money::{Rail, Usd};
use crate::wallet::{PassphraseSource, Store, Wallet};
use sandbox::chain::NETWORK;
use sandbox::{Options, Sandbox};

pub struct Playground {
    pub sandbox: Sandbox,
    pub home: Home,
    address: Address,
}

impl Playground {
    /// `rules` are sections of a policy; the sandbox's chain and market are added to them.
    pub async fn open(dir: &Path, rules: &str, funds: Usd) -> Result<Playground, Failure> {
        let sandbox = Sandbox::start(Options::default()).await.map_err(unset)?;
        let home = Home::at(dir);
        home.prepare()?;
        write_private(&home.config_file(), config_text(&sandbox).as_bytes()).map_err(unset)?;
        write_private(&home.policy_file(), policy_text(&sandbox, rules)?.as_bytes()).map_err(unset)?;
        write_private(&passphrase_file(&home), secret()?.as_bytes()).map_err(unset)?;
        let store = Store::file(home.dir(), passphrases(&home));
        let key = Wallet::create(&store, Rail::Evm, None).await?;
        Config::write_wallet(&home, config::StoreKind::File, key)?;
        let address = key.as_evm().unwrap_or_default();
        sandbox.chain.mint(address, U256::from(funds.as_micros())).map_err(unset)?;
        Ok(Playground { sandbox, home, address })
    }

    /// The house over this home, in this process.
    pub async fn house(&self) -> Result<House, Failure> {
        Ok(House::open(&self.home, passphrases(&self.home)).await?)
    }

    pub fn passphrase_file(&self) -> PathBuf {
        passphrase_file(&self.home)
    }

    /// What the wallet holds, as the chain says.
    pub fn on_chain(&self) -> Usd {
        let balance = self.sandbox.chain.balance_of(self.address);
        Usd::micros(u64::try_from(balance).unwrap_or(u64::MAX))
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        // What cannot be deleted is play money.
        let _ = fs::remove_dir_all(self.home.dir());
    }
}

/// A folder for a scene that leaves nothing behind.
pub fn temporary() -> Result<PathBuf, Failure> {
    Ok(std::env::temp_dir().join(format!("bursar-demo-{}", unique()?)))
}

/// A folder of its own for each sandbox beneath a home that is not opened.
pub fn beneath(home: &Home) -> Result<PathBuf, Failure> {
    Ok(home.dir().join("sandbox").join(unique()?))
}

fn passphrase_file(home: &Home) -> PathBuf {
    home.dir().join("passphrase")
}

fn passphrases(home: &Home) -> Vec<PassphraseSource> {
    vec![PassphraseSource::File(passphrase_file(home))]
}

/// What real directories list is not for play money.
fn config_text(sandbox: &Sandbox) -> String {
    let find = format!("[find]\nbazaar = [\"{}\"]\nmpp = []\nindex402 = []\n", sandbox.sellers_url());
    format!("{find}[chains.\"{NETWORK}\"]\nrpc = [\"{}\"]\n", sandbox.rpc_url())
}

/// The market is many sellers behind one address, so another payee there is no alarm.
fn policy_text(sandbox: &Sandbox, rules: &str) -> Result<String, Failure> {
    let market = Url::parse(&sandbox.sellers_url()).map_err(unset)?;
    let (host, port) = (market.host_str().unwrap_or_default(), market.port().unwrap_or_default());
    Ok(format!(
        "version = 1\n{rules}\n\
         [payee]\non_change = \"allow\"\n\
         [networks]\nallow = [\"{NETWORK}\"]\n\
         [egress]\nallow = [\"{host}:{port}\"]\n"
    ))
}

fn unique() -> Result<String, Failure> {
    Ok(format!("{}-{}", std::process::id(), &secret()?[..8]))
}

fn secret() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(unset)?;
    Ok(hex::encode(bytes))
}

fn unset(cause: impl ToString) -> Failure {
    Failure::new("no_sandbox", format!("the sandbox could not be set up: {}", cause.to_string()), "")
}

/// What `bursar serve --sandbox` leaves to the built-in policy is sized for a day with five dollars.
const FUNDS: Usd = Usd::micros(5_000_000);

/// Nothing of the real home is opened; the sandbox's own lies in a folder beneath it.
pub async fn serve(context: &Context, agent: &str, most: Option<Usd>) -> Result<Exit, Failure> {
    let ground = Playground::open(&beneath(&context.home()?)?, "", FUNDS).await?;
    let market = ground.sandbox.sellers_url();
    context.out.say(format_args!("{} play money only; what is for sale: {market}", out::bold("bursar sandbox:")));
    context.out.say(format_args!("to look at it while it runs: bursar --home {} log", ground.home.dir().display()));
    let house = ground.house().await?;
    let notice = format!(
        "This is a sandbox: play money that is worth nothing. Fetch {market} to see what its market sells, then buy by path."
    );
    attend(&house, mcp::serve(house.agent(agent).at_most(most), Some(notice))).await.map_err(not_served)?;
    Ok(Exit::Done)
}
