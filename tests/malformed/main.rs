//! Challenges as nobody should send them (`tests/malformed/`) and as honest sellers do (`tests/honest/`), one file
//! each. A file says what must come of it. Every one is read and decided on, and then sent through the whole flow: real
//! ledger, key, wire and chain. What is refused must be refused without the key being read.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod case;
use testkit::scene;
mod seller;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{Address, B256};
use bursar::answer::{Answer, Outcome};
use bursar::authorization::{Authorization, Fact, Ground, Known, RecentBlock};
use bursar::money::{Account, Addresses, Amount, Assets, KeyAddress, Network};
use bursar::offer::{self, Listed, Offer, Words};
use bursar::policy::{self, Decision, Funds, Policy, Question, Snapshot};
use bursar::reason::Reason;
use bursar::request::Request;
use bursar::time::Time;
use bursar::wish::Call;
use case::{Blocks, Case, Expect, cases};
use sandbox::chain::{ASSET, NETWORK};
use seller::Seller;
use testkit::solana::{CLUSTER, Mood, USDC};

const NOW: Time = Time::from_secs(scene::START as i64);
/// So long ago a block was told that is old, in seconds.
const BLOCK_OLD: u64 = 60;
/// Where no scene has keys of its own.
const US: Addresses =
    Addresses { first: KeyAddress::Evm(Address::repeat_byte(0x77)), also: Some(KeyAddress::Solana([0x77; 32])) };

#[test]
fn there_are_as_many_challenges_as_we_say() {
    assert!(cases("malformed", US).len() >= 300);
    assert!(cases("honest", US).len() >= 50);
    let on_solana = |folder| cases(folder, US).iter().filter(|case| case.name.starts_with("solana")).count();
    assert!(on_solana("malformed") >= 150 && on_solana("honest") >= 30);
}

#[test]
fn every_challenge_is_decided_on_as_its_file_says() {
    let policy = Policy::parse("policy.toml", &rules(1)).unwrap();
    let five_dollars = Amount::parse("5000000").unwrap();
    let known = [Account::evm(&Network::new(NETWORK), ASSET), Account::parse(&Network::new(CLUSTER), USDC).unwrap()];
    let funds = Funds { wallet: Some(US), known: known.map(|asset| (asset, five_dollars)).into() };
    let url = "https://api.example.com/report".parse().unwrap();
    let request = Request { method: "GET".to_owned(), url, headers: vec![], body: vec![] };
    let question = Question { request: &request, max_price: None, funds: &funds };
    let mut wrong = Vec::new();
    for case in all(US) {
        let listed = offer::parse(&Words::challenge(&case.headers_at(scene::START), &case.body), &Assets::default());
        let listed = offer::fit(listed, &request, NOW);
        let listed: Vec<Listed> = listed.into_iter().map(|entry| grounded(entry, &policy, case.blocks)).collect();
        let said = match policy::decide(&policy, &question, &listed, &Snapshot::default()).decision {
            Decision::Allow(offer) => drafted(&offer, case.blocks),
            Decision::Ask(_, reasons) => Expect::Ask(codes(&reasons)),
            Decision::Refuse(reasons) => Expect::Refuse(codes(&reasons)),
        };
        wrong.extend(case.differs(&said));
    }
    assert!(wrong.is_empty(), "{} of the files are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is known of the chain before an offer is signed for: a block, as the file has it, and of anything else that it is
/// as much as it can be.
fn ground(offer: &Offer, blocks: Blocks) -> Ground {
    let block = Known::Block(RecentBlock { hash: [9; 32], slot: 291_470_000, last_height: 291_470_150 });
    let known = |fact: Fact| match (&fact, blocks) {
        (Fact::RecentBlock(_), Blocks::Unknown) => None,
        (Fact::RecentBlock(_), Blocks::Old) => Some((fact, Time::from_secs((scene::START - BLOCK_OLD) as i64), block)),
        (Fact::RecentBlock(_), Blocks::Young) => Some((fact, NOW, block)),
        _ => Some((fact, NOW, B256::repeat_byte(0xff).into())),
    };
    Authorization::needs(offer, &us_on(offer)).into_iter().filter_map(|need| known(need.fact)).collect()
}

fn us_on(offer: &Offer) -> Account {
    US.on(offer.network()).unwrap()
}

/// What could not be signed for is none that can be paid, as a purchase has it.
fn grounded(entry: Listed, policy: &Policy, blocks: Blocks) -> Listed {
    let Listed::Payable(offer) = entry else { return entry };
    if !policy.networks.contains(offer.network()) {
        return Listed::Payable(offer);
    }
    match Authorization::stands(&offer, &us_on(&offer), Time::from_secs(scene::START as i64), &ground(&offer, blocks)) {
        Ok(()) => Listed::Payable(offer),
        Err(cannot) => offer.unpayable(cannot.into()).into(),
    }
}

/// What would be signed, by its own word.
fn drafted(offer: &Offer, blocks: Blocks) -> Expect {
    match Authorization::draft(offer, &us_on(offer), NOW, [0x55; 32], &ground(offer, blocks)) {
        Ok(drafted) => {
            let facts = drafted.facts();
            assert_eq!((facts.asset, facts.from), (offer.asset.account.clone(), us_on(offer)));
            Expect::Pay { amount: facts.most.to_string(), payee: facts.to.to_string() }
        }
        Err(cannot) => Expect::Refuse(vec![cannot.code().to_owned()]),
    }
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
/// and so long after the last one that the key has been put away, that no block is known any more, and that there are
/// fewer of them in a day than its limits let through.
async fn goes_as_its_files_say(folder: &str) {
    const BETWEEN: u64 = 1_200;
    let scene = scene::market([]).on_solana_too().open().await;
    let (us, solana) = (scene.addresses(), scene.solana.as_ref().unwrap());
    let seller = Seller::open(scene.sandbox.chain.clone(), solana.cluster.clone(), cases(folder, us)).await;
    std::fs::write(scene.home.policy_file(), rules(seller.port())).unwrap();
    let mut wrong = Vec::new();
    for case in cases(folder, us) {
        // Nobody hears of a block while the hand is moved.
        solana.node.set_mood(Mood::Down);
        scene.pass(BETWEEN);
        let call = Call { url: seller.url(&case), ..Call::default() };
        if case.blocks != Blocks::Unknown {
            solana.node.set_mood(Mood::Honest);
        }
        if case.blocks == Blocks::Old {
            // For a look at the price a block is asked for too.
            scene.bursar.agent(&case.agent()).quote(call.clone()).await;
            solana.node.set_mood(Mood::Down);
            scene.pass(BLOCK_OLD);
        }
        let key_was_read = Arc::new(AtomicBool::new(false));
        let reads = key_was_read.clone();
        scene.keys.on_load(move || reads.store(true, Ordering::Relaxed));
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

/// The built-in rules, on a test network of each rail, with one port opened, where one seller has many payees.
fn rules(port: u16) -> String {
    format!(
        "version = 1\n[networks]\nallow = [\"{NETWORK}\", \"{CLUSTER}\"]\n[egress]\nallow = [\"127.0.0.1:{port}\"]\n\
         [payee]\non_change = \"allow\"\n"
    )
}

fn all(us: Addresses) -> impl Iterator<Item = Case> {
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
