//! `bursar balance`: what the wallet holds, and how much of it may be spent now.

use clap::Args;

use crate::answer::Balances;
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Table, cell};
use crate::cli::{Context, out, words};

/// Show what the wallet holds, and what may be spent now
///
/// Balances are read from the chains; what may be spent is the smaller of them and the limits.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar balance\n  bursar balance --network eip155:84532 --json")]
pub struct BalanceCommand {
    /// Only this network, by its CAIP-2 name
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl BalanceCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let balances = context.bursar().await?.agent(super::OWNER).balances(self.network.as_deref()).await?;
        if self.json {
            context.out.json(&balances);
            return Ok(Exit::Done);
        }
        lines(&balances, context.out.width()).iter().for_each(|line| context.out.line(line));
        for problem in &balances.problems {
            context.out.say(format_args!("{} {}", out::warn("warning:"), out::clean(problem)));
        }
        Ok(Exit::Done)
    }
}

fn lines(balances: &Balances, width: usize) -> Vec<String> {
    let mut table = Table::headed(&["NETWORK", "AMOUNT", "ASSET", "USD"]);
    for balance in &balances.balances {
        table.push(vec![
            cell(&words::network(&balance.network)),
            cell(&balance.amount).right(),
            cell(&balance.asset),
            cell(&words::dollars(balance.usd)).right(),
        ]);
    }
    let mut lines = vec![out::clean(&balances.address)];
    lines.extend(table.lines(width, 0));
    lines.push(format!("{} may be spent now", out::bold(&words::dollars(balances.spendable_usd))));
    lines
}
