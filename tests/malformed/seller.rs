//! A seller that sends the challenges of the files, one at each path, and takes payment the way strict ones do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use alloy_primitives::hex;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use sandbox::chain::{PlayChain, Transfer};
use sandbox::http::{Request, Server, Wire, json, response};
use sandbox::sellers::x402::{Payment, Version};
use serde_json::{Value, json};

use crate::case::Case;

pub struct Seller {
    server: Server,
    seen: Arc<Mutex<Seen>>,
}

/// Since it was last asked.
#[derive(Default)]
struct Seen {
    last: Option<(String, String)>,
    paid: usize,
    complaints: Vec<String>,
}

struct Shop {
    chain: Arc<PlayChain>,
    cases: BTreeMap<String, Case>,
    seen: Arc<Mutex<Seen>>,
}

impl Seller {
    pub async fn open(chain: Arc<PlayChain>, cases: Vec<Case>) -> Seller {
        let seen = Arc::<Mutex<Seen>>::default();
        let cases = cases.into_iter().map(|case| (format!("/{}", case.name), case)).collect();
        let shop = Arc::new(Shop { chain, cases, seen: seen.clone() });
        let serve = move |request: Request| {
            let shop = shop.clone();
            async move { Wire::Answer(shop.answer(&request)) }
        };
        Seller { server: Server::start(0, serve).await.unwrap(), seen }
    }

    pub fn port(&self) -> u16 {
        self.server.address.port()
    }

    pub fn url(&self, case: &Case) -> String {
        let before = if case.redirected { "/moved" } else { "" };
        format!("{}{before}/{}", self.server.url(), case.name)
    }

    /// What was paid since this was last asked.
    pub fn last_payment(&self) -> Option<(String, String)> {
        self.seen.lock().unwrap().last.take()
    }

    /// What a strict seller did not like since this was last asked.
    pub fn complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap().complaints)
    }

    /// How many payments were presented in all.
    pub fn paid(&self) -> usize {
        self.seen.lock().unwrap().paid
    }
}

impl Shop {
    fn answer(&self, request: &Request) -> Response<Bytes> {
        let path = request.uri.path();
        let (x402, mpp) = (Payment::presented(&request.headers), Credential::presented(&request.headers));
        let mut reply = match (path.strip_prefix("/moved"), self.cases.get(path)) {
            (Some(there), _) => moved(there),
            (_, None) => response(404, "text/plain", "no such case"),
            (_, Some(case)) => match (x402, mpp) {
                (Some(payment), _) => self.take(case, &payment),
                (None, Some(credential)) => self.take_credential(case, &credential),
                (None, None) => challenge(case, self.chain.now()),
            },
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.chain.now());
        reply.headers_mut().insert("date", httpdate::fmt_http_date(now).parse().unwrap());
        reply
    }

    /// Hands over the goods for a payment that says what was asked, and settles.
    fn take(&self, case: &Case, payment: &Payment) -> Response<Bytes> {
        let mut seen = self.seen.lock().unwrap();
        seen.paid += 1;
        seen.complaints.extend(complaint(case, payment));
        seen.last = Some((payment.transfer.value.to_string(), payment.transfer.to.to_string()));
        let mut reply = json(200, &json!({ "goods": case.name }));
        match self.chain.transfer_with_authorization(&payment.transfer, &payment.signature) {
            Ok(tx) => payment.put_receipt(&mut reply, tx),
            Err(reverted) => seen.complaints.push(reverted.to_string()),
        }
        reply
    }

    fn take_credential(&self, case: &Case, credential: &Credential) -> Response<Bytes> {
        let mut seen = self.seen.lock().unwrap();
        seen.paid += 1;
        seen.complaints.extend(credential.complaint(case, self.chain.now()));
        seen.last = Some((credential.transfer.value.to_string(), credential.transfer.to.to_string()));
        let mut reply = json(200, &json!({ "goods": case.name }));
        match self.chain.transfer_with_authorization(&credential.transfer, &credential.signature) {
            Ok(tx) => {
                let receipt =
                    json!({ "method": "evm", "status": "success", "reference": tx, "timestamp": "" }).to_string();
                let receipt = URL_SAFE_NO_PAD.encode(receipt).parse().unwrap();
                reply.headers_mut().insert("payment-receipt", receipt);
            }
            Err(reverted) => seen.complaints.push(reverted.to_string()),
        }
        reply
    }
}

/// What answers a challenge of MPP.
struct Credential {
    challenge: Value,
    header: &'static str,
    transfer: Transfer,
    signature: Vec<u8>,
}

impl Credential {
    fn presented(headers: &HeaderMap) -> Option<Credential> {
        let carried =
            |header: &'static str| Some((header, headers.get(header)?.to_str().ok()?.strip_prefix("Payment ")?));
        let (header, text) = carried("authorization").or_else(|| carried("payment-authorization"))?;
        let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let text = |key: &str| said["payload"][key].as_str();
        let transfer = Transfer {
            from: text("from")?.parse().ok()?,
            to: text("to")?.parse().ok()?,
            value: text("value")?.parse().ok()?,
            valid_after: text("validAfter")?.parse().ok()?,
            valid_before: text("validBefore")?.parse().ok()?,
            nonce: text("nonce")?.parse().ok()?,
        };
        let signature = hex::decode(text("signature")?).ok()?;
        Some(Credential { challenge: said["challenge"].clone(), header, transfer, signature })
    }

    /// Each parameter comes back as it was sent, in the header that was asked for.
    fn complaint(&self, case: &Case, now: u64) -> Option<String> {
        let headers = case.headers_at(now);
        let sent = headers.get_all("www-authenticate").iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let sent = sent.collect::<Vec<_>>().join(", ").to_lowercase();
        let params = self.challenge.as_object().cloned().unwrap_or_default();
        let is_sent = |(name, value): (&String, &Value)| {
            let value = value.as_str().unwrap_or_default().replace('\\', "\\\\").replace('"', "\\\"");
            let bare = sent.contains(&format!("{name}={}", value.to_lowercase()));
            bare || sent.replace(" = ", "=").contains(&format!("{name}=\"{}\"", value.to_lowercase()))
        };
        let wanted = if params.contains_key("header") { "payment-authorization" } else { "authorization" };
        match params.iter().all(is_sent) && params.len() >= 6 {
            false => Some(format!("another challenge came back: {}", self.challenge)),
            true => (self.header != wanted).then(|| format!("the credential came in {}", self.header)),
        }
    }
}

fn moved(there: &str) -> Response<Bytes> {
    let mut reply = response(307, "text/plain", "moved");
    reply.headers_mut().insert("location", there.parse().unwrap());
    reply
}

fn challenge(case: &Case, now: u64) -> Response<Bytes> {
    let mut reply = Response::new(Bytes::from(case.body.clone()));
    *reply.status_mut() = http::StatusCode::PAYMENT_REQUIRED;
    *reply.headers_mut() = case.headers_at(now);
    reply
}

/// What the reference servers compare: that the entry, the resource and the extensions come back as they were sent.
fn complaint(case: &Case, payment: &Payment) -> Option<String> {
    let said = &payment.said;
    let asked = asked(case, payment.version)?;
    let entries = asked["accepts"].as_array()?;
    let problem = match payment.version {
        Version::V1 if !entries.iter().any(|entry| entry["network"] == said["network"]) => {
            "no such network was offered"
        }
        Version::V2 if !entries.contains(&said["accepted"]) => "no such entry was offered",
        Version::V2 if asked["resource"] != said["resource"] => "another resource came back",
        Version::V2 if !echoes(&asked["extensions"], &said["extensions"]) => "other extensions came back",
        _ => return None,
    };
    Some(problem.to_owned())
}

/// Everything that was sent is there; something may have been added.
fn echoes(sent: &Value, back: &Value) -> bool {
    match (sent, back) {
        (Value::Object(sent), Value::Object(back)) => {
            sent.iter().all(|(key, value)| back.get(key).is_some_and(|back| echoes(value, back)))
        }
        _ => sent == back,
    }
}

/// The challenge of this version that a case sends.
fn asked(case: &Case, version: Version) -> Option<Value> {
    let header = case.headers_at(0).get("payment-required").and_then(unpacked);
    let body = std::str::from_utf8(&case.body).ok().and_then(|text| read(text.trim_start_matches('\u{feff}')));
    let is_this = |challenge: &Value| match &challenge["x402Version"] {
        Value::String(text) => *text == version.number().to_string(),
        number => *number == version.number(),
    };
    [header, body].into_iter().flatten().find(is_this)
}

fn unpacked(value: &HeaderValue) -> Option<Value> {
    let standard = value.to_str().ok()?.trim_end_matches('=').replace('-', "+").replace('_', "/");
    read(std::str::from_utf8(&STANDARD_NO_PAD.decode(standard).ok()?).ok()?)
}

fn read(text: &str) -> Option<Value> {
    serde_json::from_str(text.trim()).ok()
}
