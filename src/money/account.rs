//! An account, whatever the rail: a network, and an address in the one spelling its rail has for it.

use std::cell::RefCell;
use std::fmt;

use std::str::FromStr;

use alloy_primitives::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Network, Rail};

/// Who pays, who is paid, or where an asset's contract is. Two accounts are the same where their texts are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Account {
    network: Network,
    address: String,
}

/// As somebody wrote it: in any spelling that can be read.
#[derive(Deserialize)]
struct Written {
    network: Network,
    address: String,
}

/// Why a text is no address.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    #[error("not an address: 0x and 40 hex digits, or on Solana 32 bytes in base58")]
    Shape,
    #[error("an address with a wrong checksum: a digit of it may be mistaken")]
    WrongChecksum,
}

/// Whom a key signs for: on every network of its rail, the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyAddress {
    /// On chains of Ethereum's kind.
    Evm(Address),
    /// On Solana's clusters.
    Solana([u8; 32]),
}

/// Whose keys a wallet has: one a rail at the most. Beside the first of them stands which ledger is its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The first.
    pub first: KeyAddress,
    /// Of another rail.
    pub also: Option<KeyAddress>,
}

impl KeyAddress {
    /// On which kind of chain.
    pub fn rail(self) -> Rail {
        match self {
            KeyAddress::Evm(_) => Rail::Evm,
            KeyAddress::Solana(_) => Rail::Solana,
        }
    }

    /// Its account on a network; none on a network of another rail.
    pub fn on(self, network: &Network) -> Option<Account> {
        match (self, network.rail()?) {
            (KeyAddress::Evm(address), Rail::Evm) => Some(Account::evm(network, address)),
            (KeyAddress::Solana(key), Rail::Solana) => Some(Account::solana(network, key)),
            (KeyAddress::Evm(_), Rail::Solana) | (KeyAddress::Solana(_), Rail::Evm) => None,
        }
    }

    /// The address on an EVM chain, where it is one.
    pub fn as_evm(self) -> Option<Address> {
        match self {
            KeyAddress::Evm(address) => Some(address),
            KeyAddress::Solana(_) => None,
        }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            KeyAddress::Evm(address) => address.as_slice(),
            KeyAddress::Solana(key) => key,
        }
    }
}

impl From<Address> for KeyAddress {
    fn from(address: Address) -> KeyAddress {
        KeyAddress::Evm(address)
    }
}

impl Addresses {
    /// Of each rail.
    pub fn iter(self) -> impl Iterator<Item = KeyAddress> {
        std::iter::once(self.first).chain(self.also)
    }

    /// The one of a rail.
    pub fn of(self, rail: Rail) -> Option<KeyAddress> {
        self.iter().find(|address| address.rail() == rail)
    }

    /// The account on a network, where there is a key for it.
    pub fn on(self, network: &Network) -> Option<Account> {
        self.iter().find_map(|address| address.on(network))
    }
}

impl From<KeyAddress> for Addresses {
    fn from(first: KeyAddress) -> Addresses {
        Addresses { first, also: None }
    }
}

impl From<Address> for Addresses {
    fn from(address: Address) -> Addresses {
        KeyAddress::from(address).into()
    }
}

/// In the one spelling its rail has for it.
impl fmt::Display for KeyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyAddress::Evm(address) => f.write_str(&spelt(*address)),
            KeyAddress::Solana(key) => f.write_str(&bs58::encode(key).into_string()),
        }
    }
}

impl FromStr for KeyAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<KeyAddress, NotAnAddress> {
        match text.starts_with("0x") {
            true => evm_address(text)?.parse().map(KeyAddress::Evm).map_err(|_| NotAnAddress::Shape),
            false => solana_key(text).map(KeyAddress::Solana).ok_or(NotAnAddress::Shape),
        }
    }
}

impl Serialize for KeyAddress {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyAddress {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<KeyAddress, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where Solana burns what is sent.
const INCINERATOR: &str = "1nc1nerator11111111111111111111111111111111";

impl Account {
    /// Reads an address of this network.
    pub fn parse(network: &Network, text: &str) -> Result<Account, NotAnAddress> {
        let address = match network.rail().ok_or(NotAnAddress::Shape)? {
            Rail::Evm => evm_address(text)?,
            Rail::Solana => solana_address(text)?,
        };
        Ok(Account { network: network.clone(), address })
    }

    /// An account of an EVM chain.
    pub fn evm(network: &Network, address: Address) -> Account {
        Account { network: network.clone(), address: spelt(address) }
    }

    /// An account of a cluster of Solana's.
    pub fn solana(network: &Network, key: [u8; 32]) -> Account {
        Account { network: network.clone(), address: bs58::encode(key).into_string() }
    }

    /// Of nobody: nothing is ever paid from there, or to it.
    pub fn nobody(network: &Network) -> Account {
        match network.rail() {
            Some(Rail::Solana) => Account::solana(network, [0; 32]),
            Some(Rail::Evm) | None => Account::evm(network, Address::ZERO),
        }
    }

    /// Nobody in particular: for what is only imagined.
    pub fn anybody(network: &Network) -> Account {
        match network.rail() {
            Some(Rail::Solana) => Account::solana(network, [0x11; 32]),
            Some(Rail::Evm) | None => Account::evm(network, Address::repeat_byte(0x11)),
        }
    }

    /// On which network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The address, as its rail writes it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether nobody can spend from it: zero, what chains keep for themselves, and where money is burnt.
    pub fn is_nobodys(&self) -> bool {
        let evm = self.as_evm().is_some_and(|address| address[..18].iter().all(|byte| *byte == 0));
        evm || self.as_solana().is_some_and(|key| key == [0; 32]) || self.address == INCINERATOR
    }

    /// The address of an EVM chain's account; none where it is on another rail.
    pub fn as_evm(&self) -> Option<Address> {
        self.network.chain_id()?;
        self.address.parse().ok()
    }

    /// The 32 bytes of an account of Solana's; none where it is on another rail.
    pub fn as_solana(&self) -> Option<[u8; 32]> {
        self.network.rail().filter(|rail| *rail == Rail::Solana)?;
        solana_key(&self.address)
    }
}

/// The address alone: lines that show it name the network beside it.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl TryFrom<Written> for Account {
    type Error = NotAnAddress;

    fn try_from(written: Written) -> Result<Account, NotAnAddress> {
        Account::parse(&written.network, &written.address)
    }
}

/// An address of any rail in its one spelling, where nothing says which network it is of.
pub fn address(text: &str) -> Result<String, NotAnAddress> {
    match text.starts_with("0x") {
        true => evm_address(text),
        false => solana_address(text),
    }
}

/// 32 bytes have one spelling in base58, in which the case of a letter is a part of the number.
fn solana_address(text: &str) -> Result<String, NotAnAddress> {
    solana_key(text).map(|_| text.to_owned()).ok_or(NotAnAddress::Shape)
}

/// The bytes of an address of Solana's, whatever it is the address of.
pub fn solana_key(text: &str) -> Option<[u8; 32]> {
    // The shortest is all zeros; a longer text is not decoded, which takes time.
    let is_as_long = (32..=44).contains(&text.len());
    let bytes = bs58::decode(text).into_vec().ok().filter(|_| is_as_long)?;
    bytes.try_into().ok()
}

/// Whether a text names a chain transaction of Solana's: the 64 bytes of a signature, in base58.
pub fn is_solana_signature(text: &str) -> bool {
    (64..=88).contains(&text.len()) && bs58::decode(text).into_vec().is_ok_and(|bytes| bytes.len() == 64)
}

/// Two cases in one EVM address are a checksum, and it must hold.
fn evm_address(text: &str) -> Result<String, NotAnAddress> {
    let digits = text.strip_prefix("0x").ok_or(NotAnAddress::Shape)?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(NotAnAddress::Shape);
    }
    let address: Address = text.parse().map_err(|_| NotAnAddress::Shape)?;
    let spelt = spelt(address);
    let any = |is: fn(&u8) -> bool| digits.bytes().any(|b| is(&b));
    match any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase) && spelt != text {
        true => Err(NotAnAddress::WrongChecksum),
        false => Ok(spelt),
    }
}

/// With its checksum, which is a hash: the few addresses that a purchase is about are spelt dozens of times.
fn spelt(address: Address) -> String {
    const KEPT: usize = 64;
    thread_local! {
        static LATELY: RefCell<[(Address, [u8; 42]); KEPT]> = const { RefCell::new([(Address::ZERO, [0; 42]); KEPT]) };
    }
    LATELY.with_borrow_mut(|lately| {
        let (known, text) = &mut lately[usize::from(address[19]) % KEPT];
        if *known != address || text[0] == 0 {
            text.copy_from_slice(address.to_checksum(None).as_bytes());
            *known = address;
        }
        String::from_utf8_lossy(text).into_owned()
    })
}

/// The same where a wrong checksum says nothing: which address is meant is compared with one that is known.
pub fn address_in_any_case(text: &str) -> Option<String> {
    match text.strip_prefix("0x") {
        Some(digits) => evm_address(&format!("0x{}", digits.to_ascii_lowercase())).ok(),
        None => solana_address(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDC: &str = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913";

    #[test]
    fn an_account_has_one_spelling() {
        let base = Network::eip155(8453);
        for text in [USDC, &USDC.to_lowercase(), &format!("0x{}", USDC[2..].to_uppercase())] {
            let account = Account::parse(&base, text).unwrap();
            assert_eq!((account.address(), account.to_string().as_str()), (USDC, USDC));
            assert_eq!(Some(account), USDC.parse().ok().map(|address| Account::evm(&base, address)));
        }
    }

    #[test]
    fn a_text_that_may_be_mistaken_is_no_address() {
        let base = Network::eip155(8453);
        assert_eq!(Account::parse(&base, &USDC.replace("fCD6", "fcd6")), Err(NotAnAddress::WrongChecksum));
        for text in ["", "0x", &USDC[2..], &USDC[..41], "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"] {
            assert_eq!(Account::parse(&base, text), Err(NotAnAddress::Shape), "{text}");
        }
        assert_eq!(Account::parse(&Network::new("stellar:pubnet"), USDC), Err(NotAnAddress::Shape));
    }

    #[test]
    fn an_account_of_solana_has_one_spelling_and_its_case_is_part_of_it() {
        let mint = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
        let solana = Network::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp");
        let account = Account::parse(&solana, mint).unwrap();
        assert_eq!((account.address(), account.as_evm()), (mint, None));
        assert_eq!(account.as_solana().map(|key| Account::solana(&solana, key)), Some(account));
        assert_eq!(address(mint).as_deref(), Ok(mint));
        let nobody = "1".repeat(32);
        assert!(Account::parse(&solana, &nobody).unwrap().is_nobodys());
        for text in ["", USDC, &mint[4..], &format!(" {mint}"), &"1".repeat(33), &"z".repeat(44), &"z".repeat(9_999)] {
            assert_eq!(Account::parse(&solana, text), Err(NotAnAddress::Shape), "{text}");
        }
        assert_eq!(Account::parse(&Network::new("solana:mainnet"), mint), Err(NotAnAddress::Shape));
        assert_eq!(Account::parse(&Network::eip155(1), mint), Err(NotAnAddress::Shape));
    }

    #[test]
    fn it_is_read_in_any_spelling_and_written_in_one() {
        let read: Account =
            serde_json::from_value(serde_json::json!({ "network": "eip155:1", "address": USDC.to_lowercase() }))
                .unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), serde_json::json!({ "network": "eip155:1", "address": USDC }));
        assert!(serde_json::from_value::<Account>(serde_json::json!({ "network": "x", "address": USDC })).is_err());
    }
}
