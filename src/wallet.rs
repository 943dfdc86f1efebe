//! The only reader of keys.
//!
//! A [`Wallet`] is one address and the [`Store`] its key is kept in: the system's keyring, or an encrypted file. The key
//! is read when a payment needs it, kept in memory while it is used, and dropped when it is not. It signs typed
//! authorizations and nothing else, and leaves this room only by [`Wallet::export`].

mod anchor;
mod cost;
mod error;
mod files;
mod key;
mod keyfile;
mod keyring;
mod locked;
mod memory;
mod passphrase;
mod sealed;
mod second_factor;
mod store;
mod verifier;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use alloy_primitives::Address;
use zeroize::Zeroizing;

use self::anchor::AnchorKey;
pub use self::anchor::{Anchor, OwnerMark};
pub use self::error::WalletError;
pub use self::key::Key;
pub use self::memory::Memory;
pub use self::passphrase::PassphraseSource;
pub use self::sealed::{SealedError, SealedHead, SealedReader, SealedWriter};
pub use self::second_factor::{CodeSecret, SecondFactor};
pub use self::store::{KeyStore, Store};
pub use self::verifier::Verifier;
use crate::limits;
use crate::money::{Account, Network};
use crate::time::{Clock, Time};

/// The only reader of the wallet's key.
pub struct Wallet {
    store: Store,
    address: Address,
    clock: Arc<dyn Clock>,
    in_memory: Mutex<Option<InMemory>>,
    anchor_key: Mutex<Option<Arc<AnchorKey>>>,
    /// Held by whoever is reading the key, so that many purchases at once read it one time.
    unlocking: tokio::sync::Mutex<()>,
}

struct InMemory {
    key: Arc<Key>,
    used: Time,
}

impl Wallet {
    /// The wallet the owner's config names. Nothing is read yet.
    pub fn open(store: Store, address: Address, clock: Arc<dyn Clock>) -> Wallet {
        let (in_memory, anchor_key) = (Mutex::new(None), Mutex::new(None));
        Wallet { store, address, clock, in_memory, anchor_key, unlocking: tokio::sync::Mutex::new(()) }
    }

    /// A fresh key, kept in `store`. Its address belongs into the config: without it the key is never looked for.
    pub async fn create(store: &Store) -> Result<Address, WalletError> {
        Wallet::import(store, Key::random()?).await
    }

    /// Takes a key over into a store.
    pub async fn import(store: &Store, key: Key) -> Result<Address, WalletError> {
        let address = key.address();
        store.alone(move |keys| keys.save(&key)).await?;
        Ok(address)
    }

    /// The addresses whose keys are in `store`.
    pub async fn list(store: &Store) -> Result<Vec<Address>, WalletError> {
        store.call(|keys| keys.list()).await
    }

    /// The address whose key it reads.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Its account on a network.
    pub fn account(&self, network: &Network) -> Account {
        Account::evm(network, self.address)
    }

    /// The key, read from its store unless it is still in memory. Bounded in time, whatever the store does.
    pub async fn unlock(&self) -> Result<Arc<Key>, WalletError> {
        match self.in_use() {
            Some(key) => Ok(key),
            None => self.store.in_time(self.read_key()).await,
        }
    }

    /// Drops a key nobody has used for [`limits::KEY_IDLE`]; what is just being signed with it still ends.
    pub fn forget_if_idle(&self) {
        let mut kept = guard(&self.in_memory);
        if kept.as_ref().is_some_and(|kept| self.is_idle(kept)) {
            *kept = None;
        }
    }

    /// Forgets the unlocked key now.
    pub fn forget(&self) {
        *guard(&self.in_memory) = None;
    }

    /// The key as text, for its owner: whoever calls this has made sure that it goes to a terminal.
    pub async fn export(&self) -> Result<Zeroizing<String>, WalletError> {
        Ok(self.unlock().await?.to_hex())
    }

    /// Deletes the key and what was kept beside it. Without a copy, what the address holds is lost.
    pub async fn remove(self) -> Result<(), WalletError> {
        let address = self.address;
        self.store.alone(move |keys| keys.remove(address)).await
    }

    /// Which ledger belongs to this key, and how far it had come at least. `None`: no ledger was ever used with it.
    pub async fn anchor(&self) -> Result<Option<Anchor>, WalletError> {
        let (address, seal) = (self.address, self.anchor_key().await?);
        self.store.call(move |keys| read_anchor(keys, address, &seal)).await
    }

    /// The same as far as it can be read without the key. It may tell of a loss; that all is well it does not prove.
    pub async fn noted(&self) -> Result<Option<Anchor>, WalletError> {
        let address = self.address;
        self.store.call(move |keys| keys.read_anchor(address)?.map(|text| anchor::noted(&text)).transpose()).await
    }

    /// Notes how far the ledger has come. Never lowered, and never moved to another ledger.
    pub async fn write_anchor(&self, anchor: Anchor) -> Result<(), WalletError> {
        let (address, seal) = (self.address, self.anchor_key().await?);
        let raise = move |keys: &dyn KeyStore| match read_anchor(keys, address, &seal)? {
            Some(kept) if kept.ledger_id != anchor.ledger_id => Err(WalletError::OtherLedger),
            Some(kept) if kept.authorizations >= anchor.authorizations => Ok(()),
            kept => {
                // Whose word the policy is does not change by spending.
                let owner = kept.map_or(anchor.owner.clone(), |kept| kept.owner);
                keys.write_anchor(address, &seal.seal(address, &Anchor { owner, ..anchor })?)
            }
        };
        self.store.alone(raise).await
    }

    /// Notes the owner's passphrase and policy, for the same ledger and no less far.
    pub async fn mark_owner(&self, anchor: Anchor) -> Result<(), WalletError> {
        let (address, seal) = (self.address, self.anchor_key().await?);
        let mark = move |keys: &dyn KeyStore| {
            let kept = read_anchor(keys, address, &seal)?;
            if kept.as_ref().is_some_and(|kept| kept.ledger_id != anchor.ledger_id) {
                return Err(WalletError::OtherLedger);
            }
            let authorizations = kept.map_or(0, |kept| kept.authorizations).max(anchor.authorizations);
            keys.write_anchor(address, &seal.seal(address, &Anchor { authorizations, ..anchor })?)
        };
        self.store.alone(mark).await
    }

    /// The owner's word that this ledger is the one, however far it has come.
    pub async fn adopt(&self, anchor: Anchor) -> Result<(), WalletError> {
        let (address, seal) = (self.address, self.anchor_key().await?);
        self.store.alone(move |keys| keys.write_anchor(address, &seal.seal(address, &anchor)?)).await
    }

    async fn read_key(&self) -> Result<Arc<Key>, WalletError> {
        let _alone = self.unlocking.lock().await;
        if let Some(key) = self.in_use() {
            return Ok(key);
        }
        let expected = self.address;
        let key = Arc::new(self.store.call(move |keys| keys.load(expected)).await?);
        if key.address() != expected {
            return Err(WalletError::WrongKey { expected, found: key.address() });
        }
        *guard(&self.anchor_key) = Some(Arc::new(AnchorKey::of(&key)));
        *guard(&self.in_memory) = Some(InMemory { key: key.clone(), used: self.clock.now() });
        Ok(key)
    }

    fn in_use(&self) -> Option<Arc<Key>> {
        let mut kept = guard(&self.in_memory);
        if kept.as_ref().is_some_and(|kept| self.is_idle(kept)) {
            *kept = None;
        }
        let kept = kept.as_mut()?;
        kept.used = self.clock.now();
        Some(kept.key.clone())
    }

    fn is_idle(&self, kept: &InMemory) -> bool {
        self.clock.now().since(kept.used) >= limits::KEY_IDLE
    }

    /// Outlives the key in memory: it cannot sign, and the count is written when nobody pays.
    async fn anchor_key(&self) -> Result<Arc<AnchorKey>, WalletError> {
        let kept = guard(&self.anchor_key).clone();
        match kept {
            Some(key) => Ok(key),
            None => Ok(Arc::new(AnchorKey::of(&*self.unlock().await?))),
        }
    }
}

fn read_anchor(keys: &dyn KeyStore, address: Address, seal: &AnchorKey) -> Result<Option<Anchor>, WalletError> {
    keys.read_anchor(address)?.map(|text| seal.open(address, &text)).transpose()
}

/// A panic elsewhere leaves nothing half done in these: each is one assignment.
fn guard<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
