//! The log's indexes and sums. A purchase is entered in them soon, not at once: on its way it writes little, and the
//! entries of many share their pages. Whoever reads the log has the rest entered first.

use rusqlite::Connection;

use super::{Ledger, LedgerError, Sync};

/// So many wait to be entered, at the most.
const FEW: i64 = 64;

/// Enters every purchase as it stands now.
pub const ENTER: [&str; 2] = [
    "INSERT INTO listed
     SELECT purchase.row, at, agent, state, site, domain, session, usd, handle IS NOT NULL, proof = 'chain', delivered,
            goods, lied, identity FROM unlisted CROSS JOIN purchase USING (row) WHERE TRUE
     ON CONFLICT DO UPDATE SET at = excluded.at, agent = excluded.agent, state = excluded.state, site = excluded.site,
            domain = excluded.domain, session = excluded.session, usd = excluded.usd, is_money = excluded.is_money,
            is_proven = excluded.is_proven, delivered = excluded.delivered, goods = excluded.goods, lied = excluded.lied",
    "DELETE FROM unlisted",
];

impl Ledger {
    /// Reads the log with everything in it.
    pub(super) async fn read_log<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    {
        match self.enter().await {
            Ok(()) => self.read(work).await,
            Err(cause @ (LedgerError::Busy | LedgerError::Damaged(_) | LedgerError::Newer { .. })) => Err(cause),
            // What cannot be written can be read all the same.
            Err(_) => self.beside(|conn| as_if_entered(conn, work)).await,
        }
    }

    /// Has everything entered that waits for it.
    async fn enter(&self) -> Result<(), LedgerError> {
        match self.peek(|conn| waits(conn, 1)).await? {
            true => self.writer.write(Sync::Lazy, enter).await,
            false => Ok(()),
        }
    }
}

/// Enters what waits, if it is many: with whatever is written.
pub fn enter_many(conn: &Connection) -> Result<(), LedgerError> {
    if waits(conn, FEW)? { enter(conn) } else { Ok(()) }
}

/// Within whatever is being written.
fn enter(conn: &Connection) -> Result<(), LedgerError> {
    ENTER.iter().try_for_each(|sql| Ok(conn.prepare_cached(sql)?.execute([]).map(drop)?))
}

/// Whether so many wait.
fn waits(conn: &Connection, many: i64) -> Result<bool, LedgerError> {
    Ok(conn.prepare_cached("SELECT 1 FROM unlisted LIMIT 1 OFFSET ?1")?.exists([many - 1])?)
}

/// Reads as if it had been entered, and leaves everything as it was.
fn as_if_entered<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    let look = conn.unchecked_transaction()?;
    enter(&look)?;
    let told = work(&look);
    look.rollback()?;
    told
}
