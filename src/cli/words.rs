//! How times, amounts and states read to a person.

use anstyle::{AnsiColor, Style};

use crate::clock::SystemClock;
use crate::money::{Network, Usd};
use crate::time::{Clock, Time};

pub use crate::time::{lasting, when};

/// The commands are an edge: here the clock is read.
pub fn now() -> Time {
    SystemClock.now()
}

/// The day and the time of day where the owner lives: `2026-11-25`, `14:03:22`.
pub fn local(at: Time) -> (String, String) {
    let timestamp = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    let there = timestamp.to_zoned(jiff::tz::TimeZone::system());
    (there.strftime("%Y-%m-%d").to_string(), there.strftime("%H:%M:%S").to_string())
}

/// `Base Sepolia`; what is no chain of ours as it is written.
pub fn network(caip2: &str) -> String {
    Network::new(caip2).title().to_owned()
}

/// `$0.25`
pub fn dollars(usd: Usd) -> String {
    format!("${usd}")
}

/// `12 MiB`, rounded up: so much room it takes.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0..KIB => format!("{bytes} bytes"),
        _ if bytes < KIB * KIB => format!("{} KiB", bytes.div_ceil(KIB)),
        _ => format!("{} MiB", bytes.div_ceil(KIB * KIB)),
    }
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
