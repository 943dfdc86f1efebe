//! The only writer of money.
//!
//! SQLite, one file, any number of processes. [`Ledger::authorize`] is the one durable commit before the wire: below it
//! nothing may be lost. A [`Recorded`] proves that it happened, and nothing else can be presented; a [`RecordedSignIn`]
//! proves the same of a sign-in.

pub mod audit;
mod authorize;
mod bodies;
mod breakers;
mod browse;
mod budget;
mod close;
mod copy;
mod doubt;
mod events;
mod glance;
mod handed_over;
mod journal;
mod lease;
mod listing;
mod log;
mod notices;
mod overview;
mod questions;
mod read;
mod record;
mod recorded;
mod replay;
mod review;
mod schema;
mod sellers;
mod sign_ins;
mod take_over;
#[cfg(test)]
mod tests;
mod tools_seen;
mod unmet;
mod writer;

use std::fs::{OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

pub use authorize::{Authorized, Draft, View};
pub use bodies::{Bodies, Worth};
pub use browse::{Browse, Browsed, Mark, Order};
pub use close::{Answered, Closing, Moved, SentApproval, Taken};
pub use copy::{LedgerCopy, examine_copy};
pub use doubt::InDoubt;
pub use events::{StoredEvent, seal};
pub use glance::{LedgerGlance, glance};
pub use journal::was_written_again;
pub use listing::ENTER;
pub use log::{By, Changes, Cursor, Filter, Group, LogPage, LogTotals};
pub use overview::{LedgerOverview, Spent};
pub use questions::{Challenge, NewQuestion, OpenQuestion, QuestionState};
pub use read::{Entry, LedgerStory, Money, PaymentTerms, Recalled, Unproven};
pub use record::Unpaid;
pub use recorded::Recorded;
pub use replay::{Fate, Replayed};
pub use sellers::{LastPaid, SellerCounts, SellerFilter};
pub use sign_ins::{RecordedSignIn, SignInDraft, SignedIn};
pub use take_over::{Again, TakenUp};
pub use tools_seen::{ListedTool, OF_TOOLS};
pub use unmet::RefusedOffers;
use writer::{Sync, Writer};

use crate::answer::Refusal;
use crate::limits;
use crate::reason::{Reason, Who};
use crate::time::Time;

/// A handle on the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    writer: Writer,
    reader: Arc<Mutex<Connection>>,
    holder: Arc<lease::Holder>,
    doubt: Arc<Mutex<doubt::Doubt>>,
    handed_over: handed_over::HandedOver,
    /// SQLite's own file beside the ledger.
    journal: Arc<Path>,
}

/// Which ledger this is and how much it has seen: kept beside the key, so that a ledger that is missing, replaced or
/// rolled back is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Which ledger.
    pub ledger_id: String,
    /// How many authorizations there are.
    pub authorizations: u64,
}

/// What went wrong with the ledger. Nothing was presented because of it.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    #[error("the ledger was busy for {} s: another program holds it", crate::limits::LEDGER_WAIT.as_secs())]
    Busy,
    #[error("the ledger could not be written: {0}")]
    CommitFailed(String),
    #[error("the disk is full, so the ledger could not be written")]
    Full,
    #[error("the ledger is read-only for this program")]
    ReadOnly,
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    #[error("the ledger was written by a newer bursar (its version is {found}, this program knows {known})")]
    Newer { found: i32, known: i32 },
    #[error("the ledger could not be used: {0}")]
    Io(String),
    #[error("`{0}` is already the id of another purchase")]
    Conflict(String),
    #[error("{0}")]
    NotNow(String),
}

impl Seal {
    fn read(conn: &Connection) -> Result<Seal, LedgerError> {
        let seal = conn.query_row("SELECT id, authorizations FROM ledger", [], |row| {
            Ok(Seal { ledger_id: row.get(0)?, authorizations: row.get::<_, i64>(1)?.max(0) as u64 })
        })?;
        Ok(seal)
    }
}

impl Ledger {
    /// Opens the ledger in a file, or begins one. `nonce` is fresh randomness that names this process and, if the file
    /// is new, the ledger.
    pub fn open(path: &Path, leases: &Path, nonce: [u8; 16], now: Time) -> Result<Ledger, LedgerError> {
        Ledger::open_waiting(path, leases, nonce, now, limits::LEDGER_WAIT)
    }

    fn open_waiting(
        path: &Path,
        leases: &Path,
        nonce: [u8; 16],
        now: Time,
        wait: Duration,
    ) -> Result<Ledger, LedgerError> {
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
        let journal: Arc<Path> = beside(path, JOURNAL).into();
        let is_folded_in = journal::write_again(&journal).and_then(|()| journal::fold_in(&conn)).is_ok();
        queue.unlock()?;
        prepared?;
        let holder = registered?;
        let reader = connect(path)?;
        schema::configure(&reader)?;
        let handed_over = handed_over::HandedOver::default();
        let noted = handed_over.clone();
        let along = Box::new(move |conn: &Connection| drop(noted.note(conn).and_then(|()| listing::enter_many(conn))));
        let writer = Writer::start(path.to_owned(), is_folded_in.then_some(conn), queue, wait, along)?;
        Ok(Ledger {
            writer,
            reader: Arc::new(Mutex::new(reader)),
            holder: Arc::new(holder),
            doubt: Arc::default(),
            handed_over,
            journal,
        })
    }

    /// Which ledger this is, and how much it has seen.
    pub async fn seal(&self) -> Result<Seal, LedgerError> {
        self.read(Seal::read).await
    }

    /// Folds the journal into the file, as far as nobody else is reading it.
    pub async fn fold_in(&self) -> Result<(), LedgerError> {
        let writer = self.writer.clone();
        self.beside(move |_| writer.fold_in()).await
    }

    /// Makes sure that what was erased does not stay readable in the journal: that is folded in, and begun anew.
    pub async fn wipe(&self) -> Result<(), LedgerError> {
        match std::fs::metadata(&self.journal).is_ok_and(|journal| journal.len() > 0) {
            true => self.fold_in().await,
            false => Ok(()),
        }
    }

    /// Whether this process holds a lease.
    pub fn is_own(&self, holder: &str) -> bool {
        holder == self.holder.name()
    }

    /// Whether a holder of a lease still lives: its purchase is under way, and joining it is all there is to do.
    pub fn is_alive(&self, holder: &str) -> bool {
        self.holder.is_alive(holder)
    }

    /// Reads a little, for a purchase on its way: at once, where nobody is writing.
    async fn peek<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    {
        match self.writer.look(work) {
            Ok(told) => told,
            Err(work) => self.read(work).await,
        }
    }

    /// Reads in one look, however much: what others write meanwhile is in none of it.
    async fn read<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    {
        self.beside(move |conn| writer::in_one_look(conn, work)).await
    }

    /// Works on a thread that may block: other work goes on, and other reads wait for it.
    async fn beside<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    {
        let reader = self.reader.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let conn = reader.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            work(&conn)
        });
        reading.await.unwrap_or_else(|_| Err(LedgerError::gone()))
    }
}

/// The version of the tables this program makes and reads, and of the engine they lie in.
pub fn versions() -> (i32, &'static str) {
    (schema::VERSION, rusqlite::version())
}

impl LedgerError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LedgerError::Busy => "ledger_busy",
            LedgerError::CommitFailed(_) | LedgerError::Io(_) => "ledger_failed",
            LedgerError::Full => "disk_full",
            LedgerError::ReadOnly => "ledger_read_only",
            LedgerError::Damaged(_) => "ledger_damaged",
            LedgerError::Newer { .. } => "ledger_newer",
            LedgerError::Conflict(_) => "purchase_id_conflict",
            LedgerError::NotNow(_) => "not_now",
        }
    }

    fn gone() -> LedgerError {
        LedgerError::Io("its writing thread has ended".to_owned())
    }
}

impl From<LedgerError> for Refusal {
    fn from(cause: LedgerError) -> Refusal {
        let next = match cause {
            LedgerError::Busy => "try again: another program is writing to the ledger",
            LedgerError::Full => "make room on the disk and try again",
            LedgerError::NotNow(_) | LedgerError::Conflict(_) => "look at the purchase as it stands now",
            LedgerError::ReadOnly => "nothing was signed: make ledger.db and its folder writable for this user",
            LedgerError::Newer { .. } => "nothing was signed: install the bursar that wrote it, or a newer one",
            LedgerError::Damaged(_) => {
                "nothing is signed: put a copy of ledger.db in its place, or move it away to begin a new one, and then \
                 say so with `bursar ledger adopt`"
            }
            LedgerError::CommitFailed(_) | LedgerError::Io(_) => {
                "nothing was signed: make sure that ledger.db and its folder can be written, and try again"
            }
        };
        Refusal { reasons: vec![cause.into()], next: next.to_owned() }
    }
}

impl From<LedgerError> for Reason {
    fn from(cause: LedgerError) -> Reason {
        let who = match cause {
            LedgerError::Busy | LedgerError::NotNow(_) => Who::Time,
            LedgerError::Conflict(_) => Who::Agent,
            LedgerError::CommitFailed(_)
            | LedgerError::Full
            | LedgerError::ReadOnly
            | LedgerError::Damaged(_)
            | LedgerError::Newer { .. }
            | LedgerError::Io(_) => Who::Owner,
        };
        Reason::new(cause.code(), "ledger", cause.to_string(), who)
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(cause: rusqlite::Error) -> LedgerError {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Busy,
            Some(ErrorCode::DiskFull) => LedgerError::Full,
            Some(ErrorCode::ReadOnly) => LedgerError::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LedgerError::Damaged(cause.to_string()),
            _ => LedgerError::Io(cause.to_string()),
        }
    }
}

impl From<std::io::Error> for LedgerError {
    fn from(cause: std::io::Error) -> LedgerError {
        LedgerError::Io(cause.to_string())
    }
}

fn connect(path: &Path) -> Result<Connection, LedgerError> {
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
fn beside(path: &Path, ending: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A bad word in a column is damage, not a reason to stop the program.
fn damaged(what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged(what.to_string())
}
