//! A seller that takes money and delivers nothing, again and again. One lost answer is an accident.

use super::{Case, Check, Rule, Said};
use crate::reason::{Reason, Who};

pub const RULE: Rule = Rule {
    code: "undelivered",
    sentence: "A seller that was paid this often within 24 hours and delivered nothing, or an error, is looked at by a person.",
    key: "breakers undelivered",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let (count, domain) = (case.snapshot.undelivered.count, &case.place.domain);
    let Some(most) = case.policy.breakers.undelivered.filter(|most| count >= *most) else {
        return Said::Pass;
    };
    let ends = match case.snapshot.undelivered.frees_at {
        Some(at) => format!(" That ends at {at}, or earlier if the chain proves that no money moved."),
        None => String::new(),
    };
    let message = format!(
        "{count} payments to {domain} in 24 hours brought nothing; the limit is {most}. The owner is asked before it is \
         paid again.{ends}"
    );
    Said::Ask(Reason::new(RULE.code, format!("{} ({domain})", RULE.key), message, Who::Owner))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    fn after(count: u32) -> Scene {
        scene().seen(|s| s.undelivered = Tally { count, frees_at: Some(NOW) })
    }

    #[test]
    fn after_three_times_nothing_the_owner_is_asked() {
        assert_eq!(after(2).says(), "allow");
        assert_eq!(after(3).says(), "ask undelivered");
        assert_eq!(after(3).approved(ApprovedBy::Owner).says(), "allow");
    }

    #[test]
    fn the_owner_sets_how_often() {
        assert_eq!(after(1).policy("[breakers]\nundelivered = 1\n").says(), "ask undelivered");
        assert_eq!(after(1000).policy("[breakers]\nundelivered = \"none\"\n").says(), "allow");
    }

    #[test]
    fn it_says_whose_it_was_and_when_it_ends() {
        let reason = after(4).reason();
        assert_eq!(reason.rule, "breakers undelivered (example.com)");
        assert_eq!(
            reason.message,
            "4 payments to example.com in 24 hours brought nothing; the limit is 3. The owner is asked before it is paid \
             again. That ends at 2027-01-15T08:00:00Z, or earlier if the chain proves that no money moved."
        );
    }
}
