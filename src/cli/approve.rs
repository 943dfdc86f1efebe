//! `bursar approve ID`: the owner's yes to one purchase.

use clap::Args;

use crate::answer;
use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out, pending, words};
use crate::owner::Owner;

/// Say yes to one purchase, once, on exactly the terms shown
///
/// Shows the terms at the terminal and asks you to type the amount. The agent's next try then goes through, if the
/// limits still allow it: a yes never lifts a limit. `bursar pending` lists the IDs; the beginning of one is enough.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar approve pu_7f3a")]
pub struct Approve {
    /// Of the purchase, or the beginning of it
    id: String,
}

impl Approve {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar approve")?;
        let bursar = context.bursar().await?;
        let question = find(&bursar, &self.id).await?;
        for line in pending::lines(&question, words::now()) {
            owner.tell(&line)?;
        }
        owner.must_type(&words::dollars(question.amount_usd), "approve")?;
        let passphrase = owner.passphrase(&bursar)?;
        let approved = bursar.approve(&question, passphrase.as_deref().map(String::as_str)).await?;
        let until = approved.approved_until.map(|until| words::when(until, words::now())).unwrap_or_default();
        context
            .out
            .say(format_args!("{} The agent's next try goes through; the yes ends {until}.", out::good("Approved.")));
        Ok(Exit::Done)
    }
}

/// The one question an ID, or its beginning, is about.
pub async fn find(bursar: &Owner, id: &str) -> Result<answer::Pending, Failure> {
    let mut matching: Vec<answer::Pending> = bursar.pending().await?;
    let named = |question: &answer::Pending| format!("{}/{}", question.agent, question.purchase_id);
    matching.retain(|question| is_begun_by(&question.purchase_id, id) || named(question) == id);
    match (matching.len(), matching.pop()) {
        (1, Some(question)) => Ok(question),
        (0, _) => {
            let message = format!("no question waits for you under {}", out::clean(id));
            Err(Failure::new(
                "unknown_id",
                message,
                "`bursar pending` lists the questions, `bursar why ID` any purchase",
            ))
        }
        (many, _) => {
            let message = format!("{many} questions begin with {}", out::clean(id));
            Err(Failure::new("ambiguous_id", message, "give more of the ID, as `bursar pending` shows it, or AGENT/ID"))
        }
    }
}

/// The `pu_` in front may be left out.
fn is_begun_by(purchase_id: &str, id: &str) -> bool {
    !id.is_empty()
        && (purchase_id.starts_with(id) || purchase_id.strip_prefix("pu_").is_some_and(|p| p.starts_with(id)))
}
