//! `bursar restore`: a backup, brought back into an empty home.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::backup::{self, Backup, BackupError};
use crate::cli::exit::{Exit, Failure};
use crate::cli::wallet::{KeyPlace, PassphraseAsker, store_of};
use crate::cli::{Context, out, words};
use crate::clock::SystemClock;
use crate::config::{Config, Home, StoreKind, file_of};
use crate::time::Time;
use crate::wallet::{Anchor, PassphraseSource, Wallet, WalletError};

/// Bring a backup back into an empty home
///
/// Everything in the file is checked before anything is written. The key goes into the store it was in, or the one that
/// --store names. Payments that were made after the backup are not in its ledger, so nothing is paid until `bursar ledger
/// adopt`; every window then counts as full until it has rolled by.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar restore ~/usb-stick/bursar-2026-11-29.backup
  bursar --home /srv/bursar restore bursar.backup --store file")]
pub struct Restore {
    /// The file that `bursar backup` made
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to keep the key [default: as in the backup]
    #[arg(long, value_name = "PLACE")]
    store: Option<KeyPlace>,
}

impl Restore {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let home = context.home()?;
        let has_to_be_made = backup::is_empty(&home)?;
        Backup::look(&self.file)?;
        let passphrase = PassphraseSource::for_backup(&self.file, false).map_err(unsaid)?;
        let mut backup = Backup::open(&self.file, passphrase)?;
        let place = self.store.map(StoreKind::from).or(backup.store()).unwrap_or(StoreKind::Keyring);
        home.prepare()?;
        let unpacking = backup::begin(&home)?;
        let restored = bring_back(&home, &mut backup, unpacking, place).await;
        let kept = restored.inspect_err(|_| backup::take_away(&home, has_to_be_made))?;
        told(context, &home, &backup, place);
        if kept.is_some_and(|kept| !kept.is_restored()) {
            context.out.say(format_args!(
                "{} the key was there already, with a ledger of its own: no other home pays with it any more. Stop the \
                 servers that run over one.",
                out::warn("warning:")
            ));
        }
        Ok(Exit::Done)
    }
}

/// The ledger is unpacked first, and the key comes before whatever says that there is one. Answers with what stood beside
/// the key before.
async fn bring_back(
    home: &Home,
    backup: &mut Backup,
    unpacking: File,
    place: StoreKind,
) -> Result<Option<Anchor>, Failure> {
    backup.unpack(home, unpacking)?;
    let addresses = backup.addresses();
    let store = store_of(home, Some(place), PassphraseAsker::Person);
    let mut beside = None;
    for key in backup.take_keys() {
        beside = Some(Wallet::import(&store, key, beside).await?);
    }
    let wallet = Wallet::open(store, addresses, Arc::new(SystemClock));
    // Where the key store is the old one, it knows how far the ledger had come.
    let kept = match wallet.anchor().await {
        Ok(kept) => kept,
        Err(WalletError::AnchorDamaged) => wallet.noted().await.unwrap_or_default(),
        Err(cause) => return Err(cause.into()),
    };
    wallet.adopt(backup.anchor(kept.as_ref())).await?;
    backup.put_in_place(home)?;
    Config::write_wallet(home, place, addresses.first)?;
    Ok(kept)
}

fn told(context: &Context, home: &Home, backup: &Backup, place: StoreKind) {
    let (out, list) = (&context.out, backup.list());
    let made = words::when(Time::from_secs(list.made_at), words::now());
    let ours: Vec<String> = backup.addresses().iter().map(|address| address.to_string()).collect();
    out.line(format_args!("{} {} in {}", out::good("Restored."), ours.join(" and "), home.dir().display()));
    let place = match place {
        StoreKind::File => {
            backup.addresses().iter().map(|address| file_of(address.rail())).collect::<Vec<_>>().join(" and ")
        }
        StoreKind::Keyring => "the system's keyring".to_owned(),
    };
    out.say(format_args!("The backup was made {made}, with {} payments. The key is in {place}.", list.authorizations));
    for list in backup.deny_lists() {
        out.say(format_args!(
            "{} {} is not in it; without it nothing is paid",
            out::warn("deny list"),
            out::clean(&list)
        ));
    }
    if list.bodies_left_out.0 > 0 {
        out.say(format_args!("Bodies in purchases/ are not in it: copy that folder back if you have kept it."));
    }
    out.say(format_args!(
        "Nothing is paid yet: payments made after the backup are not in its ledger. See that no other bursar pays with \
         this key, then `bursar ledger adopt`."
    ));
}

/// The words of a key file's passphrase, for a backup's.
pub fn unsaid(cause: WalletError) -> Failure {
    match cause {
        WalletError::NoPassphrase { path, asked } => Failure::new(
            "no_passphrase",
            format!("there is no passphrase for {} (asked: {asked})", path.display()),
            "run it at a terminal, or put the passphrase into a file only you can read and name that in \
             BURSAR_BACKUP_PASSPHRASE_FILE",
        ),
        other => other.into(),
    }
}

impl From<BackupError> for Failure {
    fn from(cause: BackupError) -> Failure {
        Failure::new(cause.code(), cause.to_string(), cause.next())
    }
}
