//! A backup: one file with the ledger, the policy, the config, the owner's file and the key, sealed under a passphrase of
//! its own. It is checked whole before anything of it is written anywhere.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Seek};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::{Config, Guarded, Home, PolicyFile, StoreKind, new_private, write_private};
use crate::ledger::{LedgerCopy, LedgerError, examine_copy, versions};
use crate::money::{Addresses, KeyAddress};
use crate::seal::mark_of;
use crate::wallet::{Anchor, Keys, RailKey, SealedError, SealedHead, SealedReader, SealedWriter};

/// The list of what is in a backup, with room for names that do not exist yet.
const LIST_BYTES: u64 = 64 * 1024;
/// No text of a home is longer.
const TEXT_BYTES: u64 = 2 * 1024 * 1024;
const LENGTH: u64 = 4;

const KEY: &str = "key";
/// The key for another kind of chain, where there is one.
const SECOND_KEY: &str = "key.also";
const LEDGER: &str = "ledger.db";
/// Where the ledger is unpacked and looked into, before it has its name.
const UNPACKED: &str = "ledger.db.new";

/// What can be wrong with a backup, or with the place it is made in or restored to.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} cannot be used: {cause}", file.display())]
    Sealed { file: PathBuf, cause: SealedError },
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("what the backup says of `{name}` cannot be right: {cause}")]
    Content { name: String, cause: String },
    #[error("`{name}` is not right, and a backup of it could not be restored: {cause}")]
    NotRight { name: String, cause: String },
    #[error("the backup was made by a newer bursar: {0}")]
    Newer(String),
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("{} could not be written: {cause}", path.display())]
    Unwritten { path: PathBuf, cause: String },
    #[error("the ledger in the backup cannot be used: {0}")]
    Ledger(LedgerError),
}

impl BackupError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            BackupError::Sealed { cause: SealedError::WrongPassphrase, .. } => "wrong_passphrase",
            BackupError::Sealed { cause: SealedError::Newer { .. }, .. } | BackupError::Newer(_) => "backup_newer",
            BackupError::Sealed { .. } => "backup_unusable",
            BackupError::Exists(_) => "file_exists",
            BackupError::Content { .. } | BackupError::Ledger(_) => "backup_damaged",
            BackupError::NotRight { .. } => "bad_file",
            BackupError::NotEmpty(_) => "home_not_empty",
            BackupError::Unwritten { .. } => "not_written",
        }
    }

    /// What to do about it.
    pub fn next(&self) -> &'static str {
        match self {
            BackupError::Sealed { cause: SealedError::WrongPassphrase, .. } => {
                "nothing was written; type the passphrase that the backup was made with"
            }
            BackupError::Sealed { cause: SealedError::Newer { .. }, .. } | BackupError::Newer(_) => {
                "nothing was written; install the bursar that made it, or a newer one"
            }
            BackupError::Sealed { cause: SealedError::CutOff { .. } | SealedError::Altered, .. }
            | BackupError::Content { .. }
            | BackupError::Ledger(_) => "nothing was written; take another copy of the backup",
            BackupError::Sealed { cause: SealedError::NotOurs, .. } => {
                "nothing was written; name the file that `bursar backup` made"
            }
            BackupError::Sealed { .. } => {
                "nothing was written; see that the file and its folder are yours and have room"
            }
            BackupError::NotRight { .. } => "nothing was written; correct it, and back up then",
            BackupError::Exists(_) => "nothing was written; name a file that is not there yet",
            BackupError::NotEmpty(_) => "nothing was written; name another folder with --home, or move this one away",
            BackupError::Unwritten { .. } => "what was written of it is removed; make room, or name another place",
        }
    }
}

/// What is in a backup and what is not, as the backup itself says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupList {
    /// Which bursar made it.
    pub bursar: String,
    /// When, in seconds since 1970.
    pub made_at: i64,
    /// Whose key is in it.
    pub address: KeyAddress,
    /// Whose second key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<KeyAddress>,
    /// Which ledger is in it.
    pub ledger_id: String,
    /// How many payments that had made.
    pub authorizations: u64,
    /// Of the ledger's tables.
    pub ledger_version: i32,
    /// The names of what is in it and how long each is, in this order.
    pub files: Vec<(String, u64)>,
    /// Stored bodies that are not in it: how many, and how long together.
    pub bodies_left_out: (u64, u64),
}

/// A backup that was opened and checked whole.
pub struct Backup {
    file: PathBuf,
    opened: File,
    head: SealedHead,
    passphrase: Zeroizing<String>,
    list: BackupList,
    keys: Vec<RailKey>,
    /// Whatever the home says in texts, but for the ledger.
    texts: Vec<(String, String)>,
    guarded: Option<Guarded>,
    store: Option<StoreKind>,
}

/// What a backup is made of.
pub struct Packing<'a> {
    /// Where config, policy and the owner's file are.
    pub home: &'a Home,
    /// The keys.
    pub keys: &'a Keys,
    /// A copy of the ledger, and where it lies.
    pub ledger: (&'a Path, LedgerCopy),
    /// Seconds since 1970.
    pub made_at: i64,
}

/// Writes a backup into a file that is not there yet, and opens it again: one that does not open is none.
pub fn pack(packing: &Packing<'_>, to: &Path, passphrase: &str) -> Result<BackupList, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let temporary = to.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let packed = pack_into(packing, &temporary, passphrase).and_then(|list| {
        let again = Backup::open(&temporary, passphrase.to_owned().into())?;
        if again.list != list {
            return Err(BackupError::Sealed { file: to.to_owned(), cause: SealedError::Altered });
        }
        fs::rename(&temporary, to).map_err(|cause| unwritten(to, &cause))?;
        Ok(list)
    });
    packed.inspect_err(|_| _ = fs::remove_file(&temporary))
}

fn pack_into(packing: &Packing<'_>, to: &Path, passphrase: &str) -> Result<BackupList, BackupError> {
    let sealed = |cause| BackupError::Sealed { file: to.to_owned(), cause };
    let (copy, about) = &packing.ledger;
    let mut ledger = File::open(copy).map_err(|cause| unwritten(copy, &cause))?;
    let texts = texts_of(packing.home)?;
    read_texts(&texts).map_err(|(name, cause)| BackupError::NotRight { name: name.to_owned(), cause })?;
    let length = |file: &File| file.metadata().map(|found| found.len());
    let keys = packing.keys.all();
    let keys = keys.map_err(|cause| BackupError::NotRight { name: SECOND_KEY.to_owned(), cause: cause.to_string() })?;
    let mut files: Vec<_> = [KEY, SECOND_KEY].iter().zip(&keys).map(|(name, _)| ((*name).to_owned(), 32)).collect();
    files.extend(texts.iter().map(|(name, text)| (name.clone(), text.len() as u64)));
    files.push((LEDGER.to_owned(), length(&ledger).map_err(|cause| unwritten(copy, &cause))?));
    let list = BackupList {
        bursar: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: packing.made_at,
        address: keys[0].address(),
        also: keys.get(1).map(|key| key.address()),
        ledger_id: about.seal.ledger_id.clone(),
        authorizations: about.seal.authorizations,
        ledger_version: about.version,
        files,
        bodies_left_out: bodies_of(packing.home),
    };
    let written = serde_json::to_vec(&list).map_err(|cause| sealed(SealedError::Io(cause.to_string())))?;
    let plain = LENGTH + written.len() as u64 + list.files.iter().map(|(_, length)| length).sum::<u64>();
    let out = BufWriter::new(new_private(to).map_err(|cause| unwritten(to, &cause))?);
    let mut writer = SealedWriter::begin(out, passphrase, plain).map_err(sealed)?;
    let mut put = |writer: &mut SealedWriter<_>| {
        writer.put(&(written.len() as u32).to_be_bytes())?;
        writer.put(&written)?;
        keys.iter().try_for_each(|key| writer.put_key(key))?;
        texts.iter().try_for_each(|(_, text)| writer.put(text.as_bytes()))?;
        writer.put_all(&mut ledger)
    };
    put(&mut writer).map_err(sealed)?;
    let out = writer.finish().map_err(sealed)?;
    let file = out.into_inner().map_err(|cause| unwritten(to, cause.error()))?;
    file.sync_all().map_err(|cause| unwritten(to, &cause))?;
    Ok(list)
}

/// Config, policy and the owner's file, as far as they are there.
fn texts_of(home: &Home) -> Result<Vec<(String, String)>, BackupError> {
    let mut texts = Vec::new();
    for path in [home.config_file(), home.policy_file(), home.owner_file()] {
        match fs::read_to_string(&path) {
            Ok(text) => texts.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text)),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => {
                return Err(BackupError::Content { name: path.display().to_string(), cause: cause.to_string() });
            }
        }
    }
    Ok(texts)
}

fn text_named<'a>(texts: &'a [(String, String)], name: &str) -> Option<&'a str> {
    texts.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
}

/// What these texts say, or the name of the one that says nothing bursar can read.
fn read_texts(texts: &[(String, String)]) -> Result<(Config, Option<Guarded>), (&'static str, String)> {
    let text = |name: &str| text_named(texts, name);
    let config = Config::parse("config.toml", text("config.toml").unwrap_or_default());
    let config = config.map_err(|cause| ("config.toml", cause.in_one_line()))?;
    PolicyFile::parsed(text("policy.toml")).map_err(|cause| ("policy.toml", cause.in_one_line()))?;
    let guarded = text("owner.json").map(Guarded::parse).transpose().map_err(|cause| ("owner.json", cause))?;
    Ok((config, guarded))
}

/// How many large bodies there are, and how long they are together.
fn bodies_of(home: &Home) -> (u64, u64) {
    let files = fs::read_dir(home.purchases_dir()).into_iter().flatten().flatten();
    let lengths = files.filter_map(|file| Some(file.metadata().ok()?.len()));
    lengths.fold((0, 0), |(count, bytes), length| (count + 1, bytes + length))
}

impl Backup {
    /// Whether a file can be a backup at all: before anybody is asked for its passphrase.
    pub fn look(file: &Path) -> Result<(), BackupError> {
        head_of(file).map(drop)
    }

    /// Opens a backup, and checks all of it. Nothing is written.
    pub fn open(file: &Path, passphrase: Zeroizing<String>) -> Result<Backup, BackupError> {
        let sealed = |cause| BackupError::Sealed { file: file.to_owned(), cause };
        let (head, opened) = head_of(file)?;
        let mut reader = behind(&head, &opened, &passphrase).map_err(sealed)?;
        let list = list_of(&mut reader).map_err(sealed)?;
        may_be_read(&list)?;
        let (mut keys, mut texts) = (Vec::new(), Vec::new());
        for (name, length) in &list.files {
            match name.as_str() {
                KEY => keys.push(reader.key(list.address.rail()).map_err(sealed)?),
                SECOND_KEY => {
                    let also = list.also.ok_or_else(|| content(SECOND_KEY, &"its address is not named"))?;
                    keys.push(reader.key(also.rail()).map_err(sealed)?);
                }
                LEDGER => reader.take_into(*length, &mut io::sink()).map_err(sealed)?,
                _ => {
                    let bytes = reader.take(*length, TEXT_BYTES).map_err(sealed)?;
                    let text = std::str::from_utf8(&bytes).map_err(|cause| content(name, &cause))?;
                    texts.push((name.clone(), text.to_owned()));
                }
            }
        }
        reader.finish().map_err(sealed)?;
        let mut backup =
            Backup { file: file.to_owned(), opened, head, passphrase, list, keys, texts, guarded: None, store: None };
        backup.check()?;
        Ok(backup)
    }

    /// What it says of itself.
    pub fn list(&self) -> &BackupList {
        &self.list
    }

    /// Where the key was kept when it was made.
    pub fn store(&self) -> Option<StoreKind> {
        self.store
    }

    /// The keys, given once: the first one first.
    pub fn take_keys(&mut self) -> Vec<RailKey> {
        std::mem::take(&mut self.keys)
    }

    /// Whose they are.
    pub fn addresses(&self) -> Addresses {
        Addresses { first: self.list.address, also: self.list.also }
    }

    /// What stands beside the key from then on: the ledger waits for its owner's word, however far the key store had
    /// seen it come.
    pub fn anchor(&self, kept: Option<&Anchor>) -> Anchor {
        let seen = kept.map_or(0, |kept| kept.authorizations);
        Anchor::restored(self.list.authorizations.max(seen), self.guarded.as_ref().map(mark_of))
    }

    /// Lists of addresses that its policy names, which are not in it.
    pub fn deny_lists(&self) -> Vec<String> {
        PolicyFile::parsed(self.text("policy.toml")).map(|policy| policy.payee.deny_lists).unwrap_or_default()
    }

    /// Texts that bursar would not read are not written where it would stop at them.
    fn check(&mut self) -> Result<(), BackupError> {
        let named: Vec<KeyAddress> = self.addresses().iter().collect();
        if self.keys.iter().map(RailKey::address).collect::<Vec<_>>() != named {
            return Err(content(KEY, &"it is not the key of the address that is named"));
        }
        let (config, guarded) = read_texts(&self.texts).map_err(|(name, cause)| content(name, &cause))?;
        if config.wallet.addresses() != Some(self.addresses()) {
            return Err(content("config.toml", &"it names another address than the key's"));
        }
        (self.store, self.guarded) = (config.wallet.store, guarded);
        Ok(())
    }

    fn text(&self, name: &str) -> Option<&str> {
        text_named(&self.texts, name)
    }

    /// Unpacks the ledger into where it has no name yet, and looks into it.
    pub fn unpack(&self, home: &Home, file: File) -> Result<(), BackupError> {
        let sealed = |cause| BackupError::Sealed { file: self.file.clone(), cause };
        let path = home.dir().join(UNPACKED);
        let mut out = BufWriter::new(file);
        let mut reader = behind(&self.head, &self.opened, &self.passphrase).map_err(sealed)?;
        list_of(&mut reader).map_err(sealed)?;
        for (name, length) in &self.list.files {
            match name.as_str() {
                LEDGER => reader.take_into(*length, &mut out),
                _ => reader.take_into(*length, &mut io::sink()),
            }
            .map_err(sealed)?;
        }
        reader.finish().map_err(sealed)?;
        let file = out.into_inner().map_err(|cause| unwritten(&path, cause.error()))?;
        file.sync_all().map_err(|cause| unwritten(&path, &cause))?;
        let found = examine_copy(&path).map_err(BackupError::Ledger)?;
        let is_it = found.seal.ledger_id == self.list.ledger_id && found.version == self.list.ledger_version;
        match is_it {
            true => Ok(()),
            false => Err(content(LEDGER, &"it is another ledger than the one that is named")),
        }
    }

    /// Puts everything in its place: what names the wallet comes last.
    pub fn put_in_place(&self, home: &Home) -> Result<(), BackupError> {
        let ledger = home.ledger_file();
        fs::rename(home.dir().join(UNPACKED), &ledger).map_err(|cause| unwritten(&ledger, &cause))?;
        for (name, text) in self.texts.iter().rev() {
            let path = home.dir().join(name);
            write_private(&path, text.as_bytes()).map_err(|cause| unwritten(&path, &cause))?;
        }
        Ok(())
    }
}

/// Where the ledger is unpacked to. Whoever has made this file is the one who restores into this home.
pub fn begin(home: &Home) -> Result<File, BackupError> {
    let path = home.dir().join(UNPACKED);
    new_private(&path).map_err(|cause| unwritten(&path, &cause))
}

/// Takes away what was written into a home that was empty.
pub fn take_away(home: &Home, was_made: bool) {
    let names = [
        "config.toml",
        "policy.toml",
        "owner.json",
        LEDGER,
        UNPACKED,
        "wallet.json",
        "wallet.anchor",
        "wallet.solana.json",
        "wallet.solana.anchor",
        "wallet.lock",
    ];
    for name in names {
        let _ = fs::remove_file(home.dir().join(name));
    }
    if was_made {
        let _ = fs::remove_dir(home.dir());
    }
}

/// A home that nothing is in; whether it has to be made.
pub fn is_empty(home: &Home) -> Result<bool, BackupError> {
    match fs::read_dir(home.dir()) {
        Ok(mut entries) => match entries.next() {
            None => Ok(false),
            Some(_) => Err(BackupError::NotEmpty(home.dir().to_owned())),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(cause) => Err(unwritten(home.dir(), &cause)),
    }
}

fn head_of(file: &Path) -> Result<(SealedHead, File), BackupError> {
    let sealed = |cause| BackupError::Sealed { file: file.to_owned(), cause };
    let failed = |cause: io::Error| sealed(SealedError::Io(cause.to_string()));
    let found = fs::metadata(file).map_err(failed)?;
    if !found.is_file() {
        return Err(sealed(SealedError::NotOurs));
    }
    let opened = File::open(file).map_err(failed)?;
    let head = SealedHead::read(&mut BufReader::new(&opened), found.len()).map_err(sealed)?;
    Ok((head, opened))
}

/// What is behind the head, from the beginning.
fn behind<'a>(
    head: &SealedHead,
    opened: &'a File,
    passphrase: &str,
) -> Result<SealedReader<BufReader<&'a File>>, SealedError> {
    let mut from = opened;
    from.seek(io::SeekFrom::Start(head.length())).map_err(|cause| SealedError::Io(cause.to_string()))?;
    head.open(BufReader::new(opened), passphrase)
}

fn list_of(reader: &mut SealedReader<BufReader<&File>>) -> Result<BackupList, SealedError> {
    let length = reader.take(LENGTH, LENGTH)?;
    let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
    serde_json::from_slice(&reader.take(length, LIST_BYTES)?).map_err(|_| SealedError::Altered)
}

/// What this program does not know may be what the restored home cannot do without.
fn may_be_read(list: &BackupList) -> Result<(), BackupError> {
    const KNOWN: [&str; 6] = [KEY, SECOND_KEY, "config.toml", "policy.toml", "owner.json", LEDGER];
    let (tables, _) = versions();
    if list.ledger_version > tables {
        let found = list.ledger_version;
        return Err(BackupError::Newer(format!("its ledger's version is {found}, this program knows {tables}")));
    }
    match list.files.iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        Some((name, _)) => Err(BackupError::Newer(format!("it holds `{}`", crate::text::quoted(name, 40)))),
        None => Ok(()),
    }
}

fn content(name: &str, cause: &dyn std::fmt::Display) -> BackupError {
    BackupError::Content { name: name.to_owned(), cause: cause.to_string() }
}

fn unwritten(path: &Path, cause: &dyn std::fmt::Display) -> BackupError {
    BackupError::Unwritten { path: path.to_owned(), cause: cause.to_string() }
}
