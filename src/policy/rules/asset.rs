//! What is paid is a known asset, counted as its table counts it. The parser made sure of that; money is worth a second
//! look, because every budget stands on this number.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "unknown_asset",
    sentence: "Only an asset bursar knows is paid with, at the dollars its table says, and never nothing.",
    key: "config asset",
    check: Check::Offer(check),
};

const ZERO: &str = "amount_zero";

fn check(case: &Case<'_>) -> Said {
    let offer = case.offer;
    if offer.amount.is_zero() {
        return case.refuse(ZERO, "amount", "The offer asks for an amount of nothing.", Who::Agent);
    }
    let counted = offer.asset.usd(offer.amount).is_some_and(|usd| usd == offer.usd);
    match counted {
        true => Said::Pass,
        false => {
            case.refuse(RULE.code, RULE.key, "The offer asks for an asset bursar cannot pay or count with.", Who::Owner)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    use crate::offer::Offer;

    #[test]
    fn an_offer_of_nothing_is_not_signed() {
        assert_eq!(scene().price("0").says(), "refuse amount_zero");
    }

    #[test]
    fn dollars_that_do_not_follow_from_the_amount_are_not_believed() {
        let cheap = Offer { usd: usd("0.01"), ..offer("0.50") };
        assert_eq!(scene().offer(cheap).says(), "refuse unknown_asset");
    }
}
