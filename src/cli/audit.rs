//! `bursar audit`: the ledger, derived anew and compared with itself.

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::wallet::{PassphraseAsker, passphrases};
use crate::cli::{Context, out, words};
use crate::owner::LedgerSeal;

/// Re-derive every total from the rows and check the chain of events
///
/// Reads the whole ledger and changes nothing. Exits 1 when anything does not add up.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar audit --json | jq .violations")]
pub struct AuditCommand {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl AuditCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        // Nobody is asked for anything: while the key is locked, what is noted beside it can be read all the same.
        let bursar = context.open(passphrases(PassphraseAsker::Host)).await?.owner();
        let mut found = bursar.audit().await?;
        let seal = bursar.ledger_seal().await?;
        found.violations.extend(foreign(&seal));
        let exit = if found.violations.is_empty() { Exit::Done } else { Exit::Failed };
        if self.json {
            context.out.json(&found);
            return Ok(exit);
        }
        context.out.line(format_args!(
            "{} purchases, {} authorizations, {} events",
            found.purchases, found.authorizations, found.events
        ));
        let (settled, held) = (words::dollars(found.settled_usd), words::dollars(found.held_usd));
        context.out.line(format_args!("{settled} settled, {held} held"));
        for violation in &found.violations {
            context.out.line(format_args!("{} {}", out::bad("wrong"), out::clean(violation)));
        }
        if let LedgerSeal::Unseen(cause) = seal {
            let cause = out::clean(&cause);
            context.out.line(format_args!("{} not seen whether it is this wallet's own: {cause}", out::warn("note")));
        }
        if exit == Exit::Done {
            context.out.line(format_args!("{} everything adds up", out::good("ok")));
        }
        Ok(exit)
    }
}

/// A ledger may add up, and be another one than the wallet spent from.
fn foreign(seal: &LedgerSeal) -> Option<String> {
    let what = match seal {
        LedgerSeal::Replaced => "the ledger is not the one this wallet spent from: it is missing or was replaced",
        LedgerSeal::RolledBack => "the ledger is an old copy: this wallet has made more payments than it holds",
        LedgerSeal::Restored => {
            let what = "the ledger came out of a backup, and payments that were made after it are not in it";
            return Some(format!("{what}: `bursar ledger adopt` accepts it, and nothing is paid until then"));
        }
        LedgerSeal::Tampered => "what is kept beside the key about the ledger was changed by somebody else",
        LedgerSeal::Own | LedgerSeal::Unspent | LedgerSeal::NoWallet | LedgerSeal::Unseen(_) => return None,
    };
    Some(format!("{what}; bring the right one back, or accept this one with `bursar ledger adopt`"))
}
