//! `bursar freeze`: all spending stops, now.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, out};

/// Stop all spending, at once and in every process
///
/// Nothing is signed while frozen, by any agent or process that shares this ledger, and a restart does not change it.
/// Anyone may freeze; only the owner at a terminal thaws.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar freeze --why \"going on holiday\"")]
pub struct Freeze {
    /// Kept in the ledger beside the time
    #[arg(long, value_name = "TEXT", default_value = "the owner said so")]
    why: String,
}

impl Freeze {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.bursar().await?.freeze(&self.why).await?;
        context.out.say(format_args!("{} Nothing is paid until `bursar thaw`.", out::bold("Frozen.")));
        Ok(Exit::Done)
    }
}
