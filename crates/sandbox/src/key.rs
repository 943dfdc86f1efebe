//! A key that signs whatever it is given: for payers that tests make up, never for money.

use alloy_primitives::{Address, B256, hex};
use k256::ecdsa::SigningKey;

use super::eip3009::address_of;

/// The key of the first account of every test node: public knowledge.
pub const WELL_KNOWN: [u8; 32] = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");

/// A key and its address.
pub struct Key {
    key: SigningKey,
    pub address: Address,
}

impl Key {
    /// None where the bytes are no key: zero, or too large.
    pub fn new(secret: &[u8; 32]) -> Option<Self> {
        let key = SigningKey::from_slice(secret).ok()?;
        let address = address_of(key.verifying_key());
        Some(Self { key, address })
    }

    /// The public key, not compressed.
    pub fn point(&self) -> [u8; 65] {
        let point = self.key.verifying_key().to_encoded_point(false);
        point.as_bytes().try_into().unwrap_or([0; 65])
    }

    /// Signs a hash, with low `s` and a `v` of 27 or 28.
    pub fn sign(&self, hash: B256) -> [u8; 65] {
        let mut signed = [0; 65];
        // Every 32 bytes can be signed.
        if let Ok((signature, recovery)) = self.key.sign_prehash_recoverable(hash.as_slice()) {
            signed[..64].copy_from_slice(&signature.to_bytes());
            signed[64] = 27 + recovery.to_byte();
        }
        signed
    }
}
