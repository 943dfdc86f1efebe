//! A seller that speaks MPP: `evm/charge` with EIP-3009 on the sandbox's chain, by the rules of either reference server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use alloy_primitives::{Address, B256, U256, hex, keccak256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bursar::time::Time;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use sandbox::chain::{ASSET, CHAIN_ID, PlayChain, Transfer};
use sandbox::http::{Request, Server, Wire, json, response};
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::x402::Payment;
use sandbox::sellers::{Seen, facilitator};
use serde_json::{Map, Value, json};

/// How a server makes the nonce it wants of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The hash of id and realm, one after the other: the specification, and mppx.
    Joined,
    /// The hash of both as a JSON list: pympp, which puts its mark into `opaque`.
    Json,
}

/// What becomes of a credential that was paid with already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// 403 without a challenge.
    Forbidden,
    /// The goods, once more.
    Goods,
}

/// What one seller asks for, and how it answers.
#[derive(Clone, Debug)]
pub struct Terms {
    pub form: Form,
    pub price: String,
    pub realm: String,
    /// Seconds from when it is asked.
    pub expires_in: i64,
    pub again: Again,
    /// More parameters of the challenge, as they stand in the header.
    pub more: String,
    /// Headers of the 402 beside the challenge, or in place of it.
    pub beside: Vec<(&'static str, String)>,
    /// The status of every answer to a credential, instead of taking it.
    pub always: Option<u16>,
    /// Settles, and then answers with this status and a fresh challenge.
    pub after_settling: Option<u16>,
    /// Every challenge has the same id.
    pub one_id: bool,
}

pub struct MppSeller {
    server: Server,
    shop: Arc<Shop>,
}

struct Shop {
    chain: Arc<PlayChain>,
    terms: Terms,
    seen: Mutex<Vec<Seen>>,
    /// Each challenge by its id, as it wants it back.
    issued: Mutex<BTreeMap<String, Value>>,
    taken: Mutex<BTreeMap<String, B256>>,
    complaints: Mutex<Vec<String>>,
}

impl Terms {
    /// A cent, for five minutes, as mppx asks for it.
    pub fn cent() -> Terms {
        Terms {
            form: Form::Joined,
            price: "10000".to_owned(),
            realm: "127.0.0.1".to_owned(),
            expires_in: 300,
            again: Again::Forbidden,
            more: String::new(),
            beside: Vec::new(),
            always: None,
            after_settling: None,
            one_id: false,
        }
    }
}

impl MppSeller {
    pub async fn open(chain: Arc<PlayChain>, terms: Terms) -> MppSeller {
        let (seen, issued, taken, complaints) = Default::default();
        let shop = Arc::new(Shop { chain, terms, seen, issued, taken, complaints });
        let serving = shop.clone();
        let serve = move |request: Request| {
            let shop = serving.clone();
            async move { Wire::Answer(shop.answer(&request)) }
        };
        MppSeller { server: Server::start(0, serve).await.unwrap(), shop }
    }

    /// Host and port, as rules open them.
    pub fn door(&self) -> String {
        self.server.address.to_string()
    }

    pub fn url(&self) -> String {
        format!("{}/thing", self.server.url())
    }

    /// Every request that carried a payment.
    pub fn payments(&self) -> Vec<Seen> {
        lock(&self.shop.seen).iter().filter(|seen| seen.payment_header.is_some()).cloned().collect()
    }

    /// Every request.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.shop.seen).clone()
    }

    /// What was wrong with the credentials that came.
    pub fn complaints(&self) -> Vec<String> {
        lock(&self.shop.complaints).clone()
    }
}

/// A credential as it came.
struct Credential {
    challenge: Value,
    payload: Value,
    source: Value,
    transfer: Transfer,
    signature: Vec<u8>,
}

impl Shop {
    fn answer(&self, request: &Request) -> Response<Bytes> {
        self.note(request);
        let mut reply = match (self.credential(&request.headers), Payment::presented(&request.headers)) {
            (Some(credential), _) => self.take(&credential),
            (None, Some(payment)) => self.take_x402(&payment),
            (None, None) => self.ask(402),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.chain.now());
        reply.headers_mut().insert("date", httpdate::fmt_http_date(now).parse().unwrap());
        reply
    }

    fn header(&self) -> HeaderName {
        let is_another = self.terms.more.contains("header=\"Payment-Authorization\"");
        HeaderName::from_static(if is_another { "payment-authorization" } else { "authorization" })
    }

    fn credential(&self, headers: &HeaderMap) -> Option<Credential> {
        let written = headers.get(self.header())?.to_str().ok()?.strip_prefix("Payment ")?;
        let said: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(written).ok()?).ok()?;
        let payload = said["payload"].clone();
        let text = |key: &str| payload[key].as_str();
        let number = |key: &str| text(key)?.parse::<U256>().ok();
        let transfer = Transfer {
            from: text("from")?.parse().ok()?,
            to: text("to")?.parse().ok()?,
            value: number("value")?,
            valid_after: number("validAfter")?,
            valid_before: number("validBefore")?,
            nonce: text("nonce")?.parse().ok()?,
        };
        let signature = hex::decode(text("signature")?).ok()?;
        let (challenge, source) = (said["challenge"].clone(), said["source"].clone());
        Some(Credential { challenge, payload, source, transfer, signature })
    }

    fn note(&self, request: &Request) {
        let credential = self.credential(&request.headers);
        let x402 = Payment::presented(&request.headers);
        let written = || Some(request.headers.get(self.header())?.to_str().ok()?.to_owned());
        let transfer = credential.as_ref().map(|paid| &paid.transfer).or(x402.as_ref().map(|paid| &paid.transfer));
        lock(&self.seen).push(Seen {
            at: self.chain.now(),
            method: request.method.clone(),
            path: request.uri.path().to_owned(),
            query: request.uri.query().map(str::to_owned),
            headers: request.headers.clone(),
            body: request.body.clone(),
            nonce: transfer.map(|transfer| transfer.nonce),
            from: transfer.map(|transfer| transfer.from),
            value: transfer.map(|transfer| transfer.value),
            valid_before: transfer.map(|transfer| transfer.valid_before),
            payment_header: x402
                .as_ref()
                .map(|paid| paid.header.clone())
                .or_else(|| written().filter(|_| credential.is_some())),
            settled_tx: None,
        });
    }

    fn take(&self, credential: &Credential) -> Response<Bytes> {
        if let Some(status) = self.terms.always {
            return self.ask(status);
        }
        if let Some(complaint) = self.complaint(credential) {
            lock(&self.complaints).push(complaint);
            return self.ask(402);
        }
        let id = credential.challenge["id"].as_str().unwrap_or_default().to_owned();
        if let Some(tx) = lock(&self.taken).get(&id).copied() {
            return match self.terms.again {
                Again::Forbidden => json(403, &json!({ "detail": "this payment was used already" })),
                Again::Goods => goods(tx),
            };
        }
        let settled = self.chain.transfer_with_authorization(&credential.transfer, &credential.signature);
        let Ok(tx) = settled else { return self.ask(402) };
        lock(&self.taken).insert(id, tx);
        match self.terms.after_settling {
            Some(status) => self.ask(status),
            None => goods(tx),
        }
    }

    fn take_x402(&self, payment: &Payment) -> Response<Bytes> {
        match facilitator::settle(&self.chain, payment) {
            Ok(tx) => {
                let mut reply = json(200, &json!({ "goods": "thing" }));
                payment.put_receipt(&mut reply, tx);
                reply
            }
            Err(_) => self.ask(402),
        }
    }

    /// What the reference servers check before they go to the chain.
    fn complaint(&self, credential: &Credential) -> Option<String> {
        let Credential { challenge, payload, source, transfer, .. } = credential;
        let text = |key: &str| challenge[key].as_str().unwrap_or_default();
        let payer = payload["from"].as_str().unwrap_or_default();
        let expires: Time = serde_json::from_value(challenge["expires"].clone()).unwrap_or_default();
        let checks = [
            (lock(&self.issued).get(text("id")) == Some(challenge), "another challenge came back"),
            (expires.secs() > self.chain.now() as i64, "the challenge has expired"),
            (payload["type"] == "authorization", "another type of credential"),
            (transfer.to == PAYEE && payload["value"] == self.terms.price.as_str(), "another payee or amount"),
            (payload["validAfter"] == "0", "it is to be valid from the beginning"),
            (transfer.valid_before <= U256::from(expires.secs()), "it is valid for longer than the challenge"),
            (transfer.nonce == nonce(self.terms.form, text("id"), text("realm")), "the nonce binds another challenge"),
            (*source == format!("did:pkh:eip155:{CHAIN_ID}:{payer}"), "another source"),
            (payer.parse::<Address>().is_ok_and(|from| from.to_checksum(None) == payer), "an address with no checksum"),
        ];
        checks.iter().find(|(is_met, _)| !is_met).map(|(_, complaint)| (*complaint).to_owned())
    }

    /// A fresh challenge, with a status that may be another than 402.
    fn ask(&self, status: u16) -> Response<Bytes> {
        let mut reply =
            response(status, "application/problem+json", json!({ "title": "Payment Required" }).to_string());
        let challenge = self.challenge();
        let headers = reply.headers_mut();
        headers.append("www-authenticate", challenge.parse().unwrap());
        for (name, value) in &self.terms.beside {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        reply
    }

    fn challenge(&self) -> String {
        let (form, realm) = (self.terms.form, &self.terms.realm);
        let details = json!({ "chainId": CHAIN_ID, "credentialTypes": ["authorization"], "decimals": 6 });
        let mut request = json!({ "amount": self.terms.price, "currency": ASSET.to_checksum(None),
                                  "methodDetails": details, "recipient": PAYEE.to_checksum(None) });
        if form == Form::Json {
            request["_mppx_scope"] = json!({ "http_method": "GET", "resource": "/thing" });
        }
        let packed = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let count = if self.terms.one_id { 0 } else { lock(&self.issued).len() };
        let id = URL_SAFE_NO_PAD.encode(keccak256(format!("{realm}|{request}|{count}")));
        let expires = Time::from_secs(self.chain.now() as i64 + self.terms.expires_in).to_string();
        let mut params = vec![
            ("id", id.clone()),
            ("realm", realm.clone()),
            ("method", "evm".to_owned()),
            ("intent", "charge".to_owned()),
            ("request", packed(&request)),
            ("expires", expires),
        ];
        if form == Form::Json {
            params.push(("opaque", packed(&json!({ "_mpp_nonce": hex::encode(keccak256(&id)) }))));
        }
        let written: Vec<String> = params.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let mut echo: Map<String, Value> =
            params.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        if self.terms.more.contains("header=") {
            echo.insert("header".to_owned(), json!("Payment-Authorization"));
        }
        lock(&self.issued).insert(id, Value::Object(echo));
        format!("Payment {}{}", written.join(", "), self.terms.more)
    }
}

fn nonce(form: Form, id: &str, realm: &str) -> B256 {
    match form {
        Form::Joined => keccak256(format!("{id}{realm}")),
        Form::Json => keccak256(json!([id, realm]).to_string()),
    }
}

fn goods(tx: B256) -> Response<Bytes> {
    let mut reply = json(200, &json!({ "goods": "thing" }));
    let receipt = json!({ "method": "evm", "reference": tx, "status": "success", "timestamp": "2027-01-15T08:00:00Z" });
    reply.headers_mut().insert("payment-receipt", URL_SAFE_NO_PAD.encode(receipt.to_string()).parse().unwrap());
    reply
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap()
}
