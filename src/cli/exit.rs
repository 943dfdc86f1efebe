//! What a command leaves behind: an exit code a script can act on, and for a failure the words to go with it.

use std::process::ExitCode;

use serde::Serialize;

use crate::answer::Refusal;
use crate::answer::{Answer, Charged, Outcome};
use crate::cli::out::{self, Out};
use crate::config::{ConfigError as FileError, HomeError};
use crate::policy::Problem;
use crate::reason::{Reason, Who};
use crate::wallet::WalletError;

/// Documented in `docs/commands.md`; scripts rely on the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    Refused = 3,
    NeedsApproval = 4,
    PaymentFailed = 5,
    Held = 6,
    Frozen = 7,
}

/// Why a command could not do what it was asked: what happened, then what to do.
#[derive(Debug, Serialize)]
pub struct Failure {
    pub reasons: Vec<Reason>,
    pub next: String,
    #[serde(skip)]
    pub exit: Exit,
}

impl Exit {
    /// What became of a purchase, for `bursar fetch`.
    pub fn of(answer: &Answer) -> Exit {
        match answer.outcome {
            Outcome::Answered => Exit::Done,
            Outcome::NeedsApproval => Exit::NeedsApproval,
            Outcome::Held | Outcome::Pending => Exit::Held,
            Outcome::Refused if is_about_arguments(&answer.reasons) => Exit::Usage,
            Outcome::Refused if is_frozen(&answer.reasons) => Exit::Frozen,
            Outcome::Refused => Exit::Refused,
            Outcome::Failed if answer.charged == Charged::Unknown => Exit::Held,
            // Paid, and nothing came: the payment did not fail.
            Outcome::Failed if answer.charged == Charged::Yes => Exit::Failed,
            Outcome::Failed if answer.payment.is_some() => Exit::PaymentFailed,
            Outcome::Failed => Exit::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Failure {
    /// Something is not as it should be.
    pub fn new(code: &str, message: impl Into<String>, next: impl Into<String>) -> Failure {
        let reason = Reason::new(code, "", message, Who::Owner);
        Failure { reasons: vec![reason], next: next.into(), exit: Exit::Failed }
    }

    /// The command was not given what it needs.
    pub fn usage(message: impl Into<String>, next: impl Into<String>) -> Failure {
        Failure { exit: Exit::Usage, ..Failure::new("usage", message, next) }
    }

    pub fn tell(&self, out: &Out) {
        for reason in &self.reasons {
            out.say(format_args!("{} {}", out::bad("error:"), out::clean(&reason.message)));
        }
        if !self.next.is_empty() {
            out.say(format_args!("{} {}", out::dim(" next:"), out::clean(&self.next)));
        }
    }
}

/// Every mistake in a file, each with its place and its remedy.
impl From<FileError> for Failure {
    fn from(error: FileError) -> Failure {
        let reason = |problem: Problem| {
            let place = problem.at.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
            let message = format!("{}{place}: {}; {}", error.file, problem.what, problem.remedy);
            Reason::new("bad_file", "", message, Who::Owner)
        };
        let reasons = error.problems.into_iter().map(reason).collect();
        Failure { reasons, next: "nothing is paid until this is right".to_owned(), exit: Exit::Failed }
    }
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Failure {
        let text = error.to_string();
        let (what, remedy) = text.split_once('\n').unwrap_or((&text, ""));
        Failure::new("no_home", what, remedy.trim())
    }
}

impl From<WalletError> for Failure {
    fn from(error: WalletError) -> Failure {
        let text = error.to_string();
        let (what, remedy) = text.rsplit_once("; ").unwrap_or((&text, ""));
        Failure::new(error.code(), what, remedy)
    }
}

/// A refusal speaks to whoever asks; here that is the owner.
impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let has = |code: &str| refusal.reasons.iter().any(|reason| reason.code == code);
        let exit = match () {
            () if has("frozen") => Exit::Frozen,
            () if has("no_wallet") => Exit::Failed,
            () if refusal.reasons.iter().all(|reason| reason.who_can_fix == Who::Agent) => Exit::Usage,
            () => Exit::Failed,
        };
        let next = if has("no_wallet") { "`bursar init` makes one".to_owned() } else { refusal.next };
        Failure { reasons: refusal.reasons, next, exit }
    }
}

/// The owner, or an alarm, stopped everything.
pub fn is_frozen(reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| reason.code == "frozen")
}

fn is_about_arguments(reasons: &[Reason]) -> bool {
    reasons.iter().any(|reason| reason.rule == "arguments")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(outcome: Outcome, charged: Charged, reasons: Vec<Reason>) -> Answer {
        Answer {
            outcome,
            charged,
            purchase_id: None,
            http: None,
            body: None,
            served_from_store: false,
            age_s: 0,
            payment: None,
            budget_left_usd: None,
            reasons,
            next: String::new(),
        }
    }

    #[test]
    fn every_outcome_has_its_own_exit_code() {
        let code = |outcome| Exit::of(&answer(outcome, Charged::No, vec![])) as u8;
        assert_eq!(code(Outcome::Answered), 0);
        assert_eq!(code(Outcome::Failed), 1);
        assert_eq!(code(Outcome::Refused), 3);
        assert_eq!(code(Outcome::NeedsApproval), 4);
        assert_eq!(code(Outcome::Held), 6);
        assert_eq!(code(Outcome::Pending), 6);
    }

    #[test]
    fn a_frozen_wallet_and_wrong_arguments_are_told_from_other_refusals() {
        let because = |outcome, code, rule| {
            let reason = Reason::new(code, rule, "", Who::Owner);
            Exit::of(&answer(outcome, Charged::No, vec![reason]))
        };
        assert_eq!(because(Outcome::Refused, "frozen", "freeze"), Exit::Frozen);
        assert_eq!(because(Outcome::Refused, "bad_url", "arguments"), Exit::Usage);
        assert_eq!(because(Outcome::Refused, "over_wallet_day", "wallet per_day"), Exit::Refused);
    }

    #[test]
    fn a_failure_that_cost_something_or_may_have_is_no_failed_payment() {
        assert_eq!(Exit::of(&answer(Outcome::Failed, Charged::Unknown, vec![])), Exit::Held);
        assert_eq!(Exit::of(&answer(Outcome::Failed, Charged::Yes, vec![])), Exit::Failed);
    }
}
