//! The wallet's tables in their own schema, and how an empty one becomes a ledger.

use super::super::LedgerError;
use super::super::engine::{Conn, named};
use super::connect::{ServerClock, ServerPlace};
use super::desk::CLOCK;
use super::wire::{NoAnswer, ServerWire};
use crate::settlement::Standing;
use crate::time::Time;

const TABLES: &str = include_str!("schema.sql");
/// Of these tables.
const VERSION: i64 = 1;

/// A name as it stands in a statement.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What a transaction says as it begins: the time, the version of the tables, and over which connection it goes.
pub fn begun(
    wire: &ServerWire,
    place: &ServerPlace,
    row: Option<Vec<Option<String>>>,
) -> Result<Option<Time>, LedgerError> {
    let row = row.ok_or_else(|| LedgerError::Damaged("the schema has no ledger in it".to_owned()))?;
    let text = |nth: usize| row.get(nth).and_then(Option::as_deref).unwrap_or_default();
    if text(2) != wire.mark() {
        return Err(LedgerError::Io("the connection was given to somebody else".to_owned()));
    }
    let number = |nth: usize| text(nth).parse::<i64>().map_err(super::super::damaged);
    match number(1)? {
        VERSION if place.clock == ServerClock::Ours => Ok(None),
        VERSION => Ok(Some(Time::from_millis(number(0)?))),
        found => Err(LedgerError::Newer { found: found as i32, known: VERSION as i32 }),
    }
}

/// Makes the tables where there are none. `id` names the ledger if it is new.
pub fn prepare(wire: &ServerWire, place: &ServerPlace, id: &str) -> Result<(), LedgerError> {
    if !is_there(wire, place)? {
        match make(wire, place, id) {
            // Somebody else was faster.
            Err(_) if is_there(wire, place)? => {}
            made => made?,
        }
    }
    Ok(())
}

pub fn is_there(wire: &ServerWire, place: &ServerPlace) -> Result<bool, LedgerError> {
    let table = format!("{}.ledger", quoted(&place.schema)).replace('\'', "''");
    let row = wire.say(&format!("SELECT to_regclass('{table}') IS NOT NULL"), wire.patience())?;
    Ok(row.unwrap_or_default().first().cloned().flatten().as_deref() == Some("t"))
}

fn make(wire: &ServerWire, place: &ServerPlace, id: &str) -> Result<(), LedgerError> {
    let schema = quoted(&place.schema);
    let begin = format!(
        "BEGIN; SET LOCAL synchronous_commit TO on; CREATE SCHEMA IF NOT EXISTS {schema}; \
         SET LOCAL search_path TO {schema}; {TABLES}; SELECT {CLOCK}"
    );
    let made = wire.say(&begin, wire.patience()).map_err(LedgerError::from).and_then(|row| {
        let now = row.and_then(|row| row.first().cloned().flatten()?.parse().ok());
        let now = Time::from_millis(now.ok_or_else(LedgerError::gone)?);
        let began = if place.clock == ServerClock::Ours { Time::from_millis(0) } else { now };
        wire.begun(Some(began));
        fill(wire, id, began)
    });
    let (noted, ended) = wire.end(if made.is_ok() { "COMMIT" } else { "ROLLBACK" }, wire.patience());
    wire.ended();
    made?;
    noted.and(ended).map_err(NoAnswer::into)
}

fn fill(conn: &dyn Conn, id: &str, now: Time) -> Result<(), LedgerError> {
    conn.note(
        "INSERT INTO ledger (one, id, newest, version) VALUES (1, :id, :now, :version)",
        named! { ":id": id, ":now": now.millis(), ":version": VERSION },
    )?;
    for (from, to) in Standing::MOVES {
        conn.note(
            "INSERT INTO legal_move (state, proof, next_state, next_proof) VALUES (:state, :proof, :next, :next_proof)",
            named! {
                ":state": from.state.as_str(), ":proof": from.proof.as_str(),
                ":next": to.state.as_str(), ":next_proof": to.proof.as_str(),
            },
        )?;
    }
    Ok(())
}
