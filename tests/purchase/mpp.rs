//! Buying by MPP: the same promises, in another language.

use bursar::answer::{Charged, Outcome};
use bursar::wish::Call;
use sandbox::chain::{ASSET, NETWORK};
use sandbox::sellers::stall::PAYEE;
use serde_json::json;
use testkit::mpp::{Again, Form, MppSeller, Terms};

use crate::scene::*;

async fn with(terms: Terms) -> (Scene, MppSeller) {
    let mut scene = market([]).open().await;
    let seller = MppSeller::open(scene.sandbox.chain.clone(), terms).await;
    scene.open_door(&seller.door());
    (scene, seller)
}

fn call(seller: &MppSeller) -> Call {
    Call { url: seller.url(), ..Call::default() }
}

/// Holds the scene to what must be true of every one, with what this seller has seen.
async fn end(scene: Scene, seller: &MppSeller) {
    assert_eq!(seller.complaints(), Vec::<String>::new());
    scene.end_having_seen(seller.payments()).await;
}

#[tokio::test]
async fn a_purchase_moves_exactly_its_price_by_either_form_of_the_nonce() {
    for form in [Form::Joined, Form::Json] {
        let (scene, seller) = with(Terms { form, ..Terms::cent() }).await;
        let answer = scene.fetch(call(&seller)).await;
        bought(&answer);
        assert_eq!((scene.spent(), scene.received(PAYEE), seller.payments().len()), (CENT, CENT, 1));
        let payment = answer.payment.as_ref().unwrap();
        assert_eq!((payment.dialect.name(), payment.scheme.as_str()), ("mpp", "exact"));
        assert_eq!(state(&answer), ("settled", "seller"));
        scene.pass_finality();
        assert_eq!(scene.bursar.reconcile().await.unwrap().settled.len(), 1);
        let story = scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap();
        assert_eq!(story.row.proof.as_deref(), Some("chain"));
        let closed = story.events.iter().find(|event| !event.detail["receipt"].is_null()).unwrap();
        assert_eq!(closed.detail["receipt"]["success"], true);
        assert_eq!(closed.detail["receipt"]["chain_tx"], json!(story.row.chain_tx));
        end(scene, &seller).await;
    }
}

#[tokio::test]
async fn a_lost_reply_is_resumed_with_the_same_bytes_and_paid_once() {
    for (again, status) in [(Again::Goods, 200), (Again::Forbidden, 403)] {
        let (scene, seller) = with(Terms { again, ..Terms::cent() }).await;
        scene.fault(Fault::LosesTheReply);
        let lost = scene.fetch(call(&seller)).await;
        is(&lost, Outcome::Held, Charged::Unknown);
        let answer = scene.fetch(Call { purchase_id: lost.purchase_id.clone(), ..call(&seller) }).await;
        assert_eq!(answer.http.as_ref().unwrap().status, status);
        assert_eq!((scene.spent(), seller.payments().len()), (CENT, 2));
        let shown: Vec<_> = seller.payments().into_iter().map(|seen| seen.payment_header).collect();
        assert_eq!(shown[0], shown[1]);
        end(scene, &seller).await;
    }
}

#[tokio::test]
async fn a_refusal_with_a_challenge_is_held_and_that_challenge_never_signed() {
    for status in [402, 403, 500] {
        let (scene, seller) = with(Terms { always: Some(status), ..Terms::cent() }).await;
        let answer = scene.fetch(call(&seller)).await;
        assert_eq!(answer.charged, Charged::Unknown, "{answer:#?}");
        assert_eq!(state(&answer), ("held", "none"));
        assert_eq!((seller.payments().len(), scene.nonces().await.len(), scene.spent()), (1, 1, 0));
        end(scene, &seller).await;
    }
}

#[tokio::test]
async fn money_that_moved_behind_a_500_counts_and_the_chain_says_so() {
    let (scene, seller) = with(Terms { after_settling: Some(500), ..Terms::cent() }).await;
    let answer = scene.fetch(call(&seller)).await;
    is(&answer, Outcome::Answered, Charged::Unknown);
    scene.pass_finality();
    assert_eq!(scene.bursar.reconcile().await.unwrap().settled, [answer.purchase_id.unwrap()]);
    assert_eq!((scene.spent(), seller.payments().len()), (CENT, 1));
    end(scene, &seller).await;
}

#[tokio::test]
async fn a_credential_goes_beside_a_header_of_the_agents_own_or_not_at_all() {
    let mine = vec![("Authorization".to_owned(), "Bearer mine".to_owned())];
    let (scene, seller) = with(Terms::cent()).await;
    let headers = mine.iter().cloned().collect();
    let answer = scene.fetch(Call { headers, ..call(&seller) }).await;
    refused(&answer, "authorization_header_taken");
    assert_eq!((seller.payments().len(), scene.spent()), (0, 0));
    end(scene, &seller).await;

    let (scene, seller) = with(Terms { more: ", header=\"Payment-Authorization\"".to_owned(), ..Terms::cent() }).await;
    let headers = mine.into_iter().collect();
    bought(&scene.fetch(Call { headers, ..call(&seller) }).await);
    assert!(seller.seen().iter().all(|seen| seen.headers["authorization"] == "Bearer mine"));
    end(scene, &seller).await;
}

#[tokio::test]
async fn a_hostile_challenge_is_refused_and_nothing_signed() {
    let cent = Terms::cent;
    let more = |text: &str| Terms { more: text.to_owned(), ..cent() };
    for (terms, code) in [
        (more(", header=\"X-Payment\""), "credential_header_not_supported"),
        (more(", ID=\"another\""), "ambiguous"),
        (more(", header=\"Payment-Authorization\", header=\"Payment-Authorization\""), "ambiguous"),
        (Terms { realm: "api.example.com".to_owned(), ..cent() }, "realm_mismatch"),
        (Terms { expires_in: -1, ..cent() }, "challenge_expired"),
        (Terms { expires_in: 9, ..cent() }, "window_too_short"),
        (Terms { expires_in: 901, ..cent() }, "window_too_long"),
        (Terms { price: "+10000".to_owned(), ..cent() }, "malformed_offer"),
        (Terms { price: "-10000".to_owned(), ..cent() }, "malformed_offer"),
        (Terms { price: "0".to_owned(), ..cent() }, "amount_zero"),
        (Terms { price: "100000000".to_owned(), ..cent() }, "over_payment"),
    ] {
        let (scene, seller) = with(terms).await;
        let answer = scene.fetch(call(&seller)).await;
        is(&answer, Outcome::Refused, Charged::No);
        reason(&answer, code);
        assert_eq!((seller.payments().len(), scene.nonces().await.len(), scene.spent()), (0, 0, 0), "{code}");
        end(scene, &seller).await;
    }
}

#[tokio::test]
async fn no_window_ends_later_than_the_house_allows_although_the_challenge_is_good_for_longer() {
    let (scene, seller) = with(Terms { expires_in: 900, ..Terms::cent() }).await;
    bought(&scene.fetch(call(&seller)).await);
    let ends = seller.payments()[0].valid_before.unwrap();
    assert_eq!(ends, alloy_primitives::U256::from(START + 300));
    end(scene, &seller).await;
}

#[tokio::test]
async fn a_challenge_that_expires_while_the_owner_thinks_is_asked_for_anew() {
    let (scene, seller) = with(Terms { price: "200000".to_owned(), ..Terms::cent() }).await;
    let answer = scene.fetch(call(&seller)).await;
    is(&answer, Outcome::NeedsApproval, Charged::No);
    scene.pass(301);
    let id = answer.purchase_id.unwrap();
    scene.approve(&id).await.unwrap();
    bought(&scene.fetch(Call { purchase_id: Some(id), ..call(&seller) }).await);
    assert_eq!((scene.spent(), seller.seen().len()), (20 * CENT, 3));
    end(scene, &seller).await;
}

#[tokio::test]
async fn one_challenge_for_two_purchases_pays_for_one() {
    let (scene, seller) = with(Terms { one_id: true, ..Terms::cent() }).await;
    bought(&scene.fetch_as("one", call(&seller)).await);
    let answer = scene.fetch_as("other", call(&seller)).await;
    refused(&answer, "challenge_used");
    assert_eq!((scene.spent(), seller.payments().len()), (CENT, 1));
    end(scene, &seller).await;
}

/// x402 for a cent, and what nobody here pays.
fn beside(amount: &str) -> Vec<(&'static str, String)> {
    let accepts = json!([{ "scheme": "exact", "network": NETWORK, "amount": amount, "asset": ASSET, "payTo": PAYEE,
                           "maxTimeoutSeconds": 60, "extra": { "name": "USDC", "version": "2" } }]);
    use base64::Engine;
    let text = json!({ "x402Version": 2, "accepts": accepts }).to_string();
    let x402 = base64::engine::general_purpose::STANDARD.encode(text);
    let tempo = "Payment id=\"x\", realm=\"127.0.0.1\", method=\"tempo\", intent=\"charge\", request=\"e30\"";
    vec![("payment-required", x402), ("www-authenticate", tempo.to_owned())]
}

#[tokio::test]
async fn of_three_offers_in_one_402_one_is_chosen_before_anything_is_signed() {
    // The cheaper one; at the same price x402, unless the challenge says which nonce it wants.
    for (form, amount, dialect) in [
        (Form::Joined, "10000", "x402v2"),
        (Form::Json, "10000", "mpp"),
        (Form::Joined, "10001", "mpp"),
        (Form::Json, "9999", "x402v2"),
    ] {
        let (scene, seller) = with(Terms { form, beside: beside(amount), ..Terms::cent() }).await;
        let quote = scene.bursar.agent(AGENT).quote(call(&seller)).await;
        assert_eq!(quote.offers.len(), 3);
        let answer = scene.fetch(call(&seller)).await;
        bought(&answer);
        assert_eq!(answer.payment.as_ref().unwrap().dialect.name(), dialect, "{form:?} beside {amount}");
        assert_eq!(seller.payments().len(), 1);
        end(scene, &seller).await;
    }
}

#[tokio::test]
async fn what_was_refused_in_one_language_is_never_tried_in_another() {
    let (scene, seller) =
        with(Terms { form: Form::Json, always: Some(402), beside: beside("10000"), ..Terms::cent() }).await;
    let first = scene.fetch(call(&seller)).await;
    is(&first, Outcome::Held, Charged::Unknown);
    for _ in 0..3 {
        let answer = scene.fetch(Call { purchase_id: first.purchase_id.clone(), ..call(&seller) }).await;
        assert_ne!(answer.charged, Charged::Yes);
    }
    let shown = seller.payments();
    assert!(shown.iter().all(|seen| seen.headers.contains_key("authorization")), "only what was chosen at first");
    assert_eq!((scene.nonces().await.len(), scene.spent()), (1, 0));
    end(scene, &seller).await;
}
