//! The log as it is asked for: pages of purchases, newest first or oldest first, and what they add up to.
//!
//! A million purchases are not walked for a page of fifty. Each way of filtering has an index in the order of the log,
//! named in the query so that SQLite cannot choose another, and totals come from a tally by day, agent and state that
//! the tables keep themselves; both are of [what was entered](super::listing).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::engine::{Conn, LedgerRow, Owned, in_their_order, named};
use super::events::{self, StoredEvent};
use super::read::{self, COLUMNS, Entry};
use super::{Ledger, LedgerError};
use crate::money::Usd;
use crate::policy::registrable;
use crate::time::Time;

/// Which rows of the log are wanted.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whose purchase it is.
    pub agent: Option<String>,
    /// Which session.
    pub session: Option<i64>,
    /// A registrable domain with all its hosts, or one of these with its subdomains.
    pub domain: Option<String>,
    /// Where its money is.
    pub state: Option<String>,
    /// From when on.
    pub since: Option<Time>,
    /// Until when.
    pub until: Option<Time>,
    /// Rows that come after this one, in the order asked for.
    pub after: Option<Cursor>,
    /// The oldest first.
    pub oldest_first: bool,
    /// How many purchases at the most.
    pub limit: usize,
}

/// A place in the log: rows are ordered by time, and by number within a millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    at: i64,
    row: i64,
}

/// A page of the log, with the totals of everything the filter lets through.
#[derive(Clone, Debug, Default)]
pub struct LogPage {
    /// The purchases.
    pub entries: Vec<Entry>,
    /// What all of them add up to.
    pub totals: LogTotals,
    /// Where the next page begins; none at the end.
    pub next: Option<Cursor>,
}

/// What a part of the log adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogTotals {
    /// How many.
    pub count: u64,
    /// What settled.
    pub settled: Usd,
    /// Authorized or held.
    pub held: Usd,
}

/// What the log may be added up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Days of UTC.
    Day,
    /// Registrable domains.
    Domain,
    /// One agent's run of activity.
    Session,
    /// The agent.
    Agent,
}

/// One line of a sum: a day's number since 1970, a domain, a session's number or an agent, and its totals.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it is added up by.
    pub key: String,
    /// What all of them add up to.
    pub totals: LogTotals,
}

/// What has happened since an event: purchases as they stand now, and what the owner must hear about.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The latest event that is accounted for.
    pub event: i64,
    /// The purchases.
    pub entries: Vec<Entry>,
    /// What the owner must hear about.
    pub news: Vec<StoredEvent>,
}

const DAY: i64 = 24 * 3600 * 1000;

impl Ledger {
    /// A page of the log.
    pub async fn page(&self, filter: Filter) -> Result<LogPage, LedgerError> {
        self.read_log(move |conn| page(conn, &filter)).await
    }

    /// The totals of everything the filter lets through, by something.
    pub async fn groups(&self, filter: Filter, by: By) -> Result<Vec<Group>, LedgerError> {
        self.read_log(move |conn| groups(conn, &filter, by)).await
    }

    /// What has happened since an event, a bounded part of it at a time.
    pub async fn changes(&self, filter: Filter, since: i64) -> Result<Changes, LedgerError> {
        self.read(move |conn| changes(conn, &filter, since)).await
    }

    /// How far the history has come.
    pub async fn newest_event(&self) -> Result<i64, LedgerError> {
        self.read(events::newest).await
    }

    /// A number that changes when anybody has written to the ledger. Asking costs next to nothing.
    pub async fn version(&self) -> Result<i64, LedgerError> {
        self.beside(|engine| engine.version()).await
    }

    /// What the owner must hear about, newest first.
    pub async fn news(&self, since: Option<Time>, limit: usize) -> Result<Vec<StoredEvent>, LedgerError> {
        self.read(move |conn| {
            let since = since.map_or(i64::MIN, Time::millis);
            let query = "SELECT id, purchase, at, kind, detail, hash FROM event
                  WHERE (kind = 'alarm' OR kind = 'breaker' OR kind = 'notice') AND at >= :since
                  ORDER BY id DESC LIMIT :limit";
            let rows = conn.list(query, named! { ":since": since, ":limit": limit as i64 }, events::read)?;
            Ok(rows)
        })
        .await
    }
}

fn page(conn: &dyn Conn, filter: &Filter) -> Result<LogPage, LedgerError> {
    let (entries, next) = entries(conn, filter)?;
    Ok(LogPage { entries, totals: totals(conn, filter)?, next })
}

/// A page of entries, and where the next one begins.
pub(super) fn entries(conn: &dyn Conn, filter: &Filter) -> Result<(Vec<Entry>, Option<Cursor>), LedgerError> {
    let limit = filter.limit.clamp(1, 10_000);
    let (sql, mut values) = filter.page();
    values.push(Owned::Number(limit as i64 + 1));
    let mut entries = read::entries(conn, &sql, &in_their_order(&values))?;
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(Cursor::of);
    Ok((entries, next))
}

/// Whole days from the tally, and what is left of the first and the last from the rows.
pub(super) fn totals(conn: &dyn Conn, filter: &Filter) -> Result<LogTotals, LedgerError> {
    let Some(days) = filter.whole_days() else { return totals_of_rows(conn, filter) };
    let mut sum = LogTotals::default();
    for group in tallied(conn, filter, &days, "agent")? {
        sum = sum.and(group.totals);
    }
    for edge in &days.edges {
        sum = sum.and(totals_of_rows(conn, edge)?);
    }
    Ok(sum)
}

fn totals_of_rows(conn: &dyn Conn, filter: &Filter) -> Result<LogTotals, LedgerError> {
    let (sql, values) = filter.sums("NULL", filter.index(), "");
    conn.read(&sql, &in_their_order(&values), |row| LogTotals::read(row, 1))
}

fn groups(conn: &dyn Conn, filter: &Filter, by: By) -> Result<Vec<Group>, LedgerError> {
    let mut groups = match (by, filter.whole_days()) {
        (By::Day, Some(days)) => tallied_with_edges(conn, filter, &days, by, "day")?,
        (By::Agent, Some(days)) => tallied_with_edges(conn, filter, &days, by, "agent")?,
        (By::Domain | By::Session, _) | (By::Day | By::Agent, None) => groups_of_rows(conn, filter, by)?,
    };
    let number = |group: &Group| group.key.parse::<i64>().unwrap_or_default();
    match by {
        By::Day | By::Session => groups.sort_by_key(|group| Reverse(number(group))),
        By::Domain | By::Agent => groups.sort_by_key(|group| Reverse((group.totals.settled, group.totals.held))),
    }
    Ok(groups)
}

fn tallied_with_edges(
    conn: &dyn Conn,
    filter: &Filter,
    days: &WholeDays,
    by: By,
    key: &str,
) -> Result<Vec<Group>, LedgerError> {
    let mut groups = tallied(conn, filter, days, key)?;
    for edge in &days.edges {
        groups.extend(groups_of_rows(conn, edge, by)?);
    }
    let mut sums: BTreeMap<String, LogTotals> = BTreeMap::new();
    for Group { key, totals } in groups {
        let sum = sums.entry(key).or_default();
        *sum = sum.and(totals);
    }
    Ok(sums.into_iter().map(|(key, totals)| Group { key, totals }).collect())
}

/// The tally of whole days, by one of its columns. What moved on from a state has left a nought there.
fn tallied(conn: &dyn Conn, filter: &Filter, days: &WholeDays, key: &str) -> Result<Vec<Group>, LedgerError> {
    let sql = format!(
        "SELECT CAST({key} AS TEXT), sum(purchases), coalesce(sum(usd) FILTER (WHERE state = 'settled'), 0),
                coalesce(sum(usd) FILTER (WHERE state IN ('authorized', 'held')), 0)
           FROM tally
          WHERE day >= :first AND day < :end AND purchases > 0
            AND agent = coalesce(:agent, agent) AND state = coalesce(:state, state)
          GROUP BY {key}"
    );
    let query = &sql;
    let groups = conn.list(
        query,
        named! { ":first": days.first, ":end": days.end, ":agent": filter.agent, ":state": filter.state },
        Group::read,
    )?;
    Ok(groups)
}

fn groups_of_rows(conn: &dyn Conn, filter: &Filter, by: By) -> Result<Vec<Group>, LedgerError> {
    let (sql, values) = filter.groups(by);
    let query = &sql;
    let groups = conn.list(query, &in_their_order(&values), Group::read)?;
    Ok(groups)
}

fn changes(conn: &dyn Conn, filter: &Filter, since: i64) -> Result<Changes, LedgerError> {
    /// What one look takes in: memory stays bounded however much has happened.
    const EVENTS: i64 = 500;
    let event = events::newest(conn)?.min(since.saturating_add(EVENTS));
    let (sql, values) = filter.changed();
    let values: Vec<Owned> = [Owned::Number(since), Owned::Number(event)].into_iter().chain(values).collect();
    let entries = read::entries(conn, &sql, &in_their_order(&values))?;
    let query = "SELECT id, purchase, at, kind, detail, hash FROM event
          WHERE id > :since AND id <= :event AND kind || '' IN ('alarm', 'breaker', 'notice') ORDER BY id";
    let news = conn.list(query, named! { ":since": since, ":event": event }, events::read)?;
    Ok(Changes { event: event.max(since), entries, news })
}

/// The days a filter lets through whole, and what it lets through of those at their ends.
struct WholeDays {
    first: i64,
    /// The first day after them.
    end: i64,
    edges: Vec<Filter>,
}

impl Filter {
    /// None where the tally does not know what is asked for, or where no day is whole.
    fn whole_days(&self) -> Option<WholeDays> {
        let first = self.since.map_or(i64::MIN / DAY, |since| {
            since.millis().div_euclid(DAY) + i64::from(since.millis().rem_euclid(DAY) > 0)
        });
        let end = self.until.map_or(i64::MAX / DAY, |until| until.millis().div_euclid(DAY));
        if self.session.is_some() || self.domain.is_some() || first >= end {
            return None;
        }
        let edge = |since, until| Filter { since, until, ..self.clone() };
        let before = self.since.map(|since| edge(Some(since), Some(Time::from_millis(first * DAY))));
        let after = self.until.map(|until| edge(Some(Time::from_millis(end * DAY)), Some(until)));
        Some(WholeDays { first, end, edges: before.into_iter().chain(after).collect() })
    }

    /// The index whose order is the log's among the rows that are wanted.
    pub(super) fn index(&self) -> &'static str {
        match (&self.session, &self.domain, &self.agent, &self.state) {
            (Some(_), ..) => "by_session",
            (None, Some(_), ..) => "by_site",
            (.., Some(_)) => "by_state",
            (.., Some(_), None) => "by_agent",
            (.., None, None) => "by_at",
        }
    }

    pub(super) fn page(&self) -> (String, Vec<Owned>) {
        let (clause, mut values) = self.clause();
        let (beyond, order, from) = match self.oldest_first {
            true => (">", "at, row", Cursor { at: i64::MIN, row: i64::MIN }),
            false => ("<", "at DESC, row DESC", Cursor { at: i64::MAX, row: i64::MAX }),
        };
        let after = self.after.unwrap_or(from);
        values.extend([Owned::Number(after.at), Owned::Number(after.row)]);
        let index = self.index();
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT row AS wanted FROM listed INDEXED BY {index}
                                     WHERE {clause} AND (at, row) {beyond} (?, ?) ORDER BY {order} LIMIT ?) AS page
               CROSS JOIN purchase ON row = wanted ORDER BY {order}"
        );
        (sql, values)
    }

    pub(super) fn groups(&self, by: By) -> (String, Vec<Owned>) {
        // Grouped in an index's own order where there is one.
        let (key, index) = match by {
            By::Day => ("at / 86400000", self.index()),
            By::Domain if self.index() == "by_at" => ("site", "by_site"),
            By::Domain => ("site", self.index()),
            By::Session if self.index() == "by_at" => ("session", "by_session"),
            By::Session => ("session", self.index()),
            By::Agent => ("agent", self.index()),
        };
        self.sums(&format!("CAST({key} AS TEXT)"), index, &format!("AND {key} IS NOT NULL GROUP BY {key}"))
    }

    /// `rest` goes on where the WHERE ends.
    pub(super) fn sums(&self, key: &str, index: &str, rest: &str) -> (String, Vec<Owned>) {
        let (clause, values) = self.clause();
        let sql = format!(
            "SELECT {key}, count(*), coalesce(sum(usd) FILTER (WHERE state = 'settled'), 0),
                    coalesce(sum(usd) FILTER (WHERE state IN ('authorized', 'held')), 0)
               FROM listed INDEXED BY {index} WHERE {clause} {rest}"
        );
        (sql, values)
    }

    pub(super) fn changed(&self) -> (String, Vec<Owned>) {
        let (clause, values) = self.clause();
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT DISTINCT purchase AS changed FROM event WHERE id > ? AND id <= ?) AS moved
               CROSS JOIN purchase ON row = changed WHERE {clause} ORDER BY at, row"
        );
        (sql, values)
    }

    pub(super) fn clause(&self) -> (String, Vec<Owned>) {
        let mut clause = "at >= ? AND at < ?".to_owned();
        let mut values = vec![
            Owned::Number(self.since.map_or(i64::MIN, Time::millis)),
            Owned::Number(self.until.map_or(i64::MAX, Time::millis)),
        ];
        let mut and = |text: &str, value: Owned| {
            clause.push_str(" AND ");
            clause.push_str(text);
            values.push(value);
        };
        if let Some(session) = self.session {
            and("session = ?", Owned::Number(session));
        }
        if let Some(agent) = &self.agent {
            and("agent = ?", Owned::Text(agent.clone()));
        }
        if let Some(state) = &self.state {
            and("state = ?", Owned::Text(state.clone()));
        }
        if let Some(domain) = &self.domain {
            let host = domain.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase();
            let site = registrable(&host).to_owned();
            let is_part = site != host;
            and("site = ?", Owned::Text(site));
            if is_part {
                let end = host.replace('!', "!!").replace('_', "!_").replace('%', "!%");
                and("('.' || rtrim(domain, '.')) LIKE ? ESCAPE '!'", Owned::Text(format!("%.{end}")));
            }
        }
        (clause, values)
    }
}

impl Cursor {
    fn of(entry: &Entry) -> Cursor {
        Cursor { at: entry.at.millis(), row: entry.row }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.row)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Cursor, Self::Err> {
        let (at, row) = text.split_once('.').unwrap_or((text, ""));
        Ok(Cursor { at: at.parse()?, row: row.parse()? })
    }
}

impl Group {
    fn read(row: &dyn LedgerRow) -> Result<Group, LedgerError> {
        Ok(Group { key: row.get(0)?, totals: LogTotals::read(row, 1)? })
    }
}

impl LogTotals {
    fn read(row: &dyn LedgerRow, first: usize) -> Result<LogTotals, LedgerError> {
        let positive = |nth: usize| row.get::<_, i64>(first + nth).map(|n| n.max(0) as u64);
        Ok(LogTotals { count: positive(0)?, settled: Usd::micros(positive(1)?), held: Usd::micros(positive(2)?) })
    }

    fn and(self, other: LogTotals) -> LogTotals {
        LogTotals {
            count: self.count + other.count,
            settled: self.settled.saturating_add(other.settled),
            held: self.held.saturating_add(other.held),
        }
    }
}
