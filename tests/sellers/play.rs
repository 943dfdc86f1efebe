//! One file, played: the scene it opens, the calls it makes, and what is held against it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::U256;
use bursar::answer::{Answer, Outcome, Quote};
use bursar::wish::Call;
use sandbox::chain::{ASSET, NETWORK};
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::{Seen, sign_in};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::canary;
use crate::file::{Script, Step};
use crate::scene::{AGENT, Scene, jump, market};
use crate::server::{Door, Server};
use crate::words::Names;

/// A seller's show: where it plays, and what became of it so far.
struct Show<'a> {
    script: &'a Script,
    scene: Scene,
    names: Names,
    seller: Arc<Server>,
    other: Arc<Server>,
    /// A door its owner never opened.
    closed: Arc<Server>,
    silence: UnboundedReceiver<Duration>,
    /// How long the slowest refusal took.
    slowest: Duration,
    /// The id the last call was answered with.
    last_id: Option<String>,
    /// What the agent was told, every word of it.
    told: String,
    /// What bursar said in its own words.
    own_words: String,
}

/// How long its slowest refusal took.
pub fn play(script: &Script) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut show = Show::open(script).await;
        for (nth, step) in script.call.iter().enumerate() {
            let place = format!("{}, call {}", script.name, nth + 1);
            show.take(step, &place).await;
        }
        show.close().await
    })
}

impl<'a> Show<'a> {
    async fn open(script: &'a Script) -> Show<'a> {
        let seller = Door::open("127.0.0.1", script.hosts).await.unwrap();
        let other = Door::open("localhost", 1).await.unwrap();
        let closed = Door::open("127.0.0.1", 1).await.unwrap();
        let hosts = (1..=script.hosts).map(|nth| format!("127.0.0.{nth}:{}", seller.port));
        let doors: Vec<String> = hosts.chain([format!("localhost:{}", other.port)]).collect();
        let scene = market([]).key(canary::KEY).doors(&doors).rules(&script.rules).open().await;
        let by_permit2 = if script.way().is_by_permit2() { u64::MAX } else { 0 };
        let allowance = U256::from(script.allowance.unwrap_or(by_permit2));
        scene.sandbox.chain.asset(ASSET).approve_permit2(scene.address, allowance).unwrap();
        let names = Names(vec![
            ("seller", seller.origin()),
            ("port", seller.port.to_string()),
            ("other", other.origin()),
            ("closed", closed.origin()),
            ("wallet", scene.address.to_string()),
            ("asset", ASSET.to_string()),
            ("payee", PAYEE.to_string()),
            ("network", NETWORK.to_owned()),
        ]);
        let (silent, silence) = mpsc::unbounded_channel();
        let chain = &scene.sandbox.chain;
        let seller = seller.serve((&script.unpaid, &script.paid), chain, &names, &silent, script.way());
        let other = other.serve((&script.other.unpaid, &script.other.paid), chain, &names, &silent, script.way());
        let closed = closed.serve((&[], &[]), chain, &names, &silent, script.way());
        let (slowest, last_id, told, own_words) = Default::default();
        Show { script, scene, names, seller, other, closed, silence, slowest, last_id, told, own_words }
    }

    async fn take(&mut self, step: &Step, place: &str) {
        self.scene.pass(step.waits);
        self.scene.sandbox.rpc.set_down(step.node_down);
        if step.reconciled {
            self.scene.bursar.reconcile().await.unwrap();
        }
        if step.approved {
            self.scene.approve(self.last_id.as_deref().expect(place)).await.unwrap();
        }
        for nth in 1..=step.times.unwrap_or(1) {
            let place = format!("{place}, time {nth}");
            let call = self.call(step, nth);
            match step.quote {
                true => self.quote(step, call, &place).await,
                false => self.fetch(step, call, &place).await,
            }
        }
    }

    fn call(&self, step: &Step, nth: usize) -> Call {
        let url = step.url.as_deref().unwrap_or("{seller}/thing").replace("{n}", &nth.to_string());
        Call {
            url: self.names.fill(&url),
            max_price: step.max_price.clone(),
            purchase_id: self.last_id.clone().filter(|_| step.same_id),
            buy_again: self.last_id.clone().filter(|_| step.again),
            ..Call::default()
        }
    }

    async fn fetch(&mut self, step: &Step, call: Call, place: &str) {
        let begun = Instant::now();
        let answer = wait_for(self.scene.fetch(call), &mut self.silence).await;
        if answer.outcome == Outcome::Refused {
            self.slowest = self.slowest.max(begun.elapsed());
        }
        if answer.outcome == Outcome::Pending {
            self.is_closed(answer.purchase_id.as_deref().expect(place)).await;
        }
        self.note(&serde_json::to_value(&answer).unwrap());
        self.last_id = answer.purchase_id.clone().or(self.last_id.take());
        compare(step, &answer, place);
    }

    async fn quote(&mut self, step: &Step, call: Call, place: &str) {
        let quote: Quote = self.scene.bursar.agent(AGENT).quote(call).await;
        self.note(&serde_json::to_value(&quote).unwrap());
        assert_eq!(Some(quote.payable), step.payable, "{place}: payable\n{quote:#?}");
        if let Some(reasons) = &step.reasons {
            assert_eq!(&codes(&quote.reasons), reasons, "{place}: reasons\n{quote:#?}");
        }
    }

    /// Until a purchase that goes on after its answer has come to an end.
    async fn is_closed(&self, id: &str) {
        loop {
            let story = self.scene.bursar.why(id).await.unwrap();
            if story.events.iter().any(|event| event.kind == "closed") {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    fn note(&mut self, answer: &serde_json::Value) {
        self.told += &answer.to_string();
        self.own_words += answer["next"].as_str().unwrap_or_default();
        let reasons = answer["reasons"].as_array().into_iter().flatten();
        self.own_words.extend(reasons.filter_map(|reason| reason["message"].as_str()));
    }

    async fn close(mut self) -> Duration {
        let (script, holds) = (self.script, &self.script.holds);
        let (name, seen) = (&script.name, self.payments());
        self.note_what_the_owner_sees().await;
        let moved = holds.moved.as_deref().unwrap_or("0.00");
        let spent = bursar::money::Usd::micros(self.scene.spent()).to_string();
        assert_eq!(spent, moved, "{name}: dollars that moved");
        assert_eq!(self.scene.nonces().await.len(), holds.signatures, "{name}: signatures");
        assert_eq!(seen.len(), holds.presents, "{name}: payments presented");
        let sign_ins = signed_in(&self.seller);
        assert_eq!(sign_ins.len(), holds.sign_ins, "{name}: sign-ins");
        assert_eq!(signed_in(&self.other).len(), 0, "{name}: a sign-in went to another origin than the one that asked");
        self.scene.every_sign_in_is_recorded(&sign_ins);
        let requests = self.seller.seen().len() + self.other.seen().len();
        assert_eq!(requests, holds.requests.unwrap_or(requests), "{name}: requests");
        assert_eq!(self.closed.connects(), 0, "{name}: went through a door its owner never opened");
        let stranger = if holds.paid_elsewhere { &self.seller } else { &self.other };
        assert_eq!(paid(stranger).len(), 0, "{name}: a payment went to another origin than the one that asked");
        assert_eq!(self.events("breaker").await, holds.breakers, "{name}: breakers");
        assert_eq!(self.events("alarm").await.len(), holds.alarms, "{name}: alarms");
        for words in &holds.unsaid {
            assert!(!self.own_words.contains(words.as_str()), "{name}: bursar says `{words}`");
        }
        for words in &holds.unsent {
            let sent = String::from_utf8_lossy(&self.seller.heard()).to_ascii_lowercase();
            assert!(!sent.contains(words.as_str()), "{name}: `{words}` was sent");
        }
        self.key_is_nowhere(name);
        // The audit, one authorization a purchase, the same bytes each time, and the chain against the ledger.
        self.scene.end_having_seen(seen).await;
        self.slowest
    }

    fn payments(&self) -> Vec<Seen> {
        [&self.seller, &self.other].into_iter().flat_map(|server| paid(server)).collect()
    }

    async fn note_what_the_owner_sees(&mut self) {
        for id in self.scene.ids().await {
            let story = self.scene.bursar.why(&id).await.unwrap();
            self.told += &serde_json::to_string(&story).unwrap();
        }
        self.told += &serde_json::to_string(&self.scene.bursar.pending().await.unwrap()).unwrap();
    }

    /// What the log says of this kind: breakers by their codes, everything else as it stands.
    async fn events(&self, kind: &str) -> Vec<String> {
        let mut found = BTreeSet::new();
        for id in self.scene.ids().await {
            let story = self.scene.bursar.why(&id).await.unwrap();
            let events = story.events.into_iter().filter(|event| event.kind == kind);
            found.extend(
                events.map(|event| event.detail["code"].as_str().map_or(event.detail.to_string(), str::to_owned)),
            );
        }
        found.into_iter().collect()
    }

    fn key_is_nowhere(&self, name: &str) {
        for server in [&self.seller, &self.other, &self.closed] {
            assert!(!canary::leaks(&server.heard()), "{name}: the key was sent to a seller");
        }
        assert!(!canary::leaks(self.told.as_bytes()), "{name}: the key is in an answer");
        canary::is_in_no_file(name, self.scene.home.dir());
    }
}

/// Waits; and where a seller falls silent, lets the time pass that bursar gives it.
async fn wait_for<T>(call: impl Future<Output = T>, silence: &mut UnboundedReceiver<Duration>) -> T {
    tokio::pin!(call);
    loop {
        tokio::select! {
            done = &mut call => return done,
            Some(span) = silence.recv() => jump(span).await,
        }
    }
}

fn paid(server: &Server) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.payment_header.is_some()).collect()
}

fn signed_in(server: &Server) -> Vec<Seen> {
    server.seen().into_iter().filter(|seen| seen.headers.contains_key(sign_in::HEADER)).collect()
}

fn compare(step: &Step, answer: &Answer, place: &str) {
    let shown = || format!("{place}\n{answer:#?}");
    assert_eq!((Some(answer.outcome), Some(answer.charged)), (step.outcome, step.charged), "{}", shown());
    if let Some(reasons) = &step.reasons {
        assert_eq!(&codes(&answer.reasons), reasons, "{}", shown());
    }
    if let Some(status) = step.status {
        assert_eq!(answer.http.as_ref().map(|http| http.status), Some(status), "{}", shown());
    }
    if let Some(body) = &step.body {
        assert_eq!(answer.body.as_ref().map(|said| &said.body), Some(body), "{}", shown());
    }
}

fn codes(reasons: &[bursar::reason::Reason]) -> Vec<String> {
    reasons.iter().map(|reason| reason.code.clone()).collect()
}
