//! What became of a payment: by heights, by the history of the account that pays, and by all nodes together.

use bursar::answer::{Charged, Outcome};
use testkit::solana::shop::{Manner, Page, Shop};
use testkit::solana::{BLOCK_MS, Fate, LIFE, Mood};

use crate::scene::*;

async fn shop() -> Scene {
    let drops = Page { manner: Manner::DropsTheLine, ..Page::at("/drops", 10_000) };
    let lies = Page { manner: Manner::Lies, ..Page::at("/lies", 10_000) };
    Scene::of(vec![Page::at("/plain", 10_000), drops, lies]).await
}

#[tokio::test]
async fn a_lost_reply_is_found_on_the_chain_and_never_paid_again() {
    let scene = shop().await;
    let lost = scene.fetch("/drops").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    scene.pass(2_000);
    let again = scene.fetch("/drops").await;
    assert_eq!(again.purchase_id, lost.purchase_id);
    assert_eq!(scene.stands_at(&lost).await, ("settled".to_owned(), "seen".to_owned()));
    scene.pass(40_000);
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&lost).await, ("settled".to_owned(), "chain".to_owned()));
    assert_eq!((scene.balances(), scene.cluster.transfers()), ((FUNDS - 10_000, 10_000), 1));
    let shown = scene.shop.shown();
    assert!(shown.iter().all(|other| *other == shown[0]), "the same bytes, or nothing");
}

/// Its height and its time are both past, and final, before the budget has it back; and only then is it bought anew.
#[tokio::test]
async fn what_nobody_takes_lapses_past_its_height_and_no_sooner() {
    let scene = shop().await;
    scene.cluster.next(Fate::IsDropped);
    let dropped = scene.fetch("/plain").await;
    is(&dropped, Outcome::Held, Charged::Unknown);
    let budget = async || scene.bursar.audit().await.unwrap().held_usd.to_string();
    for millis in [1_000, LIFE * BLOCK_MS, 30_000] {
        scene.pass(millis);
        scene.reconcile().await;
        assert_eq!(scene.stands_at(&dropped).await.0, "held", "after {millis} ms more");
        assert_eq!(budget().await, "0.01");
    }
    let again = scene.fetch("/plain").await;
    assert_eq!(again.purchase_id, dropped.purchase_id, "the same purchase while it may still be taken");
    scene.outlive();
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&dropped).await, ("lapsed".to_owned(), "chain".to_owned()));
    assert_eq!((budget().await.as_str(), scene.balances()), ("0.00", (FUNDS, 0)));
    scene.cluster.next(Fate::Lands);
    let anew = scene.fetch("/plain").await;
    bought(&anew);
    assert_ne!(anew.purchase_id, dropped.purchase_id);
    assert_eq!(scene.cluster.transfers(), 1);
}

/// The last moment in which the chain takes it, long after the seller said that it came to nothing.
#[tokio::test]
async fn what_lands_after_all_counts_and_is_no_second_payment() {
    let scene = shop().await;
    scene.cluster.next(Fate::IsHeld);
    let held = scene.fetch("/plain").await;
    is(&held, Outcome::Held, Charged::Unknown);
    scene.pass((LIFE - 2) * BLOCK_MS);
    scene.reconcile().await;
    scene.cluster.release();
    scene.outlive();
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&held).await, ("settled".to_owned(), "chain".to_owned()));
    assert_eq!((scene.balances(), scene.cluster.transfers()), ((FUNDS - 10_000, 10_000), 1));
}

#[tokio::test]
async fn what_failed_on_the_chain_is_not_charged() {
    let scene = shop().await;
    scene.cluster.next(Fate::Fails);
    let failed = scene.fetch("/plain").await;
    is(&failed, Outcome::Held, Charged::Unknown);
    scene.pass(1_000);
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&failed).await.0, "held", "not final yet");
    scene.pass(40_000);
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&failed).await, ("lapsed".to_owned(), "chain".to_owned()));
    assert_eq!(scene.balances(), (FUNDS, 0));
    // What failed is taken no more, whoever shows it.
    scene.cluster.next(Fate::Lands);
    assert!(scene.cluster.send(&Shop::transaction(&scene.shop.shown()[0])).is_err());
}

#[tokio::test]
async fn what_was_seen_and_taken_back_is_held_again_and_lands_once() {
    let scene = shop().await;
    is(&scene.fetch("/drops").await, Outcome::Held, Charged::Unknown);
    scene.pass(4_000);
    let seen = scene.fetch("/drops").await;
    assert_eq!(scene.stands_at(&seen).await, ("settled".to_owned(), "seen".to_owned()));
    // The block that was named stays; those after it come again without the payment.
    scene.cluster.reorganize(15);
    scene.pass(4_000);
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&seen).await.0, "held");
    assert_eq!(scene.balances(), (FUNDS, 0));
    scene.outlive();
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&seen).await.0, "lapsed");
}

#[tokio::test]
async fn a_seller_that_lies_about_the_money_is_found_out() {
    let scene = shop().await;
    let told = scene.fetch("/lies").await;
    is(&told, Outcome::Answered, Charged::Yes);
    scene.outlive();
    let found = scene.reconcile().await;
    assert_eq!(scene.stands_at(&told).await.0, "lapsed");
    assert!(!found.alarms.is_empty());
}

/// A payment that never happened, by the word of one node only.
async fn with_one(mood: Mood) -> (Scene, bursar::answer::Answer) {
    let scene = shop().await;
    scene.cluster.next(Fate::IsDropped);
    let dropped = scene.fetch("/plain").await;
    scene.nodes[1].set_mood(mood);
    scene.outlive();
    scene.reconcile().await;
    (scene, dropped)
}

#[tokio::test]
async fn one_node_alone_proves_nothing() {
    for mood in [Mood::Down, Mood::Elsewhere, Mood::Behind(400), Mood::Forgetful] {
        let (scene, dropped) = with_one(mood).await;
        if mood == Mood::Forgetful {
            // From now on, which is after it was signed.
            scene.nodes[1].set_mood(mood);
            scene.reconcile().await;
        }
        let stands_at = scene.stands_at(&dropped).await.0;
        // Of another cluster it is only where it was never asked before.
        let expected = if mood == Mood::Elsewhere { "lapsed" } else { "held" };
        assert_eq!(stands_at, expected, "{mood:?}");
        scene.nodes[1].set_mood(Mood::Honest);
        scene.reconcile().await;
        assert_eq!(scene.stands_at(&dropped).await.0, "lapsed", "{mood:?}");
    }
}

/// It was paid, and one node says that there was nothing: then nothing is given back.
#[tokio::test]
async fn a_blind_node_gives_no_budget_back() {
    let scene = shop().await;
    let lost = scene.fetch("/drops").await;
    scene.nodes[1].set_mood(Mood::Blind);
    scene.outlive();
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&lost).await.0, "held", "a contradiction");
    scene.nodes[1].set_mood(Mood::Honest);
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&lost).await, ("settled".to_owned(), "chain".to_owned()));
}

/// One machine behind an address calls a block final, and another one, which is behind it, has no payment in its history.
#[tokio::test]
async fn what_one_machine_calls_final_is_held_against_no_older_history_of_another() {
    let scene = shop().await;
    let lost = scene.fetch("/drops").await;
    scene.nodes.iter().for_each(|node| node.set_mood(Mood::Several(600)));
    scene.outlive();
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&lost).await.0, "held");
    scene.nodes.iter().for_each(|node| node.set_mood(Mood::Honest));
    scene.reconcile().await;
    assert_eq!(scene.stands_at(&lost).await, ("settled".to_owned(), "chain".to_owned()));
}

/// A node that makes the chain low where it is asked for a block makes no window end early.
#[tokio::test]
async fn a_node_that_makes_the_chain_low_ends_nothing_early() {
    for liars in [vec![0], vec![1], vec![0, 1]] {
        let scene = shop().await;
        liars.iter().for_each(|liar: &usize| scene.nodes[*liar].set_mood(Mood::TooLow(5_000)));
        scene.cluster.next(Fate::IsHeld);
        let held = scene.fetch("/plain").await;
        scene.pass((LIFE - 2) * BLOCK_MS);
        scene.reconcile().await;
        assert_eq!(scene.stands_at(&held).await.0, "held", "{liars:?}");
        scene.cluster.release();
        scene.outlive();
        scene.reconcile().await;
        assert_eq!(scene.stands_at(&held).await, ("settled".to_owned(), "chain".to_owned()), "{liars:?}");
    }
}

/// Another program takes over what one left behind.
#[tokio::test]
async fn another_program_finds_out_what_became_of_it() {
    let scene = shop().await;
    let lost = scene.fetch("/drops").await;
    scene.pass(40_000);
    scene.opened_again().reconcile().await.unwrap();
    assert_eq!(scene.stands_at(&lost).await, ("settled".to_owned(), "chain".to_owned()));
    assert!(scene.bursar.audit().await.unwrap().violations.is_empty());
}
