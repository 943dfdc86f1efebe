//! What the log adds up to, with a bar beside each line for the eye.

use crate::answer::Sum;
use crate::cli::table::{Table, cell};
use crate::cli::words;
use crate::money::Usd;
use crate::owner::By;

/// A bar this wide is the longest.
const BAR: usize = 24;

pub fn lines(sums: &[Sum], by: By, width: usize) -> Vec<String> {
    const NAME: usize = 0;
    let name = match by {
        By::Day => "DAY (UTC)",
        By::Domain => "DOMAIN",
        By::Session => "SESSION",
        By::Agent => "AGENT",
    };
    let most = sums.iter().map(spent).max().unwrap_or_default();
    let mut table = Table::headed(&[name, "PURCHASES", "SETTLED", "HELD", ""]);
    for sum in sums {
        table.push(vec![
            cell(&sum.key),
            cell(&sum.totals.count.to_string()).right(),
            cell(&words::dollars(sum.totals.settled_usd)).right(),
            cell(&held(sum.totals.held_usd)).right().styled(words::state("held")),
            cell(&bar(sum, most)),
        ]);
    }
    table.lines(width, NAME)
}

fn held(usd: Usd) -> String {
    if usd == Usd::ZERO { String::new() } else { words::dollars(usd) }
}

/// What is settled, and after it, lighter, what is held.
fn bar(sum: &Sum, most: Usd) -> String {
    let long = |usd: Usd| {
        let share = u128::from(usd.as_micros()) * BAR as u128;
        share.checked_div(u128::from(most.as_micros())).unwrap_or_default() as usize
    };
    let (settled, whole) = (long(sum.totals.settled_usd), long(spent(sum)));
    format!("{}{}", "█".repeat(settled), "░".repeat(whole - settled))
}

fn spent(sum: &Sum) -> Usd {
    sum.totals.settled_usd.saturating_add(sum.totals.held_usd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Totals;

    #[test]
    fn sums_line_up_and_held_money_is_told_apart() {
        let sum = |key: &str, count, settled, held| Sum {
            key: key.to_owned(),
            totals: Totals { count, settled_usd: Usd::micros(settled), held_usd: Usd::micros(held) },
        };
        let sums = [
            sum("example.com", 112, 1_200_000, 300_000),
            sum("a-very-long-name-of-a-domain.example", 1, 500, 0),
            sum("nothing.example", 3, 0, 0),
        ];
        let lines = lines(&sums, By::Domain, 80);
        let plain: Vec<String> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        insta::assert_snapshot!(plain.join("\n"));
    }
}
