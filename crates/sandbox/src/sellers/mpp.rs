//! What sellers and payers say to each other in MPP: `evm/charge`, paid by an EIP-3009 authorization whose nonce binds it
//! to its challenge.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName};
use serde_json::{Map, Value, json};

use super::payload;
use super::x402::{Payment, Version};
use crate::chain::{CHAIN_ID, PlayAsset};

/// How a server makes the nonce it wants of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The hash of id and realm, one after the other: the specification, and mppx.
    Joined,
    /// The hash of both as a JSON list: pympp, which puts its mark into `opaque`.
    Json,
}

/// What one challenge asks for.
#[derive(Clone, Debug)]
pub struct Charge {
    pub form: Form,
    /// In the asset's smallest unit, as it stands in the challenge.
    pub price: String,
    pub asset: PlayAsset,
    pub payee: Address,
    pub realm: String,
    /// In seconds, by the chain.
    pub expires: i64,
    /// More parameters of the challenge, as they stand in the header.
    pub more: String,
    /// Every challenge has the same id.
    pub one_id: bool,
}

/// The challenges a seller has issued, each by its id.
#[derive(Default)]
pub struct Till(Mutex<BTreeMap<String, Issued>>);

struct Issued {
    /// As the seller wants it back.
    echo: Value,
    expires: i64,
}

impl Charge {
    /// The header its credential is to come in.
    pub fn header(&self) -> HeaderName {
        let is_another = self.more.contains("header=\"Payment-Authorization\"");
        HeaderName::from_static(if is_another { "payment-authorization" } else { "authorization" })
    }

    fn request(&self) -> Value {
        let details = json!({ "chainId": CHAIN_ID, "credentialTypes": ["authorization"], "decimals": 6 });
        let mut request = json!({ "amount": self.price, "currency": self.asset.address.to_checksum(None),
                                  "methodDetails": details, "recipient": self.payee.to_checksum(None) });
        if self.form == Form::Json {
            request["_mppx_scope"] = json!({ "http_method": "GET", "resource": "/thing" });
        }
        request
    }
}

impl Till {
    /// A fresh challenge, as it stands in `WWW-Authenticate`.
    pub fn ask(&self, charge: &Charge) -> String {
        let (realm, request) = (&charge.realm, charge.request());
        let mut issued = self.issued();
        let count = if charge.one_id { 0 } else { issued.len() };
        let id = URL_SAFE_NO_PAD.encode(keccak256(format!("{realm}|{request}|{count}")));
        let mut params = vec![
            ("id", id.clone()),
            ("realm", realm.clone()),
            ("method", "evm".to_owned()),
            ("intent", "charge".to_owned()),
            ("request", packed(&request)),
            ("expires", timestamp(charge.expires)),
        ];
        if charge.form == Form::Json {
            params.push(("opaque", packed(&json!({ "_mpp_nonce": hex::encode(keccak256(&id)) }))));
        }
        let written: Vec<String> = params.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let mut echo: Map<String, Value> =
            params.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if charge.more.contains("header=") {
            echo.insert("header".to_owned(), json!("Payment-Authorization"));
        }
        issued.insert(id, Issued { echo: Value::Object(echo), expires: charge.expires });
        format!("Payment {}{}", written.join(", "), charge.more)
    }

    /// What the reference servers check before they go to the chain, and what is wrong with this payment.
    pub fn complaint(&self, charge: &Charge, payment: &Payment, now: u64) -> Option<&'static str> {
        let (challenge, payload, transfer) = (&payment.said["challenge"], &payment.said["payload"], &payment.transfer);
        let text = |key: &str| challenge[key].as_str().unwrap_or_default();
        let payer = payload["from"].as_str().unwrap_or_default();
        let issued = self.issued();
        let issued = issued.get(text("id"));
        let expires = issued.map_or(0, |issued| issued.expires);
        let checks = [
            (issued.is_some_and(|issued| issued.echo == *challenge), "another challenge came back"),
            (u64::try_from(expires).is_ok_and(|expires| expires > now), "the challenge has expired"),
            (payload["type"] == "authorization", "another type of credential"),
            (transfer.to == charge.payee && payload["value"] == charge.price.as_str(), "another payee or amount"),
            (payload["validAfter"] == "0", "it is to be valid from the beginning"),
            (transfer.valid_before <= U256::from(expires.unsigned_abs()), "it is valid for longer than the challenge"),
            (transfer.nonce == nonce(charge.form, text("id"), text("realm")), "the nonce binds another challenge"),
            (payment.said["source"] == format!("did:pkh:eip155:{CHAIN_ID}:{payer}"), "another source"),
            (payer.parse::<Address>().is_ok_and(|from| from.to_checksum(None) == payer), "an address with no checksum"),
        ];
        checks.iter().find(|(is_met, _)| !is_met).map(|(_, complaint)| *complaint)
    }

    fn issued(&self) -> MutexGuard<'_, BTreeMap<String, Issued>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The credential in a header, where it can be read.
pub fn credential(headers: &HeaderMap, name: impl http::header::AsHeaderName) -> Option<Payment> {
    let header = headers.get(name)?.to_str().ok()?.to_owned();
    let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header.strip_prefix("Payment ")?).ok()?).ok()?;
    let transfer = payload::transfer(&said["payload"])?;
    let signature = hex::decode(said["payload"]["signature"].as_str()?).ok()?;
    Some(Payment { version: Version::Mpp, header, said, transfer, permit2: None, signature })
}

/// The asset that a credential's challenge asks for.
pub(super) fn asset(said: &Value) -> Option<Address> {
    let request = URL_SAFE_NO_PAD.decode(said["challenge"]["request"].as_str()?).ok()?;
    let request: Value = serde_json::from_slice(&request).ok()?;
    request["currency"].as_str()?.parse().ok()
}

/// What stands in `Payment-Receipt`, of money that was taken by this chain transaction.
pub fn receipt(tx: &str) -> String {
    packed(&json!({ "method": "evm", "reference": tx, "status": "success", "timestamp": "2027-01-15T08:00:00Z" }))
}

fn nonce(form: Form, id: &str, realm: &str) -> B256 {
    match form {
        Form::Joined => keccak256(format!("{id}{realm}")),
        Form::Json => keccak256(json!([id, realm]).to_string()),
    }
}

/// JSON as it stands in a header.
pub fn packed(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A second as RFC 3339 has it. HTTP's own dates have the same fields in other places.
fn timestamp(secs: i64) -> String {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs.unsigned_abs()));
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == &date[8..11]).unwrap_or_default() + 1;
    format!("{}-{month:02}-{}T{}Z", &date[12..16], &date[5..7], &date[17..25])
}
