//! `bursar wallet`: the key, and where it is kept.

use std::io::IsTerminal;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::cli::allow_permit2::AllowPermit2;
use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::clock::SystemClock;
use crate::config::{self, Config, Home, OwnerFile};
use crate::limits;
use crate::money::{Addresses, KeyAddress, Rail};
use crate::owner::is_the_owner_by_seal;
use crate::wallet::{self, PassphraseSource, RailKey};

/// Make, show or move the wallet's key
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct WalletCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Create(Create),
    Import(Import),
    Address(ShowAddress),
    List(List),
    Export(Export),
    Remove(Remove),
    AllowPermit2(AllowPermit2),
}

/// Where a key is kept
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyPlace {
    /// The system's: Secret Service, macOS Keychain, Windows Credential Manager
    Keyring,
    /// wallet.json in the home, encrypted with a passphrase
    File,
}

/// The kind of chain a key is for
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeyRail {
    /// Base, Polygon and the other chains of Ethereum's kind
    Evm,
    /// Solana
    Solana,
}

/// Make a fresh key
///
/// It goes into the system's keyring. Where there is none, `--store file` keeps it in an encrypted file; the passphrase
/// comes from a prompt, from the file that BURSAR_PASSPHRASE_FILE names, or from a systemd credential. Prints the
/// address. A key that is there is never replaced. A wallet may have one key for EVM chains and one for Solana: they are
/// never made of each other, and one policy, one ledger and one budget hold for both.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar wallet create\n  bursar wallet create --store file\n  bursar wallet create --rail solana"
)]
struct Create {
    /// For which kind of chain
    #[arg(long, value_name = "RAIL", default_value = "evm")]
    rail: KeyRail,
    /// Where to keep the key [default: as config.toml says, else keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
}

/// Take over a key you have
///
/// Read from stdin, or asked for at the terminal; never from an argument, which other programs can read. Hex is a key for
/// EVM chains. A key for Solana is 64 bytes, in base58 or as a list of numbers, as its wallets give it; hex is its seed
/// where --rail solana is said.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar wallet import\n  bursar wallet import --store file < key.hex\n  bursar wallet import < id.json"
)]
struct Import {
    /// For which kind of chain [default: as the key is written]
    #[arg(long, value_name = "RAIL")]
    rail: Option<KeyRail>,
    /// Where to keep the key [default: as config.toml says, else keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
}

/// Print the address, and nothing else
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet address\n  bursar wallet address --rail solana")]
struct ShowAddress {
    /// For which kind of chain, where there are two [default: the first]
    #[arg(long, value_name = "RAIL")]
    rail: Option<KeyRail>,
}

/// List the addresses whose keys are here
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet list")]
struct List {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Show the key at the terminal, for a copy you keep elsewhere
///
/// Only on a real terminal, after you type the word `export`. Whoever has the key has the money.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet export\n  bursar wallet export --rail solana")]
struct Export {
    /// For which kind of chain, where there are two [default: the first]
    #[arg(long, value_name = "RAIL")]
    rail: Option<KeyRail>,
}

/// Delete the key; without a copy, what the address holds is lost
///
/// Asks at the terminal that you type the address. The ledger stays.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet export     # first\n  bursar wallet remove")]
struct Remove {
    /// For which kind of chain, where there are two [default: the first]
    #[arg(long, value_name = "RAIL")]
    rail: Option<KeyRail>,
}

/// Who waits when a passphrase is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassphraseAsker {
    /// Somebody who may be asked at the terminal.
    Person,
    /// A host: its terminal is not ours to write on.
    Host,
}

impl WalletCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Create(create) => create.run(context).await,
            Action::Import(import) => import.run(context).await,
            Action::Address(ShowAddress { rail }) => show_address(context, rail),
            Action::List(list) => list.run(context).await,
            Action::Export(Export { rail }) => export(context, rail).await,
            Action::Remove(Remove { rail }) => remove(context, rail).await,
            Action::AllowPermit2(allow) => allow.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let address = create(&home, self.store, self.rail.into()).await?;
        context.out.line(address);
        let is_first = addresses_of(&home)?.first == address;
        let which = if is_first { String::new() } else { format!(" --rail {}", address.rail().word()) };
        context.out.say(format_args!(
            "Keep a copy of the key: `bursar wallet export{which}` shows it. Then send money: `bursar init`."
        ));
        Ok(Exit::Done)
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let rail = self.rail.map(Rail::from);
        let key = match std::io::stdin().is_terminal() {
            true => typed_key(rail)?,
            false => RailKey::read(std::io::stdin(), rail)?,
        };
        if let Some(place) = lost(&home, key.address()).await? {
            return bring_back(context, &home, place, key).await;
        }
        let (place, beside) = vacant(&home, self.store, key.address().rail())?;
        let store = store_of(&home, Some(place), PassphraseAsker::Person);
        let address = wallet::Wallet::import(&store, key, beside).await?;
        write_down(&home, place, address, beside)?;
        context.out.line(address);
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let config = Config::load(&home)?.wallet;
        let addresses = wallet::Wallet::list(&store_of(&home, config.store, PassphraseAsker::Person)).await?;
        let is_in_use = |at: &KeyAddress| config.addresses().is_some_and(|ours| ours.iter().any(|of| of == *at));
        if self.json {
            let list: Vec<_> = addresses
                .iter()
                .map(|at| json!({"address": at, "rail": at.rail().word(), "in_use": is_in_use(at)}))
                .collect();
            context.out.json(&list);
            return Ok(Exit::Done);
        }
        for address in &addresses {
            let mark = if is_in_use(address) { out::good("  in use") } else { String::new() };
            context.out.line(format_args!("{address}{mark}"));
        }
        if addresses.is_empty() {
            context.out.say(format_args!("No keys here. `bursar wallet create` makes one."));
        }
        Ok(Exit::Done)
    }
}

/// A fresh key in its store, and its address in the config.
pub async fn create(home: &Home, place: Option<KeyPlace>, rail: Rail) -> Result<KeyAddress, Failure> {
    let (place, beside) = vacant(home, place, rail)?;
    let store = store_of(home, Some(place), PassphraseAsker::Person);
    let address = wallet::Wallet::create(&store, rail, beside).await?;
    write_down(home, place, address, beside)?;
    Ok(address)
}

fn write_down(
    home: &Home,
    place: config::StoreKind,
    address: KeyAddress,
    beside: Option<KeyAddress>,
) -> Result<(), Failure> {
    match beside {
        None => Config::write_wallet(home, place, address)?,
        Some(_) => Config::write_second_key(home, address)?,
    }
    Ok(())
}

/// The key store the config names, and who may be asked for its passphrase.
pub fn store_of(home: &Home, place: Option<config::StoreKind>, asking: PassphraseAsker) -> wallet::Store {
    let store = match place.unwrap_or(config::StoreKind::Keyring) {
        config::StoreKind::Keyring => wallet::Store::keyring(home.dir()),
        config::StoreKind::File => wallet::Store::file(home.dir(), passphrases(asking)),
    };
    if asking == PassphraseAsker::Person { store.waiting(limits::TYPING_WAIT) } else { store }
}

/// Where a key file's passphrase may come from: what the environment names, and a person.
pub fn passphrases(asking: PassphraseAsker) -> Vec<PassphraseSource> {
    let mut sources = PassphraseSource::from_environment();
    sources.extend((asking == PassphraseAsker::Person).then_some(PassphraseSource::Prompt));
    sources
}

/// The addresses the config names, or what to do without any.
pub fn addresses_of(home: &Home) -> Result<Addresses, Failure> {
    let addresses = Config::load(home)?.wallet.addresses();
    addresses.ok_or_else(|| Failure::new("no_wallet", "there is no wallet yet", "`bursar init` makes one"))
}

/// The one that is meant.
fn one_of(addresses: Addresses, rail: Option<KeyRail>) -> Result<KeyAddress, Failure> {
    let Some(rail) = rail.map(Rail::from) else { return Ok(addresses.first) };
    addresses.of(rail).ok_or_else(|| {
        let next = format!("bursar wallet create --rail {}", rail.word());
        Failure::new("no_key_for_rail", format!("this wallet has no key for {}", rail.title()), next)
    })
}

fn show_address(context: &Context, rail: Option<KeyRail>) -> Result<Exit, Failure> {
    context.out.line(one_of(addresses_of(&context.home()?)?, rail)?);
    Ok(Exit::Done)
}

async fn export(context: &Context, rail: Option<KeyRail>) -> Result<Exit, Failure> {
    let mut owner = Terminal::at_the_terminal("bursar wallet export")?;
    let wallet = opened(context)?;
    let address = one_of(wallet.addresses(), rail)?;
    owner.tell(&format!("The key of {address} is about to be shown here. Whoever sees it has the money."))?;
    owner.must_type("export", "show it")?;
    is_the_owner(&mut owner, context, &wallet).await?;
    let key = wallet.export(address.rail()).await?;
    owner.tell_secret(&key)?;
    Ok(Exit::Done)
}

async fn remove(context: &Context, rail: Option<KeyRail>) -> Result<Exit, Failure> {
    let mut owner = Terminal::at_the_terminal("bursar wallet remove")?;
    let wallet = opened(context)?;
    let address = one_of(wallet.addresses(), rail)?;
    if let (Some(also), true) = (wallet.addresses().also, address == wallet.addresses().first) {
        return Err(Failure::new(
            "second_key",
            format!("the key of {also} is there beside it, and leans on it"),
            format!("remove that one first: bursar wallet remove --rail {}", also.rail().word()),
        ));
    }
    owner.tell(&format!("The key of {address} is about to be deleted. Without a copy, what it holds is lost."))?;
    owner.must_type(&address.to_string(), "delete it")?;
    is_the_owner(&mut owner, context, &wallet).await?;
    let line = if address == wallet.addresses().first { "address" } else { "also" };
    wallet.remove(address.rail()).await?;
    context
        .out
        .say(format_args!("{} Remove `{line}` from config.toml before you make another.", out::bold("Deleted.")));
    Ok(Exit::Done)
}

/// What gives the key away, or takes it away, asks for the owner's passphrase where one is set. A ledger that cannot be
/// read keeps nobody from their key: then the seal beside it is asked.
async fn is_the_owner(owner: &mut Terminal, context: &Context, wallet: &wallet::Wallet) -> Result<(), Failure> {
    let home = context.home()?;
    let passphrase = owner.passphrase_if(OwnerFile::new(&home).read()?.is_some())?;
    let passphrase = passphrase.as_deref().map(String::as_str);
    let sealed = is_the_owner_by_seal(&home, wallet, passphrase).await;
    match (sealed, context.bursar().await) {
        // What the ledger notes counts where the seal was taken away.
        (Ok(()), Ok(bursar)) => bursar.prove(passphrase).await?,
        // It may be the end of a change that was cut off.
        (Err(_), Ok(bursar)) => bursar.is_the_owner(passphrase).await?,
        (sealed, Err(_)) => sealed?,
    }
    Ok(())
}

fn opened(context: &Context) -> Result<wallet::Wallet, Failure> {
    let home = context.prepared_home()?;
    let store = store_of(&home, Config::load(&home)?.wallet.store, PassphraseAsker::Person);
    Ok(wallet::Wallet::open(store, addresses_of(&home)?, std::sync::Arc::new(SystemClock)))
}

/// Where a key was kept that the config still names and that is there no more.
async fn lost(home: &Home, address: KeyAddress) -> Result<Option<config::StoreKind>, Failure> {
    let config = Config::load(home)?.wallet;
    if !config.addresses().is_some_and(|ours| ours.iter().any(|of| of == address)) {
        return Ok(None);
    }
    let place = config.store.unwrap_or(config::StoreKind::Keyring);
    let there = wallet::Wallet::list(&store_of(home, Some(place), PassphraseAsker::Person)).await?;
    Ok((!there.contains(&address)).then_some(place))
}

/// A key that the config names is taken in again, beside the other one where that is there.
async fn bring_back(context: &Context, home: &Home, place: config::StoreKind, key: RailKey) -> Result<Exit, Failure> {
    let store = store_of(home, Some(place), PassphraseAsker::Person);
    let there = wallet::Wallet::list(&store).await?;
    let other = addresses_of(home)?.iter().find(|of| *of != key.address() && there.contains(of));
    let address = wallet::Wallet::import(&store, key, other).await?;
    context.out.line(address);
    Ok(Exit::Done)
}

/// Where a new key goes, and which one it goes beside; refuses where the config already names one of its kind, so that no
/// money is ever orphaned by a habit.
fn vacant(
    home: &Home,
    place: Option<KeyPlace>,
    rail: Rail,
) -> Result<(config::StoreKind, Option<KeyAddress>), Failure> {
    let config = Config::load(home)?.wallet;
    let place = place.map(config::StoreKind::from);
    let kept_in = config.store.unwrap_or(config::StoreKind::Keyring);
    let of_its_kind = config.addresses().and_then(|addresses| addresses.of(rail));
    match (config.address, of_its_kind) {
        (None, _) => Ok((place.unwrap_or(kept_in), None)),
        (Some(_), None) if place.is_some_and(|place| place != kept_in) => Err(Failure::usage(
            format!("the wallet's key is kept in: {}; both keys are kept in one place", kept_in.as_str()),
            "leave --store out",
        )),
        (Some(first), None) => Ok((kept_in, Some(first))),
        (Some(_), Some(address)) => Err(Failure::new(
            "wallet_exists",
            format!("there is already a wallet here: {address}"),
            "keep it, remove it with `bursar wallet remove`, or use another folder with --home",
        )),
    }
}

fn typed_key(rail: Option<Rail>) -> Result<RailKey, Failure> {
    let typed = rpassword::prompt_password("Private key (not shown): ").map(zeroize::Zeroizing::new);
    let typed = typed.map_err(|cause| Failure::new("no_key", format!("no key was typed: {cause}"), ""))?;
    Ok(RailKey::read(typed.as_bytes(), rail)?)
}

impl From<KeyRail> for Rail {
    fn from(rail: KeyRail) -> Rail {
        match rail {
            KeyRail::Evm => Rail::Evm,
            KeyRail::Solana => Rail::Solana,
        }
    }
}

impl From<KeyPlace> for config::StoreKind {
    fn from(place: KeyPlace) -> config::StoreKind {
        match place {
            KeyPlace::Keyring => config::StoreKind::Keyring,
            KeyPlace::File => config::StoreKind::File,
        }
    }
}
