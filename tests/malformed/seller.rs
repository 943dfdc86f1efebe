//! A seller that sends the challenges of the files, one at each path, and takes payment the way strict ones do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use alloy_primitives::hex;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bursar::authorization::{SolanaKey, TokenProgram, token_account};
use bytes::Bytes;
use ed25519_dalek::{Signature, VerifyingKey};
use http::{HeaderMap, HeaderValue, Response};
use sandbox::chain::{PlayChain, Transfer};
use sandbox::http::{Request, Server, Wire, json, response};
use sandbox::sellers::x402::{Payment, Version};
use serde_json::{Value, json};
use testkit::solana::{self, Cluster};

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
    cluster: Cluster,
    cases: BTreeMap<String, Case>,
    seen: Arc<Mutex<Seen>>,
}

impl Seller {
    pub async fn open(chain: Arc<PlayChain>, cluster: Cluster, cases: Vec<Case>) -> Seller {
        // What is paid must have somewhere to go.
        cluster.fund(solana::key(PAYEE), TokenProgram::Spl, solana::key(solana::USDC), 0);
        let seen = Arc::<Mutex<Seen>>::default();
        let cases = cases.into_iter().map(|case| (format!("/{}", case.name), case)).collect();
        let shop = Arc::new(Shop { chain, cluster, cases, seen: seen.clone() });
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
        let half = Half::presented(&request.headers);
        let mut reply = match (path.strip_prefix("/moved"), self.cases.get(path)) {
            (Some(there), _) => moved(there),
            (_, None) => response(404, "text/plain", "no such case"),
            (_, Some(case)) => match (x402, mpp, half) {
                (Some(payment), ..) => self.take(case, &payment),
                (None, Some(credential), _) => self.take_credential(case, &credential),
                (None, None, Some(half)) => self.take_half(case, &half),
                (None, None, None) => challenge(case, self.chain.now()),
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
        seen.complaints.extend(complaint(case, payment.version, &payment.said));
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

    fn take_half(&self, case: &Case, half: &Half) -> Response<Bytes> {
        let mut seen = self.seen.lock().unwrap();
        seen.paid += 1;
        seen.complaints.extend(complaint(case, half.version, &half.said));
        let mut reply = json(200, &json!({ "goods": case.name }));
        let Some((read, entry)) = half.what_it_pays(case) else {
            seen.complaints.push("it pays for no entry that was offered".to_owned());
            return reply;
        };
        seen.complaints.extend(half.complaint(&read, &entry));
        seen.last = Some((read.amount.to_string(), entry["payTo"].as_str().unwrap_or_default().to_owned()));
        // What a file names is no block of this cluster: only its nodes tell one that is.
        if entry["extra"]["recentBlockhash"] == SolanaKey(read.blockhash).to_string() {
            return reply;
        }
        match self.cluster.send(&half.transaction) {
            Ok(tx) => {
                let receipt = json!({ "success": true, "transaction": tx, "network": entry["network"] }).to_string();
                let name = if half.version == Version::V1 { "x-payment-response" } else { "payment-response" };
                reply.headers_mut().insert(name, STANDARD.encode(receipt).parse().unwrap());
            }
            Err(why) => seen.complaints.push(why),
        }
        reply
    }
}

/// Who is paid on Solana.
const PAYEE: &str = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse";

/// The payer's half of a chain transaction of Solana's.
struct Half {
    version: Version,
    said: Value,
    transaction: Vec<u8>,
}

impl Half {
    fn presented(headers: &HeaderMap) -> Option<Half> {
        let carried = |name: &str| headers.get(name).and_then(unpacked);
        let v2 = carried("payment-signature").map(|said| (Version::V2, said));
        let (version, said) = v2.or_else(|| carried("x-payment").map(|said| (Version::V1, said)))?;
        let transaction = STANDARD.decode(said["payload"]["transaction"].as_str()?).ok()?;
        Some(Half { version, said, transaction })
    }

    /// What it says, and the entry that it is for.
    fn what_it_pays(&self, case: &Case) -> Option<(solana::Read, Value)> {
        let read = solana::read(&self.transaction)?;
        let asked = asked(case, self.version)?;
        let is_this = |entry: &&Value| {
            let key = |name: &str| bursar::money::solana_key(entry[name].as_str()?).map(SolanaKey);
            let goes_there = |(payee, mint)| token_account(payee, TokenProgram::Spl, mint) == read.destination;
            let amount = entry["amount"].as_str().or(entry["maxAmountRequired"].as_str());
            let is_its_price = amount.and_then(|amount| amount.parse().ok()) == Some(read.amount);
            is_its_price && key("payTo").zip(key("asset")).is_some_and(goes_there)
        };
        let found = match self.version {
            Version::V2 => Some(&self.said["accepted"]).filter(is_this),
            Version::V1 | Version::Mpp => asked["accepts"].as_array()?.iter().find(is_this),
        };
        found.cloned().map(|entry| (read, entry))
    }

    /// What those who complete payments look at, beside what the entry's price and payee are.
    fn complaint(&self, read: &solana::Read, entry: &Value) -> Option<String> {
        let extra = &entry["extra"];
        let prescribed = extra["memo"].as_str().filter(|memo| !memo.is_empty());
        let is_nonce = read.memo.len() == 32 && read.memo.bytes().all(|byte| byte.is_ascii_hexdigit());
        let signature = self.transaction.get(65..129).and_then(|bytes| bytes.try_into().ok());
        let is_signed = VerifyingKey::from_bytes(&read.from.0).ok().zip(signature).is_some_and(|(key, signature)| {
            key.verify_strict(&read.message, &Signature::from_bytes(&signature)).is_ok()
        });
        let problem = if extra["feePayer"] != read.fee_payer.to_string() {
            "somebody else is to complete it"
        } else if entry["asset"] != read.mint.to_string() {
            "it pays in another asset"
        } else if prescribed.map_or(!is_nonce, |memo| memo != read.memo) {
            "it has another memo"
        } else if !is_signed {
            "it is not signed by whoever pays"
        } else {
            return None;
        };
        Some(problem.to_owned())
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
fn complaint(case: &Case, version: Version, said: &Value) -> Option<String> {
    let asked = asked(case, version)?;
    let entries = asked["accepts"].as_array()?;
    let problem = match version {
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
