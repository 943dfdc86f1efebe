//! The key: where it is kept, whose it is, and whether it can be read now.

use std::sync::Arc;

use super::check::{Check, fail, failed, ok, warn};
use crate::cli::exit::Failure;
use crate::cli::wallet::{PassphraseAsker, store_of};
use crate::clock::SystemClock;
use crate::config::{Config, Home, StoreKind, file_of};
use crate::house::House;
use crate::money::KeyAddress;
use crate::wallet::{Wallet, WalletError};

/// A house that is open has read its passphrase already, and a descriptor gives that once.
pub async fn examine(home: &Home, config: &Config, house: Option<&House>) -> Vec<Check> {
    let Some(addresses) = config.wallet.addresses() else {
        return vec![fail("key", "there is no wallet yet", "bursar init")];
    };
    let store = store_of(home, config.wallet.store, PassphraseAsker::Host);
    let there = match Wallet::list(&store).await {
        Ok(there) => there,
        Err(error) => return vec![failed("key", error.into())],
    };
    let mut checks = Vec::new();
    for address in addresses.iter() {
        checks.push(one(address, &there, home, config, house).await);
    }
    checks
}

async fn one(address: KeyAddress, there: &[KeyAddress], home: &Home, config: &Config, house: Option<&House>) -> Check {
    let place = match (config.wallet.store, address.rail()) {
        (Some(StoreKind::File), rail) => file_of(rail),
        (Some(StoreKind::Keyring) | None, _) => "the system's keyring",
    };
    if !there.contains(&address) {
        return absent(address, there, place);
    }
    let read = match house {
        Some(house) => house.owner().reads_key(address.rail()).await,
        None => {
            let store = store_of(home, config.wallet.store, PassphraseAsker::Host);
            Wallet::open(store, address, Arc::new(SystemClock)).unlock().await.map(drop)
        }
    };
    match read {
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
    }
}

/// No key is no reason for a new one: money may lie at the address.
fn absent(address: KeyAddress, there: &[KeyAddress], place: &str) -> Check {
    let of_its_rail = there.iter().find(|other| other.rail() == address.rail());
    match (of_its_rail, place) {
        (Some(other), "wallet.json" | "wallet.solana.json") => fail(
            "key",
            format!("{place} holds the key of {other}, and config.toml names {address}"),
            format!("correct the address in config.toml, or bring the right {place} back"),
        ),
        _ => fail(
            "key",
            format!("the key of {address} is not there, in {place}"),
            "bring it back with `bursar wallet import`, or the whole home with `bursar restore`",
        ),
    }
}
