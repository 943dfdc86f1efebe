//! How times, amounts and states read to a person.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};

use crate::money::Usd;
use crate::time::Time;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The commands are an edge: here the clock is read.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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

/// The day and the time of day where the owner lives: `2026-11-25`, `14:03:22`.
pub fn local(at: Time) -> (String, String) {
    let timestamp = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    let there = timestamp.to_zoned(jiff::tz::TimeZone::system());
    (there.strftime("%Y-%m-%d").to_string(), there.strftime("%H:%M:%S").to_string())
}

/// `$0.25`
pub fn dollars(usd: Usd) -> String {
    format!("${usd}")
}

/// How the state of a row looks.
pub fn state(state: &str) -> Style {
    match state {
        "settled" => AnsiColor::Green.on_default(),
        "authorized" => AnsiColor::Yellow.on_default(),
        "held" => AnsiColor::Yellow.on_default().bold(),
        "needs_approval" => AnsiColor::Cyan.on_default().bold(),
        "refused" | "denied" => AnsiColor::Red.on_default(),
        "alarm" => AnsiColor::Red.on_default().bold(),
        "breaker" | "notice" => AnsiColor::Magenta.on_default(),
        "lapsed" | "expired" | "free" => Style::new().dimmed(),
        _ => Style::new(),
    }
}

/// How what a rule or the policy said looks.
pub fn verdict(said: &str) -> Style {
    match said {
        "pass" | "allow" => AnsiColor::Green.on_default(),
        "ask" => AnsiColor::Cyan.on_default().bold(),
        "refuse" => AnsiColor::Red.on_default().bold(),
        _ => Style::new().dimmed(),
    }
}

fn day(at: Time) -> String {
    at.to_string().split('T').next().unwrap_or_default().to_owned()
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
