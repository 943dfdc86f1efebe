//! Which chains may be paid on. What is not listed is denied.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "network_not_allowed",
    sentence: "Only the listed networks are paid on.",
    key: "networks allow",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let network = case.offer.network();
    match case.policy.networks.contains(network) {
        true => Said::Pass,
        false => {
            case.refuse(RULE.code, RULE.key, format!("The policy does not pay on {}.", network.title()), Who::Owner)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    #[test]
    fn a_network_that_is_not_listed_is_denied() {
        assert_eq!(scene().offer(offer_on(84532, "0.01")).says(), "refuse network_not_allowed");
        let testnet = scene().policy("[networks]\nallow = [\"eip155:84532\"]\n");
        assert_eq!(testnet.offer(offer_on(84532, "0.01")).says(), "allow");
    }

    #[test]
    fn an_empty_list_denies_every_network() {
        assert_eq!(scene().policy("[networks]\nallow = []\n").says(), "refuse network_not_allowed");
    }
}
