//! Time as a value. Only the edges read a clock; everything else is told what time it is.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// Where the time comes from: the system in life, a value in tests.
pub trait Clock: Send + Sync {
    /// What time it is.
    fn now(&self) -> Time;

    /// Whether it tells a time of its own making: of a simulation.
    fn is_simulated(&self) -> bool {
        true
    }
}

/// How far our clock is from the median of what tells the time, where each witness is so many seconds ahead of it. We are
/// a witness ourselves; where two are left in the middle, the one that is further off counts.
pub fn median_apart(mut witnesses: Vec<i64>) -> Duration {
    witnesses.push(0);
    witnesses.sort_unstable();
    let upper = witnesses.len() / 2;
    let lower = (witnesses.len() - 1) / 2;
    Duration::from_secs(witnesses[upper].unsigned_abs().max(witnesses[lower].unsigned_abs()))
}

impl Time {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Time {
        Time(millis)
    }

    /// From seconds since 1970.
    pub const fn from_secs(secs: i64) -> Time {
        Time(secs.saturating_mul(1000))
    }

    /// From RFC 3339.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse().ok().map(|at: jiff::Timestamp| Time(at.as_millisecond()))
    }

    /// In milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds, as chains count them.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by a span.
    pub fn plus(self, span: Duration) -> Time {
        Time(self.0.saturating_add(millis(span)))
    }

    /// Earlier by a span.
    pub fn minus(self, span: Duration) -> Time {
        Time(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this is; nothing if it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

/// RFC 3339 in UTC, to the second: what rows and answers carry.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.secs()) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => write!(f, "{}s", self.secs()),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        let text = String::deserialize(d)?;
        let at: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        Ok(Time(at.as_millisecond()))
    }
}

/// `3 min ago`, `in 2 h`; beyond a month the day.
pub fn when(at: Time, now: Time) -> String {
    let (span, ahead) = if at > now { (at.since(now), true) } else { (now.since(at), false) };
    match (span.as_secs(), ahead) {
        (secs, _) if secs > 30 * DAY => day(at),
        (0..5, false) => "just now".to_owned(),
        (_, false) => format!("{} ago", lasting(span)),
        (_, true) => format!("in {}", lasting(span)),
    }
}

/// `45 s`, `3 min`, `2 h`, `5 d`.
pub fn lasting(span: Duration) -> String {
    match span.as_secs() {
        secs @ 0..MINUTE => format!("{secs} s"),
        secs @ MINUTE..HOUR => format!("{} min", secs / MINUTE),
        secs @ HOUR..DAY => format!("{} h", secs / HOUR),
        secs => format!("{} d", secs / DAY),
    }
}

fn day(at: Time) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_a_person_would_say_them() {
        let now = Time::from_secs(1_800_000_000);
        let ago = |secs| when(now.minus(Duration::from_secs(secs)), now);
        assert_eq!(ago(2), "just now");
        assert_eq!(ago(59), "59 s ago");
        assert_eq!(ago(60), "1 min ago");
        assert_eq!(ago(2 * HOUR + 59 * MINUTE), "2 h ago");
        assert_eq!(ago(3 * DAY), "3 d ago");
        assert_eq!(ago(31 * DAY), "2026-12-15");
        assert_eq!(when(now.plus(Duration::from_secs(600)), now), "in 10 min");
    }
}
