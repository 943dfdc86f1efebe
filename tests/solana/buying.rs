//! Paid to the unit, once, and without asking a node on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use testkit::scene::jump;
use testkit::solana::shop::{Page, Shop};
use testkit::solana::{Mood, read};

use crate::scene::*;

#[tokio::test]
async fn what_is_bought_is_paid_to_the_unit_in_either_version() {
    let memo = Page { extra: json!({ "memo": "order 7" }), ..Page::at("/memo", 30_000) };
    let old = Page { version: 1, ..Page::at("/old", 40_000) };
    let scene = Scene::of(vec![Page::at("/plain", 20_000), memo, old]).await;
    let mut paid = 0;
    for (path, price) in [("/plain", 20_000), ("/memo", 30_000), ("/old", 40_000)] {
        bought(&scene.fetch(path).await);
        paid += price;
        assert_eq!(scene.balances(), (FUNDS - paid, paid), "{path}");
    }
    let shown: Vec<_> = scene.shop.shown().iter().map(|shown| read(&Shop::transaction(shown)).unwrap()).collect();
    assert_eq!(shown[1].memo, "order 7");
    assert_ne!(shown[0].memo, shown[2].memo, "a memo of ours is never the same twice");
    assert!(shown.iter().all(|read| read.from == scene.ours()));
}

#[tokio::test]
async fn asked_again_it_is_served_from_the_store_and_nothing_moves() {
    let scene = Scene::of(vec![Page::at("/plain", 20_000)]).await;
    bought(&scene.fetch("/plain").await);
    let again = scene.fetch("/plain").await;
    assert!(again.served_from_store);
    assert_eq!((scene.balances(), scene.cluster.transfers()), ((FUNDS - 20_000, 20_000), 1));
}

/// Nothing in two such payments differs but what bursar chooses.
#[tokio::test]
async fn payments_with_one_memo_of_a_sellers_are_told_apart() {
    let memo = |path| Page { extra: json!({ "memo": "the same" }), ..Page::at(path, 1_000) };
    let paths = ["/a", "/b", "/c", "/d", "/e", "/f"];
    let scene = Scene::of(paths.map(memo).to_vec()).await;
    let all = futures_util::future::join_all(paths.map(|path| scene.fetch(path))).await;
    all.iter().for_each(bought);
    assert_eq!(scene.balances(), (FUNDS - 6_000, 6_000));
    let messages: BTreeSet<_> =
        scene.shop.shown().iter().map(|shown| read(&Shop::transaction(shown)).unwrap().message).collect();
    assert_eq!(messages.len(), 6);
}

#[tokio::test]
async fn while_the_block_is_young_no_node_is_asked_on_the_way() {
    let scene = Scene::of(vec![Page::at("/one", 1_000), Page::at("/two", 1_000), Page::at("/three", 1_000)]).await;
    bought(&scene.fetch("/one").await);
    // Balances are read once, and whatever was asked beside that call is answered.
    tokio::time::timeout(Duration::from_secs(5), async {
        while !scene.asked().contains(&"getAccountInfo".to_owned()) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    scene.asked();
    bought(&scene.fetch("/two").await);
    assert_eq!(scene.asked(), Vec::<String>::new());
    scene.pass(10_001);
    bought(&scene.fetch("/three").await);
    assert!(scene.asked().contains(&"getLatestBlockhash".to_owned()), "what is old is asked for anew");
}

/// A seller's block is named where no node of ours tells one; how high the chain is, no seller is believed.
#[tokio::test]
async fn a_sellers_block_is_of_use_only_where_no_node_tells_one() {
    let hint = "cGfHiC6Kgg3FpFZvgwGcswsCRtp4aBP2fzuXRQPizuN";
    let extra = json!({ "recentBlockhash": hint, "lastValidBlockHeight": "1" });
    let hinted = |path| Page { extra: extra.clone(), ..Page::at(path, 1_000) };
    let scene = Scene::of(vec![hinted("/one"), hinted("/two"), Page::at("/three", 1_000)]).await;
    bought(&scene.fetch("/one").await);
    let named = |nth: usize| read(&Shop::transaction(&scene.shop.shown()[nth])).unwrap().blockhash;
    let hint = bursar::money::solana_key(hint).unwrap();
    assert_ne!(named(0), hint, "ours is young");
    scene.nodes.iter().for_each(|node| node.set_mood(Mood::Down));
    scene.pass(60_000);
    let answer = scene.fetch("/two").await;
    assert_eq!(named(1), hint);
    // It is no block of this chain's, so the seller cannot take the money, and nobody knows that yet.
    assert_eq!(scene.stands_at(&answer).await.0, "held");
    let answer = scene.fetch("/three").await;
    assert_eq!(codes(&answer), ["blockhash_unknown"], "{answer:#?}");
    scene.nodes.iter().for_each(|node| node.set_mood(Mood::Honest));
    scene.reconcile().await;
    scene.pass(120_000);
    // The chain may have grown quickly since a node last told how high it was.
    scene.reconcile().await;
    scene.pass(1_000_000);
    let found = scene.reconcile().await;
    assert!(found.waiting.is_empty(), "{found:#?}");
    assert_eq!(scene.balances(), (FUNDS - 1_000, 1_000));
}

/// Caps hold for what is paid on Solana as for everything else.
#[tokio::test]
async fn a_cap_is_exact_whatever_runs_at_once() {
    let paths: [&'static str; 8] = ["/1", "/2", "/3", "/4", "/5", "/6", "/7", "/8"];
    let rules = "[wallet]\nper_day = \"0.03\"\n[approval]\nabove = \"none\"\n[price]\nrise = \"none\"";
    let scene = Scene::with(paths.map(|path| Page::at(path, 10_000)).to_vec(), rules).await;
    let other = scene.opened_again();
    let calls = paths.iter().enumerate().map(async |(nth, path)| match nth % 2 {
        0 => scene.fetch(path).await,
        _ => other.agent("other").fetch_paid(None, scene.call(path), &bursar::ports::Quiet).await,
    });
    let answers = futures_util::future::join_all(calls).await;
    let paid = answers.iter().filter(|answer| answer.charged == bursar::answer::Charged::Yes).count();
    assert_eq!((paid, scene.balances()), (3, (FUNDS - 30_000, 30_000)));
}

/// Five seconds, for every clock there is, and whatever they wake.
async fn a_while(scene: &Scene) {
    scene.pass(5_000);
    jump(Duration::from_secs(5)).await;
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_block_is_kept_young_beside_the_calls_for_as_long_as_somebody_may_pay() {
    let scene = Scene::of(vec![Page::at("/one", 1_000), Page::at("/two", 1_000)]).await;
    bought(&scene.fetch("/one").await);
    scene.asked();
    let mut times = 0;
    for _ in 0..10 {
        a_while(&scene).await;
        times += scene.asked().iter().filter(|asked| *asked == "getLatestBlockhash").count();
    }
    assert!(times >= 4, "two nodes, and more than once: {times}");
    // Nobody has looked at a seller for a minute: it is let go.
    scene.pass(61_000);
    for _ in 0..5 {
        a_while(&scene).await;
    }
    scene.asked();
    for _ in 0..5 {
        a_while(&scene).await;
    }
    assert_eq!(scene.asked(), Vec::<String>::new());
    bought(&scene.fetch("/two").await);
}
