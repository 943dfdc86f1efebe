//! What was paid for once is had again by signing in: where its owner allows it, at its seller's own origin, and nowhere
//! else. No money moves by it, and no seller sees a sign-in that is not in the ledger.

use bursar::answer::{Answer, Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, SignIn, Stall};
use serde_json::{Value, json};
use url::Url;

use crate::scene::*;

/// Everything is had anew, so that every call asks the seller.
const ALLOWED: &str = "[each_domain]\nrepeat_window = \"0s\"\nsign_in = \"allow\"\n";
const REFUSED: &str = "[each_domain]\nrepeat_window = \"0s\"\n";

fn page(sign_in: SignIn) -> Stall {
    Stall::get("/page", CENT).signing_in(sign_in)
}

/// A market whose page was bought by somebody who may sign in.
async fn bought_at(sign_in: SignIn, rules: &str) -> Scene {
    let scene = market([page(sign_in)]).rules(rules).open().await;
    bought(&scene.get("/page").await);
    scene
}

#[track_caller]
fn re_entered(answer: &Answer) {
    is(answer, Outcome::Answered, Charged::No);
    assert_eq!(answer.http.as_ref().unwrap().status, 200, "{answer:#?}");
    assert!(answer.next.starts_with("re-entered at no charge"), "{}", answer.next);
    assert!(answer.payment.is_none() && answer.reasons.is_empty() && !answer.served_from_store, "{answer:#?}");
}

/// Nobody was told who the wallet is, and the page was paid for once more.
async fn is_bought_again_without_signing_in(scene: &Scene) {
    bought(&scene.get("/page").await);
    assert_eq!((scene.sign_ins().len(), scene.spent()), (0, 2 * CENT));
}

async fn events(scene: &Scene, id: &str) -> Vec<(String, Value)> {
    let story = scene.bursar.why(id).await.unwrap();
    story.events.into_iter().map(|event| (event.kind, event.detail)).collect()
}

fn by_hand(scene: &Scene) -> rusqlite::Connection {
    rusqlite::Connection::open(scene.home.ledger_file()).unwrap()
}

#[tokio::test]
async fn what_was_bought_is_had_again_at_no_charge() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    let before = scene.counted().await;
    for _ in 0..3 {
        let again = scene.get("/page").await;
        re_entered(&again);
        assert_eq!(body(&again), r#"{"goods":"/page"}"#);
    }
    assert_eq!((scene.spent(), scene.payments().len(), scene.sign_ins().len()), (CENT, 1, 3));
    assert_eq!(scene.counted().await, before, "no budget moves");
    scene.end().await;
}

#[tokio::test]
async fn the_log_says_who_was_told_and_for_what() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    let first = scene.bursar.log(Default::default()).await.unwrap().purchases.remove(0);
    let again = scene.get("/page").await;
    let id = again.purchase_id.unwrap();
    let [(signed_in, detail), (entered, answer)] = &events(&scene, &id).await[..] else { panic!("two events") };
    assert_eq!((signed_in.as_str(), entered.as_str()), ("signed_in", "entered"));
    assert_eq!(detail["bought"], json!(first.purchase_id));
    assert_eq!(
        (&detail["origin"], &detail["address"]),
        (&json!(scene.sandbox.sellers_url()), &json!(scene.address.to_string()))
    );
    assert_eq!(answer["http_status"], 200);
    let row = scene.bursar.log(Default::default()).await.unwrap().purchases.remove(0);
    assert_eq!((row.purchase_id, row.state.as_str(), row.amount_usd), (id, "free", None));
    scene.end().await;
}

#[tokio::test]
async fn a_stored_answer_comes_before_a_sign_in() {
    let scene = bought_at(SignIn::again(), "[each_domain]\nsign_in = \"allow\"\n").await;
    let again = scene.get("/page").await;
    assert!(again.served_from_store && scene.sign_ins().is_empty(), "{again:#?}");
    scene.pass(200);
    re_entered(&scene.get("/page").await);
    scene.end().await;
}

#[tokio::test]
async fn nobody_signs_in_where_the_owner_did_not_say_so() {
    let scene = bought_at(SignIn::again(), REFUSED).await;
    is_bought_again_without_signing_in(&scene).await;
    scene.end().await;
}

#[tokio::test]
async fn a_first_visit_never_signs_in() {
    let rules = format!("{ALLOWED}[[domain]]\nhost = \"127.0.0.1\"\nrepeat_window = \"0s\"\nsign_in = \"allow\"\n");
    let scene = market([page(SignIn::again())]).rules(&rules).open().await;
    bought(&scene.get("/page").await);
    assert_eq!(scene.sign_ins().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn another_wish_or_another_agent_is_a_first_visit() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    bought(&scene.get("/page?other=1").await);
    bought(&scene.fetch_as("another", scene.call("/page")).await);
    assert_eq!((scene.sign_ins().len(), scene.spent()), (0, 3 * CENT));
    scene.end().await;
}

#[tokio::test]
async fn a_payment_that_was_never_taken_opens_no_door() {
    let stall = Stall::that(Behaviour::FailsToSettle, "/page", CENT).signing_in(SignIn::again());
    let scene = market([stall]).rules(ALLOWED).open().await;
    is(&scene.get("/page").await, Outcome::Held, Charged::Unknown);
    scene.pass(2 * HOUR);
    scene.sandbox.chain.mine(3);
    scene.bursar.reconcile().await.unwrap();
    scene.sandbox.sellers.put(page(SignIn::again()));
    bought(&scene.get("/page").await);
    assert_eq!(scene.sign_ins().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_still_wants_money_is_paid_once_and_by_its_newer_challenge() {
    let forgets = SignIn { forgets: true, ..SignIn::again() };
    let scene = bought_at(forgets.clone(), ALLOWED).await;
    // Two requests a call: unpaid, and signed in. The third one carries the payment.
    let dearer = Behaviour::PriceChanges(vec![CENT, 3 * CENT / 2, 3 * CENT / 2]);
    scene.sandbox.sellers.put(Stall::that(dearer, "/page", CENT).signing_in(forgets));
    let answer = scene.get("/page").await;
    bought(&answer);
    assert_eq!(answer.payment.as_ref().unwrap().amount_usd.to_string(), "0.015");
    assert_eq!((scene.spent(), scene.sign_ins().len()), (CENT + 3 * CENT / 2, 1));
    let kinds: Vec<String> =
        events(&scene, &answer.purchase_id.unwrap()).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds[..2], ["signed_in", "authorized"]);
    assert!(scene.payments().iter().all(|seen| !seen.headers.contains_key("sign-in-with-x")));
    scene.end().await;
}

#[tokio::test]
async fn a_seller_that_asks_again_and_again_is_signed_in_to_once_a_call() {
    let scene = bought_at(SignIn { forgets: true, ..SignIn::again() }, ALLOWED).await;
    bought(&scene.get("/page").await);
    bought(&scene.get("/page").await);
    assert_eq!((scene.spent(), scene.sign_ins().len(), scene.payments().len()), (3 * CENT, 2, 3));
    scene.end().await;
}

#[tokio::test]
async fn no_seller_gets_a_sign_in_for_another_or_for_another_time() {
    let start = "2027-01-15T08:00:00.000Z";
    let hostile = [
        ("domain", json!("evil.example")),
        ("domain", json!("localhost")),
        ("domain", json!("127.0.0.1")),
        ("uri", json!("https://evil.example/login")),
        ("uri", json!("http://127.0.0.1@evil.example/")),
        ("resources", json!(["https://evil.example/"])),
        ("resources", json!(["urn:recap:eyJhdHQiOnt9fQ"])),
        ("version", json!("2")),
        ("nonce", json!("x")),
        ("statement", json!("harmless\nURI: https://evil.example")),
        ("statement", json!("URI: https://evil.example")),
        ("statement", json!("\u{202e}harmless")),
        ("requestId", json!("a\nResources:\n- https://evil.example")),
        ("expirationTime", json!("2027-01-15T07:00:00.000Z")),
        ("notBefore", json!("2030-01-01T00:00:00.000Z")),
        ("issuedAt", json!("2027-01-15T07:00:00.000Z")),
        ("issuedAt", json!(format!("{start}\nExpiration Time: 2030-01-01T00:00:00Z"))),
    ];
    for (field, value) in hostile {
        let scene = bought_at(SignIn::saying(field, value.clone()), ALLOWED).await;
        is_bought_again_without_signing_in(&scene).await;
        assert_eq!(
            by_hand(&scene).query_row("SELECT count(*) FROM sign_in", [], |row| row.get(0)),
            Ok(0),
            "{field} {value}"
        );
        scene.end().await;
    }
}

#[tokio::test]
async fn no_seller_gets_a_sign_in_on_a_chain_its_owner_does_not_use() {
    let other = SignIn { chains: Some(json!([{ "chainId": "eip155:1", "type": "eip191" }])), ..SignIn::again() };
    let scene = bought_at(other, ALLOWED).await;
    is_bought_again_without_signing_in(&scene).await;
    scene.end().await;
}

/// The second market under another host name: another domain, another seller.
fn elsewhere(scene: &Scene, path: &str) -> String {
    let port = Url::parse(&scene.others.url()).unwrap().port().unwrap();
    format!("http://localhost:{port}{path}")
}

#[tokio::test]
async fn a_sign_in_is_not_carried_to_where_its_answer_leads() {
    let scene = market([page(SignIn::again())]).others([Stall::free("/trap")]).rules(ALLOWED).open().await;
    bought(&scene.get("/page").await);
    let sends_to = Some(elsewhere(&scene, "/trap"));
    scene.sandbox.sellers.put(page(SignIn { sends_to, ..SignIn::again() }));
    let answer = scene.get("/page").await;
    is(&answer, Outcome::Answered, Charged::No);
    assert_eq!(answer.http.as_ref().unwrap().status, 302);
    assert!(scene.others.seen().is_empty());
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn after_a_redirect_it_is_the_seller_that_asked_who_is_signed_in_to() {
    let scene = market([]).others([page(SignIn::again())]).rules(ALLOWED).open().await;
    let there = elsewhere(&scene, "/page");
    scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(there.clone()), "/start", 0));
    bought(&scene.get("/start").await);
    let again = scene.get("/start").await;
    re_entered(&again);
    assert_eq!(again.http.unwrap().final_url, there);
    let [seen] = &scene.sign_ins()[..] else { panic!("one sign-in") };
    assert_eq!(seen.path, "/page");
    scene.end().await;
}

#[tokio::test]
async fn a_page_that_leads_to_another_seller_now_is_a_first_visit_there() {
    let scene = market([page(SignIn::again())]).others([page(SignIn::again())]).rules(ALLOWED).open().await;
    bought(&scene.get("/page").await);
    let there = elsewhere(&scene, "/page");
    scene.sandbox.sellers.put(Stall::that(Behaviour::Redirect(there), "/page", 0));
    bought(&scene.get("/page").await);
    assert_eq!((scene.sign_ins().len(), scene.spent()), (0, 2 * CENT));
    scene.end().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_leave() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    by_hand(&scene)
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON sign_in BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .unwrap();
    let answer = scene.get("/page").await;
    refused(&answer, "ledger_failed");
    assert_eq!((scene.sign_ins().len(), scene.spent()), (0, CENT));
    by_hand(&scene).execute_batch("DROP TRIGGER full").unwrap();
    re_entered(&scene.get("/page").await);
    scene.end().await;
}

#[tokio::test]
async fn a_changed_or_deleted_sign_in_is_found_by_the_audit() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    re_entered(&scene.get("/page").await);
    let ledger = by_hand(&scene);
    let found = async |sql: &str| {
        ledger
            .execute_batch(&format!(
                "DROP TRIGGER IF EXISTS sign_ins_stay; DROP TRIGGER IF EXISTS sign_ins_remain; {sql}"
            ))
            .unwrap();
        scene.bursar.audit().await.unwrap().violations
    };
    let changed = found("UPDATE sign_in SET origin = 'https://other.example'").await;
    assert_eq!(changed, ["sign-in 1 is not what its event says was signed"]);
    assert_eq!(found("DELETE FROM sign_in").await, ["1 sign-ins that the events tell of are gone"]);
    scene.end_without_ledger();
}

#[tokio::test]
async fn a_frozen_wallet_signs_nothing() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    scene.bursar.freeze("a test").await.unwrap();
    refused(&scene.get("/page").await, "frozen");
    assert_eq!(scene.sign_ins().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn a_wallet_that_is_frozen_while_it_signs_does_not_let_it_out() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    scene.pass(HOUR);
    let ledger = scene.home.ledger_file();
    // The key is read between the look and the commit.
    scene.keys.on_load(move || {
        let ledger = rusqlite::Connection::open(ledger).unwrap();
        ledger.execute("UPDATE ledger SET frozen_why = 'meanwhile'", []).unwrap();
    });
    refused(&scene.get("/page").await, "frozen");
    assert_eq!(scene.sign_ins().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn to_buy_once_more_on_purpose_nobody_signs_in() {
    let scene = market([page(SignIn::again())]).rules(ALLOWED).open().await;
    let first = scene.get("/page").await;
    bought(&scene.buy_again("/page", &first).await);
    assert_eq!((scene.sign_ins().len(), scene.spent()), (0, 2 * CENT));
    scene.end().await;
}

#[tokio::test]
async fn an_error_in_answer_to_a_sign_in_is_told_and_nothing_is_paid() {
    let scene = bought_at(SignIn { answers: Some(500), ..SignIn::again() }, ALLOWED).await;
    let answer = scene.get("/page").await;
    is(&answer, Outcome::Answered, Charged::No);
    assert!(answer.next.starts_with("no money moved") && answer.next.contains("buy_again"), "{}", answer.next);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn an_agent_in_a_loop_signs_in_so_often_a_minute_and_no_more() {
    let scene = bought_at(SignIn::again(), ALLOWED).await;
    for _ in 0..bursar::limits::SIGN_INS_PER_MINUTE {
        re_entered(&scene.get("/page").await);
    }
    refused(&scene.get("/page").await, "too_many_sign_ins");
    scene.pass(61);
    re_entered(&scene.get("/page").await);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

/// A rule for the market's own host.
fn named(sign_in: &str) -> String {
    format!("[[domain]]\nhost = \"127.0.0.1\"\nsign_in = \"{sign_in}\"\n")
}

#[tokio::test]
async fn a_page_that_wants_nothing_but_a_sign_in_is_entered_where_the_owner_named_its_seller() {
    let scene = market([page(SignIn::only())]).rules(&named("allow")).open().await;
    let answer = scene.get("/page").await;
    is(&answer, Outcome::Answered, Charged::No);
    assert!(answer.next.starts_with("entered at no charge"), "{}", answer.next);
    assert_eq!((body(&answer), scene.sign_ins().len(), scene.spent()), (r#"{"goods":"/page"}"#, 1, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_stranger_that_wants_nothing_but_a_sign_in_learns_nothing() {
    for rules in [REFUSED, ALLOWED, &named("refuse")] {
        let scene = market([page(SignIn::only())]).rules(rules).open().await;
        let why = refused(&scene.get("/page").await, "sign_in_refused").clone();
        assert_eq!(why.who_can_fix, bursar::reason::Who::Owner);
        assert_eq!(scene.sign_ins().len(), 0);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_sign_in_for_another_seller_is_refused_by_name_where_it_is_all_that_is_wanted() {
    let only = |field: &str, value: &str| SignIn { is_all: true, ..SignIn::saying(field, value) };
    for sign_in in [only("domain", "evil.example"), only("uri", "https://evil.example/"), only("statement", "a\nb")] {
        let scene = market([page(sign_in)]).rules(&named("allow")).open().await;
        refused(&scene.get("/page").await, "sign_in_not_sound");
        assert_eq!(scene.sign_ins().len(), 0);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_seller_that_lets_nobody_in_is_signed_in_to_once() {
    let only = SignIn { answers: Some(402), ..SignIn::only() };
    let scene = market([page(only)]).rules(&named("allow")).open().await;
    refused(&scene.get("/page").await, "sign_in_not_accepted");
    assert_eq!((scene.sign_ins().len(), scene.spent()), (1, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_quote_signs_nothing_and_says_what_is_wanted() {
    let scene = market([page(SignIn::only())]).rules(&named("allow")).open().await;
    let quote = scene.bursar.agent(AGENT).quote(scene.call("/page")).await;
    assert_eq!((quote.payable, quote.reasons[0].code.as_str()), (false, "sign_in_only"));
    assert_eq!(scene.sign_ins().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn an_agents_own_sign_in_is_refused() {
    let scene = market([page(SignIn::again())]).rules(ALLOWED).open().await;
    let headers = [("Sign-In-With-X".to_owned(), "e30=".to_owned())].into();
    refused(&scene.fetch(Call { headers, ..scene.call("/page") }).await, "bad_headers");
    scene.end().await;
}

#[tokio::test]
async fn a_look_at_the_policy_says_whether_the_wallet_may_sign_in() {
    for (rules, said) in [(ALLOWED, "pass"), (REFUSED, "refuse")] {
        let scene = market([]).rules(rules).open().await;
        let price = "0.01".parse().unwrap();
        let explained = scene.bursar.explain(AGENT, "GET", &scene.url("/page"), price).await.unwrap();
        assert_eq!(json!(explained.sign_in)["said"], said);
        assert_eq!(explained.sign_in.rule, "each_domain sign_in (127.0.0.1)");
        scene.end().await;
    }
}
