//! Where the database is written: the wallet's row is locked first and in a statement of its own, so that one writes at a
//! time on whatever machine, and what is read afterwards is what the one before wrote.
//!
//! A commit whose answer is lost, or that came with a warning, is settled behind a fence: the wallet's row is locked anew,
//! which waits for whatever is still under way, and our own mark is read. If that transaction commits clean, what it has
//! read is as safe as what it wrote.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::super::LedgerError;
use super::super::engine::{Conn, Work, named};
use super::super::writer::{Patience, Sync, Wanted, WritingDesk};
use super::connect::{ServerClock, ServerPlace, ServerUse, lead};
use super::watch::Watching;
use super::wire::{NoAnswer, ServerWire};
use super::{Shared, schema};

pub struct ServerDesk {
    shared: Arc<Shared>,
    watch: Watching,
    /// None: there is no connection, or it is not worth having.
    session: Option<ServerWire>,
    /// How many transactions had written, with the one that has begun.
    seq: i64,
    /// How many batches this process has committed, or tried to.
    batches: u64,
}

/// How long the server may take for one answer: longer than a lock may be waited for.
const ANSWER: Duration = Duration::from_secs(12);
/// How long a commit whose answer was lost is asked after. A failover takes two thirds of it.
const FENCE: Duration = Duration::from_secs(45);

impl ServerDesk {
    pub fn new(shared: Arc<Shared>, watch: Watching) -> ServerDesk {
        ServerDesk { shared, watch, session: None, seq: 0, batches: 0 }
    }

    /// The connection there is, or a new one.
    fn session(&mut self) -> Result<&ServerWire, LedgerError> {
        if self.session.as_ref().is_some_and(ServerWire::is_closed) {
            self.session = None;
        }
        match &mut self.session {
            Some(session) => Ok(session),
            empty => {
                let (session, _) = lead(&self.shared.place, &self.shared.seen, ServerUse::Write, ANSWER)?;
                Ok(empty.insert(session))
            }
        }
    }

    /// Takes the wallet's row.
    fn lock(&mut self) -> Result<(), LedgerError> {
        let shared = self.shared.clone();
        let schema = schema::quoted(&shared.place.schema);
        let newest = match shared.place.clock {
            ServerClock::Server => format!("greatest(newest, {CLOCK})"),
            ServerClock::Ours => "newest".to_owned(),
        };
        let session = self.session()?;
        let text = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL search_path TO {schema}; \
             SET LOCAL synchronous_commit TO on; SET LOCAL client_min_messages TO notice; \
             SET LOCAL lock_timeout TO '10s'; SET LOCAL statement_timeout TO '11s'; \
             SET LOCAL idle_in_transaction_session_timeout TO '5s'; \
             UPDATE ledger SET seq = seq + 1, newest = {newest} WHERE one = 1 \
             RETURNING {CLOCK}, version, current_setting('bursar.session', true), seq"
        );
        let said = session.say(&text, ANSWER);
        if said.as_ref().is_err_and(NoAnswer::is_end) {
            // There is nobody to say more to.
            self.session = None;
            return Err(said.err().map_or_else(LedgerError::gone, LedgerError::from));
        }
        let locked = said.map_err(LedgerError::from).and_then(|row| {
            let seq = row.as_ref().and_then(|row| row.get(3)?.as_ref()?.parse().ok());
            Ok((schema::begun(session, &shared.place, row)?, seq.unwrap_or_default()))
        });
        match locked {
            Ok((at, seq)) => {
                session.begun(at);
                self.seq = seq;
                Ok(())
            }
            Err(cause) => {
                self.undo();
                Err(cause)
            }
        }
    }

    fn undo(&mut self) {
        if let Some(session) = &self.session {
            session.ended();
            let undone = session.say("ROLLBACK", Duration::from_secs(3));
            if undone.is_err() {
                self.session = None;
            }
        }
    }

    /// Whether a batch of ours is committed, once that is certain.
    fn fence(&mut self, batch: u64) -> Result<bool, LedgerError> {
        const PAUSE: Duration = Duration::from_millis(200);
        let until = Instant::now() + FENCE;
        loop {
            match self.ask_behind_a_fence(batch) {
                Ok(is_there) => return Ok(is_there),
                Err(cause) if Instant::now() >= until => return Err(cause),
                Err(cause) => tracing::debug!("whether a commit is kept is not known yet: {cause}"),
            }
            self.session = None;
            thread::sleep(PAUSE);
        }
    }

    fn ask_behind_a_fence(&mut self, batch: u64) -> Result<bool, LedgerError> {
        self.lock()?;
        let session = self.session.as_ref().ok_or_else(LedgerError::gone)?;
        let mark = session.mark_of(&self.shared.holder)?;
        match commit(session, &self.shared.place) {
            Committed::Clean => Ok(mark.flatten().as_deref() == Some(batch.to_string().as_str())),
            Committed::Not(cause) => Err(cause.into()),
            Committed::Unknown(cause) => Err(LedgerError::Unready(cause)),
        }
    }
}

/// The server's time, in milliseconds: as it is now, not as it was before the wait for a lock.
pub const CLOCK: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

impl ServerWire {
    /// The last batch that a process says it has committed.
    fn mark_of(&self, holder: &str) -> Result<Option<Option<String>>, LedgerError> {
        let conn: &dyn Conn = self;
        conn.find("SELECT mark FROM holder WHERE name = :name", named! { ":name": holder }, |row| row.get(0))
    }
}

impl WritingDesk for ServerDesk {
    /// Nobody waits for a server on a thread that others need.
    fn take_turn(&mut self, patience: Patience) -> Result<bool, LedgerError> {
        if patience == Patience::InAHurry {
            return Ok(false);
        }
        let had_one = self.session.is_some();
        match self.lock() {
            // The connection had died while it was idle: nothing was asked over it.
            Err(LedgerError::Unready(_)) if had_one && self.session.is_none() => self.lock()?,
            locked => locked?,
        }
        Ok(true)
    }

    fn give_turn_back(&mut self) {
        if self.session.as_ref().is_some_and(Conn::is_within) {
            self.undo();
        }
    }

    fn begin(&mut self, _: Sync, _: Wanted<'_>, _: Patience) -> Result<bool, LedgerError> {
        // Whoever is about to hold leases shows that it lives.
        self.watch.begin();
        self.batches += 1;
        let (batch, holder) = (self.batches.to_string(), self.shared.holder.clone());
        let session = self.session.as_ref().ok_or_else(LedgerError::gone)?;
        // Committed with everything else, or not.
        let mark = "INSERT INTO holder (name, machine, mark, beats) VALUES (:name, :machine, :mark, clock_ms())
                    ON CONFLICT (name) DO UPDATE SET mark = excluded.mark";
        session.note(
            mark,
            named! {
                ":name": holder,
                ":machine": self.shared.machine,
                ":mark": batch,
            },
        )?;
        Ok(true)
    }

    fn conn(&self) -> Option<&dyn Conn> {
        self.session.as_ref().map(|session| session as &dyn Conn)
    }

    fn commit(&mut self, _: usize) -> Result<(), LedgerError> {
        let session = self.session.as_ref().ok_or_else(LedgerError::gone)?;
        let unknown = match commit(session, &self.shared.place) {
            Committed::Clean => {
                self.shared.version.fetch_max(self.seq, Ordering::AcqRel);
                return Ok(());
            }
            Committed::Not(failed) if failed.is_worth_another_try() => {
                self.undo();
                return Err(LedgerError::Again);
            }
            Committed::Not(failed) => {
                self.undo();
                return Err(LedgerError::Undone(LedgerError::from(failed).to_string()));
            }
            Committed::Unknown(why) => why,
        };
        tracing::warn!("whether the database has kept what was written is not known yet: {unknown}");
        self.session = None;
        match self.fence(self.batches) {
            Ok(true) => Ok(()),
            Ok(false) => Err(LedgerError::Undone(unknown)),
            Err(cause) => Err(LedgerError::CommitFailed(format!("{unknown}; {cause}"))),
        }
    }

    fn look(&self, _: &mut Work<'_>) -> Option<Result<(), LedgerError>> {
        None
    }

    fn wipe(&mut self) -> Result<(), LedgerError> {
        Ok(())
    }
}

/// What came of a commit.
enum Committed {
    /// It is there, and on as many servers as it has to be.
    Clean,
    /// It is not, and never will be.
    Not(NoAnswer),
    /// It may be, or may yet come to be, or be forgotten.
    Unknown(String),
}

/// A commit counts where the server says so, says nothing besides, and, where another server has to have it, proves that.
fn commit(session: &ServerWire, place: &ServerPlace) -> Committed {
    let earlier = session.take_warnings();
    let (noted, ended) = session.end("COMMIT", ANSWER);
    session.ended();
    let warnings = session.take_warnings();
    match (noted, ended) {
        // The server said no before it was asked to commit, and so undid everything.
        (Err(failed @ NoAnswer::Refused { .. }), _) if !failed.is_end() => return Committed::Not(failed),
        (Err(failed), _) => return Committed::Unknown(LedgerError::from(failed).to_string()),
        (Ok(()), Err(failed)) if failed.is_no_to_a_commit() => return Committed::Not(failed),
        (Ok(()), Err(failed)) => return Committed::Unknown(LedgerError::from(failed).to_string()),
        (Ok(()), Ok(())) => {}
    }
    if let Some(warning) = warnings.first().or(earlier.first()) {
        return Committed::Unknown(format!("the database warns: {warning}"));
    }
    match place.needs_standby.then(|| prove(session, &place.schema)) {
        None | Some(Ok(true)) => Committed::Clean,
        Some(Ok(false)) => Committed::Unknown("no other server has it".to_owned()),
        Some(Err(failed)) => Committed::Unknown(LedgerError::from(failed).to_string()),
    }
}

/// Whether a standby has everything that was written until now.
fn prove(session: &ServerWire, schema: &str) -> Result<bool, NoAnswer> {
    const TRIES: u64 = 50;
    let text = format!(
        "SELECT current_setting('synchronous_standby_names') <> '' AND {}.ledger_standbys(pg_current_wal_flush_lsn()) >= 1",
        schema::quoted(schema)
    );
    for nth in 0..TRIES {
        let row = session.say(&text, ANSWER)?.unwrap_or_default();
        if row.first().cloned().flatten().as_deref() == Some("t") {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(nth));
    }
    Ok(false)
}
