//! What the whole wallet may spend in an hour: it stops a run that went wrong before it reaches the day's end.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_hour",
    sentence: "All payments of an hour together cost at most this.",
    key: "wallet per_hour",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let limit = site.policy.wallet.per_hour;
    RULE.limits(limit, Scope::Wallet, Window::Hour, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn an_hour_holds_what_was_spent_in_it_and_this() {
        let scene = || {
            scene().policy("[approval]\nabove = \"none\"\n[wallet]\nper_hour = \"1.00\"\n").spent(
                Scope::Wallet,
                Window::Hour,
                "0.90",
            )
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_hour");
        assert_eq!(refused.reason().rule, "wallet per_hour");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
