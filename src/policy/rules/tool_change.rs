//! A tool that says something else of itself than when it was first listed: mended, or turned against whoever trusts it.
//! A yes is for the words it has then; others ask anew.

use super::{Case, Check, Rule, Said};
use crate::policy::Access;
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "tool_changed",
    sentence: "A tool that says something else of itself than when it was first listed is looked at by a person.",
    key: "tools on_change",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let Some(change) = &case.snapshot.tool_change else { return Said::Pass };
    let of_domain = case.place.rule.and_then(|rule| rule.tool_changes);
    let rule = of_domain.map_or(RULE.key.to_owned(), |_| case.place.rule_text("tool_changes"));
    let message = format!(
        "This tool was listed on {} and says something else of itself since {}: another description, or other arguments.",
        change.since, change.at
    );
    let reason = Reason::new(RULE.code, rule, message, Who::Owner);
    match of_domain.unwrap_or(case.policy.tool_changes) {
        Access::Allow => Said::Pass,
        Access::Ask => Said::Ask(reason),
        Access::Refuse => Said::Refuse(reason),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::{ApprovedBy, ToolChange};

    fn changed(policy: &str, words: u8) -> Scene {
        let change = ToolChange { since: NOW, at: NOW, words: [words; 32] };
        scene().policy(policy).seen(|s| s.tool_change = Some(change))
    }

    #[test]
    fn other_words_are_asked_about_refused_or_allowed() {
        assert_eq!(scene().says(), "allow");
        assert_eq!(changed("", 1).says(), "ask tool_changed");
        assert_eq!(changed("[tools]\non_change = \"refuse\"\n", 1).says(), "refuse tool_changed");
        assert_eq!(changed("[tools]\non_change = \"allow\"\n", 1).says(), "allow");
    }

    #[test]
    fn a_domain_rule_may_say_otherwise() {
        let with = |line: &str| changed(&format!("[[domain]]\nhost = \"api.example.com\"\n{line}"), 1).says();
        assert_eq!(with("tool_changes = \"allow\"\n"), "allow");
        assert_eq!(with("tool_changes = \"refuse\"\n"), "refuse tool_changed");
        assert_eq!(with(""), "ask tool_changed");
    }

    #[test]
    fn a_yes_is_for_the_words_that_were_shown_and_no_others() {
        let approved = changed("", 1).approved(ApprovedBy::Owner);
        assert_eq!(approved.says(), "allow");
        let again = approved.seen(|s| s.tool_change = Some(ToolChange { since: NOW, at: NOW, words: [2; 32] }));
        assert_eq!(again.says(), "ask tool_changed");
    }
}
