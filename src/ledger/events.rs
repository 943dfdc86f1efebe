//! What happened, append-only, each event sealed to the one before it.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::LedgerError;
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
pub fn append(
    conn: &Connection,
    purchase: Option<i64>,
    at: Time,
    kind: &str,
    detail: &Value,
) -> Result<(), LedgerError> {
    let detail = detail.to_string();
    let hash = seal(&newest_hash(conn)?, purchase, at, kind, &detail);
    conn.prepare_cached(
        "INSERT INTO event (purchase, at, kind, detail, hash) VALUES (:purchase, :at, :kind, :detail, :hash)",
    )?
    .execute(named_params! {
        ":purchase": purchase,
        ":at": at.millis(),
        ":kind": kind,
        ":detail": detail,
        ":hash": hash.as_slice(),
    })?;
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
pub fn of_purchase(conn: &Connection, row: i64) -> Result<Vec<StoredEvent>, LedgerError> {
    let mut query = conn
        .prepare_cached("SELECT id, purchase, at, kind, detail, hash FROM event WHERE purchase = :row ORDER BY id")?;
    let events = query.query_map(named_params! { ":row": row }, read)?.collect::<Result<_, _>>()?;
    Ok(events)
}

/// Walks the whole chain of events, oldest first.
pub fn each(conn: &Connection, mut visit: impl FnMut(StoredEvent)) -> Result<(), LedgerError> {
    let mut query = conn.prepare("SELECT id, purchase, at, kind, detail, hash FROM event ORDER BY id")?;
    for event in query.query_map([], read)? {
        visit(event?);
    }
    Ok(())
}

/// How far the history has come.
pub fn newest(conn: &Connection) -> Result<i64, LedgerError> {
    Ok(conn.prepare_cached("SELECT coalesce(max(id), 0) FROM event")?.query_row([], |row| row.get(0))?)
}

fn newest_hash(conn: &Connection) -> Result<Vec<u8>, LedgerError> {
    let newest = conn
        .prepare_cached("SELECT hash FROM event ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or_default())
}

pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent {
        id: row.get(0)?,
        purchase: row.get(1)?,
        at: Time::from_millis(row.get(2)?),
        kind: row.get(3)?,
        detail: row.get(4)?,
        hash: row.get(5)?,
    })
}
