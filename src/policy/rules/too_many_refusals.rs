//! An agent that is refused over and over: it loops, or feels for a gap. It gets nothing until it slows down.

use super::{Case, Check, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "too_many_refusals",
    sentence: "An agent that was refused this often within a minute pays for nothing until it slows down.",
    key: "breakers refusals_per_minute",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    let count = case.snapshot.refusals.count;
    let Some(most) = case.policy.breakers.refusals_per_minute.filter(|most| count >= *most) else {
        return Said::Pass;
    };
    let ends = match case.snapshot.refusals.frees_at {
        Some(at) => format!(" If it is not refused again, it may pay from {at} on."),
        None => String::new(),
    };
    let message = format!(
        "This agent was refused {count} times within a minute; the limit is {most}. Nothing is paid for it until it \
         slows down.{ends}"
    );
    case.refuse(RULE.code, RULE.key, message, Who::Time)
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::policy::*;

    fn after(count: u32) -> Scene {
        scene().seen(|s| s.refusals = Tally { count, frees_at: Some(NOW) })
    }

    #[test]
    fn an_agent_refused_thirty_times_in_a_minute_waits() {
        assert_eq!(after(29).says(), "allow");
        assert_eq!(after(30).says(), "refuse too_many_refusals");
        assert_eq!(after(1000).policy("[breakers]\nrefusals_per_minute = \"none\"\n").says(), "allow");
    }

    #[test]
    fn no_yes_speeds_it_up() {
        assert_eq!(after(30).approved(ApprovedBy::Owner).says(), "refuse too_many_refusals");
    }

    #[test]
    fn it_says_when_it_goes_on() {
        let reason = after(31).reason();
        assert_eq!(reason.who_can_fix, crate::reason::Who::Time);
        assert_eq!(
            reason.message,
            "This agent was refused 31 times within a minute; the limit is 30. Nothing is paid for it until it slows down. \
             If it is not refused again, it may pay from 2027-01-15T08:00:00Z on."
        );
    }
}
