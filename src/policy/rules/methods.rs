//! Which HTTP methods a domain's rule opens.

use super::{Case, Check, Place, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "method_not_allowed",
    sentence: "At a domain whose rule names methods, only those are paid for.",
    key: "domain methods",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    if opens(&case.place, &case.question.request.method) {
        return Said::Pass;
    }
    let methods = case.place.rule.map_or(&[][..], |rule| &rule.methods);
    let message = format!("At {} the policy pays only for {}.", case.place.domain, methods.join(", "));
    case.refuse(RULE.code, case.place.rule_text("methods"), message, Who::Owner)
}

/// Whether the rule for a place names this method, or none. A tool has no method.
pub(super) fn opens(place: &Place<'_>, method: &str) -> bool {
    let rule = place.rule.filter(|_| !place.is_tool());
    rule.is_none_or(|rule| rule.methods.is_empty() || rule.methods.iter().any(|named| named == method))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_method_the_rule_does_not_name_is_refused() {
        let mut scene = scene().policy("[[domain]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\n");
        assert_eq!(scene.says(), "allow");
        scene.request.method = "POST".into();
        assert_eq!(scene.says(), "refuse method_not_allowed");
        scene.request.method = "get".into();
        assert_eq!(scene.says(), "refuse method_not_allowed");
    }
}
