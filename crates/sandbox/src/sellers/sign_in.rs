//! A keeper that lets whoever has paid in again, once it is told which wallet that is (`sign-in-with-x`).
//!
//! Written apart from the wallet's code on purpose: the text is put together here from what the header says, and whoever
//! signed it is recovered. When both agree, they are right.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::{Address, B256, hex, keccak256};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::chain::NETWORK;
use crate::eip3009::signer;
use crate::http::Request;

pub const EXTENSION: &str = "sign-in-with-x";
pub const HEADER: &str = "sign-in-with-x";

/// How a keeper asks for a sign-in, and what it does with one.
#[derive(Clone, Debug, Default)]
pub struct SignIn {
    /// Nothing is for sale: whoever signs in gets the goods.
    pub is_all: bool,
    /// What the challenge says otherwise than a keeper that means well would.
    pub says: Option<Value>,
    /// The chains it names, where they are not its own.
    pub chains: Option<Value>,
    /// It has lost its list of who paid.
    pub forgets: bool,
    /// What it answers to every sign-in, whoever it is.
    pub answers: Option<u16>,
    /// Where it sends whoever signs in.
    pub sends_to: Option<String>,
}

impl SignIn {
    /// Lets in whoever has paid.
    pub fn again() -> Self {
        Self::default()
    }

    /// Lets in whoever signs in.
    pub fn only() -> Self {
        Self { is_all: true, ..Self::default() }
    }

    /// Says this in its challenge, whatever would be right.
    pub fn saying(field: &str, value: impl Into<Value>) -> Self {
        let mut says = json!({});
        says[field] = value.into();
        Self { says: Some(says), ..Self::default() }
    }
}

/// Who has paid for what, and what was asked of whom.
#[derive(Default)]
pub struct Door {
    paid: Mutex<HashSet<(String, Address)>>,
    asked: Mutex<HashSet<String>>,
    challenges: AtomicU64,
}

impl Door {
    /// The extension of one challenge.
    pub fn asks(&self, sign_in: &SignIn, resource: &str, now: u64) -> Value {
        let nth = self.challenges.fetch_add(1, Ordering::Relaxed);
        let nonce = hex::encode(&keccak256(format!("{resource} {now} {nth}"))[..16]);
        lock(&self.asked).insert(nonce.clone());
        let mut info = json!({
            "domain": authority(resource),
            "uri": resource,
            "version": "1",
            "nonce": nonce,
            "issuedAt": rfc3339(now),
            "expirationTime": rfc3339(now + 300),
            "statement": "Sign in to read again what you have paid for",
            "resources": [resource],
        });
        if let (Some(Value::Object(says)), Some(info)) = (&sign_in.says, info.as_object_mut()) {
            info.extend(says.clone());
        }
        let chains = sign_in.chains.clone().unwrap_or_else(|| json!([{"chainId": NETWORK, "type": "eip191"}]));
        json!({"info": info, "supportedChains": chains, "schema": {"type": "object"}})
    }

    /// Whoever has paid for a thing may have it again.
    pub fn note_paid(&self, path: &str, payer: Address) {
        lock(&self.paid).insert((path.to_owned(), payer));
    }

    /// Whether a request says who asks, in a way that can be believed, and whether that is enough.
    pub fn lets_in(&self, sign_in: &SignIn, request: &Request, resource: &str, now: u64) -> bool {
        let Some(who) = self.who(request, resource, now) else { return false };
        let has_paid = || lock(&self.paid).contains(&(request.uri.path().to_owned(), who));
        sign_in.is_all || (!sign_in.forgets && has_paid())
    }

    /// Each word of ours is good for one sign-in, here, within its time.
    fn who(&self, request: &Request, resource: &str, now: u64) -> Option<Address> {
        let said = presented(request)?;
        let text = |name: &str| said[name].as_str();
        let origin = resource.split('/').take(3).collect::<Vec<_>>().join("/");
        let is_ours = text("domain")? == authority(resource) && text("uri")?.starts_with(&origin);
        let is_in_time = text("issuedAt")? <= rfc3339(now).as_str() && text("expirationTime")? > rfc3339(now).as_str();
        let is_asked = lock(&self.asked).remove(text("nonce")?);
        let signature = hex::decode(text("signature")?).ok()?;
        let who = signer(hash(&message(&said)?), &signature)?;
        (is_ours && is_in_time && is_asked && text("address")? == who.to_string()).then_some(who)
    }
}

/// What a request says of who asks.
pub fn presented(request: &Request) -> Option<Value> {
    let header = request.headers.get(HEADER)?.to_str().ok()?;
    serde_json::from_slice(&STANDARD.decode(header).ok()?).ok()
}

/// EIP-4361, from what the header says.
fn message(said: &Value) -> Option<String> {
    let chain = said["chainId"].as_str()?.strip_prefix("eip155:")?;
    let mut text = format!(
        "{} wants you to sign in with your Ethereum account:\n{}\n\n",
        said["domain"].as_str()?,
        said["address"].as_str()?
    );
    if let Some(statement) = said["statement"].as_str() {
        text += &format!("{statement}\n");
    }
    text += &format!("\nURI: {}\nVersion: {}", said["uri"].as_str()?, said["version"].as_str()?);
    text += &format!("\nChain ID: {chain}\nNonce: {}", said["nonce"].as_str()?);
    text += &format!("\nIssued At: {}", said["issuedAt"].as_str()?);
    for (line, name) in
        [("Expiration Time", "expirationTime"), ("Not Before", "notBefore"), ("Request ID", "requestId")]
    {
        if let Some(value) = said[name].as_str() {
            text += &format!("\n{line}: {value}");
        }
    }
    if let Some(resources) = said["resources"].as_array() {
        text += "\nResources:";
        for resource in resources {
            text += &format!("\n- {}", resource.as_str()?);
        }
    }
    Some(text)
}

/// EIP-191, version `E`.
fn hash(text: &str) -> B256 {
    keccak256([format!("\x19Ethereum Signed Message:\n{}", text.len()).as_bytes(), text.as_bytes()].concat())
}

fn authority(resource: &str) -> &str {
    resource.split('/').nth(2).unwrap_or_default()
}

/// Seconds since 1970 as the extension writes time.
fn rfc3339(secs: u64) -> String {
    let (days, of_day) = (secs / 86_400, secs % 86_400);
    // Days since the first of March of the year 0, in eras of 400 years.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(1_800_000_000), "2027-01-15T08:00:00.000Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59.000Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00.000Z");
    }

    /// Made with `@x402/extensions` 2.27.0 and viem 2.57.1.
    #[test]
    fn the_references_header_is_recovered_to_its_signer() {
        let said = json!({
            "domain": "api.example.com", "address": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
            "statement": "Sign in to access premium data", "uri": "https://api.example.com/premium-data?x=1",
            "version": "1", "chainId": "eip155:8453", "type": "eip191", "nonce": "a1b2c3d4e5f67890a1b2c3d4e5f67890",
            "issuedAt": "2026-11-28T12:00:00.000Z", "expirationTime": "2026-11-28T12:05:00.000Z",
            "notBefore": "2026-11-28T12:00:00.000Z", "requestId": "req-7",
            "resources": ["https://api.example.com/premium-data?x=1", "https://api.example.com/other"],
        });
        let signature = hex::decode(
            "2bf5dc94eac8f2f24c336cae4afe50666eb4355a67b5495505c5b08159ca59bd5ed3b7a5bfb54d3983a126c481160dfbafed205f035ecebe608644080298a5f61b",
        );
        let who = signer(hash(&message(&said).expect("a message")), &signature.expect("hex"));
        assert_eq!(who.map(|who| who.to_string()).as_deref(), said["address"].as_str());
    }
}
