//! `bursar owner`: the owner's passphrase.

use clap::{Args, Subcommand};

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::owner::Owner;

/// Set, change or remove the owner's passphrase
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct OwnerCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Set(Set),
    Remove(Remove),
}

/// Set a passphrase, or change it
///
/// From then on `approve`, `thaw`, `release`, `policy apply`, `policy allow`, `ledger adopt`, `backup`,
/// `wallet export` and `wallet remove` ask for it, and a changed policy.toml or [[asset]] is not in force until `bursar policy apply`. Meant for hosts that have a shell: an agent that runs bursar's commands for you
/// does not know it. Nobody can tell you what it was; without it, a new wallet is the way out.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar owner set")]
struct Set {}

/// Remove the passphrase: from then on policy.toml is in force as it stands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar owner remove")]
struct Remove {}

impl OwnerCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar owner")?;
        let bursar = context.bursar().await?;
        match self.action {
            Action::Set(Set {}) => set(&mut owner, &bursar, context).await,
            Action::Remove(Remove {}) => remove(&mut owner, &bursar, context).await,
        }
    }
}

pub async fn set(owner: &mut Terminal, bursar: &Owner, context: &Context) -> Result<Exit, Failure> {
    let old = owner.passphrase(bursar)?;
    let new = owner.new_passphrase()?;
    bursar.set_passphrase(old.as_deref().map(String::as_str), &new).await?;
    context.out.say(format_args!(
        "{} What gives agents more room asks for it; a changed policy waits for `bursar policy apply`.",
        out::good("Set.")
    ));
    Ok(Exit::Done)
}

async fn remove(owner: &mut Terminal, bursar: &Owner, context: &Context) -> Result<Exit, Failure> {
    let Some(old) = owner.passphrase(bursar)? else {
        return Err(Failure::new("no_passphrase", "no passphrase is set", "`bursar owner set` sets one"));
    };
    if bursar.policy_change().await?.is_some_and(|change| !change.changes.is_empty()) {
        owner.tell("policy.toml was changed and not applied. Without a passphrase it counts as it stands.")?;
        owner.must_type("remove", "remove the passphrase all the same")?;
    }
    bursar.remove_passphrase(&old).await?;
    context.out.say(format_args!("{} policy.toml is in force as it stands.", out::bold("Removed.")));
    Ok(Exit::Done)
}
