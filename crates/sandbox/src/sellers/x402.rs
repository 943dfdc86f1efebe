//! What sellers and payers say to each other in x402, versions 1 and 2. (What they say in [MPP](super::mpp) has a file of
//! its own.)

use alloy_primitives::{Address, B256, U256, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use super::stall::Dialect;
use super::way::Way;
use super::{mpp, payload};
use crate::chain::{ASSET, NETWORK, NETWORK_V1, PlayAsset, Transfer};
use crate::http as wire;
use crate::permit2::Permit2Transfer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
    /// None of x402: MPP.
    Mpp,
}

impl Version {
    pub fn number(self) -> u64 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::Mpp => 0,
        }
    }

    fn payment_header(self) -> &'static str {
        match self {
            Self::V1 => "x-payment",
            Self::V2 => "payment-signature",
            Self::Mpp => "authorization",
        }
    }

    fn receipt_header(self) -> &'static str {
        match self {
            Self::V1 => "x-payment-response",
            Self::V2 => "payment-response",
            Self::Mpp => "payment-receipt",
        }
    }

    fn network(self) -> &'static str {
        match self {
            Self::V1 => NETWORK_V1,
            Self::V2 | Self::Mpp => NETWORK,
        }
    }
}

/// What a facilitator says when Permit2 may not take the money yet.
pub const ALLOWANCE_REQUIRED: &str = "permit2_allowance_required";

/// What one request would cost, before it is put into either version's words.
pub struct Offer {
    pub dialect: Dialect,
    pub ways: Vec<Way>,
    pub asset: PlayAsset,
    /// Whether exact payments are settled before the goods are made.
    pub upfront: bool,
    pub resource: String,
    pub description: String,
    pub price_atomic: u64,
    pub payee: Address,
    pub max_timeout_s: u64,
    pub extensions: Map<String, Value>,
}

impl Offer {
    /// A 402 that asks for payment and says why; a 412 where only Permit2's allowance is missing.
    pub fn challenge(&self, error: &str) -> Response<Bytes> {
        let status = if error == ALLOWANCE_REQUIRED { 412 } else { 402 };
        let is_x402 = self.ways != [Way::Mpp];
        let body = match self.dialect {
            _ if !is_x402 => json!({"title": "Payment Required", "detail": error}),
            Dialect::V2 => json!({}),
            Dialect::V1 | Dialect::Both => self.challenge_v1(error),
        };
        let mut response = wire::json(status, &body);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if is_x402 && self.dialect != Dialect::V1 {
            put_json(headers, "payment-required", &self.challenge_v2(error));
        }
        response
    }

    /// A 402 that says the settlement failed.
    pub fn settlement_failed(&self, payment: &Payment, reason: &str) -> Response<Bytes> {
        let body = match payment.version {
            Version::V1 => self.challenge_v1(reason),
            Version::V2 | Version::Mpp => json!({}),
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

    /// The entries of a v2 challenge, one for each way.
    pub fn accepts_v2(&self) -> Vec<Value> {
        self.ways.iter().filter(|way| **way != Way::Mpp).map(|way| self.entry_v2(*way)).collect()
    }

    /// One entry of a v2 challenge.
    pub fn entry_v2(&self, way: Way) -> Value {
        json!({
            "scheme": way.scheme(),
            "network": NETWORK,
            "amount": self.price_atomic.to_string(),
            "asset": self.asset.address.to_string(),
            "payTo": self.payee.to_string(),
            "maxTimeoutSeconds": self.max_timeout_s,
            "extra": way.extra(&self.asset, self.upfront),
        })
    }

    /// Whether a payment this way is settled before the goods are made.
    pub fn settles_first(&self, way: Way) -> bool {
        self.upfront && way.can_be_upfront()
    }

    fn challenge_v2(&self, error: &str) -> Value {
        let mut challenge = json!({
            "x402Version": 2,
            "error": error,
            "resource": self.resource_v2(),
            "accepts": self.accepts_v2(),
        });
        if !self.extensions.is_empty() {
            challenge["extensions"] = Value::Object(self.extensions.clone());
        }
        challenge
    }

    /// What cannot be said in v1 is left out.
    fn challenge_v1(&self, error: &str) -> Value {
        let ways = self.ways.iter().filter(|way| **way == Way::Eip3009);
        let accepts: Vec<Value> = ways.map(|_| self.entry_v1()).collect();
        json!({"x402Version": 1, "error": error, "accepts": accepts})
    }

    fn entry_v1(&self) -> Value {
        json!({
            "scheme": "exact",
            "network": NETWORK_V1,
            "maxAmountRequired": self.price_atomic.to_string(),
            "asset": self.asset.address.to_string(),
            "payTo": self.payee.to_string(),
            "resource": self.resource,
            "description": self.description,
            "mimeType": "application/json",
            "outputSchema": null,
            "maxTimeoutSeconds": self.max_timeout_s,
            "extra": {"name": self.asset.name, "version": self.asset.version},
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
    /// Who pays whom, the most it can take, and when. The nonce of a Permit2 payment is here as 32 bytes.
    pub transfer: Transfer,
    /// What was signed, where it was signed for Permit2.
    pub permit2: Option<Permit2Transfer>,
    pub signature: Vec<u8>,
}

impl Payment {
    /// The payment in a request's headers. One that cannot be read counts as none, as with the reference sellers.
    pub fn presented(headers: &HeaderMap) -> Option<Self> {
        let x402 = [Version::V2, Version::V1].into_iter().find_map(|version| {
            let header = headers.get(version.payment_header())?.to_str().ok()?;
            Self::parse(version, header)
        });
        x402.or_else(|| mpp::credential(headers, Version::Mpp.payment_header()))
    }

    fn parse(version: Version, header: &str) -> Option<Self> {
        let said: Value = serde_json::from_slice(&STANDARD.decode(header).ok()?).ok()?;
        let payload = &said["payload"];
        let permit2 = payload::permit2(payload);
        let transfer = permit2.as_ref().map(payload::in_short).or_else(|| payload::authorization(payload))?;
        let signature = hex::decode(payload["signature"].as_str()?).ok()?;
        let header = header.to_owned();
        Some(Self { version, header, said, transfer, permit2, signature })
    }

    /// The way it pays, by what was signed.
    pub fn way(&self) -> Way {
        match &self.permit2 {
            None if self.version == Version::Mpp => Way::Mpp,
            None => Way::Eip3009,
            Some(signed) if signed.facilitator.is_none() => Way::Permit2,
            Some(_) => Way::Upto,
        }
    }

    /// The asset it pays in. What an authorization is for only its signature says, so it is the one that was accepted.
    pub fn asset(&self) -> Address {
        let accepted = || match self.version {
            Version::V1 | Version::V2 => self.said["accepted"]["asset"].as_str()?.parse().ok(),
            Version::Mpp => mpp::asset(&self.said),
        };
        self.permit2.as_ref().map(|signed| signed.asset).or_else(accepted).unwrap_or(ASSET)
    }

    /// The id a client chose for its purchase, where the `payment-identifier` extension is spoken.
    pub fn identifier(&self) -> Option<&str> {
        self.said["extensions"]["payment-identifier"]["info"]["id"].as_str()
    }

    /// Adds the receipt of a settled payment to a response.
    pub fn put_receipt(&self, response: &mut Response<Bytes>, tx: B256) {
        self.put_receipt_over(response, Some(tx), None);
    }

    /// The same with the amount that was taken. Nothing taken has no chain transaction.
    pub fn put_receipt_over(&self, response: &mut Response<Bytes>, tx: Option<B256>, amount: Option<U256>) {
        let mut receipt = json!({
            "success": true,
            "transaction": tx.map(|tx| tx.to_string()).unwrap_or_default(),
            "network": self.version.network(),
            "payer": self.transfer.from.to_string(),
        });
        if let Some(amount) = amount {
            receipt["amount"] = json!(amount.to_string());
        }
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

    /// MPP knows less to say.
    fn put(&self, response: &mut Response<Bytes>, receipt: Value) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
        let name = self.version.receipt_header();
        match self.version {
            Version::V1 | Version::V2 => put_json(headers, name, &receipt),
            Version::Mpp => {
                let tx = receipt["transaction"].as_str().unwrap_or_default();
                put_text(headers, name, &mpp::receipt(tx));
            }
        }
    }
}

fn put_json(headers: &mut HeaderMap, name: &'static str, value: &Value) {
    put_text(headers, name, &STANDARD.encode(value.to_string()));
}

/// Base64 is always a legal header value.
fn put_text(headers: &mut HeaderMap, name: &'static str, base64: &str) {
    if let Ok(value) = base64.parse() {
        headers.insert(HeaderName::from_static(name), value);
    }
}
