//! What an engine gives the ledger: statements inside a transaction, and the rows they bring.
//!
//! The ledger's SQL stands once and is written so that every engine reads it alike. Parameters have names, values are whole
//! numbers, texts and bytes; a flag is the number 0 or 1.

use std::path::Path;

use super::{LedgerCopy, LedgerError, damaged};
use crate::time::Time;

/// A connection, in whatever transaction its engine has begun on it.
pub trait Conn {
    /// Runs a statement that brings no rows, and says how many it changed.
    fn run(&self, sql: &str, given: &Given<'_>) -> Result<usize, LedgerError>;

    /// Runs a statement, however many rows it changes. What is wrong with it is heard by whatever comes next in the same
    /// transaction, its end at the latest.
    fn note(&self, sql: &str, given: &Given<'_>) -> Result<(), LedgerError>;

    /// Shows the rows a statement brings, one after the other, until it is told to stop.
    fn visit(&self, sql: &str, given: &Given<'_>, visit: &mut Visit<'_>) -> Result<(), LedgerError>;

    /// Whether the transaction that was begun still stands.
    fn is_within(&self) -> bool;

    /// The time that all writers share, where the engine tells one: `now` is this machine's.
    fn time(&self, now: Time) -> Time;

    /// Whether the tables count each purchase against its budgets by themselves.
    fn keeps_budgets(&self) -> bool;

    /// The statements that enter in the log what waits for it.
    fn entering(&self) -> &'static [&'static str];
}

/// Looks at a row, and says whether it wants another.
pub type Visit<'v> = dyn FnMut(&dyn LedgerRow) -> Result<bool, LedgerError> + 'v;

/// A row as it lies there.
pub trait LedgerRow {
    /// What stands in a column.
    fn value(&self, nth: usize) -> Result<Value<'_>, LedgerError>;

    /// Where a column of this name stands.
    fn nth(&self, name: &str) -> Result<usize, LedgerError>;
}

/// What is given to a statement: by name, or nameless in the order of its question marks.
pub type Given<'a> = [(&'a str, Value<'a>)];

/// What a column or a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// Parameters by their names.
macro_rules! named {
    ($($name:literal: $value:expr),* $(,)?) => {
        &[$(($name, $crate::ledger::engine::Bind::bind(&$value))),*]
    };
}
/// Parameters in the order of the statement's question marks.
macro_rules! in_order {
    ($($value:expr),* $(,)?) => {
        &[$(("", $crate::ledger::engine::Bind::bind(&$value))),*]
    };
}
pub(crate) use {in_order, named};

/// A value that was put together beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owned {
    Number(i64),
    Text(String),
}

/// Values in the order of the statement's question marks.
pub fn in_their_order(values: &[Owned]) -> Vec<(&str, Value<'_>)> {
    values.iter().map(|value| ("", value.bind())).collect()
}

impl Bind for Owned {
    fn bind(&self) -> Value<'_> {
        match self {
            Owned::Number(number) => Value::Number(*number),
            Owned::Text(text) => Value::Text(text),
        }
    }
}

impl dyn Conn + '_ {
    /// The first row, if there is one.
    pub fn find<T>(
        &self,
        sql: &str,
        given: &Given<'_>,
        mut read: impl FnMut(&dyn LedgerRow) -> Result<T, LedgerError>,
    ) -> Result<Option<T>, LedgerError> {
        let mut found = None;
        self.visit(sql, given, &mut |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    /// The one row there always is.
    pub fn read<T>(
        &self,
        sql: &str,
        given: &Given<'_>,
        read: impl FnMut(&dyn LedgerRow) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        self.find(sql, given, read)?.ok_or_else(|| damaged("a row that is always there is not"))
    }

    /// Every row.
    pub fn list<T>(
        &self,
        sql: &str,
        given: &Given<'_>,
        mut read: impl FnMut(&dyn LedgerRow) -> Result<T, LedgerError>,
    ) -> Result<Vec<T>, LedgerError> {
        let mut all = Vec::new();
        self.each(sql, given, |row| {
            all.push(read(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// Every row, and none is kept.
    pub fn each(
        &self,
        sql: &str,
        given: &Given<'_>,
        mut visit: impl FnMut(&dyn LedgerRow) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        self.visit(sql, given, &mut |row| visit(row).map(|()| true))
    }

    /// Whether there is a row.
    pub fn has(&self, sql: &str, given: &Given<'_>) -> Result<bool, LedgerError> {
        Ok(self.find(sql, given, |_| Ok(()))?.is_some())
    }
}

impl dyn LedgerRow + '_ {
    /// What stands in a column, by its number or its name.
    pub fn get<I: Column, T: Read>(&self, column: I) -> Result<T, LedgerError> {
        T::read(self.value(column.nth(self)?)?)
    }
}

/// What names a column.
pub trait Column {
    fn nth(self, row: &dyn LedgerRow) -> Result<usize, LedgerError>;
}

impl Column for usize {
    fn nth(self, _: &dyn LedgerRow) -> Result<usize, LedgerError> {
        Ok(self)
    }
}

impl Column for &str {
    fn nth(self, row: &dyn LedgerRow) -> Result<usize, LedgerError> {
        row.nth(self)
    }
}

/// What can be read out of a column.
pub trait Read: Sized {
    fn read(value: Value<'_>) -> Result<Self, LedgerError>;
}

/// What can be given to a statement.
pub trait Bind {
    fn bind(&self) -> Value<'_>;
}

fn unlike(value: Value<'_>, wanted: &str) -> LedgerError {
    let found = match value {
        Value::Null => "nothing",
        Value::Number(_) => "a number",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
    };
    damaged(format!("there is {found} where {wanted} should be"))
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Read for $number {
            fn read(value: Value<'_>) -> Result<Self, LedgerError> {
                match value {
                    Value::Number(number) => {
                        number.try_into().map_err(|_| damaged(format!("the number {number} is out of its bounds")))
                    }
                    other => Err(unlike(other, "a number")),
                }
            }
        }
    )*};
}
numbers!(i64, u16, u32);

impl Read for bool {
    fn read(value: Value<'_>) -> Result<Self, LedgerError> {
        i64::read(value).map(|number| number != 0)
    }
}

impl Read for String {
    fn read(value: Value<'_>) -> Result<Self, LedgerError> {
        match value {
            Value::Text(text) => Ok(text.to_owned()),
            other => Err(unlike(other, "a text")),
        }
    }
}

impl Read for Vec<u8> {
    fn read(value: Value<'_>) -> Result<Self, LedgerError> {
        match value {
            Value::Bytes(bytes) => Ok(bytes.to_owned()),
            other => Err(unlike(other, "bytes")),
        }
    }
}

impl Read for [u8; 32] {
    fn read(value: Value<'_>) -> Result<Self, LedgerError> {
        Vec::read(value)?.try_into().map_err(|_| damaged("there are not 32 bytes where a fingerprint should be"))
    }
}

impl<T: Read> Read for Option<T> {
    fn read(value: Value<'_>) -> Result<Self, LedgerError> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
}

macro_rules! binds {
    ($($what:ty: |$value:ident| $bound:expr;)*) => {$(
        impl Bind for $what {
            fn bind(&self) -> Value<'_> {
                let $value = self;
                $bound
            }
        }
    )*};
}
binds! {
    i64: |number| Value::Number(*number);
    u16: |number| Value::Number((*number).into());
    u32: |number| Value::Number((*number).into());
    bool: |flag| Value::Number((*flag).into());
    str: |text| Value::Text(text);
    String: |text| Value::Text(text);
    [u8]: |bytes| Value::Bytes(bytes);
    [u8; 32]: |bytes| Value::Bytes(bytes);
    Vec<u8>: |bytes| Value::Bytes(bytes);
}

impl<T: Bind + ?Sized> Bind for &T {
    fn bind(&self) -> Value<'_> {
        (**self).bind()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn bind(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::bind)
    }
}

/// Where a ledger lies: what differs from one kind of place to another, and is not writing.
pub trait Engine: Send + Sync {
    /// Looks at what is written, all of it as it is at one moment: at much of it, or at a little that somebody waits for.
    /// What the work writes itself is undone.
    fn look(&self, much: bool, work: &mut Work<'_>) -> Result<(), LedgerError>;

    /// This process, as leases name it.
    fn holder(&self) -> &str;

    /// Whether whoever holds a lease still lives.
    fn is_alive(&self, holder: &str) -> bool;

    /// A number that changes when anybody has written. Asking costs next to nothing.
    fn version(&self) -> Result<i64, LedgerError>;

    /// What is wrong with the place itself, if anything is, as far as a quick look tells.
    fn damage(&self) -> Result<Option<String>, LedgerError>;

    /// Everything that is wrong with the place itself; all of it is read.
    fn violations(&self) -> Result<Vec<String>, LedgerError>;

    /// Writes a copy of it as it is now into a file that is not there yet.
    fn copy_to(&self, path: &Path) -> Result<LedgerCopy, LedgerError>;

    /// Whether what was erased can still be read somewhere, until [`WritingDesk::wipe`](super::writer::WritingDesk::wipe).
    fn keeps_erased(&self) -> bool;

    /// Whether a look may show what will turn out never to have been kept.
    fn shows_what_may_be_forgotten(&self) -> bool;
}

/// What is done in a transaction.
pub type Work<'w> = dyn FnMut(&dyn Conn) -> Result<(), LedgerError> + 'w;

/// Has something done once by whoever calls back, and hands over what came of it.
pub fn once<T>(
    work: impl FnOnce(&dyn Conn) -> Result<T, LedgerError>,
    through: impl FnOnce(&mut Work<'_>) -> Result<(), LedgerError>,
) -> Result<T, LedgerError> {
    let (mut work, mut told) = (Some(work), None);
    through(&mut |conn| {
        if let Some(work) = work.take() {
            told = Some(work(conn)?);
        }
        Ok(())
    })?;
    told.ok_or_else(LedgerError::gone)
}
