//! A no of the owner to exactly these terms stands.

use super::{Case, Check, Rule, Said};
use crate::policy::terms;
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "denied_by_owner",
    sentence: "What the owner said no to is not paid.",
    key: "bursar deny",
    check: Check::Offer(check),
};

pub const SAID_NO: &str = "The owner was asked about exactly this and said no.";

fn check(case: &Case<'_>) -> Said {
    match case.snapshot.denied.contains(&terms(case.offer)) {
        false => Said::Pass,
        true => case.refuse(RULE.code, RULE.key, SAID_NO, Who::Owner),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_no_stands_for_exactly_its_terms() {
        let denied = |price| scene().seen(|s| _ = s.denied.insert(terms(&offer(price))));
        assert_eq!(denied("0.01").says(), "refuse denied_by_owner");
        assert_eq!(denied("0.02").says(), "allow");
    }
}
