//! A second home: each has a ledger of its own, and each ledger allows its own budget.

use std::path::Path;

use super::check::{Check, warn};
use crate::config::{Config, Home};
use crate::money::Addresses;

/// What lies in the usual place, where this home is not that one.
pub fn others(home: &Home) -> Option<Check> {
    let usual = Home::at(std::env::home_dir()?.join(".bursar"));
    if is_same(usual.dir(), home.dir()) || !(usual.config_file().exists() || usual.ledger_file().exists()) {
        return None;
    }
    let of = |home: &Home| -> Vec<_> {
        let addresses = Config::load(home).ok().and_then(|config| config.wallet.addresses());
        addresses.into_iter().flat_map(Addresses::iter).collect()
    };
    let ours = of(home);
    let shown = usual.dir().display();
    let found = match of(&usual).iter().any(|address| ours.contains(address)) {
        true => format!("{shown} is a home of the same wallet: each has a budget of its own"),
        false => format!("{shown} is another home, with a wallet, a policy and a budget of its own"),
    };
    Some(warn(
        "homes",
        found,
        format!("keep one: bursar --home '{}' install --all, and move the other away", home.dir().display()),
    ))
}

/// The same folder, whatever links lead to it.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    real(one) == real(other)
}
