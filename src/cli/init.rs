//! `bursar init`: from nothing to a wallet with limits, plugged in. Run again, it changes nothing that is there.
//!
//! A person who names no money is asked one thing after the other; whoever does is asked for nothing that has a default.

mod money;

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use money::{AllowedMoney, Limits};

use crate::cli::exit::{Exit, Failure};
use crate::cli::hosts::{Host, ServerEntry};
use crate::cli::install::{self, Install};
use crate::cli::owner::Terminal;
use crate::cli::wallet::{self, KeyPlace};
use crate::cli::{Context, funding, out, passphrase, qr};
use crate::config::{Config, Home, OwnerFile, PolicyFile, write_private};
use crate::money::{Addresses, Rail};
use crate::policy::Policy;

/// Make a wallet and limits, and show how to fund it and plug it in
///
/// Makes what is missing and leaves what is there: the folder, the policy, the key. At a terminal it asks what it has to
/// know. With --network it asks for nothing that has a default. The key goes into the system's keyring unless you say
/// --store file.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar init
  bursar init --network testnet --host claude-code
  bursar init --network mainnet --policy research --install
  bursar init --network mainnet --store file --host codex --host cursor
  bursar init --network base --network polygon")]
pub struct Init {
    /// Which money: testnet (free test dollars), mainnet (real ones), or a chain by its name. Never test and real money
    /// together
    #[arg(long = "network", value_name = "NETWORK")]
    networks: Vec<String>,
    /// Which of the policies in the box to begin with [default: testnet for test money, else default]
    #[arg(long = "policy", value_name = "POLICY")]
    limits: Option<Limits>,
    /// Where to keep the key [default: keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
    /// Show how to plug it into this host, as often as needed
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<Host>,
    /// Add bursar to the files of these hosts, or of every host that is found
    #[arg(long)]
    install: bool,
}

impl Init {
    pub async fn run(mut self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        Config::load(&home)?;
        let mut person = match self.networks.is_empty() && std::io::stdin().is_terminal() {
            true => Some(Terminal::at_the_terminal("bursar init")?),
            false => None,
        };
        self.policy(&home, person.as_mut(), context)?;
        let addresses = self.wallet(&home, person.as_mut(), context).await?;
        how_to_fund(&home, addresses, context)?;
        let exit = self.plug_in(&home, person.as_mut(), context)?;
        browser(&home, context)?;
        self.passphrase(&home, context).await?;
        Ok(exit)
    }

    fn policy(&self, home: &Home, person: Option<&mut Terminal>, context: &Context) -> Result<(), Failure> {
        let path = home.policy_file();
        if path.exists() {
            let policy = PolicyFile::new(home).current()?;
            context.out.line(format_args!("{} policy   {} (as it was)", out::good("ok"), path.display()));
            context.out.line(format_args!("   limits   {}", money::in_words(&policy)));
            return self.same_money(&policy);
        }
        let (money, limits) = match person {
            Some(person) => {
                let money = AllowedMoney::asked(person)?;
                let limits = self.limits.map_or_else(|| Limits::asked(person, &money), Ok)?;
                (money, limits)
            }
            None if self.networks.is_empty() => {
                let next = "say --network testnet (free) or --network mainnet (real)";
                return Err(Failure::usage("which money shall it be?", next));
            }
            None => {
                let money = AllowedMoney::of(&self.networks)?;
                let limits = self.limits.unwrap_or(Limits::of(&money));
                (money, limits)
            }
        };
        let text = limits.fit(&money)?.policy(&money);
        write_private(&path, text.as_bytes())
            .map_err(|cause| Failure::new("not_written", format!("the policy could not be written: {cause}"), ""))?;
        context.out.line(format_args!("{} policy   {} (new: {})", out::good("ok"), path.display(), money.in_words()));
        let policy = PolicyFile::new(home).current()?;
        context.out.line(format_args!("   limits   {}", money::in_words(&policy)));
        Ok(())
    }

    /// The owner's file wins, and is not changed behind the owner's back.
    fn same_money(&self, policy: &Policy) -> Result<(), Failure> {
        let wanted = AllowedMoney::of(&self.networks)?;
        match wanted.networks().iter().find(|network| !policy.networks.contains(network)) {
            Some(other) => Err(Failure::new(
                "other_network",
                format!("the policy that is there does not allow {}", other.title()),
                "edit [networks] in it, or use another folder with --home",
            )),
            None => Ok(()),
        }
    }

    /// A key for each kind of chain that the policy pays on.
    async fn wallet(
        &self,
        home: &Home,
        mut person: Option<&mut Terminal>,
        context: &Context,
    ) -> Result<Addresses, Failure> {
        let policy = PolicyFile::new(home).current()?;
        let mut rails: Vec<Rail> = policy.networks.iter().filter_map(|network| network.rail()).collect();
        rails.sort();
        rails.dedup();
        for rail in rails {
            let config = Config::load(home)?.wallet;
            if let Some(address) = config.addresses().and_then(|addresses| addresses.of(rail)) {
                context.out.line(format_args!("{} wallet   {address} (as it was)", out::good("ok")));
                continue;
            }
            let store = match (self.store, person.as_mut()) {
                (None, Some(person)) if config.address.is_none() => Some(where_to_keep_the_key(person)?),
                (_, _) if config.address.is_some() => None,
                (store, _) => store,
            };
            let address = wallet::create(home, store, rail).await?;
            context.out.line(format_args!("{} wallet   {address} (new, for {})", out::good("ok"), rail.title()));
            let which = if config.address.is_some() { format!(" --rail {}", rail.word()) } else { String::new() };
            context.out.say(format_args!("Keep a copy of its key somewhere safe: bursar wallet export{which}"));
        }
        wallet::addresses_of(home)
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

    /// Into the hosts that are named or found, if the owner wants that, or else told how.
    fn plug_in(&mut self, home: &Home, person: Option<&mut Terminal>, context: &Context) -> Result<Exit, Failure> {
        let wants = match person {
            Some(person) if !self.install && self.hosts.is_empty() => {
                let found = install::found()?;
                let titles: Vec<&str> = found.iter().map(|host| host.title()).collect();
                self.hosts = found;
                let question = format!("\nFound on this machine: {}. Add bursar to them?", titles.join(", "));
                !titles.is_empty() && person.agrees(&question)?
            }
            _ => self.install,
        };
        match wants {
            true => {
                context.out.line(format_args!("\n{}", out::bold("Plug it in")));
                Install::into(self.hosts.clone()).run(context)
            }
            false => self.how_to_plug_in(home, context).map(|()| Exit::Done),
        }
    }

    fn how_to_plug_in(&self, home: &Home, context: &Context) -> Result<(), Failure> {
        let program = std::env::current_exe().map_err(|cause| {
            Failure::new("no_program", format!("where this program is cannot be told: {cause}"), "")
        })?;
        // Not what BURSAR_HOME says: hosts drop variables.
        let elsewhere = std::env::home_dir().is_none_or(|user| user.join(".bursar") != home.dir());
        let server = ServerEntry { program: &program, home: elsewhere.then_some(home.dir()), proxy: None };
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

fn where_to_keep_the_key(person: &mut Terminal) -> Result<KeyPlace, Failure> {
    let typed =
        person.answer("Where to keep the key? 1 the system's keyring  2 a file, opened by a passphrase  [1]: ")?;
    match typed.as_str() {
        "" | "1" => Ok(KeyPlace::Keyring),
        "2" => Ok(KeyPlace::File),
        typed => Err(Failure::usage(format!("`{}` is neither 1 nor 2", out::clean(typed)), "run `bursar init` again")),
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

/// Where money for this wallet comes from, by what the policy allows.
fn how_to_fund(home: &Home, addresses: Addresses, context: &Context) -> Result<(), Failure> {
    context.out.line(format_args!("\n{}", out::bold("Fund it")));
    for way in funding::ways(home, addresses, None)? {
        let Some(address) = &way.address else { continue };
        let (assets, title) = (way.assets.join(" or "), way.network.title());
        let line = match (way.network.chain_id(), way.faucet) {
            (Some(AllowedMoney::REAL), _) => {
                format!("a few dollars of USDC on Base to {address}; no other asset, not even for fees")
            }
            (_, Some(faucet)) => format!("test {assets} on {title} to {address}, free at {faucet}"),
            (_, None) => format!("{assets} on {title} to {address}"),
        };
        context.out.line(format_args!("  {line}"));
    }
    addresses.iter().for_each(|address| qr::show(&address.to_string(), &context.out));
    context.out.line("  bursar balance --watch waits until it is there");
    Ok(())
}
