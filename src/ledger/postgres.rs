//! The ledger in a PostgreSQL database: any number of machines, one writer at a time.

mod connect;
mod desk;
mod schema;
mod sql;
mod watch;
mod wire;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect::{Seen, lead};
pub use connect::{ServerClock, ServerPlace, ServerProof};
use wire::ServerWire;

use super::engine::{Engine, Work};
use super::writer::WritingDesk;
use super::{LedgerCopy, LedgerError};

/// What everything that works on the database shares.
struct Shared {
    place: ServerPlace,
    seen: Seen,
    /// This process, as leases name it.
    holder: String,
    machine: String,
    /// How many transactions have written, as far as was heard.
    version: AtomicI64,
}

/// A database, as this process looks at it.
pub struct Postgres {
    shared: Arc<Shared>,
    /// Connections nobody looks through now, with how many had been made for writing when each was.
    readers: Mutex<Vec<(u64, ServerWire)>>,
    watch: watch::Watch,
}

/// A look may read much.
const ANSWER: Duration = Duration::from_secs(120);
/// Looks at a time that find their connection made.
const READERS: usize = 3;

/// Opens the ledger in a database, or begins one: to look at, and to write to. `nonce` is fresh randomness that names
/// this process and, if the schema is empty, the ledger.
pub fn open(place: ServerPlace, nonce: [u8; 16]) -> Result<(Postgres, Box<dyn WritingDesk>), LedgerError> {
    let name = alloy_primitives::hex::encode(nonce);
    let seen = Seen::default();
    let (wire, _) = lead(&place, &seen, ANSWER)?;
    schema::prepare(&wire, &place, &format!("le_{name}"))?;
    let machine = wire.role()?;
    let holder = format!("{machine}-{}-{name}", std::process::id());
    let shared = Arc::new(Shared { place, seen, holder, machine, version: AtomicI64::new(0) });
    let watch = watch::Watch::begin(shared.clone())?;
    let desk = desk::ServerDesk::new(shared.clone());
    Ok((Postgres { shared, readers: Mutex::new(vec![(0, wire)]), watch }, Box::new(desk)))
}

impl Postgres {
    /// A connection in a look that has begun.
    fn reader(&self) -> Result<(u64, ServerWire), LedgerError> {
        let generation = self.shared.seen.generation.load(Ordering::Acquire);
        let idle = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            readers.retain(|(made, wire)| *made == generation && !wire.is_closed());
            readers.pop()
        };
        if let Some((made, wire)) = idle
            && self.begin(&wire).is_ok()
        {
            return Ok((made, wire));
        }
        let (wire, _) = lead(&self.shared.place, &self.shared.seen, ANSWER)?;
        self.begin(&wire)?;
        Ok((generation, wire))
    }

    fn begin(&self, wire: &ServerWire) -> Result<(), LedgerError> {
        let text = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL search_path TO {}; SET LOCAL statement_timeout TO '110s'; \
             SELECT {}, version, current_setting('bursar.session', true) FROM ledger",
            schema::quoted(&self.shared.place.schema),
            desk::CLOCK
        );
        let row = wire.say(&text, wire.patience())?;
        wire.begun(schema::begun(wire, &self.shared.place, row)?);
        Ok(())
    }
}

impl Engine for Postgres {
    fn look(&self, work: &mut Work<'_>) -> Result<(), LedgerError> {
        let (made, wire) = self.reader()?;
        let told = super::writer::caught(|| work(&wire));
        let (_, ended) = wire.end("ROLLBACK", wire.patience());
        wire.ended();
        if ended.is_ok() {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            if readers.len() < READERS {
                readers.push((made, wire));
            }
        }
        told
    }

    fn holder(&self) -> &str {
        &self.shared.holder
    }

    fn is_alive(&self, holder: &str) -> bool {
        holder == self.shared.holder || self.watch.is_alive(holder)
    }

    fn version(&self) -> Result<i64, LedgerError> {
        Ok(self.shared.version.load(Ordering::Acquire))
    }

    fn damage(&self) -> Result<Option<String>, LedgerError> {
        Ok(None)
    }

    fn violations(&self) -> Result<Vec<String>, LedgerError> {
        Ok(Vec::new())
    }

    fn copy_to(&self, _: &Path) -> Result<LedgerCopy, LedgerError> {
        Err(LedgerError::NotNow("the ledger lies in a database, which is backed up by its own means".to_owned()))
    }

    fn keeps_erased(&self) -> bool {
        false
    }
}

/// For tests: what another hand does to the tables, and the first column of the last row it sees.
#[cfg(test)]
pub fn by_hand(place: &ServerPlace, statements: &str) -> Result<Option<String>, LedgerError> {
    let text = format!("SET search_path TO {}; {statements}", schema::quoted(&place.schema));
    std::thread::scope(|scope| {
        let said = scope.spawn(|| Ok(lead(place, &Seen::default(), ANSWER)?.0.say(&text, ANSWER)?));
        said.join()
            .unwrap()
            .map(|row: Option<Vec<Option<String>>>| row.and_then(|row| row.into_iter().next().flatten()))
    })
}
