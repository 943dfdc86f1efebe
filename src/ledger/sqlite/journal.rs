//! SQLite's journal beside the ledger: folded in, and written once more where the disk has given it up.
//!
//! A sync that failed has given up what it was for: the system shows it as written, and no later sync brings it to the
//! disk. What is committed on top of it would go with it when the power does, synced or not; and a ledger that was
//! folded in from such a journal would be mended, after a power cut in between, from the half of it that is there.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::Connection;

use super::LedgerError;

/// Writes what stands in the journal into the file, syncs that, and begins the journal anew.
pub(super) fn fold_in(conn: &Connection) -> Result<(), LedgerError> {
    checkpoint(conn, "PRAGMA wal_checkpoint(TRUNCATE)")
}

/// The same as far as nobody is in the way, and the journal keeps its length.
pub(super) fn fold_in_some(conn: &Connection) -> Result<(), LedgerError> {
    match checkpoint(conn, "PRAGMA wal_checkpoint(PASSIVE)") {
        Err(LedgerError::Busy) => Ok(()),
        done => done,
    }
}

fn checkpoint(conn: &Connection, sql: &str) -> Result<(), LedgerError> {
    match conn.query_row(sql, [], |row| row.get(0))? {
        0 => Ok(()),
        _busy => Err(LedgerError::Busy),
    }
}

/// Every byte of the journal once more, and synced: as the system shows it, so the disk has it. Only for whoever has the
/// turn: nobody else writes meanwhile.
pub(super) fn write_again(journal: &Path) -> Result<(), LedgerError> {
    match OpenOptions::new().read(true).write(true).open(journal) {
        Ok(file) => copy_onto_itself(file).map_err(|cause| LedgerError::Io(format!("its journal: {cause}")))?,
        // Nothing stands in it.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(LedgerError::Io(format!("its journal: {cause}"))),
    }
    seen::note(journal);
    Ok(())
}

fn copy_onto_itself(mut file: File) -> io::Result<()> {
    let (mut stretch, mut at) = (vec![0; 256 * 1024], 0);
    loop {
        file.seek(SeekFrom::Start(at))?;
        let len = file.read(&mut stretch)?;
        if len == 0 {
            break;
        }
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&stretch[..len])?;
        at += len as u64;
    }
    if at > 0 { file.sync_all() } else { Ok(()) }
}

pub use seen::was_written_again;

/// For a simulated disk, which sees what SQLite does and nothing else.
#[cfg(debug_assertions)]
mod seen {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    static WRITTEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

    pub(super) fn note(journal: &Path) {
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).insert(journal.to_owned());
    }

    /// Whether a journal was written once more since this was asked last.
    pub fn was_written_again(journal: &Path) -> bool {
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).remove(journal)
    }
}

/// A release has none.
#[cfg(not(debug_assertions))]
mod seen {
    use std::path::Path;

    pub(super) fn note(_: &Path) {}

    /// Nobody asks.
    pub fn was_written_again(_: &Path) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::{JOURNAL, beside};
    use super::*;

    #[test]
    fn a_journal_is_written_again_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let journal = beside(&dir.path().join("ledger.db"), JOURNAL);
        assert_eq!(journal.file_name().unwrap(), "ledger.db-wal");
        write_again(&journal).unwrap();
        assert!(!journal.exists());
        let bytes: Vec<u8> = (0..1_000_000_u32).map(|n| n as u8).collect();
        std::fs::write(&journal, &bytes).unwrap();
        write_again(&journal).unwrap();
        assert_eq!(std::fs::read(&journal).unwrap(), bytes);
    }
}
