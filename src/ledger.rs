//! The only writer of money.
//!
//! Any number of processes, in one file or one database. [`Ledger::authorize`] is the one durable commit before the wire: below it
//! nothing may be lost. A [`Recorded`] proves that it happened, and nothing else can be presented; a [`RecordedSignIn`]
//! proves the same of a sign-in.

pub mod audit;
mod authorize;
mod bodies;
mod breakers;
mod browse;
mod budget;
mod close;
mod doubt;
mod engine;
mod events;
mod glance;
mod handed_over;
mod listing;
mod log;
mod notices;
mod overview;
mod postgres;
mod questions;
mod read;
mod record;
mod recorded;
mod replay;
mod review;
mod sellers;
mod sign_ins;
mod sqlite;
mod take_over;
#[cfg(test)]
mod tests;
mod tools_seen;
mod unmet;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use authorize::{Authorized, Draft, View};
pub use bodies::{Bodies, Worth};
pub use browse::{Browse, Browsed, Mark, Order};
pub use close::{Answered, Closing, Moved, SentApproval, Taken};
pub use doubt::InDoubt;
use engine::{Conn, Engine};
pub use events::{StoredEvent, seal};
pub use glance::{LedgerGlance, glance, glance_at_server};
pub use listing::ENTER;
pub use log::{By, Changes, Cursor, Filter, Group, LogPage, LogTotals};
pub use overview::{LedgerOverview, Spent};
pub use postgres::{
    LedgerRoles, ServerClock, ServerPlace, ServerProof, ServerStanding, examine as examine_server, make_roles,
};
pub use questions::{Challenge, NewQuestion, OpenQuestion, QuestionState};
pub use read::{Entry, LedgerStory, Money, PaymentTerms, Recalled, Unproven};
pub use record::Unpaid;
pub use recorded::Recorded;
pub use replay::{Fate, Replayed};
pub use sellers::{LastPaid, SellerCounts, SellerFilter};
pub use sign_ins::{RecordedSignIn, SignInDraft, SignedIn};
pub use sqlite::{LedgerCopy, examine_copy, versions, was_written_again};
pub use take_over::{Again, TakenUp};
pub use tools_seen::{ListedTool, OF_TOOLS};
pub use unmet::RefusedOffers;
use writer::{Sync, Writer, WritingDesk};

use crate::answer::Refusal;
use crate::limits;
use crate::reason::{Reason, Who};
use crate::time::Time;

/// A handle on the ledger; clones share it.
#[derive(Clone)]
pub struct Ledger {
    writer: Writer,
    engine: Arc<dyn Engine>,
    doubt: Arc<Mutex<doubt::Doubt>>,
    handed_over: handed_over::HandedOver,
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
    #[error("the database put off what was written: another writer was in the way")]
    Again,
    #[error("the ledger did not keep what was written: {0}")]
    Undone(String),
    #[error("the database does not let this machine do that: {0}")]
    Forbidden(String),
    #[error("the database is not ready: {0}")]
    Unready(String),
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
    fn read(conn: &dyn Conn) -> Result<Seal, LedgerError> {
        conn.read("SELECT id, authorizations FROM ledger", &[], |row| {
            Ok(Seal { ledger_id: row.get(0)?, authorizations: row.get::<_, i64>(1)?.max(0) as u64 })
        })
    }
}

impl Ledger {
    /// Opens the ledger in a file, or begins one. `nonce` is fresh randomness that names this process and, if the file
    /// is new, the ledger.
    pub fn open(path: &Path, leases: &Path, nonce: [u8; 16], now: Time) -> Result<Ledger, LedgerError> {
        Ledger::open_waiting(path, leases, nonce, now, limits::LEDGER_WAIT)
    }

    /// Opens the ledger in a database, or begins one.
    pub fn open_on_server(place: ServerPlace, nonce: [u8; 16]) -> Result<Ledger, LedgerError> {
        Ledger::open_on_server_waiting(place, nonce, limits::LEDGER_WAIT)
    }

    fn open_on_server_waiting(place: ServerPlace, nonce: [u8; 16], wait: Duration) -> Result<Ledger, LedgerError> {
        // A thread of its own: this one may be in the middle of something asynchronous.
        let opened = std::thread::spawn(move || postgres::open(place, nonce));
        let (engine, desk) = opened.join().unwrap_or_else(|_| Err(LedgerError::gone()))?;
        Ledger::over(Arc::new(engine), desk, wait)
    }

    fn open_waiting(
        path: &Path,
        leases: &Path,
        nonce: [u8; 16],
        now: Time,
        wait: Duration,
    ) -> Result<Ledger, LedgerError> {
        let (engine, desk) = sqlite::open(path, leases, nonce, now, wait)?;
        Ledger::over(Arc::new(engine), desk, wait)
    }

    fn over(engine: Arc<dyn Engine>, desk: Box<dyn WritingDesk>, wait: Duration) -> Result<Ledger, LedgerError> {
        let handed_over = handed_over::HandedOver::default();
        let noted = handed_over.clone();
        let along = Box::new(move |conn: &dyn Conn| drop(noted.note(conn).and_then(|()| listing::enter_many(conn))));
        let writer = Writer::start(desk, wait, along)?;
        Ok(Ledger { writer, engine, doubt: Arc::default(), handed_over })
    }

    /// Which ledger this is, and how much it has seen.
    pub async fn seal(&self) -> Result<Seal, LedgerError> {
        self.read(Seal::read).await
    }

    /// The same, of what will never be forgotten: to be noted elsewhere.
    pub async fn kept_seal(&self) -> Result<Seal, LedgerError> {
        match self.engine.shows_what_may_be_forgotten() {
            // As it is told by a commit, which is kept.
            true => self.writer.write(Sync::Durable, Seal::read).await,
            false => self.read(Seal::read).await,
        }
    }

    /// Writes a copy into a file that is not there yet. Nobody waits for it, and what was erased is not in it.
    pub async fn copy_to(&self, path: &Path) -> Result<LedgerCopy, LedgerError> {
        let path = path.to_owned();
        self.beside(move |engine| engine.copy_to(&path)).await
    }

    /// Makes sure that what was erased does not stay readable beside the ledger, as far as nobody else is reading it.
    pub async fn wipe(&self) -> Result<(), LedgerError> {
        let writer = self.writer.clone();
        self.beside(move |engine| if engine.keeps_erased() { writer.wipe() } else { Ok(()) }).await
    }

    /// Whether this process holds a lease.
    pub fn is_own(&self, holder: &str) -> bool {
        holder == self.engine.holder()
    }

    /// Whether a holder of a lease still lives: its purchase is under way, and joining it is all there is to do.
    pub fn is_alive(&self, holder: &str) -> bool {
        self.engine.is_alive(holder)
    }

    /// Reads a little, for a purchase on its way: at once, where nobody is writing.
    async fn peek<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send + 'static,
    {
        match self.writer.look(work) {
            Ok(told) => told,
            Err(work) => self.looked(false, work).await,
        }
    }

    /// Reads in one look, however much: what others write meanwhile is in none of it.
    async fn read<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send + 'static,
    {
        self.looked(true, work).await
    }

    async fn looked<T, W>(&self, much: bool, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send + 'static,
    {
        self.beside(move |engine| engine::once(work, |work| engine.look(much, work))).await
    }

    /// Works on a thread that may block: other work goes on.
    async fn beside<T, W>(&self, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&dyn Engine) -> Result<T, LedgerError> + Send + 'static,
    {
        let engine = self.engine.clone();
        let working = tokio::task::spawn_blocking(move || work(&*engine));
        working.await.unwrap_or_else(|_| Err(LedgerError::gone()))
    }
}

impl LedgerError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LedgerError::Busy | LedgerError::Again => "ledger_busy",
            LedgerError::Forbidden(_) => "ledger_forbidden",
            LedgerError::Unready(_) => "ledger_unready",
            LedgerError::CommitFailed(_) | LedgerError::Undone(_) | LedgerError::Io(_) => "ledger_failed",
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
            LedgerError::Busy | LedgerError::Again => "try again: another program is writing to the ledger",
            LedgerError::Unready(_) => {
                "nothing was signed: try again in half a minute; if it stays so, its owner can see why with `bursar doctor`"
            }
            LedgerError::Forbidden(_) => "nothing was signed: only the owner's machine may do that",
            LedgerError::Full => "make room on the disk and try again",
            LedgerError::NotNow(_) | LedgerError::Conflict(_) => "look at the purchase as it stands now",
            LedgerError::ReadOnly => "nothing was signed: make ledger.db and its folder writable for this user",
            LedgerError::Newer { .. } => "nothing was signed: install the bursar that wrote it, or a newer one",
            LedgerError::Damaged(_) => {
                "nothing is signed: put a copy of ledger.db in its place, or move it away to begin a new one, and then \
                 say so with `bursar ledger adopt`"
            }
            LedgerError::CommitFailed(_) | LedgerError::Undone(_) | LedgerError::Io(_) => {
                "nothing was signed: make sure that ledger.db and its folder can be written, and try again"
            }
        };
        Refusal { reasons: vec![cause.into()], next: next.to_owned() }
    }
}

impl From<LedgerError> for Reason {
    fn from(cause: LedgerError) -> Reason {
        let who = match cause {
            LedgerError::Busy | LedgerError::Again | LedgerError::Unready(_) | LedgerError::NotNow(_) => Who::Time,
            LedgerError::Conflict(_) => Who::Agent,
            LedgerError::CommitFailed(_)
            | LedgerError::Undone(_)
            | LedgerError::Forbidden(_)
            | LedgerError::Full
            | LedgerError::ReadOnly
            | LedgerError::Damaged(_)
            | LedgerError::Newer { .. }
            | LedgerError::Io(_) => Who::Owner,
        };
        Reason::new(cause.code(), "ledger", cause.to_string(), who)
    }
}

impl From<std::io::Error> for LedgerError {
    fn from(cause: std::io::Error) -> LedgerError {
        LedgerError::Io(cause.to_string())
    }
}

/// A bad word in a column is damage, not a reason to stop the program.
fn damaged(what: impl std::fmt::Display) -> LedgerError {
    LedgerError::Damaged(what.to_string())
}
