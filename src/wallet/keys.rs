//! Keys of both kinds under one roof: what a store keeps, and the ring of keys that a wallet is.

use std::io::Read;

use zeroize::Zeroizing;

use super::{Ed25519Key, Key, WalletError};
use crate::authorization::{Authorization, Erc20Approval, Signature, Signatures};
use crate::money::{KeyAddress, Rail};
use crate::sign_in::SignIn;

/// A private key of either kind, as a store keeps it. The same bytes are never a key of both.
pub enum RailKey {
    /// For EVM chains.
    Evm(Key),
    /// For Solana.
    Solana(Ed25519Key),
}

/// A wallet's keys, read from their store. What went wrong with the second one stops only what it would have signed.
pub struct Keys {
    first: RailKey,
    also: Option<Result<RailKey, WalletError>>,
}

/// 88 characters or 64 numbers are a key; the rest is room for blanks.
const AT_MOST: usize = 1024;

impl RailKey {
    /// A key as its owner hands it over. Hex is a key for EVM chains, unless another rail is named; what wallets of Solana's
    /// give, 64 bytes in base58 or as a list of numbers, is one for Solana.
    pub fn read(from: impl Read, rail: Option<Rail>) -> Result<RailKey, WalletError> {
        // Room for all of it at once: a growing buffer would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(AT_MOST + 1));
        from.take(AT_MOST as u64).read_to_end(&mut bytes).map_err(|_| WalletError::NotAKey)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| WalletError::NotAKey)?;
        let mut plain = Zeroizing::new(String::with_capacity(bytes.len()));
        plain.extend(text.chars().filter(|c| !c.is_whitespace()));
        let evm = || Key::from_hex(&plain).map(RailKey::Evm);
        let solana = || solana(&plain).map(RailKey::Solana);
        let seed = || Some(RailKey::Solana(Ed25519Key::from_bytes(Key::bytes_of_hex(&plain)?.as_slice())?));
        let key = match rail {
            None => evm().or_else(solana),
            Some(Rail::Evm) => evm(),
            Some(Rail::Solana) => solana().or_else(seed),
        };
        key.ok_or(WalletError::NotAKey)
    }

    /// A fresh one.
    pub fn random(rail: Rail) -> Result<RailKey, WalletError> {
        match rail {
            Rail::Evm => Key::random().map(RailKey::Evm),
            Rail::Solana => Ed25519Key::random().map(RailKey::Solana),
        }
    }

    /// The address it signs for.
    pub fn address(&self) -> KeyAddress {
        match self {
            RailKey::Evm(key) => key.address().into(),
            RailKey::Solana(key) => key.address(),
        }
    }

    fn sign(&self, authorization: &Authorization) -> Result<Signatures, WalletError> {
        match self {
            RailKey::Evm(key) => key.sign(authorization),
            RailKey::Solana(key) => key.sign(authorization),
        }
    }

    /// The key of an address, from its bytes. That it is the right one is for the caller to see.
    pub(super) fn from_bytes(rail: Rail, bytes: &[u8]) -> Option<RailKey> {
        match rail {
            Rail::Evm => Key::from_bytes(bytes).map(RailKey::Evm),
            Rail::Solana => Ed25519Key::from_bytes(bytes).map(RailKey::Solana),
        }
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        match self {
            RailKey::Evm(key) => key.to_bytes(),
            RailKey::Solana(key) => key.to_bytes(),
        }
    }

    /// As its owner may hand it over elsewhere.
    pub(super) fn to_text(&self) -> Zeroizing<String> {
        match self {
            RailKey::Evm(key) => key.to_hex(),
            RailKey::Solana(key) => key.to_base58(),
        }
    }

    pub(super) fn from_text(rail: Rail, text: &str) -> Option<RailKey> {
        match rail {
            Rail::Evm => Key::from_hex(text).map(RailKey::Evm),
            Rail::Solana => solana(text).map(RailKey::Solana),
        }
    }

    /// Bytes that are a key already are never another one, on whatever rail.
    pub(super) fn is_no_twin_of(&self, other: &RailKey) -> Result<(), WalletError> {
        match self.to_bytes() == other.to_bytes() {
            true => Err(WalletError::SameBytes { address: other.address() }),
            false => Ok(()),
        }
    }
}

/// 64 bytes, in base58 or as a list of numbers.
fn solana(text: &str) -> Option<Ed25519Key> {
    let mut pair = Zeroizing::new([0; 64]);
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(numbers) => {
            let mut read = numbers.split(',');
            for byte in pair.iter_mut() {
                *byte = read.next()?.parse().ok()?;
            }
            read.next().is_none().then_some(())?;
        }
        None => {
            let length = bs58::decode(text).onto(pair.as_mut_slice()).ok()?;
            (length == 64).then_some(())?;
        }
    }
    Ed25519Key::from_pair(pair.as_slice())
}

impl Keys {
    pub(super) fn new(first: RailKey, also: Option<Result<RailKey, WalletError>>) -> Keys {
        Keys { first, also }
    }

    /// Signs a typed authorization with the key it is from.
    pub fn sign(&self, authorization: &Authorization) -> Result<Signatures, WalletError> {
        match authorization.facts().from.network().rail() {
            Some(rail) => self.of(rail)?.sign(authorization),
            None => Err(WalletError::NotOurs { ours: self.first.address() }),
        }
    }

    /// Signs an approval, the only kind of chain transaction there is.
    pub fn sign_approval(&self, approval: &Erc20Approval) -> Result<Signature, WalletError> {
        self.evm()?.sign_approval(approval)
    }

    /// Signs in, by the key for EVM chains.
    pub fn sign_in(&self, sign_in: &SignIn) -> Result<Signature, WalletError> {
        self.evm()?.sign_in(sign_in)
    }

    /// Each of them, the first one first; none where one could not be read.
    pub fn all(&self) -> Result<Vec<&RailKey>, WalletError> {
        let also = self.also.as_ref().map(|also| also.as_ref().map_err(Clone::clone)).transpose()?;
        Ok(std::iter::once(&self.first).chain(also).collect())
    }

    /// Whether it has a key for this kind of chain.
    pub fn has(&self, rail: Rail) -> Result<(), WalletError> {
        self.of(rail).map(drop)
    }

    /// Those that could be read, the first one first.
    pub(super) fn read(&self) -> impl Iterator<Item = &RailKey> {
        std::iter::once(&self.first).chain(self.also.iter().flatten())
    }

    pub(super) fn of(&self, rail: Rail) -> Result<&RailKey, WalletError> {
        if self.first.address().rail() == rail {
            return Ok(&self.first);
        }
        match &self.also {
            Some(Ok(key)) => Ok(key),
            Some(Err(cause)) => Err(cause.clone()),
            None => Err(WalletError::NoKeyFor { rail }),
        }
    }

    fn evm(&self) -> Result<&Key, WalletError> {
        match self.of(Rail::Evm)? {
            RailKey::Evm(key) => Ok(key),
            RailKey::Solana(_) => Err(WalletError::NoKeyFor { rail: Rail::Evm }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed and address of a key that is good for nothing: 32 times the byte 1.
    const ADDRESS: &str = "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9";

    fn pair() -> [u8; 64] {
        let mut pair = [1; 64];
        pair[32..].copy_from_slice(&bs58::decode(ADDRESS).into_vec().unwrap());
        pair
    }

    fn read(text: &str, rail: Option<Rail>) -> Result<String, WalletError> {
        RailKey::read(text.as_bytes(), rail).map(|key| key.address().to_string())
    }

    #[test]
    fn a_key_of_solanas_is_read_in_every_form_that_wallets_give() {
        let (base58, list) = (bs58::encode(pair()).into_string(), format!("{:?}", pair()));
        for (text, rail) in [(&base58, None), (&list, None), (&base58, Some(Rail::Solana)), (&list, Some(Rail::Solana))]
        {
            assert_eq!(read(&format!(" {text}\n"), rail).as_deref(), Ok(ADDRESS), "{text}");
        }
        let hex = "01".repeat(32);
        assert_eq!(read(&hex, Some(Rail::Solana)).as_deref(), Ok(ADDRESS), "a seed, where its rail is named");
        assert!(read(&hex, None).unwrap().starts_with("0x"));
        assert_eq!(read(&base58, Some(Rail::Evm)), Err(WalletError::NotAKey));
    }

    #[test]
    fn a_seed_with_another_keys_address_is_no_key() {
        let (mut other, list) = (pair(), |pair: &[u8]| format!("{pair:?}"));
        other[40] ^= 1;
        for text in [
            bs58::encode(other).into_string(),
            list(&other),
            list(&pair()[..63]),
            list(&[&pair()[..], &[1]].concat()),
            list(&pair()).replacen("[1,", "[256,", 1),
            bs58::encode([1; 32]).into_string(),
            ADDRESS.to_owned(),
            "[]".to_owned(),
            "[1,2".to_owned(),
        ] {
            assert_eq!(read(&text, Some(Rail::Solana)), Err(WalletError::NotAKey), "{text}");
        }
    }

    #[test]
    fn a_key_of_either_kind_goes_through_its_text_and_its_bytes_unchanged() {
        for rail in Rail::ALL {
            let key = RailKey::random(rail).unwrap();
            for same in [
                RailKey::from_text(rail, &key.to_text()).unwrap(),
                RailKey::from_bytes(rail, key.to_bytes().as_slice()).unwrap(),
                RailKey::read(key.to_text().as_bytes(), None).unwrap(),
            ] {
                assert_eq!((same.address(), same.to_bytes()), (key.address(), key.to_bytes()), "{rail:?}");
            }
        }
    }

    #[test]
    fn the_same_bytes_are_never_a_key_of_both_kinds() {
        let one = RailKey::from_bytes(Rail::Evm, &[7; 32]).unwrap();
        let twin = RailKey::from_bytes(Rail::Solana, &[7; 32]).unwrap();
        assert_eq!(twin.is_no_twin_of(&one), Err(WalletError::SameBytes { address: one.address() }));
        assert_eq!(RailKey::random(Rail::Solana).unwrap().is_no_twin_of(&one), Ok(()));
    }

    #[test]
    fn a_ring_without_a_key_of_a_rail_says_which_one_is_missing() {
        let ring = Keys::new(RailKey::random(Rail::Evm).unwrap(), None);
        assert_eq!(ring.of(Rail::Solana).err(), Some(WalletError::NoKeyFor { rail: Rail::Solana }));
        let broken = Keys::new(RailKey::random(Rail::Evm).unwrap(), Some(Err(WalletError::KeyringLocked)));
        assert_eq!(broken.of(Rail::Solana).err(), Some(WalletError::KeyringLocked));
        assert!(broken.of(Rail::Evm).is_ok() && broken.all().is_err());
    }
}
