//! Whether the wallet may say who it is: the only signature that is no payment, and a permission of its own.
//!
//! No other key implies it. It is asked about a request and not about an offer, so it does not stand among the rules that
//! every offer meets.

use super::super::{RuleReport, Ruling};
use super::{frozen, methods, paths};
use crate::policy::{Access, Policy};
use crate::reason::{Reason, Who};
use crate::request::Request;

const CODE: &str = "sign_in_refused";
const KEY: &str = "sign_in";
const SENTENCE: &str = "The wallet signs in only where its owner said so, to get again what was paid for there.";

/// What is asked of the policy before a sign-in: once for advice, and once inside the commit that records it.
#[derive(Clone, Copy, Debug)]
pub struct SigningIn<'a> {
    /// What would be asked for again: where redirects led.
    pub request: &'a Request,
    /// This wallet has paid this very origin for this very request before, so that its seller knows the address already.
    pub was_bought: bool,
    /// All spending is stopped.
    pub is_frozen: bool,
}

/// Whether the wallet may sign in there.
pub fn may_sign_in(policy: &Policy, asked: &SigningIn<'_>) -> Result<(), Reason> {
    let place = policy.place(&asked.request.url);
    let no = |key: &str, message: String| Err(Reason::new(CODE, place.rule_text(key), message, Who::Owner));
    let domain = &place.domain;
    if asked.is_frozen {
        let message = "The wallet is frozen: it signs nothing until its owner thaws it.";
        return Err(Reason::new(frozen::RULE.code, frozen::RULE.key, message, Who::Owner));
    }
    if place.rules.access != Access::Allow || domain.is_empty() {
        return no(
            "access",
            format!("The wallet signs in only where it may pay without asking, and {domain} is not such a place."),
        );
    }
    if !methods::opens(&place, &asked.request.method) {
        return no(
            "methods",
            format!("At {domain} the policy does not allow this method, so the wallet does not sign in for it."),
        );
    }
    if !paths::opens(&place) {
        return no(
            "paths",
            format!("At {domain} the policy does not allow this path, so the wallet does not sign in for it."),
        );
    }
    if !place.rules.sign_in {
        return no(KEY, format!("The policy does not let the wallet sign in at {domain}."));
    }
    if place.rule.is_none() && !asked.was_bought {
        let message = format!(
            "This was not bought here before, and signing in would tell a stranger the wallet's address. A [[domain]] \
             rule for {domain} can allow it."
        );
        return no(KEY, message);
    }
    Ok(())
}

/// The same for whoever asks what the policy would say.
pub fn sign_in_report(policy: &Policy, asked: &SigningIn<'_>) -> RuleReport {
    let refused = may_sign_in(policy, asked).err();
    let passed = || policy.place(&asked.request.url).rule_text(KEY);
    RuleReport {
        code: refused.as_ref().map_or(CODE.to_owned(), |reason| reason.code.clone()),
        rule: refused.as_ref().map_or_else(passed, |reason| reason.rule.clone()),
        sentence: SENTENCE,
        said: if refused.is_some() { Ruling::Refuse } else { Ruling::Pass },
        limit_usd: None,
        used_usd: None,
        who_can_fix: refused.as_ref().map(|reason| reason.who_can_fix),
        message: refused.map(|reason| reason.message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(rules: &str, change: impl FnOnce(&mut SigningIn<'_>)) -> String {
        let policy = Policy::parse("policy.toml", &format!("version = 1\n{rules}")).unwrap();
        let url = url::Url::parse("https://api.example.com/v1/data").unwrap();
        let request = Request { method: "GET".into(), url, headers: Vec::new(), body: Vec::new() };
        let mut asked = SigningIn { request: &request, was_bought: true, is_frozen: false };
        change(&mut asked);
        may_sign_in(&policy, &asked)
            .map_or_else(|reason| format!("{} [{}]", reason.code, reason.rule), |()| "yes".into())
    }

    const EVERYWHERE: &str = "[each_domain]\nsign_in = \"allow\"\n";
    const HERE: &str = "[[domain]]\nhost = \"api.example.com\"\nsign_in = \"allow\"\n";

    #[test]
    fn no_wallet_signs_in_anywhere_unless_its_owner_said_so() {
        assert_eq!(asked("", |_| ()), "sign_in_refused [each_domain sign_in (example.com)]");
        let all_else = "[each_domain]\naccess = \"allow\"\nper_day = \"none\"\n[[domain]]\nhost = \"api.example.com\"\n\
                        access = \"allow\"\npayee_changes = \"allow\"\n[schemes]\nallow = [\"exact\", \"upto\", \"upfront\"]\n";
        assert_eq!(asked(all_else, |_| ()), "sign_in_refused [domain api.example.com sign_in]");
        assert!(!Policy::built_in().each_domain.sign_in);
    }

    #[test]
    fn a_rule_for_a_domain_has_the_last_word() {
        assert_eq!(asked(HERE, |_| ()), "yes");
        assert_eq!(asked(EVERYWHERE, |_| ()), "yes");
        let not_here = format!("{EVERYWHERE}[[domain]]\nhost = \"*.example.com\"\nsign_in = \"refuse\"\n");
        assert_eq!(asked(&not_here, |_| ()), "sign_in_refused [domain *.example.com sign_in]");
    }

    #[test]
    fn a_seller_nobody_named_is_not_told_the_address_before_it_was_paid() {
        assert_eq!(
            asked(EVERYWHERE, |asked| asked.was_bought = false),
            "sign_in_refused [each_domain sign_in (example.com)]"
        );
        assert_eq!(asked(HERE, |asked| asked.was_bought = false), "yes");
    }

    #[test]
    fn what_may_not_be_paid_without_asking_is_not_signed_in_to() {
        for closed in ["access = \"refuse\"", "access = \"ask\"", "methods = [\"POST\"]", "paths = [\"/v2/*\"]"] {
            let key = closed.split(' ').next().unwrap();
            assert_eq!(
                asked(&format!("{HERE}{closed}\n"), |_| ()),
                format!("sign_in_refused [domain api.example.com {key}]")
            );
        }
        assert_eq!(asked(HERE, |asked| asked.is_frozen = true), "frozen [bursar freeze]");
    }

    #[test]
    fn the_permission_stands_in_the_reference() {
        let reference = include_str!("../../../docs/policy.md");
        assert!(reference.contains(&format!("`{CODE}`")) && reference.contains(&format!("`{KEY}`")));
    }
}
