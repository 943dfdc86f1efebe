//! How things stand, for a status bar.

use crate::config::{Home, PolicyFile};
use crate::ledger;
use crate::money::Usd;
use crate::time::Time;
use crate::whereabouts::ledger_place;

/// How things stand, and how much a day may cost.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    /// How the ledger stands.
    pub stands: ledger::LedgerGlance,
    /// How much a day may cost, at the most.
    pub limit: Option<Usd>,
    /// policy.toml was changed and is not in force.
    pub is_held_back: bool,
}

/// Nothing is opened, waited for or written; where that is not to be had, nothing.
pub fn glance(home: &Home, now: Time) -> Option<Glance> {
    let stands = match ledger_place(home).ok()? {
        Some(place) => ledger::glance_at_server(&place, now),
        None => ledger::glance(&home.ledger_file(), now),
    };
    let stands = stands.ok()?;
    let rules = PolicyFile::new(home);
    let limit = rules.current().ok()?.wallet.per_day;
    Some(Glance { stands, limit, is_held_back: rules.is_held_back() })
}
