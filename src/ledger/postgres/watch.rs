//! A process shows that it lives, and hears who else does and whether anybody has written. Beside everything else, on a
//! thread and a connection of its own.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::super::LedgerError;
use super::super::engine::{Conn, named};
use super::connect::{ServerUse, lead};
use super::desk::CLOCK;
use super::wire::ServerWire;
use super::{Shared, schema};

/// A watch that begins where somebody needs it: most commands never do.
#[derive(Clone)]
pub struct Watching {
    shared: Arc<Shared>,
    watch: Arc<OnceLock<Watch>>,
}

impl Watching {
    pub fn of(shared: Arc<Shared>) -> Watching {
        Watching { shared, watch: Arc::default() }
    }

    /// None: no thread can be had, and in doubt whoever is asked about lives.
    pub fn begin(&self) -> Option<&Watch> {
        if self.watch.get().is_none() {
            // Whoever comes second uses the first one's.
            let _ = self.watch.set(Watch::begin(self.shared.clone()).ok()?);
        }
        self.watch.get()
    }
}

/// What was heard last.
pub struct Watch {
    heard: Arc<Heard>,
    /// Dropped with this, and the thread ends.
    _stays: mpsc::Sender<()>,
}

type Heard = Mutex<BTreeSet<String>>;

/// How often it is asked: a freeze or a yes is heard within a second.
const PAUSE: Duration = Duration::from_millis(400);
/// A process is taken for dead when it has shown nothing for so long, by the database's time. Taken too early it does no
/// harm: the same bytes presented twice cannot pay twice.
const LEASE: Duration = Duration::from_secs(15);
/// How long the server may take for one answer.
const ANSWER: Duration = Duration::from_secs(5);

impl Watch {
    fn begin(shared: Arc<Shared>) -> Result<Watch, LedgerError> {
        let heard = Arc::new(Heard::default());
        let (stays, left) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let to = heard.clone();
        thread::Builder::new()
            .name("ledger-watch".to_owned())
            .spawn(move || {
                let mut wire = None;
                loop {
                    if let Err(cause) = look(&shared, &mut wire, &to) {
                        tracing::debug!("the database is not heard: {cause}");
                        wire = None;
                    }
                    let _ = begun.send(());
                    if left.recv_timeout(PAUSE) == Err(RecvTimeoutError::Disconnected) {
                        break;
                    }
                }
                if let Some(wire) = wire {
                    let _ = show(&shared, &wire, false);
                }
            })
            .map_err(|cause| LedgerError::Io(cause.to_string()))?;
        // What is told before anything was heard would be wrong.
        let _ = has_begun.recv_timeout(ANSWER);
        Ok(Watch { heard, _stays: stays })
    }

    pub fn is_alive(&self, holder: &str) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).contains(holder)
    }
}

fn look(shared: &Shared, wire: &mut Option<ServerWire>, heard: &Heard) -> Result<(), LedgerError> {
    let wire = match wire {
        Some(wire) => wire,
        empty => empty.insert(lead(&shared.place, &shared.seen, ServerUse::Look, ANSWER)?.0),
    };
    show(shared, wire, true)?;
    let schema = schema::quoted(&shared.place.schema);
    let oldest = format!("{CLOCK} - {}", LEASE.as_millis());
    let row = wire.say(
        &format!(
            "SELECT (SELECT seq FROM {schema}.ledger), \
                    (SELECT string_agg(name, ' ') FROM {schema}.holder WHERE beats > {oldest})"
        ),
        ANSWER,
    )?;
    let row = row.unwrap_or_default();
    let text = |nth: usize| row.get(nth).cloned().flatten().unwrap_or_default();
    shared.version.fetch_max(text(0).parse().unwrap_or_default(), Ordering::AcqRel);
    let living = text(1).split(' ').map(str::to_owned).collect();
    *heard.lock().unwrap_or_else(PoisonError::into_inner) = living;
    Ok(())
}

/// Shows that this process lives, or that it has ended. It may be lost with the power: it is shown again.
fn show(shared: &Shared, wire: &ServerWire, lives: bool) -> Result<(), LedgerError> {
    let schema = schema::quoted(&shared.place.schema);
    let begin = format!("BEGIN; SET LOCAL search_path TO {schema}; SET LOCAL synchronous_commit TO off");
    wire.say(&begin, ANSWER)?;
    let conn: &dyn Conn = wire;
    let shown = conn.run(
        "INSERT INTO holder (name, machine, beats)
         VALUES (:name, :machine, CASE WHEN :lives = 1 THEN clock_ms() ELSE 0 END)
         ON CONFLICT (name) DO UPDATE SET beats = excluded.beats",
        named! { ":name": shared.holder, ":machine": shared.machine, ":lives": lives },
    );
    let (_, ended) = wire.end(if shown.is_ok() { "COMMIT" } else { "ROLLBACK" }, ANSWER);
    shown?;
    ended.map_err(LedgerError::from)
}
