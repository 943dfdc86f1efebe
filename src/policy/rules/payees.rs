//! Which addresses a domain's rule pays.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "payee_not_allowed",
    sentence: "At a domain whose rule names payees, only those are paid.",
    key: "domain payees",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let payees = case.place.rule.map_or(&[][..], |rule| &rule.payees);
    if payees.is_empty() || payees.iter().any(|payee| payee == case.offer.payee.address()) {
        return Said::Pass;
    }
    let message =
        format!("{} wants the money at {}, which the policy does not list.", case.place.domain, case.offer.payee);
    case.refuse(RULE.code, case.place.rule_text("payees"), message, Who::Owner)
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn an_address_the_rule_does_not_name_is_refused() {
        let only = |payee| scene().policy(&format!("[[domain]]\nhost = \"api.example.com\"\npayees = [\"{payee}\"]\n"));
        assert_eq!(only(PAYEE).says(), "allow");
        assert_eq!(only(OTHER_PAYEE).says(), "refuse payee_not_allowed");
    }
}
