//! What may be spent at this domain in 24 hours, over all agents and sessions.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_domain_day",
    sentence: "All payments of 24 hours at a domain cost at most this.",
    key: "domain per_day",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let place = site.place?;
    let scope = Scope::Domain(place.domain.clone());
    RULE.limits(place.rules.per_day, scope, Window::Day, place.rule_text("per_day"))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_domain_rule_counts_under_its_own_text() {
        let scene = || {
            scene()
                .policy("[approval]\nabove = \"none\"\n[[domain]]\nhost = \"*.example.com\"\nper_day = \"1.00\"\n")
                .spent(Scope::Domain("*.example.com".into()), Window::Day, "0.90")
        };
        assert_eq!(scene().price("0.10").says(), "allow");
        let refused = scene().price("0.100001");
        assert_eq!(refused.says(), "refuse over_domain_day");
        assert_eq!(refused.reason().rule, "domain *.example.com per_day");
        assert_eq!(refused.reason().used_usd, Some(usd("0.90")));
    }
}
