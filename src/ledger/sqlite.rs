//! The ledger in one file: SQLite, any number of processes of one machine.

mod conn;
mod copy;
mod desk;
mod journal;
mod lease;
pub mod schema;

use std::fs::{OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

pub use copy::{LedgerCopy, examine_copy};
pub use journal::was_written_again;

use super::LedgerError;
use super::engine::{Conn, Engine, Work};
use super::writer::WritingDesk;
use crate::time::Time;

/// One file, as this process has it open for reading.
pub struct Sqlite {
    reader: Mutex<Connection>,
    holder: lease::Holder,
    /// SQLite's own file beside the ledger.
    journal: PathBuf,
}

/// Opens the ledger in a file, or begins one: to look at, and to write to. `nonce` is fresh randomness that names this
/// process and, if the file is new, the ledger.
pub fn open(
    path: &Path,
    leases: &Path,
    nonce: [u8; 16],
    now: Time,
    wait: Duration,
) -> Result<(Sqlite, Box<dyn WritingDesk>), LedgerError> {
    let name = alloy_primitives::hex::encode(nonce);
    // SQLite gives its own files beside this one the same permissions.
    private(path)?;
    let mut conn = connect(path)?;
    schema::configure(&conn)?;
    let queue = private(&beside(path, ".lock"))?;
    take_turn(&queue, wait)?;
    let prepared = schema::prepare(&mut conn, &format!("le_{name}"), now.millis());
    // In turn with the others: a file that is made and not yet locked would be swept away as a dead one's.
    let registered = lease::Holder::register(leases, format!("{}-{name}", std::process::id()));
    // Whoever wrote last may have died over a sync that failed.
    let journal = beside(path, JOURNAL);
    let is_folded_in = journal::write_again(&journal).and_then(|()| journal::fold_in(&conn)).is_ok();
    queue.unlock()?;
    prepared?;
    let holder = registered?;
    let reader = connect(path)?;
    schema::configure(&reader)?;
    let desk = desk::FileDesk::open(path, is_folded_in.then_some(conn), queue)?;
    Ok((Sqlite { reader: Mutex::new(reader), holder, journal }, Box::new(desk)))
}

/// A ledger in memory, of whoever asks for it.
pub fn in_memory() -> Result<Connection, LedgerError> {
    let mut conn = Connection::open_in_memory()?;
    schema::configure(&conn)?;
    schema::prepare(&mut conn, "stage", 0)?;
    Ok(conn)
}

/// A ledger that is only looked at, without waiting for anybody.
pub fn at_a_glance<T>(path: &Path, work: impl FnOnce(&dyn Conn) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::ZERO)?;
    schema::check(&conn)?;
    in_one_look(&conn, work)
}

/// The version of the tables this program makes and reads, and of the engine they lie in.
pub fn versions() -> (i32, &'static str) {
    (schema::VERSION, rusqlite::version())
}

impl Engine for Sqlite {
    fn look(&self, _: bool, work: &mut Work<'_>) -> Result<(), LedgerError> {
        in_one_look(&self.reader(), |conn| work(conn))
    }

    fn holder(&self) -> &str {
        self.holder.name()
    }

    fn is_alive(&self, holder: &str) -> bool {
        self.holder.is_alive(holder)
    }

    fn version(&self) -> Result<i64, LedgerError> {
        Ok(self.reader().pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    fn damage(&self) -> Result<Option<String>, LedgerError> {
        copy::damage(&self.reader())
    }

    fn violations(&self) -> Result<Vec<String>, LedgerError> {
        copy::violations(&self.reader())
    }

    fn copy_to(&self, path: &Path) -> Result<LedgerCopy, LedgerError> {
        copy::write(&self.reader(), path)
    }

    fn keeps_erased(&self) -> bool {
        std::fs::metadata(&self.journal).is_ok_and(|journal| journal.len() > 0)
    }

    fn shows_what_may_be_forgotten(&self) -> bool {
        false
    }
}

impl Sqlite {
    fn reader(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads in one transaction: what others write meanwhile is in none of it.
fn in_one_look<T>(conn: &Connection, work: impl FnOnce(&dyn Conn) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    super::writer::run(conn, "BEGIN")?;
    let told = super::writer::caught(|| work(conn));
    let ended = super::writer::run(conn, "ROLLBACK");
    let told = told?;
    ended.map(|()| told)
}

pub fn connect(path: &Path) -> Result<Connection, LedgerError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Ok(Connection::open_with_flags(path, flags)?)
}

/// Opens a file that nobody else may read, making it if need be.
fn private(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Waits for the lock that processes take turns at, but not for ever: its holder may be stopped.
fn take_turn(queue: &std::fs::File, at_most: Duration) -> Result<(), LedgerError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    while let Err(cause) = queue.try_lock() {
        match cause {
            TryLockError::WouldBlock if waited < at_most => std::thread::sleep(PAUSE),
            TryLockError::WouldBlock => return Err(LedgerError::Busy),
            TryLockError::Error(cause) => return Err(cause.into()),
        }
        waited += PAUSE;
    }
    Ok(())
}

/// How SQLite's journal ends, beside its ledger.
const JOURNAL: &str = "-wal";

/// The file beside a ledger whose name ends with this more.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
