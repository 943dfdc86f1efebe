//! The ledger in a PostgreSQL database: any number of machines, one writer at a time.

mod connect;
mod desk;
mod roles;
mod schema;
mod sql;
mod watch;
mod wire;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connect::{Seen, ServerUse, lead};
pub use connect::{ServerClock, ServerPlace, ServerProof, ServerStanding, examine};
pub use roles::{LedgerRoles, make as make_roles};
use wire::ServerWire;

use super::engine::{Conn, Engine, Work};
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
    /// Connections nobody looks through now, each with the timeline of its server.
    readers: Mutex<Vec<(u32, ServerWire)>>,
    watch: watch::Watching,
}

/// How long a server may take to begin or end a look.
const SOON: Duration = Duration::from_secs(3);
/// A look may read much.
const ANSWER: Duration = Duration::from_secs(120);
/// What a purchase looks at on its way is little.
const ON_THE_WAY: Duration = Duration::from_secs(10);
/// Looks at a time that find their connection made.
const READERS: usize = 3;

/// Opens the ledger in a database, or begins one: to look at, and to write to. `nonce` is fresh randomness that names
/// this process and, if the schema is empty, the ledger.
pub fn open(place: ServerPlace, nonce: [u8; 16]) -> Result<(Postgres, Box<dyn WritingDesk>), LedgerError> {
    let name = alloy_primitives::hex::encode(nonce);
    let seen = Seen::default();
    let (wire, standing) = lead(&place, &seen, ServerUse::Look, ANSWER)?;
    schema::prepare(&wire, &place, &format!("le_{name}"))?;
    let machine = wire.role()?;
    let holder = format!("{machine}-{}-{name}", std::process::id());
    let shared = Arc::new(Shared { place, seen, holder, machine, version: AtomicI64::new(0) });
    let watch = watch::Watching::of(shared.clone());
    let desk = desk::ServerDesk::new(shared.clone(), watch.clone());
    Ok((Postgres { shared, readers: Mutex::new(vec![(standing.timeline, wire)]), watch }, Box::new(desk)))
}

/// A ledger that is only looked at, by whoever cannot wait. Blocks.
pub fn at_a_glance<T: Send>(
    place: &ServerPlace,
    work: impl FnOnce(&dyn Conn) -> Result<T, LedgerError> + Send,
) -> Result<T, LedgerError> {
    const ANSWER: Duration = Duration::from_secs(1);
    let look = || {
        let (wire, _) = lead(place, &Seen::default(), ServerUse::Look, ANSWER)?;
        begin(&wire, place)?;
        work(&wire)
    };
    // A thread of its own: this one may be in the middle of something asynchronous.
    std::thread::scope(|scope| scope.spawn(look).join()).unwrap_or_else(|_| Err(LedgerError::gone()))
}

/// Begins a look.
fn begin(wire: &ServerWire, place: &ServerPlace) -> Result<(), LedgerError> {
    let text = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL search_path TO {}; SET LOCAL statement_timeout TO '110s'; \
         SELECT {}, version, current_setting('bursar.session', true) FROM ledger",
        schema::quoted(&place.schema),
        desk::CLOCK
    );
    let row = wire.say(&text, SOON)?;
    wire.begun(schema::begun(wire, place, row)?);
    Ok(())
}

impl Postgres {
    /// A connection in a look that has begun.
    fn reader(&self) -> Result<(u32, ServerWire), LedgerError> {
        let timeline = self.shared.seen.timeline();
        let idle = {
            let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            // Another server leads by now, or this connection has died.
            readers.retain(|(made, wire)| *made == timeline && !wire.is_closed());
            readers.pop()
        };
        if let Some((made, wire)) = idle
            && begin(&wire, &self.shared.place).is_ok()
        {
            return Ok((made, wire));
        }
        let (wire, standing) = lead(&self.shared.place, &self.shared.seen, ServerUse::Look, ANSWER)?;
        begin(&wire, &self.shared.place)?;
        Ok((standing.timeline, wire))
    }
}

impl Engine for Postgres {
    fn look(&self, much: bool, work: &mut Work<'_>) -> Result<(), LedgerError> {
        let (made, wire) = self.reader()?;
        wire.waits(if much { ANSWER } else { ON_THE_WAY });
        let told = super::writer::caught(|| work(&wire));
        let (_, ended) = wire.end("ROLLBACK", SOON);
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
        holder == self.shared.holder || self.watch.begin().is_none_or(|watch| watch.is_alive(holder))
    }

    fn version(&self) -> Result<i64, LedgerError> {
        self.watch.begin();
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

    /// A server that is cut off shows rows that the others will never have.
    fn shows_what_may_be_forgotten(&self) -> bool {
        true
    }
}

/// For tests: what another hand does to the tables, and the first column of the last row it sees.
#[cfg(test)]
pub fn by_hand(place: &ServerPlace, statements: &str) -> Result<Option<String>, LedgerError> {
    let text = format!("SET search_path TO {}; {statements}", schema::quoted(&place.schema));
    std::thread::scope(|scope| {
        let said = scope.spawn(|| Ok(lead(place, &Seen::default(), ServerUse::Look, ANSWER)?.0.say(&text, ANSWER)?));
        said.join()
            .unwrap()
            .map(|row: Option<Vec<Option<String>>>| row.and_then(|row| row.into_iter().next().flatten()))
    })
}
