//! `bursar install` and `bursar uninstall`: our entry in the files of hosts, put in and taken out, and nothing else.

mod diff;
pub mod files;
mod host_file;
mod plan;

use std::env;
use std::io;
use std::path::{PathBuf, absolute};

use clap::{Args, ValueEnum};

use crate::cli::exit::{Exit, Failure};
use crate::cli::hosts::launch::{ENTRY, Launch};
use crate::cli::hosts::places::{Platform, Surroundings};
use crate::cli::hosts::{Host, ServerEntry, entry_of};
use crate::cli::{Context, out};
use crate::text;
use crate::wish;
use host_file::HostFile;

/// Plug bursar into the hosts on this machine
///
/// Adds one entry to each host's own file and leaves every other byte as it is, comments too. A copy of the file as it
/// was is kept beside it. Run again, it changes nothing that is right.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar install --all --dry-run
  bursar install --all
  bursar install --host claude-code --host cursor
  bursar install --proxy https://mcp.example.com/mcp --host claude-code
  bursar install --host mcp-json --file ./my-project/.mcp.json")]
pub struct Install {
    #[command(flatten)]
    which: WhichHosts,
    /// Beside bursar itself: the tools of this MCP server, paid for as they are called
    #[arg(long, value_name = "SERVER", value_parser = server)]
    proxy: Option<String>,
}

/// Take bursar out of the hosts on this machine
///
/// Takes our entry out of each host's file. Where nothing else was changed since the install, the file is again what it
/// was, to the byte; a file that the install made is removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar uninstall --all --dry-run
  bursar uninstall --all
  bursar uninstall --host zed")]
pub struct Uninstall {
    #[command(flatten)]
    which: WhichHosts,
    /// Only the proxy of this MCP server
    #[arg(long, value_name = "SERVER", value_parser = server)]
    proxy: Option<String>,
}

/// As `bursar proxy` takes it.
fn server(text: &str) -> Result<String, String> {
    wish::parse_server(text).map(|_| text.to_owned())
}

/// Whose files.
#[derive(Debug, Args)]
struct WhichHosts {
    /// This host, as often as needed
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<Host>,
    /// Every host that is found on this machine
    #[arg(long, conflicts_with = "hosts")]
    all: bool,
    /// The host's file, where it is not in its usual place; with one --host
    #[arg(long, value_name = "PATH", conflicts_with = "all")]
    file: Option<PathBuf>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Install {
    /// Into these hosts; none is all that are found.
    pub fn into(hosts: Vec<Host>) -> Install {
        let all = hosts.is_empty();
        Install { which: WhichHosts { hosts, all, file: None, dry_run: false }, proxy: None }
    }

    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let program = env::current_exe().and_then(absolute);
        let program = program.map_err(|cause| nowhere("this program is", &cause))?;
        // Not what BURSAR_HOME says: hosts drop variables.
        let home = absolute(context.home()?.dir()).map_err(|cause| nowhere("bursar's home is", &cause))?;
        for path in [&program, &home] {
            if path.to_str().is_none() {
                let what = format!("{} cannot be written into a host's file: it is no text in UTF-8", path.display());
                return Err(Failure::new("no_text", what, "give it another name"));
            }
        }
        let server = ServerEntry { program: &program, home: Some(&home), proxy: self.proxy.as_deref() };
        let done = self.which.each(context, "install", What::In(&server))?;
        if !self.which.dry_run && !done.changed.is_empty() {
            let titles: Vec<&str> = done.changed.iter().map(|host| host.title()).collect();
            context.out.line(format_args!("\nNow restart {}. `bursar doctor` checks the rest.", titles.join(", ")));
        }
        Ok(done.exit)
    }
}

impl Uninstall {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let entry = self.proxy.as_deref().map_or_else(|| ENTRY.to_owned(), entry_of);
        let done = self.which.each(context, "uninstall", What::Out(&entry))?;
        if !self.which.dry_run && !done.changed.is_empty() {
            let titles: Vec<&str> = done.changed.iter().map(|host| host.title()).collect();
            context.out.line(format_args!("\nNow restart {}. Wallet and log stay where they are.", titles.join(", ")));
        }
        Ok(done.exit)
    }
}

/// What is put in, or by its name taken out.
#[derive(Clone, Copy)]
enum What<'a> {
    In(&'a ServerEntry<'a>),
    Out(&'a str),
}

/// How it went, over all hosts.
struct Done {
    changed: Vec<Host>,
    exit: Exit,
}

impl WhichHosts {
    /// One host after the other; what fails for one is told and stops no other.
    fn each(&self, context: &Context, command: &str, what: What<'_>) -> Result<Done, Failure> {
        let around = surroundings()?;
        let mut done = Done { changed: Vec::new(), exit: Exit::Done };
        for host in self.chosen(&around, context, command)? {
            let path = self.file.clone().map_or_else(|| usual_file(host, &around), |file| around.folder.join(file));
            match self.one(host, path, context, what) {
                Ok(true) => done.changed.push(host),
                Ok(false) => {}
                Err(failure) => {
                    failure.tell(&context.out);
                    done.exit = Exit::Failed;
                    if let What::In(server) = what {
                        by_hand(host, &server.launch(&host.name()), context);
                    }
                }
            }
        }
        if self.dry_run {
            context.out.line("\nNothing was written (--dry-run).");
        }
        Ok(done)
    }

    fn chosen(&self, around: &Surroundings, context: &Context, command: &str) -> Result<Vec<Host>, Failure> {
        if self.file.is_some() && self.hosts.len() != 1 {
            return Err(Failure::usage("--file is one host's file", "say which with one --host"));
        }
        let (here, others): (Vec<Host>, Vec<Host>) =
            Host::value_variants().iter().partition(|host| is_here(host, around));
        let names = |hosts: &[Host]| hosts.iter().map(|host| host.name()).collect::<Vec<_>>().join(", ");
        match (self.all, self.hosts.is_empty()) {
            (false, false) => {
                let mut hosts = self.hosts.clone();
                hosts.dedup();
                Ok(hosts)
            }
            (true, _) if here.is_empty() => Err(Failure::new(
                "no_host",
                "no host that bursar knows was found on this machine",
                format!("name yours: bursar {command} --host {}", names(Host::value_variants()).replace(", ", "|")),
            )),
            (true, _) => {
                let others: Vec<Host> = others.into_iter().filter(|host| *host != Host::McpJson).collect();
                context.out.say(format_args!("{} {}", out::dim("found:"), names(&here)));
                context.out.say(format_args!("{} {}", out::dim("not found:"), names(&others)));
                Ok(here)
            }
            (false, true) => {
                let found = if here.is_empty() { "none".to_owned() } else { names(&here) };
                let example = here.first().copied().unwrap_or(Host::McpJson).name();
                Err(Failure::usage(
                    format!("which host shall it be? found on this machine: {found}"),
                    format!("`bursar {command} --all` for all that were found, or `bursar {command} --host {example}`"),
                ))
            }
        }
    }

    /// Whether something changed, or would.
    fn one(&self, host: Host, path: PathBuf, context: &Context, what: What<'_>) -> Result<bool, Failure> {
        let (file, step) = match what {
            What::In(server) => {
                let launch = server.launch(&host.name());
                let file = HostFile::read(host, path, &launch.entry)?;
                let step = file.install(&launch)?;
                (file, step)
            }
            What::Out(entry) => {
                let file = HostFile::read(host, path, entry)?;
                let step = file.uninstall()?;
                (file, step)
            }
        };
        match self.dry_run {
            true => file.would(&step, &context.out),
            false => file.take(&step, &context.out)?,
        }
        Ok(step.is_change())
    }
}

/// The hosts on this machine.
pub fn found() -> Result<Vec<Host>, Failure> {
    let around = surroundings()?;
    Ok(Host::value_variants().iter().copied().filter(|host| is_here(host, &around)).collect())
}

fn is_here(host: &Host, around: &Surroundings) -> bool {
    host.signs(around).iter().any(|sign| sign.exists())
}

/// The file that is there, or else the one the host would make.
pub fn usual_file(host: Host, around: &Surroundings) -> PathBuf {
    let files = host.files(around);
    files.iter().find(|file| file.exists()).or(files.first()).cloned().unwrap_or_default()
}

/// What this machine is like.
pub fn surroundings() -> Result<Surroundings, Failure> {
    // As the systems' own rules have it: a place that is not a whole path counts for nothing.
    let place = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let platform = match () {
        () if cfg!(windows) => Platform::Windows,
        () if cfg!(target_os = "macos") => Platform::Mac,
        () => Platform::Linux,
    };
    let user = env::home_dir().filter(|user| user.is_absolute());
    let user =
        user.ok_or_else(|| Failure::new("no_user", "there is no home directory to look for hosts in", "set HOME"))?;
    let folder = env::current_dir().map_err(|cause| nowhere("the current folder is", &cause))?;
    Ok(Surroundings {
        platform,
        user,
        folder,
        xdg_config: place("XDG_CONFIG_HOME"),
        app_data: place("APPDATA"),
        codex: place("CODEX_HOME"),
        claude: place("CLAUDE_CONFIG_DIR"),
        copilot: place("COPILOT_HOME"),
    })
}

fn by_hand(host: Host, launch: &Launch, context: &Context) {
    context.out.say(format_args!("       to add it by hand, put this where it belongs in that file:"));
    for line in host.form().block(launch).lines() {
        context.out.say(format_args!("         {}", text::visible(line)));
    }
}

fn nowhere(what: &str, cause: &io::Error) -> Failure {
    Failure::new("nowhere", format!("where {what} cannot be told: {cause}"), "")
}
