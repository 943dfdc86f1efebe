//! `bursar wallet`: the key, and where it is kept.

use std::io::IsTerminal;

use alloy_primitives::Address;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use crate::cli::allow_permit2::AllowPermit2;
use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::clock::SystemClock;
use crate::config::{self, Config, Home, OwnerFile};
use crate::limits;
use crate::owner::is_the_owner_by_seal;
use crate::wallet::{self, Key, PassphraseSource};

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

/// Make a fresh key
///
/// It goes into the system's keyring. Where there is none, `--store file` keeps it in an encrypted file; the passphrase
/// comes from a prompt, from the file that BURSAR_PASSPHRASE_FILE names, or from a systemd credential. Prints the
/// address. A key that is there is never replaced.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet create\n  bursar wallet create --store file")]
struct Create {
    /// Where to keep the key [default: as config.toml says, else keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
}

/// Take over a key you have, as hex
///
/// Read from stdin, or asked for at the terminal; never from an argument, which other programs can read.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet import\n  bursar wallet import --store file < key.hex")]
struct Import {
    /// Where to keep the key [default: as config.toml says, else keyring]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
}

/// Print the address, and nothing else
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet address")]
struct ShowAddress {}

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
#[command(after_help = "Example:\n  bursar wallet export")]
struct Export {}

/// Delete the key; without a copy, what the address holds is lost
///
/// Asks at the terminal that you type the address. The ledger stays.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar wallet export     # first\n  bursar wallet remove")]
struct Remove {}

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
            Action::Address(ShowAddress {}) => show_address(context),
            Action::List(list) => list.run(context).await,
            Action::Export(Export {}) => export(context).await,
            Action::Remove(Remove {}) => remove(context).await,
            Action::AllowPermit2(allow) => allow.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let address = create(&home, self.store).await?;
        context.out.line(address);
        context.out.say(format_args!(
            "Keep a copy of the key: `bursar wallet export` shows it. Then send money: `bursar init`."
        ));
        Ok(Exit::Done)
    }
}

impl Import {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let place = vacant(&home, self.store)?;
        let key = match std::io::stdin().is_terminal() {
            true => typed_key()?,
            false => Key::read(std::io::stdin())?,
        };
        let address = wallet::Wallet::import(&store_of(&home, Some(place), PassphraseAsker::Person), key).await?;
        Config::write_wallet(&home, place, address)?;
        context.out.line(address);
        Ok(Exit::Done)
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.prepared_home()?;
        let config = Config::load(&home)?.wallet;
        let addresses = wallet::Wallet::list(&store_of(&home, config.store, PassphraseAsker::Person)).await?;
        if self.json {
            let list: Vec<_> = addresses
                .iter()
                .map(|at| json!({"address": at.to_string(), "in_use": config.address == Some(*at)}))
                .collect();
            context.out.json(&list);
            return Ok(Exit::Done);
        }
        for address in &addresses {
            let mark = if config.address == Some(*address) { out::good("  in use") } else { String::new() };
            context.out.line(format_args!("{address}{mark}"));
        }
        if addresses.is_empty() {
            context.out.say(format_args!("No keys here. `bursar wallet create` makes one."));
        }
        Ok(Exit::Done)
    }
}

/// A fresh key in its store, and its address in the config.
pub async fn create(home: &Home, place: Option<KeyPlace>) -> Result<Address, Failure> {
    let place = vacant(home, place)?;
    let address = wallet::Wallet::create(&store_of(home, Some(place), PassphraseAsker::Person)).await?;
    Config::write_wallet(home, place, address)?;
    Ok(address)
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

/// The address the config names, or what to do without one.
pub fn address_of(home: &Home) -> Result<Address, Failure> {
    let address = Config::load(home)?.wallet.address;
    address.ok_or_else(|| Failure::new("no_wallet", "there is no wallet yet", "`bursar init` makes one"))
}

fn show_address(context: &Context) -> Result<Exit, Failure> {
    context.out.line(address_of(&context.home()?)?);
    Ok(Exit::Done)
}

async fn export(context: &Context) -> Result<Exit, Failure> {
    let mut owner = Terminal::at_the_terminal("bursar wallet export")?;
    let wallet = opened(context)?;
    owner
        .tell(&format!("The key of {} is about to be shown here. Whoever sees it has the money.", wallet.address()))?;
    owner.must_type("export", "show it")?;
    is_the_owner(&mut owner, context, &wallet).await?;
    let key = wallet.export().await?;
    owner.tell_secret(&key)?;
    Ok(Exit::Done)
}

async fn remove(context: &Context) -> Result<Exit, Failure> {
    let mut owner = Terminal::at_the_terminal("bursar wallet remove")?;
    let wallet = opened(context)?;
    let address = wallet.address();
    owner.tell(&format!("The key of {address} is about to be deleted. Without a copy, what it holds is lost."))?;
    owner.must_type(&address.to_string(), "delete it")?;
    is_the_owner(&mut owner, context, &wallet).await?;
    wallet.remove().await?;
    context
        .out
        .say(format_args!("{} Remove the address from config.toml before you make another.", out::bold("Deleted.")));
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
    Ok(wallet::Wallet::open(store, address_of(&home)?, std::sync::Arc::new(SystemClock)))
}

/// Where a new key goes; refuses where the config already names one, so that no money is ever orphaned by a habit.
fn vacant(home: &Home, place: Option<KeyPlace>) -> Result<config::StoreKind, Failure> {
    let config = Config::load(home)?.wallet;
    match config.address {
        None => Ok(place.map(config::StoreKind::from).or(config.store).unwrap_or(config::StoreKind::Keyring)),
        Some(address) => Err(Failure::new(
            "wallet_exists",
            format!("there is already a wallet here: {address}"),
            "keep it, remove it with `bursar wallet remove`, or use another folder with --home",
        )),
    }
}

fn typed_key() -> Result<Key, Failure> {
    let typed = rpassword::prompt_password("Private key (64 hex digits, not shown): ").map(zeroize::Zeroizing::new);
    let typed = typed.map_err(|cause| Failure::new("no_key", format!("no key was typed: {cause}"), ""))?;
    Ok(Key::read(typed.as_bytes())?)
}

impl From<KeyPlace> for config::StoreKind {
    fn from(place: KeyPlace) -> config::StoreKind {
        match place {
            KeyPlace::Keyring => config::StoreKind::Keyring,
            KeyPlace::File => config::StoreKind::File,
        }
    }
}
