//! What a seller puts its name to: its offers, and a receipt. What it signs is checked, kept, shown, and held against the
//! payment and the chain; and it moves no money.

use bursar::answer::{Answer, Charged, Outcome, SellerRecord, Story};
use bursar::reason::Who;
use sandbox::key::Key;
use sandbox::sellers::signing::{Form, Signing, Tale};
use sandbox::sellers::{Behaviour, Stall};
use serde_json::{Value, json};

use crate::scene::*;

const PAYEES: [u8; 32] = [0x21; 32];
const ANOTHERS: [u8; 32] = [0x22; 32];
const FORMS: [Form; 2] = [Form::Eip712, Form::Jws];

fn honest(form: Form) -> Stall {
    Stall::get("/thing", CENT).signing(Signing::honest(form, PAYEES))
}

/// The payee's own key, with one thing in its receipts not as it is.
fn lies(form: Form, receipt: Tale) -> Stall {
    Stall::get("/thing", CENT).signing(Signing { receipt, ..Signing::honest(form, PAYEES) })
}

async fn story(scene: &Scene, answer: &Answer) -> Story {
    scene.bursar.why(answer.purchase_id.as_deref().unwrap()).await.unwrap()
}

async fn seller(scene: &Scene) -> SellerRecord {
    scene.bursar.sellers(None, None).await.unwrap().remove(0)
}

fn signed(story: &Story) -> &Value {
    &story.receipt.as_ref().expect("a receipt")["signed"]
}

fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}

#[tokio::test]
async fn an_honest_seller_in_either_form_is_told_to_be_the_payee_and_kept_as_it_wrote() {
    for form in FORMS {
        let scene = market([honest(form)]).open().await;
        let quote = scene.bursar.agent(AGENT).quote(scene.call("/thing")).await;
        let said = quote.offers[0].signed.as_ref().unwrap();
        assert_eq!((quote.payable, said.says.as_str()), (true, "the offer is signed by the payee"));
        let answer = scene.get("/thing").await;
        bought(&answer);
        assert_eq!(codes(&answer), [""; 0]);
        scene.pass_finality();
        let found = scene.bursar.reconcile().await.unwrap();
        assert_eq!((found.settled.len(), found.alarms), (1, vec![]));
        let story = story(&scene, &answer).await;
        assert_eq!(signed(&story)["verdict"], "by_payee");
        assert_eq!(signed(&story)["transaction"], json!(story.row.chain_tx));
        assert_eq!(story.offers[0]["signed"]["verdict"], "by_payee");
        for kept in [&signed(&story)["document"], &story.offers[0]["signed"]["document"]] {
            let document: Value = serde_json::from_str(kept.as_str().unwrap()).unwrap();
            assert_eq!(document["format"], if form == Form::Jws { "jws" } else { "eip712" });
        }
        let closed = story.events.iter().find(|event| event.kind == "closed").unwrap();
        assert_eq!(&closed.detail["receipt"]["signed"], signed(&story), "the history has it too");
        let purchase = scene.bursar.agent(AGENT).purchase(answer.purchase_id.as_deref().unwrap(), 0, None).await;
        let told = purchase.unwrap().receipt.unwrap();
        assert_eq!((&told["signed"]["verdict"], told["signed"].get("document")), (&json!("by_payee"), None));
        assert_eq!((seller(&scene).await.lied, scene.spent()), (0, CENT));
        scene.end().await;
    }
}

#[tokio::test]
async fn another_key_than_the_payees_is_named_and_accuses_nobody() {
    let another = Key::new(&ANOTHERS).unwrap().address;
    for form in FORMS {
        let stall = Stall { payee: Key::new(&PAYEES).unwrap().address, ..honest(form) };
        let stall = Stall { signs: Some(Signing::honest(form, ANOTHERS)), ..stall };
        let scene = market([stall]).open().await;
        let quote = scene.bursar.agent(AGENT).quote(scene.call("/thing")).await;
        let says = format!("the offer is signed by another key than the payee's: {another}");
        assert_eq!(quote.offers[0].signed.as_ref().unwrap().says, says);
        let answer = scene.get("/thing").await;
        bought(&answer);
        let story = story(&scene, &answer).await;
        assert_eq!(signed(&story)["verdict"], "by_another_key");
        assert_eq!(signed(&story)["signer"], another.to_string());
        assert_eq!(seller(&scene).await.lied, 0);
        scene.end().await;
    }
}

#[tokio::test]
async fn a_key_on_a_web_site_is_never_looked_up_and_stops_nothing() {
    let signing = Signing { kid: Some("did:web:127.0.0.1#key-1"), ..Signing::honest(Form::Jws, PAYEES) };
    let scene = market([Stall::get("/thing", CENT).signing(signing)]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    let story = story(&scene, &answer).await;
    assert_eq!(signed(&story)["verdict"], "cannot_verify");
    let why = "it is signed by a key that bursar cannot look up: \u{201c}did:web:127.0.0.1\u{201d}";
    assert_eq!((&signed(&story)["why"], &story.offers[0]["signed"]["why"]), (&json!(why), &json!(why)));
    assert_eq!(scene.sandbox.sellers.seen().len(), 2, "asked and paid, and nothing else");
    scene.end().await;
}

/// Delivered and paid all the same; told to the agent, the owner, and whoever asks of the seller.
async fn is_caught(stall: Stall, code: &str, differs: &str) {
    let scene = market([stall]).open().await;
    let answer = scene.get("/thing").await;
    is(&answer, Outcome::Answered, Charged::Yes);
    assert_eq!(codes(&answer), [code], "{answer:#?}");
    assert_eq!(reason(&answer, code).who_can_fix, Who::Owner);
    let story = story(&scene, &answer).await;
    if !differs.is_empty() {
        assert_eq!(signed(&story)["differs"], json!([differs]));
    }
    assert_eq!(state(&answer), ("settled", "seller"));
    let alarms = scene.alarms(answer.purchase_id.as_deref().unwrap()).await;
    assert_eq!(alarms, [reason(&answer, code).message.clone()]);
    assert_eq!((seller(&scene).await.lied, scene.spent()), (1, CENT));
    scene.pass_finality();
    assert_eq!(scene.bursar.reconcile().await.unwrap().settled.len(), 1, "the money is where it was");
    assert_eq!(seller(&scene).await.lied, 1, "once a purchase");
    assert_eq!(scene.alarms(answer.purchase_id.as_deref().unwrap()).await.len(), 1, "and told once");
    scene.end().await;
}

#[tokio::test]
async fn a_signed_receipt_for_another_payment_is_told_and_counted() {
    let tales: [(&str, Tale); 5] = [
        ("payer", |receipt| receipt["payer"] = json!("0x00000000000000000000000000000000000000aa")),
        ("resource", |receipt| receipt["resourceUrl"] = json!("https://elsewhere.example/thing")),
        ("network", |receipt| receipt["network"] = json!("eip155:1")),
        ("transaction", |receipt| receipt["transaction"] = json!(format!("0x{}", "5c".repeat(32)))),
        ("time", |receipt| receipt["issuedAt"] = json!(START - 2 * DAY)),
    ];
    for form in FORMS {
        for (differs, tale) in tales {
            is_caught(lies(form, tale), "receipt_differs", differs).await;
        }
    }
}

#[tokio::test]
async fn a_receipt_whose_signature_is_wrong_is_told_and_counted() {
    let spoilt: Tale = |document| {
        if document["format"] == "jws" {
            let signature = document["signature"].as_str().unwrap_or_default();
            let (signed, _) = signature.rsplit_once('.').unwrap_or_default();
            document["signature"] = json!(format!("{signed}.{}", "A".repeat(86)));
        } else {
            document["signature"] = json!(format!("0x{}", "00".repeat(65)));
        }
    };
    for form in FORMS {
        let signing = Signing { document: spoilt, ..Signing::honest(form, PAYEES) };
        is_caught(Stall::get("/thing", CENT).signing(signing), "receipt_signature_wrong", "").await;
    }
}

#[tokio::test]
async fn a_transaction_that_is_left_out_contradicts_nothing() {
    let scene = market([lies(Form::Eip712, |receipt| receipt["transaction"] = json!(""))]).open().await;
    let answer = scene.get("/thing").await;
    bought(&answer);
    scene.pass_finality();
    assert_eq!(scene.bursar.reconcile().await.unwrap().alarms, [""; 0]);
    assert_eq!(signed(&story(&scene, &answer).await)["verdict"], "by_payee");
    scene.end().await;
}

/// Both of its receipts name the same transaction, which is not the chain's: only the chain can tell.
#[tokio::test]
async fn a_receipt_that_names_another_transaction_than_the_chain_has_lied() {
    let wrong = format!("0x{}", "5c".repeat(32));
    for signs in [None, Some(Signing::honest(Form::Eip712, PAYEES)), Some(Signing::honest(Form::Jws, PAYEES))] {
        let is_signed = signs.is_some();
        let scene = market([Stall { signs, ..Stall::that(Behaviour::MisnamesTransaction, "/thing", CENT).in_x402() }])
            .open()
            .await;
        let answer = scene.get("/thing").await;
        is(&answer, Outcome::Answered, Charged::Yes);
        assert_eq!((codes(&answer), seller(&scene).await.lied), (vec![], 0), "nobody knows yet");
        let id = answer.purchase_id.as_deref().unwrap();
        scene.bursar.reconcile().await.unwrap();
        assert_eq!((scene.alarms(id).await.len(), seller(&scene).await.lied), (0, 0), "seen is not final");
        scene.pass_finality();
        let found = scene.bursar.reconcile().await.unwrap();
        let story = story(&scene, &answer).await;
        let proven = story.row.chain_tx.clone().unwrap();
        let alarm = format!(
            "the seller's receipt names another chain transaction than the chain has: {wrong}, and the money moved in {proven}"
        );
        assert_eq!(scene.alarms(id).await, std::slice::from_ref(&alarm));
        assert_eq!(found.alarms, [format!("{id}: {alarm}")]);
        assert_eq!((story.row.state.as_str(), story.row.proof.as_deref()), ("settled", Some("chain")));
        assert_eq!((seller(&scene).await.lied, scene.spent()), (1, CENT));
        if is_signed {
            assert_eq!(
                (&signed(&story)["verdict"], &signed(&story)["differs"]),
                (&json!("differs"), &json!(["transaction"]))
            );
        }
        scene.bursar.reconcile().await.unwrap();
        assert_eq!(scene.alarms(id).await.len(), 1, "once");
        scene.end().await;
    }
}

#[tokio::test]
async fn signed_terms_other_than_the_listed_ones_are_not_paid_and_the_key_is_not_read() {
    for form in FORMS {
        let signing = Signing { offer: |offer| offer["amount"] = json!("100"), ..Signing::honest(form, PAYEES) };
        let scene = market([Stall::get("/thing", CENT).signing(signing)]).open().await;
        let answer = scene.get("/thing").await;
        refused(&answer, "signed_offer_differs");
        assert_eq!((scene.payments().len(), scene.spent()), (0, 0));
        scene.end().await;
    }
}

#[tokio::test]
async fn signed_terms_that_are_over_are_not_paid() {
    let signing =
        Signing { offer: |offer| offer["validUntil"] = json!(START - HOUR), ..Signing::honest(Form::Jws, PAYEES) };
    let scene = market([Stall::get("/thing", CENT).signing(signing)]).open().await;
    refused(&scene.get("/thing").await, "signed_offer_expired");
    assert_eq!((scene.payments().len(), scene.spent()), (0, 0));
    scene.end().await;
}

#[tokio::test]
async fn what_is_not_the_payees_word_stops_no_plain_offer() {
    let odd: [Tale; 4] = [
        |document| *document = json!(null),
        |document| *document = json!({ "format": "jws", "signature": "x.y.z" }),
        |document| *document = json!({ "format": "pgp" }),
        |document| document["signature"] = json!("x".repeat(20_000)),
    ];
    for document in odd {
        let signing = Signing { document, ..Signing::honest(Form::Eip712, PAYEES) };
        let scene = market([Stall::get("/thing", CENT).signing(signing)]).open().await;
        let answer = scene.get("/thing").await;
        bought(&answer);
        assert_eq!((codes(&answer), seller(&scene).await.lied, scene.spent()), (vec![], 0, CENT));
        scene.end().await;
    }
    let another = Signing { offer: |offer| offer["amount"] = json!("100"), ..Signing::honest(Form::Jws, ANOTHERS) };
    let payee = Key::new(&PAYEES).unwrap().address;
    let scene = market([Stall { payee, signs: Some(another), ..Stall::get("/thing", CENT) }]).open().await;
    bought(&scene.get("/thing").await);
    scene.end().await;
}

/// Kept for its question longer than its signature is good: the same terms are signed anew, and those are paid.
#[tokio::test]
async fn a_yes_to_terms_whose_signature_is_over_pays_the_same_terms_signed_anew() {
    let rules = "[approval]\nabove = \"0.001\"\n";
    let scene = market([honest(Form::Eip712)]).rules(rules).open().await;
    let asked = scene.get("/thing").await;
    is(&asked, Outcome::NeedsApproval, Charged::No);
    scene.pass(400);
    scene.approve(asked.purchase_id.as_deref().unwrap()).await.unwrap();
    let answer = scene.again("/thing", &asked).await;
    bought(&answer);
    assert_eq!(signed(&story(&scene, &answer).await)["verdict"], "by_payee");
    scene.end().await;
}
