//! `bursar ledger`: a restored ledger becomes this wallet's; the roles of one that several machines share.

use clap::{Args, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::owner::{LedgerRoles, init_ledger_roles};

/// Accept a ledger that was restored or moved, or prepare one that several machines share
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct LedgerCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Adopt(Adopt),
    InitRoles(InitRoles),
}

/// Take the ledger that is here for this wallet's own
///
/// A wallet remembers which ledger is its own and how far it had come; one that is missing, foreign or shorter signs
/// nothing. Adopting accepts what is there. Since nobody knows what is missing from it, every window counts as full
/// until it has rolled by. Asks at the terminal that you type the word `adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar restore bursar.backup         # or: cp copy/ledger.db* ~/.bursar/, while nothing runs\n  bursar ledger adopt"
)]
struct Adopt {}

/// Make the tables and roles of a ledger in PostgreSQL
///
/// Logs in as an administrator of the database that [ledger] in config.toml names, makes the wallet's tables where there
/// are none, and two roles: one for the machines that agents run on, which can buy and cannot say yes or raise a limit,
/// and one for the owner's. It may be run again, after an update say. Then make a login role for each machine.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  bursar ledger init-roles postgresql://postgres@db.example/bursar\n  psql -c \"CREATE ROLE machine1 LOGIN PASSWORD '...'; GRANT bursar_agents TO machine1\"\n\nThe password comes from the descriptor BURSAR_LEDGER_PASSWORD_FD or the file BURSAR_LEDGER_PASSWORD_FILE names."
)]
struct InitRoles {
    /// The administrator's role, the server and the database
    url: String,
    /// What the role of agents' machines is called; the schema's name and _agents without this
    #[arg(long, value_name = "ROLE")]
    agents: Option<String>,
    /// What the owner's role is called; the schema's name and _owner without this
    #[arg(long, value_name = "ROLE")]
    owner: Option<String>,
}

impl LedgerCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Adopt(adopt) => adopt.run(context).await,
            Action::InitRoles(roles) => roles.run(context),
        }
    }
}

impl Adopt {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar ledger adopt")?;
        let bursar = context.bursar().await?;
        owner.tell(
            "What was spent and is not in this ledger is forgotten; every window counts as full until it rolls.",
        )?;
        owner.must_type("adopt", "accept this ledger")?;
        let passphrase = owner.passphrase(&bursar)?;
        bursar.adopt(passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{} This ledger is now the wallet's own.", out::good("Adopted.")));
        Ok(Exit::Done)
    }
}

impl InitRoles {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let InitRoles { url, agents, owner } = self;
        let named = |usual: LedgerRoles| LedgerRoles {
            agents: agents.unwrap_or(usual.agents),
            owner: owner.unwrap_or(usual.owner),
        };
        let roles = init_ledger_roles(&context.home()?, &url, named)?;
        context.out.say(format_args!(
            "{} Machines of agents log in as members of {}, the owner's as members of {}:\n  \
             CREATE ROLE machine1 LOGIN PASSWORD '...'; GRANT {} TO machine1;",
            out::good("The ledger is ready."),
            roles.agents,
            roles.owner,
            roles.agents
        ));
        Ok(Exit::Done)
    }
}
