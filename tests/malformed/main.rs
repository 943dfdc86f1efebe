//! Challenges as nobody should send them (`tests/malformed/`) and as honest sellers do (`tests/honest/`), one file
//! each. A file says what must come of it. Every one is read and decided on, and then sent through the whole flow: real
//! ledger, key, wire and chain. What is refused must be refused without the key being read.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod case;
use testkit::scene;
mod seller;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::Address;
use bursar::answer::{Answer, Outcome};
use bursar::money::{Account, Amount, Assets, Network};
use bursar::offer::{self, Words};
use bursar::policy::{self, Decision, Funds, Policy, Question, Snapshot};
use bursar::reason::Reason;
use bursar::request::Request;
use bursar::time::Time;
use bursar::wish::Call;
use case::{Case, Expect, cases};
use sandbox::chain::{ASSET, NETWORK};
use seller::Seller;

#[test]
fn there_are_as_many_challenges_as_we_say() {
    assert!(cases("malformed", Address::ZERO).len() >= 300);
    assert!(cases("honest", Address::ZERO).len() >= 50);
}

#[test]
fn every_challenge_is_decided_on_as_its_file_says() {
    let us = Address::repeat_byte(0x77);
    let policy = Policy::parse("policy.toml", &rules(1)).unwrap();
    let five_dollars = Amount::parse("5000000").unwrap();
    let known = [(Account::evm(&Network::new(NETWORK), ASSET), five_dollars)].into();
    let funds = Funds { wallet: Some(us.into()), known };
    let url = "https://api.example.com/report".parse().unwrap();
    let request = Request { method: "GET".to_owned(), url, headers: vec![], body: vec![] };
    let question = Question { request: &request, max_price: None, funds: &funds };
    let mut wrong = Vec::new();
    for case in all(us) {
        let listed = offer::parse(&Words::challenge(&case.headers_at(scene::START), &case.body), &Assets::default());
        let listed = offer::fit(listed, &request, Time::from_secs(scene::START as i64));
        let said = match policy::decide(&policy, &question, &listed, &Snapshot::default()).decision {
            Decision::Allow(offer) => {
                Expect::Pay { amount: offer.amount.to_string(), payee: offer.payee.as_evm().unwrap() }
            }
            Decision::Ask(_, reasons) => Expect::Ask(codes(&reasons)),
            Decision::Refuse(reasons) => Expect::Refuse(codes(&reasons)),
        };
        wrong.extend(case.differs(&said));
    }
    assert!(wrong.is_empty(), "{} of the files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn whatever_a_malformed_challenge_says_only_what_its_file_says_is_signed() {
    goes_as_its_files_say("malformed").await;
}

#[tokio::test]
async fn every_honest_seller_is_paid() {
    goes_as_its_files_say("honest").await;
}

/// Buys at every challenge of a folder. An agent of its own each, so that one case is not refused for another's sake;
/// and so long after the last one that the key has been put away.
async fn goes_as_its_files_say(folder: &str) {
    const KEY_PUT_AWAY: u64 = 301;
    let scene = scene::market([]).open().await;
    let seller = Seller::open(scene.sandbox.chain.clone(), cases(folder, scene.address)).await;
    std::fs::write(scene.home.policy_file(), rules(seller.port())).unwrap();
    let mut wrong = Vec::new();
    for case in cases(folder, scene.address) {
        scene.pass(KEY_PUT_AWAY);
        let key_was_read = Arc::new(AtomicBool::new(false));
        let reads = key_was_read.clone();
        scene.keys.on_load(move || reads.store(true, Ordering::Relaxed));
        let call = Call { url: seller.url(&case), ..Call::default() };
        let answer = scene.fetch_as(&case.agent(), call).await;
        let said = outcome(&answer, &seller);
        wrong.extend(case.differs_on_the_wire(&said));
        let (signed, pays) = (key_was_read.load(Ordering::Relaxed), matches!(said, Expect::Pay { .. }));
        if signed != pays {
            wrong.push(format!("{}: the key was {}read", case.name, if signed { "" } else { "not " }));
        }
        wrong.extend(seller.complaints().into_iter().map(|complaint| format!("{}: {complaint}", case.name)));
    }
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(scene.nonces().await.len(), seller.paid(), "the ledger and the seller count the same signatures");
    scene.end().await;
}

/// The built-in rules, on the test network, with one port opened, where one seller has many payees.
fn rules(port: u16) -> String {
    format!(
        "version = 1\n[networks]\nallow = [\"{NETWORK}\"]\n[egress]\nallow = [\"127.0.0.1:{port}\"]\n\
         [payee]\non_change = \"allow\"\n"
    )
}

fn all(us: Address) -> impl Iterator<Item = Case> {
    ["malformed", "honest"].into_iter().flat_map(move |folder| cases(folder, us))
}

/// What came of a purchase; that something was paid is the seller's word.
fn outcome(answer: &Answer, seller: &Seller) -> Expect {
    match (answer.outcome, seller.last_payment()) {
        (Outcome::Answered, Some((amount, payee))) => Expect::Pay { amount, payee },
        (Outcome::NeedsApproval, None) => Expect::Ask(codes(&answer.reasons)),
        (Outcome::Refused | Outcome::Failed, None) => Expect::Refuse(codes(&answer.reasons)),
        other => panic!("{other:?}: {answer:#?}"),
    }
}

fn codes(reasons: &[Reason]) -> Vec<String> {
    let mut codes: Vec<String> = reasons.iter().map(|reason| reason.code.clone()).collect();
    codes.dedup();
    codes
}
