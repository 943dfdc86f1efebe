//! A seller that names this wallet's own address wants a signature, not money.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "payee_is_self",
    sentence: "This wallet never pays its own address.",
    key: "wallet address",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let ours = case.question.funds.wallet.and_then(|wallet| wallet.on(case.offer.network()));
    if ours.as_ref() != Some(&case.offer.payee) {
        return Said::Pass;
    }
    case.refuse(RULE.code, RULE.key, "The seller wants this wallet to pay its own address.", Who::Agent)
}

#[cfg(test)]
mod tests {
    use crate::offer::Offer;
    use crate::policy::scene::*;
    use crate::policy::*;

    #[test]
    fn its_own_address_is_never_paid() {
        let mut ours = scene().approved(ApprovedBy::Owner);
        ours.funds.wallet = Some(wallet(PAYEE));
        assert_eq!(ours.says(), "refuse payee_is_self");
    }

    #[test]
    fn a_cheaper_offer_to_ourselves_does_not_hide_an_honest_one() {
        let offers = vec![listed(Offer { payee: at(OTHER_PAYEE), ..offer("0.001") }), listed(offer("0.01"))];
        let mut scene = scene().offers(offers);
        scene.funds.wallet = Some(wallet(OTHER_PAYEE));
        assert_eq!(scene.decide().chosen, Some(1));
    }
}
