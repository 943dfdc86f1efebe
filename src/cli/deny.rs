//! `bursar deny ID`: the owner's no to one purchase.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, approve, out, words};

/// Say no to a purchase that waits for you
///
/// The agent is told so, and the same terms are not asked again. Needs no terminal: a no takes nothing away that a
/// program could want.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar deny pu_7f3a")]
pub struct Deny {
    /// Of the purchase, or the beginning of it
    id: String,
}

impl Deny {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bursar = context.bursar().await?;
        let question = approve::find(&bursar, &self.id).await?;
        bursar.deny(&question).await?;
        let (price, domain) = (words::dollars(question.amount_usd), out::clean(&question.domain));
        context.out.say(format_args!("{} {price} to {domain} is not paid.", out::bold("Denied.")));
        Ok(Exit::Done)
    }
}
