//! One line of what the doctor says: what was looked at, how it is, and what to do about it.

use serde::Serialize;

use crate::cli::exit::Failure;
use crate::cli::out;

#[derive(Serialize)]
pub struct Check {
    pub what: &'static str,
    pub state: Health,
    pub found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub to_do: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    Warn,
    Fail,
}

impl Check {
    /// As a person reads it; what to do stands below.
    pub fn lines(&self) -> Vec<String> {
        let state = match self.state {
            Health::Ok => out::good("ok  "),
            Health::Warn => out::warn("warn"),
            Health::Fail => out::bad("fail"),
        };
        let mut lines = vec![format!("{state} {:<9} {}", self.what, out::clean(&self.found))];
        if !self.to_do.is_empty() {
            lines.push(format!("               {}", out::dim(&self.to_do)));
        }
        lines
    }

    /// The same, with what can be done where nothing is wrong.
    pub fn hint(self, to_do: impl Into<String>) -> Check {
        Check { to_do: to_do.into(), ..self }
    }
}

/// As it should be.
pub fn ok(what: &'static str, found: impl ToString) -> Check {
    Check { what, state: Health::Ok, found: found.to_string(), to_do: String::new() }
}

/// Payments go on.
pub fn warn(what: &'static str, found: impl ToString, to_do: impl Into<String>) -> Check {
    Check { what, state: Health::Warn, found: found.to_string(), to_do: to_do.into() }
}

/// Nothing is paid, or nothing should be.
pub fn fail(what: &'static str, found: impl ToString, to_do: impl Into<String>) -> Check {
    Check { what, state: Health::Fail, found: found.to_string(), to_do: to_do.into() }
}

/// What a command would have said.
pub fn failed(what: &'static str, failure: Failure) -> Check {
    let found: Vec<String> = failure.reasons.into_iter().map(|reason| reason.message).collect();
    fail(what, found.join("; "), failure.next)
}
