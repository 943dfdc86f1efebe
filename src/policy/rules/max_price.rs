//! The caller's own ceiling. It only ever lowers what is paid.

use super::{Case, Check, Rule, Said};
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "over_max_price",
    sentence: "Nothing costs more than the call itself allows.",
    key: "max_price",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let price = case.offer.usd;
    match case.question.max_price {
        Some(most) if price > most => {
            let message = format!("This costs ${price}, and this call pays at most ${most}.");
            let reason = Reason::new(RULE.code, RULE.key, message, Who::Agent);
            Said::Refuse(Reason { limit_usd: Some(most), ..reason })
        }
        _ => Said::Pass,
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_call_pays_no_more_than_it_said() {
        let mut scene = scene().price("0.05");
        scene.max_price = Some(usd("0.05"));
        assert_eq!(scene.says(), "allow");
        scene.max_price = Some(usd("0.049999"));
        assert_eq!(scene.says(), "refuse over_max_price");
        assert_eq!(scene.reason().who_can_fix, crate::reason::Who::Agent);
    }

    #[test]
    fn a_high_ceiling_raises_nothing() {
        let mut scene = scene().price("0.60");
        scene.max_price = Some(usd("100"));
        assert_eq!(scene.says(), "refuse over_domain_payment over_domain_session");
    }
}
