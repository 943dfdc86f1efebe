//! What one payment may cost at this domain.

use super::{Cap, Check, Rule, Site};
use crate::policy::{Scope, Window};

pub const RULE: Rule = Rule {
    code: "over_domain_payment",
    sentence: "One payment at a domain costs at most this.",
    key: "domain per_payment",
    check: Check::Cap(cap),
};

fn cap(site: &Site<'_>) -> Option<Cap> {
    let place = site.place?;
    let scope = Scope::Domain(place.domain.clone());
    RULE.limits(place.rules.per_payment, scope, Window::Payment, place.rule_text("per_payment"))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_domain_has_a_price_of_its_own_that_no_payment_exceeds() {
        let scene = || scene().policy("[[domain]]\nhost = \"api.example.com\"\nper_payment = \"0.05\"\n");
        assert_eq!(scene().price("0.05").says(), "allow");
        assert_eq!(scene().price("0.050001").says(), "refuse over_domain_payment");
        assert_eq!(scene().price("0.06").at("https://other.example.com/").says(), "allow");
    }
}
