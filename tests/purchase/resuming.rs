//! When a reply is lost: the same bytes or nothing, and the truth about the money.

use std::time::Duration;

use bursar::answer::{Charged, Outcome};
use bursar::limits;
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall, Way, stall};

use crate::scene::*;

fn one(behaviour: Behaviour) -> Setting {
    market([Stall::that(behaviour, "/thing", CENT)])
}

/// Every payment a seller saw, as the bytes it saw.
fn headers(scene: &Scene) -> Vec<String> {
    scene.payments().into_iter().filter_map(|seen| seen.payment_header).collect()
}

#[tokio::test]
async fn a_reply_lost_after_settling_is_told_as_charged_and_nothing_is_signed_again() {
    let scene = one(Behaviour::DropAfterSettling).open().await;
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    reason(&lost, "outcome_unknown");
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.pass_finality();
    let told = scene.get("/thing").await;
    is(&told, Outcome::Failed, Charged::Yes);
    reason(&told, "charged_not_delivered");
    assert_eq!(state(&told), ("settled", "chain"));
    assert_eq!(told.purchase_id, lost.purchase_id);
    let third = scene.get("/thing").await;
    is(&third, Outcome::Failed, Charged::Yes);
    assert_eq!((scene.spent(), headers(&scene).len(), scene.nonces().await.len()), (CENT, 3, 1));
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn a_reply_lost_before_settling_is_resumed_with_the_same_bytes_and_delivered() {
    let scene = one(Behaviour::DropBeforeSettling).open().await;
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!(answer.purchase_id, lost.purchase_id);
    let shown = headers(&scene);
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0], shown[1]);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_payment_is_shown_three_times_and_no_more() {
    let scene = one(Behaviour::DropBeforeSettling).open().await;
    for _ in 0..6 {
        is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    }
    let shown = headers(&scene);
    assert_eq!(shown.len(), 3);
    assert!(shown.iter().all(|bytes| *bytes == shown[0]));
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 1));
    scene.end().await;
}

#[tokio::test]
async fn another_402_after_presenting_is_never_signed() {
    let scene = one(Behaviour::RefuseAlways).open().await;
    for _ in 0..5 {
        is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    }
    assert_eq!(scene.nonces().await.len(), 1);
    assert_eq!(headers(&scene).len(), 3);
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_honours_the_same_bytes_delivers_when_no_chain_can_be_asked() {
    // By Permit2 nothing is signed where its allowance cannot be read.
    let stall = Stall { ways: vec![Way::Eip3009], ..Stall::that(Behaviour::HonoursSameBytes, "/thing", CENT) };
    let scene = market([stall]).open().await;
    scene.sandbox.rpc.set_down(true);
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    let answer = scene.get("/thing").await;
    bought(&answer);
    let shown = headers(&scene);
    assert_eq!((shown.len(), scene.spent()), (2, CENT));
    assert_eq!(shown[0], shown[1]);
    scene.end().await;
}

#[tokio::test]
async fn a_payment_that_never_left_is_not_charged_and_is_presented_by_the_next_call() {
    let scene = one(Behaviour::Normal).open().await;
    scene.fault(Fault::CannotConnect);
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Failed, Charged::No);
    reason(&answer, "not_presented");
    assert_eq!(state(&answer), ("authorized", "none"));
    assert!(headers(&scene).is_empty());
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    let later = scene.get("/thing").await;
    bought(&later);
    assert_eq!((later.purchase_id, scene.nonces().await.len()), (answer.purchase_id, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_failure_to_connect_does_not_undo_what_was_presented_before() {
    let scene = one(Behaviour::DropBeforeSettling).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_settles_and_says_it_failed_is_found_out() {
    let scene = one(Behaviour::RefuseAfterSettling).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    assert_eq!((scene.spent(), headers(&scene).len()), (CENT, 2));
    scene.end().await;
}

#[tokio::test]
async fn a_failed_settlement_is_believed_by_nobody_until_the_window_is_over() {
    let scene = one(Behaviour::FailsToSettle).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Held, Charged::Unknown);
    // The seller still has the bytes, and says now what it did not say then.
    scene.sandbox.sellers.redeem(&scene.payments()[0]).unwrap();
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.settled, [answer.purchase_id.unwrap()]);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn an_error_after_settling_is_an_answer_whose_charge_the_chain_tells() {
    let scene = one(Behaviour::SettleThenStatus(500)).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!(answer.http.as_ref().unwrap().status, 500);
    scene.pass_finality();
    let told = scene.get("/thing").await;
    is(&told, Outcome::Answered, Charged::Yes);
    assert_eq!(told.http.as_ref().unwrap().status, 500);
    assert_eq!(state(&told), ("settled", "chain"));
    assert_eq!((scene.spent(), headers(&scene).len()), (CENT, 2));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_lies_about_settling_is_an_alarm_and_the_budget_returns() {
    let scene = one(Behaviour::LieAboutSettling).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    let id = answer.purchase_id.clone().unwrap();
    assert!(scene.bursar.reconcile().await.unwrap().lapsed.is_empty());
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    scene.pass(120);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!((found.lapsed, found.alarms.len()), (vec![id.clone()], 1));
    assert_eq!(scene.alarms(&id).await.len(), 1);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    let told = scene.again("/thing", &answer).await;
    is(&told, Outcome::Answered, Charged::No);
    assert_eq!(body(&told), body(&answer));
    scene.end().await;
}

#[tokio::test]
async fn past_its_window_a_wish_is_bought_anew_while_the_old_authorization_still_counts() {
    let scene = one(Behaviour::DropBeforeSettling).finality(100).open().await;
    let lost = scene.get("/thing").await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.pass(130);
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_ne!(answer.purchase_id, lost.purchase_id);
    assert_eq!(scene.counted().await, ("0.02".to_owned(), "0.01".to_owned()));
    scene.pass(250);
    let found = scene.bursar.reconcile().await.unwrap();
    assert_eq!(found.lapsed, [lost.purchase_id.clone().unwrap()]);
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn before_it_is_safely_past_nothing_is_bought_anew() {
    let scene = one(Behaviour::DropBeforeSettling).finality(100).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    for secs in [55, 10, 50] {
        scene.pass(secs);
        let told = scene.get("/thing").await;
        is(&told, Outcome::Held, Charged::Unknown);
    }
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn our_clock_alone_does_not_end_a_window() {
    let scene = one(Behaviour::DropBeforeSettling).finality(100).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.set_ours_ahead(3600);
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn the_same_id_after_it_lapsed_says_so_and_how_to_buy_it_again() {
    let scene = one(Behaviour::DropBeforeSettling).open().await;
    let lost = scene.get("/thing").await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.pass(130);
    scene.bursar.reconcile().await.unwrap();
    let told = scene.again("/thing", &lost).await;
    is(&told, Outcome::Failed, Charged::No);
    reason(&told, "lapsed");
    assert!(told.next.contains("buy_again"), "{}", told.next);
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    bought(&scene.buy_again("/thing", &lost).await);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn under_its_own_id_a_purchase_that_lapses_while_it_is_asked_for_is_told_not_bought() {
    let scene = one(Behaviour::DropBeforeSettling).open().await;
    let lost = scene.get("/thing").await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.pass(130);
    let told = scene.again("/thing", &lost).await;
    is(&told, Outcome::Failed, Charged::No);
    reason(&told, "lapsed");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_day_after_it_settled_without_goods_the_wish_may_be_bought_anew() {
    let scene = one(Behaviour::DropAfterSettling).open().await;
    scene.get("/thing").await;
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.pass(DAY - 60);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::Yes);
    scene.pass(60);
    bought(&scene.get("/thing").await);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_restart_resumes_what_was_left_with_the_same_bytes() {
    let mut scene = one(Behaviour::DropBeforeSettling).open().await;
    let lost = scene.get("/thing").await;
    scene.restart().await;
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!(answer.purchase_id, lost.purchase_id);
    let shown = headers(&scene);
    assert_eq!((shown.len(), &shown[0]), (2, &shown[1]));
    scene.end().await;
}

#[tokio::test]
async fn calls_that_come_together_are_one_purchase() {
    let scene = one(Behaviour::Normal).open().await;
    let calls = (0..8).map(|_| scene.get("/thing"));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.outcome, Outcome::Answered, "{answer:#?}");
        assert_eq!(body(&answer), r#"{"goods":"/thing"}"#);
    }
    assert_eq!((scene.spent(), headers(&scene).len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn calls_that_come_together_from_two_processes_are_one_purchase() {
    let scene = one(Behaviour::Normal).open().await;
    let other = scene.another_house();
    let theirs = other.agent(AGENT);
    let quiet = bursar::ports::Quiet;
    let (ours, theirs) = tokio::join!(scene.get("/thing"), theirs.fetch_paid(None, scene.call("/thing"), &quiet));
    assert_eq!((ours.outcome, theirs.outcome), (Outcome::Answered, Outcome::Answered));
    assert_eq!(ours.purchase_id, theirs.purchase_id);
    assert_eq!((scene.spent(), headers(&scene).len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn what_the_owner_released_by_hand_is_settled_when_the_chain_says_so() {
    let scene = one(Behaviour::DropAfterSettling).open().await;
    let lost = scene.get("/thing").await;
    scene.bursar.release(lost.purchase_id.as_deref().unwrap(), None).await.unwrap();
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    scene.sandbox.rpc.set_down(true);
    let told = scene.again("/thing", &lost).await;
    is(&told, Outcome::Failed, Charged::Unknown);
    assert!(told.next.contains("not known") && !told.next.contains("no money moved"), "{told:#?}");
    scene.sandbox.rpc.set_down(false);
    let found = scene.bursar.reconcile().await.unwrap();
    let id = lost.purchase_id.unwrap();
    assert_eq!(found.settled, std::slice::from_ref(&id));
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.00".to_owned()));
    assert!(scene.alarms(&id).await.iter().any(|alarm| alarm.contains("counts again")), "{found:?}");
    scene.end().await;
}

#[tokio::test]
async fn another_url_is_another_purchase_though_it_begins_while_one_is_held() {
    let scene =
        market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT), Stall::get("/other", CENT)]).open().await;
    scene.get("/thing").await;
    bought(&scene.get("/other").await);
    let query = Call { url: scene.url("/other?x=1"), ..Call::default() };
    bought(&scene.fetch(query).await);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (2 * CENT, 3));
    scene.end().await;
}

#[tokio::test]
async fn goods_that_were_paid_for_are_fetched_with_the_same_bytes() {
    for is_final in [false, true] {
        let scene = one(Behaviour::HonoursSameBytes).open().await;
        let lost = scene.get("/thing").await;
        is(&lost, Outcome::Held, Charged::Unknown);
        if is_final {
            scene.pass_finality();
        }
        let answer = scene.get("/thing").await;
        bought(&answer);
        assert_eq!(answer.purchase_id, lost.purchase_id);
        let shown = headers(&scene);
        assert_eq!((shown.len(), &shown[0], scene.spent()), (2, &shown[1], CENT));
        assert_eq!(scene.nonces().await.len(), 1);
        scene.end().await;
    }
}

#[tokio::test]
async fn goods_that_never_come_are_asked_for_three_times_at_most() {
    let scene = one(Behaviour::DropAfterSettling).open().await;
    for _ in 0..5 {
        assert_ne!(scene.get("/thing").await.charged, Charged::No);
    }
    let told = scene.get("/thing").await;
    is(&told, Outcome::Failed, Charged::Yes);
    reason(&told, "charged_not_delivered");
    assert_eq!((scene.spent(), headers(&scene).len(), scene.nonces().await.len()), (CENT, 3, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_knows_the_purchase_by_its_id_is_asked_for_goods_ten_times_at_most() {
    let stall = Stall::get("/thing", CENT).declare("payment-identifier", stall::payment_identifier(true));
    for lost in [9, 10] {
        let scene = market([stall.clone()]).open().await;
        for _ in 0..lost {
            scene.fault(Fault::LosesTheReply);
            let told = scene.get("/thing").await;
            assert_ne!((told.outcome, told.charged), (Outcome::Answered, Charged::No), "{told:#?}");
        }
        let told = scene.get("/thing").await;
        if lost == 9 {
            bought(&told);
        } else {
            is(&told, Outcome::Failed, Charged::Yes);
            assert!(told.next.contains("buy_again"), "{}", told.next);
        }
        assert_eq!((scene.spent(), headers(&scene).len(), scene.nonces().await.len()), (CENT, 10, 1));
        scene.end().await;
    }
}

#[tokio::test]
async fn while_goods_may_still_be_asked_for_nobody_is_told_to_pay_once_more() {
    let stall = Stall::get("/thing", CENT).declare("payment-identifier", stall::payment_identifier(true));
    let scene = market([stall]).open().await;
    for _ in 0..4 {
        scene.fault(Fault::LosesTheReply);
        scene.get("/thing").await;
    }
    scene.pass_finality();
    scene.fault(Fault::LosesTheReply);
    let told = scene.get("/thing").await;
    is(&told, Outcome::Failed, Charged::Yes);
    assert!(told.next.contains("pays nothing") && !told.next.contains("buy_again"), "{}", told.next);
    scene.end().await;
}

#[tokio::test]
async fn a_paid_answer_that_was_cut_off_keeps_its_receipt_and_the_same_bytes_bring_it_whole() {
    let stall = Stall::get("/thing", CENT).declare("payment-identifier", stall::payment_identifier(true));
    let scene = market([stall]).open().await;
    scene.fault(Fault::CutsTheReply);
    let cut = scene.get("/thing").await;
    is(&cut, Outcome::Answered, Charged::Yes);
    reason(&cut, "body_cut");
    assert_eq!((state(&cut), body(&cut)), (("settled", "seller"), r#"{"goods":"#));
    assert!(cut.next.contains("pays nothing"), "{}", cut.next);
    let whole = scene.get("/thing").await;
    bought(&whole);
    assert_eq!(body(&whole), r#"{"goods":"/thing"}"#);
    assert_eq!((scene.spent(), headers(&scene).len(), scene.nonces().await.len()), (CENT, 2, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_payment_that_never_left_is_decided_on_again() {
    let cap = "[wallet]\nper_day = \"0.01\"\n";
    let scene = market([Stall::get("/thing", CENT)]).rules(cap).open().await;
    scene.fault(Fault::CannotConnect);
    let unsent = scene.get("/thing").await;
    is(&unsent, Outcome::Failed, Charged::No);
    let cheaper = Call { max_price: Some("0.005".to_owned()), ..scene.call("/thing") };
    refused(&scene.fetch(cheaper).await, "over_max_price");
    scene.write_rules("[wallet]\nper_day = \"0.009\"\n");
    refused(&scene.get("/thing").await, "over_day");
    scene.write_rules("[each_domain]\naccess = \"refuse\"\n");
    assert_eq!(scene.get("/thing").await.outcome, Outcome::Refused);
    assert_eq!((scene.payments().len(), scene.spent()), (0, 0));
    assert_eq!(scene.counted().await, ("0.01".to_owned(), "0.01".to_owned()));
    // What it counts itself does not stand in its way.
    scene.write_rules(cap);
    let answer = scene.get("/thing").await;
    bought(&answer);
    assert_eq!((&answer.purchase_id, scene.nonces().await.len()), (&unsent.purchase_id, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_yes_that_was_used_for_a_payment_that_never_left_still_stands_for_it() {
    let scene = market([Stall::get("/dear", 20 * CENT)]).open().await;
    let asked = scene.get("/dear").await;
    assert_eq!(asked.outcome, Outcome::NeedsApproval);
    scene.approve(asked.purchase_id.as_deref().unwrap()).await.unwrap();
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/dear").await, Outcome::Failed, Charged::No);
    bought(&scene.get("/dear").await);
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

fn part(scene: &Scene, range: &str) -> Call {
    Call { headers: [("range".to_owned(), range.to_owned())].into(), ..scene.call("/thing") }
}

#[tokio::test]
async fn a_call_with_other_headers_gets_nothing_of_a_purchase_under_way() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let other = async {
        gate.reached().await;
        let told = scene.fetch(part(&scene, "bytes=5-9")).await;
        gate.open();
        told
    };
    let (first, told) = tokio::join!(scene.fetch(part(&scene, "bytes=0-4")), other);
    bought(&first);
    refused(&told, "other_headers");
    assert!(told.body.is_none() && told.http.is_none(), "{told:#?}");
    let by_id = Call { purchase_id: first.purchase_id.clone(), ..part(&scene, "bytes=5-9") };
    let told = scene.fetch(by_id).await;
    refused(&told, "other_headers");
    assert!(told.body.is_none(), "{told:#?}");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_call_with_other_headers_does_not_resume_another_calls_purchase() {
    let scene = one(Behaviour::HonoursSameBytes).open().await;
    is(&scene.fetch(part(&scene, "bytes=0-4")).await, Outcome::Held, Charged::Unknown);
    let told = scene.fetch(part(&scene, "bytes=5-9")).await;
    refused(&told, "other_headers");
    bought(&scene.fetch(part(&scene, "bytes=0-4")).await);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn an_older_payment_that_never_left_makes_no_room_in_this_minute() {
    let stalls = ["/thing", "/other"].map(|path| Stall { max_timeout_s: 300, ..Stall::get(path, CENT) });
    let scene = market(stalls).rules("[wallet]\npayments_per_minute = 1\n").open().await;
    scene.fault(Fault::CannotConnect);
    is(&scene.get("/thing").await, Outcome::Failed, Charged::No);
    scene.pass(70);
    bought(&scene.get("/other").await);
    refused(&scene.get("/thing").await, "too_many_payments");
    scene.pass(70);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_call_that_joins_one_that_is_stopped_ends_with_its_answer() {
    let scene = one(Behaviour::Normal).open().await;
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let other = scene.another_house();
    let joining = async {
        gate.reached().await;
        let (agent, call) = (other.agent(AGENT), scene.call("/thing"));
        let asking = tokio::spawn(async move { agent.fetch_paid(None, call, &bursar::ports::Quiet).await });
        // Begun, its time runs.
        tokio::task::yield_now().await;
        jump(limits::ANSWER_WITHIN + Duration::from_secs(1)).await;
        let pending = asking.await.unwrap();
        let nothing_goes_on = async {
            while other.is_held_elsewhere() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), nothing_goes_on).await.expect("nobody waits for ever");
        gate.open();
        pending
    };
    let (_, pending) = tokio::join!(scene.get("/thing"), joining);
    is(&pending, Outcome::Pending, Charged::Unknown);
    bought(&scene.get("/thing").await);
    scene.end().await;
}
