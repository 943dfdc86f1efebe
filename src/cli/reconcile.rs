//! `bursar reconcile`: ask the chains what became of what is unproven.

use clap::Args;

use crate::answer::Reconciled;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, out, words};

/// Ask the chains about every payment whose outcome is not proven
///
/// What moved is marked settled; what was provably never taken, and can never be, gives its budget back. Everything
/// else waits, and says until when. `serve` does this by itself at start and in the background.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar reconcile\n\nExits 1 when something is found that no purchase explains.")]
pub struct Reconcile {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl Reconcile {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let found = context.bursar().await?.reconcile().await?;
        match self.json {
            true => context.out.json(&found),
            false => lines(&found).iter().for_each(|line| context.out.line(line)),
        }
        Ok(if found.alarms.is_empty() { Exit::Done } else { Exit::Failed })
    }
}

fn lines(found: &Reconciled) -> Vec<String> {
    let now = words::now();
    let mut lines = vec![format!("Looked at {}.", count(found.looked_at, "unproven payment"))];
    lines.extend(
        found.settled.iter().map(|id| format!("  {} {}  the money moved", out::good("settled"), out::clean(id))),
    );
    lines.extend(
        found
            .lapsed
            .iter()
            .map(|id| format!("  {}  {}  never taken; the budget has it back", out::dim("lapsed"), out::clean(id))),
    );
    lines.extend(found.waiting.iter().map(|waiting| {
        let until = waiting.until.map(|until| format!(", {}", words::when(until, now))).unwrap_or_default();
        format!("  {} {}  {}{until}", out::warn("waits"), out::clean(&waiting.purchase_id), out::clean(&waiting.why))
    }));
    lines.extend(found.alarms.iter().map(|alarm| format!("  {} {}", out::bad("alarm"), out::clean(alarm))));
    lines
}

pub fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
