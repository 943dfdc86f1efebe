//! How things stand, at a glance: read beside everybody else, waiting for nobody, writing nothing.

use std::path::Path;

use super::engine::{Conn, Given, named};
use super::{LedgerError, ServerPlace, budget, postgres, sqlite};
use crate::money::Usd;
use crate::policy::{Meter, Scope, Window};
use crate::time::Time;

/// How the ledger stands, at a glance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerGlance {
    /// All spending is stopped.
    pub frozen: bool,
    /// Of the last 24 hours, with what is held.
    pub spent: Usd,
    /// Payments whose outcome is not known.
    pub held: u64,
    /// Questions before the owner.
    pub waiting: u64,
    /// Alarms since the owner's last review.
    pub alarms: u64,
}

/// Nothing where there is no ledger, or one this program cannot read at once.
pub fn glance(path: &Path, now: Time) -> Result<LedgerGlance, LedgerError> {
    sqlite::at_a_glance(path, |conn| look(conn, now))
}

/// The same of a ledger in a database.
pub fn glance_at_server(place: &ServerPlace, now: Time) -> Result<LedgerGlance, LedgerError> {
    postgres::at_a_glance(place, |conn| look(conn, now))
}

fn look(conn: &dyn Conn, now: Time) -> Result<LedgerGlance, LedgerError> {
    let count =
        |sql: &str, given: &Given<'_>| conn.read(sql, given, |row| row.get::<_, i64>(0)).map(|n| n.max(0) as u64);
    let (frozen, newest, reviewed_to): (bool, i64, i64) =
        conn.read("SELECT frozen_why IS NOT NULL, newest, reviewed_to FROM ledger", &[], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let now = now.max(Time::from_millis(newest));
    let day = Meter { scope: Scope::Wallet, window: Window::Day };
    let used = budget::read(conn, [day], None, now)?;
    Ok(LedgerGlance {
        frozen,
        spent: used.values().next().map(|used| used.counted).unwrap_or_default(),
        held: count("SELECT count(*) FROM unproven WHERE state IN ('authorized', 'held')", &[])?,
        waiting: count(
            "SELECT count(*) FROM purchase p JOIN question q ON q.purchase = p.row
              WHERE p.state = 'needs_approval' AND q.expires_at > :at AND q.used = 0
                AND q.answer IS DISTINCT FROM 'denied' AND coalesce(q.valid_until, 0) <= :at",
            named! { ":at": now.millis() },
        )?,
        alarms: count("SELECT count(*) FROM event WHERE kind = 'alarm' AND at > :at", named! { ":at": reviewed_to })?,
    })
}
