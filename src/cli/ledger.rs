//! `bursar ledger adopt`: a restored ledger becomes this wallet's.

use clap::{Args, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};

/// Accept a ledger that was restored or moved
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct LedgerCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Adopt(Adopt),
}

/// Take the ledger that is here for this wallet's own
///
/// A wallet remembers which ledger is its own and how far it had come; one that is missing, foreign or shorter signs
/// nothing. Adopting accepts what is there. Since nobody knows what is missing from it, every window counts as full
/// until it has rolled by. Asks at the terminal that you type the word `adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar restore bursar.backup         # or: cp copy/ledger.db* ~/.bursar/, while nothing runs\n  bursar ledger adopt"
)]
struct Adopt {}

impl LedgerCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let Action::Adopt(Adopt {}) = self.action;
        let mut owner = Terminal::at_the_terminal("bursar ledger adopt")?;
        let bursar = context.bursar().await?;
        owner.tell(
            "What was spent and is not in this ledger is forgotten; every window counts as full until it rolls.",
        )?;
        owner.must_type("adopt", "accept this ledger")?;
        let passphrase = owner.passphrase(&bursar)?;
        bursar.adopt(passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{} This ledger is now the wallet's own.", out::good("Adopted.")));
        Ok(Exit::Done)
    }
}
