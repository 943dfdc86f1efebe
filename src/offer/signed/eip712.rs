//! Documents signed as typed data. The chain in their domain is always 1, whatever network the payment is on.

use alloy_primitives::{Address, B256, U256, hex};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::{Map, Value};

use super::paper::Signer;

sol! {
    struct Offer {
        uint256 version;
        string resourceUrl;
        string scheme;
        string network;
        string asset;
        string payTo;
        string amount;
        uint256 validUntil;
    }

    struct Receipt {
        uint256 version;
        string network;
        string resourceUrl;
        string payer;
        uint256 issuedAt;
        string transaction;
    }
}

/// Which of the two documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Offer,
    Receipt,
}

/// Whoever signed it. Other words than those that were signed give another key, so nobody's is only what is no
/// signature.
pub(super) fn signer(document: Document, fields: &Map<String, Value>, signature: &str) -> Signer {
    let Some(digest) = digest(document, fields) else {
        return Signer::Unknown("what was signed does not read".to_owned());
    };
    match recover(signature, digest) {
        Some(address) => Signer::Key { name: address.to_string(), address: Some(address) },
        None => Signer::Nobody(None),
    }
}

fn digest(document: Document, fields: &Map<String, Value>) -> Option<B256> {
    let text = |key: &str| fields.get(key)?.as_str().map(str::to_owned);
    let number = |key: &str| fields.get(key)?.as_u64().map(U256::from);
    // What may be left out is signed as nothing.
    let or_none = |key: &str| fields.get(key).is_none_or(Value::is_null);
    Some(match document {
        Document::Offer => Offer {
            version: number("version")?,
            resourceUrl: text("resourceUrl")?,
            scheme: text("scheme")?,
            network: text("network")?,
            asset: text("asset")?,
            payTo: text("payTo")?,
            amount: text("amount")?,
            validUntil: if or_none("validUntil") { U256::ZERO } else { number("validUntil")? },
        }
        .eip712_signing_hash(&domain("x402 offer")),
        Document::Receipt => Receipt {
            version: number("version")?,
            network: text("network")?,
            resourceUrl: text("resourceUrl")?,
            payer: text("payer")?,
            issuedAt: number("issuedAt")?,
            transaction: if or_none("transaction") { String::new() } else { text("transaction")? },
        }
        .eip712_signing_hash(&domain("x402 receipt")),
    })
}

fn domain(name: &'static str) -> Eip712Domain {
    Eip712Domain::new(Some(name.into()), Some("1".into()), Some(U256::from(1)), None, None)
}

/// Either twin of a signature is taken, with v in either of its writings: nothing here can be used twice.
fn recover(signature: &str, digest: B256) -> Option<Address> {
    let bytes: [u8; 65] = hex::decode(signature.strip_prefix("0x")?).ok()?.try_into().ok()?;
    let v = if bytes[64] >= 27 { bytes[64] - 27 } else { bytes[64] };
    let pair = Signature::from_slice(&bytes[..64]).ok()?;
    let (pair, v) = match pair.normalize_s() {
        Some(low) => (low, v ^ 1),
        None => (pair, v),
    };
    let id = RecoveryId::from_byte(v).filter(|_| v < 2)?;
    VerifyingKey::recover_from_prehash(digest.as_slice(), &pair, id).ok().map(|key| address_of(&key))
}

/// Whose account a key is.
pub(super) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    Address::from_raw_public_key(&point.as_bytes()[1..])
}
