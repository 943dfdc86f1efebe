//! What one agent may spend in one run of activity.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_session",
    sentence: "One session spends at most this.",
    key: "session total",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    RULE.limits(site.policy.session.total, Scope::Session, Window::Session, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_session_holds_what_was_spent_in_it_and_this() {
        let scene = || {
            scene().policy("[approval]\nabove = \"none\"\n[session]\ntotal = \"1.00\"\n").spent(
                Scope::Session,
                Window::Session,
                "0.90",
            )
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_session");
        assert_eq!(refused.reason().rule, "session total");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
