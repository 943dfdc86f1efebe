//! The owner's stop.

use bursar::answer::{Charged, Outcome};
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

#[tokio::test]
async fn a_frozen_wallet_pays_nothing_until_it_is_thawed() {
    let scene = market([Stall::get("/thing", CENT), Stall::free("/free")]).open().await;
    scene.bursar.freeze("by hand").await.unwrap();
    refused(&scene.get("/thing").await, "frozen");
    is(&scene.get("/free").await, Outcome::Answered, Charged::No);
    assert_eq!((scene.spent(), scene.payments().len()), (0, 0));
    scene.bursar.thaw(None).await.unwrap();
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_freeze_between_decision_and_commit_is_a_refusal_and_the_signature_is_never_seen() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let other = scene.another_house();
    scene.keys.on_load(move || {
        // Another process, on a thread of its own, as a terminal would.
        let freezing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(other.freeze("just now")).unwrap();
        });
        freezing.join().unwrap();
    });
    refused(&scene.get("/thing").await, "frozen");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn rules_that_change_between_decision_and_commit_are_the_ones_that_count() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let rules = scene.home.policy_file();
    scene.keys.on_load(move || {
        let text = std::fs::read_to_string(&rules).unwrap();
        std::fs::write(&rules, text.replace("version = 1", "version = 1\n[wallet]\nper_payment = \"0.009\"")).unwrap();
    });
    let answer = scene.get("/thing").await;
    let reason = refused(&answer, "over_payment");
    assert_eq!(reason.limit_usd.unwrap().to_string(), "0.009");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_frozen_wallet_presents_nothing_that_was_signed_before() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::No);
    scene.bursar.freeze("by hand").await.unwrap();
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Failed, Charged::No);
    reason(&answer, "frozen");
    assert_eq!((scene.payments().len(), scene.spent()), (0, 0));
    scene.bursar.thaw(None).await.unwrap();
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_frozen_wallet_still_tells_what_was_bought_and_what_was_lost() {
    let scene =
        market([Stall::get("/thing", CENT), Stall::that(Behaviour::DropAfterSettling, "/lost", CENT)]).open().await;
    scene.get("/thing").await;
    scene.get("/lost").await;
    scene.bursar.freeze("by hand").await.unwrap();
    is(&scene.get("/thing").await, Outcome::Answered, Charged::No);
    is(&scene.get("/lost").await, Outcome::Failed, Charged::Yes);
    scene.end().await;
}
