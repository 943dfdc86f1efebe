//! What one address may be paid in 24 hours: many domains may lead to one pocket.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_payee_day",
    sentence: "One payee gets at most this in 24 hours, whatever its hosts are called.",
    key: "payee per_day",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let scope = Scope::Payee(site.payee?.to_owned());
    RULE.limits(site.policy.payee.per_day, scope, Window::Day, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_payee_is_paid_no_more_in_a_day_whatever_its_host() {
        let scene = || {
            scene().policy("[approval]\nabove = \"none\"\n[payee]\nper_day = \"1.00\"\n").spent(
                Scope::Payee(PAYEE.to_owned()),
                Window::Day,
                "0.90",
            )
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_payee_day");
        assert_eq!(refused.reason().rule, "payee per_day");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
