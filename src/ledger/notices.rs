//! What the owner should hear of without asking. Each thing is noticed once, and told once, however many processes share
//! the ledger.

use std::time::Duration;

use serde_json::json;

use super::authorize::{Draft, ledger_time};
use super::engine::{Conn, named};
use super::events::{self, StoredEvent};
use super::{Ledger, LedgerError, Sync};
use crate::limits;
use crate::policy::{self, Cap, Scope, Snapshot};
use crate::time::Time;

/// What stands in the log as news, told to nobody yet.
const UNTOLD: &str = "SELECT id, purchase, at, kind, detail, hash FROM event
  WHERE (kind = 'alarm' OR kind = 'breaker' OR kind = 'notice') AND id > (SELECT told FROM ledger) ORDER BY id";

/// Money in doubt past its window that was not noticed yet.
const OVERDUE: &str = "SELECT row, ends FROM unproven
  WHERE state IN ('authorized', 'held') AND ends < :past
    AND NOT EXISTS (SELECT 1 FROM event WHERE event.purchase = unproven.row AND event.kind = 'notice'
                                                     AND event.detail ->> 'about' = 'held')
  LIMIT 100";

impl Ledger {
    /// Notes payments whose window has passed and of which nobody knows whether they were taken.
    pub async fn notice_overdue(&self, now: Time) -> Result<(), LedgerError> {
        let past = now.minus(limits::PAST_WINDOW).secs();
        if !self.read(move |conn| conn.has(OVERDUE, named! { ":past": past })).await? {
            return Ok(());
        }
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, now)?;
                let query = OVERDUE;
                let rows = conn.list(query, named! { ":past": past }, |row| Ok((row.get(0)?, row.get(1)?)))?;
                for (row, ends) in rows {
                    let message = format!(
                        "a payment's window ended at {}, and nobody knows yet whether it was taken; it counts as spent",
                        Time::from_secs(ends)
                    );
                    events::append(conn, Some(row), now, "notice", &json!({ "about": "held", "message": message }))?;
                }
                Ok(())
            })
            .await
    }

    /// News that nobody was told yet. Whoever is given it tells it: nobody else is.
    pub async fn untold(&self) -> Result<Vec<StoredEvent>, LedgerError> {
        if self.read(untold).await?.is_empty() {
            return Ok(Vec::new());
        }
        self.writer
            .write(Sync::Lazy, |conn| {
                let news = untold(conn)?;
                if let Some(last) = news.last() {
                    conn.note("UPDATE ledger SET told = :told", named! { ":told": last.id })?;
                }
                Ok(news)
            })
            .await
    }
}

fn untold(conn: &dyn Conn) -> Result<Vec<StoredEvent>, LedgerError> {
    let query = UNTOLD;
    let news = conn.list(query, &[], events::read)?;
    Ok(news)
}

/// Notes the budgets that this payment takes past most of what they hold. `before` is what was spent without it.
pub fn notice_budgets(
    conn: &dyn Conn,
    row: i64,
    draft: &Draft,
    before: &Snapshot,
    now: Time,
) -> Result<(), LedgerError> {
    let price = draft.offer.usd;
    let caps = policy::caps(&draft.policy, Some(&draft.request.url), Some(draft.offer.payee.address()));
    for cap in caps.iter().filter(|cap| cap.is_passed_by(before, price)) {
        let about = about(cap);
        if was_noticed(conn, &about, cap.meter.window.span(), now)? {
            continue;
        }
        let spent = cap.used(before).counted.saturating_add(price);
        let message = format!("${spent} of the ${} of {about} are spent", cap.limit);
        let detail = json!({ "about": about, "message": message, "limit_usd": cap.limit, "used_usd": spent });
        events::append(conn, Some(row), now, "notice", &detail)?;
    }
    Ok(())
}

/// Which budget, as a person would point at it in the file.
fn about(cap: &Cap) -> String {
    match &cap.meter.scope {
        Scope::Payee(payee) => format!("{} ({payee})", cap.rule),
        Scope::Wallet | Scope::Session | Scope::Domain(_) => cap.rule.clone(),
    }
}

/// A window that rolls passes the same mark again and again: once in its span is enough.
pub(super) fn was_noticed(
    conn: &dyn Conn,
    about: &str,
    span: Option<Duration>,
    now: Time,
) -> Result<bool, LedgerError> {
    let Some(span) = span else { return Ok(false) };
    let found = conn.has(
        "SELECT 1 FROM event WHERE kind = 'notice' AND at > :since AND detail ->> 'about' = :about LIMIT 1",
        named! { ":since": now.minus(span).millis(), ":about": about },
    )?;
    Ok(found)
}
