//! `wallet.json`: the key, encrypted under a passphrase, for machines without a keyring. A key for Solana has a file of its
//! own, which the same passphrase opens.
//!
//! The private key is locked away under the passphrase, with the address held against it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cost::{COST, Cost};
use super::locked::{Locked, Unopened};
use super::passphrase::{Purpose, from_first};
use super::{KeyStore, PassphraseSource, RailKey, WalletError, files, guard};
use crate::money::{KeyAddress, Rail};

pub(super) struct KeyFile {
    home: PathBuf,
    sources: Vec<PassphraseSource>,
    cost: Cost,
    /// A descriptor gives its passphrase once, and the key is read again after every rest.
    from_fd: Mutex<Option<Zeroizing<String>>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    bursar_wallet: u32,
    address: KeyAddress,
    argon2id: Cost,
    salt: String,
    nonce: String,
    xchacha20poly1305: String,
}

const FORMAT: u32 = 1;

impl KeyFile {
    pub(super) fn in_home(home: &Path, sources: Vec<PassphraseSource>) -> KeyFile {
        KeyFile { home: home.to_owned(), sources, cost: COST, from_fd: Mutex::new(None) }
    }

    fn path(&self, rail: Rail) -> PathBuf {
        self.home.join(match rail {
            Rail::Evm => "wallet.json",
            Rail::Solana => "wallet.solana.json",
        })
    }

    fn anchor(&self, rail: Rail) -> PathBuf {
        self.path(rail).with_extension("anchor")
    }

    fn contents(&self, rail: Rail) -> Result<Option<Contents>, WalletError> {
        let Some(text) = files::read(&self.path(rail))? else { return Ok(None) };
        let contents: Contents = serde_json::from_str(&text).map_err(|error| self.damaged(rail, error.to_string()))?;
        if contents.bursar_wallet != FORMAT {
            return Err(self.damaged(rail, format!("its format is {}, not {FORMAT}", contents.bursar_wallet)));
        }
        if contents.address.rail() != rail {
            return Err(self.damaged(rail, "its address is of another kind of chain"));
        }
        Ok(Some(contents))
    }

    /// The file of this very address. What it says of itself is not a secret, so nobody is asked for a passphrase first.
    fn contents_for(&self, address: KeyAddress) -> Result<Contents, WalletError> {
        let place = || self.path(address.rail()).display().to_string();
        let contents = self.contents(address.rail())?.ok_or_else(|| WalletError::NoKey { address, place: place() })?;
        if contents.address != address {
            return Err(WalletError::WrongKey { expected: address, found: contents.address });
        }
        Ok(contents)
    }

    fn seal(&self, key: &RailKey, passphrase: &str) -> Result<Contents, WalletError> {
        let (secret, address) = (key.to_bytes(), key.address());
        let Locked { argon2id, salt, nonce, xchacha20poly1305 } =
            Locked::away(secret.as_slice(), address.bytes(), passphrase, self.cost)
                .map_err(|why| self.unopened(address.rail(), why))?;
        Ok(Contents { bursar_wallet: FORMAT, address, argon2id, salt, nonce, xchacha20poly1305 })
    }

    fn unseal(&self, contents: Contents, passphrase: &str) -> Result<RailKey, WalletError> {
        let Contents { address, argon2id, salt, nonce, xchacha20poly1305, .. } = contents;
        let locked = Locked { argon2id, salt, nonce, xchacha20poly1305 };
        let rail = address.rail();
        let secret = locked.open(address.bytes(), passphrase).map_err(|why| self.unopened(rail, why))?;
        RailKey::from_bytes(rail, &secret).ok_or_else(|| self.damaged(rail, "what it holds is not a key"))
    }

    fn unopened(&self, rail: Rail, why: Unopened) -> WalletError {
        match why {
            Unopened::NoRandomness => WalletError::NoRandomness,
            Unopened::Damaged(cause) => self.damaged(rail, cause),
            Unopened::WrongPassphrase => WalletError::WrongPassphrase { path: self.path(rail) },
        }
    }

    fn passphrase(&self, rail: Rail, purpose: Purpose) -> Result<Zeroizing<String>, WalletError> {
        if let Some(known) = guard(&self.from_fd).clone() {
            return Ok(known);
        }
        let (passphrase, source) = from_first(&self.sources, purpose, &self.path(rail))?;
        if matches!(source, PassphraseSource::Fd(_)) {
            *guard(&self.from_fd) = Some(passphrase.clone());
        }
        Ok(passphrase)
    }

    fn damaged(&self, rail: Rail, cause: impl Into<String>) -> WalletError {
        WalletError::KeyfileDamaged { path: self.path(rail), cause: cause.into() }
    }
}

impl KeyStore for KeyFile {
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError> {
        let contents = self.contents_for(address)?;
        let passphrase = self.passphrase(address.rail(), Purpose::Open)?;
        self.unseal(contents, &passphrase)
    }

    /// One file holds one key: another one there is never written over. What opens the key beside it opens this one too:
    /// a server is given one passphrase.
    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError> {
        let rail = key.address().rail();
        let path = self.path(rail);
        if let Some(there) = self.contents(rail)? {
            return Err(WalletError::AlreadyThere { address: there.address, place: path.display().to_string() });
        }
        let passphrase = match beside {
            Some(other) => {
                let passphrase = self.passphrase(other.rail(), Purpose::Open)?;
                key.is_no_twin_of(&self.unseal(self.contents_for(other)?, &passphrase)?)?;
                passphrase
            }
            None => self.passphrase(rail, Purpose::Choose)?,
        };
        let contents = self.seal(key, &passphrase)?;
        let text = serde_json::to_string_pretty(&contents).map_err(|error| self.damaged(rail, error.to_string()))?;
        files::write(&path, &(text + "\n"))?;
        // What was written is opened again: a file that does not open is no place for a key.
        self.unseal(self.contents_for(key.address())?, &passphrase).map(drop)
    }

    fn remove(&self, address: KeyAddress) -> Result<(), WalletError> {
        self.contents_for(address)?;
        files::remove(&self.path(address.rail()))?;
        files::remove(&self.anchor(address.rail()))
    }

    fn list(&self) -> Result<Vec<KeyAddress>, WalletError> {
        let there = Rail::ALL.into_iter().map(|rail| Ok(self.contents(rail)?.map(|contents| contents.address)));
        Ok(there.collect::<Result<Vec<_>, WalletError>>()?.into_iter().flatten().collect())
    }

    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError> {
        files::read(&self.anchor(address.rail()))
    }

    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError> {
        files::write(&self.anchor(address.rail()), text)
    }

    fn slow(&self, waited: Duration) -> WalletError {
        WalletError::KeyfileSlow { path: self.path(Rail::Evm), seconds: waited.as_secs() }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use serde_json::{Value, json};
    use tempfile::TempDir;

    use super::super::cost::CHEAPEST;
    use super::*;

    fn keyfile(home: &TempDir, passphrase: &str) -> KeyFile {
        let path = home.path().join("passphrase");
        fs::write(&path, passphrase).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        KeyFile { cost: CHEAPEST, ..KeyFile::in_home(home.path(), vec![PassphraseSource::File(path)]) }
    }

    fn fresh() -> RailKey {
        RailKey::random(Rail::Evm).unwrap()
    }

    fn nobody() -> KeyAddress {
        alloy_primitives::Address::repeat_byte(1).into()
    }

    fn saved() -> (TempDir, KeyFile, RailKey) {
        let home = tempfile::tempdir().unwrap();
        let (file, key) = (keyfile(&home, "open sesame"), fresh());
        file.save(&key, None).unwrap();
        (home, file, key)
    }

    fn code<T>(result: Result<T, WalletError>) -> &'static str {
        result.err().map_or("fine", |error| error.code())
    }

    #[test]
    fn a_key_comes_back_with_the_passphrase_it_was_kept_with() {
        let (home, file, key) = saved();
        assert_eq!(file.load(key.address()).unwrap().to_bytes(), key.to_bytes());
        assert_eq!(file.list(), Ok(vec![key.address()]));
        assert_eq!(code(keyfile(&home, "open barley").load(key.address())), "wrong_passphrase");
    }

    #[test]
    fn the_costs_we_write_are_the_costs_we_read() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile { cost: COST, ..keyfile(&home, "open sesame") };
        let key = fresh();
        file.save(&key, None).unwrap();
        assert_eq!(keyfile(&home, "open sesame").load(key.address()).unwrap().to_bytes(), key.to_bytes());
    }

    #[test]
    fn only_the_owner_can_read_the_files_and_nothing_is_left_beside_them() {
        let (home, file, key) = saved();
        file.write_anchor(key.address(), "{}").unwrap();
        for name in ["wallet.json", "wallet.anchor"] {
            let mode = fs::metadata(home.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let mut names: Vec<_> = fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["passphrase", "wallet.anchor", "wallet.json"]);
    }

    #[test]
    fn the_key_is_not_in_the_file() {
        let (home, _file, key) = saved();
        let text = fs::read_to_string(home.path().join("wallet.json")).unwrap();
        assert!(!text.contains(&key.to_text()[2..]) && !text.contains("sesame"));
    }

    #[test]
    fn no_key_is_written_over() {
        let (_home, file, key) = saved();
        assert_eq!(code(file.save(&fresh(), None)), "key_already_there");
        assert_eq!(file.load(key.address()).unwrap().to_bytes(), key.to_bytes());
    }

    #[test]
    fn a_missing_file_is_no_key_and_another_ones_is_the_wrong_key() {
        let home = tempfile::tempdir().unwrap();
        let empty = keyfile(&home, "open sesame");
        assert_eq!(code(empty.load(nobody())), "no_key");
        assert_eq!(code(empty.remove(nobody())), "no_key");
        let (_home, file, key) = saved();
        let expected = nobody();
        assert_eq!(file.load(expected).err(), Some(WalletError::WrongKey { expected, found: key.address() }));
        assert_eq!(code(file.remove(expected)), "wrong_key");
    }

    #[test]
    fn a_file_that_was_meddled_with_does_not_open() {
        let (home, file, key) = saved();
        let path = home.path().join("wallet.json");
        let good: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let other = nobody();
        let flipped = |name: &str| {
            let text = good[name].as_str().unwrap();
            json!(format!("{}{}", if text.starts_with('0') { '1' } else { '0' }, &text[1..]))
        };
        let edits = [
            ("/salt", flipped("salt"), "wrong_passphrase"),
            ("/nonce", flipped("nonce"), "wrong_passphrase"),
            ("/xchacha20poly1305", flipped("xchacha20poly1305"), "wrong_passphrase"),
            ("/xchacha20poly1305", json!(""), "wrong_passphrase"),
            ("/salt", json!("00"), "keyfile_damaged"),
            ("/nonce", json!("zz"), "keyfile_damaged"),
            ("/bursar_wallet", json!(2), "keyfile_damaged"),
            ("/argon2id/memory_kib", json!(u32::MAX), "keyfile_damaged"),
            ("/argon2id/memory_kib", json!(8), "keyfile_damaged"),
            ("/argon2id/passes", json!(0), "keyfile_damaged"),
            ("/argon2id/passes", json!(u32::MAX), "keyfile_damaged"),
            ("/argon2id/lanes", json!(5), "keyfile_damaged"),
            ("/argon2id/lanes", json!("1"), "keyfile_damaged"),
        ];
        for (place, value, expected) in edits {
            let mut edited = good.clone();
            *edited.pointer_mut(place).unwrap() = value.clone();
            fs::write(&path, edited.to_string()).unwrap();
            assert_eq!(code(file.load(key.address())), expected, "{place} {value}");
        }
        let mut renamed = good.clone();
        renamed["address"] = json!(other);
        fs::write(&path, renamed.to_string()).unwrap();
        assert_eq!(code(file.load(other)), "wrong_passphrase");
        for text in ["", "{}", "[]", "not json", &" ".repeat(20_000)] {
            fs::write(&path, text).unwrap();
            assert_eq!(code(file.load(key.address())), "keyfile_damaged", "{text:.10}");
        }
    }

    #[test]
    fn removing_a_key_removes_what_was_beside_it() {
        let (home, file, key) = saved();
        file.write_anchor(key.address(), "{}").unwrap();
        file.remove(key.address()).unwrap();
        assert!(!home.path().join("wallet.json").exists() && !home.path().join("wallet.anchor").exists());
    }

    #[test]
    fn a_descriptors_passphrase_is_good_for_more_than_one_read() {
        use std::io::Write;
        use std::os::fd::AsRawFd;

        let (home, _file, key) = saved();
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(b"open sesame\n").unwrap();
        drop(writer);
        let file = KeyFile::in_home(home.path(), vec![PassphraseSource::Fd(reader.as_raw_fd())]);
        for _ in 0..2 {
            assert_eq!(code(file.load(key.address())), "fine");
        }
    }

    #[test]
    fn errors_show_neither_key_nor_passphrase() {
        let (home, file, key) = saved();
        let errors = [
            file.save(&fresh(), None).unwrap_err(),
            keyfile(&home, "open barley").load(key.address()).err().unwrap(),
            KeyFile::in_home(home.path(), vec![]).load(key.address()).err().unwrap(),
            file.load(nobody()).err().unwrap(),
        ];
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&key.to_text()[2..]) && !shown.contains("sesame") && !shown.contains("barley"));
        }
    }
}
