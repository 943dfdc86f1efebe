//! The human's door: one file per command, each thin.
//!
//! Data goes to stdout, talk to stderr; a failure says what happened, then what to do. Commands that give an agent more
//! room ask for the owner at a real terminal ([`owner`]).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

#[cfg(feature = "sandbox")]
use crate::cli::demo::Demo;
use crate::cli::exit::{Exit, Failure};
#[cfg(not(feature = "sandbox"))]
use crate::cli::no_sandbox::{self as playground, NoDemo as Demo};
use crate::cli::out::{Color, Out};
use crate::config::Home;
use crate::house::House;
use crate::owner::Owner;
use crate::wallet::PassphraseSource;

mod allow_permit2;
mod approve;
mod audit;
mod backup;
mod balance;
mod books;
mod completions;
mod csv;
#[cfg(feature = "sandbox")]
mod demo;
mod deny;
mod doctor;
mod exit;
mod fetch;
mod find;
mod freeze;
mod funding;
mod groups;
mod hosts;
mod init;
mod install;
mod ledger;
mod log;
mod man;
#[cfg(not(feature = "sandbox"))]
mod no_sandbox;
mod out;
mod owner;
mod page;
mod passphrase;
mod pending;
#[cfg(feature = "sandbox")]
mod playground;
mod policy;
mod proxy;
mod qr;
mod reconcile;
mod release;
mod restore;
mod review;
mod reviewed;
mod screen;
mod sellers;
mod serve;
mod statusline;
mod story;
mod table;
mod thaw;
mod wallet;
mod why;
mod words;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default());

/// A wallet with limits for AI agents: an MCP server that pays HTTP 402, and these commands to rule it.
#[derive(Debug, Parser)]
#[command(name = "bursar", version, styles = STYLES, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Globals {
    /// The folder with config, policy and ledger [default: BURSAR_HOME, or ~/.bursar]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Everywhere")]
    home: Option<PathBuf>,
    /// Colours: on a terminal, always, or never (NO_COLOR counts too)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Everywhere")]
    #[arg(hide_default_value = true)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(Demo),
    Init(init::Init),
    Install(install::Install),
    Uninstall(install::Uninstall),
    Doctor(doctor::Doctor),
    Serve(serve::Serve),
    Proxy(proxy::ProxyCommand),
    Fetch(fetch::Fetch),
    Find(find::Find),
    Balance(balance::BalanceCommand),
    Log(log::LogCommand),
    Why(why::Why),
    Sellers(sellers::SellersCommand),
    Pending(pending::PendingCommand),
    Approve(approve::Approve),
    Deny(deny::Deny),
    Freeze(freeze::Freeze),
    Thaw(thaw::Thaw),
    Policy(policy::PolicyCommand),
    Owner(passphrase::OwnerCommand),
    Wallet(wallet::WalletCommand),
    Ledger(ledger::LedgerCommand),
    Reconcile(reconcile::Reconcile),
    Release(release::Release),
    Backup(backup::BackupCommand),
    Restore(restore::Restore),
    Review(review::ReviewCommand),
    Reviewed(reviewed::Reviewed),
    Statusline(statusline::Statusline),
    Audit(audit::AuditCommand),
    Completions(completions::Completions),
    Man(man::Man),
}

/// The agent that `bursar fetch` is. No host may call itself so.
const OWNER: &str = "owner";

/// What every command has at hand.
#[derive(Clone, Debug)]
struct Context {
    home: Option<PathBuf>,
    out: Out,
}

/// Runs what the command line says, and says how it went.
pub fn run() -> ExitCode {
    let cli = match parse(std::env::args_os().collect()) {
        Ok(cli) => cli,
        Err(wrong) if may_show_a_key(&wrong, std::env::args_os()) => return key_on_the_command_line(),
        Err(wrong) => wrong.exit(),
    };
    cli.globals.color.settle();
    let context = Context { home: cli.globals.home, out: Out };
    let Some(command) = cli.command else { return orientation(&context.out) };
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(command.run(&context));
        // A read of stdin that nobody ends (a host that holds it open) must not hold the process.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.tell(&context.out);
            failure.exit.into()
        }
    }
}

/// Whether what clap would say holds what was meant to be a key: hex digits, or anything at all given to `wallet import`.
fn may_show_a_key(wrong: &clap::Error, args: impl Iterator<Item = OsString>) -> bool {
    let args: Vec<String> = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
    let is_import = args.windows(2).any(|pair| pair == ["wallet", "import"]);
    let value = match wrong.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => !text.starts_with('-'),
        _ => false,
    };
    wrong.use_stderr() && (args.iter().any(|arg| looks_like_a_key(arg)) || (is_import && value))
}

/// More hex digits than an address has, wherever they stand, more letters of base58, or a long list of numbers: a key, or
/// most of one.
fn looks_like_a_key(arg: &str) -> bool {
    const DIGITS: usize = 48;
    const BASE58: usize = 64;
    const NUMBERS: usize = 32;
    let runs_for = |long: usize, is: fn(char) -> bool| arg.split(|c| !is(c)).any(|run| run.len() >= long);
    runs_for(DIGITS, |c| c.is_ascii_hexdigit())
        || runs_for(BASE58, |c| c.is_ascii_alphanumeric())
        || arg.split(',').count() > NUMBERS
}

/// Usage errors repeat what was typed, and this must not be.
fn key_on_the_command_line() -> ExitCode {
    let failure = Failure::usage(
        "a private key is never given as an argument: every program on this machine can read it there".to_owned(),
        "take it as exposed: if it holds money, move that to a new wallet; `bursar wallet import` reads a key from \
         stdin or asks for it",
    );
    failure.tell(&Out);
    failure.exit.into()
}

fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let matches = command().color(help_color(&args)).try_get_matches_from(args)?;
    Cli::from_arg_matches(&matches)
}

/// The whole command line, its commands listed by what they are for.
fn command() -> clap::Command {
    groups::grouped(Cli::command())
}

/// Help is printed before the arguments are understood, and shall have the right colours all the same.
fn help_color(args: &[OsString]) -> clap::ColorChoice {
    let wanted = |when: &str| {
        args.windows(2).any(|pair| pair[0] == "--color" && pair[1] == when)
            || args.iter().any(|arg| *arg == *format!("--color={when}"))
    };
    match (wanted("never"), wanted("always")) {
        (true, _) => clap::ColorChoice::Never,
        (_, true) => clap::ColorChoice::Always,
        _ => clap::ColorChoice::Auto,
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    // The ledger has one writer, so more threads than these would only cost memory and time at start.
    const WORKERS: usize = 4;
    let workers = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(WORKERS));
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build();
    built.map_err(|cause| Failure::new("no_runtime", format!("could not start: {cause}"), ""))
}

/// `bursar` alone: what this is, and how to begin.
fn orientation(out: &Out) -> ExitCode {
    out.say(format_args!("{} lets an AI agent pay for what it fetches, inside limits you set.\n", out::bold("bursar")));
    for (command, what) in [
        ("bursar demo", "watch it work with play money, in ten seconds"),
        ("bursar init", "make a wallet and limits, and plug it into your agent"),
        ("bursar --help", "everything else"),
    ] {
        out.say(format_args!("  {command:<15} {}", out::dim(what)));
    }
    Exit::Usage.into()
}

impl Context {
    fn home(&self) -> Result<Home, Failure> {
        Ok(Home::resolve(self.home.as_deref())?)
    }

    /// The home, made if it is not there, and closed to others. Says what had to be closed: somebody may have read it.
    fn prepared_home(&self) -> Result<Home, Failure> {
        let home = self.home()?;
        for tightened in home.prepare()? {
            let (path, was) = (tightened.path.display(), tightened.was);
            self.out
                .say(format_args!("{} {path} could be read by others (mode {was:o}); closed", out::warn("warning:")));
        }
        Ok(home)
    }

    /// The whole house, opened by a person: a passphrase may be asked for at the terminal.
    async fn house(&self) -> Result<House, Failure> {
        self.open(wallet::passphrases(wallet::PassphraseAsker::Person)).await
    }

    /// The same house, as its owner has it.
    async fn bursar(&self) -> Result<Owner, Failure> {
        Ok(self.house().await?.owner())
    }

    /// Says whether the policy's file is the policy in force, whatever the command.
    async fn open(&self, passphrases: Vec<PassphraseSource>) -> Result<House, Failure> {
        let house = House::open(&self.prepared_home()?, passphrases).await?;
        if let Some(what) = house.owner().held_back() {
            self.out.say(format_args!("{what} was changed and is not in force: `bursar policy apply`"));
        }
        Ok(house)
    }
}

impl Command {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self {
            Command::Demo(demo) => demo.run(context).await,
            Command::Init(init) => init.run(context).await,
            Command::Install(install) => install.run(context),
            Command::Uninstall(uninstall) => uninstall.run(context),
            Command::Doctor(doctor) => doctor.run(context).await,
            Command::Serve(serve) => serve.run(context).await,
            Command::Proxy(proxy) => proxy.run(context).await,
            Command::Fetch(fetch) => fetch.run(context).await,
            Command::Find(find) => find.run(context).await,
            Command::Balance(balance) => balance.run(context).await,
            Command::Log(log) => log.run(context).await,
            Command::Why(why) => why.run(context).await,
            Command::Sellers(sellers) => sellers.run(context).await,
            Command::Pending(pending) => pending.run(context).await,
            Command::Approve(approve) => approve.run(context).await,
            Command::Deny(deny) => deny.run(context).await,
            Command::Freeze(freeze) => freeze.run(context).await,
            Command::Thaw(thaw) => thaw.run(context).await,
            Command::Policy(policy) => policy.run(context).await,
            Command::Owner(owner) => owner.run(context).await,
            Command::Wallet(wallet) => wallet.run(context).await,
            Command::Ledger(ledger) => ledger.run(context).await,
            Command::Reconcile(reconcile) => reconcile.run(context).await,
            Command::Release(release) => release.run(context).await,
            Command::Backup(backup) => backup.run(context).await,
            Command::Restore(restore) => restore.run(context).await,
            Command::Review(review) => review.run(context).await,
            Command::Reviewed(reviewed) => reviewed.run(context).await,
            Command::Statusline(statusline) => statusline.run(context),
            Command::Audit(audit) => audit.run(context).await,
            Command::Completions(completions) => completions.run(context),
            Command::Man(man) => man.run(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_a_sentence_and_an_example() {
        for command in leaves(&command()) {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} says nothing about itself");
            let after = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
            assert!(after.contains("bursar "), "{name} shows no example");
        }
    }

    fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
        match command.has_subcommands() {
            false => vec![command],
            true => command.get_subcommands().flat_map(leaves).collect(),
        }
    }
}
