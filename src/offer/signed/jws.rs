//! Documents signed as JWS in its compact form: `header.payload.signature`.

use k256::ecdsa::Signature;
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::super::base64;
use super::did::{self, PublicKey};
use super::eip712::address_of;
use super::paper::Signer;
use crate::json;

/// What is signed, not checked.
pub(super) fn payload(compact: &str) -> Option<Map<String, Value>> {
    let (signed, _) = compact.rsplit_once('.')?;
    let (_, payload) = signed.split_once('.')?;
    object(payload)
}

/// Whoever its header names, if that key signed it.
pub(super) fn signer(compact: &str) -> Signer {
    let read = || {
        let (signed, signature) = compact.rsplit_once('.')?;
        let header = object(signed.split_once('.')?.0)?;
        Some((signed, base64::decode(signature)?, header))
    };
    let Some((signed, signature, header)) = read() else {
        return Signer::Nobody(None);
    };
    if header.contains_key("crit") {
        return Signer::Unknown("its header demands what bursar does not know".to_owned());
    }
    let text = |key: &str| header.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = did::shown(text("kid"));
    match did::resolve(text("kid")) {
        Ok(key) => judge(&key, name, text("alg"), signed.as_bytes(), &signature),
        Err(why) => Signer::Unknown(why),
    }
}

fn judge(key: &PublicKey, name: String, alg: &str, signed: &[u8], signature: &[u8]) -> Signer {
    let address = match key {
        PublicKey::Secp256k1(key) => Some(address_of(key)),
        PublicKey::Ed25519(_) | PublicKey::P256(_) => None,
    };
    // The key of an account is known by its address.
    let name = address.map_or(name, |address| address.to_string());
    let is_good = match (alg, key) {
        ("ES256K", PublicKey::Secp256k1(key)) => Signature::from_slice(signature).is_ok_and(|pair| {
            // Half of all signatures made elsewhere have the other twin of s.
            key.verify_prehash(&Sha256::digest(signed), &pair.normalize_s().unwrap_or(pair)).is_ok()
        }),
        ("EdDSA" | "Ed25519", PublicKey::Ed25519(key)) => {
            UnparsedPublicKey::new(&ED25519, key).verify(signed, signature).is_ok()
        }
        ("ES256", PublicKey::P256(key)) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(signed, signature).is_ok()
        }
        _ => return Signer::Unknown("its algorithm is none that bursar knows for such a key".to_owned()),
    };
    match is_good {
        true => Signer::Key { name, address },
        false => Signer::Nobody(Some(name)),
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    match json::strict(&base64::decode_text(part)?) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}
