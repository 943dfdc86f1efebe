//! A copy of the ledger as it is at one moment, whoever writes meanwhile; and a look into one.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{Ledger, LedgerError, Seal, audit, private, schema};

/// What a copy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCopy {
    /// Which ledger it is of, and how much that had seen.
    pub seal: Seal,
    /// Of its tables.
    pub version: i32,
}

impl Ledger {
    /// Writes a copy into a file that is not there yet. Nobody waits for it, and what was erased is not in it.
    pub async fn copy_to(&self, path: &Path) -> Result<LedgerCopy, LedgerError> {
        let path = path.to_owned();
        self.beside(move |conn| {
            let name = path.to_str().ok_or_else(|| LedgerError::Io("a folder's name is no text".to_owned()))?;
            // Empty, and nobody else's, before anything is in it.
            private(&path)?;
            conn.execute("VACUUM INTO ?1", [name])?;
            examine_copy(&path)
        })
        .await
    }
}

/// Whether a copy is a whole ledger that this program can read; nothing is written.
pub fn examine_copy(path: &Path) -> Result<LedgerCopy, LedgerError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let version = schema::version(&conn)?;
    match audit::damage(&conn)? {
        Some(damage) => Err(LedgerError::Damaged(damage)),
        None => Ok(LedgerCopy { seal: Seal::read(&conn)?, version }),
    }
}
