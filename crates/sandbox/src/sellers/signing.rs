//! A seller that puts its name to what it offers and to what it was paid: x402's `offer-receipt`, in both of its forms.
//!
//! Written apart from the wallet's checking code on purpose, as what payers sign is.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Response;
use k256::sha2::{Digest, Sha256};
use serde_json::{Value, json};

use super::x402::{Offer, Payment};
use crate::key::Key;

alloy_sol_types::sol! {
    struct Receipt {
        uint256 version;
        string network;
        string resourceUrl;
        string payer;
        uint256 issuedAt;
        string transaction;
    }
}

/// What an offer is signed as; the name of the type is part of what is signed.
mod terms {
    alloy_sol_types::sol! {
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
    }
}

const OFFERS: Eip712Domain = eip712_domain! { name: "x402 offer", version: "1", chain_id: 1, };
const RECEIPTS: Eip712Domain = eip712_domain! { name: "x402 receipt", version: "1", chain_id: 1, };

/// The extension.
pub const OFFER_RECEIPT: &str = "offer-receipt";
/// For how long an offer is good.
const OFFER_SECS: u64 = 300;

/// What becomes of what is signed before it is, or of the document after it.
pub type Tale = fn(&mut Value);

/// In which form documents are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Eip712,
    Jws,
}

/// How a stall signs, and what it makes of the truth.
#[derive(Clone, Debug)]
pub struct Signing {
    pub form: Form,
    pub secret: [u8; 32],
    /// Changes an offer before it is signed.
    pub offer: Tale,
    /// Changes a receipt before it is signed.
    pub receipt: Tale,
    /// Changes a document that is signed, of either kind.
    pub document: Tale,
    /// The name it gives its key, in place of one that has the key in it.
    pub kid: Option<&'static str>,
}

/// Changes nothing.
pub fn truth(_: &mut Value) {}

impl Signing {
    /// Signs the truth with this key.
    pub fn honest(form: Form, secret: [u8; 32]) -> Self {
        Self { form, secret, offer: truth, receipt: truth, document: truth, kid: None }
    }

    /// Whose account its key is.
    pub fn address(&self) -> Address {
        Key::new(&self.secret).map(|key| key.address).unwrap_or_default()
    }

    /// Every entry of a v2 challenge, signed.
    pub fn declared(&self, offer: &Offer, now: u64) -> Value {
        let entries = offer.accepts_v2();
        let offers: Vec<Value> = entries.iter().map(|entry| self.signed_offer(offer, entry, now)).collect();
        json!({"info": {"offers": offers}, "schema": {"type": "object"}})
    }

    /// Adds a signed receipt to the one that a response has.
    pub fn put_receipt(&self, response: &mut Response<Bytes>, offer: &Offer, payment: &Payment, now: u64) {
        let headers = response.headers_mut();
        let Some(said) = headers.get("payment-response").and_then(|value| STANDARD.decode(value).ok()) else { return };
        let Ok(mut said) = serde_json::from_slice::<Value>(&said) else { return };
        let mut payload = json!({
            "version": 1,
            "network": said["network"],
            "resourceUrl": offer.resource,
            "payer": payment.transfer.from.to_string(),
            "issuedAt": now,
            "transaction": said["transaction"],
        });
        (self.receipt)(&mut payload);
        let receipt = self.document(payload, receipt_digest);
        said["extensions"] = json!({OFFER_RECEIPT: {"info": {"receipt": receipt}, "schema": {"type": "object"}}});
        if let Ok(encoded) = STANDARD.encode(said.to_string()).parse() {
            headers.insert("payment-response", encoded);
        }
    }

    fn signed_offer(&self, offer: &Offer, entry: &Value, now: u64) -> Value {
        let mut payload = json!({"version": 1, "resourceUrl": offer.resource, "validUntil": now + OFFER_SECS});
        for field in ["scheme", "network", "asset", "payTo", "amount"] {
            payload[field] = entry[field].clone();
        }
        (self.offer)(&mut payload);
        self.document(payload, offer_digest)
    }

    fn document(&self, payload: Value, digest: fn(&Value) -> B256) -> Value {
        let mut document = match self.form {
            Form::Eip712 => {
                let signature = self.sign(digest(&payload));
                let signature = alloy_primitives::hex::encode_prefixed(signature);
                json!({"format": "eip712", "payload": payload, "signature": signature})
            }
            Form::Jws => json!({"format": "jws", "signature": self.jws(&payload)}),
        };
        (self.document)(&mut document);
        document
    }

    fn sign(&self, hash: B256) -> [u8; 65] {
        Key::new(&self.secret).map_or([0; 65], |key| key.sign(hash))
    }

    fn jws(&self, payload: &Value) -> String {
        let kid = self.kid.map_or_else(|| self.did(), str::to_owned);
        let header = json!({"alg": "ES256K", "kid": kid});
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(payload));
        let hash = B256::from_slice(&Sha256::digest(&signed));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&self.sign(hash)[..64]))
    }

    /// A name that has the key in it.
    fn did(&self) -> String {
        let point = Key::new(&self.secret).map_or([0; 65], |key| key.point());
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "secp256k1", "x": part(&point[1..33]), "y": part(&point[33..])});
        format!("did:jwk:{}#0", part(jwk.to_string().as_bytes()))
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, key: &str) -> U256 {
    U256::from(value[key].as_u64().unwrap_or_default())
}

fn offer_digest(offer: &Value) -> B256 {
    let signed = terms::Offer {
        version: number(offer, "version"),
        resourceUrl: text(offer, "resourceUrl"),
        scheme: text(offer, "scheme"),
        network: text(offer, "network"),
        asset: text(offer, "asset"),
        payTo: text(offer, "payTo"),
        amount: text(offer, "amount"),
        validUntil: number(offer, "validUntil"),
    };
    signed.eip712_signing_hash(&OFFERS)
}

fn receipt_digest(receipt: &Value) -> B256 {
    let signed = Receipt {
        version: number(receipt, "version"),
        network: text(receipt, "network"),
        resourceUrl: text(receipt, "resourceUrl"),
        payer: text(receipt, "payer"),
        issuedAt: number(receipt, "issuedAt"),
        transaction: text(receipt, "transaction"),
    };
    signed.eip712_signing_hash(&RECEIPTS)
}
