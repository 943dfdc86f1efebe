//! What one session may spend at this domain: no one seller gets all of it.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_domain_session",
    sentence: "One session spends at most this at a domain.",
    key: "domain per_session",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let place = site.place?;
    let scope = Scope::Domain(place.domain.clone());
    RULE.limits(place.rules.per_session, scope, Window::Session, place.rule_text("per_session"))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_session_spends_no_more_at_a_domain_than_its_share() {
        let scene = || {
            scene().policy("[approval]\nabove = \"none\"\n[each_domain]\nper_session = \"1.00\"\n").spent(
                Scope::Domain("example.com".into()),
                Window::Session,
                "0.90",
            )
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_domain_session");
        assert_eq!(refused.reason().rule, "each_domain per_session (example.com)");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
