//! A no of the owner stands: for the terms they were shown, and for dearer ones.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "denied_by_owner",
    sentence: "What the owner said no to is not paid.",
    key: "bursar deny",
    check: Check::Offer(check),
};

/// What is said where the owner said no.
pub const SAID_NO: &str = "The owner was asked about this, at this price or less, and said no.";

fn check(case: &Case<'_>) -> Said {
    match case.snapshot.denied.iter().any(|denied| denied.covers(case.offer)) {
        false => Said::Pass,
        true => case.refuse(RULE.code, RULE.key, SAID_NO, Who::Owner),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    fn said_no_to(offer: &Offer) -> Denial {
        Terms::of(&scene().question(), offer, &[], &scene().snapshot).denial()
    }

    #[test]
    fn a_no_stands_for_its_terms_and_for_dearer_ones() {
        let denied = |price| scene().seen(|s| s.denied.push(said_no_to(&offer(price))));
        assert_eq!(denied("0.01").says(), "refuse denied_by_owner");
        assert_eq!(denied("0.009").says(), "refuse denied_by_owner");
        assert_eq!(denied("0.02").says(), "allow");
    }

    #[test]
    fn another_payee_does_not_wash_a_no_away() {
        let to_another = Offer { payee: at(OTHER_PAYEE), ..offer("0.01") };
        let denied = said_no_to(&to_another);
        assert_eq!(scene().seen(|s| s.denied.push(denied)).says(), "refuse denied_by_owner");
    }
}
