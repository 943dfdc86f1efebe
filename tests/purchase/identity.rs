//! What makes two calls the same purchase.

use bursar::answer::{Charged, Outcome};
use bursar::wish::Call;
use sandbox::sellers::Stall;
use serde_json::json;

use crate::scene::*;

#[tokio::test]
async fn the_same_json_in_another_order_is_the_same_purchase() {
    let scene = market([Stall::post("/echo", CENT)]).open().await;
    let with = |json: serde_json::Value| Call { json: Some(json.into()), ..scene.call("/echo") };
    bought(&scene.fetch(with(json!({"a": 1, "b": {"c": 2, "d": 3}}))).await);
    let again = scene.fetch(with(json!({"b": {"d": 3, "c": 2}, "a": 1}))).await;
    is(&again, Outcome::Answered, Charged::No);
    bought(&scene.fetch(with(json!({"a": 1, "b": {"c": 2, "d": 4}}))).await);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_fragment_a_ceiling_and_a_length_make_no_other_purchase() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    let call = Call {
        url: scene.url("/thing#part"),
        max_price: Some("0.50".to_owned()),
        max_chars: Some(10),
        ..Call::default()
    };
    let again = scene.fetch(call).await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn another_query_body_or_method_is_another_purchase() {
    let methods = vec![http::Method::GET, http::Method::POST];
    let scene = market([Stall { methods, ..Stall::get("/thing", CENT) }]).open().await;
    bought(&scene.get("/thing").await);
    bought(&scene.get("/thing?q=1").await);
    bought(&scene.fetch(Call { body: Some("x".to_owned()), ..scene.call("/thing") }).await);
    bought(&scene.fetch(Call { body: Some("y".to_owned()), ..scene.call("/thing") }).await);
    bought(&scene.fetch(Call { method: Some("POST".to_owned()), ..scene.call("/thing") }).await);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (5 * CENT, 5));
    scene.end().await;
}

#[tokio::test]
async fn an_agent_sees_its_own_purchases_only() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let answer = scene.get("/thing").await;
    let id = answer.purchase_id.unwrap();
    assert!(scene.bursar.agent(AGENT).purchase(&id, 0, None).await.is_ok());
    assert!(scene.bursar.agent("other").purchase(&id, 0, None).await.is_err());
    let mine = scene.bursar.agent(AGENT).spend(Default::default()).await.unwrap();
    let theirs = scene.bursar.agent("other").spend(Default::default()).await.unwrap();
    assert_eq!((mine.purchases.len(), theirs.purchases.len()), (1, 0));
    scene.end().await;
}
