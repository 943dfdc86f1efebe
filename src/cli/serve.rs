//! `bursar serve`: the agent's door, opened for one host.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, OWNER, playground, screen, wallet};
use crate::config::Config;
use crate::house::House;
use crate::mcp;

/// Serve an agent: MCP over stdin and stdout
///
/// A host starts this; you would not run it by hand. Every host gets its own --agent name, by which sessions, logs and
/// purchases are kept. All of them share one wallet, one policy, one ledger. Ends when the host closes stdin, after
/// the payments under way are seen through.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  claude mcp add bursar --scope user -- /whole/path/to/bursar serve --agent claude-code
  bursar serve --sandbox      # play money, no set-up; see docs/hosts.md for other hosts")]
pub struct Serve {
    /// The name this agent goes by
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = agent_name)]
    agent: String,
    /// Play money: a market, a chain and a wallet that live as long as this process
    #[arg(long)]
    sandbox: bool,
}

const AGENT_NAME_CHARS: usize = 64;

/// A host waits for the list of tools, and nobody for what goes on beside the calls: asking the nodes for balances begins
/// with reading every certificate of the system, which takes as long as the rest of the start.
const HOST_FIRST: Duration = Duration::from_millis(250);

impl Serve {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        if std::io::stdin().is_terminal() {
            context.out.say(format_args!(
                "This speaks MCP on stdin, for a host to start; Ctrl-C ends it. To look around: bursar demo"
            ));
        }
        match self.sandbox {
            false => serve(context, self.agent).await,
            true => playground::serve(context, &self.agent).await,
        }
    }
}

async fn serve(context: &Context, agent: String) -> Result<Exit, Failure> {
    let house = context.open(wallet::passphrases(wallet::PassphraseAsker::Host)).await?;
    let home = context.home()?;
    let config = Config::load(&home)?;
    let screen = screen::attach(&house, home, &config);
    let served = attend(house, &agent, None).await;
    screen.close();
    served
}

/// Answers the host; beside it, what is unproven is reconciled and balances are read.
pub async fn attend(house: House, agent: &str, notice: Option<String>) -> Result<Exit, Failure> {
    let keeper = house.keeper();
    let tending = tokio::spawn(async move {
        tokio::time::sleep(HOST_FIRST).await;
        keeper.tend().await;
    });
    let served = mcp::serve(house.agent(agent), notice).await;
    house.keeper().drain().await;
    tending.abort();
    served.map_err(not_served)?;
    Ok(Exit::Done)
}

fn not_served(cause: mcp::NotServed) -> Failure {
    Failure::new("not_served", cause.to_string(), "a host starts this command; to try it by hand run `bursar demo`")
}

/// Names stand in logs, tables and files; and `owner` is the person at the keyboard.
fn agent_name(name: &str) -> Result<String, String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    match (plain && (1..=AGENT_NAME_CHARS).contains(&name.len()), name == OWNER) {
        (false, _) => Err(format!("a name is 1 to {AGENT_NAME_CHARS} letters, digits, or any of - _ .")),
        (true, true) => Err(format!("`{OWNER}` is you: give the agent another name")),
        (true, false) => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_has_a_plain_name_that_is_not_the_owners() {
        assert!(agent_name("claude-code_2.1").is_ok());
        for name in ["", "owner", "a b", "a\u{1b}[31m", "../x", &"a".repeat(65)] {
            assert!(agent_name(name).is_err(), "{name:?}");
        }
    }
}
