//! What happened, append-only, each event sealed to the one before it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::LedgerError;
use super::engine::{Conn, LedgerRow, named};
use crate::time::Time;

/// An event as it is stored.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its number.
    pub id: i64,
    /// The purchase.
    pub purchase: Option<i64>,
    /// When.
    pub at: Time,
    /// What kind it is.
    pub kind: String,
    /// What is known of it.
    pub detail: String,
    /// Over the one before it and this one.
    pub hash: Vec<u8>,
}

/// Appends one. `detail` holds facts, never secrets: signatures stay in their own table.
pub fn append(conn: &dyn Conn, purchase: Option<i64>, at: Time, kind: &str, detail: &Value) -> Result<(), LedgerError> {
    let detail = detail.to_string();
    let hash = seal(&newest_hash(conn)?, purchase, at, kind, &detail);
    conn.note(
        "INSERT INTO event (purchase, at, kind, detail, hash) VALUES (:purchase, :at, :kind, :detail, :hash)",
        named! {
            ":purchase": purchase,
            ":at": at.millis(),
            ":kind": kind,
            ":detail": detail,
            ":hash": hash.as_slice(),
        },
    )?;
    Ok(())
}

/// The seal of an event: everything before it is in `before`.
pub fn seal(before: &[u8], purchase: Option<i64>, at: Time, kind: &str, detail: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(purchase.unwrap_or(0).to_be_bytes());
    hash.update(at.millis().to_be_bytes());
    for text in [kind, detail] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// The events of one purchase, oldest first.
pub fn of_purchase(conn: &dyn Conn, row: i64) -> Result<Vec<StoredEvent>, LedgerError> {
    let query = "SELECT id, purchase, at, kind, detail, hash FROM event WHERE purchase = :row ORDER BY id";
    let events = conn.list(query, named! { ":row": row }, read)?;
    Ok(events)
}

/// Walks the whole chain of events, oldest first.
pub fn each(conn: &dyn Conn, mut visit: impl FnMut(StoredEvent)) -> Result<(), LedgerError> {
    let query = "SELECT id, purchase, at, kind, detail, hash FROM event ORDER BY id";
    conn.each(query, &[], |row| read(row).map(&mut visit))
}

/// How far the history has come.
pub fn newest(conn: &dyn Conn) -> Result<i64, LedgerError> {
    conn.read("SELECT coalesce(max(id), 0) FROM event", &[], |row| row.get(0))
}

fn newest_hash(conn: &dyn Conn) -> Result<Vec<u8>, LedgerError> {
    let newest = conn.find("SELECT hash FROM event ORDER BY id DESC LIMIT 1", &[], |row| row.get(0))?;
    Ok(newest.unwrap_or_default())
}

pub(super) fn read(row: &dyn LedgerRow) -> Result<StoredEvent, LedgerError> {
    Ok(StoredEvent {
        id: row.get(0)?,
        purchase: row.get(1)?,
        at: Time::from_millis(row.get(2)?),
        kind: row.get(3)?,
        detail: row.get(4)?,
        hash: row.get(5)?,
    })
}
