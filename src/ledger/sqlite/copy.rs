//! A copy of the ledger as it is at one moment, whoever writes meanwhile; and a look into one.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::super::{LedgerError, Seal};
use super::{private, schema};

/// What a copy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerCopy {
    /// Which ledger it is of, and how much that had seen.
    pub seal: Seal,
    /// Of its tables.
    pub version: i32,
}

/// Writes a copy into a file that is not there yet. Nobody waits for it, and what was erased is not in it.
pub fn write(conn: &Connection, path: &Path) -> Result<LedgerCopy, LedgerError> {
    let name = path.to_str().ok_or_else(|| LedgerError::Io("a folder's name is no text".to_owned()))?;
    // Empty, and nobody else's, before anything is in it.
    private(path)?;
    conn.execute("VACUUM INTO ?1", [name])?;
    examine_copy(path)
}

/// Whether a copy is a whole ledger that this program can read; nothing is written.
pub fn examine_copy(path: &Path) -> Result<LedgerCopy, LedgerError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let version = schema::version(&conn)?;
    match damage(&conn)? {
        Some(damage) => Err(LedgerError::Damaged(damage)),
        None => Ok(LedgerCopy { seal: Seal::read(&conn)?, version }),
    }
}

/// What SQLite finds wrong with a file, if anything.
pub fn damage(conn: &Connection) -> Result<Option<String>, LedgerError> {
    let said: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok((said != "ok").then_some(said))
}

/// The same and more of it: its indexes, and where its rows point.
pub fn violations(conn: &Connection) -> Result<Vec<String>, LedgerError> {
    let mut found = Vec::new();
    let said: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        found.push(format!("the file is damaged: {said}"));
    }
    if conn.prepare("PRAGMA foreign_key_check")?.exists([])? {
        found.push("a row points at a row that is not there".to_owned());
    }
    Ok(found)
}
