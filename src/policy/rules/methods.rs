//! Which HTTP methods a domain's rule opens.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "method_not_allowed",
    sentence: "At a domain whose rule names methods, only those are paid for.",
    key: "domain methods",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let methods = case.place.rule.map_or(&[][..], |rule| &rule.methods);
    if methods.is_empty() || methods.contains(&case.question.request.method) {
        return Said::Pass;
    }
    let message = format!("At {} the policy pays only for {}.", case.place.domain, methods.join(", "));
    case.refuse(RULE.code, case.place.rule_text("methods"), message, Who::Owner)
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
