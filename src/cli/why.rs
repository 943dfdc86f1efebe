//! `bursar why ID`: the story of one purchase.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, story, words};

/// Tell the story of one purchase
///
/// The request as it was made, every offer of the seller, what every rule said with its numbers, every event since,
/// and what proves how it ended.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar why pu_7f3a\n  bursar why pu_7f3a --json | jq .events")]
pub struct Why {
    /// Of the purchase, or the beginning of it
    id: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl Why {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let told = story::of(&context.bursar().await?, &self.id).await?;
        match self.json {
            true => context.out.json(&told),
            false => story::lines(&told, words::now()).iter().for_each(|line| context.out.line(line)),
        }
        Ok(Exit::Done)
    }
}
