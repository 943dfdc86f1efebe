//! Where the passphrase of a key file comes from: a prompt, a descriptor, a file, a systemd credential. Never from the
//! command line or the environment itself, which other programs can read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::WalletError;

/// Where the key file's passphrase may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The controlling terminal.
    Prompt,
    /// A descriptor this process was started with. It can be read once.
    Fd(i32),
    /// A file that only its owner can read.
    File(PathBuf),
    /// A file systemd made for this service alone.
    SystemdCredential(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It must fit what is there.
    Open,
    /// It is chosen now: asked for twice at a prompt.
    Choose,
}

impl PassphraseSource {
    /// What the environment names. Read at the edge, once; it names places, never the passphrase.
    pub fn from_environment() -> Vec<PassphraseSource> {
        PassphraseSource::named("BURSAR_PASSPHRASE", "bursar-passphrase")
    }

    fn named(variable: &str, credential: &str) -> Vec<PassphraseSource> {
        let descriptor = std::env::var(format!("{variable}_FD")).ok().and_then(|text| text.parse().ok());
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let file = path(&format!("{variable}_FILE")).map(PassphraseSource::File);
        let directory = path("CREDENTIALS_DIRECTORY");
        let credential = directory.map(|at| PassphraseSource::SystemdCredential(at.join(credential)));
        descriptor.map(PassphraseSource::Fd).into_iter().chain(file).chain(credential).collect()
    }

    /// The passphrase of a backup, which is its own: chosen now, or the one it was made with. From what the environment
    /// names, or a person.
    pub fn for_backup(backup: &Path, is_new: bool) -> Result<Zeroizing<String>, WalletError> {
        let mut sources = PassphraseSource::named("BURSAR_BACKUP_PASSPHRASE", "bursar-backup-passphrase");
        sources.push(PassphraseSource::Prompt);
        let purpose = if is_new { Purpose::Choose } else { Purpose::Open };
        from_first(&sources, purpose, backup).map(|(passphrase, _)| passphrase)
    }

    /// The password of a database: from what the environment names, or a file. None: there is no such thing anywhere.
    pub fn for_ledger(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, WalletError> {
        let mut sources = PassphraseSource::named("BURSAR_LEDGER_PASSWORD", "bursar-ledger-password");
        sources.extend(file.map(|file| PassphraseSource::File(file.to_owned())));
        match from_first(&sources, Purpose::Open, Path::new("the ledger's database")) {
            Ok((password, _)) => Ok(Some(password)),
            Err(WalletError::NoPassphrase { .. }) if file.is_none() => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    /// `None`: this source is not there, ask the next one.
    fn read(&self, purpose: Purpose, keyfile: &Path) -> Result<Option<Zeroizing<String>>, WalletError> {
        match self {
            PassphraseSource::Prompt => prompt(purpose, keyfile),
            PassphraseSource::Fd(fd) => Ok(open(Path::new(&format!("/dev/fd/{fd}"))).and_then(whole)),
            PassphraseSource::File(path) => {
                let file = open(path);
                // A warning, not a refusal: a container's secrets are readable by everybody in it.
                if file.as_ref().is_some_and(is_exposed) {
                    tracing::warn!("the passphrase file {} can be read by others: chmod 600 it", path.display());
                }
                Ok(file.and_then(whole))
            }
            // Its group bits are the mask of an access list for this service; systemd sees to the rest.
            PassphraseSource::SystemdCredential(path) => Ok(open(path).and_then(whole)),
        }
    }

    fn name(&self) -> String {
        match self {
            PassphraseSource::Prompt => "the terminal".to_owned(),
            PassphraseSource::Fd(fd) => format!("descriptor {fd}"),
            PassphraseSource::File(path) | PassphraseSource::SystemdCredential(path) => path.display().to_string(),
        }
    }
}

/// The passphrase of the first source that has one.
pub(super) fn from_first(
    sources: &[PassphraseSource],
    purpose: Purpose,
    keyfile: &Path,
) -> Result<(Zeroizing<String>, PassphraseSource), WalletError> {
    for source in sources {
        if let Some(passphrase) = source.read(purpose, keyfile)?.filter(|text| !text.is_empty()) {
            return Ok((passphrase, source.clone()));
        }
    }
    let asked = sources.iter().map(PassphraseSource::name).collect::<Vec<_>>().join(", ");
    let asked = if asked.is_empty() { "nobody".to_owned() } else { asked };
    Err(WalletError::NoPassphrase { path: keyfile.to_owned(), asked })
}

fn prompt(purpose: Purpose, keyfile: &Path) -> Result<Option<Zeroizing<String>>, WalletError> {
    let ask = |words: &str| rpassword::prompt_password(words).ok().map(Zeroizing::new);
    let words = match purpose {
        Purpose::Open => format!("Passphrase of {}: ", keyfile.display()),
        Purpose::Choose => format!("New passphrase for {}: ", keyfile.display()),
    };
    let first = ask(&words);
    match (&first, purpose) {
        (Some(typed), Purpose::Choose) if ask("Once more: ").as_ref() != Some(typed) => {
            Err(WalletError::PassphrasesDiffer)
        }
        _ => Ok(first),
    }
}

fn open(path: &Path) -> Option<File> {
    File::open(path).ok()
}

/// One line end at its end is how files are written, not part of it.
fn whole(file: File) -> Option<Zeroizing<String>> {
    // Room for all of it at once: a growing buffer would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(AT_MOST + 1));
    let read: io::Result<usize> = file.take(AT_MOST as u64).read_to_string(&mut text);
    read.ok()?;
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Some(text)
}

const AT_MOST: usize = 4096;

#[cfg(unix)]
fn is_exposed(file: &File) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_: &File) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn file(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn first(sources: &[PassphraseSource]) -> Result<String, WalletError> {
        let read = from_first(sources, Purpose::Open, Path::new("wallet.json"));
        read.map(|(passphrase, _)| passphrase.to_string())
    }

    #[test]
    fn one_line_end_is_not_part_of_a_passphrase() {
        let home = tempfile::tempdir().unwrap();
        for (text, expected) in [("a b", "a b"), ("a b\n", "a b"), ("a b\r\n", "a b"), ("a\n\n", "a\n"), (" a ", " a ")]
        {
            let path = file(home.path(), "passphrase", text, 0o600);
            assert_eq!(first(&[PassphraseSource::File(path)]).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_passphrase_others_can_read_is_noticed_and_used() {
        let home = tempfile::tempdir().unwrap();
        for (mode, exposed) in [(0o600, false), (0o640, true), (0o604, true), (0o666, true)] {
            let path = file(home.path(), "passphrase", "open sesame", mode);
            assert_eq!(is_exposed(&File::open(&path).unwrap()), exposed, "{mode:o}");
            assert_eq!(first(&[PassphraseSource::File(path)]).as_deref(), Ok("open sesame"));
        }
    }

    #[test]
    fn the_first_source_that_has_one_is_asked() {
        let home = tempfile::tempdir().unwrap();
        let missing = PassphraseSource::File(home.path().join("missing"));
        let empty = PassphraseSource::File(file(home.path(), "empty", "\n", 0o600));
        let credential = PassphraseSource::SystemdCredential(file(home.path(), "credential", "yes", 0o440));
        let later = PassphraseSource::File(file(home.path(), "later", "no", 0o600));
        assert_eq!(first(&[missing, empty, credential, later]).as_deref(), Ok("yes"));
    }

    #[test]
    fn without_any_the_error_names_who_was_asked() {
        let missing = PassphraseSource::File(PathBuf::from("/nowhere/at/all"));
        let Err(WalletError::NoPassphrase { asked, .. }) = first(&[missing]) else { panic!() };
        assert_eq!(asked, "/nowhere/at/all");
        assert_eq!(first(&[]).unwrap_err().code(), "no_passphrase");
    }

    #[test]
    fn a_descriptor_is_a_source() {
        let home = tempfile::tempdir().unwrap();
        let open = File::open(file(home.path(), "passphrase", "sesame\n", 0o600)).unwrap();
        assert_eq!(first(&[PassphraseSource::Fd(open.as_raw_fd())]).as_deref(), Ok("sesame"));
        assert_eq!(first(&[PassphraseSource::Fd(987_654)]).unwrap_err().code(), "no_passphrase");
    }
}
