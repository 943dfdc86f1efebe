//! Asking the owner: for exact terms, once, and never past a limit.

use bursar::answer::{Answer, Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

/// Above the ten cents that are asked about.
const DEAR: u64 = 20 * CENT;

async fn dear() -> Scene {
    market([Stall::get("/dear", DEAR).in_x402()]).open().await
}

#[track_caller]
fn asks<'a>(answer: &'a Answer, code: &str) -> &'a str {
    is(answer, Outcome::NeedsApproval, Charged::No);
    reason(answer, code);
    answer.purchase_id.as_deref().unwrap()
}

#[tokio::test]
async fn a_dear_purchase_waits_for_the_owner_and_the_next_call_pays_it_once() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    let id = asks(&asked, "above_approval");
    assert_eq!((scene.payments().len(), scene.nonces().await.len()), (0, 0));
    let pending = scene.bursar.pending().await.unwrap();
    assert_eq!((pending.len(), pending[0].amount_usd.to_string()), (1, "0.20".to_owned()));
    scene.approve(id).await.unwrap();
    let answer = scene.get("/dear").await;
    bought(&answer);
    assert_eq!(answer.purchase_id, asked.purchase_id);
    assert_eq!(scene.spent(), DEAR);
    assert!(scene.bursar.pending().await.unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_yes_is_used_once() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    bought(&scene.get("/dear").await);
    scene.pass(121);
    let again = scene.get("/dear").await;
    asks(&again, "above_approval");
    assert_ne!(again.purchase_id, asked.purchase_id);
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_that_paid_for_a_lost_reply_pays_for_no_second_try() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/dear", DEAR)]).open().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    is(&scene.get("/dear").await, Outcome::Held, Charged::Unknown);
    scene.pass_finality();
    is(&scene.get("/dear").await, Outcome::Failed, Charged::Yes);
    asks(&scene.buy_again("/dear", &asked).await, "above_approval");
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_for_one_agent_is_no_other_agents() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    asks(&scene.fetch_as("other", scene.call("/dear")).await, "above_approval");
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn changed_terms_need_a_new_yes() {
    let scene = market([Stall::get("/dear", DEAR)]).rules("[approval]\nvalid_for = \"1h\"\n").open().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    // What was shown is too old by now to be paid without asking the seller again.
    scene.pass(601);
    scene.sandbox.sellers.put(Stall::get("/dear", DEAR + 1));
    asks(&scene.get("/dear").await, "above_approval");
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    scene.sandbox.sellers.put(Stall { payee, ..Stall::get("/dear", DEAR) });
    asks(&scene.get("/dear").await, "above_approval");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn the_owner_says_yes_to_what_was_shown_not_to_what_took_its_place() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    asks(&asked, "above_approval");
    let shown = scene.bursar.pending().await.unwrap().remove(0);
    // While the owner reads, the seller raises its price and the agent asks again.
    scene.sandbox.sellers.put(Stall::get("/dear", 2 * DEAR));
    asks(&scene.get("/dear").await, "above_approval");
    assert!(scene.bursar.approve(&shown, None).await.is_err());
    asks(&scene.get("/dear").await, "above_approval");
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_no_is_remembered() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.deny(asks(&asked, "above_approval")).await.unwrap();
    refused_with(&scene.get("/dear").await, "denied_by_owner");
    refused_with(&scene.again("/dear", &asked).await, "denied_by_owner");
    assert!(scene.bursar.pending().await.unwrap().is_empty());
    scene.pass(DAY);
    asks(&scene.get("/dear").await, "above_approval");
    scene.end().await;
}

#[tokio::test]
async fn a_no_is_not_washed_away_by_asking_on_other_terms_in_between() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.deny(asks(&asked, "above_approval")).await.unwrap();
    scene.sandbox.sellers.put(Stall::get("/dear", DEAR - 1));
    scene.again("/dear", &asked).await;
    asks(&scene.get("/dear").await, "above_approval");
    scene.sandbox.sellers.put(Stall::get("/dear", DEAR));
    refused_with(&scene.again("/dear", &asked).await, "denied_by_owner");
    refused_with(&scene.get("/dear").await, "denied_by_owner");
    scene.end().await;
}

#[tokio::test]
async fn a_no_holds_for_a_dearer_price_and_for_another_payee() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.deny(asks(&asked, "above_approval")).await.unwrap();
    scene.sandbox.sellers.put(Stall::get("/dear", DEAR + 1));
    refused_with(&scene.get("/dear").await, "denied_by_owner");
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    scene.sandbox.sellers.put(Stall { payee, ..Stall::get("/dear", DEAR) });
    refused_with(&scene.get("/dear").await, "denied_by_owner");
    assert!(scene.bursar.pending().await.unwrap().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_question_nobody_answers_expires() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    asks(&asked, "above_approval");
    let shown = scene.bursar.pending().await.unwrap().remove(0);
    scene.pass(DAY);
    assert!(scene.bursar.pending().await.unwrap().is_empty());
    assert!(scene.bursar.approve(&shown, None).await.is_err());
    let anew = scene.get("/dear").await;
    scene.approve(asks(&anew, "above_approval")).await.unwrap();
    bought(&scene.get("/dear").await);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_nobody_uses_expires_and_may_be_given_again() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    let id = asks(&asked, "above_approval");
    scene.approve(id).await.unwrap();
    scene.pass(600);
    asks(&scene.get("/dear").await, "above_approval");
    assert_eq!(scene.spent(), 0);
    scene.approve(id).await.unwrap();
    bought(&scene.get("/dear").await);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_in_the_last_minute_stands_for_as_long_as_any() {
    let scene = dear().await;
    asks(&scene.get("/dear").await, "above_approval");
    let shown = scene.bursar.pending().await.unwrap().remove(0);
    scene.pass(DAY - 1);
    scene.bursar.approve(&shown, None).await.unwrap();
    scene.pass(60);
    bought(&scene.get("/dear").await);
    scene.end().await;
}

#[tokio::test]
async fn an_approval_never_lifts_a_cap() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    scene.write_rules("[wallet]\nper_day = \"0.19\"\n");
    let answer = scene.get("/dear").await;
    refused_with(&answer, "over_day");
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_question_holds_no_budget() {
    let scene = market([Stall::get("/dear", DEAR), Stall::get("/thing", CENT)]).open().await;
    asks(&scene.get("/dear").await, "above_approval");
    assert_eq!(scene.counted().await, ("0.00".to_owned(), "0.00".to_owned()));
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn an_agent_has_five_questions_at_a_time_and_identical_ones_are_one() {
    let stalls: Vec<Stall> = (0..6).map(|n| Stall::get(&format!("/dear{n}"), DEAR)).collect();
    let scene = market(stalls).open().await;
    for n in 0..5 {
        let path = format!("/dear{n}");
        let asked = scene.get(&path).await;
        asks(&asked, "above_approval");
        assert_eq!(scene.get(&path).await.purchase_id, asked.purchase_id);
    }
    refused(&scene.get("/dear5").await, "too_many_questions");
    let pending = scene.bursar.pending().await.unwrap();
    assert_eq!(pending.len(), 5);
    asks(&scene.fetch_as("other", scene.call("/dear5")).await, "above_approval");
    scene.deny(&pending[0].purchase_id).await.unwrap();
    asks(&scene.get("/dear5").await, "above_approval");
    scene.end().await;
}

#[tokio::test]
async fn a_rise_in_price_is_asked_about() {
    let prices = Behaviour::PriceChanges(vec![CENT, CENT, 2 * CENT]);
    let scene = market([Stall::that(prices, "/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    scene.pass(200);
    asks(&scene.get("/thing").await, "price_rise");
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_known_seller_with_a_new_payee_is_asked_about() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    scene.sandbox.sellers.put(Stall { payee, ..Stall::get("/thing", CENT) });
    scene.pass(200);
    asks(&scene.get("/thing").await, "payee_changed");
    assert_eq!(scene.received(payee), 0);
    scene.end().await;
}

#[tokio::test]
async fn the_payment_pays_the_price_that_was_decided_on_though_the_seller_asks_another_meanwhile() {
    let prices = Behaviour::PriceChanges(vec![CENT, 5 * CENT]);
    let scene = market([Stall::that(prices, "/thing", CENT)]).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    assert_eq!(scene.payments()[0].value, Some(alloy_primitives::U256::from(CENT)));
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 1));
    scene.end().await;
}

#[tokio::test]
async fn an_agent_cannot_spend_a_yes_on_another_request() {
    let scene = market([Stall::post("/dear", DEAR)]).open().await;
    let with = |text: &str| Call { body: Some(text.to_owned()), ..scene.call("/dear") };
    let asked = scene.fetch(with("a")).await;
    let id = asks(&asked, "above_approval");
    scene.approve(id).await.unwrap();
    asks(&scene.fetch(with("b")).await, "above_approval");
    let swapped = scene.fetch(Call { purchase_id: Some(id.to_owned()), ..with("b") }).await;
    refused(&swapped, "purchase_id_conflict");
    bought(&scene.fetch(with("a")).await);
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

/// Refused, this among the reasons.
#[track_caller]
fn refused_with(answer: &Answer, code: &str) {
    is(answer, Outcome::Refused, Charged::No);
    reason(answer, code);
}

/// How often the seller was asked without being paid.
fn asked_unpaid(scene: &Scene) -> usize {
    scene.sandbox.sellers.seen().iter().filter(|seen| seen.payment_header.is_none()).count()
}

#[tokio::test]
async fn after_a_yes_the_offer_that_was_shown_is_paid_without_asking_the_seller_again() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    // What it asks by now is not what the owner was shown.
    scene.sandbox.sellers.put(Stall::get("/dear", DEAR + 1));
    scene.pass(500);
    scene.get("/dear").await;
    assert_eq!((asked_unpaid(&scene), scene.payments().len()), (1, 1));
    assert_eq!(scene.payments()[0].value, Some(alloy_primitives::U256::from(DEAR)));
    scene.end().await;
}

#[tokio::test]
async fn the_window_of_a_payment_begins_after_the_yes() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.pass(500);
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    bought(&scene.get("/dear").await);
    let story = scene.bursar.why(asked.purchase_id.as_deref().unwrap()).await.unwrap();
    assert!(story.window_ends.unwrap().secs() > scene.now() as i64);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_to_a_challenge_that_is_too_old_asks_the_seller_again_and_pays_on_the_same_terms() {
    let scene = market([Stall::get("/dear", DEAR)]).rules("[approval]\nvalid_for = \"1h\"\n").open().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    scene.pass(601);
    bought(&scene.get("/dear").await);
    assert_eq!(asked_unpaid(&scene), 2);
    scene.end().await;
}

#[tokio::test]
async fn one_more_header_than_was_shown_asks_the_owner_anew() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    let headers = [("accept".to_owned(), "text/html".to_owned())].into();
    let call = Call { headers, ..scene.call("/dear") };
    let anew = scene.fetch(call.clone()).await;
    let id = asks(&anew, "above_approval");
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 0));
    scene.approve(id).await.unwrap();
    bought(&scene.fetch(call).await);
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_for_one_reason_lifts_no_other_that_came_later() {
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    let other = Stall { payee, ..Stall::get("/dear", DEAR) };
    let scene = market([other, Stall::get("/thing", CENT)]).open().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    // The seller is known by another payee by the time the yes is used.
    bought(&scene.get("/thing").await);
    let anew = scene.get("/dear").await;
    let id = asks(&anew, "payee_changed");
    assert_eq!((anew.purchase_id.as_deref(), scene.received(payee)), (asked.purchase_id.as_deref(), 0));
    scene.approve(id).await.unwrap();
    bought(&scene.get("/dear").await);
    assert_eq!(scene.received(payee), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_yes_goes_with_its_purchase_though_no_rule_asked_any_more() {
    let scene = market([Stall::get("/dear", DEAR)]).rules("[approval]\nvalid_for = \"1h\"\n").open().await;
    let asked = scene.get("/dear").await;
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    scene.write_rules("[approval]\nabove = \"0.50\"\nvalid_for = \"1h\"\n");
    bought(&scene.get("/dear").await);
    scene.write_rules("[approval]\nvalid_for = \"1h\"\n");
    scene.pass(200);
    asks(&scene.get("/dear").await, "above_approval");
    assert_eq!(scene.spent(), DEAR);
    scene.end().await;
}

#[tokio::test]
async fn a_question_of_yesterday_is_answered_today_under_the_same_id() {
    let scene = dear().await;
    let asked = scene.get("/dear").await;
    let id = asks(&asked, "above_approval");
    scene.pass(DAY - 60);
    scene.approve(id).await.unwrap();
    scene.pass(120);
    let answer = scene.again("/dear", &asked).await;
    bought(&answer);
    assert_eq!(answer.purchase_id.as_deref(), Some(id));
    scene.end().await;
}

#[tokio::test]
async fn what_was_shown_is_kept_no_longer_than_it_can_be_paid() {
    let scene = dear().await;
    let ledger = rusqlite::Connection::open(scene.home.ledger_file()).unwrap();
    let kept = || -> i64 { ledger.query_row("SELECT count(challenge) FROM question", [], |row| row.get(0)).unwrap() };
    let asked = scene.get("/dear").await;
    assert_eq!(kept(), 1);
    scene.approve(asks(&asked, "above_approval")).await.unwrap();
    bought(&scene.get("/dear").await);
    assert_eq!(kept(), 0);
    scene.pass(200);
    let asked = scene.get("/dear").await;
    scene.deny(asks(&asked, "above_approval")).await.unwrap();
    assert_eq!(kept(), 0);
    drop(ledger);
    scene.end().await;
}

/// Lets a question end.
async fn ends(how: &str, scene: &Scene, call: &Call, id: &str) {
    match how {
        "denied" => scene.deny(id).await.unwrap(),
        "denied by another process" => {
            let another = scene.another_house();
            let shown = another.pending().await.unwrap().remove(0);
            another.deny(&shown).await.unwrap();
        }
        "used" => {
            scene.approve(id).await.unwrap();
            bought(&scene.fetch(call.clone()).await);
        }
        "refused" => {
            scene.write_rules("[wallet]\nper_payment = \"0.01\"\n");
            refused_with(&scene.fetch(call.clone()).await, "over_payment");
        }
        "expired" => {
            scene.pass(DAY);
            // Whoever looks notices it.
            assert!(scene.bursar.pending().await.unwrap().is_empty());
        }
        _ => unreachable!("{how}"),
    }
}

#[tokio::test]
async fn what_was_kept_for_a_question_is_in_no_file_of_the_ledger_once_it_ended() {
    const MARKER: &str = "account-of-somebody-4711";
    for how in ["denied", "denied by another process", "used", "refused", "expired"] {
        let scene = dear().await;
        let headers = [("x-account".to_owned(), MARKER.to_owned())].into();
        let call = Call { headers, ..scene.call("/dear") };
        let asked = scene.fetch(call.clone()).await;
        let found = || {
            let holds = |file: &std::path::PathBuf| {
                let bytes = std::fs::read(file).unwrap_or_default();
                bytes.windows(MARKER.len()).any(|part| part == MARKER.as_bytes())
            };
            ledger_files(&scene.home).iter().any(holds)
        };
        assert!(found(), "the question keeps what it is about");
        ends(how, &scene, &call, asks(&asked, "above_approval")).await;
        assert!(!found(), "{how}");
        scene.end().await;
    }
}
