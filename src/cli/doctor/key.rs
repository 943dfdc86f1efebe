//! The key: where it is kept, whose it is, and whether it can be read now.

use std::sync::Arc;

use alloy_primitives::Address;

use super::check::{Check, fail, failed, ok, warn};
use crate::cli::exit::Failure;
use crate::cli::wallet::{PassphraseAsker, store_of};
use crate::clock::SystemClock;
use crate::config::{Config, Home, StoreKind};
use crate::house::House;
use crate::wallet::{Wallet, WalletError};

/// A house that is open has read its passphrase already, and a descriptor gives that once.
pub async fn examine(home: &Home, config: &Config, house: Option<&House>) -> Vec<Check> {
    let Some(address) = config.wallet.address else {
        return vec![fail("key", "there is no wallet yet", "bursar init")];
    };
    let store = store_of(home, config.wallet.store, PassphraseAsker::Host);
    let there = match Wallet::list(&store).await {
        Ok(there) => there,
        Err(error) => return vec![failed("key", error.into())],
    };
    let place = match config.wallet.store {
        Some(StoreKind::File) => "wallet.json",
        Some(StoreKind::Keyring) | None => "the system's keyring",
    };
    if !there.contains(&address) {
        return vec![absent(address, &there, place)];
    }
    let read = match house {
        Some(house) => house.owner().reads_key().await,
        None => Wallet::open(store, address, Arc::new(SystemClock)).unlock().await.map(drop),
    };
    vec![match read {
        Ok(()) => ok("key", format!("{address} is in {place}, and can be read")),
        Err(cause @ WalletError::NoPassphrase { .. }) => {
            let Failure { reasons, .. } = Failure::from(cause);
            let asked = reasons.into_iter().map(|reason| reason.message).collect::<String>();
            warn(
                "key",
                format!("{address} is in {place}, which was not opened: {asked}"),
                "a server needs it too: put it into a file only you can read, and name that in BURSAR_PASSPHRASE_FILE",
            )
        }
        Err(error) => failed("key", error.into()),
    }]
}

/// No key is no reason for a new one: money may lie at the address.
fn absent(address: Address, there: &[Address], place: &str) -> Check {
    match (there, place) {
        ([other], "wallet.json") => fail(
            "key",
            format!("wallet.json holds the key of {other}, and config.toml names {address}"),
            "correct the address in config.toml, or bring the right wallet.json back",
        ),
        _ => fail(
            "key",
            format!("the key of {address} is not there, in {place}"),
            "bring it back with `bursar wallet import`, or the whole home with `bursar restore`",
        ),
    }
}
