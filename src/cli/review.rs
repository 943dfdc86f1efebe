//! `bursar review`: the local page where the owner sees everything and decides.

use std::io::ErrorKind;
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out};
use crate::config::Home;
use crate::owner::Owner;
use crate::web::Review as Page;

/// Open the review page: see what was spent, approve, freeze
///
/// The page is served by this command, on this machine only, and ends with it (Ctrl-C). It opens in your browser with a
/// link that works once; Enter makes another one. Whoever has the link is taken for you, so it is shown at the terminal
/// and nowhere else.
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
        let mut owner = Terminal::at_the_terminal("bursar review")?;
        let bursar = context.bursar().await?;
        let home = context.home()?;
        let page = Page::open(bursar.clone(), self.port).map_err(|cause| self.not_open(&cause))?;
        let reading = tokio::spawn(keep_reading_funds(bursar));
        let shown = self.show_links(&page, &home, &mut owner).await;
        reading.abort();
        shown.map(|()| Exit::Done)
    }

    /// A link at once, and another one whenever the owner presses Enter; until Ctrl-C.
    async fn show_links(&self, page: &Page, home: &Home, owner: &mut Terminal) -> Result<(), Failure> {
        let mut lines = BufReader::new(stdin()).lines();
        owner.tell("The review page is open until Ctrl-C. Enter makes another link.")?;
        let end = tokio::signal::ctrl_c();
        tokio::pin!(end);
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

    fn not_open(&self, cause: &std::io::Error) -> Failure {
        let next = match cause.kind() {
            ErrorKind::AddrInUse => "leave out --port, or name another one",
            _ => "try again",
        };
        Failure::new("no_page", format!("the page could not be opened at port {}: {cause}", self.port), next)
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
