//! What sellers and payers say to each other in x402, versions 1 and 2.

use alloy_primitives::{Address, B256, U256, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::stall::Dialect;
use crate::chain::{ASSET, NETWORK, NETWORK_V1, Transfer};
use crate::http as wire;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    pub fn number(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    fn payment_header(self) -> &'static str {
        match self {
            Self::V1 => "x-payment",
            Self::V2 => "payment-signature",
        }
    }

    fn receipt_header(self) -> &'static str {
        match self {
            Self::V1 => "x-payment-response",
            Self::V2 => "payment-response",
        }
    }

    fn network(self) -> &'static str {
        match self {
            Self::V1 => NETWORK_V1,
            Self::V2 => NETWORK,
        }
    }
}

/// What one request would cost, before it is put into either version's words.
pub struct Offer {
    pub dialect: Dialect,
    pub resource: String,
    pub description: String,
    pub price_atomic: u64,
    pub payee: Address,
    pub max_timeout_s: u64,
    pub extensions: Map<String, Value>,
}

impl Offer {
    /// A 402 that asks for payment and says why.
    pub fn challenge(&self, error: &str) -> Response<Bytes> {
        let body = match self.dialect {
            Dialect::V2 => json!({}),
            Dialect::V1 | Dialect::Both => self.challenge_v1(error),
        };
        let mut response = wire::json(402, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.dialect != Dialect::V1 {
            put_json(headers, "payment-required", &self.challenge_v2(error));
        }
        response
    }

    /// A 402 that says the settlement failed.
    pub fn settlement_failed(&self, payment: &Payment, reason: &str) -> Response<Bytes> {
        let body = match payment.version {
            Version::V1 => self.challenge_v1(reason),
            Version::V2 => json!({}),
        };
        let mut response = wire::json(402, &body);
        let receipt = json!({
            "success": false,
            "errorReason": reason,
            "transaction": "",
            "network": payment.version.network(),
            "payer": payment.transfer.from.to_string(),
        });
        let name = payment.version.receipt_header();
        put_json(response.headers_mut(), name, &receipt);
        response
    }

    pub fn resource_v2(&self) -> Value {
        json!({"url": self.resource, "description": self.description, "mimeType": "application/json"})
    }

    pub fn accepts_v2(&self) -> Value {
        json!({
            "scheme": "exact",
            "network": NETWORK,
            "amount": self.price_atomic.to_string(),
            "asset": ASSET.to_string(),
            "payTo": self.payee.to_string(),
            "maxTimeoutSeconds": self.max_timeout_s,
            "extra": {"name": "USDC", "version": "2"},
        })
    }

    fn challenge_v2(&self, error: &str) -> Value {
        let mut challenge = json!({
            "x402Version": 2,
            "error": error,
            "resource": self.resource_v2(),
            "accepts": [self.accepts_v2()],
        });
        if !self.extensions.is_empty() {
            challenge["extensions"] = Value::Object(self.extensions.clone());
        }
        challenge
    }

    fn challenge_v1(&self, error: &str) -> Value {
        json!({
            "x402Version": 1,
            "error": error,
            "accepts": [{
                "scheme": "exact",
                "network": NETWORK_V1,
                "maxAmountRequired": self.price_atomic.to_string(),
                "asset": ASSET.to_string(),
                "payTo": self.payee.to_string(),
                "resource": self.resource,
                "description": self.description,
                "mimeType": "application/json",
                "outputSchema": null,
                "maxTimeoutSeconds": self.max_timeout_s,
                "extra": {"name": "USDC", "version": "2"},
            }],
        })
    }
}

/// A payment as a client presented it.
#[derive(Clone, Debug)]
pub struct Payment {
    pub version: Version,
    /// The header, byte for byte.
    pub header: String,
    /// The header, decoded.
    pub said: Value,
    pub transfer: Transfer,
    pub signature: Vec<u8>,
}

impl Payment {
    /// The payment in a request's headers. One that cannot be read counts as none, as with the reference sellers.
    pub fn presented(headers: &HeaderMap) -> Option<Self> {
        [Version::V2, Version::V1].into_iter().find_map(|version| {
            let header = headers.get(version.payment_header())?.to_str().ok()?;
            Self::parse(version, header)
        })
    }

    fn parse(version: Version, header: &str) -> Option<Self> {
        let said: Value = serde_json::from_slice(&STANDARD.decode(header).ok()?).ok()?;
        let authorization = &said["payload"]["authorization"];
        let text = |key: &str| authorization[key].as_str();
        let number = |key| decimal(text(key)?);
        let transfer = Transfer {
            from: text("from")?.parse().ok()?,
            to: text("to")?.parse().ok()?,
            value: number("value")?,
            valid_after: number("validAfter")?,
            valid_before: number("validBefore")?,
            nonce: text("nonce")?.parse().ok()?,
        };
        let signature = hex::decode(said["payload"]["signature"].as_str()?).ok()?;
        let header = header.to_owned();
        Some(Self { version, header, said, transfer, signature })
    }

    /// The id a client chose for its purchase, where the `payment-identifier` extension is spoken.
    pub fn identifier(&self) -> Option<&str> {
        self.said["extensions"]["payment-identifier"]["info"]["id"].as_str()
    }

    /// Adds the receipt of a settled payment to a response.
    pub fn put_receipt(&self, response: &mut Response<Bytes>, tx: B256) {
        let receipt = json!({
            "success": true,
            "transaction": tx.to_string(),
            "network": self.version.network(),
            "payer": self.transfer.from.to_string(),
        });
        self.put(response, receipt);
    }

    /// One that is right in nothing but that the money moved.
    pub fn put_false_receipt(&self, response: &mut Response<Bytes>) {
        let receipt = json!({
            "success": true,
            "transaction": B256::repeat_byte(0x5c).to_string(),
            "network": "eip155:1",
            "payer": self.transfer.to.to_string(),
        });
        self.put(response, receipt);
    }

    fn put(&self, response: &mut Response<Bytes>, receipt: Value) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        put_json(headers, self.version.receipt_header(), &receipt);
    }
}

/// Digits and nothing else; a sign, a space or a `0x` is not a number here.
fn decimal(text: &str) -> Option<U256> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| U256::from_str_radix(text, 10).ok()).flatten()
}

fn put_json(headers: &mut HeaderMap, name: &'static str, value: &Value) {
    // Base64 is always a legal header value.
    if let Ok(encoded) = STANDARD.encode(value.to_string()).parse() {
        headers.insert(HeaderName::from_static(name), encoded);
    }
}
