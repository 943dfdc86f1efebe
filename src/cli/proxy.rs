//! `bursar proxy`: another server's tools, paid for as they are called, for one host.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::serve::{Ceiling, agent_name, attend, ceiling, not_served};
use crate::cli::{Context, screen, wallet};
use crate::config::Config;
use crate::mcp;

/// Serve the tools of another MCP server, and pay for those that ask
///
/// A host starts this in place of that server. The model sees its tools, resources and prompts under their own names, and
/// calls them as if they were free; what a call costs is paid within the policy, and stands in the log. Where it may not be
/// paid, the result says so and why.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar proxy https://mcp.example.com/mcp
  bursar proxy weather        # a program that config.toml names under [[tools]]
  bursar install --proxy https://mcp.example.com/mcp --host claude-code")]
pub struct ProxyCommand {
    /// The URL of an MCP server, or the name of a program under [[tools]] in config.toml
    server: String,
    /// The name this agent goes by
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = agent_name)]
    agent: String,
    /// The most that one payment of this agent may be, in US dollars, or "none"; the policy holds all the same
    #[arg(long, value_name = "USD", default_value = "none", hide_default_value = true, value_parser = ceiling)]
    max_per_payment: Ceiling,
}

impl ProxyCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        mcp::log_to_stderr();
        let house = context.open(wallet::passphrases(wallet::PassphraseAsker::Host)).await?;
        let home = context.home()?;
        let config = Config::load(&home)?;
        let screen = screen::attach(&house, home, &config);
        let agent = house.agent(&self.agent).at_most(self.max_per_payment.most());
        let served = attend(&house, mcp::serve_proxy(agent, &self.server)).await;
        screen.close().await;
        served.map_err(not_served)?;
        Ok(Exit::Done)
    }
}
