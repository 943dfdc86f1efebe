//! A redirect leads to another seller, and the payment goes to the one that asked.

use bursar::answer::{Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};
use url::Url;

use crate::scene::*;

/// The second market under another host name: another domain, another seller.
fn elsewhere(scene: &Scene, path: &str) -> String {
    let port = Url::parse(&scene.others.url()).unwrap().port().unwrap();
    format!("http://localhost:{port}{path}")
}

async fn two_markets(rules: &str) -> Scene {
    let scene = market([]).others([Stall::get("/thing", CENT)]).rules(rules).open().await;
    let there = elsewhere(&scene, "/thing");
    scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(there), "/start", 0));
    scene
}

#[tokio::test]
async fn the_payment_goes_to_the_origin_that_asked_and_to_no_other() {
    let scene = two_markets("").await;
    let answer = scene.get("/start").await;
    bought(&answer);
    assert_eq!(answer.http.as_ref().unwrap().final_url, elsewhere(&scene, "/thing"));
    assert!(scene.sandbox.sellers.seen().iter().all(|seen| seen.payment_header.is_none()));
    assert_eq!(scene.others.seen().iter().filter(|seen| seen.payment_header.is_some()).count(), 1);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn another_origin_gets_its_own_verdict() {
    let scene = two_markets("[[domain]]\nhost = \"localhost\"\naccess = \"refuse\"\n").await;
    refused(&scene.get("/start").await, "domain_refused");
    assert_eq!((scene.payments().len(), scene.spent()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn the_budget_of_the_seller_that_is_paid_is_the_one_that_counts() {
    let rules = "[[domain]]\nhost = \"localhost\"\nper_day = \"0.01\"\nrepeat_window = \"0s\"\n\
                 [[domain]]\nhost = \"127.0.0.1\"\nper_day = \"0.00\"\nrepeat_window = \"0s\"\n";
    let scene = two_markets(rules).await;
    bought(&scene.get("/start").await);
    let answer = scene.get("/start").await;
    let why = refused(&answer, "over_domain_day");
    assert_eq!((why.limit_usd.unwrap().to_string(), why.used_usd.unwrap().to_string()), ("0.01".into(), "0.01".into()));
    scene.end().await;
}

#[tokio::test]
async fn a_redirect_to_where_the_owner_opened_no_door_is_not_followed() {
    let scene = market([]).open().await;
    let rpc = scene.sandbox.rpc_url();
    scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(rpc), "/start", 0));
    let answer = scene.get("/start").await;
    is(&answer, Outcome::Refused, Charged::No);
    reason(&answer, "egress_forbidden");
    scene.end().await;
}

#[tokio::test]
async fn a_lost_reply_after_a_redirect_is_resumed_where_the_payment_went() {
    let scene = two_markets("").await;
    scene.others.put(Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT));
    is(&scene.get("/start").await, Outcome::Held, Charged::Unknown);
    scene.others.put(Stall::get("/thing", CENT));
    // The page that redirected now leads somewhere dearer; nobody asks it.
    scene.sandbox.sellers.put(Stall::get("/start", 9 * CENT));
    bought(&scene.get("/start").await);
    let shown = scene.payments();
    assert_eq!((shown.len(), &shown[0].payment_header), (2, &shown[1].payment_header));
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn secrets_of_the_agent_stay_with_the_origin_they_were_meant_for() {
    let scene = two_markets("").await;
    let headers = [("authorization".to_owned(), "Bearer secret".to_owned())].into();
    bought(&scene.fetch(Call { headers, ..scene.call("/start") }).await);
    let is_told = |value: &http::HeaderValue| value.as_bytes().windows(6).any(|part| part == b"secret");
    assert!(!scene.others.seen().iter().any(|seen| seen.headers.values().any(is_told)));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_redirects_the_payment_itself_is_not_followed() {
    let scene = market([Stall::get("/thing", CENT)]).others([Stall::free("/thing")]).open().await;
    let there = elsewhere(&scene, "/thing");
    let gate = Gate::new();
    scene.fault(Fault::Waits(gate.clone()));
    let moves_away = async {
        gate.reached().await;
        scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(there), "/thing", 0));
        gate.open();
    };
    let (answer, ()) = tokio::join!(scene.get("/thing"), moves_away);
    is(&answer, Outcome::Answered, Charged::Unknown);
    assert_eq!(answer.http.as_ref().unwrap().status, 302);
    assert!(scene.others.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn the_owner_is_asked_about_the_seller_a_redirect_led_to() {
    let scene = two_markets("[approval]\nabove = \"0.00\"\n").await;
    let asked = scene.get("/start").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    let question = scene.bursar.pending().await.unwrap().remove(0);
    assert_eq!((question.domain.as_str(), question.url.as_str()), ("localhost", &*elsewhere(&scene, "/thing")));
    assert_eq!(question.led_from, Some(scene.url("/start")));
    scene.approve(&question.purchase_id).await.unwrap();
    bought(&scene.get("/start").await);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_refusal_stands_in_the_log_under_the_seller_that_was_refused() {
    let scene = two_markets("[[domain]]\nhost = \"localhost\"\naccess = \"refuse\"\n").await;
    refused(&scene.get("/start").await, "domain_refused");
    let log = scene.bursar.log(Default::default()).await.unwrap();
    assert_eq!(log.purchases[0].domain, "localhost");
    scene.end().await;
}

/// The page leads to the second market, whose host is not the first's.
fn lead(scene: &Scene, to: String) {
    scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(to), "/start", 0));
}

#[tokio::test]
async fn a_yes_for_one_seller_is_no_yes_for_another_that_the_same_page_leads_to_later() {
    let scene = two_markets("[approval]\nabove = \"0.00\"\nvalid_for = \"1h\"\n").await;
    let asked = scene.get("/start").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    scene.approve(asked.purchase_id.as_deref().unwrap()).await.unwrap();
    // The same terms to the letter, of the same payee, at another seller; and the challenge is too old to be paid.
    lead(&scene, format!("{}/thing", scene.others.url()));
    scene.pass(601);
    is(&scene.get("/start").await, Outcome::NeedsApproval, Charged::No);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn one_more_header_takes_no_yes_to_another_seller() {
    let scene = two_markets("[approval]\nabove = \"0.00\"\n").await;
    let asked = scene.get("/start").await;
    scene.approve(asked.purchase_id.as_deref().unwrap()).await.unwrap();
    lead(&scene, format!("{}/thing", scene.others.url()));
    let headers = [("accept".to_owned(), "text/html".to_owned())].into();
    is(&scene.fetch(Call { headers, ..scene.call("/start") }).await, Outcome::NeedsApproval, Charged::No);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_redirect_does_not_hide_a_new_payee_from_the_seller_that_was_asked() {
    let scene = market([Stall::get("/start", CENT)]).others([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/start").await);
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    scene.others.put(Stall { payee, ..Stall::get("/thing", CENT) });
    lead(&scene, elsewhere(&scene, "/thing"));
    scene.pass(200);
    let asked = scene.get("/start").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    reason(&asked, "payee_changed");
    assert_eq!(scene.received(payee), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_redirect_that_led_to_one_payee_does_not_lead_to_another_unseen() {
    let scene = two_markets("").await;
    bought(&scene.get("/start").await);
    let payee = alloy_primitives::Address::repeat_byte(0x77);
    scene.sandbox.sellers.put(Stall { payee, ..Stall::get("/start", CENT) });
    scene.pass(200);
    let asked = scene.get("/start").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    reason(&asked, "payee_changed");
    scene.end().await;
}

#[tokio::test]
async fn a_redirect_does_not_hide_a_rise_in_price_from_the_place_that_was_asked() {
    let scene = two_markets("").await;
    bought(&scene.get("/start").await);
    // The same page leads to a path of its own each time.
    scene.others.put(Stall::get("/thing-2", 2 * CENT));
    lead(&scene, elsewhere(&scene, "/thing-2"));
    scene.pass(200);
    let asked = scene.get("/start").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    reason(&asked, "price_rise");
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}
