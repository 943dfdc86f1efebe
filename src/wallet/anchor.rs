//! What is kept beside the key: which ledger is its own and how far that had come, and whose word the policy is.
//!
//! A ledger that is missing, another one, or shorter than this would forget what was spent. The note is sealed with a
//! key derived from the private one, so nobody without it can move the mark.

use alloy_primitives::hex;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{RailKey, WalletError};
use crate::money::KeyAddress;

/// What is kept beside the key, so that another ledger, policy or passphrase is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Which ledger.
    pub ledger_id: String,
    /// Durable authorizations it held at least.
    pub authorizations: u64,
    /// The owner's passphrase and the policy it put into force; none where no passphrase is set.
    pub owner: Option<OwnerMark>,
}

const BUILT_IN: &str = "built in";
/// No ledger is called so: every ledger is another one than this.
const RESTORED: &str = "restored from a backup";

impl Anchor {
    /// What stands beside a key that came out of a backup: no ledger is its own until its owner adopts one.
    pub fn restored(authorizations: u64, owner: Option<OwnerMark>) -> Anchor {
        Anchor { ledger_id: RESTORED.to_owned(), authorizations, owner }
    }

    /// Whether nothing was adopted since it came out of a backup.
    pub fn is_restored(&self) -> bool {
        self.ledger_id == RESTORED
    }
}

/// Fingerprints of what tells the owner's passphrase and second factor, and of the policy it put into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerMark {
    /// The fingerprint of the owner's passphrase, and of the second factor where there is one.
    pub verifier: String,
    /// The fingerprint of the policy it put into force.
    pub policy: String,
    /// The owner's own table of assets; none where that is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<String>,
}

impl OwnerMark {
    /// No text of a policy is the built-in one.
    pub fn of(verifier: &str, policy: Option<&str>, assets: Option<&str>) -> OwnerMark {
        OwnerMark {
            verifier: fingerprint(verifier),
            policy: policy.map_or(BUILT_IN.to_owned(), fingerprint),
            assets: assets.map(fingerprint),
        }
    }

    /// Whether these are the assets that were put into force.
    pub fn has_assets(&self, assets: Option<&str>) -> bool {
        self.assets == assets.map(fingerprint)
    }

    /// Whether a policy of this fingerprint is the one that was put into force.
    pub fn is_of(&self, policy: &str, built_in: impl FnOnce() -> String) -> bool {
        self.policy == policy || (self.policy == BUILT_IN && policy == built_in())
    }
}

fn fingerprint(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Readable by anyone, written only by who has the key.
#[derive(Serialize, Deserialize)]
struct Sealed {
    ledger_id: String,
    authorizations: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerMark>,
    nonce: String,
    seal: String,
}

pub(super) struct AnchorKey(Zeroizing<[u8; 32]>);

impl AnchorKey {
    pub(super) fn of(key: &RailKey) -> AnchorKey {
        let mut hash = Sha256::new();
        hash.update(b"bursar ledger anchor, version 1");
        hash.update(key.to_bytes().as_slice());
        AnchorKey(Zeroizing::new(hash.finalize().into()))
    }

    pub(super) fn seal(&self, address: KeyAddress, anchor: &Anchor) -> Result<String, WalletError> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|_| WalletError::NoRandomness)?;
        let words = words(address, anchor);
        let seal = self.cipher().encrypt(&XNonce::from(nonce), nothing_but(&words));
        let sealed = Sealed {
            ledger_id: anchor.ledger_id.clone(),
            authorizations: anchor.authorizations,
            owner: anchor.owner.clone(),
            nonce: hex::encode(nonce),
            seal: hex::encode(seal.map_err(|_| WalletError::AnchorDamaged)?),
        };
        serde_json::to_string(&sealed).map_err(|_| WalletError::AnchorDamaged)
    }

    pub(super) fn open(&self, address: KeyAddress, text: &str) -> Result<Anchor, WalletError> {
        let damaged = || WalletError::AnchorDamaged;
        let sealed: Sealed = serde_json::from_str(text).map_err(|_| damaged())?;
        let mut nonce = [0; 24];
        hex::decode_to_slice(&sealed.nonce, &mut nonce).map_err(|_| damaged())?;
        let seal = hex::decode(&sealed.seal).map_err(|_| damaged())?;
        let Sealed { ledger_id, authorizations, owner, .. } = sealed;
        let anchor = Anchor { ledger_id, authorizations, owner };
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

/// What a note says, whoever wrote it.
pub(super) fn noted(text: &str) -> Result<Anchor, WalletError> {
    let Sealed { ledger_id, authorizations, owner, .. } =
        serde_json::from_str(text).map_err(|_| WalletError::AnchorDamaged)?;
    Ok(Anchor { ledger_id, authorizations, owner })
}

/// Everything is authenticated, nothing is hidden.
fn nothing_but(words: &str) -> Payload<'_, '_> {
    Payload { msg: b"", aad: words.as_bytes() }
}

/// The free text comes last, so no other anchor has the same words.
fn words(address: KeyAddress, anchor: &Anchor) -> String {
    let Anchor { ledger_id, authorizations, owner } = anchor;
    match owner {
        None => format!("{address}\n{authorizations}\n{ledger_id}"),
        // Begins as no anchor without an owner does.
        Some(OwnerMark { verifier, policy, assets }) => {
            let assets = assets.as_ref().map(|assets| format!("assets {} {assets}", assets.len())).unwrap_or_default();
            format!("{assets}owner {} {verifier}{policy}\n{address}\n{authorizations}\n{ledger_id}", verifier.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> RailKey {
        RailKey::random(crate::money::Rail::Evm).unwrap()
    }

    fn anchor() -> Anchor {
        Anchor { ledger_id: "le_1".to_owned(), authorizations: 7, owner: None }
    }

    #[test]
    fn an_anchor_opens_with_the_key_that_sealed_it_and_no_other() {
        let (key, other) = (key(), key());
        let text = AnchorKey::of(&key).seal(key.address(), &anchor()).unwrap();
        assert_eq!(AnchorKey::of(&key).open(key.address(), &text), Ok(anchor()));
        let owned = Anchor { owner: Some(OwnerMark::of("verifier", None, None)), ..anchor() };
        let text_of_owned = AnchorKey::of(&key).seal(key.address(), &owned).unwrap();
        assert_eq!(AnchorKey::of(&key).open(key.address(), &text_of_owned), Ok(owned));
        assert_eq!(AnchorKey::of(&other).open(key.address(), &text), Err(WalletError::AnchorDamaged));
        assert_eq!(AnchorKey::of(&key).open(other.address(), &text), Err(WalletError::AnchorDamaged));
    }

    #[test]
    fn a_mark_is_of_the_policy_that_was_put_into_force_and_of_no_other() {
        let fingerprint = |text: &str| hex::encode(Sha256::digest(text));
        let the_built_in = || "the built-in one".to_owned();
        let mark = OwnerMark::of("verifier", Some("version = 1"), None);
        assert!(mark.is_of(&fingerprint("version = 1"), the_built_in));
        assert!(!mark.is_of(&fingerprint("version = 1\n"), the_built_in));
        assert!(!mark.is_of("the built-in one", the_built_in));
        let built_in = OwnerMark::of("verifier", None, None);
        assert!(built_in.is_of("the built-in one", the_built_in));
        assert!(!built_in.is_of(&fingerprint("version = 1"), the_built_in));
    }

    #[test]
    fn an_anchor_whose_owner_was_taken_out_or_replaced_does_not_open() {
        let key = key();
        let seal = AnchorKey::of(&key);
        let owned = Anchor { owner: Some(OwnerMark::of("verifier", Some("version = 1"), None)), ..anchor() };
        let text: serde_json::Value = serde_json::from_str(&seal.seal(key.address(), &owned).unwrap()).unwrap();
        for owner in [serde_json::Value::Null, serde_json::json!(OwnerMark::of("mine", Some("version = 1"), None))] {
            let mut edited = text.clone();
            edited["owner"] = owner;
            assert_eq!(seal.open(key.address(), &edited.to_string()), Err(WalletError::AnchorDamaged), "{edited}");
        }
    }

    #[test]
    fn an_edited_anchor_does_not_open() {
        let key = key();
        let seal = AnchorKey::of(&key);
        let text = seal.seal(key.address(), &anchor()).unwrap();
        for edited in
            [text.replace("7", "6"), text.replace("le_1", "le_2"), text.replace("\":\"", "\":\"00"), String::new()]
        {
            assert_eq!(seal.open(key.address(), &edited), Err(WalletError::AnchorDamaged), "{edited}");
        }
    }
}
