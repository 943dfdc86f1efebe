//! What the whole wallet may spend before its owner looks at the log again.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_since_review",
    sentence: "All payments since the owner last reviewed the log cost at most this.",
    key: "wallet since_review",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let limit = site.policy.wallet.since_review;
    RULE.limits(limit, Scope::Wallet, Window::Review, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;
    use crate::reason::Who;

    #[test]
    fn what_was_spent_unseen_and_this_stay_within_it_and_only_the_owner_frees_it() {
        let scene =
            || scene().policy("[wallet]\nsince_review = \"0.50\"\n").spent(Scope::Wallet, Window::Review, "0.45");
        assert_eq!(scene().price("0.05").says(), "allow");
        let refused = scene().price("0.050001");
        assert_eq!(refused.says(), "refuse over_since_review");
        assert_eq!(refused.reason().who_can_fix, Who::Owner);
        insta::assert_snapshot!(refused.reason().message, @"This costs $0.050001. The limit of this wallet is $0.50 between two reviews, and $0.45 of it is spent. There is room again when the owner has reviewed what was bought.");
    }

    #[test]
    fn the_built_in_policy_sets_no_such_cap() {
        assert_eq!(Policy::built_in().wallet.since_review, None);
    }
}
