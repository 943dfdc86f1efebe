//! What the owner sees at a glance: sums that are kept anyway, and the few rows that are still open.

use std::time::Duration;

use super::authorize::ledger_time;
use super::engine::{Conn, named};
use super::read::{self, COLUMNS, Entry};
use super::{Ledger, LedgerError, StoredEvent, budget, events};
use crate::money::Usd;
use crate::policy::Window;
use crate::time::Time;

const HOUR: Duration = Duration::from_secs(3600);
const DAY_MILLIS: i64 = 24 * 3600 * 1000;
/// Days that are drawn: as far back as the month's sums are kept.
const DAYS: i64 = 30;

/// What was spent in some stretch of time, at one domain, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Everything that counts.
    pub counted: Usd,
    /// The part of it whose outcome is not known.
    pub held: Usd,
}

/// What the owner's overview shows of the ledger.
#[derive(Clone, Debug, Default)]
pub struct LedgerOverview {
    /// One for each of the last 30 days (UTC), oldest first.
    pub days: Vec<(Time, Spent)>,
    /// By what the budget is kept under, over the last 24 hours, dearest first.
    pub domains: Vec<(String, Spent)>,
    /// Authorized, held, or paid for with nothing delivered: newest first, as many as were asked for.
    pub open: Vec<Entry>,
    /// Whose session is running.
    pub agents: Vec<String>,
    /// What the owner must hear about, of the same 30 days: newest first, each with the purchase it is about.
    pub news: Vec<(StoredEvent, Option<String>)>,
}

impl Ledger {
    /// How everything stands.
    pub async fn overview(
        &self,
        session_idle: Duration,
        rows: usize,
        now: Time,
    ) -> Result<LedgerOverview, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?;
            Ok(LedgerOverview {
                days: days(conn, now)?,
                domains: domains(conn, now)?,
                open: open(conn, rows)?,
                agents: agents(conn, now.minus(session_idle))?,
                news: news(conn, now.minus(24 * HOUR * DAYS as u32), rows)?,
            })
        })
        .await
    }
}

/// The sums of the wallet's month are six hours wide, so they never lie across midnight.
fn days(conn: &dyn Conn, now: Time) -> Result<Vec<(Time, Spent)>, LedgerError> {
    let today = now.millis().div_euclid(DAY_MILLIS);
    let mut days: Vec<(Time, Spent)> =
        (today - DAYS + 1..=today).map(|day| (Time::from_millis(day * DAY_MILLIS), Spent::default())).collect();
    let query = "SELECT start / :day, sum(counted), sum(held) FROM bucket
          WHERE scope = 'wallet' AND window = 'month' AND start >= :first_day GROUP BY 1";

    conn.each(query, named! { ":day": DAY_MILLIS, ":first_day": (today - DAYS + 1) * DAY_MILLIS }, |row| {
        let index = usize::try_from(row.get::<_, i64>(0)? - (today - DAYS + 1)).ok();
        if let Some(day) = index.and_then(|index| days.get_mut(index)) {
            day.1 = spent(row.get(1)?, row.get(2)?);
        }
        Ok(())
    })?;
    Ok(days)
}

fn domains(conn: &dyn Conn, now: Time) -> Result<Vec<(String, Spent)>, LedgerError> {
    let query = "SELECT substr(scope, 8), sum(counted), sum(held) FROM bucket
          WHERE scope >= 'domain ' AND scope < 'domain!' AND window = 'day' AND start > :since
          GROUP BY scope HAVING sum(counted) > 0 ORDER BY 2 DESC, 1";
    let since = budget::begins_after(Window::Day, now);
    let rows =
        conn.list(query, named! { ":since": since }, |row| Ok((row.get(0)?, spent(row.get(1)?, row.get(2)?))))?;
    Ok(rows)
}

/// Two indexes, each with few rows in it.
fn open(conn: &dyn Conn, rows: usize) -> Result<Vec<Entry>, LedgerError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT row AS wanted FROM purchase INDEXED BY one_open WHERE open = 1
                                UNION SELECT row FROM unproven WHERE state IN ('authorized', 'held')) AS open
           CROSS JOIN purchase ON row = wanted ORDER BY row DESC LIMIT :rows"
    );
    read::entries(conn, &sql, named! { ":rows": rows as i64 })
}

fn agents(conn: &dyn Conn, since: Time) -> Result<Vec<String>, LedgerError> {
    let query = "SELECT DISTINCT agent FROM session WHERE newest > :since ORDER BY agent";
    let agents = conn.list(query, named! { ":since": since.millis() }, |row| row.get(0))?;
    Ok(agents)
}

fn news(conn: &dyn Conn, since: Time, rows: usize) -> Result<Vec<(StoredEvent, Option<String>)>, LedgerError> {
    let query = "SELECT e.id, e.purchase, e.at, e.kind, e.detail, e.hash, p.agent || '/' || p.purchase_id
           FROM event e LEFT JOIN purchase p ON p.row = e.purchase
          WHERE (e.kind = 'alarm' OR e.kind = 'breaker' OR e.kind = 'notice') AND e.at >= :since
          ORDER BY e.id DESC LIMIT :rows";
    let found = conn.list(query, named! { ":since": since.millis(), ":rows": rows as i64 }, |row| {
        Ok((events::read(row)?, row.get(6)?))
    })?;
    Ok(found)
}

fn spent(counted: i64, held: i64) -> Spent {
    let usd = |micros: i64| Usd::micros(micros.max(0) as u64);
    Spent { counted: usd(counted), held: usd(held) }
}
