//! SQLite's side of the port: statements are prepared once and kept.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, Statement, ToSql};

use super::super::engine::{Conn, Given, LedgerRow, Value, Visit};
use super::super::listing::ENTER;
use super::super::{LedgerError, damaged};
use crate::time::Time;

impl Conn for Connection {
    fn run(&self, sql: &str, given: &Given<'_>) -> Result<usize, LedgerError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, given)?;
        Ok(statement.raw_execute()?)
    }

    fn note(&self, sql: &str, given: &Given<'_>) -> Result<(), LedgerError> {
        self.run(sql, given).map(drop)
    }

    fn visit(&self, sql: &str, given: &Given<'_>, visit: &mut Visit<'_>) -> Result<(), LedgerError> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, given)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if !visit(row)? {
                break;
            }
        }
        Ok(())
    }

    fn is_within(&self) -> bool {
        !self.is_autocommit()
    }

    fn time(&self, now: Time) -> Time {
        now
    }

    fn keeps_budgets(&self) -> bool {
        false
    }

    fn entering(&self) -> &'static [&'static str] {
        &ENTER
    }
}

fn bind(statement: &mut Statement<'_>, given: &Given<'_>) -> Result<(), LedgerError> {
    for (nth, (name, value)) in given.iter().enumerate() {
        let at = match *name {
            "" => nth + 1,
            name => match statement.parameter_index(name)? {
                Some(at) => at,
                None => return Err(LedgerError::Io(format!("no parameter is called {name}"))),
            },
        };
        match value {
            Value::Null => statement.raw_bind_parameter(at, rusqlite::types::Null),
            Value::Number(number) => statement.raw_bind_parameter(at, number),
            Value::Text(text) => statement.raw_bind_parameter(at, text),
            Value::Bytes(bytes) => statement.raw_bind_parameter(at, bytes as &dyn ToSql),
        }?;
    }
    Ok(())
}

impl LedgerRow for rusqlite::Row<'_> {
    fn value(&self, nth: usize) -> Result<Value<'_>, LedgerError> {
        Ok(match self.get_ref(nth)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Number(number),
            ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(damaged)?),
            ValueRef::Blob(bytes) => Value::Bytes(bytes),
            ValueRef::Real(_) => return Err(damaged("there is a fraction in the ledger, which has none")),
        })
    }

    fn nth(&self, name: &str) -> Result<usize, LedgerError> {
        Ok(self.as_ref().column_index(name)?)
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(cause: rusqlite::Error) -> LedgerError {
        match cause.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Busy,
            Some(ErrorCode::DiskFull) => LedgerError::Full,
            Some(ErrorCode::ReadOnly) => LedgerError::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => LedgerError::Damaged(cause.to_string()),
            _ => LedgerError::Io(cause.to_string()),
        }
    }
}
