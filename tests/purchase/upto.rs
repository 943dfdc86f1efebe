//! Paying up to a ceiling: what is held is the ceiling, and what counts in the end is what the chain says was taken.

use alloy_primitives::U256;
use bursar::answer::{Answer, Charged, Outcome};
use sandbox::chain::ASSET;
use sandbox::sellers::{Stall, Way};

use crate::scene::*;

const UPTO: &str = "[schemes]\nallow = [\"exact\", \"upto\"]\n";

fn taking(atomic: u64) -> Stall {
    Stall { takes: Some(atomic), ..Stall::paid(Way::Upto, "/thing", CENT) }
}

async fn open(stall: Stall) -> Scene {
    let scene = market([stall]).rules(UPTO).open().await;
    scene.sandbox.chain.asset(ASSET).approve_permit2(scene.address, U256::from(50 * CENT)).unwrap();
    scene
}

fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[tokio::test]
async fn the_ceiling_counts_until_the_chain_says_how_much_was_taken() {
    let scene = open(taking(4_321)).await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    let paid = answer.payment.clone().unwrap();
    assert_eq!((paid.scheme.as_str(), paid.amount_atomic.as_str()), ("upto", "10000"));
    assert_eq!((scene.spent(), scene.counted().await), (4_321, ("0.01".to_owned(), "0.00".to_owned())));
    let id = answer.purchase_id.unwrap();
    scene.bursar.reconcile().await.unwrap();
    assert_eq!(scene.counted().await.0, "0.01", "what nodes have merely seen gives nothing back");
    scene.pass_finality();
    scene.bursar.reconcile().await.unwrap();
    assert_eq!(scene.counted().await, ("0.004321".to_owned(), "0.00".to_owned()));
    let row = scene.bursar.why(&id).await.unwrap().row;
    assert_eq!((row.amount_atomic.as_deref(), row.proof.as_deref()), (Some("4321"), Some("chain")));
    assert_eq!(row.amount_usd.unwrap().to_string(), "0.004321");
    assert!(scene.alarms(&id).await.is_empty());
    scene.end().await;
}

#[tokio::test]
async fn the_chain_is_believed_about_how_much_and_not_the_seller() {
    let scene = open(Stall { claims: Some(1), ..taking(9_000) }).await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    scene.pass_finality();
    scene.bursar.reconcile().await.unwrap();
    assert_eq!((scene.spent(), scene.counted().await.0), (9_000, "0.009".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_takes_nothing_leaves_it_counted_until_it_cannot_take_anything() {
    let scene = open(taking(0)).await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!((scene.spent(), scene.counted().await), (0, ("0.01".to_owned(), "0.01".to_owned())));
    scene.pass(400);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.lapsed, [answer.purchase_id.clone().unwrap()]);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    assert!(scene.alarms(&answer.purchase_id.unwrap()).await.is_empty(), "nobody said that money was taken");
    scene.end().await;
}

#[tokio::test]
async fn a_policy_that_does_not_name_it_does_not_pay_it() {
    let scene = market([taking(CENT)]).rules("[schemes]\nallow = [\"exact\"]\n").open().await;
    scene.sandbox.chain.asset(ASSET).approve_permit2(scene.address, U256::from(50 * CENT)).unwrap();
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Refused, Charged::No);
    assert_eq!(codes(&answer), ["scheme_not_allowed"]);
    scene.end().await;
}

#[tokio::test]
async fn no_more_ceilings_are_signed_than_the_budget_holds() {
    let rules = format!("{UPTO}[wallet]\nper_day = \"0.02\"\n");
    let scene = market([taking(1)]).rules(&rules).open().await;
    scene.sandbox.chain.asset(ASSET).approve_permit2(scene.address, U256::from(50 * CENT)).unwrap();
    bought(&scene.get("/thing?1").await);
    bought(&scene.get("/thing?2").await);
    is(&scene.get("/thing?3").await, Outcome::Refused, Charged::No);
    scene.pass_finality();
    scene.bursar.reconcile().await.unwrap();
    bought(&scene.get("/thing?3").await);
    assert_eq!(scene.spent(), 3);
    scene.end().await;
}
