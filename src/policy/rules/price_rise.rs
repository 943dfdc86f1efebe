//! A price that rose: above the lowest settled one at the same origin and path in 30 days, by more than the owner likes.

use super::{Case, Check, Rule, Said};
use crate::money::Usd;
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "price_rise",
    sentence: "A price far above the lowest paid at the same place in 30 days is looked at by a person.",
    key: "price rise",
    check: Check::Offer(check),
};

/// Below a cent, a price that doubles is noise.
const IGNORED_BELOW: Usd = Usd::micros(10_000);

fn check(case: &Case<'_>) -> Said {
    let (Some(rise), Some(lowest)) = (case.policy.price_rise, case.snapshot.lowest_price) else {
        return Said::Pass;
    };
    let price = case.offer.usd;
    let most = u128::from(lowest.as_micros()) * (100 + u128::from(rise)) / 100;
    if price < IGNORED_BELOW || u128::from(price.as_micros()) <= most {
        return Said::Pass;
    }
    let message = format!(
        "This costs ${price}, and cost ${lowest} within the last 30 days. The owner is asked if a price rises by more \
         than {rise}%."
    );
    let reason = Reason::new(RULE.code, RULE.key, message, Who::Owner);
    Said::Ask(Reason { limit_usd: Some(Usd::micros(most as u64)), ..reason })
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    fn was(lowest: &str, price: &str) -> String {
        scene().seen(|s| s.lowest_price = Some(usd(lowest))).price(price).says()
    }

    #[test]
    fn a_price_that_rose_by_more_than_half_is_asked_about() {
        assert_eq!(was("0.02", "0.03"), "allow");
        assert_eq!(was("0.02", "0.030001"), "ask price_rise");
        assert_eq!(was("0.02", "0.01"), "allow");
    }

    #[test]
    fn below_a_cent_a_rise_is_ignored() {
        assert_eq!(was("0.001", "0.009999"), "allow");
        assert_eq!(was("0.001", "0.01"), "ask price_rise");
    }

    #[test]
    fn a_price_never_seen_before_did_not_rise() {
        assert_eq!(scene().price("0.09").says(), "allow");
    }
}
