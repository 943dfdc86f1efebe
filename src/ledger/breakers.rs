//! What went wrong lately, for the rules that stop it; and the word to the owner when one of them does.

use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Conn, named};
use super::record::Unpaid;
use super::{LedgerError, events};
use crate::limits;
use crate::policy::rules::{BREAKERS, TOO_MANY_REFUSALS};
use crate::policy::{BreakerRules, Snapshot, Tally};
use crate::reason::Reason;
use crate::time::Time;

const MINUTE: Duration = Duration::from_secs(60);

pub fn into_snapshot(
    conn: &dyn Conn,
    rules: &BreakerRules,
    agent: &str,
    domain: &str,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerError> {
    if let Some(most) = rules.undelivered {
        snapshot.undelivered = undelivered(conn, domain, most, snapshot.now)?;
    }
    if let Some(most) = rules.refusals_per_minute {
        snapshot.refusals = refusals(conn, agent, most, snapshot.now)?;
    }
    Ok(())
}

/// The breakers a purchase met that its owner has not been told of within a day.
pub fn news(conn: &dyn Conn, unpaid: &Unpaid, now: Time) -> Result<Vec<Value>, LedgerError> {
    let since = now.minus(limits::BREAKER_QUIET).millis();
    let known = "SELECT 1 FROM event WHERE kind = 'breaker' AND at > :since AND detail ->> 'tripped' = :tripped";
    let mut news = Vec::new();
    for reason in unpaid.reasons.iter().filter(|reason| BREAKERS.contains(&reason.code.as_str())) {
        let tripped = tripped(reason, unpaid);
        if !conn.has(known, named! { ":since": since, ":tripped": tripped })? {
            news.push(json!({ "code": reason.code, "tripped": tripped, "why": reason.message }));
        }
    }
    Ok(news)
}

/// What makes it the same breaker. An agent that loops names hosts as it likes, and must not be news at each of them.
fn tripped(reason: &Reason, unpaid: &Unpaid) -> String {
    let host = unpaid.request.url.host_str().unwrap_or_default();
    match reason.code.as_str() {
        TOO_MANY_REFUSALS => format!("{}, for {}", reason.rule, unpaid.agent),
        _ => format!("{}, for {} at {host}", reason.rule, unpaid.agent),
    }
}

/// Tells the owner of them, beside the purchase that met them.
pub fn tell(conn: &dyn Conn, row: i64, news: &[Value], now: Time) -> Result<(), LedgerError> {
    news.iter().try_for_each(|detail| events::append(conn, Some(row), now, "breaker", detail))
}

/// What a domain was paid, or may have been, and has not delivered, or delivered as nothing or an error. What is under
/// way is not late yet.
fn undelivered(conn: &dyn Conn, domain: &str, most: u32, now: Time) -> Result<Tally, LedgerError> {
    let since = now.minus(limits::UNDELIVERED_MEMORY).millis();
    let count: u32 = conn.read(
        "SELECT count(*) FROM purchase
              WHERE budget_domain = :domain AND counted_at > :since
                AND (delivered = 0 OR goods IN ('empty', 'error_page')) AND state IN ('held', 'settled')",
        named! { ":domain": domain, ":since": since },
        |row| row.get(0),
    )?;
    // When this one has left, one too few are there.
    let last: Option<i64> = conn.find(
        "SELECT counted_at FROM purchase
              WHERE budget_domain = :domain AND counted_at > :since
                AND (delivered = 0 OR goods IN ('empty', 'error_page')) AND state IN ('held', 'settled')
              ORDER BY counted_at DESC LIMIT 1 OFFSET :skipped",
        named! { ":domain": domain, ":since": since, ":skipped": most.saturating_sub(1) },
        |row| row.get(0),
    )?;
    let frees_at = last.map(|at| Time::from_millis(at).plus(limits::UNDELIVERED_MEMORY));
    Ok(Tally { count, frees_at })
}

/// Refusals are counted by the minute, and a minute counts until its end is one ago.
fn refusals(conn: &dyn Conn, agent: &str, most: u32, now: Time) -> Result<Tally, LedgerError> {
    let (oldest, newest) = (minute(now.minus(MINUTE)), minute(now));
    let query = "SELECT minute, refusals FROM refusals
          WHERE agent = :agent AND minute BETWEEN :oldest AND :newest ORDER BY minute";
    let counts = conn.list(query, named! { ":agent": agent, ":oldest": oldest, ":newest": newest }, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let counts: Vec<(i64, u32)> = counts;
    let count = counts.iter().fold(0, |sum: u32, (_, refusals)| sum.saturating_add(*refusals));
    let mut left = count;
    let leaves = counts.iter().find(|(_, refusals)| {
        left = left.saturating_sub(*refusals);
        left < most
    });
    let ends = |minute: i64| Time::from_secs((minute + 1) * 60).plus(MINUTE);
    let frees_at = leaves.filter(|_| count >= most).map(|(minute, _)| ends(*minute));
    Ok(Tally { count, frees_at })
}

/// Which minute of all time this is.
pub fn minute(at: Time) -> i64 {
    at.secs().div_euclid(60)
}
