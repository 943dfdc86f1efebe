//! Which outcomes somebody has heard. That is noted with whatever is written next, and soon in any case: no answer waits
//! for it, and it costs no commit of its own while purchases follow each other. Until then it is known here. What is lost
//! with this process is told once more as if nobody had heard it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::engine::{Conn, named};
use super::read::Entry;
use super::{Ledger, LedgerError, Sync};

/// Rows that are not noted yet.
#[derive(Clone, Default)]
pub struct HandedOver(Arc<Mutex<BTreeSet<i64>>>);

const SOON: Duration = Duration::from_millis(250);

impl HandedOver {
    /// As it will be noted.
    pub fn in_entry(&self, entry: Entry) -> Entry {
        let handed = entry.handed || (has_outcome(&entry) && self.rows().contains(&entry.row));
        Entry { handed, ..entry }
    }

    /// Notes what was heard until now. That an outcome is not known yet is none.
    pub fn note(&self, conn: &dyn Conn) -> Result<(), LedgerError> {
        let rows = std::mem::take(&mut *self.rows());
        let note = "UPDATE purchase SET handed = 1
              WHERE row = :row AND handed = 0 AND (answered_at IS NOT NULL OR state IN ('settled', 'lapsed'))";
        for row in rows {
            conn.note(note, named! { ":row": row })?;
        }
        Ok(())
    }

    fn rows(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_outcome(entry: &Entry) -> bool {
    entry.answered_at.is_some() || matches!(entry.state.as_str(), "settled" | "lapsed")
}

impl Ledger {
    /// Somebody has heard the outcome of this purchase, if it has one.
    pub fn hand_over(&self, row: i64) {
        let is_first = {
            let mut rows = self.handed_over.rows();
            rows.insert(row) && rows.len() == 1
        };
        if is_first {
            let ledger = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SOON).await;
                let _ = ledger.note_handed_over().await;
            });
        }
    }

    /// Notes what was heard, now.
    pub async fn note_handed_over(&self) -> Result<(), LedgerError> {
        let is_noted = self.handed_over.rows().is_empty();
        if is_noted {
            return Ok(());
        }
        // It goes along with everything that is written.
        self.writer.write(Sync::Lazy, |_| Ok(())).await
    }
}
