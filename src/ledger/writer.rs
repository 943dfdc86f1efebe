//! Whoever has something to write does it at once, on its own thread, if nobody else is writing; what others hand in
//! meanwhile shares the next commit, each piece with a savepoint of its own. So one purchase at a time hops between no
//! threads, and many at a time sync together.
//!
//! Where the turn has to be waited for, only a thread of the ledger's own does that, and it alone goes on where there is
//! always more to write. A piece of work that has waited too long is given up by its caller before it has begun, never
//! after.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::LedgerError;
use super::engine::{Conn, Work};
use crate::limits;

/// Where an engine is written: one piece after the other, in turn with every other process.
pub trait WritingDesk: Send {
    /// Takes the turn among processes; `false` where another has it, and nobody here may wait.
    fn take_turn(&mut self, patience: Patience) -> Result<bool, LedgerError>;

    /// Lets the next one have it. What was begun and not committed is undone.
    fn give_turn_back(&mut self);

    /// Begins a transaction, for as long as it is wanted; `false` where it would have to be waited for, and nobody may.
    fn begin(&mut self, sync: Sync, wanted: Wanted<'_>, patience: Patience) -> Result<bool, LedgerError>;

    /// The connection that is written through, once a transaction has begun.
    fn conn(&self) -> Option<&dyn Conn>;

    /// Commits so many pieces of work. What is told as failed may have happened all the same.
    fn commit(&mut self, pieces: usize) -> Result<(), LedgerError>;

    /// Looks through the eyes of whoever writes, where that saves anything.
    fn look(&self, work: &mut Work<'_>) -> Option<Result<(), LedgerError>>;

    /// Makes sure that what was erased does not stay readable beside the ledger.
    fn wipe(&mut self) -> Result<(), LedgerError>;
}

/// Whether anybody still waits.
pub type Wanted<'w> = &'w dyn Fn() -> bool;

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
type Run = Box<dyn FnOnce(Result<&dyn Conn, LedgerError>) -> Deliver + Send>;

/// Tells the caller what came of its work, once the commit is decided.
type Deliver = Box<dyn FnOnce(Result<(), LedgerError>) + Send>;

/// What is written with everything else, and holds nothing up where it cannot be.
pub type Along = Box<dyn Fn(&dyn Conn) + Send + std::marker::Sync>;

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
    /// At a desk. `wait` is how long a caller waits for its work to begin; `along` is done with everything that is
    /// written.
    pub fn start(desk: Box<dyn WritingDesk>, wait: Duration, along: Along) -> Result<Writer, LedgerError> {
        let (call, calls) = mpsc::sync_channel(1);
        let office = Arc::new(Office { inbox: Mutex::default(), desk: Mutex::new(desk), along, call });
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
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let turn = Arc::new(Turn(AtomicU8::new(Turn::WAITING)));
        let run = Box::new(move |conn: Result<&dyn Conn, LedgerError>| {
            let done = conn.and_then(|conn| in_savepoint(conn, work));
            Box::new(move |commit: Result<(), LedgerError>| {
                let _ = tell.send(commit.and(done));
            }) as Deliver
        });
        self.office.hand_in(Job { sync, turn: turn.clone(), run });
        wait(told, &turn, self.wait).await
    }

    /// In turn with whoever writes.
    pub fn wipe(&self) -> Result<(), LedgerError> {
        self.office.desk.lock().unwrap_or_else(PoisonError::into_inner).wipe()
    }

    /// Looks at what is written through the eyes of whoever writes. The work comes back where somebody is writing now, or
    /// nothing is saved.
    pub fn look<T, W>(&self, work: W) -> Result<Result<T, LedgerError>, W>
    where
        W: FnOnce(&dyn Conn) -> Result<T, LedgerError>,
    {
        let Ok(desk) = self.office.desk.try_lock() else { return Err(work) };
        let (mut work, mut told) = (Some(work), None);
        let looked = desk.look(&mut |conn| {
            if let Some(work) = work.take() {
                told = Some(work(conn)?);
            }
            Ok(())
        });
        match (looked, work) {
            (None, Some(work)) => Err(work),
            (Some(Err(cause)), _) => Ok(Err(cause)),
            (_, _) => Ok(told.ok_or_else(LedgerError::gone)),
        }
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

fn in_savepoint<T>(conn: &dyn Conn, work: impl FnOnce(&dyn Conn) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    // A full disk may have undone the whole transaction under an earlier piece of work. A savepoint would then begin
    // one of its own, and what it commits would be told as failed.
    if !conn.is_within() {
        return Err(undone());
    }
    run(conn, "SAVEPOINT one")?;
    // Waited for, so that whatever is wrong with this work is heard before the next one's begins.
    let done = caught(|| work(conn)).and_then(|told| conn.run("RELEASE one", &[]).map(|_| told));
    if done.is_err() && conn.is_within() {
        let undone = run(conn, "ROLLBACK TO one").and_then(|()| conn.run("RELEASE one", &[]));
        if let Err(cause) = undone {
            // Half of this work must not be committed with the others'.
            let _ = run(conn, "ROLLBACK");
            return Err(cause);
        }
    }
    done
}

/// A panic is a fault of one piece of work: everybody else's goes on.
pub fn caught<T>(work: impl FnOnce() -> Result<T, LedgerError>) -> Result<T, LedgerError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(LedgerError::Io("a fault inside bursar".to_owned())))
}

/// A statement of no parameters and no rows.
pub fn run(conn: &dyn Conn, sql: &str) -> Result<(), LedgerError> {
    conn.note(sql, &[])
}

/// The transaction has ended before its end.
pub fn undone() -> LedgerError {
    LedgerError::CommitFailed("the database undid it before the end".to_owned())
}

/// Where work is handed in, and the one desk at which it is done.
struct Office {
    inbox: Mutex<VecDeque<Job>>,
    desk: Mutex<Box<dyn WritingDesk>>,
    along: Along,
    /// For the thread that may wait: one call is as good as many.
    call: mpsc::SyncSender<()>,
}

/// Whether whoever works may wait for another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
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
            Ok(true) => self.commit_together(desk.as_mut(), self.batch(), patience),
            Ok(false) => return,
            Err(cause) => Done::Failed(self.batch(), cause),
        };
        desk.give_turn_back();
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

    fn commit_together(&self, desk: &mut dyn WritingDesk, batch: Vec<Job>, patience: Patience) -> Done {
        let Some(sync) = batch.iter().map(|job| job.sync).max() else { return Done::NotBegun(batch) };
        let is_wanted = || !batch.iter().all(|job| job.turn.is_given_up());
        match desk.begin(sync, &is_wanted, patience) {
            Ok(true) => {}
            Ok(false) => return Done::NotBegun(batch),
            Err(cause) => return Done::Failed(batch, cause),
        }
        let Some(conn) = desk.conn() else { return Done::Failed(batch, LedgerError::gone()) };
        (self.along)(conn);
        // Whoever gave up while we waited is not here any more.
        let begun = batch.into_iter().filter(|job| job.turn.begin());
        let deliveries: Vec<Deliver> = begun.map(|job| (job.run)(Ok(conn))).collect();
        let outcome = desk.commit(deliveries.len());
        Done::Committed(deliveries, outcome)
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
    /// Somebody else is writing, and nobody here may wait for it.
    NotBegun(Vec<Job>),
}

fn fail(batch: Vec<Job>, cause: &LedgerError) {
    for job in batch.into_iter().filter(|job| job.turn.begin()) {
        (job.run)(Err(cause.clone()))(Ok(()));
    }
}
