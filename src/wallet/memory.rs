//! Keys that end with the process: play money, and tests.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use zeroize::Zeroizing;

use super::{KeyStore, RailKey, WalletError, guard};
use crate::money::KeyAddress;

/// Keys that end with the process.
#[derive(Default)]
pub struct Memory {
    keys: Mutex<BTreeMap<KeyAddress, Zeroizing<[u8; 32]>>>,
    anchors: Mutex<BTreeMap<KeyAddress, String>>,
}

const PLACE: &str = "this process's memory";

impl KeyStore for Memory {
    fn load(&self, address: KeyAddress) -> Result<RailKey, WalletError> {
        let keys = guard(&self.keys);
        let bytes = keys.get(&address).ok_or(WalletError::NoKey { address, place: PLACE.to_owned() })?;
        RailKey::from_bytes(address.rail(), bytes.as_slice())
            .ok_or(WalletError::KeyDamaged { address, place: PLACE.to_owned() })
    }

    fn save(&self, key: &RailKey, beside: Option<KeyAddress>) -> Result<(), WalletError> {
        beside.map_or(Ok(()), |other| key.is_no_twin_of(&self.load(other)?))?;
        guard(&self.keys).insert(key.address(), key.to_bytes());
        Ok(())
    }

    fn remove(&self, address: KeyAddress) -> Result<(), WalletError> {
        guard(&self.anchors).remove(&address);
        let removed = guard(&self.keys).remove(&address);
        removed.map(drop).ok_or(WalletError::NoKey { address, place: PLACE.to_owned() })
    }

    fn list(&self) -> Result<Vec<KeyAddress>, WalletError> {
        Ok(guard(&self.keys).keys().copied().collect())
    }

    fn read_anchor(&self, address: KeyAddress) -> Result<Option<String>, WalletError> {
        Ok(guard(&self.anchors).get(&address).cloned())
    }

    fn write_anchor(&self, address: KeyAddress, text: &str) -> Result<(), WalletError> {
        guard(&self.anchors).insert(address, text.to_owned());
        Ok(())
    }

    fn slow(&self, _: Duration) -> WalletError {
        WalletError::BrokeOff
    }
}
