//! What one payment may cost, whoever is paid.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_payment",
    sentence: "One payment costs at most this.",
    key: "wallet per_payment",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let limit = site.policy.wallet.per_payment;
    RULE.limits(limit, Scope::Wallet, Window::Payment, RULE.key.to_owned())
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_payment_may_cost_what_the_wallet_allows_and_not_a_micro_dollar_more() {
        let scene = || scene().policy("[each_domain]\nper_payment = \"none\"\n[wallet]\nper_payment = \"0.05\"\n");
        assert_eq!(scene().price("0.05").says(), "allow");
        assert_eq!(scene().price("0.050001").says(), "refuse over_payment");
    }

    #[test]
    fn what_costs_too_much_by_itself_is_for_the_owner_not_for_waiting() {
        let scene = scene().policy("[wallet]\nper_payment = \"0.05\"\n").price("0.06");
        let reason = scene.reason();
        assert_eq!(reason.message, "This costs $0.06, and the most that may be spent for one payment is $0.05.");
        assert_eq!((reason.rule.as_str(), reason.who_can_fix), ("wallet per_payment", crate::reason::Who::Owner));
    }
}
