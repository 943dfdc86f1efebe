//! Which ways to pay are open. What is not listed is denied.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "scheme_not_allowed",
    sentence: "Only the listed schemes are paid by.",
    key: "schemes allow",
    check: Check::Offer(check),
};

/// The word that opens sellers that take the money before they do the work.
const TAKES_FIRST: &str = "upfront";

fn check(case: &Case<'_>) -> Said {
    let is_open = |name: &str| case.policy.schemes.iter().any(|scheme| scheme == name);
    let why = if !is_open(case.offer.scheme.name()) {
        "The policy does not pay by the scheme this offer asks for."
    } else if case.offer.takes_first && !is_open(TAKES_FIRST) {
        "The seller takes the money before it does the work, and the policy does not pay upfront."
    } else {
        return Said::Pass;
    };
    case.refuse(RULE.code, RULE.key, why, Who::Owner)
}

#[cfg(test)]
mod tests {
    use crate::offer::{Offer, Scheme};
    use crate::policy::scene::*;

    #[test]
    fn a_scheme_that_is_not_listed_is_denied() {
        assert_eq!(scene().policy("[schemes]\nallow = []\n").says(), "refuse scheme_not_allowed");
        let upto = Offer { scheme: Scheme::Upto(at(OTHER_PAYEE)), ..offer("0.01") };
        assert_eq!(scene().offer(upto.clone()).says(), "refuse scheme_not_allowed");
        assert_eq!(scene().policy("[schemes]\nallow = [\"upto\"]\n").offer(upto).says(), "allow");
    }

    #[test]
    fn money_goes_first_only_where_the_policy_says_so() {
        let first = || Offer { takes_first: true, ..offer("0.01") };
        assert_eq!(scene().offer(first()).says(), "refuse scheme_not_allowed");
        let only = scene().policy("[schemes]\nallow = [\"upfront\"]\n");
        assert_eq!(only.offer(first()).says(), "refuse scheme_not_allowed", "by which scheme is another matter");
        assert_eq!(scene().policy("[schemes]\nallow = [\"exact\", \"upfront\"]\n").offer(first()).says(), "allow");
    }
}
