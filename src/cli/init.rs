//! `bursar init`: from nothing to a wallet with limits, plugged in. Run again, it changes nothing that is there.

use std::io::{BufRead, IsTerminal, Write};

use alloy_primitives::Address;
use clap::{Args, ValueEnum};

use crate::cli::exit::{Exit, Failure};
use crate::cli::hosts::{Host, ServerEntry};
use crate::cli::owner::Terminal;
use crate::cli::wallet::{self, KeyPlace};
use crate::cli::{Context, funding, out, passphrase};
use crate::config::{Config, Home, OwnerFile, PolicyFile, write_private};
use crate::money::{Assets, Network};
use crate::policy::Policy;

/// Make a wallet and limits, and show how to fund it and plug it in
///
/// Makes what is missing and leaves what is there: the folder, the policy, the key. Without a terminal it needs
/// --network. The key goes into the system's keyring unless you say --store file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar init
  bursar init --network testnet --host claude-code
  bursar init --network mainnet --store file --host codex --host cursor
  bursar init --network base --network polygon")]
pub struct Init {
    /// Which money: testnet (free test dollars), mainnet (real ones), or a chain by its name. Never test and real money
    /// together
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    /// Where to keep the key [default: keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
    /// Show how to plug it into this host, as often as needed
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<Host>,
}

/// The chains a fresh policy allows: all of real money, or all of test money.
struct Money(Vec<Network>);

impl Init {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        Config::load(&home)?;
        self.policy(&home, context)?;
        let address = self.wallet(&home, context).await?;
        how_to_fund(&home, address, context)?;
        self.how_to_plug_in(&home, context)?;
        browser(&home, context)?;
        self.passphrase(&home, context).await?;
        Ok(Exit::Done)
    }

    fn policy(&self, home: &Home, context: &Context) -> Result<(), Failure> {
        let path = home.policy_file();
        if path.exists() {
            let policy = PolicyFile::new(home).current()?;
            context.out.line(format_args!("{} policy   {} (as it was)", out::good("ok"), path.display()));
            return self.same_money(&policy.networks);
        }
        let money = if self.networks.is_empty() { asked_for_money()? } else { Money::of(&self.networks)? };
        write_private(&path, money.policy().as_bytes())
            .map_err(|cause| Failure::new("not_written", format!("the policy could not be written: {cause}"), ""))?;
        context.out.line(format_args!("{} policy   {} (new: {})", out::good("ok"), path.display(), money.in_words()));
        Ok(())
    }

    /// The owner's file wins, and is not changed behind the owner's back.
    fn same_money(&self, allowed: &[Network]) -> Result<(), Failure> {
        let wanted = Money::of(&self.networks)?;
        match wanted.0.iter().find(|network| !allowed.contains(network)) {
            Some(other) => Err(Failure::new(
                "other_network",
                format!("the policy that is there does not allow {}", other.title()),
                "edit [networks] in it, or use another folder with --home",
            )),
            None => Ok(()),
        }
    }

    async fn wallet(&self, home: &Home, context: &Context) -> Result<Address, Failure> {
        if let Some(address) = Config::load(home)?.wallet.address {
            context.out.line(format_args!("{} wallet   {address} (as it was)", out::good("ok")));
            return Ok(address);
        }
        let address = wallet::create(home, self.store).await?;
        context.out.line(format_args!("{} wallet   {address} (new)", out::good("ok")));
        context.out.say(format_args!("Keep a copy of its key somewhere safe: bursar wallet export"));
        Ok(address)
    }

    /// An agent with a shell can run bursar's commands; what it does not know is a passphrase.
    async fn passphrase(&self, home: &Home, context: &Context) -> Result<(), Failure> {
        let is_moot = !self.hosts.iter().any(|host| host.has_shell()) || OwnerFile::new(home).read()?.is_some();
        if is_moot {
            return Ok(());
        }
        context.out.line(format_args!("\n{}", out::bold("Keep it yours")));
        context.out.line("  An agent with a shell can run bursar's commands, and does not know your passphrase.");
        if std::io::stdin().is_terminal() {
            let mut owner = Terminal::at_the_terminal("bursar owner set")?;
            if owner.agrees("Set a passphrase now?")? {
                let bursar = context.bursar().await?;
                return passphrase::set(&mut owner, &bursar, context).await.map(drop);
            }
        }
        context.out.line("  bursar owner set makes one");
        Ok(())
    }

    fn how_to_plug_in(&self, home: &Home, context: &Context) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(|cause| {
            Failure::new("no_program", format!("where this program is cannot be told: {cause}"), "")
        })?;
        // Not what BURSAR_HOME says: hosts drop variables.
        let elsewhere = std::env::home_dir().is_none_or(|user| user.join(".bursar") != home.dir());
        let server = ServerEntry { program: &program, home: elsewhere.then_some(home.dir()) };
        context.out.line(format_args!("\n{}", out::bold("Plug it in")));
        for host in &self.hosts {
            context.out.line(format_args!("  {}", out::dim(&host.name())));
            host.how(&server).iter().for_each(|line| context.out.line(format_args!("    {line}")));
        }
        if self.hosts.is_empty() {
            server.block("my-agent").iter().for_each(|line| context.out.line(format_args!("  {line}")));
            let names: Vec<String> = Host::value_variants().iter().map(|host| host.name()).collect();
            context.out.line(format_args!("  or, made for your host: bursar init --host {}", names.join("|")));
        }
        context.out.line("  or let bursar do it, in every host it finds: bursar install --all");
        context.out.line("\nThen: bursar doctor");
        Ok(())
    }
}

/// Asked once, and only of a person.
fn browser(home: &Home, context: &Context) -> Result<(), Failure> {
    if Config::load(home)?.notices.browser.is_some() || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    context.out.line(format_args!("\n{}", out::bold("Be asked")));
    let mut owner = Terminal::at_the_terminal("bursar init")?;
    let opens = owner.wants("Open the review page in your browser whenever a purchase needs your yes?")?;
    Ok(Config::write_browser(home, opens)?)
}

impl Money {
    const TEST: u64 = 84532;
    const REAL: u64 = 8453;

    fn of(names: &[String]) -> Result<Money, Failure> {
        let networks = names.iter().map(|name| meant(name)).collect::<Result<Vec<Network>, _>>()?;
        let tests = networks.iter().filter(|network| network.is_test()).count();
        if tests > 0 && tests < networks.len() {
            return Err(Failure::usage("test money and real money do not go together", "leave out one of them"));
        }
        Ok(Money(networks))
    }

    fn is_test(&self) -> bool {
        self.0.iter().all(Network::is_test)
    }

    /// The policy in the box, with these chains in it.
    fn policy(&self) -> String {
        let (text, boxed) = match self.is_test() {
            true => (include_str!("../../policies/testnet.toml"), Money::TEST),
            false => (Policy::built_in_text(), Money::REAL),
        };
        let names: Vec<String> = self.0.iter().map(|network| format!("\"{network}\"")).collect();
        let titles: Vec<&str> = self.0.iter().map(Network::title).collect();
        let boxed = Network::eip155(boxed);
        text.replacen(&format!("allow = [\"{boxed}\"]"), &format!("allow = [{}]", names.join(", ")), 1).replacen(
            &format!("{boxed} is {}.", boxed.title()),
            &format!("These are: {}.", titles.join(", ")),
            1,
        )
    }

    fn in_words(&self) -> String {
        let titles: Vec<&str> = self.0.iter().map(Network::title).collect();
        format!("{} dollars on {}", if self.is_test() { "test" } else { "real" }, titles.join(" and "))
    }
}

/// A chain by whatever a person calls it, with an asset on it that bursar knows.
fn meant(name: &str) -> Result<Network, Failure> {
    let network = match name {
        "testnet" => Network::eip155(Money::TEST),
        "mainnet" => Network::eip155(Money::REAL),
        name => Network::meant(name).unwrap_or_else(|| Network::new(name)),
    };
    let known = Assets::default().networks();
    if known.contains(&network) {
        return Ok(network);
    }
    let names: Vec<&str> = known.iter().map(Network::title).collect();
    Err(Failure::usage(
        format!("bursar knows no asset on `{}`", out::clean(name)),
        format!("say testnet, mainnet, or one of: {}", names.join(", ")),
    ))
}

fn how_to_fund(home: &Home, address: Address, context: &Context) -> Result<(), Failure> {
    context.out.line(format_args!("\n{}", out::bold("Fund it")));
    for way in funding::ways(home, address, None)? {
        let (assets, title) = (way.assets.join(" or "), way.network.title());
        let line = match (way.network.chain_id(), way.faucet) {
            (Some(Money::REAL), _) => {
                format!("a few dollars of USDC on Base to {address}; no other asset, not even for fees")
            }
            (_, Some(faucet)) => format!("test {assets} on {title} to {address}, free at {faucet}"),
            (_, None) => format!("{assets} on {title} to {address}"),
        };
        context.out.line(format_args!("  {line}"));
    }
    context.out.line("  bursar balance --watch waits until it is there");
    Ok(())
}

fn asked_for_money() -> Result<Money, Failure> {
    let unsaid =
        || Failure::usage("which money shall it be?", "say --network testnet (free) or --network mainnet (real)");
    if !std::io::stdin().is_terminal() {
        return Err(unsaid());
    }
    eprint!(
        "Which money? 1 test dollars (free, to try things out)  2 real dollars on Base  or the name of a chain  [1]: "
    );
    std::io::stderr().flush().map_err(|_| unsaid())?;
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed).map_err(|_| unsaid())?;
    match typed.trim() {
        "" | "1" => Ok(Money(vec![Network::eip155(Money::TEST)])),
        "2" => Ok(Money(vec![Network::eip155(Money::REAL)])),
        name => Money::of(&[name.to_owned()]),
    }
}
