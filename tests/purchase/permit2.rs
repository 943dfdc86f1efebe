//! Paying by Permit2: with an allowance that stands, with one that the seller puts on the chain, and with none.

use alloy_primitives::U256;
use bursar::answer::{Answer, Charged, Outcome};
use sandbox::chain::ASSET;
use sandbox::sellers::{Behaviour, Stall, Way};

use crate::scene::*;

fn allow(scene: &Scene, atomic: u64) {
    scene.sandbox.chain.asset(ASSET).approve_permit2(scene.address, U256::from(atomic)).unwrap();
}

fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

fn allowed(scene: &Scene) -> U256 {
    scene.sandbox.chain.asset(ASSET).allowance(scene.address, sandbox::chain::PERMIT2)
}

#[tokio::test]
async fn exactly_the_price_is_paid_where_permit2_is_allowed_to() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT)]).open().await;
    allow(&scene, 5 * CENT);
    let answer = scene.get("/thing").await;
    bought(&answer);
    let paid = answer.payment.clone().unwrap();
    assert_eq!((paid.scheme.as_str(), paid.amount_atomic.as_str()), ("exact", "10000"));
    assert_eq!((scene.spent(), allowed(&scene)), (CENT, U256::from(4 * CENT)));
    scene.pass_finality();
    assert_eq!(scene.bursar.reconcile().await.unwrap().settled, [answer.purchase_id.clone().unwrap()]);
    let row = scene.bursar.why(&answer.purchase_id.unwrap()).await.unwrap().row;
    assert_eq!((row.state.as_str(), row.proof.as_deref()), ("settled", Some("chain")));
    assert!(scene.bursar.reconcile().await.unwrap().alarms.is_empty(), "what left is explained");
    scene.end().await;
}

#[tokio::test]
async fn without_an_allowance_nothing_is_signed_and_the_owner_is_named() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT)]).open().await;
    allow(&scene, 0);
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Refused, Charged::No);
    assert_eq!(codes(&answer), ["permit2_allowance_required"]);
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    allow(&scene, CENT - 1);
    is(&scene.get("/thing").await, Outcome::Refused, Charged::No);
    scene.end().await;
}

#[tokio::test]
async fn an_allowance_that_was_raised_since_it_was_read_is_heard_of_at_the_next_call() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT)]).open().await;
    allow(&scene, 0);
    is(&scene.get("/thing").await, Outcome::Refused, Charged::No);
    allow(&scene, CENT);
    bought(&scene.get("/thing").await);
    assert_eq!((scene.spent(), allowed(&scene)), (CENT, U256::ZERO));
    scene.end().await;
}

#[tokio::test]
async fn an_offer_that_lacks_an_allowance_does_not_hide_one_that_can_be_paid() {
    let both = Stall { ways: vec![Way::Permit2, Way::Eip3009], ..Stall::get("/thing", CENT) };
    let scene = market([both]).open().await;
    allow(&scene, 0);
    bought(&scene.get("/thing").await);
    assert_eq!((scene.spent(), allowed(&scene)), (CENT, U256::ZERO));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_sponsors_a_permit_is_given_one_for_exactly_the_price() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT).sponsoring_permits()]).open().await;
    allow(&scene, 0);
    bought(&scene.get("/thing").await);
    assert_eq!((scene.spent(), allowed(&scene)), (CENT, U256::ZERO));
    let (one, two) = tokio::join!(scene.get("/thing?1"), scene.get("/thing?2"));
    assert!(one.outcome == Outcome::Answered || two.outcome == Outcome::Answered, "{one:#?} {two:#?}");
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_sponsors_an_approval_is_given_one_for_exactly_the_price() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT).sponsoring_approvals()]).open().await;
    allow(&scene, 0);
    bought(&scene.get("/thing").await);
    bought(&scene.get("/thing?again").await);
    assert_eq!((scene.spent(), allowed(&scene)), (2 * CENT, U256::ZERO));
    scene.end().await;
}

#[tokio::test]
async fn an_allowance_that_is_gone_since_it_was_read_is_asked_for_again() {
    let scene = market([Stall::paid(Way::Permit2, "/thing", CENT)]).open().await;
    allow(&scene, 5 * CENT);
    bought(&scene.get("/thing").await);
    allow(&scene, 0);
    let told = scene.get("/thing?2").await;
    is(&told, Outcome::Held, Charged::Unknown);
    assert!(codes(&told).contains(&"permit2_allowance_required"), "{told:#?}");
    // It is known now: the next one is not signed at all.
    is(&scene.get("/thing?3").await, Outcome::Refused, Charged::No);
    scene.pass(400);
    scene.bursar.reconcile().await.unwrap();
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()), "what was not taken is given back");
    scene.end().await;
}

#[tokio::test]
async fn what_its_owner_took_back_is_given_back_before_its_window_is_over() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let stall = Stall { ways: vec![Way::Permit2], ..Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT) };
    scene.sandbox.sellers.put(stall);
    allow(&scene, 5 * CENT);
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    let nonce = *scene.nonces().await.keys().next().unwrap();
    scene.sandbox.chain.invalidate_permit2_nonce(scene.address, U256::from_be_bytes(nonce.0)).unwrap();
    scene.bursar.reconcile().await.unwrap();
    assert_eq!(scene.counted().await.1, "0.01", "not final yet");
    scene.pass_finality();
    assert_eq!(scene.bursar.reconcile().await.unwrap().lapsed, [lost.purchase_id.unwrap()]);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    scene.end().await;
}
