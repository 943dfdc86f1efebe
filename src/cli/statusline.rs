//! `bursar statusline`: how things stand, in one short line.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, out, words};
use crate::owner::{Glance, glance};

/// Print one short line for a prompt or a status bar
///
/// What the last 24 hours cost and what they may, payments in doubt, questions that wait for you, alarms since your last
/// review, whether a changed policy waits to be applied, and whether everything is frozen. It reads and never waits;
/// where there is nothing to read it prints nothing and exits 0.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar statusline\n  set -g status-right '#(bursar statusline)'    # tmux")]
pub struct Statusline {}

impl Statusline {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let glance = context.home().ok().and_then(|home| glance(&home, words::now()));
        glance.iter().for_each(|glance| context.out.line(line(glance)));
        Ok(Exit::Done)
    }
}

fn line(glance: &Glance) -> String {
    let Glance { stands, limit, is_held_back } = glance;
    let limit = limit.map(|limit| format!("/{limit}")).unwrap_or_default();
    let mut parts = vec![format!("{}{limit}", words::dollars(stands.spent))];
    let mut count = |n: u64, what: &str| {
        if n > 0 {
            parts.push(out::warn(&format!("{n} {what}")));
        }
    };
    count(stands.held, "held");
    count(stands.waiting, "to approve");
    if stands.alarms > 0 {
        parts.push(out::bad(&format!("{} alarm{}", stands.alarms, if stands.alarms == 1 { "" } else { "s" })));
    }
    if *is_held_back {
        parts.push(out::warn("policy not applied"));
    }
    if stands.frozen {
        parts.push(out::bad("frozen"));
    }
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;

    fn says(change: impl FnOnce(&mut Glance)) -> String {
        let mut glance =
            Glance { stands: Default::default(), limit: Some(Usd::micros(2_000_000)), is_held_back: false };
        glance.stands.spent = Usd::micros(420_000);
        change(&mut glance);
        anstream::adapter::strip_str(&line(&glance)).to_string()
    }

    #[test]
    fn a_line_says_what_was_spent_and_only_what_needs_a_look() {
        assert_eq!(says(|_| ()), "$0.42/2.00");
        assert_eq!(says(|glance| glance.limit = None), "$0.42");
        let all = says(|glance| {
            (glance.stands.held, glance.stands.waiting, glance.stands.alarms) = (1, 2, 3);
            (glance.stands.frozen, glance.is_held_back) = (true, true);
        });
        assert_eq!(all, "$0.42/2.00 · 1 held · 2 to approve · 3 alarms · policy not applied · frozen");
    }
}
