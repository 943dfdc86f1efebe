//! What one guess at a passphrase costs: Argon2id, and how much of this machine it may take.

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A fifth of a second here, and 64 MiB for every guess.
pub(super) const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

/// A file may come from a stronger or a weaker machine, and must not take this one down.
pub(super) const CHEAPEST: Cost = Cost { memory_kib: 8 * 1024, passes: 1, lanes: 1 };
const DEAREST: Cost = Cost { memory_kib: 512 * 1024, passes: 16, lanes: 4 };

impl Cost {
    /// What a passphrase comes to; why not, where it cannot.
    pub(super) fn derive(self, passphrase: &str, salt: &[u8]) -> Result<Zeroizing<[u8; 32]>, &'static str> {
        const UNBEARABLE: &str = "the cost of opening it is out of bounds";
        if !self.is_bearable() {
            return Err(UNBEARABLE);
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).map_err(|_| UNBEARABLE)?;
        let mut derived = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.as_bytes(), salt, derived.as_mut_slice())
            .map_err(|_| "the passphrase could not be used with it")?;
        Ok(derived)
    }

    fn is_bearable(self) -> bool {
        let within = |cost: u32, least: u32, most: u32| (least..=most).contains(&cost);
        within(self.memory_kib, CHEAPEST.memory_kib, DEAREST.memory_kib)
            && within(self.passes, CHEAPEST.passes, DEAREST.passes)
            && within(self.lanes, CHEAPEST.lanes, DEAREST.lanes)
    }
}
