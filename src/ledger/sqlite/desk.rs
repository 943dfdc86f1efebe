//! Where the one file is written: processes queue at a file lock before they ask SQLite for its own, because SQLite's
//! waiters poll and starve, and a lock's waiters are woken in turn.

use std::fs::{File, TryLockError as FileBusy};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::LedgerError;
use super::super::engine::Conn;
use super::super::writer::{Patience, Sync, Wanted, WritingDesk, run, undone};
use super::{journal, schema};

pub struct FileDesk {
    path: PathBuf,
    /// Which file this ledger is. Another one in its place is not written to, and one that was moved away neither.
    file: Option<(u64, u64)>,
    /// None: whether all that stands in the journal is on the disk is not known.
    conn: Option<Connection>,
    queue: File,
    /// What the connection was told last of how safely to commit.
    sync: Option<Sync>,
    /// Pieces of work that stand in the journal alone.
    unfolded: usize,
}

/// Some twenty pages each. SQLite would fold them in by itself, and tell nobody when that fails.
const FOLDED_IN_AFTER: usize = 50;

impl FileDesk {
    /// Over an open connection, or over none yet. `queue` is the file processes take turns at.
    pub fn open(path: &Path, conn: Option<Connection>, queue: File) -> Result<FileDesk, LedgerError> {
        let file = identity(path)?;
        Ok(FileDesk { path: path.to_owned(), file, conn, queue, sync: None, unfolded: 0 })
    }

    fn check_place(&self) -> Result<(), LedgerError> {
        match identity(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            _ => Err(LedgerError::Damaged(
                "its file was moved, deleted or replaced while bursar ran; put it back, or start bursar again"
                    .to_owned(),
            )),
        }
    }

    /// By whoever has the turn. Where it fails, what stands in the journal may not be on the disk.
    fn fold_in(&mut self, how: fn(&Connection) -> Result<(), LedgerError>) -> Result<(), LedgerError> {
        self.reopen()?;
        let conn = self.conn.as_ref().ok_or_else(LedgerError::gone)?;
        match how(conn) {
            Ok(()) => self.unfolded = 0,
            Err(LedgerError::Busy) => return Err(LedgerError::Busy),
            Err(cause) => {
                self.doubt();
                return Err(cause);
            }
        }
        Ok(())
    }

    /// What SQLite thinks of itself now is not worth knowing. If this does not work, the next piece of work tries again;
    /// while we have the turn, nobody else builds on what may not be there.
    fn doubt(&mut self) {
        self.conn = None;
        let _ = self.reopen();
    }

    fn reopen(&mut self) -> Result<(), LedgerError> {
        if self.conn.is_none() {
            let conn = super::connect(&self.path)?;
            schema::configure(&conn)?;
            // In turn: nobody else builds on what may not be there.
            journal::write_again(&super::beside(&self.path, super::JOURNAL))?;
            journal::fold_in(&conn)?;
            self.sync = None;
            self.conn = Some(conn);
        }
        Ok(())
    }
}

impl WritingDesk for FileDesk {
    fn take_turn(&mut self, patience: Patience) -> Result<bool, LedgerError> {
        self.check_place()?;
        let taken = match patience {
            Patience::InAHurry => self.queue.try_lock(),
            Patience::Waits => self.queue.lock().map_err(FileBusy::Error),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(FileBusy::WouldBlock) => Ok(false),
            Err(FileBusy::Error(cause)) => Err(LedgerError::Io(format!("the ledger's lock: {cause}"))),
        }
    }

    fn give_turn_back(&mut self) {
        let _ = self.queue.unlock();
    }

    /// Takes SQLite's own lock, for as long as anybody in the batch still waits; `false` where nobody may.
    fn begin(&mut self, sync: Sync, wanted: Wanted<'_>, patience: Patience) -> Result<bool, LedgerError> {
        self.reopen()?;
        let conn = self.conn.as_ref().ok_or_else(LedgerError::gone)?;
        if Some(sync) != self.sync {
            let word = if sync == Sync::Durable { "FULL" } else { "NORMAL" };
            conn.pragma_update(None, "synchronous", word)?;
            self.sync = Some(sync);
        }
        loop {
            match run(conn, "BEGIN IMMEDIATE") {
                Err(LedgerError::Busy) if patience == Patience::InAHurry => return Ok(false),
                Err(LedgerError::Busy) if wanted() => {}
                begun => {
                    begun?;
                    break;
                }
            }
        }
        // A newer bursar may have changed the tables while this one ran: what they mean now is not known here.
        schema::check(conn).inspect_err(|_| drop(conn.execute_batch("ROLLBACK")))?;
        Ok(true)
    }

    fn conn(&self) -> Option<&dyn Conn> {
        self.conn.as_ref().map(|conn| conn as &dyn Conn)
    }

    fn commit(&mut self, pieces: usize) -> Result<(), LedgerError> {
        let conn = self.conn.as_ref().ok_or_else(LedgerError::gone)?;
        let outcome = commit(conn);
        self.unfolded += pieces;
        if outcome.is_err() {
            self.doubt();
        } else if self.unfolded >= FOLDED_IN_AFTER {
            let _ = self.fold_in(journal::fold_in_some);
        }
        outcome
    }

    /// Through the eyes of whoever writes: it has in memory what it wrote.
    fn look(&self, work: &mut super::Work<'_>) -> Option<Result<(), LedgerError>> {
        self.conn.as_ref().map(|conn| super::in_one_look(conn, |conn| work(conn)))
    }

    /// Folds the journal in, in turn with whoever writes: what fails is found out and mended before anything is built on
    /// it.
    fn wipe(&mut self) -> Result<(), LedgerError> {
        self.check_place()?;
        super::take_turn(&self.queue, schema::BUSY)?;
        let done = self.fold_in(journal::fold_in);
        self.give_turn_back();
        done
    }
}

fn commit(conn: &Connection) -> Result<(), LedgerError> {
    if conn.is_autocommit() {
        return Err(undone());
    }
    conn.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])).map(drop).map_err(|cause| {
        let _ = conn.execute_batch("ROLLBACK");
        LedgerError::CommitFailed(cause.to_string())
    })
}

/// What the system knows a file by, whatever its name.
#[cfg(unix)]
fn identity(path: &Path) -> std::io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt;
    let found = std::fs::metadata(path)?;
    Ok(Some((found.dev(), found.ino())))
}

/// Elsewhere an open file cannot be moved away.
#[cfg(not(unix))]
fn identity(_: &Path) -> std::io::Result<Option<(u64, u64)>> {
    Ok(None)
}
