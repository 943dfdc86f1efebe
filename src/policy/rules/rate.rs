//! How many payments may begin in a minute: a loop is stopped by its pace before it is stopped by its cost.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "too_many_payments",
    sentence: "No more than this many payments begin in a minute.",
    key: "wallet payments_per_minute",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    match case.policy.wallet.payments_per_minute {
        Some(most) if case.snapshot.payments_last_minute >= most => {
            let message = format!(
                "The wallet made {most} payments within a minute, and may make no more. Try again in a minute."
            );
            case.refuse(RULE.code, RULE.key, message, Who::Time)
        }
        _ => Said::Pass,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn the_payment_after_as_many_as_a_minute_may_have_waits() {
        let after = |n| scene().seen(|s| s.payments_last_minute = n);
        assert_eq!(after(29).says(), "allow");
        assert_eq!(after(30).says(), "refuse too_many_payments");
        assert_eq!(after(30).reason().who_can_fix, crate::reason::Who::Time);
        assert_eq!(after(1000).policy("[wallet]\npayments_per_minute = \"none\"\n").says(), "allow");
    }
}
