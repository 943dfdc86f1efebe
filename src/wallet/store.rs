//! Where keys are kept, and how long anyone waits for it.
//!
//! Stores block: a keyring shows a prompt, a disk hangs. Each call runs on a thread of its own that is never waited for
//! beyond the bound, not even when the program ends. A store that hangs holds the one place at the gate, so that
//! impatient callers do not pile up behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};

use super::keyfile::KeyFile;
use super::keyring::Keyring;
use super::{Memory, PassphraseSource, RailKey, WalletError, files};
use crate::limits;
use crate::money::KeyAddress;

/// What a place for keys can do. Every call may block.
pub trait KeyStore: Send + Sync {
    /// The key of an address.
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError>;
    /// Keeps a key, beside one that is there: never the same bytes twice.
    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError>;
    /// The key, and the anchor beside it.
    fn remove(&self, address: KeyAddress) -> Result<(), WalletError>;
    /// Every address there is a key for.
    fn list(&self) -> Result<Vec<KeyAddress>, WalletError>;
    /// What is kept beside the key, if anything is.
    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError>;
    /// Keeps this beside the key.
    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError>;
    /// What to say when it did not answer in time.
    fn slow(&self, waited: Duration) -> WalletError;
}

/// A place for keys, shared by everyone who needs it.
#[derive(Clone)]
pub struct Store {
    keys: Arc<dyn KeyStore>,
    gate: Arc<Semaphore>,
    wait: Duration,
    /// What processes that change something take turns by.
    turns: Option<PathBuf>,
}

impl Store {
    /// The system's keyring.
    pub fn keyring(home: &Path) -> Store {
        Store::over(Arc::new(Keyring::system()), limits::KEYRING_WAIT).taking_turns(home)
    }

    /// `wallet.json` in `home`, opened by the first passphrase there is.
    pub fn file(home: &Path, passphrases: Vec<PassphraseSource>) -> Store {
        Store::over(Arc::new(KeyFile::in_home(home, passphrases)), limits::KEYRING_WAIT).taking_turns(home)
    }

    /// Keys that end with the process: play money and tests. No config leads here.
    pub fn memory() -> Store {
        Store::over(Arc::new(Memory::default()), limits::KEYRING_WAIT)
    }

    /// Any store, for those who want to see one fail.
    pub fn over(keys: Arc<dyn KeyStore>, wait: Duration) -> Store {
        Store { keys, gate: Arc::new(Semaphore::new(1)), wait, turns: None }
    }

    /// For commands at a terminal: a person types more slowly than a keyring answers.
    pub fn waiting(self, wait: Duration) -> Store {
        Store { wait, ..self }
    }

    /// Among the processes that share this home.
    pub(super) fn taking_turns(self, home: &Path) -> Store {
        Store { turns: Some(home.join("wallet.lock")), ..self }
    }

    /// One call to the store, bounded in time.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        op: impl FnOnce(&dyn KeyStore) -> Result<T, WalletError> + Send + 'static,
    ) -> Result<T, WalletError> {
        self.in_time(self.on_its_own_thread(op)).await
    }

    /// A call that no other process makes at the same time.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        op: impl FnOnce(&dyn KeyStore) -> Result<T, WalletError> + Send + 'static,
    ) -> Result<T, WalletError> {
        let turns = self.turns.clone();
        let in_turn = move |keys: &dyn KeyStore| {
            let _turn = turns.as_deref().map(files::take_turn).transpose()?;
            op(keys)
        };
        self.call(in_turn).await
    }

    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, WalletError>>,
    ) -> Result<T, WalletError> {
        tokio::time::timeout(self.wait, work).await.unwrap_or_else(|_| Err(self.keys.slow(self.wait)))
    }

    async fn on_its_own_thread<T: Send + 'static>(
        &self,
        op: impl FnOnce(&dyn KeyStore) -> Result<T, WalletError> + Send + 'static,
    ) -> Result<T, WalletError> {
        let place = self.gate.clone().acquire_owned().await.map_err(|_| WalletError::BrokeOff)?;
        let (answer, answered) = oneshot::channel();
        let keys = self.keys.clone();
        let work = move || {
            let _place = place;
            // Whoever asked may be gone by now; what was read is then dropped, and zeroized with it.
            let _ = answer.send(op(&*keys));
        };
        // Not the runtime's blocking pool: that one is waited for when the program ends.
        std::thread::Builder::new().name("keys".to_owned()).spawn(work).map_err(|_| WalletError::BrokeOff)?;
        answered.await.unwrap_or(Err(WalletError::BrokeOff))
    }
}
