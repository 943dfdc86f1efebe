//! Things that break under a purchase: it is not lost, and it is not paid twice.

use std::time::Duration;

use bursar::answer::{Charged, Outcome};
use bursar::limits;
use bursar::ports::Quiet;
use sandbox::sellers::{Behaviour, Stall, stall};

use crate::scene::*;

#[tokio::test]
async fn a_panic_before_presenting_leaves_a_purchase_the_next_call_takes_up() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.fault(Fault::PanicBefore);
    let fault = scene.get("/thing").await;
    is(&fault, Outcome::Failed, Charged::Unknown);
    reason(&fault, "internal_fault");
    assert_eq!(scene.counted().await.0, "0.01");
    let answer = scene.again("/thing", &fault).await;
    bought(&answer);
    assert_eq!(answer.purchase_id, fault.purchase_id);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_panic_after_presenting_is_found_out_by_the_chain() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.fault(Fault::PanicAfter);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Unknown);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    // The same bytes were shown once more, for the goods; no money moved twice.
    assert_eq!((scene.spent(), scene.payments().len(), scene.nonces().await.len()), (CENT, 2, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_panic_while_resuming_lets_go_of_the_purchase_too() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let lost = scene.get("/thing").await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.fault(Fault::PanicBefore);
    let fault = scene.get("/thing").await;
    reason(&fault, "internal_fault");
    assert_eq!(fault.purchase_id, lost.purchase_id);
    let answer = tokio::time::timeout(Duration::from_secs(10), scene.get("/thing")).await;
    bought(&answer.expect("nobody presents it any more, so nobody waits for whoever does"));
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_call_nobody_waits_for_ends_and_the_next_one_is_handed_what_it_bought() {
    let mut scene = market([Stall::get("/thing", CENT)]).open().await;
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let (house, call) = (scene.bursar.clone(), scene.call("/thing"));
    let asking = tokio::spawn(async move { house.agent(AGENT).fetch_paid(None, call, &Quiet).await });
    gate.reached().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    gate.open();
    scene.bursar.drain().await;
    assert_eq!(scene.spent(), CENT);
    scene.restart().await;
    // Long after the repeat window: nobody has heard of it yet.
    scene.pass(HOUR);
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert!(answer.served_from_store);
    assert_eq!((scene.spent(), scene.payments().len()), (CENT, 1));
    scene.pass(HOUR);
    let anew = scene.get("/thing").await;
    assert!(!anew.served_from_store, "once heard, it is a purchase like any other");
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn whoever_comes_while_a_purchase_is_presented_waits_for_its_outcome() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let other = scene.another_house();
    let later = async {
        gate.reached().await;
        let asking = tokio::spawn({
            let (other, call) = (other.clone(), scene.call("/thing"));
            async move { other.agent(AGENT).fetch_paid(None, call, &Quiet).await }
        });
        while scene.sandbox.sellers.hits("/thing") < 1 || !other.is_held_elsewhere() {
            tokio::task::yield_now().await;
        }
        gate.open();
        asking.await.unwrap()
    };
    let (first, second) = tokio::join!(scene.get("/thing"), later);
    bought(&first);
    assert_eq!(second.outcome, Outcome::Answered, "{second:#?}");
    assert_eq!(second.purchase_id, first.purchase_id);
    assert_eq!((scene.spent(), scene.payments().len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn goods_that_a_power_cut_took_from_the_store_are_told_as_lost_and_never_as_empty() {
    let large = stall::big_body(limits::SMALL_BODY_BYTES + 1);
    let scene = market([Stall { handler: large, ..Stall::get("/thing", CENT) }]).open().await;
    bought(&scene.get("/thing").await);
    for kept in std::fs::read_dir(scene.home.purchases_dir()).unwrap() {
        std::fs::write(kept.unwrap().path(), "").unwrap();
    }
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::No);
    reason(&answer, "body_lost");
    assert!(answer.body.is_none() && answer.next.contains("buy_again"), "{answer:#?}");
    bought(&scene.buy_again("/thing", &answer).await);
    scene.end().await;
}

#[tokio::test]
async fn a_reply_lost_on_our_side_is_resumed_like_any_other() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    scene.fault(Fault::LosesTheReply);
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    assert_eq!((scene.spent(), scene.payments().len(), scene.nonces().await.len()), (CENT, 2, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_market_that_is_gone_when_the_payment_comes_has_seen_nothing() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let rules = scene.home.policy_file();
    // The key is read between the decision and the commit; by then the owner has closed the door to this market.
    scene.keys.on_load(move || {
        let text = std::fs::read_to_string(&rules).unwrap();
        let (kept, _) = text.split_once("[egress]").unwrap();
        std::fs::write(&rules, kept).unwrap();
    });
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Failed, Charged::No);
    reason(&answer, "not_presented");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_never_answers_is_pending_and_later_told_as_it_went() {
    let scene = market([Stall::that(Behaviour::NeverAnswers, "/thing", CENT)]).open().await;
    let (house, call) = (scene.bursar.clone(), scene.call("/thing"));
    let asking = tokio::spawn(async move { house.agent(AGENT).fetch_paid(None, call, &Quiet).await });
    while scene.payments().is_empty() {
        tokio::task::yield_now().await;
    }
    jump(bursar::limits::ANSWER_WITHIN + Duration::from_secs(1)).await;
    let pending = asking.await.unwrap();
    is(&pending, Outcome::Pending, Charged::Unknown);
    assert!(!pending.is_error());
    // The paid leg ends by itself, and nobody has answered.
    scene.sandbox.sellers.put(Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT));
    jump(bursar::limits::PAID_LEG + Duration::from_secs(1)).await;
    let held = scene.again("/thing", &pending).await;
    assert_eq!(held.purchase_id, pending.purchase_id);
    is(&held, Outcome::Held, Charged::Unknown);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_pending_answer_about_a_resumed_purchase_names_that_purchase() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let lost = scene.get("/thing").await;
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let (house, call) = (scene.bursar.clone(), scene.call("/thing"));
    let asking = tokio::spawn(async move { house.agent(AGENT).fetch_paid(None, call, &Quiet).await });
    gate.reached().await;
    jump(bursar::limits::ANSWER_WITHIN + Duration::from_secs(1)).await;
    let pending = asking.await.unwrap();
    is(&pending, Outcome::Pending, Charged::Unknown);
    assert_eq!(pending.purchase_id, lost.purchase_id);
    gate.open();
    scene.end().await;
}
