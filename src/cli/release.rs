//! `bursar release ID`: the owner gives budget back by hand.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out, story, words};

/// Give the budget of a held payment back, by your own word
///
/// For when no chain can be asked, or you know what became of it. The ledger keeps it as your word, not as proof: if
/// the seller takes the money after all, an alarm says so. Asks at the terminal that you type the amount.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar reconcile        # ask the chains first\n  bursar release pu_7f3a")]
pub struct Release {
    /// Of the purchase, or the beginning of it
    id: String,
}

impl Release {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar release")?;
        let bursar = context.bursar().await?;
        let told = story::of(&bursar, &self.id).await?;
        let Some(amount) = told.row.amount_usd else {
            return Err(Failure::new("nothing_to_release", "nothing was ever authorized for that purchase", ""));
        };
        for line in story::heading(&told, words::now()) {
            owner.tell(&line)?;
        }
        owner.must_type(&words::dollars(amount), "count it as never spent")?;
        let passphrase = owner.passphrase(&bursar)?;
        let named = format!("{}/{}", told.row.agent, told.row.purchase_id);
        let row = bursar.release(&named, passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!(
            "{} {} is {}.",
            out::good("Released."),
            out::clean(&row.purchase_id),
            out::clean(&row.state)
        ));
        Ok(Exit::Done)
    }
}
