//! The only reader of keys.
//!
//! A [`Wallet`] is one address, or one for each kind of chain, and the [`Store`] its keys are kept in: the system's
//! keyring, or encrypted files. They are read when a payment needs one, kept in memory while they are used, and dropped
//! when they are not. They sign typed authorizations and nothing else, and leave this room only by [`Wallet::export`].

mod anchor;
mod cost;
mod ed25519;
mod error;
mod files;
mod key;
mod keyfile;
mod keyring;
mod keys;
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
pub use self::ed25519::Ed25519Key;
pub use self::error::WalletError;
pub use self::key::Key;
pub use self::keys::{Keys, RailKey};
pub use self::memory::Memory;
pub use self::passphrase::PassphraseSource;
pub use self::sealed::{SealedError, SealedHead, SealedReader, SealedWriter};
pub use self::second_factor::{CodeSecret, SecondFactor};
pub use self::store::{KeyStore, Store};
pub use self::verifier::Verifier;
use crate::limits;
use crate::money::{Account, Addresses, KeyAddress, Network, Rail};
use crate::time::{Clock, Time};

/// The only reader of the wallet's keys.
pub struct Wallet {
    store: Store,
    addresses: Addresses,
    clock: Arc<dyn Clock>,
    in_memory: Mutex<Option<InMemory>>,
    seals: Mutex<Option<Arc<Seals>>>,
    /// Held by whoever is reading the keys, so that many purchases at once read them one time.
    unlocking: tokio::sync::Mutex<()>,
}

/// What seals the note beside each key that was read, the first one first. It cannot sign.
type Seals = Vec<(KeyAddress, AnchorKey)>;

struct InMemory {
    keys: Arc<Keys>,
    used: Time,
}

impl Wallet {
    /// The wallet the owner's config names. Nothing is read yet.
    pub fn open(store: Store, addresses: impl Into<Addresses>, clock: Arc<dyn Clock>) -> Wallet {
        let (in_memory, seals, addresses) = (Mutex::new(None), Mutex::new(None), addresses.into());
        Wallet { store, addresses, clock, in_memory, seals, unlocking: tokio::sync::Mutex::new(()) }
    }

    /// A fresh key, kept in `store`. Its address belongs into the config: without it the key is never looked for.
    pub async fn create(store: &Store, rail: Rail, beside: Option<KeyAddress>) -> Result<KeyAddress, WalletError> {
        Wallet::import(store, RailKey::random(rail)?, beside).await
    }

    /// Takes a key over into a store, beside the one that is in use there.
    pub async fn import(store: &Store, key: RailKey, beside: Option<KeyAddress>) -> Result<KeyAddress, WalletError> {
        let address = key.address();
        store.alone(move |keys| keys.save(&key, beside)).await?;
        Ok(address)
    }

    /// The addresses whose keys are in `store`.
    pub async fn list(store: &Store) -> Result<Vec<KeyAddress>, WalletError> {
        store.call(|keys| keys.list()).await
    }

    /// The addresses whose keys it reads.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its address on EVM chains, where it has one.
    pub fn evm_address(&self) -> Option<Address> {
        self.addresses.of(Rail::Evm).and_then(KeyAddress::as_evm)
    }

    /// Its account on a network; none where it has no key for that kind of chain.
    pub fn account_on(&self, network: &Network) -> Option<Account> {
        self.addresses.on(network)
    }

    /// The same, or nobody's account, from which nothing is ever signed.
    pub fn account(&self, network: &Network) -> Account {
        self.account_on(network).unwrap_or_else(|| Account::nobody(network))
    }

    /// The keys, read from their store unless they are still in memory. Bounded in time, whatever the store does.
    pub async fn unlock(&self) -> Result<Arc<Keys>, WalletError> {
        match self.in_use() {
            Some(keys) => Ok(keys),
            None => self.store.in_time(self.read_keys()).await,
        }
    }

    /// Drops keys nobody has used for [`limits::KEY_IDLE`]; what is just being signed with it still ends.
    pub fn forget_if_idle(&self) {
        let mut kept = guard(&self.in_memory);
        if kept.as_ref().is_some_and(|kept| self.is_idle(kept)) {
            *kept = None;
        }
    }

    /// Forgets the unlocked keys now.
    pub fn forget(&self) {
        *guard(&self.in_memory) = None;
    }

    /// A key as text, for its owner: whoever calls this has made sure that it goes to a terminal.
    pub async fn export(&self, rail: Rail) -> Result<Zeroizing<String>, WalletError> {
        Ok(self.unlock().await?.of(rail)?.to_text())
    }

    /// Deletes a key and what was kept beside it. Without a copy, what the address holds is lost.
    pub async fn remove(self, rail: Rail) -> Result<(), WalletError> {
        let address = self.addresses.of(rail).ok_or(WalletError::NoKeyFor { rail })?;
        self.store.alone(move |keys| keys.remove(address)).await
    }

    /// Which ledger belongs to this key, and how far it had come at least. `None`: no ledger was ever used with it.
    pub async fn anchor(&self) -> Result<Option<Anchor>, WalletError> {
        let (addresses, seals) = (self.addresses, self.seals().await?);
        self.store.call(move |keys| read_anchor(keys, addresses, &seals)).await
    }

    /// The same as far as it can be read without the key. It may tell of a loss; that all is well it does not prove.
    pub async fn noted(&self) -> Result<Option<Anchor>, WalletError> {
        let address = self.addresses.first;
        self.store.call(move |keys| keys.read_anchor(address)?.map(|text| anchor::noted(&text)).transpose()).await
    }

    /// Notes how far the ledger has come. Never lowered, and never moved to another ledger.
    pub async fn write_anchor(&self, anchor: Anchor) -> Result<(), WalletError> {
        let (addresses, seals) = (self.addresses, self.seals().await?);
        let raise = move |keys: &dyn KeyStore| match read_anchor(keys, addresses, &seals)? {
            Some(kept) if kept.ledger_id != anchor.ledger_id => Err(WalletError::OtherLedger),
            Some(kept) if kept.authorizations >= anchor.authorizations => Ok(()),
            kept => {
                // Whose word the policy is does not change by spending.
                let owner = kept.map_or(anchor.owner.clone(), |kept| kept.owner);
                write_anchor(keys, &seals, &Anchor { owner, ..anchor })
            }
        };
        self.store.alone(raise).await
    }

    /// Notes the owner's passphrase and policy, for the same ledger and no less far.
    pub async fn mark_owner(&self, anchor: Anchor) -> Result<(), WalletError> {
        let (addresses, seals) = (self.addresses, self.seals().await?);
        let mark = move |keys: &dyn KeyStore| {
            let kept = read_anchor(keys, addresses, &seals)?;
            if kept.as_ref().is_some_and(|kept| kept.ledger_id != anchor.ledger_id) {
                return Err(WalletError::OtherLedger);
            }
            let authorizations = kept.map_or(0, |kept| kept.authorizations).max(anchor.authorizations);
            write_anchor(keys, &seals, &Anchor { authorizations, ..anchor })
        };
        self.store.alone(mark).await
    }

    /// The owner's word that this ledger is the one, however far it has come.
    pub async fn adopt(&self, anchor: Anchor) -> Result<(), WalletError> {
        let seals = self.seals().await?;
        self.store.alone(move |keys| write_anchor(keys, &seals, &anchor)).await
    }

    async fn read_keys(&self) -> Result<Arc<Keys>, WalletError> {
        let _alone = self.unlocking.lock().await;
        if let Some(keys) = self.in_use() {
            return Ok(keys);
        }
        let first = self.read_key(self.addresses.first).await?;
        let also = match self.addresses.also {
            Some(address) => Some(self.read_key(address).await),
            None => None,
        };
        let is_whole = also.as_ref().is_none_or(Result::is_ok);
        let keys = Arc::new(Keys::new(first, also));
        *guard(&self.seals) = Some(Arc::new(seals_of(&keys)));
        // Where one is missing it is looked for again the next time.
        if is_whole {
            *guard(&self.in_memory) = Some(InMemory { keys: keys.clone(), used: self.clock.now() });
        }
        Ok(keys)
    }

    async fn read_key(&self, expected: KeyAddress) -> Result<RailKey, WalletError> {
        let key = self.store.call(move |keys| keys.load(expected)).await?;
        match key.address() == expected {
            true => Ok(key),
            false => Err(WalletError::WrongKey { expected, found: key.address() }),
        }
    }

    fn in_use(&self) -> Option<Arc<Keys>> {
        let mut kept = guard(&self.in_memory);
        if kept.as_ref().is_some_and(|kept| self.is_idle(kept)) {
            *kept = None;
        }
        let kept = kept.as_mut()?;
        kept.used = self.clock.now();
        Some(kept.keys.clone())
    }

    fn is_idle(&self, kept: &InMemory) -> bool {
        self.clock.now().since(kept.used) >= limits::KEY_IDLE
    }

    /// Outlives the key in memory: it cannot sign, and the count is written when nobody pays.
    async fn seals(&self) -> Result<Arc<Seals>, WalletError> {
        let kept = guard(&self.seals).clone();
        match kept {
            Some(seals) => Ok(seals),
            None => Ok(Arc::new(seals_of(&*self.unlock().await?))),
        }
    }
}

fn seals_of(keys: &Keys) -> Seals {
    keys.read().map(|key| (key.address(), AnchorKey::of(key))).collect()
}

/// What is kept beside the keys that were read: of one ledger, and the furthest that any of them knows. Where there is nothing
/// beside the first one and something beside the other, the two have changed places: that is no fresh wallet.
fn read_anchor(keys: &dyn KeyStore, addresses: Addresses, seals: &Seals) -> Result<Option<Anchor>, WalletError> {
    let note = |(address, seal): &(KeyAddress, AnchorKey)| -> Result<Option<Anchor>, WalletError> {
        keys.read_anchor(*address)?.map(|text| seal.open(*address, &text)).transpose()
    };
    let notes = seals.iter().map(note).collect::<Result<Vec<_>, _>>()?;
    // The first key is always among those that were read, before any other.
    let mut notes = notes.into_iter();
    let Some(mut kept) = notes.next().flatten() else {
        // The other's note counts even where its key could not be read.
        return match addresses.also.map(|also| keys.read_anchor(also)).transpose()?.flatten() {
            Some(_) => Err(WalletError::AnchorDamaged),
            None => Ok(None),
        };
    };
    for other in notes.flatten() {
        if other.ledger_id != kept.ledger_id {
            return Err(WalletError::AnchorDamaged);
        }
        kept.authorizations = kept.authorizations.max(other.authorizations);
    }
    Ok(Some(kept))
}

/// Beside each key that could be read: whichever of them is left alone knows its ledger.
fn write_anchor(keys: &dyn KeyStore, seals: &Seals, anchor: &Anchor) -> Result<(), WalletError> {
    seals.iter().try_for_each(|(address, seal)| keys.write_anchor(*address, &seal.seal(*address, anchor)?))
}

/// A panic elsewhere leaves nothing half done in these: each is one assignment.
fn guard<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
