//! What the whole wallet may spend in 24 hours, over all agents and sessions.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_day",
    sentence: "All payments of 24 hours together cost at most this.",
    key: "wallet per_day",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let limit = site.policy.wallet.per_day;
    RULE.limits(limit, Scope::Wallet, Window::Day, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_day_holds_what_was_spent_in_it_and_this() {
        let scene = || {
            scene().policy("[approval]\nabove = \"none\"\n[wallet]\nper_day = \"1.00\"\n").spent(
                Scope::Wallet,
                Window::Day,
                "0.90",
            )
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_day");
        assert_eq!(refused.reason().rule, "wallet per_day");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
