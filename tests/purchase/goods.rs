//! What was bought is judged, not only paid for; and nobody honest is accused.

use std::sync::Arc;

use bursar::answer::{Answer, Charged, Outcome, SellerRecord};
use bursar::reason::Who;
use bursar::wish::Call;
use sandbox::http::response;
use sandbox::sellers::stall::{Handler, always, always_json};
use sandbox::sellers::{Behaviour, Dialect, Stall, Way};
use serde_json::json;

use crate::scene::*;

const PAGE: &str = "<!doctype html><html><body>502 Bad Gateway</body></html>";

/// Every offer of the market names `application/json`.
fn sells(path: &str, handler: Handler) -> Stall {
    Stall { handler, ..Stall::get(path, CENT) }
}

fn answers(status: u16, content_type: &'static str, body: &'static str) -> Handler {
    Arc::new(move |_| response(status, content_type, body))
}

fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

async fn seller(scene: &Scene) -> SellerRecord {
    let mut sellers = scene.bursar.sellers(None, None).await.unwrap();
    assert_eq!(sellers.len(), 1, "{sellers:#?}");
    sellers.remove(0)
}

/// Paid for, delivered, and told as what it is: in the answer, again from the store, and to the owner.
async fn is_told(handler: Handler, code: &str, complaint: &str) {
    let scene = market([sells("/thing", handler)]).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Yes);
    assert_eq!(codes(&answer), [code]);
    let reason = reason(&answer, code);
    assert_eq!((reason.message.as_str(), reason.who_can_fix), (complaint, Who::Agent));
    assert!(answer.next.starts_with("bought and delivered") && answer.next.contains("do not buy this again before"));
    let stored = scene.get("/thing").await;
    assert!(stored.served_from_store && stored.next.contains("do not buy this again before"), "{stored:#?}");
    assert_eq!(codes(&stored), [code]);
    let story = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap();
    assert_eq!(story.complaint.as_deref(), Some(complaint));
    assert!(story.row.delivered);
    let word = code.strip_prefix("goods_").unwrap();
    assert_eq!(story.row.goods.as_deref(), Some(word));
    let closed = story.events.iter().find(|event| event.kind == "closed").unwrap();
    assert_eq!(closed.detail["goods"], word);
    let known = seller(&scene).await;
    assert_eq!((known.paid, known.delivered, known.bad(), known.per_delivery_usd), (1, 1, 1, None));
    assert_eq!(scene.spent(), CENT, "what it is changes nothing about the money");
    scene.end().await;
}

#[tokio::test]
async fn nothing_at_all_is_told_as_empty() {
    is_told(answers(200, "application/json", ""), "goods_empty", "what came for the money is empty").await;
    is_told(answers(200, "text/plain", " \n"), "goods_empty", "what came for the money is empty").await;
    is_told(answers(204, "text/plain", ""), "goods_empty", "what came for the money is empty").await;
}

#[tokio::test]
async fn an_error_page_is_told_as_one() {
    let complaint = "what came for the money reads as an error, where the offer named application/json";
    is_told(always("text/html", PAGE), "goods_error_page", complaint).await;
    is_told(always_json(json!({ "error": "upstream timed out" })), "goods_error_page", complaint).await;
}

#[tokio::test]
async fn another_type_than_the_offer_named_is_told_as_one() {
    let complaint = "what came for the money is text/csv, and the offer named application/json";
    is_told(always("text/csv; charset=utf-8", "a,b\n1,2\n"), "goods_other_type", complaint).await;
}

#[tokio::test]
async fn a_seller_of_the_first_version_is_held_to_its_type_too() {
    let stall =
        Stall { dialect: Dialect::V1, ways: vec![Way::Eip3009], ..sells("/thing", always("image/png", "\u{89}PNG")) };
    let scene = market([stall]).open().await;
    assert_eq!(codes(&scene.get("/thing").await), ["goods_other_type"]);
    scene.end().await;
}

#[tokio::test]
async fn honest_sellers_of_many_types_are_not_accused() {
    let sold: Vec<(&str, Handler)> = vec![
        ("/json", always_json(json!({ "goods": [1, 2] }))),
        ("/list", always_json(json!([]))),
        ("/result", always_json(json!({ "error": null, "result": 7 }))),
        ("/problem", always_json(json!({ "error": "rounding", "value": 7 }))),
        ("/linked", always("application/ld+json", "{}")),
        ("/careless", always("text/plain", "{\"a\": 1}")),
        ("/careless-page", always("text/html", "[1, 2, 3]")),
        ("/bytes", always("application/octet-stream", "\0\u{1}\u{2}")),
        ("/stream", always("text/event-stream", "data: 1\n\n")),
        ("/lines", always("application/x-ndjson", "{}\n{}\n")),
        ("/archive", always("application/zip", "PK")),
        ("/strange", always("application/vnd.seller.own", "goods")),
        ("/typeless", always("no type", "goods")),
        ("/later", answers(202, "application/json", "")),
    ];
    let stalls: Vec<Stall> = sold.iter().map(|(path, handler)| sells(path, handler.clone())).collect();
    let rules = "[wallet]\npayments_per_minute = \"none\"\n";
    let scene = market(stalls).rules(rules).open().await;
    for (path, _) in &sold {
        let answer = scene.get(path).await;
        is(&answer, Outcome::Answered, Charged::Yes);
        assert!(answer.reasons.is_empty(), "{path}: {answer:#?}");
        assert!(!answer.next.contains("do not buy"), "{path}: {}", answer.next);
    }
    let known = seller(&scene).await;
    assert_eq!((known.delivered, known.bad(), known.lied), (sold.len() as u64, 0, 0));
    scene.end().await;
}

#[tokio::test]
async fn a_deed_that_was_paid_for_needs_no_words() {
    let done = Arc::new(|_: &sandbox::http::Request| response(204, "text/plain", ""));
    let scene = market([Stall { handler: done, ..Stall::post("/send", CENT) }]).open().await;
    let answer = scene.fetch(Call { json: Some(json!({ "to": "you" }).into()), ..scene.call("/send") }).await;
    is(&answer, Outcome::Answered, Charged::Yes);
    assert!(answer.reasons.is_empty(), "{answer:#?}");
    scene.end().await;
}

#[tokio::test]
async fn what_the_agents_own_headers_ask_for_is_not_held_against_the_seller() {
    let scene = market([sells("/thing", always("text/html", PAGE))]).open().await;
    let headers = [("Accept".to_owned(), "text/html".to_owned())].into();
    let answer = scene.fetch(Call { headers, ..scene.call("/thing") }).await;
    assert!(answer.reasons.is_empty(), "{answer:#?}");
    scene.end().await;
}

#[tokio::test]
async fn what_failed_openly_or_came_in_part_is_not_judged() {
    let scene = market([
        Stall::that(Behaviour::SettleThenStatus(500), "/fails", CENT),
        sells("/cut", always("text/html", PAGE)),
    ])
    .open()
    .await;
    let failed = scene.get("/fails").await;
    assert!(codes(&failed).is_empty(), "{failed:#?}");
    scene.fault(Fault::CutsTheReply);
    let cut = scene.get("/cut").await;
    assert_eq!(codes(&cut), ["body_cut"]);
    for answer in [failed, cut] {
        let row = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap().row;
        assert_eq!((row.delivered, row.goods), (false, None));
    }
    let known = seller(&scene).await;
    assert_eq!((known.paid, known.not_delivered, known.bad()), (2, 2, 0));
    scene.end().await;
}

#[tokio::test]
async fn goods_that_come_at_last_are_judged_when_they_do() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let lost = scene.get("/thing").await;
    is(&lost, Outcome::Held, Charged::Unknown);
    scene.sandbox.sellers.put(sells("/thing", answers(200, "application/json", "")));
    let came = scene.again("/thing", &lost).await;
    is(&came, Outcome::Answered, Charged::Yes);
    assert_eq!(codes(&came), ["goods_empty"]);
    scene.end().await;
}

#[tokio::test]
async fn three_times_an_error_and_the_owner_is_asked() {
    let paths = ["/one", "/two", "/three", "/four"];
    let broken = || always_json(json!({ "error": { "code": 503 } }));
    let scene = market(paths.map(|path| sells(path, broken()))).open().await;
    for path in &paths[..3] {
        assert_eq!(codes(&scene.get(path).await), ["goods_error_page"]);
    }
    let asked = scene.get(paths[3]).await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    reason(&asked, "undelivered");
    scene.end().await;
}

#[tokio::test]
async fn what_is_of_another_type_is_no_reason_to_ask_the_owner() {
    let paths = ["/one", "/two", "/three", "/four"];
    let scene = market(paths.map(|path| sells(path, always("text/csv", "a,b")))).open().await;
    for path in paths {
        assert_eq!(codes(&scene.get(path).await), ["goods_other_type"]);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_quote_says_what_is_known_of_the_seller_and_what_it_was_a_month_ago_is_forgotten() {
    let scene = market([
        Stall::get("/good", CENT),
        sells("/empty", answers(200, "application/json", "")),
        Stall::that(Behaviour::DropAfterSettling, "/lost", CENT),
    ])
    .open()
    .await;
    let quoted = async || scene.bursar.agent("another").quote(scene.call("/good")).await;
    assert!(quoted().await.seller.is_none());
    for path in ["/good", "/empty", "/lost"] {
        scene.get(path).await;
    }
    let known = quoted().await.seller.unwrap();
    assert_eq!((known.domain.as_str(), known.days), ("127.0.0.1", 30));
    assert_eq!((known.paid, known.delivered, known.bad, known.lied), (3, 2, 1, 0));
    scene.pass(31 * DAY);
    assert!(quoted().await.seller.is_none());
    assert_eq!(seller(&scene).await.paid, 3, "the owner sees all of it");
    scene.end().await;
}

#[tokio::test]
async fn receipts_that_lied_are_counted_once_each() {
    let scene = market([
        Stall::that(Behaviour::MisstatesReceipt, "/misstates", CENT),
        Stall::that(Behaviour::LieAboutSettling, "/lies", CENT),
        Stall::get("/honest", CENT),
    ])
    .open()
    .await;
    for path in ["/misstates", "/lies", "/honest"] {
        scene.get(path).await;
    }
    assert_eq!(seller(&scene).await.lied, 1, "a claim is believed until the chain says otherwise");
    scene.pass(130);
    scene.bursar.reconcile().await.unwrap();
    let known = seller(&scene).await;
    assert_eq!((known.lied, known.paid, known.paid_usd.to_string().as_str()), (2, 2, "0.02"));
    scene.bursar.reconcile().await.unwrap();
    assert_eq!(seller(&scene).await.lied, 2);
    scene.end().await;
}
