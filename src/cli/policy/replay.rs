//! `bursar policy replay`: what another policy would have done to the recorded past.

use std::path::PathBuf;

use clap::Args;

use super::{parsed, read};
use crate::answer::{Changed, Dollars, Outcomes, Replay as Replayed};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Cell, Table, cell};
use crate::cli::{Context, out, words};
use crate::config::PolicyFile;
use crate::money::Usd;
use crate::time::Time;

/// Try another policy on the recorded past: what it would have paid, asked and refused
///
/// Budgets begin empty at --since. What it would ask about and was paid then counts as paid: you would have said yes.
/// What it allows and was refused then counts as spent from there on. What no policy decides (a freeze, your own no, the
/// agent's own ceiling) stays refused; breakers and the cap since your last review are not tried. Nothing is spent and
/// nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy replay draft.toml --since 30d\n  \
                        bursar policy replay draft.toml --json | jq .paid.now_refused")]
pub struct ReplayCommand {
    /// The other policy
    file: PathBuf,
    /// From when: RFC 3339, or a span back from now (24h, 7d)
    #[arg(long, value_name = "WHEN", default_value = "30d")]
    since: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl ReplayCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let policy = parsed(&self.file, &read(&self.file)?)?;
        let policy = PolicyFile::new(&context.home()?).completed((*policy).clone());
        let replayed = context.bursar().await?.replay(policy.into(), Some(&self.since)).await?;
        match self.json {
            true => context.out.json(&replayed),
            false => lines(&replayed, words::now(), context.out.width()).iter().for_each(|line| context.out.line(line)),
        }
        Ok(Exit::Done)
    }
}

fn lines(replayed: &Replayed, now: Time, width: usize) -> Vec<String> {
    let mut table = Table::headed(&["THEN", "", "WOULD BE PAID", "ASKED", "REFUSED"]);
    let outcomes = [("paid", &replayed.paid), ("asked", &replayed.asked), ("refused", &replayed.refused)];
    outcomes.into_iter().for_each(|(then, outcomes)| table.push(counted(then, outcomes)));
    let mut lines = table.lines(width, usize::MAX);
    lines.push(String::new());
    lines.push(conclusion(replayed));
    if replayed.not_replayed > 0 {
        lines.push(out::dim(&format!(
            "{} could not be tried: their terms are not known any more",
            replayed.not_replayed
        )));
    }
    lines.extend(changes(replayed, now, width));
    lines
}

fn counted(then: &str, outcomes: &Outcomes) -> Vec<Cell> {
    let told = |dollars: Dollars| match dollars.count {
        0 => cell("–").right(),
        n => cell(&format!("{n} ({})", words::dollars(dollars.usd))).right(),
    };
    let Outcomes { all, now_paid, now_asked, now_refused } = *outcomes;
    vec![cell(then), told(all), told(now_paid), told(now_asked), told(now_refused)]
}

fn conclusion(replayed: &Replayed) -> String {
    let saved = replayed.paid.now_refused;
    let more = replayed.asked.now_paid.usd.saturating_add(replayed.refused.now_paid.usd);
    let mut parts =
        vec![format!("It would have saved {} ({} refused)", out::bold(&words::dollars(saved.usd)), saved.count)];
    if replayed.paid.now_asked.count > 0 {
        parts.push(format!("asked you about {} more", replayed.paid.now_asked.count));
    }
    if more > Usd::ZERO {
        parts.push(format!("and spent {} more", out::warn(&words::dollars(more))));
    }
    format!("{}.", parts.join(", "))
}

/// What a screen takes of them.
const SHOWN: usize = 20;

fn changes(replayed: &Replayed, now: Time, width: usize) -> Vec<String> {
    const WHY: usize = 4;
    if replayed.changes.is_empty() {
        return Vec::new();
    }
    let mut table = Table::headed(&["WHEN", "USD", "THEN", "NOW", "WHERE AND WHY", "ID"]);
    for Changed { purchase, then, now: judged, reasons } in replayed.changes.iter().take(SHOWN) {
        let rules: Vec<&str> = reasons.iter().map(|reason| reason.rule.as_str()).collect();
        let why = if rules.is_empty() { String::new() } else { format!(" [{}]", rules.join(", ")) };
        table.push(vec![
            cell(&words::when(purchase.at, now)),
            cell(&purchase.amount_usd.map(words::dollars).unwrap_or_default()).right(),
            cell(then).styled(styled(then)),
            cell(judged).styled(styled(judged)),
            cell(&format!("{}{why}", purchase.domain)),
            cell(&purchase.purchase_id.chars().take(9).collect::<String>()),
        ]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines(width, WHY));
    if replayed.changed > SHOWN as u64 {
        lines.push(out::dim(&format!("and {} more: --json", replayed.changed - SHOWN as u64)));
    }
    lines
}

fn styled(fate: &str) -> anstyle::Style {
    match fate {
        "paid" => words::verdict("allow"),
        "asked" => words::verdict("ask"),
        _ => words::verdict("refuse"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dollars(count: u64, cents: u64) -> Dollars {
        Dollars { count, usd: Usd::micros(cents * 10_000) }
    }

    #[test]
    fn a_replay_says_what_it_saves_what_it_asks_and_what_it_spends() {
        let replayed = Replayed {
            paid: Outcomes {
                all: dollars(12, 310),
                now_paid: dollars(7, 60),
                now_asked: dollars(3, 50),
                now_refused: dollars(2, 200),
            },
            refused: Outcomes {
                all: dollars(4, 90),
                now_paid: dollars(1, 5),
                now_refused: dollars(3, 85),
                ..Outcomes::default()
            },
            ..Replayed::default()
        };
        let lines = lines(&replayed, Time::from_secs(0), 80);
        let plain: Vec<String> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        insta::assert_snapshot!(plain.join("\n"));
    }
}
