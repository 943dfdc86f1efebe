//! Pure: the rules, one file each. A rule is a value: its code, its sentence, where it stands in `policy.toml`, and what
//! it checks. To add one, write its file, list it in [`ALL`], and describe it in `docs/policy.md`.
//!
//! Every rule is asked about every offer. Nothing is allowed because some rule liked it; it is allowed because every
//! rule was asked and none objected.

mod above_approval;
mod access;
mod asset;
mod denied;
mod domain_day;
mod domain_payment;
mod domain_session;
mod frozen;
mod funds;
mod max_price;
mod methods;
mod networks;
mod paths;
mod payee_change;
mod payee_day;
mod payee_deny;
mod payee_self;
mod payees;
mod price_rise;
mod rate;
mod schemes;
mod session;
mod sign_in;
mod too_many_refusals;
mod tool_change;
mod tools;
mod undelivered;
mod wallet_day;
mod wallet_hour;
mod wallet_month;
mod wallet_payment;
mod wallet_since_review;

use super::place::Place;
use super::{Cap, Meter, Policy, Question, Scope, Snapshot, Used, Window};
use crate::money::Usd;
use crate::offer::Offer;
use crate::reason::{Reason, Who};

pub(super) use funds::CODE as INSUFFICIENT_FUNDS;
/// The code of the breaker that counts refusals.
pub const TOO_MANY_REFUSALS: &str = too_many_refusals::RULE.code;
/// The code of the rule that a tool with other words than before meets.
pub const TOOL_CHANGED: &str = tool_change::RULE.code;
pub use denied::SAID_NO;
pub use sign_in::{SigningIn, may_sign_in, sign_in_report};

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Stable, for programs.
    pub code: &'static str,
    /// What it wants, as a person would say it.
    pub sentence: &'static str,
    /// Where it stands in `policy.toml`, or who else sets it.
    pub key: &'static str,
    check: Check,
}

/// The rules in the order a person would ask: may this happen at all, with these people, in this way, at this price.
pub const ALL: &[&Rule] = &[
    &frozen::RULE,
    &denied::RULE,
    &access::RULE,
    &methods::RULE,
    &paths::RULE,
    &tools::RULE,
    &networks::RULE,
    &schemes::RULE,
    &asset::RULE,
    &payee_self::RULE,
    &payee_deny::RULE,
    &payees::RULE,
    &payee_change::RULE,
    &tool_change::RULE,
    &max_price::RULE,
    &wallet_payment::RULE,
    &domain_payment::RULE,
    &session::RULE,
    &domain_session::RULE,
    &wallet_hour::RULE,
    &domain_day::RULE,
    &payee_day::RULE,
    &wallet_day::RULE,
    &wallet_month::RULE,
    &wallet_since_review::RULE,
    &rate::RULE,
    &too_many_refusals::RULE,
    &undelivered::RULE,
    &price_rise::RULE,
    &above_approval::RULE,
    &funds::RULE,
];

/// The rules that look at what changed or went wrong, and not at what this costs. Its owner is told when one trips.
pub const BREAKERS: [&str; 5] = [
    payee_change::RULE.code,
    TOOL_CHANGED,
    too_many_refusals::RULE.code,
    undelivered::RULE.code,
    price_rise::RULE.code,
];

#[derive(Debug)]
enum Check {
    /// A budget: what was spent and what this costs stay within it.
    Cap(fn(&Site<'_>) -> Option<Cap>),
    Offer(fn(&Case<'_>) -> Said),
}

/// What a cap depends on: the policy, where, and to whom. What is not known yet brings no cap.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What the policy says of the place.
    pub place: Option<&'a Place<'a>>,
    /// Who is paid.
    pub payee: Option<&'a str>,
}

/// All a rule may look at.
#[derive(Debug)]
pub struct Case<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// What is asked for.
    pub question: &'a Question<'a>,
    /// The offer.
    pub offer: &'a Offer,
    /// What is spent already.
    pub snapshot: &'a Snapshot,
    /// What the policy says of the place.
    pub place: Place<'a>,
}

/// What a rule says of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing against it.
    Pass,
    /// Asks the owner first.
    Ask(Reason),
    /// Refuses.
    Refuse(Reason),
}

/// What a rule said, with the numbers it said it by.
#[derive(Debug)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static Rule,
    /// The cap, and what counts in it.
    pub cap: Option<(Cap, Used)>,
    /// What it says.
    pub said: Said,
}

impl<'a> Case<'a> {
    /// Makes one.
    pub fn new(policy: &'a Policy, question: &'a Question<'a>, offer: &'a Offer, snapshot: &'a Snapshot) -> Case<'a> {
        Case { policy, question, offer, snapshot, place: policy.place(&question.request.url) }
    }

    /// Every rule, asked.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        ALL.iter().map(|rule| rule.ask(self))
    }

    fn refuse(&self, code: &str, rule: impl Into<String>, message: impl Into<String>, who: Who) -> Said {
        Said::Refuse(Reason::new(code, rule, message, who))
    }
}

impl Rule {
    /// The cap a rule sets at a place, if it sets one.
    pub fn cap(&self, site: &Site<'_>) -> Option<Cap> {
        match self.check {
            Check::Cap(cap) => cap(site),
            Check::Offer(_) => None,
        }
    }

    fn ask(&'static self, case: &Case<'_>) -> Finding {
        let site = Site { policy: case.policy, place: Some(&case.place), payee: Some(case.offer.payee.address()) };
        match self.check {
            Check::Offer(check) => Finding { rule: self, cap: None, said: check(case) },
            Check::Cap(_) => match self.cap(&site) {
                None => Finding { rule: self, cap: None, said: Said::Pass },
                Some(cap) => {
                    let said = within(&cap, case);
                    let used = cap.used(case.snapshot);
                    Finding { rule: self, cap: Some((cap, used)), said }
                }
            },
        }
    }

    /// The cap this rule sets, if the owner set one.
    fn limits(&self, limit: Option<Usd>, scope: Scope, window: Window, rule: String) -> Option<Cap> {
        limit.map(|limit| Cap { meter: Meter { scope, window }, limit, code: self.code, rule })
    }
}

/// The one comparison every budget is held by.
fn within(cap: &Cap, case: &Case<'_>) -> Said {
    let (price, used) = (case.offer.usd, cap.used(case.snapshot));
    if !cap.would_break(case.snapshot, price) {
        return Said::Pass;
    }
    let alone_too_dear = price > cap.limit;
    let is_owners = alone_too_dear || cap.meter.window == Window::Review;
    let who = if is_owners { Who::Owner } else { Who::Time };
    let message = match alone_too_dear {
        true => too_dear(cap, price),
        false => format!("{} {}", spent(cap, used, price), frees(cap, used, case)),
    };
    Said::Refuse(Reason::new(cap.code, cap.rule.as_str(), message, who).with_numbers(cap.limit, used.counted))
}

fn too_dear(cap: &Cap, price: Usd) -> String {
    let at = match &cap.meter.scope {
        Scope::Domain(domain) => format!(" at {domain}"),
        Scope::Payee(payee) => format!(" to {payee}"),
        Scope::Wallet | Scope::Session => String::new(),
    };
    let what = match cap.meter.window {
        Window::Payment => "for one payment",
        Window::Hour => "in an hour",
        Window::Day => "in 24 hours",
        Window::Month => "in 30 days",
        Window::Session => "in a session",
        Window::Review => "between two reviews",
    };
    format!("This costs ${price}, and the most that may be spent{at} {what} is ${}.", cap.limit)
}

fn spent(cap: &Cap, used: Used, price: Usd) -> String {
    let whose = match &cap.meter.scope {
        Scope::Wallet => "of this wallet".to_owned(),
        Scope::Session => "of this session".to_owned(),
        Scope::Domain(domain) => format!("for {domain}"),
        Scope::Payee(payee) => format!("for payee {payee}"),
    };
    let span = match (cap.meter.window, &cap.meter.scope) {
        (Window::Hour, _) => " in an hour",
        (Window::Day, _) => " in 24 hours",
        (Window::Month, _) => " in 30 days",
        (Window::Review, _) => " between two reviews",
        (Window::Session, Scope::Domain(_)) => " in a session",
        (Window::Session | Window::Payment, _) => "",
    };
    let held = match used.held {
        Usd::ZERO => String::new(),
        held => format!(" (${held} of that is held: nobody knows yet whether it moved)"),
    };
    format!(
        "This costs ${price}. The limit {whose} is ${}{span}, and ${} of it is spent{held}.",
        cap.limit, used.counted
    )
}

/// When waiting helps.
fn frees(cap: &Cap, used: Used, case: &Case<'_>) -> String {
    match (case.snapshot.full_until(cap.meter.window), used.frees_at, cap.meter.window) {
        (_, _, Window::Review) => "There is room again when the owner has reviewed what was bought.".to_owned(),
        (Some(until), _, _) => format!("A restored ledger was adopted, so all of it counts as spent until {until}."),
        (None, Some(at), _) => format!("There is room again from {at} on."),
        (None, None, Window::Session) => {
            let idle = case.policy.session.idle.as_secs().div_ceil(60);
            format!("A session ends after {idle} min without a payment.")
        }
        (None, None, _) => "There is room again when earlier payments are older than that.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_rule_has_a_code_of_its_own_in_snake_case() {
        let codes: BTreeSet<_> = ALL.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for code in codes {
            assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{code}");
        }
    }

    #[test]
    fn every_rule_says_what_it_wants_in_one_sentence() {
        for rule in ALL {
            assert!(rule.sentence.ends_with('.') && !rule.key.is_empty(), "{}", rule.code);
        }
    }

    #[test]
    fn every_rule_stands_in_the_reference_with_its_code_and_its_key() {
        let reference = include_str!("../../docs/policy.md");
        for rule in ALL {
            for word in [rule.code, rule.key.split(' ').next_back().unwrap()] {
                assert!(reference.contains(&format!("`{word}`")), "docs/policy.md does not speak of `{word}`");
            }
        }
    }
}
