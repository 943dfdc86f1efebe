//! A seller that was paid before and now names another address: hijacked, or moved. The first payment changes nothing.
//! A seller is known by its registrable domain; one that leads to another is looked at like that one.

use std::collections::BTreeSet;

use super::{Case, Check, Rule, Said};
use crate::policy::Access;
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "payee_changed",
    sentence: "A known seller that wants the money sent to a new address is looked at by a person.",
    key: "payee on_change",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let is_new = |before: &BTreeSet<String>| !before.is_empty() && !before.contains(case.offer.payee.address());
    if !case.snapshot.payees_before.iter().any(is_new) || is_listed(case) {
        return Said::Pass;
    }
    let of_domain = case.place.rule.and_then(|rule| rule.payee_changes);
    let rule = of_domain.map_or(RULE.key.to_owned(), |_| case.place.rule_text("payee_changes"));
    let message =
        format!("This seller was paid at another address before. Now it wants the money at {}.", case.offer.payee);
    let reason = Reason::new(RULE.code, rule, message, Who::Owner);
    match of_domain.unwrap_or(case.policy.payee.on_change) {
        Access::Allow => Said::Pass,
        Access::Ask => Said::Ask(reason),
        Access::Refuse => Said::Refuse(reason),
    }
}

/// The owner wrote this very address beside this host: that is no surprise.
fn is_listed(case: &Case<'_>) -> bool {
    case.place.rule.is_some_and(|rule| rule.payees.iter().any(|payee| payee == case.offer.payee.address()))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    fn paid_before(policy: &str, payees: &[&str]) -> String {
        scene()
            .policy(policy)
            .seen(|s| s.payees_before.push(payees.iter().map(|payee| (*payee).to_owned()).collect()))
            .says()
    }

    #[test]
    fn the_first_payment_at_a_seller_is_no_change() {
        assert_eq!(paid_before("", &[]), "allow");
        assert_eq!(paid_before("", &[PAYEE]), "allow");
    }

    #[test]
    fn a_new_address_at_a_known_seller_is_asked_about_or_refused() {
        assert_eq!(paid_before("", &[OTHER_PAYEE]), "ask payee_changed");
        assert_eq!(paid_before("[payee]\non_change = \"refuse\"\n", &[OTHER_PAYEE]), "refuse payee_changed");
        assert_eq!(paid_before("[payee]\non_change = \"allow\"\n", &[OTHER_PAYEE]), "allow");
    }

    #[test]
    fn the_site_that_was_asked_and_the_one_it_led_to_are_both_looked_at() {
        let two = |one: &[&str], other: &[&str]| {
            let sites = [one, other].map(|payees| payees.iter().map(|payee| (*payee).to_owned()).collect());
            scene().seen(|s| s.payees_before.extend(sites)).says()
        };
        assert_eq!(two(&[], &[PAYEE]), "allow");
        assert_eq!(two(&[PAYEE], &[PAYEE]), "allow");
        assert_eq!(two(&[OTHER_PAYEE], &[PAYEE]), "ask payee_changed");
        assert_eq!(two(&[OTHER_PAYEE], &[]), "ask payee_changed");
    }

    #[test]
    fn a_domain_rule_may_say_otherwise() {
        let rule = "[[domain]]\nhost = \"api.example.com\"\n";
        let with = |line: &str| paid_before(&format!("{rule}{line}"), &[OTHER_PAYEE]);
        assert_eq!(with("payee_changes = \"allow\"\n"), "allow");
        assert_eq!(with("payee_changes = \"refuse\"\n"), "refuse payee_changed");
        assert_eq!(with(&format!("payees = [\"{PAYEE}\"]\n")), "allow");
    }
}
