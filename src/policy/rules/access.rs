//! Whether this domain may be paid at all.

use super::{Case, Check, Rule, Said};
use crate::policy::Access;
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "domain_refused",
    sentence: "A domain may be open, closed, or open after asking.",
    key: "domain access",
    check: Check::Offer(check),
};

const ASKS: &str = "domain_asks";

fn check(case: &Case<'_>) -> Said {
    let (rule, domain) = (case.place.rule_text("access"), &case.place.domain);
    if domain.is_empty() {
        return case.refuse(RULE.code, rule, "This URL names no host.", Who::Agent);
    }
    match case.place.rules.access {
        Access::Allow => Said::Pass,
        Access::Ask => {
            Said::Ask(Reason::new(ASKS, rule, format!("The owner is asked before {domain} is paid."), Who::Owner))
        }
        Access::Refuse => case.refuse(RULE.code, rule, format!("The policy does not pay {domain}."), Who::Owner),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_domain_is_open_closed_or_open_after_asking() {
        let with = |access| scene().policy(&format!("[[domain]]\nhost = \"*.example.com\"\naccess = \"{access}\"\n"));
        assert_eq!(with("allow").says(), "allow");
        assert_eq!(with("ask").says(), "ask domain_asks");
        assert_eq!(with("refuse").says(), "refuse domain_refused");
    }

    #[test]
    fn hosts_without_a_rule_follow_each_domain() {
        let scene = scene().policy("[each_domain]\naccess = \"refuse\"\n");
        assert_eq!(scene.says(), "refuse domain_refused");
        assert_eq!(scene.reason().rule, "each_domain access (example.com)");
    }

    #[test]
    fn a_final_dot_does_not_open_a_closed_host() {
        let scene = scene().policy("[[domain]]\nhost = \"api.example.com\"\naccess = \"refuse\"\n");
        assert_eq!(scene.at("https://api.example.com./v1/data").says(), "refuse domain_refused");
    }
}
