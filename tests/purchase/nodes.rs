//! Nodes that are down, behind, blind, on another chain, or of different minds: what they leave in doubt stays counted.

use bursar::answer::{Charged, Outcome};
use sandbox::rpc::Mood;
use sandbox::sellers::{Behaviour, Stall, Way};

use crate::scene::*;

async fn held(mood: Mood) -> (Scene, String) {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).nodes(2).open().await;
    scene.nodes[0].set_mood(mood);
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    (scene, lost.purchase_id.unwrap())
}

/// Past window and finality, with a second node in this mood, nothing comes back and nothing is bought anew; when the
/// node is honest again, it does.
async fn keeps_money_counted(mood: Mood, what: &str) {
    let (scene, id) = held(mood).await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.pass(130);
    let found = scene.bursar.reconcile().await.unwrap();
    assert!(found.lapsed.is_empty(), "{mood:?}: {found:?}");
    assert_eq!(found.waiting.len(), 1);
    let told = scene.get("/thing").await;
    is(&told, Outcome::Held, Charged::Unknown);
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    assert_eq!(scene.nonces().await.len(), 1);
    scene.nodes[0].set_mood(Mood::Honest);
    assert_eq!(scene.bursar.reconcile().await.unwrap().lapsed, [id]);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    scene.end().await;
    held_true(what);
}

/// Final blocks prove a use without its logs; but of a ceiling, only logs say how much was taken.
fn proven_without_logs() -> &'static str {
    match Way::of_this_run() {
        Way::Eip3009 | Way::Permit2 | Way::Mpp => "chain",
        Way::Upto => "seen",
    }
}

/// A line of the bar.
fn held_true(what: &str) {
    println!("bar: chain, a node that {what} | 1 case | 0 violations");
}

#[tokio::test]
async fn a_node_that_is_down_keeps_money_counted() {
    keeps_money_counted(Mood::Down, "is down").await;
}

#[tokio::test]
async fn a_node_that_answers_with_errors_keeps_money_counted() {
    keeps_money_counted(Mood::Failing, "answers with errors").await;
}

#[tokio::test]
async fn a_node_that_is_too_busy_keeps_money_counted() {
    keeps_money_counted(Mood::Busy, "is too busy").await;
}

#[tokio::test]
async fn a_node_that_stands_still_keeps_money_counted() {
    keeps_money_counted(Mood::StaleSince(1), "stands still").await;
}

#[tokio::test]
async fn a_node_of_another_chain_keeps_money_counted() {
    keeps_money_counted(Mood::WrongChain(1), "is of another chain").await;
}

#[tokio::test]
async fn a_node_that_lies_about_a_use_keeps_money_counted() {
    keeps_money_counted(Mood::Lying, "lies about a use").await;
}

#[tokio::test]
async fn a_node_that_calls_nothing_final_gives_nothing_back() {
    let (scene, id) = held(Mood::Undecided).await;
    scene.pass(130);
    assert!(scene.bursar.reconcile().await.unwrap().lapsed.is_empty());
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.nodes[0].set_mood(Mood::Honest);
    assert_eq!(scene.bursar.reconcile().await.unwrap().lapsed, [id]);
    scene.end().await;
    held_true("calls nothing final");
}

#[tokio::test]
async fn nodes_that_keep_only_recent_state_are_enough_to_prove_that_nothing_was_taken() {
    let (scene, id) = held(Mood::Pruned(3)).await;
    scene.sandbox.rpc.set_mood(Mood::Pruned(3));
    scene.pass(130);
    assert_eq!(scene.bursar.reconcile().await.unwrap().lapsed, [id]);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    scene.end().await;
    held_true("keeps only recent state, nothing taken");
}

#[tokio::test]
async fn nodes_that_keep_only_recent_state_are_enough_to_prove_that_money_moved() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/thing", CENT)]).nodes(2).open().await;
    let lost = scene.get("/thing").await;
    scene.pass(130);
    for node in [&scene.sandbox.rpc, &scene.nodes[0]] {
        node.set_mood(Mood::Pruned(3));
    }
    scene.bursar.reconcile().await.unwrap();
    let told = scene.again("/thing", &lost).await;
    is(&told, Outcome::Failed, Charged::Yes);
    assert_eq!(state(&told), ("settled", proven_without_logs()));
    scene.end().await;
    held_true("keeps only recent state, money taken");
}

#[tokio::test]
async fn one_blind_node_does_not_hide_that_the_money_moved() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/thing", CENT)]).nodes(2).open().await;
    let lost = scene.get("/thing").await;
    scene.nodes[0].set_mood(Mood::Blind);
    scene.pass(130);
    let found = scene.bursar.reconcile().await.unwrap();
    assert!(found.lapsed.is_empty(), "{found:?}");
    assert_eq!(scene.counted().await.0, "0.01");
    let told = scene.get("/thing").await;
    assert_ne!(told.charged, Charged::No);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.nodes[0].set_mood(Mood::Honest);
    scene.bursar.reconcile().await.unwrap();
    is(&scene.again("/thing", &lost).await, Outcome::Failed, Charged::Yes);
    scene.end().await;
    held_true("is blind");
}

#[tokio::test]
async fn with_every_node_down_a_call_shows_the_same_bytes_and_signs_nothing() {
    let (scene, _) = held(Mood::Honest).await;
    scene.sandbox.rpc.set_down(true);
    scene.nodes[0].set_down(true);
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    let shown = scene.payments();
    assert_eq!((shown.len(), &shown[0].payment_header), (2, &shown[1].payment_header));
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
    held_true("is down, as every other");
}

#[tokio::test]
async fn a_chain_that_changes_its_mind_takes_nothing_back_by_itself() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    scene.sandbox.chain.reorganize(1);
    let found = scene.bursar.reconcile().await.unwrap();
    assert!(found.lapsed.is_empty());
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn one_blind_node_does_not_hide_money_that_no_row_explains() {
    for blind in [0, 1] {
        let scene = market([Stall::get("/thing", CENT)]).nodes(2).open().await;
        bought(&scene.get("/thing").await);
        scene.bursar.reconcile().await.unwrap();
        match blind {
            0 => scene.sandbox.rpc.set_mood(Mood::Blind),
            _ => scene.nodes[0].set_mood(Mood::Blind),
        }
        scene.steal(alloy_primitives::Address::repeat_byte(0x99), 3 * CENT).await;
        scene.pass(10);
        let found = scene.bursar.reconcile().await.unwrap();
        assert!(!found.alarms.is_empty(), "node {blind} is blind: {found:?}");
        assert!(scene.bursar.frozen().await.unwrap().is_some());
        scene.end_with_another_history().await;
    }
}

#[tokio::test]
async fn money_that_left_and_no_row_explains_freezes_the_wallet() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    assert!(scene.bursar.reconcile().await.unwrap().alarms.is_empty());
    scene.steal(alloy_primitives::Address::repeat_byte(0x99), 3 * CENT).await;
    scene.pass(10);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.alarms.len(), 1, "{found:?}");
    assert!(scene.bursar.frozen().await.unwrap().is_some());
    scene.pass(200);
    refused(&scene.get("/thing").await, "frozen");
    scene.bursar.thaw(None).await.unwrap();
    let found = scene.bursar.reconcile().await.unwrap();
    assert!(found.alarms.is_empty(), "the owner has heard of it: {found:?}");
    bought(&scene.get("/thing").await);
    scene.end_with_another_history().await;
}

/// A payment that was presented and not taken; the second node says it was used in a block far above everybody's head.
#[tokio::test]
async fn a_node_that_names_a_use_far_above_every_head_moves_nothing_and_buys_nothing_anew() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).nodes(2).open().await;
    let lost = scene.get("/thing").await;
    scene.nodes[0].set_mood(Mood::FromTheFuture(100_000));
    let found = scene.bursar.reconcile().await.unwrap();
    assert!(found.settled.is_empty(), "{found:?}");
    let told = scene.buy_again("/thing", &lost).await;
    refused(&told, "not_done");
    assert_eq!(scene.nonces().await.len(), 1, "a second payment was signed while the first is alive");
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.end().await;
    held_true("names a use far above every head");
}

#[tokio::test]
async fn a_reorganisation_takes_back_a_payment_that_was_only_seen() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/thing", CENT)]).finality(50).open().await;
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    scene.bursar.reconcile().await.unwrap();
    let id = lost.purchase_id.clone().unwrap();
    let row = scene.bursar.why(&id).await.unwrap().row;
    assert_eq!((row.state.as_str(), row.proof.as_deref()), ("settled", Some("seen")));
    scene.sandbox.chain.reorganize(1);
    scene.bursar.reconcile().await.unwrap();
    let row = scene.bursar.why(&id).await.unwrap().row;
    assert_eq!((row.state.as_str(), row.proof.as_deref()), ("held", Some("none")));
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn one_invented_log_is_an_alarm_and_freezes_nothing() {
    let scene = market([Stall::get("/thing", CENT)]).nodes(2).open().await;
    scene.bursar.reconcile().await.unwrap();
    scene.nodes[0].set_mood(Mood::Inventing);
    scene.pass(10);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.alarms.len(), 1, "{found:?}");
    assert_eq!(scene.bursar.frozen().await.unwrap(), None);
    bought(&scene.get("/thing").await);
    scene.end().await;
    held_true("invents a log");
}

#[tokio::test]
async fn a_plain_transfer_out_of_the_account_is_noticed_and_freezes_the_wallet() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    assert!(scene.bursar.reconcile().await.unwrap().alarms.is_empty());
    let thief = alloy_primitives::Address::repeat_byte(0x99);
    scene.sandbox.chain.transfer(scene.address, thief, alloy_primitives::U256::from(3 * CENT)).unwrap();
    scene.pass(10);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.alarms.len(), 1, "{found:?}");
    assert!(found.alarms[0].contains("no purchase explains it"), "{found:?}");
    assert!(scene.bursar.frozen().await.unwrap().is_some());
    scene.bursar.thaw(None).await.unwrap();
    assert!(scene.bursar.reconcile().await.unwrap().alarms.is_empty(), "the owner has heard of it");
    scene.end_with_another_history().await;
}

#[tokio::test]
async fn the_sellers_chain_transaction_is_never_shown_as_the_chains() {
    let scene = market([Stall::that(Behaviour::MisstatesReceipt, "/thing", CENT)]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    let claimed = answer.payment.as_ref().unwrap().chain_tx.clone().unwrap();
    assert_eq!(state(&answer), ("settled", "seller"));
    // The chain proves the use, and keeps no log of it: then it names no transaction, and nobody else's is put there.
    scene.sandbox.rpc.set_mood(Mood::Lying);
    scene.pass(130);
    scene.bursar.reconcile().await.unwrap();
    let row = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap().row;
    assert_eq!(
        (row.proof.as_deref(), row.chain_tx.as_deref()),
        (Some(proven_without_logs()), None),
        "{claimed} is the seller's word"
    );
    scene.end().await;
}

#[tokio::test]
async fn a_receipt_that_misstates_payer_or_network_is_an_alarm() {
    let scene = market([Stall::that(Behaviour::MisstatesReceipt, "/thing", CENT)]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    let alarms = scene.alarms(answer.purchase_id.as_deref().unwrap()).await;
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    assert!(alarms[0].contains("payer") && alarms[0].contains("network"), "{alarms:?}");
    scene.end().await;
}
