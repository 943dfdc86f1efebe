//! What is never signed for on Solana.

use bursar::money::{Addresses, Rail};
use bursar::ports::Quiet;
use bursar::wallet::{Store, Wallet};
use testkit::solana::shop::Page;

use crate::scene::*;

/// With our key as the one who pays the chain, whoever holds the payment could spend from us.
#[tokio::test]
async fn a_seller_that_names_our_own_key_as_fee_payer_is_never_paid() {
    let key = bursar::wallet::RailKey::random(Rail::Solana).unwrap();
    let ours: &'static str = Box::leak(key.address().to_string().into_boxed_str());
    let scene = Scene::of(vec![Page { fee_payer: ours, ..Page::at("/trap", 1_000) }]).await;
    let store = Store::memory();
    let address = Wallet::import(&store, key, None).await.unwrap();
    let bursar = scene.with_keys(&store, address);
    let answer = bursar.agent("agent").fetch_paid(None, scene.call("/trap"), &Quiet).await;
    assert_eq!(codes(&answer), ["bad_fee_payer"], "{answer:#?}");
    assert!(scene.shop.shown().is_empty());
}

#[tokio::test]
async fn a_wallet_without_a_key_for_solana_says_how_to_make_one() {
    let scene = Scene::of(vec![Page::at("/plain", 1_000)]).await;
    let store = Store::memory();
    let address = Wallet::create(&store, Rail::Evm, None).await.unwrap();
    let bursar = scene.with_keys(&store, address);
    let answer = bursar.agent("agent").fetch_paid(None, scene.call("/plain"), &Quiet).await;
    assert_eq!(codes(&answer), ["no_key_for_rail"], "{answer:#?}");
    assert!(answer.reasons[0].message.contains("bursar wallet create --rail solana"), "{answer:#?}");
    assert!(scene.shop.shown().is_empty());
    assert!(!scene.asked().contains(&"getLatestBlockhash".to_owned()), "nobody waits for a node to hear that");
}

#[tokio::test]
async fn a_wallet_of_both_kinds_pays_with_the_right_key() {
    let scene = Scene::of(vec![Page::at("/plain", 1_000)]).await;
    let evm = Wallet::create(&scene.store, Rail::Evm, Some(scene.address)).await.unwrap();
    let bursar = scene.with_keys(&scene.store, Addresses { first: evm, also: Some(scene.address) });
    bought(&bursar.agent("agent").fetch_paid(None, scene.call("/plain"), &Quiet).await);
    assert_eq!(scene.balances(), (FUNDS - 1_000, 1_000));
}

#[tokio::test]
async fn too_little_money_is_known_before_anything_is_signed() {
    let scene = Scene::of(vec![Page::at("/small", 1_000), Page::at("/dear", FUNDS + 1)]).await;
    bought(&scene.fetch("/small").await);
    let answer = scene.fetch("/dear").await;
    assert!(codes(&answer).contains(&"insufficient_funds"), "{answer:#?}");
    assert!(format!("{answer:?}").contains(&scene.address.to_string()), "it names the address to fund");
}
