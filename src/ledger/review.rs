//! How far the owner has read the log, and what was spent since.

use serde_json::json;

use super::authorize::ledger_time;
use super::engine::{Conn, named};
use super::log::{self, Filter};
use super::{Ledger, LedgerError, Sync, events};
use crate::money::Usd;
use crate::policy::Used;
use crate::time::Time;

/// The least there is between two times.
const NEXT: std::time::Duration = std::time::Duration::from_millis(1);

impl Ledger {
    /// From when on nothing was reviewed.
    pub async fn unreviewed_since(&self) -> Result<Time, LedgerError> {
        self.read(unreviewed_since).await
    }

    /// The owner has seen everything up to this moment, or up to now. What comes next comes later than that, so that no
    /// purchase slips under the mark unseen.
    pub async fn review(&self, up_to: Option<Time>, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let up_to = up_to.unwrap_or(now).min(now);
                conn.note(
                    "UPDATE ledger SET reviewed_to = :up_to, newest = max(newest, :newest)",
                    named! { ":up_to": up_to.millis(), ":newest": up_to.plus(NEXT).millis() },
                )?;
                events::append(conn, None, now, "reviewed", &json!({ "up_to": up_to }))
            })
            .await
    }
}

/// What counts since the owner's last review. A ledger that was adopted since then does not know: that is all of it.
pub fn spent_since(conn: &dyn Conn, limit: Usd) -> Result<Used, LedgerError> {
    let since = unreviewed_since(conn)?;
    let totals = log::totals(conn, &Filter { since: Some(since), ..Filter::default() })?;
    let (settled, held) = not_entered(conn, since)?;
    let (settled, held) = (with(totals.settled, settled), with(totals.held, held));
    let adopted_at: Option<i64> = conn.read("SELECT adopted_at FROM ledger", &[], |row| row.get(0))?;
    let spent = settled.saturating_add(held);
    let is_known = adopted_at.is_none_or(|at| Time::from_millis(at) < since);
    Ok(Used { counted: if is_known { spent } else { spent.max(limit) }, held, frees_at: None })
}

/// By how much more is settled, and held, than the log's sums have it: what waits to be entered, as it stands now and not
/// as it was entered.
fn not_entered(conn: &dyn Conn, since: Time) -> Result<(i64, i64), LedgerError> {
    let sums = conn.read(
        "SELECT coalesce(sum(CASE WHEN p.at >= :since AND p.state = 'settled' THEN p.usd ELSE 0 END
                                 - CASE WHEN l.at >= :since AND l.state = 'settled' THEN l.usd ELSE 0 END), 0),
                    coalesce(sum(CASE WHEN p.at >= :since AND p.state IN ('authorized', 'held') THEN p.usd ELSE 0 END
                                 - CASE WHEN l.at >= :since AND l.state IN ('authorized', 'held') THEN l.usd ELSE 0 END), 0)
               FROM unlisted CROSS JOIN purchase p USING (row) LEFT JOIN listed l USING (row)",
        named! { ":since": since.millis() },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(sums)
}

fn with(entered: Usd, more: i64) -> Usd {
    Usd::micros(entered.as_micros().saturating_add_signed(more))
}

fn unreviewed_since(conn: &dyn Conn) -> Result<Time, LedgerError> {
    let reviewed_to: i64 = conn.read("SELECT reviewed_to FROM ledger", &[], |row| row.get(0))?;
    Ok(Time::from_millis(reviewed_to).plus(NEXT))
}
