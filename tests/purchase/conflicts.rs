//! Ids: one purchase each, and each agent's own.

use bursar::answer::Outcome;
use bursar::ports::Quiet;
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

fn named(scene: &Scene, id: &str, path: &str) -> Call {
    Call { purchase_id: Some(id.to_owned()), ..scene.call(path) }
}

#[tokio::test]
async fn the_same_id_for_something_else_is_a_conflict() {
    let scene = market([Stall::get("/thing", CENT), Stall::get("/other", CENT)]).open().await;
    bought(&scene.fetch(named(&scene, "mine", "/thing")).await);
    refused(&scene.fetch(named(&scene, "mine", "/other")).await, "purchase_id_conflict");
    assert_eq!((scene.spent(), scene.sandbox.sellers.hits("/other")), (CENT, 0));
    scene.end().await;
}

#[tokio::test]
async fn an_id_of_a_free_answer_or_a_refusal_is_taken_too() {
    let scene =
        market([Stall::free("/free"), Stall::get("/yacht", 900 * CENT), Stall::get("/thing", CENT)]).open().await;
    scene.fetch(named(&scene, "a", "/free")).await;
    scene.fetch(named(&scene, "b", "/yacht")).await;
    for id in ["a", "b"] {
        refused(&scene.fetch(named(&scene, id, "/thing")).await, "purchase_id_conflict");
    }
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn two_agents_may_use_the_same_id() {
    let scene = market([Stall::get("/thing", CENT), Stall::get("/other", CENT)]).open().await;
    bought(&scene.fetch(named(&scene, "mine", "/thing")).await);
    bought(&scene.fetch_as("other", named(&scene, "mine", "/other")).await);
    assert_eq!(scene.spent(), 2 * CENT);
    // The owner can still name each of them.
    assert!(scene.bursar.why("mine").await.is_err());
    for agent in [AGENT, "other"] {
        assert_eq!(scene.bursar.why(&format!("{agent}/mine")).await.unwrap().row.agent, agent);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_refused_purchase_may_go_through_later_under_its_id() {
    let scene = market([Stall::get("/thing", CENT)]).rules("[wallet]\nper_payment = \"0.001\"\n").open().await;
    refused(&scene.fetch(named(&scene, "mine", "/thing")).await, "over_payment");
    scene.write_rules("");
    let answer = scene.fetch(named(&scene, "mine", "/thing")).await;
    bought(&answer);
    assert_eq!(answer.purchase_id.as_deref(), Some("mine"));
    scene.end().await;
}

#[tokio::test]
async fn a_new_id_for_a_wish_that_is_open_resumes_what_is_open() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let lost = scene.get("/thing").await;
    let told = scene.fetch(named(&scene, "another", "/thing")).await;
    assert_eq!(told.outcome, Outcome::Held);
    assert_eq!(told.purchase_id, lost.purchase_id);
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn calls_under_one_id_for_two_things_at_once_buy_one_of_them() {
    let scene = market([Stall::get("/thing", CENT), Stall::get("/other", CENT)]).open().await;
    let (thing, other) = (named(&scene, "mine", "/thing"), named(&scene, "mine", "/other"));
    let (one, two) = tokio::join!(scene.fetch(thing), scene.fetch(other));
    let outcomes = [one.outcome, two.outcome];
    assert!(outcomes.contains(&Outcome::Answered) && outcomes.contains(&Outcome::Refused), "{one:#?} {two:#?}");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn ids_that_are_not_plain_are_not_taken() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    for id in ["", "../../etc/passwd", "a b", "\u{202e}x", &"x".repeat(129)] {
        refused(&scene.fetch(named(&scene, id, "/thing")).await, "bad_purchase_id");
    }
    assert_eq!(scene.sandbox.sellers.seen().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_call_that_comes_to_nothing_tells_what_another_one_has_bought_under_its_id_meanwhile() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let (other, call) = (scene.another_house(), named(&scene, "mine", "/thing"));
    let (keys, here) = (scene.keys.clone(), tokio::runtime::Handle::current());
    scene.keys.on_load(move || {
        bought(&here.block_on(other.agent(AGENT).fetch_paid(None, call, &Quiet)));
        keys.trouble(Some(bursar::wallet::WalletError::KeyringLocked));
    });
    let answer = scene.fetch(named(&scene, "mine", "/thing")).await;
    bought(&answer);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}
