//! `bursar serve`: the agent's door, opened for one host.

use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, OWNER, playground, screen, wallet};
use crate::config::{Config, Home};
use crate::house::House;
use crate::mcp;
use crate::money::Usd;

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
    /// The most that one payment of this agent may be, in US dollars, or "none"; the policy holds all the same
    #[arg(long, value_name = "USD", default_value = "none", hide_default_value = true, value_parser = ceiling)]
    max_per_payment: Ceiling,
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
        mcp::log_to_stderr();
        match self.sandbox {
            false => serve(context, &self.agent, self.max_per_payment.0).await,
            true => playground::serve(context, &self.agent, self.max_per_payment.0).await,
        }
    }
}

async fn serve(context: &Context, agent: &str, most: Option<Usd>) -> Result<Exit, Failure> {
    let house = context.open(wallet::passphrases(wallet::PassphraseAsker::Host)).await?;
    let home = context.home()?;
    let config = Config::load(&home)?;
    let notice = config.wallet.address.is_none().then(|| no_wallet(&home));
    if let Some(notice) = &notice {
        context.out.say(format_args!("{notice}"));
    }
    let screen = screen::attach(&house, home, &config);
    let served = attend(&house, mcp::serve(house.agent(agent).at_most(most), notice)).await;
    screen.close().await;
    served.map_err(not_served)?;
    Ok(Exit::Done)
}

/// Answers the host; beside it, what is unproven is reconciled and balances are read.
pub async fn attend(house: &House, serving: impl Future<Output = Served>) -> Served {
    let keeper = house.keeper();
    let tending = tokio::spawn(async move {
        tokio::time::sleep(HOST_FIRST).await;
        keeper.tend().await;
    });
    let served = serving.await;
    house.keeper().drain().await;
    tending.abort();
    served
}

type Served = Result<(), mcp::NotServed>;

pub fn not_served(cause: mcp::NotServed) -> Failure {
    Failure::new("not_served", cause.to_string(), "a host starts this command; to try it by hand run `bursar demo`")
}

/// For the host's log and for the agent, which is whom people ask. A host that unpacked the program itself put it on no
/// path.
fn no_wallet(home: &Home) -> String {
    let program = std::env::current_exe().map_or_else(|_| "bursar".to_owned(), |path| path.display().to_string());
    format!(
        "This bursar has no wallet yet: it fetches what is free and pays for nothing. Its owner makes one in a terminal \
         with `\"{program}\" --home \"{}\" init`, and then restarts this host. Agents: say so, and leave it to them.",
        home.dir().display()
    )
}

/// None: the policy alone.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling(Option<Usd>);

impl Ceiling {
    pub fn most(self) -> Option<Usd> {
        self.0
    }
}

/// Empty is what a host's form hands over that nobody filled in.
pub fn ceiling(text: &str) -> Result<Ceiling, String> {
    match text.trim() {
        "" | "none" => Ok(Ceiling(None)),
        text => text
            .trim_start_matches('$')
            .parse()
            .map(|usd| Ceiling(Some(usd)))
            .map_err(|cause| format!("what one payment may be is in US dollars, such as 0.25, or none: {cause}")),
    }
}

/// Names stand in logs, tables and files; and `owner` is the person at the keyboard.
pub fn agent_name(name: &str) -> Result<String, String> {
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
