//! Where things are: the home directory, `config.toml`, and the policy file as it stands on disk now.
//!
//! This is an edge: it reads the environment and the disk, and hands values to rooms that do neither.

mod files;
mod find;
mod home;
mod ledger;
mod nodes;
mod owner_file;
mod policy_file;
mod programs;
mod told;
mod watched;

pub use files::{new_private, write_private};
pub use home::{Home, HomeError, Tightened, file_of};
pub use ledger::LedgerServer;
pub use owner_file::{Guarded, OwnerFile};
pub use policy_file::PolicyFile;
pub use told::{Notices, Ntfy, Tunnel, Webhook};

use std::collections::BTreeMap;

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};
use url::Url;

use crate::listing::Directory;
use crate::money::{Account, Addresses, Asset, Assets, KeyAddress, Network, Rail, Rate, TransferMethod};

use crate::policy::edit;
use crate::policy::read::{self, Complaint, FileError, Notes, Section};
use crate::text::quoted;

pub use crate::policy::read::FileError as ConfigError;

/// `config.toml`. Every key may be left out.
#[derive(Clone, Debug)]
pub struct Config {
    /// The wallet.
    pub wallet: WalletConfig,
    /// The database the ledger lies in. None: it is a file.
    pub ledger: Option<LedgerServer>,
    /// What the owner is told, and where.
    pub notices: Notices,
    /// Where the review page is reached from elsewhere. None: nowhere.
    pub tunnel: Option<Tunnel>,
    /// MCP servers that are programs of the owner's, by name: each with its arguments.
    pub programs: BTreeMap<String, (String, Vec<String>)>,
    /// Who is asked what is for sale, when somebody looks for something.
    pub directories: Vec<Directory>,
    chains: BTreeMap<Network, ChainConfig>,
    assets: Vec<Asset>,
}

/// Where the key is, and whose it must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalletConfig {
    /// Where the key is kept.
    pub store: Option<StoreKind>,
    /// The address the key is expected to have: a key store that holds another, or none, is not this wallet's.
    pub address: Option<KeyAddress>,
    /// The address of a second key, for another kind of chain.
    pub also: Option<KeyAddress>,
}

impl WalletConfig {
    /// Whose keys the wallet has, where there is one.
    pub fn addresses(&self) -> Option<Addresses> {
        self.address.map(|first| Addresses { first, also: self.also })
    }
}

/// Where the key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// In the system's keyring.
    Keyring,
    /// In an encrypted file.
    File,
}

/// Which nodes are asked about a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainConfig {
    /// All are asked, and have to agree.
    pub rpc: Vec<Url>,
    /// For chains without a `finalized` tag: how many blocks back is final.
    pub confirmations: Option<u64>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            wallet: WalletConfig::default(),
            ledger: None,
            notices: Notices::default(),
            tunnel: None,
            directories: find::built_in(),
            programs: BTreeMap::new(),
            chains: BTreeMap::new(),
            assets: Vec::new(),
        }
    }
}

impl Config {
    /// The file in `home`, or the values of an empty one if there is none.
    pub fn load(home: &Home) -> Result<Config, ConfigError> {
        match files::read(&home.config_file(), files::SMALL) {
            Ok(text) => Config::parse("config.toml", &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(unreadable(home, &error)),
        }
    }

    /// Pure: a config from its text; `file` is what complaints call it.
    pub fn parse(file: &str, text: &str) -> Result<Config, ConfigError> {
        let document = read::document(file, text)?;
        let notes = Notes::new(text);
        let root = Section::root(&document, &notes, None);
        let config = Config {
            wallet: wallet(&root.section("wallet")),
            ledger: LedgerServer::read(&root.section("ledger")),
            notices: Notices::read(&root.section("notices")),
            tunnel: root.optional("review").and_then(|section| Tunnel::read(&section)),
            directories: find::directories(&root.section("find")),
            chains: chains(&root),
            assets: assets(&root),
            programs: programs::read(&root),
        };
        root.finish();
        notes.conclude(file, config)
    }

    /// The owner's assets, before those that are built in.
    pub fn assets(&self) -> Assets {
        Assets::with(self.assets.clone())
    }

    /// Those that are in force: where a passphrase is set, the ones it put there.
    pub fn assets_in_force(&self, home: &Home) -> Result<Assets, ConfigError> {
        let guarded = OwnerFile::new(home).read()?;
        Ok(guarded.map_or_else(|| self.assets(), |guarded| Assets::with(guarded.assets)))
    }

    /// The nodes of a chain: the owner's, or the built-in ones. No nodes: nothing is known of this chain.
    pub fn chain(&self, network: &Network) -> ChainConfig {
        let own = self.chains.get(network).cloned().unwrap_or_default();
        if own.rpc.is_empty() { ChainConfig { rpc: nodes::built_in(network), ..own } } else { own }
    }

    /// The chains the owner wrote something about.
    pub fn chains(&self) -> impl Iterator<Item = &Network> {
        self.chains.keys()
    }

    /// Writes down where the key is and which address it has, leaving the rest of the file as it is.
    pub fn write_wallet(home: &Home, store: StoreKind, address: KeyAddress) -> Result<(), ConfigError> {
        rewrite(home, "wallet", kept(store, address))
    }

    /// Writes down the address of a second key, in the same store.
    pub fn write_second_key(home: &Home, address: KeyAddress) -> Result<(), ConfigError> {
        rewrite(home, "wallet", [("also", address.to_string().into())])
    }

    /// Writes down whether the review page opens by itself at a question.
    pub fn write_browser(home: &Home, opens: bool) -> Result<(), ConfigError> {
        rewrite(home, "notices", [("browser", opens.into())])
    }
}

impl StoreKind {
    /// As it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreKind::Keyring => "keyring",
            StoreKind::File => "file",
        }
    }
}

fn kept(store: StoreKind, address: KeyAddress) -> [(&'static str, Value); 2] {
    [("store", store.as_str().into()), ("address", address.to_string().into())]
}

/// Changes the file in `home` as [`with_values`] does.
fn rewrite<const N: usize>(home: &Home, section: &str, values: [(&str, Value); N]) -> Result<(), ConfigError> {
    let text = match files::read(&home.config_file(), files::SMALL) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(unreadable(home, &error)),
    };
    let text = with_values("config.toml", &text, section, values)?;
    write_private(&home.config_file(), text.as_bytes()).map_err(|error| {
        let what = format!("it could not be written: {error}");
        FileError::whole(home.config_file().display().to_string(), what, "check the disk and who owns the directory")
    })
}

/// Pure: `text` with these values in one of its sections.
fn with_values<const N: usize>(
    file: &str,
    text: &str,
    section: &str,
    values: [(&str, Value); N],
) -> Result<String, ConfigError> {
    Config::parse(file, text)?;
    let mut document: DocumentMut = read::document(file, text)?.into_mut();
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    if let Some(table) = table.as_table_like_mut() {
        let table: &mut dyn TableLike = table;
        values.into_iter().for_each(|(key, value)| edit::set(table, key, value));
    }
    let text = document.to_string();
    Config::parse(file, &text).map(|_| text)
}

fn wallet(section: &Section<'_>) -> WalletConfig {
    let store = section.own("store", |item| match item.as_str() {
        Some("keyring") => Ok(StoreKind::Keyring),
        Some("file") => Ok(StoreKind::File),
        _ => Err(Complaint::new("{value} is no place for a key", "write \"keyring\" or \"file\"")),
    });
    let own = |item: &Item| {
        let spelt = read::address(read::text(item)?)?;
        spelt.parse::<KeyAddress>().map_err(|_| Complaint::new("{value} is no address", "write the wallet's own"))
    };
    let (address, also) = (section.own("address", own), section.own("also", own));
    section.finish();
    if let Some(also) = &also
        && address.as_ref().is_none_or(|first| first.value.rail() == also.value.rail())
    {
        let what = "`also` in [wallet] is a second key, for another kind of chain than `address`";
        section.notes().say(also.span.clone(), what, "leave it out, or write the one key there is as `address`");
    }
    let value = |placed: Option<read::Placed<KeyAddress>>| placed.map(|placed| placed.value);
    WalletConfig { store: store.map(|placed| placed.value), address: value(address), also: value(also) }
}

fn chains(root: &Section<'_>) -> BTreeMap<Network, ChainConfig> {
    let mut chains = BTreeMap::new();
    for (name, section) in root.named("chains") {
        let chain = ChainConfig {
            rpc: section.own_texts("rpc", node).into_iter().map(|entry| entry.value).collect(),
            confirmations: section.own("confirmations", at_least_one).map(|placed| placed.value),
        };
        section.finish();
        match spoken(&name.value) {
            Ok(network) if network.rail() == Some(Rail::Solana) && chain.confirmations.is_some() => {
                let what = "`confirmations` is for chains without final blocks, and Solana's clusters have them";
                root.notes().say(name.span, what, "leave it out");
            }
            Ok(network) => _ = chains.insert(network, chain),
            Err(complaint) => root.notes().say(name.span, complaint.what(), complaint.remedy()),
        }
    }
    chains
}

fn assets(root: &Section<'_>) -> Vec<Asset> {
    let mut assets: Vec<Asset> = Vec::new();
    for section in root.list("asset", None) {
        let asset = asset(&section);
        section.finish();
        let Some(asset) = asset else { continue };
        if assets.iter().any(|known| known.account == asset.account) {
            let what = format!("{} on {} stands here twice", asset.account, asset.network().title());
            root.notes().say(section.span(), what, "put everything about one asset into one [[asset]]");
        }
        assets.push(asset);
    }
    // No row stands twice, so their order says nothing.
    assets.sort_by(|one, other| one.account.cmp(&other.account));
    assets
}

/// All keys are read before any is missed, so that all complaints are heard.
fn asset(section: &Section<'_>) -> Option<Asset> {
    let text = |key| section.value(key, name).map(|placed| placed.value);
    let network = section.value("network", |item| spoken(read::text(item)?));
    let address = section.value("address", |item| read::address(read::text(item)?));
    let symbol = text("symbol");
    let decimals = section.value("decimals", decimals);
    let is_on_solana = network.as_ref().is_some_and(|network| network.value.rail() == Some(Rail::Solana));
    let transfer = match (section.has("transfer"), is_on_solana) {
        (true, _) => section.own("transfer", transfer)?.value,
        (false, true) => TransferMethod::Spl,
        (false, false) => TransferMethod::default(),
    };
    let signing = |key| match transfer {
        // A chain transaction has no signing domain of the asset's.
        TransferMethod::Tip20 | TransferMethod::Spl | TransferMethod::Token2022 => {
            section.own(key, name).map(|placed| placed.value).or(Some(String::new()))
        }
        TransferMethod::Eip3009 | TransferMethod::Permit2 => text(key),
    };
    let (eip712_name, eip712_version) = (signing("eip712_name"), signing("eip712_version"));
    let usd = section.value("usd", rate);
    Some(Asset {
        account: account(section, &network?, &address?, transfer)?,
        symbol: symbol?,
        decimals: decimals?.value,
        eip712_name: eip712_name?,
        eip712_version: eip712_version?,
        usd: usd?.value,
        transfer,
    })
}

/// An address as its network writes it, moved as assets are moved there.
fn account(
    section: &Section<'_>,
    network: &read::Placed<Network>,
    address: &read::Placed<String>,
    transfer: TransferMethod,
) -> Option<Account> {
    let (network, span) = (&network.value, address.span.clone());
    let Ok(account) = Account::parse(network, &address.value) else {
        let what = format!("{} is no address of {}", address.value, network.title());
        section.notes().say(span, what, "write the one that the asset has on this network");
        return None;
    };
    if network.rail() != Some(transfer.rail()) {
        let what = format!("on {} no asset moves by {}", network.title(), transfer.word());
        section.notes().say(section.span(), what, "leave `transfer` out, or write what the network has");
        return None;
    }
    Some(account)
}

fn transfer(item: &Item) -> Result<TransferMethod, Complaint> {
    const REMEDY: &str = "write \"eip3009\" (which it is without this line), \"permit2\" or \"tip20\"; \
                          on Solana \"spl\" or \"token2022\"";
    let named = |word: &str| TransferMethod::ALL.into_iter().find(|method| method.word() == word);
    let found = item.as_str().and_then(named);
    found.ok_or_else(|| Complaint::new("{value} is no way that bursar knows for an asset to move", REMEDY))
}

/// A chain bursar can speak to.
fn spoken(text: &str) -> Result<Network, Complaint> {
    const REMEDY: &str = "write \"eip155:\" and the chain id, or the CAIP-2 name of one of Solana's clusters";
    let network = read::network(text)?;
    match network.rail() {
        Some(_) => Ok(network),
        None => Err(Complaint::new(format!("`{network}` is no chain that bursar speaks to"), REMEDY)),
    }
}

/// The owner's word, so any host will do.
fn node(text: &str) -> Result<Url, Complaint> {
    told::address(text, "a node", "https://mainnet.base.org")
}

fn at_least_one(item: &Item) -> Result<u64, Complaint> {
    match item.as_integer() {
        Some(count @ 1..=1_000_000) => Ok(count as u64),
        _ => Err(Complaint::new("{value} is not a count of blocks", "write {key} = 64")),
    }
}

fn decimals(item: &Item) -> Result<u8, Complaint> {
    match item.as_integer() {
        Some(count @ 0..=36) => Ok(count as u8),
        _ => Err(Complaint::new("{value} is not a count of decimals", "write a number from 0 to 36; USDC has 6")),
    }
}

fn rate(item: &Item) -> Result<Rate, Complaint> {
    const REMEDY: &str = "write what one unit counts for, in quotes: {key} = \"1\"";
    let text = item.as_str().ok_or_else(|| Complaint::new("a rate is written in quotes, not as {value}", REMEDY))?;
    match Rate::parse(text) {
        Ok(rate) if Rate::parse("0") != Ok(rate) => Ok(rate),
        Ok(_) => Err(Complaint::new("an asset that counts for nothing would escape every limit", REMEDY)),
        Err(_) => Err(Complaint::new("{value} is not a rate in dollars", REMEDY)),
    }
}

/// A name that is signed or shown: the owner's, yet bounded like any other.
fn name(item: &Item) -> Result<String, Complaint> {
    let text = read::text(item)?;
    match text.is_empty() || quoted(text, 64) != text {
        true => Err(Complaint::new("{value} is not a name", "write 1 to 64 visible characters")),
        false => Ok(text.to_owned()),
    }
}

fn unreadable(home: &Home, error: &std::io::Error) -> ConfigError {
    let file = home.config_file().display().to_string();
    FileError::whole(file, format!("it cannot be read: {error}"), "make it a readable text file, or remove it")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parsed(text: &str) -> Config {
        Config::parse("config.toml", text).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(super) fn complaint(text: &str) -> String {
        Config::parse("config.toml", text).unwrap_err().to_string()
    }

    const ASSET: &str = r#"[[asset]]
network = "eip155:84532"
address = "0x00000000000000000000000000000000000000aa"
symbol = "PLAY"
decimals = 6
eip712_name = "Play Dollar"
eip712_version = "2"
usd = "1"
"#;

    #[test]
    fn an_empty_config_is_a_config() {
        let config = parsed("");
        assert_eq!(config.wallet, WalletConfig::default());
        assert_eq!(config.chain(&Network::eip155(8453)).rpc.len(), nodes::built_in(&Network::eip155(8453)).len());
    }

    #[test]
    fn notes_on_the_desktop_are_shown_until_the_owner_says_otherwise() {
        assert!(parsed("").notices.desktop);
        assert!(!parsed("[notices]\ndesktop = false\n").notices.desktop);
        insta::assert_snapshot!(complaint("[notices]\ndesktop = \"no\"\n"), @r#"
        config.toml:2:11: `desktop` in [notices]: "no" is neither yes nor no
          write desktop = true, or false
        "#);
    }

    #[test]
    fn no_browser_opens_until_the_owner_says_so_and_what_was_said_is_kept() {
        assert_eq!(parsed("").notices.browser, None);
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        std::fs::write(home.config_file(), "[notices]\ndesktop = false # quiet\n").unwrap();
        for said in [true, false] {
            Config::write_browser(&home, said).unwrap();
            assert_eq!(
                Config::load(&home).unwrap().notices,
                Notices { desktop: false, browser: Some(said), ..Notices::default() }
            );
        }
        let written = std::fs::read_to_string(home.config_file()).unwrap();
        assert_eq!(written, "[notices]\ndesktop = false # quiet\nbrowser = false\n");
    }

    #[test]
    fn the_owners_nodes_replace_the_built_in_ones_of_their_chain() {
        let config = parsed("[chains.\"eip155:8453\"]\nrpc = [\"http://127.0.0.1:8545\"]\nconfirmations = 64\n");
        let base = config.chain(&Network::eip155(8453));
        assert_eq!((base.rpc.len(), base.confirmations), (1, Some(64)));
        assert!(config.chain(&Network::eip155(1)).rpc.len() >= 2);
        assert!(config.chain(&Network::eip155(999_999)).rpc.is_empty());
    }

    #[test]
    fn confirmations_alone_leave_the_built_in_nodes() {
        let config = parsed("[chains.\"eip155:8453\"]\nconfirmations = 64\n");
        assert!(config.chain(&Network::eip155(8453)).rpc.len() >= 2);
    }

    #[test]
    fn the_owners_assets_are_known() {
        let asset = Account::evm(
            &Network::eip155(84532),
            alloy_primitives::address!("00000000000000000000000000000000000000aa"),
        );
        let assets = parsed(ASSET).assets();
        assert_eq!(assets.known(&asset).map(|asset| asset.symbol.as_str()), Some("PLAY"));
    }

    #[test]
    fn mistakes_have_their_line_and_a_remedy() {
        insta::assert_snapshot!(complaint("[wallet]\nadress = \"0x\"\n"), @"
        config.toml:2:1: unknown key `adress` in [wallet]; did you mean `address`?
          write `address`, or remove the line
        ");
        insta::assert_snapshot!(complaint("[wallet]\nstore = \"usb\"\naddress = \"0x12\"\n"), @r#"
        config.toml:2:9: `store` in [wallet]: "usb" is no place for a key
          write "keyring" or "file"
        config.toml:3:11: `address` in [wallet]: `0x12` is not an address
          an address is 0x and 40 hexadecimal digits, or on Solana 32 bytes in base58
        "#);
        insta::assert_snapshot!(complaint("[chains.base]\nrpc = [\"https://mainnet.base.org\"]\n"), @r#"
        config.toml:1:9: `base` is not a network's CAIP-2 name
          write "eip155:8453"
        "#);
        insta::assert_snapshot!(complaint("[chains.\"eip155:1\"]\nrpc = [\"wss://x.example\"]\nconfirmation = 3\n"), @r#"
        config.toml:2:8: `rpc` in [chains."eip155:1"]: `wss://x.example` is not the http(s) address of a node
          write it as "https://mainnet.base.org"
        config.toml:3:1: unknown key `confirmation` in [chains."eip155:1"]; did you mean `confirmations`?
          write `confirmations`, or remove the line
        "#);
        insta::assert_snapshot!(complaint("[chains.\"eip155:1\"]\nrpc = []\n"), @r#"
        config.toml:2:7: `rpc` in [chains."eip155:1"]: this list is empty
          leave rpc out, or list at least one
        "#);
        insta::assert_snapshot!(complaint("[[asset]]\nsymbol = \"X\"\ndecimals = 99\nusd = 1\n"), @r#"
        config.toml:1:1: `network` is missing in [[asset]]
          add a line network = ...
        config.toml:1:1: `address` is missing in [[asset]]
          add a line address = ...
        config.toml:1:1: `eip712_name` is missing in [[asset]]
          add a line eip712_name = ...
        config.toml:1:1: `eip712_version` is missing in [[asset]]
          add a line eip712_version = ...
        config.toml:3:12: `decimals` in [[asset]]: 99 is not a count of decimals
          write a number from 0 to 36; USDC has 6
        config.toml:4:7: `usd` in [[asset]]: a rate is written in quotes, not as 1
          write what one unit counts for, in quotes: usd = "1"
        "#);
        insta::assert_snapshot!(complaint(&ASSET.replace("usd = \"1\"", "usd = \"0\"")), @r#"
        config.toml:8:7: `usd` in [[asset]]: an asset that counts for nothing would escape every limit
          write what one unit counts for, in quotes: usd = "1"
        "#);
        insta::assert_snapshot!(complaint(&format!("{ASSET}{ASSET}")), @"
        config.toml:9:1: 0x00000000000000000000000000000000000000AA on Base Sepolia stands here twice
          put everything about one asset into one [[asset]]
        ");
    }

    #[test]
    fn the_wallets_address_is_written_and_all_else_stays() {
        let address: KeyAddress = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913".parse().unwrap();
        let before =
            "# mine\n[chains.\"eip155:8453\"]\nconfirmations = 64 # deep\n\n[wallet]\nstore = \"keyring\" # or file\n";
        insta::assert_snapshot!(with_values("config.toml", before, "wallet", kept(StoreKind::File, address)).unwrap(), @r#"
        # mine
        [chains."eip155:8453"]
        confirmations = 64 # deep

        [wallet]
        store = "file" # or file
        address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
        "#);
        insta::assert_snapshot!(with_values("config.toml", "", "wallet", kept(StoreKind::Keyring, address)).unwrap(), @r#"
        [wallet]
        store = "keyring"
        address = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
        "#);
    }

    #[test]
    fn a_broken_config_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        std::fs::write(home.config_file(), "[wallet\n").unwrap();
        assert!(Config::write_wallet(&home, StoreKind::File, KeyAddress::Solana([0; 32])).is_err());
        assert_eq!(std::fs::read_to_string(home.config_file()).unwrap(), "[wallet\n");
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let address: KeyAddress = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913".parse().unwrap();
        Config::write_wallet(&home, StoreKind::File, address).unwrap();
        let wallet = Config::load(&home).unwrap().wallet;
        assert_eq!(wallet, WalletConfig { store: Some(StoreKind::File), address: Some(address), also: None });
    }
}
