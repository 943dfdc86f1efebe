//! Keys in memory, behind a way that is not always clear.

use std::time::Duration;

use bursar::money::KeyAddress;
use bursar::wallet::{KeyStore, Memory, RailKey, WalletError};

/// What stands between a caller and its key.
pub trait Way: Send + Sync {
    /// At every look for a key or an anchor.
    fn look(&self, address: KeyAddress) -> Result<(), WalletError>;

    /// The key that is handed out for this one, after whatever happens first.
    fn handed_out(&self, address: KeyAddress) -> Result<KeyAddress, WalletError>;
}

#[derive(Default)]
pub struct Keys<W> {
    memory: Memory,
    pub way: W,
}

impl<W> Keys<W> {
    pub fn behind(way: W, keys: &[&RailKey]) -> Keys<W> {
        let memory = Memory::default();
        for key in keys {
            memory.save(key, None).expect("memory keeps a key");
        }
        Keys { memory, way }
    }
}

impl<W: Way> KeyStore for Keys<W> {
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError> {
        self.memory.load(self.way.handed_out(address)?)
    }

    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError> {
        self.memory.save(key, beside)
    }

    fn remove(&self, address: KeyAddress) -> Result<(), WalletError> {
        self.memory.remove(address)
    }

    fn list(&self) -> Result<Vec<KeyAddress>, WalletError> {
        self.memory.list()
    }

    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError> {
        self.way.look(address)?;
        self.memory.read_anchor(address)
    }

    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError> {
        self.way.look(address)?;
        self.memory.write_anchor(address, text)
    }

    fn slow(&self, waited: Duration) -> WalletError {
        self.memory.slow(waited)
    }
}
