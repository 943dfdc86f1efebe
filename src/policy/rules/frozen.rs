//! The owner's stop: nothing is paid until the owner thaws the wallet.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "frozen",
    sentence: "Nothing is paid while the wallet is frozen.",
    key: "bursar freeze",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    match case.snapshot.frozen {
        false => Said::Pass,
        true => case.refuse(
            RULE.code,
            RULE.key,
            "The wallet is frozen: nothing is paid until its owner thaws it.",
            Who::Owner,
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn a_frozen_wallet_pays_nothing() {
        assert_eq!(scene().seen(|s| s.frozen = true).says(), "refuse frozen");
    }

    #[test]
    fn an_approval_does_not_thaw() {
        assert_eq!(scene().seen(|s| s.frozen = true).approved(ApprovedBy::Owner).says(), "refuse frozen");
    }
}
