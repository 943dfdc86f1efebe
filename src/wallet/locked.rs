//! A few bytes locked away under a passphrase: Argon2id makes a key of it, XChaCha20-Poly1305 seals the bytes. Whoever has
//! what is kept and not the passphrase can do nothing but guess, slowly.

use alloy_primitives::hex;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::cost::Cost;
use crate::random;

/// As it lies in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Locked {
    pub argon2id: Cost,
    pub salt: String,
    pub nonce: String,
    pub xchacha20poly1305: String,
}

/// Why something is not locked away, or does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The system gave no randomness.
    NoRandomness,
    /// It is not as it was written.
    Damaged(String),
    /// By this passphrase.
    WrongPassphrase,
}

impl Locked {
    /// `what` these bytes are is held against them, and not kept.
    pub fn away(secret: &[u8], what: &[u8], passphrase: &str, cost: Cost) -> Result<Locked, Unopened> {
        let (salt, nonce) = (fresh::<16>()?, fresh::<24>()?);
        let sealed = cipher(passphrase, &salt, cost)?
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: what })
            .map_err(|_| Unopened::Damaged("it could not be sealed".to_owned()))?;
        Ok(Locked {
            argon2id: cost,
            salt: hex::encode(salt),
            nonce: hex::encode(nonce),
            xchacha20poly1305: hex::encode(sealed),
        })
    }

    /// As slow as locking it away.
    pub fn open(&self, what: &[u8], passphrase: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let field = |name: &str| Unopened::Damaged(format!("`{name}` is not what it should be"));
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| field("salt"))?;
        hex::decode_to_slice(&self.nonce, &mut nonce).map_err(|_| field("nonce"))?;
        let sealed = hex::decode(&self.xchacha20poly1305).map_err(|_| field("xchacha20poly1305"))?;
        let cipher = cipher(passphrase, &salt, self.argon2id)?;
        let opened = cipher.decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: what });
        opened.map(Zeroizing::new).map_err(|_| Unopened::WrongPassphrase)
    }
}

fn fresh<const N: usize>() -> Result<[u8; N], Unopened> {
    random::bytes().map_err(|_| Unopened::NoRandomness)
}

fn cipher(passphrase: &str, salt: &[u8], cost: Cost) -> Result<XChaCha20Poly1305, Unopened> {
    let key = cost.derive(passphrase, salt).map_err(|cause| Unopened::Damaged(cause.to_owned()))?;
    Ok(XChaCha20Poly1305::new((&*key).into()))
}
