//! Keys that end with the process: play money, and tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use alloy_primitives::Address;
use zeroize::Zeroizing;

use super::{Key, KeyStore, WalletError, guard};

/// Keys that end with the process.
#[derive(Default)]
pub struct Memory {
    keys: Mutex<BTreeMap<Address, Zeroizing<[u8; 32]>>>,
    anchors: Mutex<BTreeMap<Address, String>>,
}

const PLACE: &str = "this process's memory";

impl KeyStore for Memory {
    fn load(&self, address: Address) -> Result<Key, WalletError> {
        let keys = guard(&self.keys);
        let bytes = keys.get(&address).ok_or(WalletError::NoKey { address, place: PLACE.to_owned() })?;
        Key::from_bytes(bytes.as_slice()).ok_or(WalletError::KeyDamaged { address, place: PLACE.to_owned() })
    }

    fn save(&self, key: &Key) -> Result<(), WalletError> {
        guard(&self.keys).insert(key.address(), key.to_bytes());
        Ok(())
    }

    fn remove(&self, address: Address) -> Result<(), WalletError> {
        guard(&self.anchors).remove(&address);
        let removed = guard(&self.keys).remove(&address);
        removed.map(drop).ok_or(WalletError::NoKey { address, place: PLACE.to_owned() })
    }

    fn list(&self) -> Result<Vec<Address>, WalletError> {
        Ok(guard(&self.keys).keys().copied().collect())
    }

    fn read_anchor(&self, address: Address) -> Result<Option<String>, WalletError> {
        Ok(guard(&self.anchors).get(&address).cloned())
    }

    fn write_anchor(&self, address: Address, text: &str) -> Result<(), WalletError> {
        guard(&self.anchors).insert(address, text.to_owned());
        Ok(())
    }

    fn slow(&self, _: Duration) -> WalletError {
        WalletError::BrokeOff
    }
}
