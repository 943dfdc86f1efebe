//! Whatever leaves our accounts and no purchase explains stops everything.

use bursar::answer::{Charged, Outcome};
use bursar::authorization::{Authorization, SolanaKey, SolanaTransfer, TokenProgram};
use bursar::wallet::Wallet;
use testkit::solana::shop::{FEE_PAYER, PAYEE, Page};
use testkit::solana::{USDC, key, network};

use crate::scene::*;

#[tokio::test]
async fn our_own_payments_are_explained() {
    let scene = Scene::of(vec![Page::at("/plain", 1_000)]).await;
    scene.reconcile().await;
    bought(&scene.fetch("/plain").await);
    scene.pass(40_000);
    let found = scene.reconcile().await;
    assert!(found.alarms.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn money_that_leaves_by_our_key_and_no_purchase_explains_freezes_everything() {
    let scene = Scene::of(vec![Page::at("/plain", 1_000), Page::at("/later", 1_000)]).await;
    scene.reconcile().await;
    bought(&scene.fetch("/plain").await);
    let block = latest_block(&scene);
    let signed = Authorization::Solana(SolanaTransfer {
        network: network(),
        mint: key(USDC),
        program: TokenProgram::Spl,
        decimals: 6,
        from: scene.ours(),
        to: key(PAYEE),
        value: 5_000,
        fee_payer: key(FEE_PAYER),
        memo: "not bursar's".to_owned(),
        compute_units: 20_000,
        unit_price: 1,
        blockhash: block,
        since: 0,
        last_height: u64::MAX,
        about: 0,
    });
    let wallet = Wallet::open(scene.store.clone(), scene.address, scene.clock());
    let signatures = wallet.unlock().await.unwrap().sign(&signed).unwrap();
    let Authorization::Solana(transfer) = &signed else { unreachable!() };
    let transaction = [&[2][..], &[0; 64], signatures.of_authorization().bytes(), &transfer.message()].concat();
    scene.cluster.send(&transaction).unwrap();
    scene.pass(40_000);
    let found = scene.reconcile().await;
    assert_eq!(found.alarms.len(), 1, "{found:#?}");
    assert!(scene.bursar.frozen().await.unwrap().is_some());
    let answer = scene.fetch("/later").await;
    is(&answer, Outcome::Refused, Charged::No);
    assert_eq!(codes(&answer), ["frozen"]);
}

/// The block that the last payment named.
fn latest_block(scene: &Scene) -> SolanaKey {
    use testkit::solana::{read, shop::Shop};
    SolanaKey(read(&Shop::transaction(&scene.shop.shown()[0])).unwrap().blockhash)
}
