//! The caller's own ceiling, or that of the host it calls from. It only ever lowers what is paid.

use super::{Case, Check, Rule, Said};
use crate::reason::{Reason, Who};
use crate::request::SetBy;

pub const RULE: Rule = Rule {
    code: "over_max_price",
    sentence: "Nothing costs more than the call itself, or the host it came from, allows.",
    key: "max_price",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let price = case.offer.usd;
    match case.question.max_price {
        Some(most) if price > most.usd => {
            let (whose, who) = match most.set_by {
                SetBy::Call => ("this call pays", Who::Agent),
                SetBy::Host => ("the owner lets this host's agent pay", Who::Owner),
            };
            let message = format!("This costs ${price}, and {whose} at most ${}.", most.usd);
            Said::Refuse(Reason { limit_usd: Some(most.usd), ..Reason::new(RULE.code, RULE.key, message, who) })
        }
        _ => Said::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::SetBy;
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
    fn an_agent_cannot_mend_what_its_host_lets_it_pay() {
        let mut scene = scene().price("0.05");
        (scene.max_price, scene.max_price_by) = (Some(usd("0.04")), SetBy::Host);
        assert_eq!(scene.says(), "refuse over_max_price");
        assert_eq!(scene.reason().who_can_fix, crate::reason::Who::Owner);
    }

    #[test]
    fn a_high_ceiling_raises_nothing() {
        let mut scene = scene().price("0.60");
        scene.max_price = Some(usd("100"));
        assert_eq!(scene.says(), "refuse over_domain_payment over_domain_session");
    }
}
