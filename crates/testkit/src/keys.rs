//! Keys in memory, behind a way that is not always clear.

use std::time::Duration;

use alloy_primitives::Address;
use bursar::wallet::{Key, KeyStore, Memory, WalletError};

/// What stands between a caller and its key.
pub trait Way: Send + Sync {
    /// At every look for a key or an anchor.
    fn look(&self, address: Address) -> Result<(), WalletError>;

    /// The key that is handed out for this one, after whatever happens first.
    fn handed_out(&self, address: Address) -> Result<Address, WalletError>;
}

#[derive(Default)]
pub struct Keys<W> {
    memory: Memory,
    pub way: W,
}

impl<W> Keys<W> {
    pub fn behind(way: W, keys: &[&Key]) -> Keys<W> {
        let memory = Memory::default();
        for key in keys {
            memory.save(key).expect("memory keeps a key");
        }
        Keys { memory, way }
    }
}

impl<W: Way> KeyStore for Keys<W> {
    fn load(&self, address: Address) -> Result<Key, WalletError> {
        self.memory.load(self.way.handed_out(address)?)
    }

    fn save(&self, key: &Key) -> Result<(), WalletError> {
        self.memory.save(key)
    }

    fn remove(&self, address: Address) -> Result<(), WalletError> {
        self.memory.remove(address)
    }

    fn list(&self) -> Result<Vec<Address>, WalletError> {
        self.memory.list()
    }

    fn read_anchor(&self, address: Address) -> Result<Option<String>, WalletError> {
        self.way.look(address)?;
        self.memory.read_anchor(address)
    }

    fn write_anchor(&self, address: Address, text: &str) -> Result<(), WalletError> {
        self.way.look(address)?;
        self.memory.write_anchor(address, text)
    }

    fn slow(&self, waited: Duration) -> WalletError {
        self.memory.slow(waited)
    }
}
