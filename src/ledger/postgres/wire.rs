//! One connection, worked by whatever thread has it: what it sends, and what it hears besides answers.
//!
//! What needs no answer is sent along with what does, so that a purchase makes few ways to the server and back.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures_util::future::{join_all, poll_fn};
use futures_util::{StreamExt, pin_mut};
use tokio::runtime::Runtime;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{AsyncMessage, Client, Connection, Error, SimpleQueryMessage, Statement};

use super::super::engine::{Conn, Given, LedgerRow, Value, Visit};
use super::super::{LedgerError, damaged};
use super::sql::Translated;
use crate::time::Time;

pub struct ServerWire {
    /// There is one until this is dropped.
    runtime: Option<Runtime>,
    client: Arc<Client>,
    /// Its name, which the server tells in every transaction: nobody has put another connection in its place.
    mark: String,
    /// How long the server may take for one answer, waits for locks included.
    answer: Cell<Duration>,
    /// Each with the statement it became: planned once, as long as the connection lives.
    known: RefCell<HashMap<String, Arc<Known>>>,
    /// Sent, or about to be, and nobody has asked yet what came of it.
    noted: RefCell<Vec<Noted>>,
    /// The server's warnings since they were last asked for.
    warnings: Arc<Mutex<Vec<String>>>,
    /// The time the server has told last.
    told: Cell<Option<Time>>,
    is_within: Cell<bool>,
}

struct Known {
    translated: Translated,
    statement: Statement,
}

type Noted = Pin<Box<dyn Future<Output = Result<u64, Error>> + Send>>;

impl ServerWire {
    /// Over a connection that is made by `connect`, on a runtime of its own.
    pub fn open<S, T>(
        runtime: Runtime,
        client: Client,
        mark: String,
        answer: Duration,
        mut connection: Connection<S, T>,
    ) -> ServerWire
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let warnings: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = warnings.clone();
        runtime.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notice(notice) = message
                    && !["NOTICE", "INFO", "LOG", "DEBUG"].contains(&notice.severity())
                {
                    let said = format!("{}: {}", notice.code().code(), notice.message());
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(said);
                }
            }
        });
        ServerWire {
            runtime: Some(runtime),
            client: Arc::new(client),
            mark,
            answer: Cell::new(answer),
            known: RefCell::default(),
            noted: RefCell::default(),
            warnings,
            told: Cell::default(),
            is_within: Cell::default(),
        }
    }

    /// Sends a text of statements as it is, and brings the last row.
    pub fn say(&self, text: &str, within: Duration) -> Result<Option<Vec<Option<String>>>, NoAnswer> {
        let said = async {
            let mut last = None;
            let stream = self.client.simple_query_raw(text).await?;
            pin_mut!(stream);
            while let Some(message) = stream.next().await {
                if let SimpleQueryMessage::Row(row) = message? {
                    last = Some((0..row.len()).map(|nth| row.get(nth).map(str::to_owned)).collect());
                }
            }
            Ok(last)
        };
        self.wait(within, said)
    }

    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Ends a transaction by this word, after all that was noted in it: what came of either.
    pub fn end(&self, word: &str, within: Duration) -> (Result<(), NoAnswer>, Result<(), NoAnswer>) {
        let noted = std::mem::take(&mut *self.noted.borrow_mut());
        let ended = self.wait(within, async {
            let noted = async { join_all(noted).await.into_iter().find_map(Result::err) };
            Ok(tokio::join!(noted, self.client.simple_query(word)))
        });
        match ended {
            Ok((noted, ended)) => {
                (noted.map_or(Ok(()), |wrong| Err(wrong.into())), ended.map(drop).map_err(Into::into))
            }
            Err(failed) => (Ok(()), Err(failed)),
        }
    }

    /// The server's warnings since this was asked last.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A transaction has begun, at the time that counts in it if that is not this process's own.
    pub fn begun(&self, at: Option<Time>) {
        self.told.set(at);
        self.is_within.set(true);
    }

    /// It has ended.
    pub fn ended(&self) {
        self.is_within.set(false);
        self.noted.borrow_mut().clear();
    }

    /// The role it is logged in as.
    pub fn role(&self) -> Result<String, NoAnswer> {
        let row = self.say("SELECT session_user", self.answer.get())?.unwrap_or_default();
        Ok(row.into_iter().flatten().next().unwrap_or_default())
    }

    /// How long the server may take for one answer.
    pub fn patience(&self) -> Duration {
        self.answer.get()
    }

    /// How long it may take from now on.
    pub fn waits(&self, answer: Duration) {
        self.answer.set(answer);
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Sends what was noted and this, and waits for all of it.
    fn after_noted<T>(&self, last: impl Future<Output = Result<T, Error>>) -> Result<T, NoAnswer> {
        let noted = std::mem::take(&mut *self.noted.borrow_mut());
        self.wait(self.answer.get(), async {
            // Each is sent when it is first looked at, in this order.
            let (noted, last) = tokio::join!(biased; join_all(noted), last);
            match noted.into_iter().find_map(Result::err) {
                Some(wrong) => Err(wrong),
                None => last,
            }
        })
    }

    fn wait<T>(&self, within: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, NoAnswer> {
        let Some(runtime) = &self.runtime else { return Err(NoAnswer::Silent) };
        let waited = runtime.block_on(async { tokio::time::timeout(within, work).await });
        let done = waited.map_err(|_| NoAnswer::Silent).and_then(|done| done.map_err(NoAnswer::from));
        if let Err(failed) = &done
            && failed.is_end()
        {
            self.is_within.set(false);
        }
        done
    }

    fn known(&self, sql: &str) -> Result<Arc<Known>, LedgerError> {
        if let Some(known) = self.known.borrow().get(sql) {
            return Ok(known.clone());
        }
        let translated = Translated::of(sql);
        let statement = self.after_noted(self.client.prepare(&translated.text))?;
        let known = Arc::new(Known { translated, statement });
        self.known.borrow_mut().insert(sql.to_owned(), known.clone());
        Ok(known)
    }
}

impl Drop for ServerWire {
    /// Whoever drops it may be in the middle of something asynchronous, and cannot wait for its runtime to end.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Conn for ServerWire {
    fn run(&self, sql: &str, given: &Given<'_>) -> Result<usize, LedgerError> {
        let known = self.known(sql)?;
        let values = known.translated.values(given)?;
        let changed = self.after_noted(self.client.execute_raw(&known.statement, values.into_iter().map(Sent)))?;
        Ok(changed as usize)
    }

    fn note(&self, sql: &str, given: &Given<'_>) -> Result<(), LedgerError> {
        let known = self.known(sql)?;
        let values: Vec<_> = known.translated.values(given)?.into_iter().map(Kept::of).collect();
        let client = self.client.clone();
        let mut sending: Noted = Box::pin(async move { client.execute_raw(&known.statement, values).await });
        // It is on its way when it is first looked at, and so in its order.
        if let Poll::Ready(done) = sending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            sending = Box::pin(async { done });
        }
        self.noted.borrow_mut().push(sending);
        Ok(())
    }

    fn visit(&self, sql: &str, given: &Given<'_>, visit: &mut Visit<'_>) -> Result<(), LedgerError> {
        let known = self.known(sql)?;
        let values = known.translated.values(given)?;
        let rows = self.after_noted(self.client.query_raw(&known.statement, values.into_iter().map(Sent)))?;
        pin_mut!(rows);
        let mut wants = true;
        // To the end, whatever is wanted: what stood behind it in line would wait for ever.
        while let Some(row) = self.wait(self.answer.get(), async { rows.next().await.transpose() })? {
            wants = wants && visit(&row)?;
        }
        Ok(())
    }

    fn is_within(&self) -> bool {
        self.is_within.get() && !self.client.is_closed()
    }

    fn time(&self, now: Time) -> Time {
        self.told.get().unwrap_or(now)
    }

    fn keeps_budgets(&self) -> bool {
        true
    }

    /// No role writes the log's tables; whoever waits may have it done.
    fn entering(&self) -> &'static [&'static str] {
        &["SELECT enter()"]
    }
}

impl LedgerRow for tokio_postgres::Row {
    fn value(&self, nth: usize) -> Result<Value<'_>, LedgerError> {
        self.try_get::<_, Found<'_>>(nth).map(|found| found.0).map_err(damaged)
    }

    fn nth(&self, name: &str) -> Result<usize, LedgerError> {
        let nth = self.columns().iter().position(|column| column.name() == name);
        nth.ok_or_else(|| LedgerError::Io(format!("no column is called {name}")))
    }
}

/// A value on its way to the server, in whatever shape that expects it.
#[derive(Debug)]
struct Sent<'a>(Value<'a>);

/// The same, for what is sent later than it was given.
#[derive(Debug)]
enum Kept {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Kept {
    fn of(value: Value<'_>) -> Kept {
        match value {
            Value::Null => Kept::Null,
            Value::Number(number) => Kept::Number(number),
            Value::Text(text) => Kept::Text(text.to_owned()),
            Value::Bytes(bytes) => Kept::Bytes(bytes.to_owned()),
        }
    }
}

impl ToSql for Kept {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let value = match self {
            Kept::Null => Value::Null,
            Kept::Number(number) => Value::Number(*number),
            Kept::Text(text) => Value::Text(text),
            Kept::Bytes(bytes) => Value::Bytes(bytes),
        };
        Sent(value).to_sql(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl ToSql for Sent<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (self.0, ty) {
            (Value::Null, _) => return Ok(IsNull::Yes),
            (Value::Number(number), &Type::INT8) => out.put_i64(number),
            (Value::Number(number), &Type::INT4) => out.put_i32(number.try_into()?),
            (Value::Number(number), &Type::TEXT) => out.put_slice(number.to_string().as_bytes()),
            (Value::Text(text), &Type::TEXT | &Type::VARCHAR | &Type::NAME) => out.put_slice(text.as_bytes()),
            (Value::Bytes(bytes), &Type::BYTEA) => out.put_slice(bytes),
            (value, ty) => return Err(format!("{value:?} is given where {ty} is expected").into()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A value as the server sent it.
struct Found<'a>(Value<'a>);

impl<'a> FromSql<'a> for Found<'a> {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Found<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Found(match *ty {
            Type::INT8 => Value::Number(i64::from_be_bytes(raw.try_into()?)),
            Type::INT4 => Value::Number(i32::from_be_bytes(raw.try_into()?).into()),
            Type::BOOL => Value::Number((raw != [0]).into()),
            Type::NUMERIC => Value::Number(whole(raw).ok_or("a sum is no whole number, or too large")?),
            Type::TEXT | Type::VARCHAR | Type::NAME => Value::Text(std::str::from_utf8(raw)?),
            Type::BYTEA => Value::Bytes(raw),
            ref other => return Err(format!("nothing of ours is a {other}").into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Found<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Found(Value::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A whole number of the type that sums have: digits to the base of 10,000, the greatest first.
fn whole(raw: &[u8]) -> Option<i64> {
    let word = |nth: usize| raw.get(nth * 2..nth * 2 + 2)?.try_into().ok().map(i16::from_be_bytes);
    let (digits, weight, sign) = (word(0)?, word(1)?, word(2)?);
    const NEGATIVE: i16 = 0x4000;
    if sign != 0 && sign != NEGATIVE {
        return None;
    }
    let mut sum: i64 = 0;
    for place in 0..=weight {
        let digit = if place < digits { word(4 + usize::try_from(place).ok()?)? } else { 0 };
        sum = sum.checked_mul(10_000)?.checked_sub(digit.into())?;
    }
    // What stands behind the point would be a fraction.
    let is_whole = digits <= weight.saturating_add(1);
    match (is_whole, sign) {
        (false, _) => None,
        (true, NEGATIVE) => Some(sum),
        (true, _) => sum.checked_neg(),
    }
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// It did not come in time.
    Silent,
    /// The connection is gone, and what it was about to say with it.
    Lost(String),
    /// The server says no.
    Refused { state: String, why: String },
}

impl NoAnswer {
    /// Whether nothing can be heard over this connection any more.
    pub fn is_end(&self) -> bool {
        match self {
            NoAnswer::Silent | NoAnswer::Lost(_) => true,
            NoAnswer::Refused { state, .. } => {
                ["57P", "08", "58", "XX", "25P03"].iter().any(|end| state.starts_with(end))
            }
        }
    }

    /// Answered to a COMMIT, it says that nothing was committed.
    pub fn is_no_to_a_commit(&self) -> bool {
        let is_no = |state: &str| ["40001", "40P01", "23", "BU"].iter().any(|no| state.starts_with(no));
        matches!(self, NoAnswer::Refused { state, .. } if is_no(state))
    }

    /// The server says, before anything was decided, that another try may do.
    pub fn is_worth_another_try(&self) -> bool {
        matches!(self, NoAnswer::Refused { state, .. } if state == "40001" || state == "40P01")
    }
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> NoAnswer {
        match error.as_db_error() {
            Some(said) => NoAnswer::Refused { state: said.code().code().to_owned(), why: said.message().to_owned() },
            None => {
                let mut root: &dyn std::error::Error = &error;
                while let Some(cause) = root.source() {
                    root = cause;
                }
                NoAnswer::Lost(root.to_string())
            }
        }
    }
}

/// What a trigger of ours says no with, and what a role of ours may not.
const ILLEGAL: &str = "BU001";
const NOT_THEIRS: &str = "BU002";

impl From<NoAnswer> for LedgerError {
    fn from(failed: NoAnswer) -> LedgerError {
        let (state, why) = match failed {
            NoAnswer::Silent => return LedgerError::Unready("it does not answer".to_owned()),
            NoAnswer::Lost(why) => return LedgerError::Unready(format!("the connection was lost: {why}")),
            NoAnswer::Refused { state, why } => (state, why),
        };
        match state.as_str() {
            "55P03" | "57014" | "40001" | "40P01" => LedgerError::Busy,
            "53100" => LedgerError::Full,
            "57P01" | "57P02" | "57P03" | "25P03" | "25006" | "53300" => LedgerError::Unready(why),
            ILLEGAL => LedgerError::Io(why),
            NOT_THEIRS | "42501" => LedgerError::Forbidden(why),
            "26000" | "42P05" => LedgerError::Io(
                "a pooler that shares connections stands before the database, and mixes up what several clients prepare"
                    .to_owned(),
            ),
            state => LedgerError::Io(format!("the database says: {why} ({state})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `numeric_send` writes them.
    fn numeric(digits: &[i16], weight: i16, sign: i16, scale: i16) -> Vec<u8> {
        let head = [digits.len() as i16, weight, sign, scale];
        head.iter().chain(digits).flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn sums_are_read_as_whole_numbers_or_not_at_all() {
        assert_eq!(whole(&numeric(&[], 0, 0, 0)), Some(0));
        assert_eq!(whole(&numeric(&[42], 0, 0, 0)), Some(42));
        assert_eq!(whole(&numeric(&[1, 2345], 1, 0x4000, 0)), Some(-12_345));
        assert_eq!(whole(&numeric(&[3], 2, 0, 0)), Some(300_000_000));
        assert_eq!(whole(&numeric(&[922, 3372, 368, 5477, 5807], 4, 0, 0)), Some(i64::MAX));
        assert_eq!(whole(&numeric(&[922, 3372, 368, 5477, 5808], 4, 0x4000, 0)), Some(i64::MIN));
        assert_eq!(whole(&numeric(&[922, 3372, 368, 5477, 5808], 4, 0, 0)), None);
        assert_eq!(whole(&numeric(&[1, 5000], 0, 0, 4)), None);
        assert_eq!(whole(&numeric(&[], 0, -0x4000, 0)), None);
    }
}
