//! One thread writes. Concurrent work shares a commit; each piece has its own savepoint.
//!
//! Processes queue at a file lock before they ask SQLite for its own, because SQLite's waiters poll and starve, and a
//! lock's waiters are woken in turn. A piece of work that has waited too long is given up by its caller before it has
//! begun, never after.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{LedgerError, schema};
use crate::limits;

/// Hands work to the writing thread.
#[derive(Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
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

/// Who was first: the thread that begins, or the caller that gives up.
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
    /// Starts the thread over an open connection, or over none yet. `queue` is the file processes take turns at, `wait`
    /// how long a caller waits for its work to begin.
    pub fn start(path: PathBuf, conn: Option<Connection>, queue: File, wait: Duration) -> Result<Writer, LedgerError> {
        let (jobs, inbox) = mpsc::channel();
        let file = identity(&path)?;
        let desk = Desk { path, file, conn, queue, inbox };
        thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || desk.work())
            .map_err(|cause| LedgerError::Io(cause.to_string()))?;
        Ok(Writer { jobs, wait })
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
        self.jobs.send(Job { sync, turn: turn.clone(), run }).map_err(|_| LedgerError::gone())?;
        wait(told, &turn, self.wait).await
    }
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
    conn.prepare_cached("SAVEPOINT one")?.execute([])?;
    // A panic is a fault of one piece of work: the thread and everybody else's go on.
    let done = catch_unwind(AssertUnwindSafe(|| work(conn)));
    let done = done.unwrap_or_else(|_| Err(LedgerError::Io("a fault inside bursar".to_owned())));
    let end = if done.is_ok() { "RELEASE one" } else { "ROLLBACK TO one; RELEASE one" };
    if conn.is_autocommit() {
        return done;
    }
    if let Err(cause) = conn.execute_batch(end) {
        // Half of this work must not be committed with the others'.
        let _ = conn.execute_batch("ROLLBACK");
        return Err(cause.into());
    }
    done
}

fn undone() -> LedgerError {
    LedgerError::CommitFailed("SQLite undid it before the end".to_owned())
}

/// The thread's own state.
struct Desk {
    path: PathBuf,
    /// Which file this ledger is. Another one in its place is not written to, and one that was moved away neither.
    file: Option<(u64, u64)>,
    /// None: whether all that stands in the journal is on the disk is not known.
    conn: Option<Connection>,
    queue: File,
    inbox: mpsc::Receiver<Job>,
}

impl Desk {
    fn work(mut self) {
        while let Ok(first) = self.inbox.recv() {
            let mut batch = vec![first];
            batch.extend(self.inbox.try_iter().take(limits::COMMIT_BATCH - 1));
            self.commit_together(batch);
        }
    }

    fn commit_together(&mut self, batch: Vec<Job>) {
        if let Err(cause) = self.begin(&batch) {
            return fail(batch, &cause);
        }
        let Some(conn) = &self.conn else { return };
        // Whoever gave up while we waited is not here any more.
        let begun = batch.into_iter().filter(|job| job.turn.begin());
        let deliveries: Vec<Deliver> = begun.map(|job| (job.run)(Ok(conn))).collect();
        let outcome = commit(conn);
        if outcome.is_err() {
            // What SQLite thinks of itself now is not worth knowing. If this does not work, the next piece of work tries
            // again; while we have the turn, nobody else builds on what may not be there.
            self.conn = None;
            let _ = self.reopen();
        }
        let _ = self.queue.unlock();
        for deliver in deliveries {
            deliver(outcome.clone());
        }
    }

    /// Takes the turn among processes, then SQLite's own lock, for as long as anybody in the batch still waits.
    fn begin(&mut self, batch: &[Job]) -> Result<(), LedgerError> {
        self.check_place()?;
        self.take_turn(batch)?;
        let begun = self.reopen().and_then(|()| self.begin_immediate(batch));
        if begun.is_err() {
            let _ = self.queue.unlock();
        }
        begun
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

    fn reopen(&mut self) -> Result<(), LedgerError> {
        if self.conn.is_none() {
            let conn = super::connect(&self.path)?;
            schema::configure(&conn)?;
            fold_in(&conn)?;
            self.conn = Some(conn);
        }
        Ok(())
    }

    fn take_turn(&self, batch: &[Job]) -> Result<(), LedgerError> {
        self.queue.lock().map_err(|cause| LedgerError::Io(format!("the ledger's lock: {cause}")))?;
        match batch.iter().all(|job| job.turn.is_given_up()) {
            false => Ok(()),
            true => {
                let _ = self.queue.unlock();
                Err(LedgerError::Busy)
            }
        }
    }

    fn begin_immediate(&self, batch: &[Job]) -> Result<(), LedgerError> {
        let conn = self.conn.as_ref().ok_or_else(LedgerError::gone)?;
        let durable = batch.iter().any(|job| job.sync == Sync::Durable);
        conn.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })?;
        loop {
            match conn.execute_batch("BEGIN IMMEDIATE").map_err(LedgerError::from) {
                Err(LedgerError::Busy) if !batch.iter().all(|job| job.turn.is_given_up()) => {}
                begun => return begun,
            }
        }
    }
}

/// Writes what stands in the journal into the file, syncs that, and begins the journal anew.
///
/// A sync that failed has given up what it was for: the system shows it as written, and no later sync brings it to the
/// disk. What is committed on top of it would go with it when the power does, synced or not.
pub(super) fn fold_in(conn: &Connection) -> Result<(), LedgerError> {
    match conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))? {
        0 => Ok(()),
        _busy => Err(LedgerError::Busy),
    }
}

fn commit(conn: &Connection) -> Result<(), LedgerError> {
    if conn.is_autocommit() {
        return Err(undone());
    }
    conn.execute_batch("COMMIT").map_err(|cause| {
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
