//! Turning the pages of a long log: by time or by price, from where the last page ended, never by counting rows.
//!
//! What no index finds is looked for in a bounded stretch at a time, so that a page comes quickly however long the log
//! is; a page that is not full says from where to look on.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::read::{self, Entry};
use super::{Filter, Ledger, LedgerError};

/// How many rows are looked at for one page. Tens of milliseconds, on any machine.
const STRETCH: i64 = 50_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
    Dearest,
}

/// Where a page ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    usd: i64,
    row: i64,
}

/// What is wanted of the log.
#[derive(Clone, Debug, Default)]
pub struct Browse {
    /// Its `before` and `limit` are not looked at.
    pub filter: Filter,
    /// Somewhere in the URL, the id, the payee or the chain transaction.
    pub text: Option<String>,
    pub order: Order,
    pub after: Option<Mark>,
    pub rows: usize,
}

#[derive(Clone, Debug)]
pub struct Browsed {
    pub entries: Vec<Entry>,
    /// From where to go on; none at the end of the log.
    pub next: Option<Mark>,
    /// The page is not full because its stretch ended, and there is more log.
    pub is_cut: bool,
}

impl Ledger {
    pub async fn browse(&self, wanted: Browse) -> Result<Browsed, LedgerError> {
        self.read(move |conn| browse(conn, &wanted)).await
    }
}

fn browse(conn: &Connection, wanted: &Browse) -> Result<Browsed, LedgerError> {
    let order = wanted.order;
    let from = wanted.after.unwrap_or(order.beginning());
    let until = order.stretch_end(conn, from)?;
    let (clause, mut values) = wanted.filter.clause();
    let mut sql = format!("SELECT {} FROM purchase WHERE {clause} AND {}", read::COLUMNS, order.between());
    values.extend(order.bounds(from, until));
    if let Some(text) = &wanted.text {
        sql.push_str(
            " AND (instr(lower(url), ?) OR instr(lower(purchase_id), ?) OR instr(lower(coalesce(payee, '')), ?)
                   OR instr(lower(coalesce(chain_tx, '')), ?))",
        );
        values.extend(std::iter::repeat_n(Sql::Text(text.to_lowercase()), 4));
    }
    sql.push_str(order.clause());
    values.push(Sql::Integer(wanted.rows as i64 + 1));
    let mut query = conn.prepare_cached(&sql)?;
    let found = query.query_map(params_from_iter(values), read::entry)?.collect::<Result<Vec<_>, _>>()?;
    let mut entries: Vec<Entry> = found.into_iter().collect::<Result<_, _>>()?;
    let is_full = entries.len() > wanted.rows;
    entries.truncate(wanted.rows);
    let next = if is_full { entries.last().map(Mark::of) } else { until };
    Ok(Browsed { entries, next, is_cut: !is_full && until.is_some() })
}

impl Mark {
    fn of(entry: &Entry) -> Mark {
        let usd = entry.terms.as_ref().map_or(0, |terms| terms.usd.as_micros() as i64);
        Mark { usd, row: entry.row }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.usd, self.row)
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Mark, Self::Err> {
        let (usd, row) = text.split_once('.').unwrap_or(("0", text));
        Ok(Mark { usd: usd.parse()?, row: row.parse()? })
    }
}

impl Order {
    fn beginning(self) -> Mark {
        match self {
            Order::Newest | Order::Dearest => Mark { usd: i64::MAX, row: i64::MAX },
            Order::Oldest => Mark { usd: 0, row: 0 },
        }
    }

    /// Where the stretch of one page ends, if the log goes on after it. Counted along an index, without reading rows.
    fn stretch_end(self, conn: &Connection, from: Mark) -> Result<Option<Mark>, LedgerError> {
        let sql = match self {
            Order::Newest => {
                "SELECT 0, row FROM purchase WHERE row < ?2 AND ?1 >= 0 ORDER BY row DESC LIMIT 1 OFFSET ?3"
            }
            Order::Oldest => "SELECT 0, row FROM purchase WHERE row > ?2 AND ?1 >= 0 ORDER BY row LIMIT 1 OFFSET ?3",
            Order::Dearest => {
                "SELECT usd, row FROM purchase
                  WHERE usd IS NOT NULL AND (usd, row) < (?1, ?2) ORDER BY usd DESC, row DESC LIMIT 1 OFFSET ?3"
            }
        };
        let end = conn
            .prepare_cached(sql)?
            .query_row(params![from.usd, from.row, STRETCH], |row| Ok(Mark { usd: row.get(0)?, row: row.get(1)? }))
            .optional()?;
        Ok(end)
    }

    fn between(self) -> &'static str {
        match self {
            Order::Newest => "row < ? AND row >= ?",
            Order::Oldest => "row > ? AND row <= ?",
            Order::Dearest => "usd IS NOT NULL AND (usd, row) < (?, ?) AND (usd, row) >= (?, ?)",
        }
    }

    fn bounds(self, from: Mark, until: Option<Mark>) -> Vec<Sql> {
        let last = match self {
            Order::Newest | Order::Dearest => Mark { usd: 0, row: 0 },
            Order::Oldest => Mark { usd: i64::MAX, row: i64::MAX },
        };
        let until = until.unwrap_or(last);
        let numbers = match self {
            Order::Newest | Order::Oldest => vec![from.row, until.row],
            Order::Dearest => vec![from.usd, from.row, until.usd, until.row],
        };
        numbers.into_iter().map(Sql::Integer).collect()
    }

    fn clause(self) -> &'static str {
        match self {
            Order::Newest => " ORDER BY row DESC LIMIT ?",
            Order::Oldest => " ORDER BY row LIMIT ?",
            Order::Dearest => " ORDER BY usd DESC, row DESC LIMIT ?",
        }
    }
}
