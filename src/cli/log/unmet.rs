//! What could not be bought, by what was missing.

use crate::answer::{Unmet, UnmetDemand};
use crate::cli::table::{Table, cell};
use crate::cli::{out, words};
use crate::limits;

pub fn lines(demand: &UnmetDemand, width: usize) -> Vec<String> {
    const WHAT: usize = 4;
    if demand.lines.is_empty() {
        return vec!["Nothing was offered that bursar could not pay.".to_owned()];
    }
    let mut table = Table::headed(&["NEEDS", "REFUSED", "HOSTS", "CLAIMED", "TO PAY IT TAKES"]);
    for line in &demand.lines {
        table.push(vec![
            cell(line.needs.word()),
            cell(&line.count.to_string()).right(),
            cell(&line.hosts.to_string()).right(),
            cell(&claimed(line)).right(),
            cell(line.what),
        ]);
    }
    let mut lines = table.lines(width, WHAT);
    lines.push(String::new());
    lines.extend(notes(demand).into_iter().map(|note| out::dim(&note)));
    lines
}

/// Only what is in a known asset adds up; of how many that is stands in the JSON.
fn claimed(line: &Unmet) -> String {
    if line.priced == 0 { String::new() } else { words::dollars(line.claimed_usd) }
}

fn notes(demand: &UnmetDemand) -> Vec<String> {
    let count = match demand.count {
        1 => "1 purchase was".to_owned(),
        count => format!("{count} purchases were"),
    };
    let mut notes =
        vec![format!("{count} refused: bursar can pay none of the offers (one may stand in several lines)")];
    if demand.is_cut {
        notes.push(format!("only the newest {} refusals were added up: --since, --until", limits::REFUSALS_ADDED_UP));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;
    use crate::offer::Needs;

    #[test]
    fn what_was_missing_lines_up_with_what_it_would_take() {
        let line = |needs: Needs, count, hosts, claimed, priced| Unmet {
            needs,
            what: needs.what(),
            count,
            hosts,
            claimed_usd: Usd::micros(claimed),
            priced,
        };
        let lines = vec![
            line(Needs::LightningWallet, 112, 3, 0, 0),
            line(Needs::Deposit, 4, 1, 40_000, 4),
            line(Needs::UnknownAsset, 1, 1, 0, 0),
        ];
        let shown = super::lines(&UnmetDemand { lines, count: 115, is_cut: true }, 80);
        let plain: Vec<String> = shown.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        insta::assert_snapshot!(plain.join("\n"));
        assert_eq!(super::lines(&UnmetDemand::default(), 80).len(), 1);
    }
}
