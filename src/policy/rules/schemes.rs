//! Which ways to pay are open. What is not listed is denied.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "scheme_not_allowed",
    sentence: "Only the listed schemes are paid by.",
    key: "schemes allow",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    match case.policy.schemes.iter().any(|scheme| scheme == case.offer.scheme.name()) {
        true => Said::Pass,
        false => {
            case.refuse(RULE.code, RULE.key, "The policy does not pay by the scheme this offer asks for.", Who::Owner)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_scheme_that_is_not_listed_is_denied() {
        assert_eq!(scene().policy("[schemes]\nallow = []\n").says(), "refuse scheme_not_allowed");
    }
}
