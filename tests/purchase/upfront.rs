//! Sellers that take the money before they do the work: only where the policy says so, and the answer says it.

use bursar::answer::{Answer, Charged, Outcome};
use http::StatusCode;
use sandbox::sellers::{Stall, Way, stall};

use crate::scene::*;

const UPFRONT: &str = "[schemes]\nallow = [\"exact\", \"upfront\"]\n";

fn first(path: &str) -> Stall {
    Stall { upfront: true, ways: vec![Way::Eip3009], ..Stall::get(path, CENT) }
}

fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[tokio::test]
async fn a_policy_that_does_not_say_so_pays_nobody_first() {
    let scene = market([first("/thing")]).rules("[schemes]\nallow = [\"exact\"]\n").open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Refused, Charged::No);
    assert_eq!(codes(&answer), ["scheme_not_allowed"]);
    assert!(scene.payments().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn the_answer_says_that_the_money_went_first() {
    let scene = market([first("/thing")]).rules(UPFRONT).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!((codes(&answer), scene.spent()), (vec!["paid_upfront"], CENT));
    scene.end().await;
}

#[tokio::test]
async fn work_that_fails_after_the_money_went_is_charged_and_told() {
    let fails: stall::Handler = std::sync::Arc::new(|_| {
        let body = bytes::Bytes::from_static(b"{\"error\":\"out of stock\"}");
        http::Response::builder().status(StatusCode::BAD_GATEWAY).body(body).unwrap()
    });
    let scene = market([Stall { handler: fails, ..first("/thing") }]).rules(UPFRONT).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Yes);
    assert!(codes(&answer).contains(&"paid_upfront"), "{answer:#?}");
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}
