//! The log's indexes and sums. A purchase is entered in them soon, not at once: on its way it writes little, and the
//! entries of many share their pages. Whoever reads the log has the rest entered first.

use super::engine::{Conn, in_order};
use super::{Ledger, LedgerError, Sync};

/// So many wait to be entered, at the most.
const FEW: i64 = 64;

/// Enters every purchase as it stands now.
pub const ENTER: [&str; 2] = [
    "INSERT INTO listed
     SELECT purchase.row, at, agent, state, site, domain, session, usd, CASE WHEN handle IS NULL THEN 0 ELSE 1 END,
            CASE WHEN proof = 'chain' THEN 1 ELSE 0 END, delivered, goods, lied, identity
       FROM unlisted CROSS JOIN purchase ON purchase.row = unlisted.row WHERE TRUE
     ON CONFLICT (row) DO UPDATE SET at = excluded.at, agent = excluded.agent, state = excluded.state, site = excluded.site,
            domain = excluded.domain, session = excluded.session, usd = excluded.usd, is_money = excluded.is_money,
            is_proven = excluded.is_proven, delivered = excluded.delivered, goods = excluded.goods, lied = excluded.lied",
    "DELETE FROM unlisted",
];

impl Ledger {
    /// Reads the log with everything in it.
    pub(super) async fn read_log<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send + 'static,
    {
        match self.enter().await {
            Ok(()) => self.read(work).await,
            Err(cause @ (LedgerError::Busy | LedgerError::Damaged(_) | LedgerError::Newer { .. })) => Err(cause),
            // What cannot be written can be read all the same.
            Err(_) => self.read(|conn| enter(conn).and_then(|()| work(conn))).await,
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
pub fn enter_many(conn: &dyn Conn) -> Result<(), LedgerError> {
    if waits(conn, FEW)? { enter(conn) } else { Ok(()) }
}

/// Within whatever is being written.
fn enter(conn: &dyn Conn) -> Result<(), LedgerError> {
    conn.entering().iter().try_for_each(|sql| conn.note(sql, &[]))
}

/// Whether so many wait.
fn waits(conn: &dyn Conn, many: i64) -> Result<bool, LedgerError> {
    conn.has("SELECT 1 FROM unlisted LIMIT 1 OFFSET ?1", in_order![many - 1])
}
