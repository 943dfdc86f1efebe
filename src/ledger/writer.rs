//! Whoever has something to write does it at once, on its own thread, if nobody else is writing; what others hand in
//! meanwhile shares the next commit, each piece with a savepoint of its own. So one purchase at a time hops between no
//! threads, and many at a time sync together.
//!
//! Processes queue at a file lock before they ask SQLite for its own, because SQLite's waiters poll and starve, and a
//! lock's waiters are woken in turn. Only a thread of the ledger's own waits there, and it alone goes on where there is
//! always more to write. A piece of work that has waited too long is given up by its caller before it has begun, never
//! after.

use std::collections::VecDeque;
use std::fs::{File, TryLockError as FileBusy};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{LedgerError, journal, schema};
use crate::limits;

/// Hands work in.
#[derive(Clone)]
pub struct Writer {
    office: Arc<Office>,
    wait: Duration,
}

/// Whether a commit must be on the disk before anybody hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sync {
    /// It may be lost with the power: the chain or a later commit tells it again.
    Lazy,
    /// It is on the disk, or it did not happen.
    Durable,
}

struct Job {
    sync: Sync,
    turn: Arc<Turn>,
    run: Run,
}

/// Does the work inside the transaction, or hears why there is none.
type Run = Box<dyn FnOnce(Result<&Connection, LedgerError>) -> Deliver + Send>;

/// Tells the caller what came of its work, once the commit is decided.
type Deliver = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// What is written with everything else, and holds nothing up where it cannot be.
pub type Along = Box<dyn Fn(&Connection) + Send>;

/// Who was first: whoever begins, or the caller that gives up.
struct Turn(AtomicU8);

impl Turn {
    const WAITING: u8 = 0;
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    fn begin(&self) -> bool {
        self.0.compare_exchange(Turn::WAITING, Turn::BEGUN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn give_up(&self) -> bool {
        self.0.compare_exchange(Turn::WAITING, Turn::GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == Turn::GIVEN_UP
    }
}

impl Writer {
    /// Over an open connection, or over none yet. `queue` is the file processes take turns at, `wait` how long a caller
    /// waits for its work to begin; `along` is done with everything that is written.
    pub fn start(
        path: PathBuf,
        conn: Option<Connection>,
        queue: File,
        wait: Duration,
        along: Along,
    ) -> Result<Writer, LedgerError> {
        let file = identity(&path)?;
        let (call, calls) = mpsc::sync_channel(1);
        let desk = Mutex::new(Desk { path, file, conn, queue, along, sync: None, unfolded: 0 });
        let office = Arc::new(Office { inbox: Mutex::default(), desk, call });
        let office_of_thread = Arc::downgrade(&office);
        thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || stand_by(&calls, &office_of_thread))
            .map_err(|cause| LedgerError::Io(cause.to_string()))?;
        Ok(Writer { office, wait })
    }

    /// Runs `work` inside a transaction. What it returns as an error is undone; what it returns otherwise is told
    /// after the commit, and only if that succeeds.
    pub async fn write<T, W>(&self, sync: Sync, work: W) -> Result<T, LedgerError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, LedgerError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let turn = Arc::new(Turn(AtomicU8::new(Turn::WAITING)));
        let run = Box::new(move |conn: Result<&Connection, LedgerError>| {
            let done = conn.and_then(|conn| in_savepoint(conn, work));
            Box::new(move |commit: Result<(), LedgerError>| {
                let _ = tell.send(commit.and(done));
            }) as Deliver
        });
        self.office.hand_in(Job { sync, turn: turn.clone(), run });
        wait(told, &turn, self.wait).await
    }

    /// Folds the journal in, in turn with whoever writes: what fails is found out and mended before anything is built on it.
    pub fn fold_in(&self) -> Result<(), LedgerError> {
        let mut desk = self.office.desk.lock().unwrap_or_else(PoisonError::into_inner);
        desk.check_place()?;
        super::take_turn(&desk.queue, schema::BUSY)?;
        let done = desk.fold_in(journal::fold_in);
        let _ = desk.queue.unlock();
        done
    }

    /// Looks at what is written through the eyes of whoever writes, in one transaction: it has in memory what it wrote.
    /// The work comes back where somebody is writing now.
    pub fn look<T, W>(&self, work: W) -> Result<Result<T, LedgerError>, W>
    where
        W: FnOnce(&Connection) -> Result<T, LedgerError>,
    {
        match self.office.desk.try_lock() {
            Ok(desk) => match &desk.conn {
                Some(conn) => Ok(in_one_look(conn, work)),
                None => Err(work),
            },
            Err(_) => Err(work),
        }
    }
}

/// Reads in one transaction: what others write meanwhile is in none of it.
pub(super) fn in_one_look<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    run(conn, "BEGIN")?;
    let told = catch_unwind(AssertUnwindSafe(|| work(conn)));
    let ended = run(conn, "COMMIT");
    if ended.is_err() && !conn.is_autocommit() {
        // Or nothing could be written through it any more.
        let _ = conn.execute_batch("ROLLBACK");
    }
    let told = told.unwrap_or_else(|_| Err(fault()))?;
    ended.map(|()| told).map_err(LedgerError::from)
}

/// Waits for the answer; gives up after the bound, but only while the work has not begun.
async fn wait<T>(
    told: oneshot::Receiver<Result<T, LedgerError>>,
    turn: &Turn,
    at_most: Duration,
) -> Result<T, LedgerError> {
    tokio::pin!(told);
    match tokio::time::timeout(at_most, &mut told).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err(LedgerError::gone())),
        Err(_) if turn.give_up() => Err(LedgerError::Busy),
        Err(_) => told.await.unwrap_or_else(|_| Err(LedgerError::gone())),
    }
}

fn in_savepoint<T>(
    conn: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, LedgerError>,
) -> Result<T, LedgerError> {
    // A full disk may have undone the whole transaction under an earlier piece of work. A savepoint would then begin
    // one of its own, and what it commits would be told as failed.
    if conn.is_autocommit() {
        return Err(undone());
    }
    run(conn, "SAVEPOINT one")?;
    // A panic is a fault of one piece of work: everybody else's goes on.
    let done = catch_unwind(AssertUnwindSafe(|| work(conn))).unwrap_or_else(|_| Err(fault()));
    if conn.is_autocommit() {
        return done;
    }
    let ended = match done {
        Ok(_) => run(conn, "RELEASE one"),
        Err(_) => run(conn, "ROLLBACK TO one").and_then(|()| run(conn, "RELEASE one")),
    };
    if let Err(cause) = ended {
        // Half of this work must not be committed with the others'.
        let _ = conn.execute_batch("ROLLBACK");
        return Err(cause.into());
    }
    done
}

/// A statement of no parameters and no rows, prepared once.
fn run(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn undone() -> LedgerError {
    LedgerError::CommitFailed("SQLite undid it before the end".to_owned())
}

fn fault() -> LedgerError {
    LedgerError::Io("a fault inside bursar".to_owned())
}

/// Where work is handed in, and the one desk at which it is done.
struct Office {
    inbox: Mutex<VecDeque<Job>>,
    desk: Mutex<Desk>,
    /// For the thread that may wait: one call is as good as many.
    call: mpsc::SyncSender<()>,
}

/// Whether whoever works may wait for another process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Waits,
    InAHurry,
}

impl Office {
    fn hand_in(&self, job: Job) {
        self.inbox().push_back(job);
        self.work(Patience::InAHurry);
        // Whoever is at the desk now may be about to leave it, or only looks at something: the thread comes after that.
        if !self.inbox().is_empty() {
            let _ = self.call.try_send(());
        }
    }

    /// Works off one batch, if nobody else is at it.
    fn work(&self, patience: Patience) {
        let mut desk = match patience {
            Patience::Waits => self.desk.lock().unwrap_or_else(PoisonError::into_inner),
            Patience::InAHurry => match self.desk.try_lock() {
                Ok(desk) => desk,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            },
        };
        let done = match desk.take_turn(patience) {
            Ok(true) => desk.commit_together(self.batch(), patience),
            Ok(false) => return,
            Err(cause) => Done::Failed(self.batch(), cause),
        };
        let _ = desk.queue.unlock();
        // Whoever is told may come to the desk at once.
        drop(desk);
        match done {
            Done::Committed(deliveries, outcome) => deliveries.into_iter().for_each(|tell| tell(outcome.clone())),
            Done::Failed(batch, cause) => fail(batch, &cause),
            Done::NotBegun(batch) => {
                let mut inbox = self.inbox();
                batch.into_iter().rev().for_each(|job| inbox.push_front(job));
            }
        }
    }

    fn inbox(&self) -> MutexGuard<'_, VecDeque<Job>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is done together. Whoever has given up was told so.
    fn batch(&self) -> Vec<Job> {
        let mut inbox = self.inbox();
        inbox.retain(|job| !job.turn.is_given_up());
        let some = inbox.len().min(limits::COMMIT_BATCH);
        inbox.drain(..some).collect()
    }
}

/// The thread that may wait: for a process that writes just now, and for whoever always has more to write.
fn stand_by(calls: &mpsc::Receiver<()>, office: &Weak<Office>) {
    while calls.recv().is_ok() {
        // Nobody is left who would hand anything in.
        let Some(office) = office.upgrade() else { return };
        while !office.inbox().is_empty() {
            office.work(Patience::Waits);
        }
    }
}

/// What became of a batch.
enum Done {
    /// It was committed, or that failed.
    Committed(Vec<Deliver>, Result<(), LedgerError>),
    /// It could not be begun.
    Failed(Vec<Job>, LedgerError),
    /// SQLite is busy, and nobody here may wait for it.
    NotBegun(Vec<Job>),
}

struct Desk {
    path: PathBuf,
    /// Which file this ledger is. Another one in its place is not written to, and one that was moved away neither.
    file: Option<(u64, u64)>,
    /// None: whether all that stands in the journal is on the disk is not known.
    conn: Option<Connection>,
    queue: File,
    along: Along,
    /// What the connection was told last of how safely to commit.
    sync: Option<Sync>,
    /// Pieces of work that stand in the journal alone.
    unfolded: usize,
}

/// Some twenty pages each. SQLite would fold them in by itself, and tell nobody when that fails.
const FOLDED_IN_AFTER: usize = 50;

impl Desk {
    /// Takes the turn among processes; `false` where another has it, and nobody here may wait.
    fn take_turn(&self, patience: Patience) -> Result<bool, LedgerError> {
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

    fn check_place(&self) -> Result<(), LedgerError> {
        match identity(&self.path) {
            Ok(file) if file == self.file => Ok(()),
            _ => Err(LedgerError::Damaged(
                "its file was moved, deleted or replaced while bursar ran; put it back, or start bursar again"
                    .to_owned(),
            )),
        }
    }

    fn commit_together(&mut self, batch: Vec<Job>, patience: Patience) -> Done {
        if batch.is_empty() {
            return Done::NotBegun(batch);
        }
        match self.reopen().and_then(|()| self.begin_immediate(&batch, patience)) {
            Ok(true) => {}
            Ok(false) => return Done::NotBegun(batch),
            Err(cause) => return Done::Failed(batch, cause),
        }
        let Some(conn) = self.conn.as_ref() else { return Done::Failed(batch, LedgerError::gone()) };
        (self.along)(conn);
        // Whoever gave up while we waited is not here any more.
        let begun = batch.into_iter().filter(|job| job.turn.begin());
        let deliveries: Vec<Deliver> = begun.map(|job| (job.run)(Ok(conn))).collect();
        let outcome = commit(conn);
        self.unfolded += deliveries.len();
        if outcome.is_err() {
            self.doubt();
        } else if self.unfolded >= FOLDED_IN_AFTER {
            let _ = self.fold_in(journal::fold_in_some);
        }
        Done::Committed(deliveries, outcome)
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

    /// Takes SQLite's own lock, for as long as anybody in the batch still waits; `false` where nobody may.
    fn begin_immediate(&mut self, batch: &[Job], patience: Patience) -> Result<bool, LedgerError> {
        let conn = self.conn.as_ref().ok_or_else(LedgerError::gone)?;
        let sync = batch.iter().map(|job| job.sync).max();
        if sync != self.sync {
            let word = if sync == Some(Sync::Durable) { "FULL" } else { "NORMAL" };
            conn.pragma_update(None, "synchronous", word)?;
            self.sync = sync;
        }
        loop {
            match run(conn, "BEGIN IMMEDIATE").map_err(LedgerError::from) {
                Err(LedgerError::Busy) if patience == Patience::InAHurry => return Ok(false),
                Err(LedgerError::Busy) if !batch.iter().all(|job| job.turn.is_given_up()) => {}
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
}

fn commit(conn: &Connection) -> Result<(), LedgerError> {
    if conn.is_autocommit() {
        return Err(undone());
    }
    run(conn, "COMMIT").map_err(|cause| {
        let _ = conn.execute_batch("ROLLBACK");
        LedgerError::CommitFailed(cause.to_string())
    })
}

fn fail(batch: Vec<Job>, cause: &LedgerError) {
    for job in batch.into_iter().filter(|job| job.turn.begin()) {
        (job.run)(Err(cause.clone()))(Ok(()));
    }
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
