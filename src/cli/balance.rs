//! `bursar balance`: what the wallet holds, and how much of it may be spent now.

mod watch;

use clap::Args;

use crate::answer::Balances;
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Table, cell};
use crate::cli::{Context, out, words};

/// Show what the wallet holds, and what may be spent now
///
/// Balances are read from the chains; what may be spent is the smaller of them and the limits. With --watch it shows
/// where to send money and who gives test money away, and waits until there is more than before: at first it looks every
/// few seconds, later once a minute, for a day at the most. Ended before that, it exits 1.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar balance
  bursar balance --network eip155:84532 --json
  bursar balance --watch && bursar fetch https://api.example.com/report")]
pub struct BalanceCommand {
    /// Only this network, by its CAIP-2 name
    #[arg(long, value_name = "NETWORK")]
    network: Option<String>,
    /// Wait until money comes; Ctrl-C ends it
    #[arg(long)]
    watch: bool,
    /// One JSON document; with --watch JSON Lines, of what is waited for and of what came
    #[arg(long)]
    json: bool,
}

impl BalanceCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bursar = context.bursar().await?;
        if self.watch {
            return watch::until_it_comes(context, &bursar, self.network.as_deref(), self.json).await;
        }
        let balances = bursar.agent(super::OWNER).balances(self.network.as_deref()).await?;
        if self.json {
            context.out.json(&balances);
            return Ok(Exit::Done);
        }
        lines(&balances, context.out.width()).iter().for_each(|line| context.out.line(line));
        if balances.balances.iter().all(|balance| balance.amount_atomic == "0") {
            context.out.say(format_args!("Where to send money, and waiting for it: bursar balance --watch"));
        }
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
    lines.extend(balances.also.as_deref().map(out::clean));
    lines.extend(table.lines(width, 0));
    lines.push(format!("{} may be spent now", out::bold(&words::dollars(balances.spendable_usd))));
    lines
}
