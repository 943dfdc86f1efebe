//! What is kept beside the key about the ledger: which one it is, and how far it had come.
//!
//! A ledger that is missing, another one, or shorter than this would forget what was spent. The note is sealed with a
//! key derived from the private one, so nobody without it can move the mark.

use alloy_primitives::{Address, hex};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{Key, WalletError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub ledger_id: String,
    /// Durable authorizations it held at least.
    pub authorizations: u64,
}

/// Readable by anyone, written only by who has the key.
#[derive(Serialize, Deserialize)]
struct Sealed {
    ledger_id: String,
    authorizations: u64,
    nonce: String,
    seal: String,
}

pub(super) struct AnchorKey(Zeroizing<[u8; 32]>);

impl AnchorKey {
    pub(super) fn of(key: &Key) -> AnchorKey {
        let mut hash = Sha256::new();
        hash.update(b"bursar ledger anchor, version 1");
        hash.update(key.to_bytes().as_slice());
        AnchorKey(Zeroizing::new(hash.finalize().into()))
    }

    pub(super) fn seal(&self, address: Address, anchor: &Anchor) -> Result<String, WalletError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| WalletError::NoRandomness)?;
        let words = words(address, anchor);
        let seal = self.cipher().encrypt(&XNonce::from(nonce), nothing_but(&words));
        let sealed = Sealed {
            ledger_id: anchor.ledger_id.clone(),
            authorizations: anchor.authorizations,
            nonce: hex::encode(nonce),
            seal: hex::encode(seal.map_err(|_| WalletError::AnchorDamaged)?),
        };
        serde_json::to_string(&sealed).map_err(|_| WalletError::AnchorDamaged)
    }

    pub(super) fn open(&self, address: Address, text: &str) -> Result<Anchor, WalletError> {
        let damaged = || WalletError::AnchorDamaged;
        let sealed: Sealed = serde_json::from_str(text).map_err(|_| damaged())?;
        let mut nonce = [0; 24];
        hex::decode_to_slice(&sealed.nonce, &mut nonce).map_err(|_| damaged())?;
        let seal = hex::decode(&sealed.seal).map_err(|_| damaged())?;
        let anchor = Anchor { ledger_id: sealed.ledger_id, authorizations: sealed.authorizations };
        let words = words(address, &anchor);
        let payload = Payload { msg: &seal, aad: words.as_bytes() };
        match self.cipher().decrypt(&XNonce::from(nonce), payload) {
            Ok(hidden) if hidden.is_empty() => Ok(anchor),
            _ => Err(damaged()),
        }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// Everything is authenticated, nothing is hidden.
fn nothing_but(words: &str) -> Payload<'_, '_> {
    Payload { msg: b"", aad: words.as_bytes() }
}

/// The free text comes last, so no other anchor has the same words.
fn words(address: Address, anchor: &Anchor) -> String {
    format!("{address}\n{}\n{}", anchor.authorizations, anchor.ledger_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor() -> Anchor {
        Anchor { ledger_id: "le_1".to_owned(), authorizations: 7 }
    }

    #[test]
    fn an_anchor_opens_with_the_key_that_sealed_it_and_no_other() {
        let (key, other) = (Key::fresh().unwrap(), Key::fresh().unwrap());
        let text = AnchorKey::of(&key).seal(key.address(), &anchor()).unwrap();
        assert_eq!(AnchorKey::of(&key).open(key.address(), &text), Ok(anchor()));
        assert_eq!(AnchorKey::of(&other).open(key.address(), &text), Err(WalletError::AnchorDamaged));
        assert_eq!(AnchorKey::of(&key).open(other.address(), &text), Err(WalletError::AnchorDamaged));
    }

    #[test]
    fn an_edited_anchor_does_not_open() {
        let key = Key::fresh().unwrap();
        let seal = AnchorKey::of(&key);
        let text = seal.seal(key.address(), &anchor()).unwrap();
        for edited in
            [text.replace("7", "6"), text.replace("le_1", "le_2"), text.replace("\":\"", "\":\"00"), String::new()]
        {
            assert_eq!(seal.open(key.address(), &edited), Err(WalletError::AnchorDamaged), "{edited}");
        }
    }
}
