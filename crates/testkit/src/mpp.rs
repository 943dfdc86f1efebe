//! A seller that speaks MPP: `evm/charge` with EIP-3009 on the sandbox's chain, by the rules of either reference server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use alloy_primitives::B256;
use bytes::Bytes;
use http::{HeaderName, Response};
use sandbox::chain::{DOLLAR, PlayChain};
use sandbox::http::{Request, Server, Wire, json, response};
pub use sandbox::sellers::mpp::Form;
use sandbox::sellers::mpp::{Charge, Till, credential};
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::x402::{Payment, Version};
use sandbox::sellers::{Seen, facilitator};
use serde_json::json;

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
    till: Till,
    /// By the id of the challenge that was paid.
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
        let (seen, till, taken, complaints) = Default::default();
        let shop = Arc::new(Shop { chain, terms, seen, till, taken, complaints });
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

impl Shop {
    fn answer(&self, request: &Request) -> Response<Bytes> {
        let payment = self.payment(request);
        self.note(request, payment.as_ref());
        let mut reply = match &payment {
            Some(payment) if payment.version == Version::Mpp => self.take(payment),
            Some(payment) => self.take_x402(payment),
            None => self.ask(402),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.chain.now());
        reply.headers_mut().insert("date", httpdate::fmt_http_date(now).parse().unwrap());
        reply
    }

    /// One in another header than was asked for is not looked at.
    fn payment(&self, request: &Request) -> Option<Payment> {
        let x402 = || Payment::presented(&request.headers).filter(|payment| payment.version != Version::Mpp);
        credential(&request.headers, self.charge().header()).or_else(x402)
    }

    fn note(&self, request: &Request, payment: Option<&Payment>) {
        let transfer = payment.map(|paid| &paid.transfer);
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
            payment_header: payment.map(|paid| paid.header.clone()),
            settled_tx: None,
        });
    }

    fn take(&self, payment: &Payment) -> Response<Bytes> {
        if let Some(status) = self.terms.always {
            return self.ask(status);
        }
        if let Some(complaint) = self.till.complaint(&self.charge(), payment, self.chain.now()) {
            lock(&self.complaints).push(complaint.to_owned());
            return self.ask(402);
        }
        let id = payment.said["challenge"]["id"].as_str().unwrap_or_default().to_owned();
        if let Some(tx) = lock(&self.taken).get(&id).copied() {
            return match self.terms.again {
                Again::Forbidden => json(403, &json!({ "detail": "this payment was used already" })),
                Again::Goods => goods(payment, tx),
            };
        }
        let Ok(tx) = facilitator::settle(&self.chain, payment) else { return self.ask(402) };
        lock(&self.taken).insert(id, tx);
        match self.terms.after_settling {
            Some(status) => self.ask(status),
            None => goods(payment, tx),
        }
    }

    fn take_x402(&self, payment: &Payment) -> Response<Bytes> {
        facilitator::settle(&self.chain, payment).map_or_else(|_| self.ask(402), |tx| goods(payment, tx))
    }

    /// A fresh challenge, with a status that may be another than 402.
    fn ask(&self, status: u16) -> Response<Bytes> {
        let mut reply =
            response(status, "application/problem+json", json!({ "title": "Payment Required" }).to_string());
        let challenge = self.till.ask(&self.charge());
        let headers = reply.headers_mut();
        headers.append("www-authenticate", challenge.parse().unwrap());
        for (name, value) in &self.terms.beside {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        reply
    }

    fn charge(&self) -> Charge {
        let Terms { form, ref price, ref realm, expires_in, ref more, one_id, .. } = self.terms;
        let expires = self.chain.now() as i64 + expires_in;
        let (price, realm, more) = (price.clone(), realm.clone(), more.clone());
        Charge { form, price, asset: DOLLAR, payee: PAYEE, realm, expires, more, one_id }
    }
}

fn goods(payment: &Payment, tx: B256) -> Response<Bytes> {
    let mut reply = json(200, &json!({ "goods": "thing" }));
    payment.put_receipt(&mut reply, tx);
    reply
}

fn lock<T>(kept: &Mutex<T>) -> MutexGuard<'_, T> {
    kept.lock().unwrap()
}
