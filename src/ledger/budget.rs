//! What counts against the budgets, in buckets of time.
//!
//! A window of 30 days is some 120 sums, not a month of rows. A bucket counts until its end has left the window, so a
//! payment never stops counting early.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::LedgerError;
use super::engine::{Conn, named};
use crate::limits;
use crate::money::Usd;
use crate::policy::{self, Meter, Scope, Used, Window};
use crate::settlement::{Standing, State};
use crate::time::Time;
use crate::wish;

/// What one payment counts in, fixed when it is authorized.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    pub at: Time,
    pub session: i64,
    pub domain: String,
    pub payee: String,
    pub usd: Usd,
}

/// One column of buckets: whose, over what stretch, how wide a bucket is.
struct Column {
    scope: String,
    window: &'static str,
    width: Duration,
}

/// The whole wallet's payments of the last minute, for the rate rule.
const MINUTE: &str = "minute";
const MINUTE_SPAN: Duration = Duration::from_secs(60);
/// The windows that roll, by the names their buckets have.
const ROLLING: [(&str, Duration); 4] =
    [(MINUTE, MINUTE_SPAN), ("hour", hours(1)), ("day", hours(24)), ("month", hours(24 * 30))];

impl Column {
    fn of(meter: &Meter, session: i64) -> Column {
        let (window, width) = match meter.window {
            Window::Hour => ("hour", Duration::from_secs(60)),
            Window::Day => ("day", Duration::from_secs(15 * 60)),
            Window::Month => ("month", Duration::from_secs(6 * 3600)),
            Window::Session | Window::Payment | Window::Review => ("session", Duration::ZERO),
        };
        let mut scope = match &meter.scope {
            Scope::Wallet => "wallet".to_owned(),
            Scope::Session => String::new(),
            Scope::Domain(key) => format!("domain {key}"),
            Scope::Payee(payee) => format!("payee {payee}"),
        };
        if meter.window == Window::Session {
            scope = format!("session {session} {scope}");
        }
        Column { scope: scope.trim_end().to_owned(), window, width }
    }

    fn rate() -> Column {
        Column { scope: "wallet".to_owned(), window: MINUTE, width: Duration::from_secs(1) }
    }

    /// Where the bucket that holds this moment begins.
    fn start(&self, at: Time) -> i64 {
        match self.width.as_millis() as i64 {
            0 => 0,
            width => at.millis().div_euclid(width) * width,
        }
    }

    /// Buckets that begin after this still count.
    fn horizon(&self, span: Option<Duration>, now: Time) -> i64 {
        span.map_or(-1, |span| now.minus(span).minus(self.width).millis())
    }
}

/// Buckets of this window that begin after this still count, whosever they are.
pub fn begins_after(window: Window, now: Time) -> i64 {
    Column::of(&Meter { scope: Scope::Wallet, window }, 0).horizon(window.span(), now)
}

/// Reads what counts now against each of a payment's meters.
pub fn read(
    conn: &dyn Conn,
    meters: impl IntoIterator<Item = Meter>,
    session: Option<i64>,
    now: Time,
) -> Result<BTreeMap<Meter, Used>, LedgerError> {
    let mut used = BTreeMap::new();
    for meter in meters {
        let is_of_session = meter.window == Window::Session;
        let sum = match (is_of_session, session) {
            (true, None) => Used::default(),
            (_, session) => sum(conn, &Column::of(&meter, session.unwrap_or(0)), meter.window.span(), now)?,
        };
        used.insert(meter, sum);
    }
    Ok(used)
}

/// How many payments of the whole wallet began within the last minute.
pub fn payments_last_minute(conn: &dyn Conn, now: Time) -> Result<u32, LedgerError> {
    let column = Column::rate();
    let horizon = column.horizon(Some(MINUTE_SPAN), now);
    let count: i64 = conn.read(
        "SELECT coalesce(sum(payments), 0) FROM bucket
              WHERE scope = :scope AND window = :window AND start > :horizon",
        named! { ":scope": column.scope, ":window": column.window, ":horizon": horizon },
        |row| row.get(0),
    )?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Whether this one is among them.
pub fn is_of_last_minute(counted: &Counted, now: Time) -> bool {
    let column = Column::rate();
    column.start(counted.at) > column.horizon(Some(MINUTE_SPAN), now)
}

/// Counts a new authorization everywhere it counts. Its outcome is not known yet, so all of it is held.
pub fn count(conn: &dyn Conn, counted: &Counted) -> Result<(), LedgerError> {
    let usd = counted.usd.as_micros() as i64;
    for column in kept_by_hand(conn, counted) {
        conn.note(
            "INSERT INTO bucket (scope, window, start, counted, held, payments)
             VALUES (:scope, :window, :start, :usd, :usd, 1)
             ON CONFLICT (scope, window, start) DO UPDATE
               SET counted = bucket.counted + :usd, held = bucket.held + :usd, payments = bucket.payments + 1",
            named! {
                ":scope": column.scope,
                ":window": column.window,
                ":start": column.start(counted.at),
                ":usd": usd,
            },
        )?;
    }
    Ok(())
}

/// Follows a purchase's move: what was held is settled, or given back.
pub fn follow(conn: &dyn Conn, counted: &Counted, from: Standing, to: Standing) -> Result<(), LedgerError> {
    let usd = counted.usd.as_micros() as i64;
    let share = |counts: bool| if counts { usd } else { 0 };
    let counted_by = share(to.state.counts()) - share(from.state.counts());
    let held_by = share(is_held(to)) - share(is_held(from));
    for column in kept_by_hand(conn, counted) {
        // A bucket that is gone has left every window: nothing to correct.
        conn.note(
            "UPDATE bucket SET counted = counted + :counted_by, held = held + :held_by
              WHERE scope = :scope AND window = :window AND start = :start",
            named! {
                ":scope": column.scope,
                ":window": column.window,
                ":start": column.start(counted.at),
                ":counted_by": counted_by,
                ":held_by": held_by,
            },
        )?;
    }
    Ok(())
}

/// What counts without this one payment, though it counts.
pub fn leave_out(
    used: &mut BTreeMap<Meter, Used>,
    counted: &Counted,
    standing: Standing,
    session: Option<i64>,
    now: Time,
) {
    let own = columns(counted);
    for (meter, used) in used.iter_mut().filter(|(meter, _)| meter.window != Window::Review) {
        let column = Column::of(meter, session.unwrap_or(0));
        let is_own = own.iter().any(|own| (&own.scope, own.window) == (&column.scope, column.window));
        if is_own && column.start(counted.at) > column.horizon(meter.window.span(), now) {
            let share = |counts: bool| if counts { counted.usd } else { Usd::micros(0) };
            used.counted = used.counted.saturating_sub(share(standing.state.counts()));
            used.held = used.held.saturating_sub(share(is_held(standing)));
        }
    }
}

/// Less was taken than was counted: the rest is given back to the budgets.
pub fn give_back(conn: &dyn Conn, counted: &Counted, usd: Usd) -> Result<(), LedgerError> {
    for column in kept_by_hand(conn, counted) {
        conn.note(
            "UPDATE bucket SET counted = counted - :usd WHERE scope = :scope AND window = :window AND start = :start",
            named! {
                ":scope": column.scope,
                ":window": column.window,
                ":start": column.start(counted.at),
                ":usd": usd.as_micros() as i64,
            },
        )?;
    }
    Ok(())
}

/// Whether a payee has any bucket left.
pub fn has_paid(conn: &dyn Conn, payee: &str) -> Result<bool, LedgerError> {
    let column = Column::of(&Meter { scope: Scope::Payee(payee.to_owned()), window: Window::Day }, 0);
    let any = "SELECT 1 FROM bucket WHERE scope = :scope AND window = :window";
    conn.has(any, named! { ":scope": column.scope, ":window": column.window })
}

/// Whether the outcome is not known.
pub fn is_held(standing: Standing) -> bool {
    match standing.state {
        State::Authorized | State::Held => true,
        State::Settled | State::Lapsed => false,
    }
}

/// Drops buckets that no window can see any more.
pub fn sweep(conn: &dyn Conn, now: Time) -> Result<(), LedgerError> {
    const MARGIN: Duration = Duration::from_secs(24 * 3600);
    for (window, span) in ROLLING {
        conn.note(
            "DELETE FROM bucket WHERE window = :window AND start < :before",
            named! { ":window": window, ":before": now.minus(span).minus(MARGIN).millis() },
        )?;
    }
    conn.note(
        "DELETE FROM price WHERE day < :day",
        named! { ":day": price_day(now.minus(limits::PRICE_MEMORY).minus(MARGIN)) },
    )?;
    Ok(())
}

/// What the buckets of a set of purchases should hold, by (scope, window, start): (counted, held).
pub fn derive(all: impl Iterator<Item = (Counted, Standing)>) -> BTreeMap<(String, String, i64), (i64, i64)> {
    let mut buckets = BTreeMap::new();
    for (counted, standing) in all {
        let usd = counted.usd.as_micros() as i64;
        for column in columns(&counted) {
            let start = column.start(counted.at);
            let sums: &mut (i64, i64) = buckets.entry((column.scope, column.window.to_owned(), start)).or_default();
            sums.0 += if standing.state.counts() { usd } else { 0 };
            sums.1 += if is_held(standing) { usd } else { 0 };
        }
    }
    buckets
}

/// The buckets of a history as it is walked again: in memory, and never swept.
#[derive(Default)]
pub struct Sums(BTreeMap<(String, &'static str), BTreeMap<i64, i64>>);

impl Sums {
    /// One purchase begins to count, or counts no more.
    pub fn follow(&mut self, counted: &Counted, from: Option<Standing>, to: Standing) {
        let usd = counted.usd.as_micros() as i64;
        let share = |standing: Standing| if standing.state.counts() { usd } else { 0 };
        let change = share(to) - from.map_or(0, share);
        for column in columns(counted).into_iter().filter(|_| change != 0) {
            let start = column.start(counted.at);
            *self.0.entry((column.scope, column.window)).or_default().entry(start).or_default() += change;
        }
    }

    /// Less was taken than was counted.
    pub fn give_back(&mut self, counted: &Counted, usd: Usd) {
        for column in columns(counted) {
            let start = column.start(counted.at);
            *self.0.entry((column.scope, column.window)).or_default().entry(start).or_default() -=
                usd.as_micros() as i64;
        }
    }

    /// What counted against a meter when this purchase was made.
    pub fn used(&self, meter: &Meter, counted: &Counted) -> Usd {
        let column = Column::of(meter, counted.session);
        let horizon = column.horizon(meter.window.span(), counted.at);
        let buckets = self.0.get(&(column.scope, column.window));
        usd(buckets.map_or(0, |buckets| buckets.range(horizon + 1..).map(|(_, sum)| sum).sum()))
    }
}

/// Whether a bucket could still be seen by its window.
pub fn still_counts(window: &str, start: i64, now: Time) -> bool {
    let span = ROLLING.iter().find(|(rolling, _)| *rolling == window).map(|(_, span)| *span);
    // A session's does, as long as anybody asks.
    span.is_none_or(|span| start >= now.minus(span).millis())
}

/// Remembers a settled price, for the rule that asks when prices rise: at the place that was paid, and at the one that
/// led there.
pub fn remember_price(conn: &dyn Conn, urls: &[&Url], usd: Usd, at: Time) -> Result<(), LedgerError> {
    for url in urls {
        price_at(conn, &wish::place(url), usd, at)?;
    }
    Ok(())
}

/// The same for a row: its place is the one that was paid, its URL the one that was asked.
pub fn remember_price_of(conn: &dyn Conn, row: i64, usd: Usd, at: Time) -> Result<(), LedgerError> {
    let (place, asked): (String, String) =
        conn.read("SELECT place, url FROM purchase WHERE row = :row", named! { ":row": row }, |row| {
            Ok((row.get("place")?, row.get("url")?))
        })?;
    let asked = Url::parse(&asked).map_err(super::damaged)?;
    price_at(conn, &place, usd, at)?;
    remember_price(conn, &[&asked], usd, at)
}

fn price_at(conn: &dyn Conn, place: &str, usd: Usd, at: Time) -> Result<(), LedgerError> {
    conn.note(
        "INSERT INTO price (place, day, lowest) VALUES (:place, :day, :lowest)
         ON CONFLICT (place, day) DO UPDATE SET lowest = excluded.lowest WHERE excluded.lowest < price.lowest",
        named! { ":place": place, ":day": price_day(at), ":lowest": usd.as_micros() as i64 },
    )?;
    Ok(())
}

pub fn lowest_price(conn: &dyn Conn, place: &str, now: Time) -> Result<Option<Usd>, LedgerError> {
    let since = price_day(now.minus(limits::PRICE_MEMORY));
    let lowest: Option<i64> = conn.read(
        "SELECT min(lowest) FROM price WHERE place = :place AND day >= :since",
        named! { ":place": place, ":since": since },
        |row| row.get(0),
    )?;
    Ok(lowest.map(|micros| Usd::micros(micros.max(0) as u64)))
}

/// The columns that are written here: none, where the tables follow each purchase by themselves.
fn kept_by_hand(conn: &dyn Conn, counted: &Counted) -> Vec<Column> {
    if conn.keeps_budgets() { Vec::new() } else { columns(counted) }
}

fn columns(counted: &Counted) -> Vec<Column> {
    let meters = policy::meters(&counted.domain, &counted.payee);
    let mut columns: Vec<Column> = meters.iter().map(|meter| Column::of(meter, counted.session)).collect();
    columns.push(Column::rate());
    columns
}

fn sum(conn: &dyn Conn, column: &Column, span: Option<Duration>, now: Time) -> Result<Used, LedgerError> {
    let horizon = column.horizon(span, now);
    let (counted, held, oldest): (i64, i64, Option<i64>) = conn
        .find(
            "SELECT coalesce(sum(counted), 0), coalesce(sum(held), 0), min(start) FILTER (WHERE counted > 0)
               FROM bucket WHERE scope = :scope AND window = :window AND start > :horizon",
            named! { ":scope": column.scope, ":window": column.window, ":horizon": horizon },
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .unwrap_or_default();
    let frees_at = oldest.zip(span).map(|(start, span)| Time::from_millis(start).plus(column.width).plus(span));
    Ok(Used { counted: usd(counted), held: usd(held), frees_at })
}

fn usd(micros: i64) -> Usd {
    Usd::micros(micros.max(0) as u64)
}

const fn hours(n: u64) -> Duration {
    Duration::from_secs(n * 3600)
}

fn price_day(at: Time) -> i64 {
    at.secs().div_euclid(24 * 3600)
}
