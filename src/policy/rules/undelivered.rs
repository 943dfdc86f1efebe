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
        Some(at) => format!(" That ends at {at}, or earlier when the chain proves that money never moved."),
        None => String::new(),
    };
    let message = format!(
        "Of what {domain} was paid for within 24 hours, or may have been, {count} came to nothing; from {most} on the \
         owner is asked.{ends}"
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
            "Of what example.com was paid for within 24 hours, or may have been, 4 came to nothing; from 3 on the owner \
             is asked. That ends at 2027-01-15T08:00:00Z, or earlier when the chain proves that money never moved."
        );
    }
}
