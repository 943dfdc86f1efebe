//! Keys that are in their own names: `did:key` and `did:jwk`. Any other name would have to be looked up, and nothing on a
//! payment's way asks a stranger's web site for a key.

use k256::ecdsa::VerifyingKey;
use k256::{EncodedPoint, FieldBytes};
use serde_json::{Map, Value};

use super::super::base64;
use crate::json;
use crate::limits;

/// A key that signatures are verified with.
pub(super) enum PublicKey {
    Secp256k1(VerifyingKey),
    Ed25519([u8; 32]),
    /// Not compressed: 65 bytes.
    P256([u8; 65]),
}

/// The key in a name, or why there is none.
pub(super) fn resolve(kid: &str) -> Result<PublicKey, String> {
    let did = without_fragment(kid);
    let unread = || "the key that it names does not read".to_owned();
    match did.strip_prefix("did:").and_then(|rest| rest.split_once(':')) {
        _ if did.len() > limits::DID_BYTES => Err(unread()),
        Some(("key", encoded)) => multikey(encoded).ok_or_else(unread),
        Some(("jwk", encoded)) => jwk(encoded).ok_or_else(unread),
        Some(_) => Err(format!("it is signed by a key that bursar cannot look up: \u{201c}{}\u{201d}", shown(kid))),
        None => Err("it names no key".to_owned()),
    }
}

/// As it may stand in a line of ours.
pub(super) fn shown(kid: &str) -> String {
    let did = without_fragment(kid);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_' | '%');
    match did.len() {
        0 => "no key".to_owned(),
        _ if !did.chars().all(is_plain) => "a name that is none".to_owned(),
        len if len <= limits::SHOWN_DID => did.to_owned(),
        _ => format!("{}…", &did[..limits::SHOWN_DID]),
    }
}

fn without_fragment(kid: &str) -> &str {
    kid.split('#').next().unwrap_or_default()
}

/// A key after the number of its kind, in base 58.
fn multikey(encoded: &str) -> Option<PublicKey> {
    match base58(encoded.strip_prefix('z')?)?.as_slice() {
        [0xe7, 0x01, key @ ..] => secp256k1(key),
        [0xed, 0x01, key @ ..] => Some(PublicKey::Ed25519(key.try_into().ok()?)),
        _ => None,
    }
}

fn secp256k1(point: &[u8]) -> Option<PublicKey> {
    VerifyingKey::from_sec1_bytes(point).ok().map(PublicKey::Secp256k1)
}

fn jwk(encoded: &str) -> Option<PublicKey> {
    let Ok(Value::Object(jwk)) = json::strict(&base64::decode_text(encoded)?) else { return None };
    let text = |key: &str| jwk.get(key).and_then(Value::as_str);
    match (text("kty")?, text("crv")?) {
        ("EC", "secp256k1") => {
            let (x, y) = (coordinate(&jwk, "x")?, coordinate(&jwk, "y")?);
            let point = EncodedPoint::from_affine_coordinates(&FieldBytes::from(x), &FieldBytes::from(y), false);
            secp256k1(point.as_bytes())
        }
        ("EC", "P-256") => {
            let mut point = [4; 65];
            point[1..33].copy_from_slice(&coordinate(&jwk, "x")?);
            point[33..].copy_from_slice(&coordinate(&jwk, "y")?);
            Some(PublicKey::P256(point))
        }
        ("OKP", "Ed25519") => coordinate(&jwk, "x").map(PublicKey::Ed25519),
        _ => None,
    }
}

fn coordinate(jwk: &Map<String, Value>, key: &str) -> Option<[u8; 32]> {
    base64::decode(jwk.get(key)?.as_str()?)?.try_into().ok()
}

/// Names of keys are short, so that the square of their length is little.
fn base58(text: &str) -> Option<Vec<u8>> {
    const DIGITS: &[u8] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    const LONGEST: usize = 128;
    if text.len() > LONGEST {
        return None;
    }
    let mut bytes: Vec<u8> = Vec::new();
    for digit in text.bytes() {
        let mut carry = DIGITS.iter().position(|known| *known == digit)?;
        for byte in bytes.iter_mut() {
            carry += usize::from(*byte) * 58;
            *byte = (carry & 0xff) as u8;
            carry >>= 8;
        }
        while carry > 0 {
            bytes.push((carry & 0xff) as u8);
            carry >>= 8;
        }
    }
    let zeros = text.bytes().take_while(|digit| *digit == b'1').count();
    bytes.extend(std::iter::repeat_n(0, zeros));
    bytes.reverse();
    Some(bytes)
}
