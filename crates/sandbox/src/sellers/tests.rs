//! A bare buyer walks the market: what each keeper does must show on the wire and on chain.

use alloy_primitives::{Address, U256, hex};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::stall;
use super::*;
use crate::chain::{ChainOptions, Transfer};
use crate::client::{self, Reply};
use crate::payer::Payer;
use crate::{Options, Sandbox};

mod ways;

/// A market, and a buyer with one dollar.
struct Scene {
    sandbox: Sandbox,
    payer: Payer,
}

/// A signed purchase, ready to present as often as a test likes.
struct Purchase {
    url: String,
    header: (&'static str, String),
    transfer: Transfer,
}

impl Scene {
    async fn with(stalls: Vec<Stall>) -> Self {
        let options = Options {
            chain: ChainOptions { idle_blocks: false, ..ChainOptions::default() },
            stalls,
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.expect("listening");
        let payer = Payer::well_known();
        let dollar = U256::from(1_000_000);
        sandbox.chain.mint(payer.address, dollar).expect("minted");
        Self { sandbox, payer }
    }

    async fn of(behaviour: Behaviour) -> Self {
        Self::with(vec![Stall::that(behaviour, "/thing", 10_000)]).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.sellers_url())
    }

    async fn ask(&self, path: &str) -> Reply {
        client::get(&self.url(path), &[]).await.expect("a reply")
    }

    /// Asks, and signs what the header wants.
    async fn prepare(&self, path: &str) -> Purchase {
        let challenge = decoded(&self.ask(path).await, "payment-required");
        let offer = &challenge["accepts"][0];
        self.signed_v2(path, &challenge, self.transfer(offer, &offer["amount"]))
    }

    /// Asks, and signs what the body wants.
    async fn prepare_v1(&self, path: &str) -> Purchase {
        let challenge = body(&self.ask(path).await);
        let offer = &challenge["accepts"][0];
        let transfer = self.transfer(offer, &offer["maxAmountRequired"]);
        let payment = json!({"x402Version": 1, "scheme": "exact", "network": offer["network"],
            "payload": self.payload(&transfer)});
        self.purchase(path, "x-payment", &payment, transfer)
    }

    fn transfer(&self, offer: &Value, amount: &Value) -> Transfer {
        let chain = &self.sandbox.chain;
        let count = self.sandbox.sellers.seen().len() as u64;
        Transfer {
            to: offer["payTo"].as_str().expect("a payee").parse().expect("an address"),
            value: amount.as_str().expect("a price").parse().expect("a number"),
            nonce: B256::from(U256::from(count)),
            ..self.payer.one_cent(chain, 0)
        }
    }

    fn signed_v2(&self, path: &str, challenge: &Value, transfer: Transfer) -> Purchase {
        let mut payment = json!({"x402Version": 2, "resource": challenge["resource"],
            "accepted": challenge["accepts"][0], "payload": self.payload(&transfer)});
        if let Some(extensions) = challenge.get("extensions") {
            payment["extensions"] = extensions.clone();
        }
        self.purchase(path, "payment-signature", &payment, transfer)
    }

    fn payload(&self, t: &Transfer) -> Value {
        json!({
            "signature": hex::encode_prefixed(self.payer.sign(t)),
            "authorization": {"from": t.from.to_string(), "to": t.to.to_string(), "value": t.value.to_string(),
                "validAfter": t.valid_after.to_string(), "validBefore": t.valid_before.to_string(),
                "nonce": t.nonce.to_string()},
        })
    }

    fn purchase(&self, path: &str, name: &'static str, payment: &Value, transfer: Transfer) -> Purchase {
        Purchase { url: self.url(path), header: (name, STANDARD.encode(payment.to_string())), transfer }
    }

    fn balance(&self, owner: Address) -> u64 {
        self.sandbox.chain.balance_of(owner).to()
    }

    /// What the buyer has spent, and whether the chain says this purchase's authorization was used.
    fn spent(&self, purchase: &Purchase) -> (u64, bool) {
        let t = &purchase.transfer;
        let used = self.sandbox.chain.authorization_used(t.from, t.nonce);
        (1_000_000 - self.balance(self.payer.address), used)
    }
}

impl Purchase {
    async fn present(&self) -> Result<Reply, client::Error> {
        client::get(&self.url, &[(self.header.0, &self.header.1)]).await
    }

    async fn reply(&self) -> Reply {
        self.present().await.expect("a reply")
    }
}

fn decoded(reply: &Reply, header: &str) -> Value {
    let value = reply.headers.get(header).expect(header);
    serde_json::from_slice(&STANDARD.decode(value).expect("base64")).expect("JSON")
}

fn body(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).expect("JSON")
}

fn error(reply: &Reply) -> String {
    assert_eq!(reply.status, 402);
    let challenge = decoded(reply, "payment-required");
    challenge["error"].as_str().expect("an error").to_owned()
}

const PAID_ONCE: (u64, bool) = (10_000, true);
const UNPAID: (u64, bool) = (0, false);

#[tokio::test]
async fn a_v2_purchase_delivers_with_a_receipt_and_moves_the_price() {
    let s = Scene::of(Behaviour::Normal).await;
    let asked = s.ask("/thing").await;
    assert_eq!((asked.status.as_u16(), &asked.body[..]), (402, &b"{}"[..]));
    let purchase = s.prepare("/thing").await;
    let reply = purchase.reply().await;
    assert_eq!(reply.status, 200);
    assert_eq!(body(&reply), json!({"goods": "/thing"}));
    let receipt = decoded(&reply, "payment-response");
    let seen = s.sandbox.sellers.seen_at("/thing");
    let tx = seen[2].settled_tx.expect("settled");
    assert_eq!(receipt["transaction"], tx.to_string());
    assert_eq!(receipt["network"], "eip155:84532");
    assert_eq!(s.spent(&purchase), PAID_ONCE);
    assert_eq!(s.balance(stall::PAYEE), 10_000);
}

#[tokio::test]
async fn a_v1_purchase_delivers_with_a_receipt_and_moves_the_price() {
    let v1 = Stall { dialect: Dialect::V1, ..Stall::get("/thing", 10_000) };
    let s = Scene::with(vec![v1]).await;
    assert!(s.ask("/thing").await.headers.get("payment-required").is_none());
    let purchase = s.prepare_v1("/thing").await;
    let reply = purchase.reply().await;
    assert_eq!(reply.status, 200);
    let receipt = decoded(&reply, "x-payment-response");
    assert_eq!(receipt["success"], true);
    assert_eq!(receipt["network"], "base-sepolia");
    assert_eq!(s.spent(&purchase), PAID_ONCE);
}

#[tokio::test]
async fn a_stall_of_both_dialects_takes_either_payment() {
    let both = Stall { dialect: Dialect::Both, ..Stall::get("/thing", 10_000) };
    let s = Scene::with(vec![both]).await;
    assert_eq!(s.prepare("/thing").await.reply().await.status, 200);
    assert_eq!(s.prepare_v1("/thing").await.reply().await.status, 200);
}

#[tokio::test]
async fn a_payment_in_the_wrong_dialect_is_not_seen() {
    let s = Scene::of(Behaviour::Normal).await;
    let mut purchase = s.prepare("/thing").await;
    purchase.header.0 = "x-payment";
    assert_eq!(error(&purchase.reply().await), "payment is required");
}

#[tokio::test]
async fn a_payment_presented_twice_is_settled_once() {
    let s = Scene::of(Behaviour::Normal).await;
    let purchase = s.prepare("/thing").await;
    purchase.reply().await;
    let again = error(&purchase.reply().await);
    assert_eq!(again, "invalid_exact_evm_nonce_already_used");
    assert_eq!(s.spent(&purchase), PAID_ONCE);
}

#[tokio::test]
async fn a_seller_is_strict_about_the_terms_it_offered() {
    let bazaar = stall::bazaar(json!({"q": "x"}));
    let s = Scene::with(vec![Stall::get("/thing", 10_000).declare("bazaar", bazaar)]).await;
    let challenge = decoded(&s.ask("/thing").await, "payment-required");
    let transfer = s.transfer(&challenge["accepts"][0], &json!("10000"));
    for (pointer, value, reason) in [
        ("/accepts/0/amount", json!("9999"), "No matching payment requirements"),
        ("/accepts/0/maxTimeoutSeconds", json!("60"), "No matching payment requirements"),
        ("/accepts/0/extra/name", json!("USD Coin"), "No matching payment requirements"),
        ("/resource/description", json!("other"), "invalid_payment_requirements"),
        ("/extensions/bazaar/info/input/queryParams/q", json!("y"), "extension_echo_mismatch"),
        ("/extensions", json!({}), "extension_echo_mismatch"),
    ] {
        let mut changed = challenge.clone();
        *changed.pointer_mut(pointer).expect(pointer) = value;
        let purchase = s.signed_v2("/thing", &changed, transfer.clone());
        assert_eq!(error(&purchase.reply().await), reason, "{pointer}");
        assert_eq!(s.spent(&purchase), UNPAID);
    }
    let mut added = challenge.clone();
    added["accepts"][0]["extra"]["mine"] = json!(1);
    added["extensions"]["bazaar"]["info"]["mine"] = json!(1);
    let purchase = s.signed_v2("/thing", &added, transfer);
    assert_eq!(purchase.reply().await.status, 200);
}

#[tokio::test]
async fn a_seller_is_strict_about_what_was_signed() {
    let s = Scene::of(Behaviour::Normal).await;
    let challenge = decoded(&s.ask("/thing").await, "payment-required");
    let good = s.transfer(&challenge["accepts"][0], &json!("10000"));
    let now = s.sandbox.chain.now();
    let with = |change: fn(&mut Transfer, u64)| {
        let mut transfer = good.clone();
        change(&mut transfer, now);
        transfer
    };
    for (transfer, reason) in [
        (with(|t, _| t.to = t.from), "recipient_mismatch"),
        (with(|t, _| t.value += U256::ONE), "value_mismatch"),
        (with(|t, now| t.valid_before = U256::from(now + 3)), "valid_before"),
        (with(|t, now| t.valid_after = U256::from(now + 60)), "valid_after"),
        (with(|t, _| t.from = t.to), "signature"),
    ] {
        let purchase = s.signed_v2("/thing", &challenge, transfer);
        let error = error(&purchase.reply().await);
        assert!(error.ends_with(reason), "{error}, not {reason}");
    }
}

#[tokio::test]
async fn more_than_the_buyer_has_is_insufficient_funds() {
    let s = Scene::with(vec![Stall::get("/yacht", 900_000_000)]).await;
    let purchase = s.prepare("/yacht").await;
    assert_eq!(error(&purchase.reply().await), "insufficient_funds");
}

#[tokio::test]
async fn nonsense_in_the_payment_header_counts_as_no_payment() {
    let s = Scene::of(Behaviour::Normal).await;
    let junk = STANDARD.encode("{\"x402Version\":2}");
    for header in ["!!!", "", &junk] {
        let reply = client::get(&s.url("/thing"), &[("payment-signature", header)]).await;
        assert_eq!(error(&reply.expect("a reply")), "payment is required");
    }
}

#[tokio::test]
async fn a_free_stall_asks_for_nothing() {
    let s = Scene::of(Behaviour::Free).await;
    let reply = s.ask("/thing").await;
    assert_eq!(reply.status, 200);
    assert!(reply.headers.contains_key("date"));
}

#[tokio::test]
async fn a_handler_that_fails_leaves_the_payment_unsettled() {
    let broken = Stall { handler: stall::fails(500), ..Stall::get("/thing", 10_000) };
    let s = Scene::with(vec![broken]).await;
    let purchase = s.prepare("/thing").await;
    let reply = purchase.reply().await;
    assert_eq!(reply.status, 500);
    assert!(!reply.headers.contains_key("payment-response"));
    assert_eq!(s.spent(&purchase), UNPAID);
}

#[tokio::test]
async fn a_dropped_line_says_nothing_about_the_money() {
    for (behaviour, spent) in [(Behaviour::DropBeforeSettling, UNPAID), (Behaviour::DropAfterSettling, PAID_ONCE)] {
        let s = Scene::of(behaviour).await;
        let purchase = s.prepare("/thing").await;
        assert!(purchase.present().await.is_err());
        assert_eq!(s.spent(&purchase), spent);
    }
}

#[tokio::test]
async fn a_seller_that_honours_the_same_bytes_delivers_the_second_time() {
    let s = Scene::of(Behaviour::HonoursSameBytes).await;
    let purchase = s.prepare("/thing").await;
    assert!(purchase.present().await.is_err());
    let reply = purchase.reply().await;
    assert_eq!(reply.status, 200);
    assert_eq!(decoded(&reply, "payment-response")["success"], true);
    assert_eq!(s.spent(&purchase), PAID_ONCE);
}

#[tokio::test]
async fn a_silent_seller_keeps_the_line_open_and_the_payment_unsettled() {
    let s = Scene::of(Behaviour::NeverAnswers).await;
    let purchase = s.prepare("/thing").await;
    let patience = Duration::from_millis(100);
    assert!(tokio::time::timeout(patience, purchase.present()).await.is_err());
    assert_eq!(s.spent(&purchase), UNPAID);
}

#[tokio::test]
async fn a_seller_may_settle_and_then_answer_anything() {
    let settled = [
        (Behaviour::SettleThenStatus(500), 500, None),
        (Behaviour::RefuseAfterSettling, 402, Some(false)),
        (Behaviour::NoReceipt, 200, None),
    ];
    let unsettled = [
        (Behaviour::FailsToSettle, 402, Some(false)),
        (Behaviour::LieAboutSettling, 200, Some(true)),
        (Behaviour::RefuseAlways, 402, None),
    ];
    let with = |spent| move |(behaviour, status, success)| (behaviour, status, success, spent);
    let all = settled.map(with(PAID_ONCE)).into_iter();
    for (behaviour, status, success, spent) in all.chain(unsettled.map(with(UNPAID))) {
        let s = Scene::of(behaviour.clone()).await;
        let purchase = s.prepare("/thing").await;
        let reply = purchase.reply().await;
        assert_eq!(reply.status, status, "{behaviour:?}");
        let receipt = reply.headers.contains_key("payment-response");
        let claimed = receipt.then(|| decoded(&reply, "payment-response")["success"] == true);
        assert_eq!(claimed, success, "{behaviour:?}");
        assert_eq!(s.spent(&purchase), spent, "{behaviour:?}");
    }
}

#[tokio::test]
async fn a_refused_payment_can_still_be_redeemed_later() {
    let s = Scene::of(Behaviour::RefuseAlways).await;
    let purchase = s.prepare("/thing").await;
    purchase.reply().await;
    let seen = s.sandbox.sellers.seen();
    let presented = seen.last().expect("a visit");
    assert_eq!(presented.nonce, Some(purchase.transfer.nonce));
    s.sandbox.sellers.redeem(presented).expect("redeemed");
    assert_eq!(s.spent(&purchase), PAID_ONCE);
}

#[tokio::test]
async fn a_slow_seller_settles_even_when_the_buyer_has_left() {
    let s = Scene::of(Behaviour::Slow(Duration::from_millis(50))).await;
    let purchase = s.prepare("/thing").await;
    let impatient = Duration::from_millis(10);
    assert!(tokio::time::timeout(impatient, purchase.present()).await.is_err());
    while !s.spent(&purchase).1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(s.spent(&purchase), PAID_ONCE);
}

#[tokio::test]
async fn a_redirect_goes_where_it_says_and_never_asks_for_money() {
    let to = "http://127.0.0.1:9/elsewhere";
    let s = Scene::of(Behaviour::Redirect(to.into())).await;
    let reply = s.ask("/thing").await;
    assert_eq!(reply.status, 302);
    assert_eq!(reply.headers["location"], to);
}

#[tokio::test]
async fn a_changed_price_is_no_longer_the_one_that_was_offered() {
    let s = Scene::of(Behaviour::PriceChanges(vec![10_000, 20_000])).await;
    let purchase = s.prepare("/thing").await;
    let reply = purchase.reply().await;
    assert_eq!(error(&reply), "No matching payment requirements");
    let challenge = decoded(&reply, "payment-required");
    assert_eq!(challenge["accepts"][0]["amount"], "20000");
    assert_eq!(s.spent(&purchase), UNPAID);
    assert_eq!(s.prepare("/thing").await.reply().await.status, 200);
}

#[tokio::test]
async fn a_payment_id_gets_the_same_answer_for_the_same_payment_only() {
    let stall = Stall::get("/thing", 10_000);
    let declared = stall.declare("payment-identifier", stall::payment_identifier(true));
    let s = Scene::with(vec![declared]).await;
    let mut challenge = decoded(&s.ask("/thing").await, "payment-required");
    let transfer = s.transfer(&challenge["accepts"][0], &json!("10000"));
    let nameless = s.signed_v2("/thing", &challenge, transfer.clone());
    assert_eq!(nameless.reply().await.status, 400);
    challenge["extensions"]["payment-identifier"]["info"]["id"] = json!("pay_0123456789abcdef");
    let named = s.signed_v2("/thing", &challenge, transfer);
    assert_eq!(named.reply().await.status, 200);
    assert_eq!(named.reply().await.status, 200);
    assert_eq!(s.spent(&named), PAID_ONCE);
    let again = s.transfer(&challenge["accepts"][0], &json!("10000"));
    let another = s.signed_v2("/thing", &challenge, again);
    assert_eq!(another.reply().await.status, 409);
}

#[tokio::test]
async fn posted_binary_and_big_goods_arrive_whole() {
    let with = |path, handler| Stall { handler, behaviour: Behaviour::Free, ..Stall::post(path, 0) };
    let s = Scene::with(vec![
        with("/echo", stall::echo()),
        with("/binary", stall::binary(300)),
        with("/big", stall::big_body(1_000_000)),
    ])
    .await;
    let post = async |path| client::post(&s.url(path), &[], "hello").await.expect("a reply");
    assert_eq!(&post("/echo").await.body[..], b"hello");
    assert_eq!(post("/binary").await.body[255..258], [255, 0, 1]);
    assert_eq!(post("/big").await.body.len(), 1_000_000);
    assert_eq!(s.sandbox.sellers.seen_at("/echo")[0].body, "hello");
}

#[tokio::test]
async fn a_stall_can_be_opened_and_replaced_while_the_market_runs() {
    let s = Scene::with(vec![]).await;
    assert_eq!(s.ask("/new").await.status, 404);
    s.sandbox.sellers.put(Stall::free("/new"));
    assert_eq!(s.ask("/new").await.status, 200);
    s.sandbox.sellers.put(Stall::get("/new", 1));
    assert_eq!(s.ask("/new").await.status, 402);
    assert_eq!(s.sandbox.sellers.hits("/new"), 3);
    let posted = client::post(&s.url("/new"), &[], "").await;
    assert_eq!(posted.expect("a reply").status, 405);
}

#[tokio::test]
async fn the_index_lists_every_stall_of_the_demo_with_its_price() {
    let s = Scene::with(catalogue::stalls()).await;
    let page = s.ask("/").await;
    let page = String::from_utf8_lossy(&page.body).into_owned();
    let line = |path: &str| {
        let found = page.lines().find(|l| l.contains(&format!(" {path} ")));
        found.unwrap_or_else(|| panic!("{path} is listed")).to_owned()
    };
    assert!(line("/free").contains("free"));
    assert!(line("/joke").contains("$0.005  x402 v1"));
    assert!(line("/report").contains("$0.25  x402 v2"));
    assert!(line("/yacht").contains("$900.00"));
    assert!(line("/translate").starts_with("POST"));
    assert_eq!(page.lines().count(), 4 + catalogue::stalls().len());
}

#[tokio::test]
async fn the_demo_s_goods_are_worth_their_money() {
    let s = Scene::with(catalogue::stalls()).await;
    let acme = s.prepare("/stocks?symbol=ACME").await.reply().await;
    assert_eq!(body(&acme)["price"], "187.42");
    let unknown = s.prepare("/stocks?symbol=NOPE").await;
    assert_eq!(unknown.reply().await.status, 404);
    assert!(!s.spent(&unknown).1);
    let joke = s.prepare_v1("/joke").await.reply().await;
    assert!(body(&joke)["joke"].is_string());
}
