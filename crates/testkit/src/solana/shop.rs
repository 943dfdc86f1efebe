//! Sellers that are paid on Solana: each page with its own terms, and its own manners.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bursar::authorization::{TokenProgram, token_account};
use http::HeaderValue;
use sandbox::http::{self as wire, Request, Server, Wire};
use serde_json::{Value, json};

use super::{CLUSTER, Cluster, USDC, key, read};

pub const PAYEE: &str = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse";
pub const FEE_PAYER: &str = "9hSR6S7WPtxmTojgo6GG3k4yDPecgJY292j7xrsUGWBu";

/// What its seller does with a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// Settles, and hands over.
    #[default]
    Settles,
    /// Settles, and drops the line.
    DropsTheLine,
    /// Drops the line, and keeps the payment.
    KeepsIt,
    /// Says that it was paid, and does nothing.
    Lies,
}

#[derive(Clone, Debug)]
pub struct Page {
    pub path: &'static str,
    pub price: u64,
    pub version: u8,
    /// Beside the fee payer.
    pub extra: Value,
    pub manner: Manner,
    pub fee_payer: &'static str,
}

impl Page {
    /// What costs nothing is given away.
    pub fn at(path: &'static str, price: u64) -> Page {
        Page { path, price, version: 2, extra: json!({}), manner: Manner::Settles, fee_payer: FEE_PAYER }
    }

    fn terms(&self) -> Value {
        let mut extra = self.extra.clone();
        extra["feePayer"] = json!(self.fee_payer);
        let price = self.price.to_string();
        match self.version {
            1 => json!({
                "scheme": "exact", "network": "solana-devnet", "maxAmountRequired": price, "asset": USDC, "payTo": PAYEE,
                "resource": self.path, "description": "", "mimeType": "application/json", "maxTimeoutSeconds": 60, "extra": extra,
            }),
            _ => json!({
                "scheme": "exact", "network": CLUSTER, "amount": price, "asset": USDC, "payTo": PAYEE,
                "maxTimeoutSeconds": 60, "extra": extra,
            }),
        }
    }
}

/// A shop that closes when dropped.
pub struct Shop {
    server: Server,
    keeper: Arc<Keeper>,
}

struct Keeper {
    cluster: Cluster,
    pages: Vec<Page>,
    /// Payments as they were shown, and what for.
    shown: Mutex<Vec<(String, String)>>,
}

impl Shop {
    pub async fn start(cluster: &Cluster, pages: Vec<Page>) -> io::Result<Shop> {
        cluster.fund(key(PAYEE), TokenProgram::Spl, key(USDC), 0);
        let keeper = Arc::new(Keeper { cluster: cluster.clone(), pages, shown: Mutex::default() });
        let at_work = keeper.clone();
        let server = Server::start(0, move |request| {
            let answer = at_work.dated(at_work.serve(&request));
            async move { answer }
        });
        Ok(Shop { server: server.await?, keeper })
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url())
    }

    /// As `[egress]` opens it.
    pub fn door(&self) -> String {
        self.server.address.to_string()
    }

    /// Every payment that was shown, in order.
    pub fn shown(&self) -> Vec<String> {
        self.shown_for().into_iter().map(|(_, payment)| payment).collect()
    }

    /// The same with the path and query it was shown for.
    pub fn shown_for(&self) -> Vec<(String, String)> {
        self.keeper.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The chain transaction in a payment that was shown.
    pub fn transaction(shown: &str) -> Vec<u8> {
        let payment: Value = serde_json::from_slice(&STANDARD.decode(shown).expect("base64")).expect("json");
        STANDARD.decode(payment["payload"]["transaction"].as_str().expect("a transaction")).expect("base64")
    }
}

impl Keeper {
    /// By the clock that the chain has.
    fn dated(&self, answer: Wire) -> Wire {
        let Wire::Answer(mut reply) = answer else { return answer };
        let now = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(self.cluster.now()));
        reply.headers_mut().insert("date", HeaderValue::from_str(&now).expect("a date"));
        Wire::Answer(reply)
    }

    fn serve(&self, request: &Request) -> Wire {
        let Some(page) = self.pages.iter().find(|page| page.path == request.uri.path()) else {
            return Wire::Answer(wire::json(404, &json!({})));
        };
        let carried = if page.version == 1 { "x-payment" } else { "payment-signature" };
        if page.price == 0 {
            return Wire::Answer(wire::json(200, &json!({ "goods": page.path })));
        }
        match request.headers.get(carried).and_then(|value| value.to_str().ok()) {
            None => Wire::Answer(self.asks(page)),
            Some(payment) => {
                let target = request.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).push((target, payment.to_owned()));
                self.takes(page, payment)
            }
        }
    }

    fn asks(&self, page: &Page) -> http::Response<bytes::Bytes> {
        let challenge =
            json!({ "x402Version": page.version, "accepts": [page.terms()], "resource": { "url": page.path } });
        if page.version == 1 {
            return wire::json(402, &challenge);
        }
        let mut reply = wire::json(402, &json!({}));
        let value = HeaderValue::from_str(&STANDARD.encode(challenge.to_string())).expect("a header");
        reply.headers_mut().insert("payment-required", value);
        reply
    }

    fn takes(&self, page: &Page, payment: &str) -> Wire {
        let transaction = Shop::transaction(payment);
        let is_as_asked = read(&transaction).is_some_and(|read| {
            let to = token_account(key(PAYEE), TokenProgram::Spl, key(USDC));
            let memo = page.extra["memo"].as_str();
            read.amount == page.price
                && read.destination == to
                && read.mint == key(USDC)
                && read.fee_payer == key(page.fee_payer)
                && memo.is_none_or(|memo| memo == read.memo)
        });
        if !is_as_asked {
            return Wire::Answer(wire::json(400, &json!({ "error": "that is not what was asked for" })));
        }
        let settled = match page.manner {
            Manner::Lies => Ok("1".repeat(64)),
            Manner::KeepsIt => return Wire::HangUp,
            Manner::Settles | Manner::DropsTheLine => self.cluster.send(&transaction),
        };
        if page.manner == Manner::DropsTheLine {
            return Wire::HangUp;
        }
        let (status, receipt) = match &settled {
            Ok(name) => (200, json!({ "success": true, "transaction": name, "network": CLUSTER })),
            Err(why) => (402, json!({ "success": false, "transaction": "", "network": CLUSTER, "errorReason": why })),
        };
        let mut reply = wire::json(status, &json!({ "goods": page.path }));
        let name = if page.version == 1 { "x-payment-response" } else { "payment-response" };
        let value = HeaderValue::from_str(&STANDARD.encode(receipt.to_string())).expect("a header");
        reply.headers_mut().insert(name, value);
        Wire::Answer(reply)
    }
}
