//! A market of sellers on loopback: each stall speaks x402 or MPP as a reference seller would, or fails the way real ones
//! do.
//!
//! Every request is recorded, settlements are real on the play chain, and stalls can be added while the market runs.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use alloy_primitives::{B256, U256, keccak256};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use serde_json::json;

use self::facilitator::Reason;
use self::mpp::{Charge, Form, Till};
use self::recorder::Recorder;
use self::sign_in::Door;
use self::tools::Asked;
use self::x402::{Offer, Payment, Version};
use super::chain::PlayChain;
use super::http::{self as wire, Request, Server, Wire};

pub mod bazaar;
pub mod catalogue;
pub mod facilitator;
pub mod mpp;
mod payload;
pub mod recorder;
pub mod sign_in;
pub mod signing;
pub mod stall;
pub mod tools;
pub mod way;
pub mod x402;

pub use recorder::Seen;
pub use sign_in::SignIn;
pub use stall::{Behaviour, Dialect, Stall};
pub use way::Way;

/// The market; it closes when dropped.
pub struct Sellers {
    server: Server,
    market: Arc<Market>,
}

impl Sellers {
    /// Listens on 127.0.0.1; port 0 takes any free one.
    pub async fn start(chain: Arc<PlayChain>, port: u16, stalls: Vec<Stall>) -> io::Result<Self> {
        let market = Arc::new(Market {
            chain,
            pitches: RwLock::default(),
            recorder: Recorder::default(),
            sold: Mutex::default(),
            door: Door::default(),
            till: Till::default(),
        });
        stalls.into_iter().for_each(|stall| market.put(stall));
        let keeper = market.clone();
        let server = Server::start(port, move |request| attend(keeper.clone(), request)).await?;
        Ok(Self { server, market })
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Opens a stall, in place of any that had its path.
    pub fn put(&self, stall: Stall) {
        self.market.put(stall);
    }

    /// Every request so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.market.recorder.all()
    }

    /// The requests to one path.
    pub fn seen_at(&self, path: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|s| s.path == path);
        seen
    }

    /// How many requests a path has had.
    pub fn hits(&self, path: &str) -> usize {
        self.seen_at(path).len()
    }

    /// Takes a payment seen earlier to the chain, all of it, as a dishonest or tardy seller could at any time in its
    /// window.
    pub fn redeem(&self, seen: &Seen) -> Result<B256, Reason> {
        let payment = Payment::presented(&seen.headers).ok_or("invalid_payload")?;
        facilitator::settle(&self.market.chain, &payment)
    }

    /// The same with this much of an `upto` payment.
    pub fn redeem_amount(&self, seen: &Seen, amount: u64) -> Result<B256, Reason> {
        let payment = Payment::presented(&seen.headers).ok_or("invalid_payload")?;
        facilitator::settle_amount(&self.market.chain, &payment, U256::from(amount))
    }
}

/// A seller finishes what it began, also when the buyer has hung up meanwhile.
async fn attend(market: Arc<Market>, request: Request) -> Wire {
    let visit = tokio::spawn(async move { market.serve(&request).await });
    visit.await.unwrap_or(Wire::HangUp)
}

struct Market {
    chain: Arc<PlayChain>,
    pitches: RwLock<Vec<Arc<Pitch>>>,
    recorder: Recorder,
    /// Answers already paid for that may be asked for again, by payment or by payment id.
    sold: Mutex<HashMap<String, Sold>>,
    /// For those who have paid and come again.
    door: Door,
    /// Of the stalls that are paid by MPP.
    till: Till,
}

/// A stall that is open, and how often it was visited.
struct Pitch {
    stall: Stall,
    visits: AtomicUsize,
}

#[derive(Clone)]
struct Sold {
    payment_header: String,
    answer: Response<Bytes>,
}

impl Market {
    fn put(&self, stall: Stall) {
        let mut pitches = self.pitches.write().unwrap_or_else(PoisonError::into_inner);
        let visits = AtomicUsize::new(0);
        pitches.retain(|p| p.stall.path != stall.path);
        pitches.push(Arc::new(Pitch { stall, visits }));
    }

    fn pitches(&self) -> Vec<Arc<Pitch>> {
        let pitches = self.pitches.read().unwrap_or_else(PoisonError::into_inner);
        pitches.clone()
    }

    async fn serve(&self, request: &Request) -> Wire {
        let mut wire = match request.uri.path() {
            tools::SERVER | tools::OLD_SERVER => self.serve_tools(request).await,
            bazaar::RESOURCES | bazaar::SEARCH => Wire::Answer(bazaar::answer(self, request)),
            _ => self.attend(request).await,
        };
        if let Wire::Answer(response) = &mut wire {
            self.put_date(response);
        }
        wire
    }

    async fn attend(&self, request: &Request) -> Wire {
        let place = self.recorder.note(request, self.chain.now());
        self.visit(request, place).await
    }

    /// A call of a tool is a visit to its stall.
    async fn serve_tools(&self, request: &Request) -> Wire {
        match tools::asked(self, request) {
            Asked::Call { inner, asks_by_extension, id } => {
                tools::told(self.attend(&inner).await, asks_by_extension, &id)
            }
            Asked::Said(message) => {
                let mut response = wire::json(200, &message);
                if request.uri.path() == tools::OLD_SERVER {
                    tools::with_session(&mut response);
                }
                Wire::Answer(response)
            }
            Asked::Status(response) => Wire::Answer(response),
        }
    }

    async fn visit(&self, request: &Request, place: usize) -> Wire {
        let pitches = self.pitches();
        let path = request.uri.path();
        let Some(pitch) = pitches.iter().find(|p| p.stall.path == path) else {
            return Wire::Answer(self.index_or_404(&pitches, path));
        };
        let stall = &pitch.stall;
        if !stall.methods.contains(&request.method) {
            return Wire::Answer(wrong_method(stall));
        }
        match &stall.behaviour {
            Behaviour::Free => return Wire::Answer((stall.handler)(request)),
            Behaviour::Redirect(to) => return Wire::Answer(redirect(to)),
            _ => {}
        }
        if let Some(answer) = self.enters(stall, request) {
            return Wire::Answer(answer);
        }
        let price = stall.price_at(pitch.visits.fetch_add(1, Ordering::Relaxed));
        let sale = Sale { market: self, stall, offer: self.offer(stall, price, request), place };
        sale.serve(request).await
    }

    fn offer(&self, stall: &Stall, price: u64, request: &Request) -> Offer {
        let mut offer = offer(stall, price, request);
        if let Some(signing) = &stall.signs {
            let declared = signing.declared(&offer, self.chain.now());
            offer.extensions.insert(signing::OFFER_RECEIPT.to_owned(), declared);
        }
        if let Some(sign_in) = &stall.sign_in {
            let asks = self.door.asks(sign_in, &offer.resource, self.chain.now());
            offer.extensions.insert(sign_in::EXTENSION.to_owned(), asks);
        }
        offer
    }

    /// The goods, for whoever says who they are and has them already.
    fn enters(&self, stall: &Stall, request: &Request) -> Option<Response<Bytes>> {
        let sign_in = stall.sign_in.as_ref().filter(|_| request.headers.contains_key(sign_in::HEADER))?;
        if let Some(to) = &sign_in.sends_to {
            return Some(redirect(to));
        }
        if let Some(status) = sign_in.answers {
            return Some(wire::json(status, &json!({"error": "something broke"})));
        }
        let resource = resource_url(&request.headers, &request.uri);
        let is_let_in = self.door.lets_in(sign_in, request, &resource, self.chain.now());
        is_let_in.then(|| (stall.handler)(request))
    }

    fn index_or_404(&self, pitches: &[Arc<Pitch>], path: &str) -> Response<Bytes> {
        if path != "/" {
            return wire::json(404, &json!({"error": "no such stall; GET / lists them"}));
        }
        let stalls = pitches.iter().map(|p| &p.stall);
        wire::response(200, "text/plain; charset=utf-8", catalogue::index(stalls))
    }

    /// Sellers live in the chain's time, so a test that moves it moves them too.
    fn put_date(&self, response: &mut Response<Bytes>) {
        let now = UNIX_EPOCH + Duration::from_secs(self.chain.now());
        if let Ok(date) = httpdate::fmt_http_date(now).parse() {
            response.headers_mut().insert(header::DATE, date);
        }
    }

    fn sold(&self, key: &str) -> Option<Sold> {
        let sold = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        sold.get(key).cloned()
    }

    fn remember(&self, key: &str, payment: &Payment, answer: &Response<Bytes>) {
        let sold = Sold { payment_header: payment.header.clone(), answer: answer.clone() };
        let mut all = self.sold.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key.to_owned(), sold);
    }
}

/// What a keeper took, or says it took.
struct Taken {
    /// None where nothing was taken.
    tx: Option<B256>,
    amount: U256,
}

/// One request at one stall that wants money.
struct Sale<'a> {
    market: &'a Market,
    stall: &'a Stall,
    offer: Offer,
    place: usize,
}

impl Sale<'_> {
    async fn serve(&self, request: &Request) -> Wire {
        let presented = Payment::presented(&request.headers);
        let Some(payment) = presented.filter(|p| self.stall.speaks(p.version)) else {
            return self.challenge("payment is required");
        };
        if let Some(answer) = self.answered_before(&payment) {
            return Wire::Answer(answer);
        }
        if let Err(reason) = self.agrees(&payment) {
            return self.challenge(reason);
        }
        match facilitator::verify(&self.market.chain, &self.offer, &payment) {
            Ok(()) => self.sell(request, &payment).await,
            // Whoever settles first finds out by settling.
            Err(reason) if self.offer.settles_first(payment.way()) => self.settlement_failed(&payment, reason),
            Err(reason) => self.challenge(reason),
        }
    }

    /// Whether a payment is for what was asked; by MPP, for a challenge that was issued here.
    fn agrees(&self, payment: &Payment) -> Result<(), Reason> {
        facilitator::agrees(&self.offer, payment)?;
        match payment.version {
            Version::V1 | Version::V2 => Ok(()),
            Version::Mpp => {
                let complaint = self.market.till.complaint(&self.charge(), payment, self.market.chain.now());
                complaint.map_or(Ok(()), Err)
            }
        }
    }

    fn charge(&self) -> Charge {
        Charge {
            form: Form::Joined,
            price: self.offer.price_atomic.to_string(),
            asset: self.offer.asset,
            payee: self.offer.payee,
            realm: self.offer.host().to_owned(),
            expires: self.market.chain.now().saturating_add(self.offer.max_timeout_s) as i64,
            more: String::new(),
            one_id: false,
        }
    }

    /// What a seller that keeps its answers says to a payment or payment id it knows.
    fn answered_before(&self, payment: &Payment) -> Option<Response<Bytes>> {
        if self.stall.behaviour == Behaviour::HonoursSameBytes {
            return Some(self.market.sold(&payment.header)?.answer);
        }
        let declared = self.stall.extensions.get("payment-identifier")?;
        let Some(id) = payment.identifier() else {
            let required = declared["info"]["required"] == true;
            return required.then(|| wire::json(400, &json!({"error": "a payment id is required"})));
        };
        let sold = self.market.sold(&self.key(id))?;
        if sold.payment_header == payment.header {
            return Some(sold.answer);
        }
        Some(wire::json(409, &json!({"error": "this payment id had another payment"})))
    }

    /// The payment is good; the keeper is what it is.
    async fn sell(&self, request: &Request, payment: &Payment) -> Wire {
        match &self.stall.behaviour {
            Behaviour::RefuseAlways => return self.challenge("payment was not accepted"),
            Behaviour::NeverAnswers => return Wire::Silence,
            Behaviour::DropBeforeSettling => return Wire::HangUp,
            _ => {}
        }
        match self.offer.settles_first(payment.way()) {
            true => self.settle_then_deliver(request, payment).await,
            false => self.deliver_then_settle(request, payment).await,
        }
    }

    /// A handler that fails costs nothing.
    async fn deliver_then_settle(&self, request: &Request, payment: &Payment) -> Wire {
        let goods = self.goods(request).await;
        if goods.status().as_u16() >= 400 {
            return Wire::Answer(goods);
        }
        match self.settle(payment) {
            Ok(taken) => self.hand_over(goods, payment, taken),
            Err(reason) => self.settlement_failed(payment, reason),
        }
    }

    /// A handler that fails has been paid.
    async fn settle_then_deliver(&self, request: &Request, payment: &Payment) -> Wire {
        match self.settle(payment) {
            Ok(taken) => self.hand_over(self.goods(request).await, payment, taken),
            Err(reason) => self.settlement_failed(payment, reason),
        }
    }

    async fn goods(&self, request: &Request) -> Response<Bytes> {
        if let Behaviour::Slow(pause) = &self.stall.behaviour {
            tokio::time::sleep(*pause).await;
        }
        (self.stall.handler)(request)
    }

    fn settle(&self, payment: &Payment) -> Result<Taken, Reason> {
        let amount = self.amount(payment);
        match self.stall.behaviour {
            Behaviour::FailsToSettle => return Err("unexpected_settle_error"),
            Behaviour::LieAboutSettling => return Ok(Taken { tx: Some(keccak256(&payment.signature)), amount }),
            _ if amount == U256::ZERO => return Ok(Taken { tx: None, amount }),
            _ => {}
        }
        let tx = facilitator::settle_offered(&self.market.chain, &self.offer, payment, amount)?;
        self.market.recorder.note_settled(self.place, tx);
        self.market.door.note_paid(&self.stall.path, payment.transfer.from);
        Ok(Taken { tx: Some(tx), amount })
    }

    /// How much this keeper takes.
    fn amount(&self, payment: &Payment) -> U256 {
        match (payment.way(), self.stall.takes) {
            (Way::Upto, Some(amount)) => U256::from(amount),
            _ => payment.transfer.value,
        }
    }

    fn put_receipt(&self, answer: &mut Response<Bytes>, payment: &Payment, taken: &Taken) {
        let truth = (payment.way() == Way::Upto).then_some(taken.amount);
        let claimed = self.stall.claims.map(U256::from);
        payment.put_receipt_over(answer, taken.tx, claimed.or(truth));
    }

    /// The money has moved, or so the keeper says.
    fn hand_over(&self, goods: Response<Bytes>, payment: &Payment, taken: Taken) -> Wire {
        let mut answer = goods.clone();
        match self.stall.behaviour {
            Behaviour::MisstatesReceipt => payment.put_false_receipt(&mut answer),
            Behaviour::MisnamesTransaction => payment.put_receipt(&mut answer, B256::repeat_byte(0x5c)),
            _ => self.put_receipt(&mut answer, payment, &taken),
        }
        if let Some(signing) = &self.stall.signs {
            signing.put_receipt(&mut answer, &self.offer, payment, self.market.chain.now());
        }
        if let Some(id) = payment.identifier() {
            self.market.remember(&self.key(id), payment, &answer);
        }
        match self.stall.behaviour {
            Behaviour::DropAfterSettling => Wire::HangUp,
            Behaviour::HonoursSameBytes => {
                self.market.remember(&payment.header, payment, &answer);
                Wire::HangUp
            }
            Behaviour::SettleThenStatus(status) => {
                Wire::Answer(wire::json(status, &json!({"error": "something broke"})))
            }
            Behaviour::RefuseAfterSettling => self.settlement_failed(payment, "unexpected_settle_error"),
            Behaviour::NoReceipt => Wire::Answer(goods),
            _ => Wire::Answer(answer),
        }
    }

    /// Ids are a stall's own: two sellers may meet the same one.
    fn key(&self, id: &str) -> String {
        format!("{} {id}", self.stall.path)
    }

    fn challenge(&self, error: &str) -> Wire {
        let mut answer = self.offer.challenge(error);
        if self.stall.ways.contains(&Way::Mpp) {
            put_text(answer.headers_mut(), header::WWW_AUTHENTICATE, &self.market.till.ask(&self.charge()));
        }
        Wire::Answer(answer)
    }

    /// MPP has no receipt for what failed: it asks again.
    fn settlement_failed(&self, payment: &Payment, reason: Reason) -> Wire {
        match payment.version {
            Version::V1 | Version::V2 => Wire::Answer(self.offer.settlement_failed(payment, reason)),
            Version::Mpp => self.challenge(reason),
        }
    }
}

fn offer(stall: &Stall, price_atomic: u64, request: &Request) -> Offer {
    Offer {
        dialect: stall.dialect,
        ways: stall.ways.clone(),
        asset: stall.asset,
        upfront: stall.upfront,
        resource: resource_url(&request.headers, &request.uri),
        description: stall.description.clone(),
        sells: stall.sells,
        price_atomic,
        payee: stall.payee,
        max_timeout_s: stall.max_timeout_s,
        extensions: stall.extensions.clone(),
    }
}

/// The URL as the client wrote it, as far as a server can know.
fn resource_url(headers: &HeaderMap, uri: &http::Uri) -> String {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    format!("http://{}{path}", host.unwrap_or("127.0.0.1"))
}

fn redirect(to: &str) -> Response<Bytes> {
    let mut response = wire::response(302, "text/plain", "elsewhere");
    put_text(response.headers_mut(), header::LOCATION, to);
    response
}

fn wrong_method(stall: &Stall) -> Response<Bytes> {
    let methods: Vec<&str> = stall.methods.iter().map(Method::as_str).collect();
    let mut response = wire::json(405, &json!({"error": "method not allowed"}));
    put_text(response.headers_mut(), header::ALLOW, &methods.join(", "));
    response
}

fn put_text(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
