//! The ledger: whether it is there, whole, and this wallet's own; and what it says about now.

use std::sync::Arc;

use super::check::{Check, fail, failed, ok, warn};
use crate::answer::{LogQuery, Refusal, SpendQuery};
use crate::cli::exit::Failure;
use crate::cli::wallet::{PassphraseAsker, store_of};
use crate::cli::words;
use crate::clock::SystemClock;
use crate::config::{Config, Home};
use crate::house::House;
use crate::owner::{LedgerSeal, Owner, glance};
use crate::wallet::Wallet;

const ADOPT: &str =
    "bring the right one back, or accept this one with `bursar ledger adopt`; nothing is paid until then";

pub fn is_there(home: &Home) -> bool {
    home.ledger_file().symlink_metadata().is_ok()
}

/// No file: that is right for a wallet which has not spent yet, and for no other.
pub async fn missing(home: &Home, config: &Config) -> Vec<Check> {
    let noted = match config.wallet.addresses() {
        Some(addresses) => {
            let store = store_of(home, config.wallet.store, PassphraseAsker::Host);
            Wallet::open(store, addresses, Arc::new(SystemClock)).noted().await.ok().flatten()
        }
        None => None,
    };
    vec![match noted {
        Some(noted) => fail(
            "ledger",
            format!("ledger.db is missing, and this wallet has made at least {} payments by it", noted.authorizations),
            "bring it back, from a backup with `bursar restore` say, or begin a new one with `bursar ledger adopt`; nothing \
             is paid until then",
        ),
        None => ok("ledger", "none yet: the first purchase begins it"),
    }]
}

pub async fn examine(home: &Home, house: Result<House, Refusal>) -> Vec<Check> {
    match house {
        Ok(house) => standing(home, &house.owner()).await.unwrap_or_else(|failure| vec![failed("ledger", failure)]),
        Err(refusal) => vec![failed("ledger", refusal.into())],
    }
}

/// What the ledger says about now: frozen, waiting, open.
async fn standing(home: &Home, bursar: &Owner) -> Result<Vec<Check>, Failure> {
    if let Some(damage) = bursar.ledger_damage().await? {
        let next = "stop what uses it, and bring it back from a backup: `bursar restore`, or a copy of ledger.db";
        return Ok(vec![fail("ledger", format!("ledger.db is damaged: {damage}"), next)]);
    }
    let mut checks = vec![own_ledger(bursar).await?];
    checks.push(match bursar.frozen().await? {
        Some(why) => warn("frozen", format!("all spending is stopped: {why}"), "bursar thaw lets it go on"),
        None => ok("frozen", "no"),
    });
    let alarms = glance(home, words::now()).map_or(0, |glance| glance.stands.alarms);
    checks.push(match alarms {
        0 => ok("alarms", "none since your last review"),
        n => warn(
            "alarms",
            format!("{n} since your last review"),
            "bursar log shows them; `bursar reviewed` once you have read them",
        ),
    });
    let pending = bursar.pending().await?.len();
    checks.push(match pending {
        0 => ok("pending", "no question waits for you"),
        n => warn("pending", format!("{n} waiting for your yes"), "bursar pending"),
    });
    let held = in_state(bursar, "held").await? + in_state(bursar, "authorized").await?;
    checks.push(match held {
        0 => ok("open", "every payment's outcome is known"),
        n => warn("open", format!("{n} whose outcome is not known yet; counted as spent"), "bursar reconcile"),
    });
    Ok(checks)
}

/// Compared with what is kept beside the key; nothing is written.
async fn own_ledger(bursar: &Owner) -> Result<Check, Failure> {
    Ok(match bursar.ledger_seal().await? {
        LedgerSeal::NoWallet => ok("ledger", "whole"),
        LedgerSeal::Unseen(cause) => warn(
            "ledger",
            format!("whole; whether it is this wallet's own was not seen: {cause}"),
            "make the key readable, and look again",
        ),
        LedgerSeal::Replaced => fail("ledger", "is not the one this wallet spent from", ADOPT),
        LedgerSeal::RolledBack => fail("ledger", "is an old copy", ADOPT),
        LedgerSeal::Restored => fail(
            "ledger",
            "came out of a backup: payments that were made after it are not in it",
            "`bursar ledger adopt` accepts it; nothing is paid until then",
        ),
        LedgerSeal::Tampered => {
            fail("ledger", "what is kept beside the key about it was changed by somebody else", ADOPT)
        }
        LedgerSeal::Own => ok("ledger", "whole, and this wallet's own"),
        LedgerSeal::Unspent => ok("ledger", "whole; this wallet has not spent yet"),
    })
}

async fn in_state(bursar: &Owner, state: &str) -> Result<u64, Failure> {
    let spend = SpendQuery { state: Some(state.to_owned()), limit: Some(1), ..SpendQuery::default() };
    Ok(bursar.log(LogQuery { spend, ..LogQuery::default() }).await?.totals.count)
}
