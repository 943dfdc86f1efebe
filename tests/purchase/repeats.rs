//! The same thing asked for again: from the store, once more, or as another purchase.

use bursar::answer::{Charged, Outcome};
use bursar::ports::Quiet;
use bursar::wish::Call;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

fn with_header(scene: &Scene, value: &str) -> Call {
    Call { headers: [("x-flavour".to_owned(), value.to_owned())].into(), ..scene.call("/thing") }
}

#[tokio::test]
async fn a_repeat_inside_the_window_is_served_from_the_store_with_its_age() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    scene.pass(119);
    let again = scene.get("/thing").await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!((again.served_from_store, again.age_s), (true, 119));
    assert_eq!(body(&again), body(&first));
    assert_eq!(again.purchase_id, first.purchase_id);
    assert_eq!((scene.spent(), scene.sandbox.sellers.hits("/thing")), (CENT, 2));
    scene.end().await;
}

#[tokio::test]
async fn outside_the_window_it_is_bought_again() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    scene.pass(120);
    let again = scene.get("/thing").await;
    bought(&again);
    assert!(!again.served_from_store);
    assert_ne!(again.purchase_id, first.purchase_id);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_domain_may_have_no_window_at_all() {
    let scene = market([Stall::get("/thing", CENT)]).rules("[each_domain]\nrepeat_window = \"0s\"\n").open().await;
    bought(&scene.get("/thing").await);
    bought(&scene.get("/thing").await);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn other_headers_are_bought_and_the_same_ones_served_whatever_came_between() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let sweet = scene.fetch(with_header(&scene, "sweet")).await;
    bought(&sweet);
    bought(&scene.fetch(with_header(&scene, "sour")).await);
    let again = scene.fetch(with_header(&scene, "sweet")).await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!(again.purchase_id, sweet.purchase_id);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn another_agent_buys_for_itself() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    bought(&scene.get("/thing").await);
    bought(&scene.fetch_as("other", scene.call("/thing")).await);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn the_same_purchase_id_is_the_same_purchase_however_late() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let call = Call { purchase_id: Some("mine-1".to_owned()), ..scene.call("/thing") };
    bought(&scene.fetch(call.clone()).await);
    scene.pass(20 * HOUR);
    let again = scene.fetch(call).await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!((again.served_from_store, again.age_s), (true, 20 * HOUR));
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_free_answer_is_fetched_anew_each_time() {
    let scene = market([Stall::free("/free")]).open().await;
    scene.get("/free").await;
    assert!(!scene.get("/free").await.served_from_store);
    assert_eq!(scene.sandbox.sellers.hits("/free"), 2);
    scene.end().await;
}

#[tokio::test]
async fn buying_again_makes_one_child_and_repeating_it_returns_that_child() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    let child = scene.buy_again("/thing", &first).await;
    bought(&child);
    assert_ne!(child.purchase_id, first.purchase_id);
    let again = scene.buy_again("/thing", &first).await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!(again.purchase_id, child.purchase_id);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn buying_again_resumes_a_child_that_got_lost() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    scene.fault(Fault::CannotConnect);
    let child = scene.buy_again("/thing", &first).await;
    is(&child, Outcome::Failed, Charged::No);
    let again = scene.buy_again("/thing", &first).await;
    bought(&again);
    assert_eq!(again.purchase_id, child.purchase_id);
    assert_eq!((scene.spent(), scene.payments().len()), (2 * CENT, 2));
    scene.end().await;
}

/// Each under an id of its own: the row that one of them refused is the one in which the other pays.
#[tokio::test]
async fn of_two_calls_that_buy_again_the_goods_lie_under_the_purchase_that_paid() {
    let mut scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    scene.restart().await;
    let cheaper = Call { buy_again: first.purchase_id.clone(), ..scene.call("/thing") };
    let cheaper = Call { max_price: Some("0.001".to_owned()), ..cheaper };
    let (other, here) = (scene.another_house(), tokio::runtime::Handle::current());
    scene.keys.on_load(move || {
        refused(&here.block_on(other.agent(AGENT).fetch_paid(None, cheaper, &Quiet)), "over_max_price");
    });
    let child = scene.buy_again("/thing", &first).await;
    bought(&child);
    let goods = scene.bursar.goods(AGENT, child.purchase_id.as_deref().unwrap(), 0).await.unwrap();
    assert_eq!(goods.map(|(body, _)| body.body), child.body.map(|body| body.body));
    assert_eq!((scene.spent(), scene.nonces().await.len()), (2 * CENT, 2));
    scene.end().await;
}

#[tokio::test]
async fn what_is_not_done_with_is_not_bought_again() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    is(&first, Outcome::Held, Charged::Unknown);
    refused(&scene.buy_again("/thing", &first).await, "not_done");
    let stranger = Call { buy_again: Some("pu_nobody".to_owned()), ..scene.call("/thing") };
    refused(&scene.fetch(stranger).await, "no_such_purchase");
    assert_eq!(scene.nonces().await.len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn what_was_paid_and_not_delivered_may_be_bought_again_once() {
    let scene = market([Stall::that(Behaviour::DropAfterSettling, "/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    scene.pass_finality();
    let told = scene.get("/thing").await;
    is(&told, Outcome::Failed, Charged::Yes);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    let child = scene.buy_again("/thing", &first).await;
    bought(&child);
    assert_eq!(scene.buy_again("/thing", &first).await.purchase_id, child.purchase_id);
    assert_eq!(scene.spent(), 2 * CENT);
    scene.end().await;
}

#[tokio::test]
async fn a_childs_purchase_id_belongs_to_its_agent_alone() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let first = scene.get("/thing").await;
    let call = Call { buy_again: first.purchase_id.clone(), ..scene.call("/thing") };
    refused(&scene.fetch_as("other", call).await, "no_such_purchase");
    assert_eq!(scene.spent(), CENT);
    scene.end().await;
}

#[tokio::test]
async fn the_newest_delivery_is_served_though_its_row_is_an_older_one() {
    let scene = market([Stall::get("/thing", 100 * CENT)]).open().await;
    let early = Call { purchase_id: Some("early".to_owned()), ..scene.call("/thing") };
    is(&scene.fetch(Call { max_price: Some("0.01".to_owned()), ..early.clone() }).await, Outcome::Refused, Charged::No);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    bought(&scene.get("/thing").await);
    scene.pass(300);
    bought(&scene.fetch(early).await);
    scene.pass(30);
    let again = scene.get("/thing").await;
    is(&again, Outcome::Answered, Charged::No);
    assert_eq!((again.purchase_id.as_deref(), scene.spent()), (Some("early"), 2 * CENT));
    scene.end().await;
}
