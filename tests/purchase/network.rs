//! The line to a seller cut at every point from the connection to the middle of the body, with and without the money
//! having moved: the answer is true, and the next call resumes the same purchase.

use std::time::Duration;

use bursar::answer::{Answer, Charged, Outcome};
use bursar::limits;
use bursar::ports::Quiet;
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};

use crate::proxy::{Break, Ending, Part, Proxy};
use crate::scene::*;

const ENDINGS: [Ending; 2] = [Ending::Close, Ending::Reset];
const PARTS: [Part; 6] = [
    Part::Nothing,
    Part::HalfTheStatusLine,
    Part::HalfTheHeaders,
    Part::TheHeaders,
    Part::HalfTheBody,
    Part::AllButTheLastByte,
];

struct Line {
    scene: Scene,
    proxy: Proxy,
}

impl Line {
    async fn open(behaviour: Behaviour) -> Line {
        let proxy = Proxy::start().await;
        let scene = market([Stall::that(behaviour, "/thing", CENT)]).doors(&[proxy.place()]).open().await;
        proxy.lead_to(scene.sandbox.sellers_url().as_str());
        Line { scene, proxy }
    }

    fn call(&self) -> Call {
        Call { url: self.proxy.url("/thing"), ..Call::default() }
    }

    async fn get(&self) -> Answer {
        self.scene.fetch(self.call()).await
    }

    /// Over a line that holds now, to a seller that does what it should.
    async fn get_again(&self) -> Answer {
        self.proxy.mend().await;
        self.scene.sandbox.sellers.put(Stall::get("/thing", CENT));
        self.get().await
    }

    /// One authorization, and ledger and chain of one mind in the end.
    async fn end(self, what: &str) {
        assert_eq!(self.scene.nonces().await.len(), 1, "{what}");
        self.scene.pass(DAY);
        let found = self.scene.bursar.reconcile().await.unwrap();
        assert_eq!((found.waiting.len(), found.alarms.len()), (0, 0), "{what}: {found:?}");
        let audit = self.scene.bursar.audit().await.unwrap();
        assert_eq!(audit.settled_usd.as_micros(), self.scene.spent(), "{what}");
        assert!(self.scene.spent() <= CENT, "{what}");
        self.scene.end().await;
    }
}

/// Before the market hears of the payment.
fn cuts_before() -> Vec<Break> {
    let mut cuts = Vec::new();
    for ending in ENDINGS {
        cuts.push(Break::AtTheConnection(ending));
        cuts.extend([1, 20, 200].map(|bytes| Break::InTheRequest(bytes, ending)));
    }
    cuts
}

/// While its answer comes back.
fn cuts_after() -> Vec<Break> {
    ENDINGS.into_iter().flat_map(|ending| PARTS.map(|part| Break::InTheReply(part, ending))).collect()
}

#[tokio::test]
async fn a_line_cut_before_the_seller_hears_of_it_is_held_and_resumed() {
    for cut in cuts_before() {
        let line = Line::open(Behaviour::Normal).await;
        line.proxy.break_next(cut);
        is(&line.get().await, Outcome::Held, Charged::Unknown);
        assert_eq!((line.scene.payments().len(), line.scene.spent()), (0, 0), "{cut:?}");
        bought(&line.get_again().await);
        line.end(&format!("{cut:?}")).await;
    }
    println!("bar: network, cut before the seller hears | {} cases | 0 violations", cuts_before().len());
}

#[tokio::test]
async fn a_line_cut_in_the_reply_after_the_money_moved_is_told_as_charged() {
    for cut in cuts_after() {
        let line = Line::open(Behaviour::Normal).await;
        line.proxy.break_next(cut);
        is(&line.get().await, Outcome::Held, Charged::Unknown);
        assert_eq!(line.scene.spent(), CENT, "{cut:?}");
        is(&line.get_again().await, Outcome::Failed, Charged::Yes);
        assert_eq!((line.scene.payments().len(), line.scene.spent()), (2, CENT), "{cut:?}: asked for its goods once");
        line.end(&format!("{cut:?}")).await;
    }
    println!("bar: network, cut in the reply after settling | {} cases | 0 violations", cuts_after().len());
}

#[tokio::test]
async fn a_line_cut_in_the_reply_when_no_money_moved_is_held_and_resumed() {
    for cut in cuts_after() {
        let line = Line::open(Behaviour::FailsToSettle).await;
        line.proxy.break_next(cut);
        is(&line.get().await, Outcome::Held, Charged::Unknown);
        assert_eq!(line.scene.spent(), 0, "{cut:?}");
        bought(&line.get_again().await);
        line.end(&format!("{cut:?}")).await;
    }
    println!("bar: network, cut in the reply without settling | {} cases | 0 violations", cuts_after().len());
}

#[tokio::test]
async fn a_seller_that_cannot_be_reached_to_pay_has_seen_nothing() {
    let line = Line::open(Behaviour::Normal).await;
    line.proxy.break_next(Break::Unreachable);
    let failed = line.get().await;
    is(&failed, Outcome::Failed, Charged::No);
    reason(&failed, "not_presented");
    bought(&line.get_again().await);
    line.end("unreachable").await;
    println!("bar: network, unreachable to pay | 1 case | 0 violations");
}

#[tokio::test]
async fn a_reply_that_comes_a_byte_a_second_is_pending_then_held() {
    for behaviour in [Behaviour::Normal, Behaviour::FailsToSettle] {
        let line = Line::open(behaviour).await;
        line.proxy.break_next(Break::Trickle);
        let (house, call) = (line.scene.bursar.clone(), line.call());
        let asking = tokio::spawn(async move { house.agent(AGENT).fetch_paid(None, call, &Quiet).await });
        while !line.proxy.is_trickling() {
            tokio::task::yield_now().await;
        }
        jump(limits::ANSWER_WITHIN + Duration::from_secs(1)).await;
        let pending = asking.await.unwrap();
        // A clock that jumps while nothing is under way may jump past the end of the leg as well.
        assert!(matches!(pending.outcome, Outcome::Pending | Outcome::Held), "{pending:#?}");
        assert_eq!(pending.charged, Charged::Unknown);
        jump(limits::PAID_LEG).await;
        line.scene.nothing_is_presented().await;
        let told = line.get_again().await;
        assert_eq!(told.purchase_id, pending.purchase_id);
        assert_eq!(line.scene.payments().len(), 2, "{told:#?}");
        line.end("a byte a second").await;
    }
    println!("bar: network, a byte a second | 2 cases | 0 violations");
}

#[tokio::test]
async fn a_body_without_end_is_kept_as_far_as_anybody_keeps_it() {
    let line = Line::open(Behaviour::Normal).await;
    line.proxy.break_next(Break::Endless);
    let told = line.get().await;
    is(&told, Outcome::Answered, Charged::Yes);
    assert_eq!(told.body.as_ref().unwrap().body_bytes, limits::STORED_BODY_BYTES as u64);
    line.end("settled, endless").await;

    let line = Line::open(Behaviour::FailsToSettle).await;
    line.proxy.break_next(Break::Endless);
    is(&line.get().await, Outcome::Held, Charged::Unknown);
    bought(&line.get_again().await);
    line.end("not settled, endless").await;
    println!("bar: network, an endless body | 2 cases | 0 violations");
}

#[tokio::test]
async fn an_error_of_the_server_is_an_answer_and_never_says_that_nothing_was_charged() {
    let statuses = [500, 502, 503, 504];
    for status in statuses {
        let line = Line::open(Behaviour::SettleThenStatus(status)).await;
        is(&line.get().await, Outcome::Answered, Charged::Unknown);
        assert_eq!(line.scene.spent(), CENT);
        is(&line.get_again().await, Outcome::Answered, Charged::Yes);
        line.end(&format!("{status} after settling")).await;
    }
    println!("bar: network, 5xx after settling | {} cases | 0 violations", statuses.len());
}

#[tokio::test]
async fn a_name_nobody_knows_and_a_line_that_is_cut_before_the_price_cost_nothing() {
    let line = Line::open(Behaviour::Normal).await;
    let nowhere = Call { url: "https://no-such-seller.invalid/thing".to_owned(), ..Call::default() };
    is(&line.scene.fetch(nowhere).await, Outcome::Failed, Charged::No);
    // A listener that does not speak TLS is a handshake that fails.
    let no_tls = Call { url: line.call().url.replace("http://", "https://"), ..Call::default() };
    is(&line.scene.fetch(no_tls).await, Outcome::Failed, Charged::No);
    assert_eq!((line.scene.payments().len(), line.scene.nonces().await.len()), (0, 0));
    line.scene.end().await;
    println!("bar: network, cut before the price | 2 cases | 0 violations");
}
