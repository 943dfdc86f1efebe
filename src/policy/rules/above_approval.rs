//! What costs more than this, a person is asked about.

use super::{Case, Check, Rule, Said};
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "above_approval",
    sentence: "A price above this is looked at by a person.",
    key: "approval above",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let price = case.offer.usd;
    match case.policy.approval.above {
        Some(above) if price > above => {
            let message = format!("This costs ${price}. The owner is asked about everything above ${above}.");
            let reason = Reason::new(RULE.code, RULE.key, message, Who::Owner);
            Said::Ask(Reason { limit_usd: Some(above), ..reason })
        }
        _ => Said::Pass,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_person_is_asked_above_the_line_and_not_on_it() {
        assert_eq!(scene().price("0.10").says(), "allow");
        assert_eq!(scene().price("0.100001").says(), "ask above_approval");
    }
}
