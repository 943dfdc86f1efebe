//! `bursar backup`: everything of a home in one file, under a passphrase of its own.

use std::path::PathBuf;

use clap::Args;

use crate::backup::BackupList;
use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, out, words};
use crate::config::OwnerFile;
use crate::wallet::PassphraseSource;

/// Write ledger, policy, config and key into one file, under a passphrase of its own
///
/// All of it is sealed. The passphrase is asked for twice at the terminal, or comes from the file that
/// BURSAR_BACKUP_PASSPHRASE_FILE names, a file descriptor or a systemd credential; never from an argument. Whoever has the
/// file and the passphrase has the money. Servers may go on meanwhile: it is the ledger of one moment. What was bought and
/// is longer than 8 KiB is left out. `bursar restore` brings it back.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar backup ~/usb-stick/bursar-2026-11-29.backup
  BURSAR_BACKUP_PASSPHRASE_FILE=/run/secrets/backup bursar backup /backups/bursar.backup")]
pub struct BackupCommand {
    /// The file to make; it must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl BackupCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.home()?;
        if self.file.symlink_metadata().is_ok() {
            return Err(crate::backup::BackupError::Exists(self.file).into());
        }
        let bursar = context.bursar().await?;
        // The key is about to leave, as it does with `wallet export`.
        let owners = match OwnerFile::new(&home).read()?.is_some() {
            true => Terminal::at_the_terminal("bursar backup")?.passphrase_if(true)?,
            false => None,
        };
        let chosen = PassphraseSource::for_backup(&self.file, true).map_err(super::restore::unsaid)?;
        let list = bursar.back_up(&home, &self.file, chosen, owners.as_deref().map(String::as_str)).await?;
        told(context, &list);
        context.out.line(self.file.display());
        Ok(Exit::Done)
    }
}

fn told(context: &Context, list: &BackupList) {
    let out = &context.out;
    let names: Vec<&str> = list.files.iter().map(|(name, _)| name.as_str()).collect();
    out.say(format_args!("{} {}: {}", out::good("Backed up."), list.address, names.join(", ")));
    match list.bodies_left_out {
        (0, _) => {}
        (count, length) => out.say(format_args!(
            "{} {count} stored bodies in purchases/ ({}): goods, not money. Copy the folder if you want to keep them.",
            out::warn("Left out:"),
            words::size(length)
        )),
    }
    out.say(format_args!("Without its passphrase nobody can open it, you neither. `bursar restore` brings it back."));
}
