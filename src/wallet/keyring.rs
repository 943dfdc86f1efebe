//! The system's keyring: Secret Service, macOS Keychain, Windows Credential Manager. They differ in how they are opened
//! and searched, and in nothing else.
//!
//! "No entry" may also mean a locked or a fresh keyring, so it never makes a key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use super::{KeyStore, RailKey, WalletError};
use crate::money::KeyAddress;
use crate::{limits, text};

pub(super) struct Keyring {
    open: Box<Open>,
}

/// Opened anew for every call: a connection from before the keyring was restarted is good for nothing.
type Open = dyn Fn() -> Result<Arc<CredentialStore>, Error> + Send + Sync;

const SERVICE: &str = "bursar";
const PLACE: &str = "the system keyring";

impl Keyring {
    pub(super) fn system() -> Keyring {
        Keyring { open: Box::new(system) }
    }

    fn entry(&self, user: &str) -> Result<Entry, Error> {
        (self.open)()?.build(SERVICE, user, None)
    }

    fn secret(&self, user: &str) -> Result<Zeroizing<String>, Error> {
        self.entry(user)?.get_password().map(Zeroizing::new)
    }

    /// What was written is read back: an entry that cannot be read is no place for a key.
    fn write(&self, user: &str, text: &str) -> Result<bool, Error> {
        self.entry(user)?.set_password(text)?;
        match self.secret(user) {
            Err(Error::NoEntry) => Ok(false),
            kept => Ok(kept?.as_str() == text),
        }
    }

    fn delete(&self, user: &str) -> Result<(), Error> {
        self.entry(user)?.delete_credential()
    }
}

#[cfg(target_os = "linux")]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
fn system() -> Result<Arc<CredentialStore>, Error> {
    Err(Error::NotSupportedByStore("bursar knows no keyring on this system".to_owned()))
}

/// Windows searches by a pattern over names; the others by what an entry belongs to.
const SEARCH: (&str, &str) = if cfg!(windows) { ("pattern", SERVICE) } else { ("service", SERVICE) };

/// The case of an address counts on Solana only.
fn key_name(address: KeyAddress) -> String {
    match address {
        KeyAddress::Evm(address) => format!("{address:#x}"),
        KeyAddress::Solana(_) => address.to_string(),
    }
}

fn anchor_name(address: KeyAddress) -> String {
    format!("{}/ledger", key_name(address))
}

impl KeyStore for Keyring {
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError> {
        let text = self.secret(&key_name(address)).map_err(|error| cause(error, address))?;
        RailKey::from_text(address.rail(), &text).ok_or(WalletError::KeyDamaged { address, place: PLACE.to_owned() })
    }

    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError> {
        beside.map_or(Ok(()), |other| key.is_no_twin_of(&self.load(other)?))?;
        let address = key.address();
        let kept = self.write(&key_name(address), &key.to_text()).map_err(|error| cause(error, address))?;
        if kept { Ok(()) } else { Err(not_kept()) }
    }

    fn remove(&self, address: KeyAddress) -> Result<(), WalletError> {
        self.delete(&key_name(address)).map_err(|error| cause(error, address))?;
        match self.delete(&anchor_name(address)) {
            Err(Error::NoEntry) => Ok(()),
            deleted => deleted.map_err(|error| cause(error, address)),
        }
    }

    /// Entries that cannot be looked into are not ours to list.
    fn list(&self) -> Result<Vec<KeyAddress>, WalletError> {
        let unaddressed = |error| cause(error, KeyAddress::Solana([0; 32]));
        let store = (self.open)().map_err(unaddressed)?;
        let found = match store.search(&HashMap::from([SEARCH])) {
            Err(Error::NoEntry) => Vec::new(),
            found => found.map_err(unaddressed)?,
        };
        let named = found.iter().filter_map(Entry::get_specifiers).filter(|(service, _)| service == SERVICE);
        let mut addresses: Vec<KeyAddress> =
            named.filter_map(|(_, user)| user.parse().ok().filter(|address| key_name(*address) == user)).collect();
        addresses.sort();
        addresses.dedup();
        Ok(addresses)
    }

    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError> {
        match self.secret(&anchor_name(address)) {
            Ok(text) => Ok(Some(text.to_string())),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(cause(error, address)),
        }
    }

    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError> {
        let kept = self.write(&anchor_name(address), text).map_err(|error| cause(error, address))?;
        if kept { Ok(()) } else { Err(not_kept()) }
    }

    fn slow(&self, waited: Duration) -> WalletError {
        WalletError::KeyringSlow { seconds: waited.as_secs() }
    }
}

fn not_kept() -> WalletError {
    WalletError::KeyringRefused { cause: "it did not give back what was written".to_owned() }
}

/// Some of the keyring's errors carry the secret itself; only words of its own get through here.
fn cause(error: Error, address: KeyAddress) -> WalletError {
    let said = |text: String| text::quoted(&text, limits::QUOTED_CHARS);
    match error {
        Error::NoEntry => WalletError::NoKey { address, place: PLACE.to_owned() },
        Error::NoStorageAccess(_) => WalletError::KeyringLocked,
        Error::PlatformFailure(why) => WalletError::KeyringAbsent { cause: said(why.to_string()) },
        Error::Ambiguous(_) => WalletError::KeyringAmbiguous { address },
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            WalletError::KeyDamaged { address, place: PLACE.to_owned() }
        }
        Error::NotSupportedByStore(why) => WalletError::KeyringAbsent { cause: said(why) },
        Error::BadStoreFormat(why) => WalletError::KeyringRefused { cause: said(why) },
        Error::TooLong(what, _) => {
            WalletError::KeyringRefused { cause: format!("`{}` is too long for it", said(what)) }
        }
        Error::Invalid(what, _) => {
            WalletError::KeyringRefused { cause: format!("`{}` is not to its liking", said(what)) }
        }
        _ => WalletError::KeyringRefused { cause: "for a reason it does not give".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use keyring_core::api::CredentialStoreApi;
    use keyring_core::mock;

    use super::*;
    use crate::money::Rail;

    fn nobody() -> KeyAddress {
        alloy_primitives::Address::repeat_byte(1).into()
    }

    fn keyring() -> (Keyring, Arc<mock::Store>) {
        let store = mock::Store::new().unwrap();
        let opened = store.clone();
        (Keyring { open: Box::new(move || Ok(opened.clone())) }, store)
    }

    fn keyring_with(key: &RailKey) -> (Keyring, Arc<mock::Store>) {
        let (keyring, store) = keyring();
        keyring.save(key, None).unwrap();
        (keyring, store)
    }

    /// The next call about this key fails like so.
    fn fail(store: &mock::Store, key: &RailKey, error: Error) {
        let entry = store.build(SERVICE, &key_name(key.address()), None).unwrap();
        entry.as_any().downcast_ref::<mock::Cred>().unwrap().set_error(error);
    }

    fn boxed(words: &str) -> Box<dyn std::error::Error + Send + Sync> {
        words.to_owned().into()
    }

    #[test]
    fn a_key_comes_back_as_it_was_kept_and_is_listed_by_its_address() {
        let (one, two) = (RailKey::random(Rail::Evm).unwrap(), RailKey::random(Rail::Evm).unwrap());
        let (keyring, _store) = keyring_with(&one);
        keyring.save(&two, None).unwrap();
        keyring.write_anchor(one.address(), "{}").unwrap();
        assert_eq!(keyring.load(one.address()).unwrap().to_bytes(), one.to_bytes());
        let mut expected = vec![one.address(), two.address()];
        expected.sort();
        assert_eq!(keyring.list(), Ok(expected));
    }

    #[test]
    fn the_secret_is_text_under_the_address_in_lower_case() {
        let key = RailKey::random(Rail::Evm).unwrap();
        let (_keyring, store) = keyring_with(&key);
        let user = key.address().to_string().to_lowercase();
        assert_eq!(store.build("bursar", &user, None).unwrap().get_password().unwrap(), *key.to_text());
    }

    #[test]
    fn removing_a_key_removes_what_was_beside_it() {
        let key = RailKey::random(Rail::Evm).unwrap();
        let (keyring, _store) = keyring_with(&key);
        keyring.write_anchor(key.address(), "{}").unwrap();
        keyring.remove(key.address()).unwrap();
        assert_eq!(keyring.read_anchor(key.address()), Ok(None));
        assert_eq!(keyring.load(key.address()).err().unwrap().code(), "no_key");
        assert_eq!(keyring.remove(key.address()).unwrap_err().code(), "no_key");
    }

    #[test]
    fn no_entry_makes_no_key() {
        let (keyring, store) = keyring();
        assert_eq!(keyring.load(nobody()).err().unwrap().code(), "no_key");
        let user = key_name(nobody());
        assert!(matches!(store.build(SERVICE, &user, None).unwrap().get_password(), Err(Error::NoEntry)));
    }

    #[test]
    fn each_way_a_keyring_fails_has_its_own_name_and_none_shows_the_key() {
        let key = RailKey::random(Rail::Evm).unwrap();
        let (keyring, store) = keyring_with(&key);
        let secret = key.to_text();
        let bytes = || secret.as_bytes().to_vec();
        let faults = [
            (Error::NoStorageAccess(boxed("locked")), "keyring_locked"),
            (Error::PlatformFailure(boxed("no bus")), "keyring_absent"),
            (Error::NotSupportedByStore("nothing here".into()), "keyring_absent"),
            (Error::NoEntry, "no_key"),
            (Error::Ambiguous(vec![]), "keyring_ambiguous"),
            (Error::BadEncoding(bytes()), "key_damaged"),
            (Error::BadDataFormat(bytes(), boxed("bad")), "key_damaged"),
            (Error::BadStoreFormat("odd".into()), "keyring_refused"),
            (Error::TooLong("user".into(), 1), "keyring_refused"),
            (Error::Invalid("user".into(), secret.to_string()), "keyring_refused"),
        ];
        for (fault, code) in faults {
            fail(&store, &key, fault);
            let error = keyring.load(key.address()).err().unwrap();
            assert_eq!(error.code(), code);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&secret[2..]) && shown.contains("no money moved"), "{shown}");
        }
        assert!(keyring.load(key.address()).is_ok());
    }

    #[test]
    fn an_entry_that_holds_something_else_is_damaged() {
        let key = RailKey::random(Rail::Evm).unwrap();
        let (keyring, store) = keyring_with(&key);
        store.build(SERVICE, &key_name(key.address()), None).unwrap().set_password("hello").unwrap();
        assert_eq!(keyring.load(key.address()).err().unwrap().code(), "key_damaged");
    }

    #[test]
    fn a_keyring_that_is_not_there_says_so() {
        let keyring = Keyring { open: Box::new(|| Err(Error::PlatformFailure(boxed("no\u{1b} bus")))) };
        let expected = WalletError::KeyringAbsent { cause: "no bus".to_owned() };
        assert_eq!(keyring.load(nobody()).err(), Some(expected.clone()));
        assert_eq!(keyring.list(), Err(expected));
    }

    #[test]
    fn a_keyring_that_forgets_what_it_was_given_is_no_place_for_a_key() {
        let key = RailKey::random(Rail::Evm).unwrap();
        let forgetful = Keyring { open: Box::new(|| Ok(mock::Store::new()?)) };
        assert_eq!(forgetful.save(&key, None).unwrap_err().code(), "keyring_refused");
    }
}
