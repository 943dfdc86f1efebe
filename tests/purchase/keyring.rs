//! A place for keys in every kind of trouble: nothing is signed, nothing is lost, and it goes on when the trouble is over.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use alloy_primitives::Address;
use bursar::answer::{Charged, Outcome};
use bursar::limits;
use bursar::money::KeyAddress;
use bursar::ports::Quiet;
use bursar::wallet::WalletError;
use sandbox::sellers::{Behaviour, Stall};

use crate::scene::*;

/// Every trouble, and what an agent is told of it.
fn troubles() -> Vec<(WalletError, &'static str)> {
    let address = KeyAddress::from(Address::repeat_byte(0x11));
    let place = || "the system keyring".to_owned();
    vec![
        (WalletError::KeyringLocked, "keyring_locked"),
        (WalletError::KeyringAbsent { cause: "no bus".to_owned() }, "keyring_absent"),
        (WalletError::KeyringSlow { seconds: 10 }, "keyring_slow"),
        (WalletError::KeyringAmbiguous { address }, "keyring_ambiguous"),
        (WalletError::KeyringRefused { cause: "no".to_owned() }, "keyring_refused"),
        (WalletError::NoKey { address, place: place() }, "no_key"),
        (WalletError::WrongKey { expected: address, found: Address::ZERO.into() }, "wrong_key"),
        (WalletError::KeyDamaged { address, place: place() }, "key_damaged"),
        (WalletError::WrongPassphrase { path: PathBuf::from("wallet.json") }, "wrong_passphrase"),
    ]
}

#[tokio::test]
async fn a_keyring_in_trouble_signs_nothing_before_the_first_payment() {
    for (trouble, code) in troubles() {
        let scene = market([Stall::get("/thing", CENT)]).open().await;
        scene.keys.trouble(Some(trouble));
        refused(&scene.get("/thing").await, code);
        assert_eq!((scene.payments().len(), scene.nonces().await.len(), scene.spent()), (0, 0, 0));
        scene.keys.trouble(None);
        bought(&scene.get("/thing").await);
        assert_eq!(scene.spent(), CENT);
        scene.end().await;
    }
    println!("bar: keyring, before the first payment | {} troubles | 0 violations", troubles().len());
}

#[tokio::test]
async fn a_keyring_that_gets_into_trouble_between_two_payments_stops_the_second_and_keeps_the_first() {
    for (trouble, code) in troubles() {
        let scene = market([Stall::get("/first", CENT), Stall::get("/second", CENT)]).open().await;
        let first = scene.get("/first").await;
        bought(&first);
        scene.keys.trouble(Some(trouble));
        // The key in memory has been idle too long.
        scene.pass(limits::KEY_IDLE.as_secs() + 1);
        refused(&scene.get("/second").await, code);
        assert_eq!(body(&scene.again("/first", &first).await), body(&first), "what was bought is there all the same");
        assert_eq!((scene.payments().len(), scene.spent()), (1, CENT));
        scene.keys.trouble(None);
        bought(&scene.get("/second").await);
        scene.end().await;
    }
    println!("bar: keyring, between two payments | {} troubles | 0 violations", troubles().len());
}

#[tokio::test]
async fn a_key_that_is_not_the_expected_one_signs_nothing() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let other = scene.another_key().await;
    scene.keys.hand_out(Some(other));
    refused(&scene.get("/thing").await, "wrong_key");
    scene.keys.hand_out(None);
    bought(&scene.get("/thing").await);
    scene.end().await;
}

#[tokio::test]
async fn what_was_signed_is_resumed_without_a_key() {
    let scene = market([Stall::that(Behaviour::DropBeforeSettling, "/thing", CENT)]).open().await;
    is(&scene.get("/thing").await, Outcome::Held, Charged::Unknown);
    scene.sandbox.sellers.put(Stall::get("/thing", CENT));
    scene.keys.trouble(Some(WalletError::KeyringLocked));
    bought(&scene.get("/thing").await);
    assert_eq!((scene.spent(), scene.nonces().await.len()), (CENT, 1));
    scene.end().await;
}

#[tokio::test]
async fn a_prompt_that_hangs_is_not_waited_for_and_signs_nothing_when_it_is_answered_late() {
    let scene = market([Stall::get("/thing", CENT)]).open().await;
    let (reached, at_the_prompt) = tokio::sync::oneshot::channel();
    let (answer_it, answered) = mpsc::channel::<()>();
    scene.keys.on_load(move || {
        let _ = reached.send(());
        let _ = answered.recv();
    });
    let (house, call) = (scene.bursar.clone(), scene.call("/thing"));
    let asking = tokio::spawn(async move { house.agent(AGENT).fetch_paid(None, call, &Quiet).await });
    at_the_prompt.await.unwrap();
    jump(limits::KEYRING_WAIT + Duration::from_secs(1)).await;
    is(&asking.await.unwrap(), Outcome::Refused, Charged::No);
    answer_it.send(()).unwrap();
    assert_eq!((scene.payments().len(), scene.nonces().await.len(), scene.spent()), (0, 0, 0));
    bought(&scene.get("/thing").await);
    scene.end().await;
    println!("bar: keyring, a prompt that hangs | 1 case | 0 violations");
}
