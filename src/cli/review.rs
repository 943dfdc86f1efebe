//! `bursar review`: the local page where the owner sees everything and decides.

use std::io::ErrorKind;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::config::{Config, Home, Tunnel};
use crate::mcp;
use crate::owner::Owner;
use crate::web::{FarReview, Review as Page};

/// Open the review page: see what was spent, approve, freeze
///
/// The page is served by this command, on this machine only, and ends with it (Ctrl-C). It opens in your browser with a
/// link that works once; Enter makes another one. Whoever has the link is taken for you, so it is shown at the terminal
/// and nowhere else.
///
/// Where `[review] origin` in config.toml names an origin of yours, a tunnel of yours may lead from there to this page. It
/// lets you in there with your passphrase and a code (`bursar owner code`); then it also runs without a terminal.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar review\n  bursar review --no-open --port 4800")]
pub struct ReviewCommand {
    /// Listen at this port of 127.0.0.1 [default: any free one]
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    port: u16,
    /// Only show the link
    #[arg(long)]
    no_open: bool,
}

/// Balances are a question to nodes elsewhere: now and then is enough.
const FUNDS_EVERY: Duration = Duration::from_secs(60);

impl ReviewCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.home()?;
        let tunnel = Config::load(&home)?.tunnel;
        if tunnel.is_some() {
            // What strangers try there is to be seen here.
            mcp::log_to_stderr();
        }
        let owner = match Terminal::at_the_terminal("bursar review") {
            Ok(owner) => owner,
            Err(none) => return serve_afar(context, tunnel.ok_or(none)?).await,
        };
        self.serve_here(context, &home, tunnel, owner).await
    }

    async fn serve_here(
        self,
        context: &Context,
        home: &Home,
        tunnel: Option<Tunnel>,
        mut owner: Terminal,
    ) -> Result<Exit, Failure> {
        let bursar = context.bursar().await?;
        let page = Page::open(bursar.clone(), self.port).map_err(|cause| not_open(self.port, "--port", &cause))?;
        let mut _afar = None;
        if let Some(tunnel) = &tunnel {
            let opened = FarReview::open(bursar.clone(), tunnel);
            owner.tell(&from_elsewhere(tunnel, opened.as_ref().err(), bursar.has_code()?))?;
            _afar = opened.ok();
        }
        let reading = tokio::spawn(keep_reading_funds(bursar));
        let shown = self.show_links(&page, home, &mut owner).await;
        reading.abort();
        shown.map(|()| Exit::Done)
    }

    /// A link at once, and another one whenever the owner presses Enter; until Ctrl-C.
    async fn show_links(&self, page: &Page, home: &Home, owner: &mut Terminal) -> Result<(), Failure> {
        let mut lines = BufReader::new(stdin()).lines();
        owner.tell("The review page is open until Ctrl-C. Enter makes another link.")?;
        let end = tokio::signal::ctrl_c();
        tokio::pin!(end);
        // Asked once before anything is shown: from then on a Ctrl-C is heard, and nothing is left behind.
        tokio::select! {
            biased;
            _ = &mut end => return Ok(()),
            () = std::future::ready(()) => {}
        }
        loop {
            let link = page.link().map_err(no_link)?;
            let is_opened = !self.no_open && page.open_in_browser(&link, home).is_ok();
            owner.tell(&format!("{} {link}", if is_opened { "In your browser now, or once at" } else { "Once at" }))?;
            tokio::select! {
                () = another(&mut lines) => {}
                _ = &mut end => return Ok(()),
            }
        }
    }
}

/// `named_by` is where the owner said which port it is.
fn not_open(port: u16, named_by: &str, cause: &std::io::Error) -> Failure {
    let next = match cause.kind() {
        ErrorKind::AddrInUse => format!("stop what listens there, or name another port with {named_by}"),
        _ => "try again".to_owned(),
    };
    Failure::new("no_page", format!("the page could not be opened at port {port}: {cause}"), next)
}

/// Nobody is there to be shown a link, and there is a way in all the same.
async fn serve_afar(context: &Context, tunnel: Tunnel) -> Result<Exit, Failure> {
    const IN_CONFIG: &str = "[review] port in config.toml";
    let bursar = context.bursar().await?;
    if !bursar.has_code()? {
        let origin = out::clean(tunnel.origin.as_str());
        let why = format!("without a terminal there is only {origin}, where nobody is let in without a code");
        return Err(Failure::new(
            "no_terminal",
            why,
            "run `bursar owner set` and `bursar owner code` in a terminal first",
        ));
    }
    let _page = FarReview::open(bursar.clone(), &tunnel).map_err(|cause| not_open(tunnel.port, IN_CONFIG, &cause))?;
    context.out.say(format_args!("{}", from_elsewhere(&tunnel, None, true)));
    let reading = tokio::spawn(keep_reading_funds(bursar));
    let stopped = tokio::signal::ctrl_c().await;
    reading.abort();
    stopped.map(|()| Exit::Done).map_err(no_link)
}

fn from_elsewhere(tunnel: &Tunnel, shut: Option<&std::io::Error>, has_code: bool) -> String {
    let (origin, port) = (out::clean(tunnel.origin.as_str()), tunnel.port);
    match (shut, has_code) {
        (Some(cause), _) => format!("Not served to {origin} from here, because port {port} cannot be had: {cause}"),
        (None, true) => {
            format!("From elsewhere it is {origin}, with your passphrase and a code; your tunnel leads to port {port}.")
        }
        (None, false) => {
            format!("Nobody is let in from {origin} yet: `bursar owner set` and `bursar owner code` come first.")
        }
    }
}

/// Returns at the next Enter; where nobody can press it, never.
async fn another(lines: &mut Lines<BufReader<Stdin>>) {
    if !matches!(lines.next_line().await, Ok(Some(_))) {
        std::future::pending::<()>().await;
    }
}

async fn keep_reading_funds(bursar: Owner) {
    loop {
        bursar.read_funds().await;
        tokio::time::sleep(FUNDS_EVERY).await;
    }
}

fn no_link(cause: std::io::Error) -> Failure {
    Failure::new("no_link", format!("no link could be made: {}", out::clean(&cause.to_string())), "try again")
}
