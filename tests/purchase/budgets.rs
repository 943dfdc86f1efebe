//! Every cap refuses for its own reason with its numbers, and windows roll by the ledger's time.

use bursar::answer::{Charged, Outcome};
use bursar::ports::Quiet;
use sandbox::sellers::stall::PAYEE;
use sandbox::sellers::{Behaviour, Stall};
use testkit::house::Open;

use crate::scene::*;

/// Nothing else in the way of the one cap a test is about.
const OTHERWISE: &str = "[each_domain]\nper_payment = \"none\"\nper_session = \"none\"\nper_day = \"none\"\n\
     repeat_window = \"0s\"\n[payee]\nper_day = \"none\"\n[approval]\nabove = \"none\"\n[session]\ntotal = \"none\"\n";

fn wallet(cap: &str) -> String {
    let caps = ["per_payment", "per_hour", "per_day", "per_month", "payments_per_minute"];
    let set = cap.split(' ').next().unwrap();
    let others = caps.iter().filter(|name| **name != set);
    let others: String = others.map(|name| format!("{name} = \"none\"\n")).collect();
    format!("[wallet]\n{cap}\n{others}{OTHERWISE}")
}

/// The same with one value of [`OTHERWISE`] changed.
fn instead(none: &str, cap: &str) -> String {
    let rules = wallet("");
    assert_eq!(rules.matches(none).count(), 1, "{none}");
    rules.replace(none, cap)
}

/// Two payments of a cent fit, the third is refused with these numbers; after this long it is free again, and not a
/// bucket earlier.
async fn rolls(rules: &str, code: &str, span: Option<(u64, u64)>) {
    let scene = market([Stall::get("/thing", CENT)]).rules(rules).open().await;
    for _ in 0..2 {
        bought(&scene.get("/thing").await);
    }
    let answer = scene.get("/thing").await;
    let why = refused(&answer, code);
    assert_eq!(why.limit_usd.unwrap().to_string(), "0.02");
    assert_eq!(why.used_usd.unwrap().to_string(), "0.02");
    assert_eq!(scene.spent(), 2 * CENT);
    if let Some((window, bucket)) = span {
        scene.pass(window);
        refused(&scene.get("/thing").await, code);
        scene.pass(bucket);
        bought(&scene.get("/thing").await);
    }
    scene.end().await;
}

#[tokio::test]
async fn one_payment_may_not_cost_more_than_its_cap() {
    let scene = market([Stall::get("/thing", CENT)]).rules(&wallet("per_payment = \"0.009999\"")).open().await;
    let answer = scene.get("/thing").await;
    let why = refused(&answer, "over_payment");
    assert_eq!(
        (why.limit_usd.unwrap().to_string(), why.used_usd.unwrap().to_string()),
        ("0.009999".into(), "0.00".into())
    );
    scene.end().await;
}

#[tokio::test]
async fn one_payment_at_a_domain_may_not_cost_more_than_its_cap() {
    let rules = instead("per_payment = \"none\"\nper_session", "per_payment = \"0.001\"\nper_session");
    let scene = market([Stall::get("/thing", CENT)]).rules(&rules).open().await;
    refused(&scene.get("/thing").await, "over_domain_payment");
    scene.end().await;
}

#[tokio::test]
async fn the_wallets_hour_is_held_and_rolls() {
    rolls(&wallet("per_hour = \"0.02\""), "over_hour", Some((HOUR, 60))).await;
}

#[tokio::test]
async fn the_wallets_day_is_held_and_rolls() {
    rolls(&wallet("per_day = \"0.02\""), "over_day", Some((DAY, 15 * 60))).await;
}

#[tokio::test]
async fn the_wallets_month_is_held_and_rolls() {
    rolls(&wallet("per_month = \"0.02\""), "over_month", Some((30 * DAY, 6 * HOUR))).await;
}

#[tokio::test]
async fn a_domains_day_is_held_and_rolls() {
    let rules = instead("per_day = \"none\"\nrepeat_window", "per_day = \"0.02\"\nrepeat_window");
    rolls(&rules, "over_domain_day", Some((DAY, 15 * 60))).await;
}

#[tokio::test]
async fn a_domains_share_of_a_session_is_held() {
    rolls(&instead("per_session = \"none\"", "per_session = \"0.02\""), "over_domain_session", None).await;
}

#[tokio::test]
async fn a_payees_day_is_held_and_rolls() {
    let rules = instead("[payee]\nper_day = \"none\"", "[payee]\nper_day = \"0.02\"");
    rolls(&rules, "over_payee_day", Some((DAY, 15 * 60))).await;
}

#[tokio::test]
async fn a_session_is_held_and_ends_after_idling_and_not_by_a_restart() {
    let rules = instead("total = \"none\"", "total = \"0.02\"");
    let mut scene = market([Stall::get("/thing", CENT)]).rules(&rules).open().await;
    bought(&scene.get("/thing").await);
    scene.pass(1700);
    bought(&scene.get("/thing").await);
    scene.restart().await;
    let answer = scene.get("/thing").await;
    let why = refused(&answer, "over_session");
    assert_eq!((why.limit_usd.unwrap().to_string(), why.used_usd.unwrap().to_string()), ("0.02".into(), "0.02".into()));
    bought(&scene.fetch_as("other", scene.call("/thing")).await);
    // Being refused is no activity.
    scene.pass(1790);
    refused(&scene.get("/thing").await, "over_session");
    scene.pass(11);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn a_pace_is_held_and_rolls() {
    let scene = market([Stall::get("/thing", CENT)]).rules(&wallet("payments_per_minute = 2")).open().await;
    bought(&scene.get("/thing").await);
    scene.pass(30);
    bought(&scene.get("/thing").await);
    refused(&scene.get("/thing").await, "too_many_payments");
    scene.pass(29);
    refused(&scene.get("/thing").await, "too_many_payments");
    scene.pass(2);
    bought(&scene.get("/thing").await);
    refused(&scene.get("/thing").await, "too_many_payments");
    scene.end().await;
}

#[tokio::test]
async fn two_hosts_of_one_payee_share_its_day() {
    let rules = instead("[payee]\nper_day = \"none\"", "[payee]\nper_day = \"0.02\"");
    let scene = market([Stall::get("/thing", CENT)]).others([Stall::get("/thing", CENT)]).rules(&rules).open().await;
    bought(&scene.get("/thing").await);
    let there = format!("{}/thing", scene.others.url().replace("127.0.0.1", "localhost"));
    let call = bursar::wish::Call { url: there, ..Default::default() };
    bought(&scene.fetch(call.clone()).await);
    refused(&scene.fetch(call).await, "over_payee_day");
    assert_eq!(scene.received(PAYEE), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn every_cap_that_is_broken_is_named() {
    let rules = "[wallet]\nper_payment = \"0.001\"\nper_hour = \"0.002\"\nper_day = \"0.003\"\nper_month = \"0.004\"\n\
                 [session]\ntotal = \"0.005\"\n";
    let scene = market([Stall::get("/thing", CENT)]).rules(rules).open().await;
    let answer = scene.get("/thing").await;
    for code in ["over_payment", "over_hour", "over_day", "over_month", "over_session"] {
        reason(&answer, code);
    }
    assert_eq!(answer.reasons.len(), 5);
    scene.end().await;
}

#[tokio::test]
async fn what_is_held_counts_as_much_as_what_is_settled() {
    let stalls = [Stall::that(Behaviour::DropBeforeSettling, "/lost", CENT), Stall::get("/thing", CENT)];
    let scene = market(stalls).rules(&wallet("per_day = \"0.01\"")).open().await;
    is(&scene.get("/lost").await, Outcome::Held, Charged::Unknown);
    let answer = scene.get("/thing").await;
    assert_eq!(refused(&answer, "over_day").used_usd.unwrap().to_string(), "0.01");
    assert_eq!(scene.spent(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_payment_that_lapsed_gives_its_budget_back_where_it_was_counted() {
    let stalls = [Stall::that(Behaviour::DropBeforeSettling, "/lost", CENT), Stall::get("/thing", CENT)];
    let scene = market(stalls).rules(&wallet("per_day = \"0.01\"")).open().await;
    scene.get("/lost").await;
    scene.pass(130);
    scene.bursar.reconcile().await.unwrap();
    bought(&scene.get("/thing").await);
    refused(&scene.get("/thing").await, "over_day");
    scene.end().await;
}

#[tokio::test]
async fn a_clock_that_goes_back_frees_nothing() {
    let scene = market([Stall::get("/thing", CENT)]).rules(&wallet("per_hour = \"0.01\"")).open().await;
    scene.pass(DAY);
    bought(&scene.get("/thing").await);
    scene.turn_back(DAY);
    refused(&scene.get("/thing").await, "over_hour");
    scene.pass(2 * HOUR);
    refused(&scene.get("/thing").await, "over_hour");
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_cap_set_today_finds_what_was_spent_yesterday() {
    let scene = market([Stall::get("/thing", CENT)]).rules(&wallet("")).open().await;
    bought(&scene.get("/thing").await);
    scene.pass(12 * HOUR);
    scene.write_rules(&wallet("per_day = \"0.01\""));
    refused(&scene.get("/thing").await, "over_day");
    scene.end().await;
}

#[tokio::test]
async fn many_at_once_spend_what_a_cap_allows_and_not_a_cent_more() {
    let stalls: Vec<Stall> = (0..24).map(|n| Stall::get(&format!("/thing{n}"), CENT)).collect();
    let scene = market(stalls).rules(&wallet("per_day = \"0.07\"")).open().await;
    let other = scene.another_house();
    let calls = (0..24).map(|n| {
        let house: &Open = if n % 2 == 0 { &scene.bursar } else { &other };
        let call = scene.call(&format!("/thing{n}"));
        async move { house.agent(&format!("agent{}", n % 3)).fetch_paid(None, call, &Quiet).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    let paid = answers.iter().filter(|answer| answer.charged == Charged::Yes).count();
    assert_eq!(paid, 7);
    for answer in answers.iter().filter(|answer| answer.charged != Charged::Yes) {
        refused(answer, "over_day");
    }
    assert_eq!((scene.spent(), scene.nonces().await.len()), (7 * CENT, 7));
    scene.end().await;
}
