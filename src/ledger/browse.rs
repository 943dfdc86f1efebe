//! Turning the pages of a long log: by time or by price, from where the last page ended, never by counting rows.
//!
//! What no index finds is looked for in a bounded stretch at a time, so that a page comes quickly however long the log
//! is; a page that is not full says from where to look on.

use std::fmt;
use std::str::FromStr;

use super::engine::{Conn, LedgerRow, Owned, in_their_order};
use super::log::{self, LogTotals};
use super::read::{self, COLUMNS, Entry};
use super::{Filter, Ledger, LedgerError};

/// How many rows are looked at for one page: tens of milliseconds. Tests want to see it end.
const STRETCH: i64 = if cfg!(test) { 9 } else { 50_000 };

/// Which purchase stands first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Newest,
    /// The oldest first.
    Oldest,
    /// The dearest first.
    Dearest,
}

/// A place in the log in some order: its time or its price, and its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    key: i64,
    row: i64,
}

/// What is wanted of the log.
#[derive(Clone, Debug, Default)]
pub struct Browse {
    /// Where it begins and in which order is said here, not there.
    pub filter: Filter,
    /// Somewhere in the URL, the id, the payee or the chain transaction.
    pub text: Option<String>,
    /// In which order.
    pub order: Order,
    /// Where the page before this one ended.
    pub after: Option<Mark>,
}

/// A page of the log, in the order that was asked for.
#[derive(Clone, Debug)]
pub struct Browsed {
    /// The purchases.
    pub entries: Vec<Entry>,
    /// From where to go on; none at the end of the log.
    pub next: Option<Mark>,
    /// The page is not full because its stretch ended, and there is more log.
    pub is_cut: bool,
    /// Of everything the filter lets through; unknown where text is looked for.
    pub totals: Option<LogTotals>,
}

impl Ledger {
    /// A page of the log, in any order.
    pub async fn browse(&self, wanted: Browse) -> Result<Browsed, LedgerError> {
        self.read_log(move |conn| browse(conn, &wanted)).await
    }
}

fn browse(conn: &dyn Conn, wanted: &Browse) -> Result<Browsed, LedgerError> {
    let end = if wanted.has_stretch() { wanted.stretch_end(conn)? } else { None };
    let rows = wanted.filter.limit.clamp(1, 10_000);
    let (sql, values) = wanted.page(end, rows);
    let mut entries = read::entries(conn, &sql, &in_their_order(&values))?;
    let is_full = entries.len() > rows;
    entries.truncate(rows);
    let next = if is_full { entries.last().map(|last| wanted.order.mark(last)) } else { end };
    let totals = if wanted.text.is_none() { Some(log::totals(conn, &wanted.filter)?) } else { None };
    Ok(Browsed { entries, next, is_cut: !is_full && end.is_some(), totals })
}

impl Browse {
    /// Whether rows have to be looked at that may not be wanted.
    fn has_stretch(&self) -> bool {
        self.text.is_some() || self.order == Order::Dearest
    }

    fn from(&self) -> Mark {
        self.after.unwrap_or(self.order.beginning())
    }

    fn index(&self) -> &'static str {
        match self.order {
            Order::Dearest => "by_price",
            Order::Newest | Order::Oldest => self.filter.index(),
        }
    }

    /// Where the stretch of one page ends, if the log goes on after it. Counted along the index.
    fn stretch_end(&self, conn: &dyn Conn) -> Result<Option<Mark>, LedgerError> {
        let (sql, values) = self.stretch();
        let mark = |row: &dyn LedgerRow| Ok(Mark { key: row.get(0)?, row: row.get(1)? });
        conn.find(&sql, &in_their_order(&values), mark)
    }

    pub(super) fn stretch(&self) -> (String, Vec<Owned>) {
        // An index of prices knows nothing else: what is not wanted is part of the stretch.
        let (clause, mut values) = match self.order {
            Order::Dearest => ("usd IS NOT NULL".to_owned(), Vec::new()),
            Order::Newest | Order::Oldest => self.filter.clause(),
        };
        values.extend(self.from().values());
        values.push(Owned::Number(STRETCH));
        let (index, key, beyond) = (self.index(), self.order.key(), self.order.beyond());
        let order = self.order.clause();
        let sql = format!(
            "SELECT {key}, row FROM listed INDEXED BY {index}
              WHERE {clause} AND ({key}, row) {beyond} (?, ?) ORDER BY {order} LIMIT 1 OFFSET ?"
        );
        (sql, values)
    }

    pub(super) fn page(&self, end: Option<Mark>, rows: usize) -> (String, Vec<Owned>) {
        let (clause, mut values) = self.filter.clause();
        values.extend(self.from().values());
        let mut more = String::new();
        if self.order == Order::Dearest {
            more.push_str(" AND usd IS NOT NULL");
        }
        if let Some(end) = end {
            more.push_str(&format!(" AND ({}, row) {} (?, ?)", self.order.key(), self.order.within()));
            values.extend(end.values());
        }
        if let Some(text) = &self.text {
            more.push_str(
                " AND EXISTS (SELECT 1 FROM purchase WHERE purchase.row = listed.row
                     AND (instr(lower(url), ?) > 0 OR instr(lower(purchase_id), ?) > 0 OR instr(lower(coalesce(payee, '')), ?) > 0
                          OR instr(lower(coalesce(chain_tx, '')), ?) > 0))",
            );
            values.extend(std::iter::repeat_n(Owned::Text(text.to_lowercase()), 4));
        }
        values.push(Owned::Number(rows as i64 + 1));
        let (index, key, beyond) = (self.index(), self.order.key(), self.order.beyond());
        let order = self.order.clause();
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT row AS wanted FROM listed INDEXED BY {index}
                                     WHERE {clause} AND ({key}, row) {beyond} (?, ?){more} ORDER BY {order} LIMIT ?) AS page
               CROSS JOIN purchase ON row = wanted ORDER BY {order}"
        );
        (sql, values)
    }
}

impl Order {
    fn beginning(self) -> Mark {
        match self {
            Order::Newest | Order::Dearest => Mark { key: i64::MAX, row: i64::MAX },
            Order::Oldest => Mark { key: i64::MIN, row: i64::MIN },
        }
    }

    fn mark(self, entry: &Entry) -> Mark {
        let key = match self {
            Order::Newest | Order::Oldest => entry.at.millis(),
            Order::Dearest => entry.terms.as_ref().map_or(0, |terms| terms.usd.as_micros() as i64),
        };
        Mark { key, row: entry.row }
    }

    fn key(self) -> &'static str {
        match self {
            Order::Newest | Order::Oldest => "at",
            Order::Dearest => "usd",
        }
    }

    fn beyond(self) -> &'static str {
        if self == Order::Oldest { ">" } else { "<" }
    }

    fn within(self) -> &'static str {
        if self == Order::Oldest { "<=" } else { ">=" }
    }

    fn clause(self) -> &'static str {
        match self {
            Order::Newest => "at DESC, row DESC",
            Order::Oldest => "at, row",
            Order::Dearest => "usd DESC, row DESC",
        }
    }
}

impl Mark {
    fn values(self) -> [Owned; 2] {
        [Owned::Number(self.key), Owned::Number(self.row)]
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.key, self.row)
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Mark, Self::Err> {
        let (key, row) = text.split_once('.').unwrap_or((text, ""));
        Ok(Mark { key: key.parse()?, row: row.parse()? })
    }
}
