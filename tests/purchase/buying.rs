//! What a purchase moves, and what it does not.

use bursar::answer::{Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::stall::{self, PAYEE};
use sandbox::sellers::{Behaviour, Dialect, Stall, Way};
use serde_json::json;

use crate::scene::*;

#[tokio::test]
async fn a_v2_purchase_moves_exactly_its_price() {
    let scene = market([Stall::get("/thing", CENT).in_x402()]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!(body(&answer), r#"{"goods":"/thing"}"#);
    assert_eq!((scene.spent(), scene.received(PAYEE)), (CENT, CENT));
    assert_eq!(answer.payment.as_ref().unwrap().dialect.name(), "x402v2");
    assert_eq!(state(&answer), ("settled", "seller"));
    scene.end().await;
}

#[tokio::test]
async fn a_v1_purchase_moves_exactly_its_price() {
    let scene =
        market([Stall { dialect: Dialect::V1, ways: vec![Way::Eip3009], ..Stall::get("/thing", CENT) }]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!((scene.spent(), scene.received(PAYEE)), (CENT, CENT));
    assert_eq!(answer.payment.as_ref().unwrap().dialect.name(), "x402v1");
    scene.end().await;
}

#[tokio::test]
async fn a_posted_body_arrives_with_the_payment_it_was_priced_with() {
    let scene = market([Stall::post("/echo", CENT)]).open().await;
    let call = Call { json: Some(json!({"b": [1, 2], "a": "ü"}).into()), ..scene.call("/echo") };
    let answer = scene.fetch(call).await;
    bought(&answer);
    assert_eq!(body(&answer), r#"{"a":"ü","b":[1,2]}"#);
    let bodies: Vec<_> = scene.sandbox.sellers.seen_at("/echo").into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_free_page_costs_nothing_and_is_logged() {
    let scene = market([Stall::free("/free")]).open().await;
    let answer = scene.get("/free").await;
    is(&answer, Outcome::Answered, Charged::No);
    assert_eq!(body(&answer), r#"{"goods":"/free"}"#);
    assert_eq!((scene.spent(), scene.payments().len()), (0, 0));
    assert_eq!(scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap().row.state, "free");
    scene.end().await;
}

#[tokio::test]
async fn a_quote_names_the_price_and_never_pays() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    for _ in 0..3 {
        let quote = scene.bursar.agent(AGENT).quote(scene.call("/thing")).await;
        assert!(quote.payable, "{quote:#?}");
        assert_eq!(quote.offers[0].amount_atomic, "10000");
    }
    assert_eq!((scene.spent(), scene.payments().len()), (0, 0));
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn a_handler_that_fails_before_settling_costs_nothing_and_counts_until_that_is_proven() {
    let scene = market([Stall { handler: stall::fails(404), ..Stall::get("/thing", CENT) }]).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.pass(120);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.lapsed, [answer.purchase_id.unwrap()]);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn goods_without_a_receipt_are_delivered_and_charged_is_unknown_until_the_chain_speaks() {
    let scene = market([Stall::that(Behaviour::NoReceipt, "/thing", CENT)]).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!(body(&answer), r#"{"goods":"/thing"}"#);
    assert_eq!(state(&answer), ("held", "none"));
    scene.pass_finality();
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.settled, [answer.purchase_id.clone().unwrap()]);
    let row = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap().row;
    assert_eq!((row.state.as_str(), row.proof.as_deref()), ("settled", Some("chain")));
    scene.end().await;
}

#[tokio::test]
async fn a_slow_seller_is_paid_once_and_waited_for() {
    let slow = Behaviour::Slow(std::time::Duration::from_millis(300));
    let scene = market([Stall::that(slow, "/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    assert_eq!((scene.spent(), scene.payments().len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn extensions_are_echoed_and_the_payment_names_the_purchase() {
    let stall = Stall::get("/thing", CENT)
        .declare("bazaar", stall::bazaar(json!({"q": "x"})))
        .declare("payment-identifier", stall::payment_identifier(true));
    let scene = market([stall]).open().await;
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn what_the_seller_says_it_took_is_confirmed_on_the_chain() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let answer = scene.get("/thing").await;
    scene.pass_finality();
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!((found.settled.len(), found.alarms.len()), (1, 0));
    let story = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap();
    assert_eq!(story.row.proof.as_deref(), Some("chain"));
    let settled = scene.payments()[0].settled_tx.unwrap();
    assert_eq!(story.row.chain_tx, Some(settled.to_string()));
    assert_eq!(scene.bursar.reconcile().await.unwrap().looked_at, 0);
    scene.end().await;
}
