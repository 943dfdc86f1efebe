//! `bursar thaw`: spending goes on.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};

/// Let spending go on after a freeze
///
/// Asks at the terminal that you type the word `thaw`. If bursar froze itself after an alarm, read `bursar log` and
/// run `bursar reconcile` and `bursar audit` first.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar thaw")]
pub struct Thaw {}

impl Thaw {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar thaw")?;
        let bursar = context.bursar().await?;
        owner.must_type("thaw", "let agents spend again")?;
        let passphrase = owner.passphrase(&bursar)?;
        bursar.thaw(passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{} Agents may spend again, inside the policy.", out::good("Thawed.")));
        Ok(Exit::Done)
    }
}
