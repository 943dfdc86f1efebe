//! `bursar owner`: the owner's passphrase, and the second factor that goes with it from elsewhere.

use clap::{Args, Subcommand};
use zeroize::Zeroizing;

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out, qr};
use crate::owner::Owner;
use crate::wallet::CodeSecret;

/// Set, change or remove the owner's passphrase, and codes for answering from elsewhere
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
    Code(Code),
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

/// Make codes for answering from elsewhere, with an authenticator app
///
/// Where `[review] origin` in config.toml names an origin of yours, the review page lets you in there with the owner's
/// passphrase and a code. This shows what the app needs, as a QR code and as text, here and never again. Made anew, the
/// codes of before are worth nothing.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar owner code\n  bursar owner code --remove")]
struct Code {
    /// Take the codes away: from then on nobody is let in from elsewhere
    #[arg(long)]
    remove: bool,
}

impl OwnerCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar owner")?;
        let bursar = context.bursar().await?;
        match self.action {
            Action::Set(Set {}) => set(&mut owner, &bursar, context).await,
            Action::Remove(Remove {}) => remove(&mut owner, &bursar, context).await,
            Action::Code(Code { remove: true }) => remove_code(&mut owner, &bursar, context).await,
            Action::Code(Code { remove: false }) => code(&mut owner, &bursar, context).await,
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
    let old = passphrase(owner, bursar)?;
    if bursar.policy_change().await?.is_some_and(|change| !change.changes.is_empty()) {
        owner.tell("policy.toml was changed and not applied. Without a passphrase it counts as it stands.")?;
        owner.must_type("remove", "remove the passphrase all the same")?;
    }
    bursar.remove_passphrase(&old).await?;
    context.out.say(format_args!("{} policy.toml is in force as it stands.", out::bold("Removed.")));
    Ok(Exit::Done)
}

/// What the app needs is told at the terminal alone, and kept once the app has shown that it has it.
async fn code(owner: &mut Terminal, bursar: &Owner, context: &Context) -> Result<Exit, Failure> {
    let passphrase = passphrase(owner, bursar)?;
    bursar.prove(Some(&passphrase)).await?;
    let secret = CodeSecret::random().map_err(|cause| Failure::new(cause.code(), cause.to_string(), "try again"))?;
    let whose = std::env::home_dir().unwrap_or_default();
    let whose = whose.file_name().map_or_else(|| "owner".to_owned(), |name| name.to_string_lossy().into_owned());
    owner.tell("Scan this with your authenticator app, or type what stands below it into the app.")?;
    for line in qr::lines(&secret.uri(&whose)) {
        owner.tell_secret(&line)?;
    }
    owner.tell_secret(&secret.spelt())?;
    let code = owner.answer("The code that the app shows now: ")?;
    bursar.set_code(&passphrase, secret, &code).await?;
    context
        .out
        .say(format_args!("{} From elsewhere the review page asks for your passphrase and a code.", out::good("Set.")));
    Ok(Exit::Done)
}

async fn remove_code(owner: &mut Terminal, bursar: &Owner, context: &Context) -> Result<Exit, Failure> {
    bursar.remove_code(&passphrase(owner, bursar)?).await?;
    context.out.say(format_args!("{} Nobody is let in from elsewhere.", out::bold("Removed.")));
    Ok(Exit::Done)
}

fn passphrase(owner: &mut Terminal, bursar: &Owner) -> Result<Zeroizing<String>, Failure> {
    let none = || Failure::new("no_passphrase", "no passphrase is set", "`bursar owner set` sets one");
    owner.passphrase(bursar)?.ok_or_else(none)
}
