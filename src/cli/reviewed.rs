//! `bursar reviewed`: the owner has read the log.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::reconcile::count;
use crate::cli::{Context, out, words};

/// Mark the log as read, all of it or up to one purchase
///
/// `bursar log --unreviewed` begins after it, and so does the cap `since_review` of the policy. Asks at the terminal that
/// you type the word `reviewed`. An ID of before moves the mark back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar log --unreviewed\n  bursar reviewed\n  bursar reviewed pu_7f3a")]
pub struct Reviewed {
    /// Of the last purchase you have looked at, or the beginning of it; all of them without one
    id: Option<String>,
}

impl Reviewed {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar reviewed")?;
        let bursar = context.bursar().await?;
        let (totals, since) = bursar.unreviewed().await?;
        let since = match since.secs() {
            0 => "so far".to_owned(),
            _ => format!("since {}", words::when(since, words::now())),
        };
        let (settled, held) = (words::dollars(totals.settled_usd), words::dollars(totals.held_usd));
        let purchases = count(totals.count as usize, "purchase");
        owner.tell(&format!("{purchases} {since}: {settled} settled, {held} held."))?;
        let up_to = self.id.as_ref().map(|id| format!(" up to {}", out::clean(id))).unwrap_or_default();
        owner.must_type("reviewed", &format!("mark the log as read{up_to}"))?;
        let passphrase = owner.passphrase(&bursar)?;
        bursar.review(self.id.as_deref(), passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{}", out::good("Reviewed.")));
        Ok(Exit::Done)
    }
}
