//! What is known of each seller, by its registrable domain: what it was paid, and what came for it.
//!
//! An index of payments alone has all of it, in the order of sellers: one seller's are a stretch of it.

use super::engine::{Conn, LedgerRow, Owned, in_order, in_their_order};
use super::{Ledger, LedgerError};
use crate::money::Usd;
use crate::time::Time;

/// Which payments count.
#[derive(Clone, Debug, Default)]
pub struct SellerFilter {
    /// From when on.
    pub since: Option<Time>,
    /// Only this registrable domain.
    pub site: Option<String>,
}

/// What became of the payments to one seller. Paid is what it took or may have taken; what is proven never to have moved
/// is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SellerCounts {
    /// The registrable domain.
    pub site: String,
    /// How many payments it took, or may have taken.
    pub paid: u64,
    /// What these come to.
    pub usd: Usd,
    /// The part of it whose outcome is not known.
    pub held: Usd,
    /// Complete answers of success.
    pub delivered: u64,
    /// Of these, with nothing in them.
    pub empty: u64,
    /// Of these, an error in place of goods.
    pub error_page: u64,
    /// Of these, of another type than was offered.
    pub other_type: u64,
    /// Receipts that were not true, of whatever payment.
    pub lied: u64,
    /// When it was first dealt with.
    pub first: Time,
    /// When it was last.
    pub last: Time,
}

/// The last payment at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPaid {
    /// What it took, or may have taken.
    pub usd: Usd,
    /// When.
    pub at: Time,
}

impl Ledger {
    /// The last payment at this place, among the latest of its seller's.
    pub async fn last_paid(&self, site: String, place: String) -> Result<Option<LastPaid>, LedgerError> {
        self.read_log(move |conn| last_paid(conn, &site, &place)).await
    }

    /// Every seller that was dealt with, in the order of their names.
    pub async fn sellers(&self, filter: SellerFilter) -> Result<Vec<SellerCounts>, LedgerError> {
        self.read_log(move |conn| sellers(conn, &filter)).await
    }
}

fn last_paid(conn: &dyn Conn, site: &str, place: &str) -> Result<Option<LastPaid>, LedgerError> {
    // A seller with many places and many payments is not read to its end.
    let last = conn.find(
        "SELECT purchase.usd, purchase.at
               FROM (SELECT row FROM listed INDEXED BY by_site
                      WHERE site = ?1 AND state IN ('held', 'settled') ORDER BY at DESC LIMIT 1000) AS latest
               CROSS JOIN purchase ON purchase.row = latest.row
              WHERE purchase.place = ?2 AND purchase.usd IS NOT NULL ORDER BY purchase.at DESC LIMIT 1",
        in_order![site, place],
        |row| {
            let usd: i64 = row.get(0)?;
            Ok(LastPaid { usd: Usd::micros(usd.max(0) as u64), at: Time::from_millis(row.get(1)?) })
        },
    )?;
    Ok(last)
}

fn sellers(conn: &dyn Conn, filter: &SellerFilter) -> Result<Vec<SellerCounts>, LedgerError> {
    let (sql, values) = filter.counts();
    let query = &sql;
    let counts = conn.list(query, &in_their_order(&values), SellerCounts::read)?;
    Ok(counts)
}

impl SellerFilter {
    pub(super) fn counts(&self) -> (String, Vec<Owned>) {
        const PAID: &str = "state IN ('held', 'settled')";
        let mut values = vec![Owned::Number(self.since.map_or(i64::MIN, Time::millis))];
        let of_site = match &self.site {
            Some(site) => {
                values.push(Owned::Text(site.clone()));
                "AND site = ?"
            }
            None => "",
        };
        let came = |what: &str| format!("count(*) FILTER (WHERE {PAID} AND delivered = 1 AND {what})");
        let (empty, error_page) = (came("goods = 'empty'"), came("goods = 'error_page'"));
        let (delivered, other_type) = (came("TRUE"), came("goods = 'other_type'"));
        let sql = format!(
            "SELECT site, count(*) FILTER (WHERE {PAID}), coalesce(sum(usd) FILTER (WHERE {PAID}), 0),
                    coalesce(sum(usd) FILTER (WHERE state = 'held'), 0),
                    {delivered}, {empty}, {error_page}, {other_type}, sum(lied), min(at), max(at)
               FROM listed INDEXED BY by_site
              WHERE state IN ('authorized', 'held', 'settled', 'lapsed') AND at >= ? {of_site} GROUP BY site"
        );
        (sql, values)
    }
}

impl SellerCounts {
    fn read(row: &dyn LedgerRow) -> Result<SellerCounts, LedgerError> {
        let count = |nth: usize| row.get::<_, i64>(nth).map(|n| n.max(0) as u64);
        Ok(SellerCounts {
            site: row.get(0)?,
            paid: count(1)?,
            usd: Usd::micros(count(2)?),
            held: Usd::micros(count(3)?),
            delivered: count(4)?,
            empty: count(5)?,
            error_page: count(6)?,
            other_type: count(7)?,
            lied: count(8)?,
            first: Time::from_millis(row.get(9)?),
            last: Time::from_millis(row.get(10)?),
        })
    }

    /// What came and was no goods, of whatever kind.
    pub fn bad(&self) -> u64 {
        self.empty + self.error_page + self.other_type
    }
}
