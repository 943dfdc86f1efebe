//! The home directory: one place for the wallet's files, closed to everybody else.
//!
//! Not an XDG directory: some hosts scrub the environment, and one wallet must never have two ledgers.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::files;
use crate::money::Rail;

/// The folder that holds everything of one wallet but its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
}

/// A file or directory that others could read, and can no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tightened {
    /// Which file or folder.
    pub path: PathBuf,
    /// What it was.
    pub was: u32,
    /// What it is.
    pub is: u32,
}

#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("there is no home directory to keep a wallet in\n  set BURSAR_HOME, or pass --home DIRECTORY")]
    Nowhere,
    #[error("`{}` cannot be used as bursar's home: {cause}\n  it must be a directory of your own; or choose another with --home", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error("`{}` could be read by others, and that could not be changed: {cause}\n  run: chmod {mode:o} '{}'", path.display(), path.display())]
    Open { path: PathBuf, mode: u32, cause: io::Error },
}

/// The file that holds the key for a kind of chain, where the owner chose files.
pub fn file_of(rail: Rail) -> &'static str {
    match rail {
        Rail::Evm => "wallet.json",
        Rail::Solana => "wallet.solana.json",
    }
}

const FILES: [&str; 12] = [
    "config.toml",
    "policy.toml",
    "owner.json",
    "owner.next.json",
    "owner.lock",
    "owner.code",
    "ledger.db",
    "ledger.db-wal",
    "ledger.db-shm",
    "ledger.db.lock",
    "wallet.json",
    "wallet.solana.json",
];
/// No secret a person or a program makes is longer.
const SECRET_BYTES: u64 = 4096;
const DIRECTORIES: [&str; 2] = ["purchases", "leases"];

impl Home {
    /// `--home`, or `BURSAR_HOME`, or `~/.bursar`.
    pub fn resolve(flag: Option<&Path>) -> Result<Home, HomeError> {
        choose(flag, std::env::var_os("BURSAR_HOME"), std::env::home_dir())
    }

    /// In this folder.
    pub fn at(dir: impl Into<PathBuf>) -> Home {
        Home { dir: dir.into() }
    }

    /// Makes the directory if it is not there, and closes to others what they could open. What had to be closed is
    /// told, because somebody may have read it.
    pub fn prepare(&self) -> Result<Vec<Tightened>, HomeError> {
        self.create().map_err(|cause| HomeError::Unusable { path: self.dir.clone(), cause })?;
        let mut tightened = Vec::new();
        tightened.extend(tighten(&self.dir, 0o700)?);
        for name in DIRECTORIES {
            tightened.extend(tighten(&self.dir.join(name), 0o700)?);
        }
        for name in FILES {
            tightened.extend(tighten(&self.dir.join(name), 0o600)?);
        }
        Ok(tightened)
    }

    fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir)
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where things are.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("config.toml")
    }

    /// What may be spent.
    pub fn policy_file(&self) -> PathBuf {
        self.dir.join("policy.toml")
    }

    /// What tells the owner's passphrase, and the policy put into force with it.
    pub fn owner_file(&self) -> PathBuf {
        self.dir.join("owner.json")
    }

    /// What the owner's file is about to say, while it is being changed.
    pub fn owner_next_file(&self) -> PathBuf {
        self.dir.join("owner.next.json")
    }

    /// Which code of the second factor was used last.
    pub fn used_code_file(&self) -> PathBuf {
        self.dir.join("owner.code")
    }

    /// Locked by whoever changes the owner's file.
    pub fn owner_lock_file(&self) -> PathBuf {
        self.dir.join("owner.lock")
    }

    /// A secret in a file that the config names, by its whole path or as one of these files. Its last line end is not part
    /// of it. What is wrong is said with the name that the config has.
    pub fn read_secret(&self, file: &Path) -> Result<Zeroizing<String>, String> {
        let wrong = |cause: &dyn std::fmt::Display| format!("{} cannot be read: {cause}", file.display());
        let text = Zeroizing::new(files::read(&self.dir.join(file), SECRET_BYTES).map_err(|cause| wrong(&cause))?);
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(wrong(&"it is empty")),
            secret => Ok(Zeroizing::new(secret.to_owned())),
        }
    }

    /// Where a browser may find a file. One that is confined sees nothing in hidden folders, nor anywhere outside of its
    /// owner's: so beside this folder, where that is hidden in it.
    pub fn places_for_a_browser(&self) -> Vec<PathBuf> {
        let user = std::env::home_dir().filter(|user| !user.as_os_str().is_empty());
        let hides = |within: &Path| within.iter().any(|name| name.to_string_lossy().starts_with('.'));
        let visible = user.filter(|user| self.dir.strip_prefix(user).is_ok_and(hides));
        visible.into_iter().chain([self.dir.clone()]).collect()
    }

    /// The only record of money.
    pub fn ledger_file(&self) -> PathBuf {
        self.dir.join("ledger.db")
    }

    /// The encrypted key, where the owner chose a file for it.
    pub fn wallet_file(&self) -> PathBuf {
        self.dir.join("wallet.json")
    }

    /// Stored bodies.
    pub fn purchases_dir(&self) -> PathBuf {
        self.dir.join("purchases")
    }

    /// Locks that say which process presents which purchase.
    pub fn leases_dir(&self) -> PathBuf {
        self.dir.join("leases")
    }
}

/// Absolute at once: the working directory may change, the wallet does not.
fn choose(flag: Option<&Path>, variable: Option<OsString>, user: Option<PathBuf>) -> Result<Home, HomeError> {
    let set = |path: &PathBuf| !path.as_os_str().is_empty();
    let named = flag.map(Path::to_owned).or(variable.map(PathBuf::from)).filter(set);
    let dir = named.or_else(|| Some(user.filter(set)?.join(".bursar"))).ok_or(HomeError::Nowhere)?;
    match std::path::absolute(&dir) {
        Ok(dir) => Ok(Home { dir }),
        Err(cause) => Err(HomeError::Unusable { path: dir, cause }),
    }
}

#[cfg(unix)]
fn tighten(path: &Path, mode: u32) -> Result<Option<Tightened>, HomeError> {
    use std::os::unix::fs::PermissionsExt;
    let open = |cause| HomeError::Open { path: path.to_owned(), mode, cause };
    let was = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(open(error)),
    };
    // What the owner closed further, to read-only say, stays so.
    let is = was & mode;
    if is == was {
        return Ok(None);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(is)).map_err(open)?;
    Ok(Some(Tightened { path: path.to_owned(), was, is }))
}

/// Elsewhere a user's own directory is closed to others as it is.
#[cfg(not(unix))]
fn tighten(_: &Path, _: u32) -> Result<Option<Tightened>, HomeError> {
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(flag: Option<&str>, variable: Option<&str>, user: Option<&str>) -> Option<PathBuf> {
        choose(flag.map(Path::new), variable.map(OsString::from), user.map(PathBuf::from)).ok().map(|home| home.dir)
    }

    #[test]
    fn the_flag_comes_before_the_variable_and_that_before_the_users_home() {
        assert_eq!(chosen(Some("/a"), Some("/b"), Some("/u")), Some("/a".into()));
        assert_eq!(chosen(None, Some("/b"), Some("/u")), Some("/b".into()));
        assert_eq!(chosen(None, None, Some("/u")), Some("/u/.bursar".into()));
        assert_eq!(chosen(None, Some(""), Some("/u")), Some("/u/.bursar".into()));
        assert_eq!(chosen(None, None, None), None);
    }

    #[test]
    fn a_relative_home_does_not_move_with_the_working_directory() {
        assert!(chosen(Some("wallet"), None, None).unwrap().is_absolute());
    }

    #[cfg(unix)]
    #[test]
    fn what_others_could_read_is_closed_and_told() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("a/b"));
        assert_eq!(home.prepare().unwrap(), []);
        assert_eq!(fs::metadata(home.dir()).unwrap().permissions().mode() & 0o777, 0o700);

        fs::write(home.policy_file(), "version = 1\n").unwrap();
        fs::set_permissions(home.policy_file(), fs::Permissions::from_mode(0o664)).unwrap();
        fs::write(home.config_file(), "").unwrap();
        fs::set_permissions(home.config_file(), fs::Permissions::from_mode(0o400)).unwrap();
        let tightened = home.prepare().unwrap();
        assert_eq!(tightened, [Tightened { path: home.policy_file(), was: 0o664, is: 0o600 }]);
        assert_eq!(home.prepare().unwrap(), []);
    }

    #[test]
    fn a_file_in_the_place_of_the_home_is_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "").unwrap();
        let error = Home::at(path).prepare().unwrap_err().to_string();
        assert!(error.contains("cannot be used") && error.contains("--home"), "{error}");
    }
}
