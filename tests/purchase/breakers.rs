//! What goes wrong again and again stops itself, says so, and tells the owner once.

use bursar::answer::{Charged, Outcome};
use bursar::reason::Who;
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

/// A market that loses three answers, one way or another, before it sells well.
fn loses(behaviour: Behaviour) -> Setting {
    let mut stalls: Vec<Stall> = LOST.map(|path| Stall::that(behaviour.clone(), path, CENT)).into();
    stalls.extend(["/good", "/better"].map(|path| Stall::get(path, CENT)));
    market(stalls)
}

const LOST: [&str; 3] = ["/one", "/two", "/three"];

async fn lose(scene: &Scene) {
    for path in LOST {
        is(&scene.get(path).await, Outcome::Held, Charged::Unknown);
    }
}

/// The breakers the owner was told of beside a purchase.
async fn tripped(scene: &Scene, id: &str) -> Vec<String> {
    let story = scene.bursar.why(id).await.unwrap();
    let events = story.events.iter().filter(|event| event.kind == "breaker");
    events.map(|event| event.detail["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_seller_that_took_money_three_times_for_nothing_is_asked_about() {
    let scene = loses(Behaviour::DropAfterSettling).open().await;
    lose(&scene).await;
    let asked = scene.get("/good").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    let why = reason(&asked, "undelivered");
    assert_eq!((why.rule.as_str(), why.who_can_fix), ("breakers undelivered (127.0.0.1)", Who::Owner));
    assert!(
        why.message.contains("3 payments to 127.0.0.1 in 24 hours brought nothing")
            && why.message.contains("2027-01-16T08:00:00Z"),
        "{why:#?}"
    );
    let id = asked.purchase_id.clone().unwrap();
    assert_eq!(tripped(&scene, &id).await, ["undelivered"]);
    scene.approve(&id).await.unwrap();
    bought(&scene.again("/good", &asked).await);
    scene.end().await;
}

#[tokio::test]
async fn the_owner_is_told_once_a_day_and_the_agent_every_time() {
    let scene = loses(Behaviour::DropAfterSettling).open().await;
    lose(&scene).await;
    is(&scene.get("/good").await, Outcome::NeedsApproval, Charged::No);
    let again = scene.get("/better").await;
    reason(&again, "undelivered");
    assert!(tripped(&scene, &again.purchase_id.unwrap()).await.is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_day_later_it_is_forgotten() {
    let scene = loses(Behaviour::DropAfterSettling).open().await;
    lose(&scene).await;
    scene.pass(DAY - 1);
    is(&scene.get("/good").await, Outcome::NeedsApproval, Charged::No);
    scene.pass(1);
    bought(&scene.get("/good").await);
    scene.end().await;
}

#[tokio::test]
async fn what_the_chain_proves_was_never_taken_does_not_count() {
    let scene = loses(Behaviour::DropBeforeSettling).open().await;
    lose(&scene).await;
    is(&scene.get("/good").await, Outcome::NeedsApproval, Charged::No);
    scene.pass(130);
    assert_eq!(scene.bursar.reconcile().await.unwrap().lapsed.len(), 3);
    bought(&scene.get("/good").await);
    scene.end().await;
}

#[tokio::test]
async fn what_is_delivered_after_all_does_not_count() {
    let scene = loses(Behaviour::DropBeforeSettling).open().await;
    lose(&scene).await;
    scene.sandbox.sellers.put(Stall::get(LOST[0], CENT));
    bought(&scene.get(LOST[0]).await);
    bought(&scene.get("/good").await);
    scene.end().await;
}

#[tokio::test]
async fn another_seller_does_not_suffer_for_it() {
    let scene = loses(Behaviour::DropAfterSettling).others([Stall::get("/thing", CENT)]).open().await;
    lose(&scene).await;
    let there = scene.others.url().replace("127.0.0.1", "localhost");
    bought(&scene.fetch(Call { url: format!("{there}/thing"), ..Call::default() }).await);
    scene.end().await;
}

/// Refused for its caller's own ceiling, this often.
async fn be_refused(scene: &Scene, times: usize) {
    for _ in 0..times {
        let call = Call { max_price: Some("0.001".to_owned()), ..scene.call("/thing") };
        reason(&scene.fetch(call).await, "over_max_price");
    }
}

#[tokio::test]
async fn an_agent_refused_thirty_times_in_a_minute_pays_for_nothing_until_it_slows_down() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    be_refused(&scene, 30).await;
    let answer = scene.get("/thing").await;
    let why = refused(&answer, "too_many_refusals");
    assert_eq!(why.who_can_fix, Who::Time);
    assert!(why.message.contains("30 times") && why.message.contains("2027-01-15T08:02:00Z"), "{}", why.message);
    scene.pass(119);
    refused(&scene.get("/thing").await, "too_many_refusals");
    scene.pass(1);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn the_refusal_that_trips_it_is_listed_though_the_ones_before_were_only_counted() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    be_refused(&scene, 30).await;
    let first = scene.get("/thing").await;
    assert_eq!(tripped(&scene, &first.purchase_id.unwrap()).await, ["too_many_refusals"]);
    let elsewhere = Call { url: scene.url("/thing").replace("127.0.0.1", "localhost"), ..Call::default() };
    for call in [scene.call("/thing"), elsewhere] {
        assert_eq!(scene.fetch(call).await.purchase_id, None);
    }
    assert_eq!(scene.ids().await.len(), 11);
    scene.end().await;
}

#[tokio::test]
async fn another_agent_does_not_suffer_for_it() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    be_refused(&scene, 31).await;
    bought(&scene.fetch_as("another", scene.call("/thing")).await);
    scene.end().await;
}

#[tokio::test]
async fn a_breaker_that_trips_between_decision_and_commit_is_a_refusal_and_the_signature_is_never_seen() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let ledger = scene.home.ledger_file();
    let minute = i64::try_from(scene.now() / 60).unwrap();
    scene.keys.on_load(move || {
        let meanwhile = rusqlite::Connection::open(ledger).unwrap();
        meanwhile.execute("INSERT INTO refusals VALUES (?1, ?2, 30)", rusqlite::params![AGENT, minute]).unwrap();
    });
    refused(&scene.get("/thing").await, "too_many_refusals");
    assert_eq!((scene.payments().len(), scene.nonces().await.len(), scene.spent()), (0, 0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_price_that_jumps_and_a_payee_that_changes_are_told_as_breakers_too() {
    let scene = market([Stall::get("/thing", CENT)]).rules("[each_domain]\nrepeat_window = \"0s\"\n").open().await;
    bought(&scene.get("/thing").await);
    let other = Stall { payee: alloy_primitives::Address::repeat_byte(0x77), ..Stall::get("/thing", 2 * CENT) };
    scene.sandbox.sellers.put(other);
    let asked = scene.get("/thing").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    assert_eq!(tripped(&scene, &asked.purchase_id.unwrap()).await, ["payee_changed", "price_rise"]);
    scene.end().await;
}
