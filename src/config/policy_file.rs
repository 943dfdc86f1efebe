//! The policy in force, as it stands on disk now: the file itself, or what the owner's passphrase put into force. It is
//! looked at before every decision, because the owner may have changed it; it is read again only when the file is another,
//! and parsed again only when its bytes, or those of its deny lists, are not the same as before.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::watched::Watched;
use super::{Config, Home, OwnerFile, files};
use crate::money::Asset;
use crate::policy::{Policy, PolicyError};

/// The longest deny list: hundreds of thousands of addresses.
const DENY_LIST_BYTES: u64 = 32 * 1024 * 1024;

/// The policy's file, read anew when it changes.
#[derive(Debug)]
pub struct PolicyFile {
    home: Home,
    owner: OwnerFile,
    file: Watched,
    config: Watched,
    assets: Mutex<Option<(Arc<str>, Vec<Asset>)>>,
    /// By the names a policy has for them.
    lists: Mutex<BTreeMap<String, Watched>>,
    last: Mutex<Option<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    text: Option<Arc<str>>,
    /// Before its deny lists were read into it.
    bare: Policy,
    lists: Vec<(String, Result<Arc<str>, String>)>,
    policy: Arc<Policy>,
}

impl PolicyFile {
    /// Makes one.
    pub fn new(home: &Home) -> PolicyFile {
        PolicyFile {
            home: home.clone(),
            owner: OwnerFile::new(home),
            file: Watched::new(home.policy_file(), files::SMALL),
            config: Watched::new(home.config_file(), files::SMALL),
            assets: Mutex::default(),
            lists: Mutex::default(),
            last: Mutex::new(None),
        }
    }

    /// The policy in force. No file: the built-in one. A file that is no policy: an error, and nothing is paid; what
    /// was in force before it was damaged is not in force now.
    pub fn current(&self) -> Result<Arc<Policy>, PolicyError> {
        let text = match self.owner.read()? {
            Some(guarded) => guarded.policy.map(Arc::from),
            None => self.written_text()?,
        };
        self.read(text)
    }

    /// The policy that the file holds, be it in force or not.
    pub fn written(&self) -> Result<Arc<Policy>, PolicyError> {
        let text = self.written_text()?;
        self.read(text)
    }

    fn read(&self, text: Option<Arc<str>>) -> Result<Arc<Policy>, PolicyError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.take().filter(|known| known.text == text);
        let (bare, known) = match known {
            Some(known) => (known.bare, Some((known.lists, known.policy))),
            None => (PolicyFile::parsed(text.as_deref())?, None),
        };
        let lists = self.lists(&bare);
        let policy = match known {
            Some((before, policy)) if before == lists => policy,
            _ => Arc::new(bare.clone().with_deny_lists(&lists)),
        };
        *last = Some(Loaded { text, bare, lists, policy: Arc::clone(&policy) });
        Ok(policy)
    }

    /// Another policy as it would be in force here: with the deny lists it names read into it.
    pub fn completed(&self, policy: Policy) -> Policy {
        let lists = self.lists(&policy);
        policy.with_deny_lists(&lists)
    }

    /// A policy of this text, its deny lists unread; none is the built-in one.
    pub fn parsed(text: Option<&str>) -> Result<Policy, PolicyError> {
        text.map_or_else(|| Ok(Policy::built_in()), |text| Policy::parse("policy.toml", text))
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, text: &str) -> io::Result<()> {
        files::write_private(&self.home.policy_file(), text.as_bytes())
    }

    /// The text of the policy in force, `None` where it is the built-in one.
    pub fn in_force(&self) -> Result<Option<String>, PolicyError> {
        match self.owner.read()? {
            Some(guarded) => Ok(guarded.policy),
            None => self.text(),
        }
    }

    /// The owner's own assets as `config.toml` has them now.
    pub fn assets(&self) -> Result<Vec<Asset>, PolicyError> {
        let own = |config: Config| config.assets().own().to_vec();
        // One that cannot be read, or is not there, is for the loader to say.
        let Ok(text) = self.config.read() else { return Ok(own(Config::load(&self.home)?)) };
        let mut last = self.assets.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, &text)) {
            Some((_, assets)) => Ok(assets.clone()),
            None => {
                let assets = own(Config::parse("config.toml", &text)?);
                *last = Some((text, assets.clone()));
                Ok(assets)
            }
        }
    }

    /// Whether what the files say now is in force: where a passphrase is set, a change waits for it.
    pub fn is_applied(&self) -> Result<bool, PolicyError> {
        Ok(self.waiting()?.is_none())
    }

    /// What was changed, and its owner has not applied it.
    pub fn waiting(&self) -> Result<Option<&'static str>, PolicyError> {
        let Some(guarded) = self.owner.read()? else { return Ok(None) };
        Ok(match (guarded.policy == self.text()?, guarded.assets == self.assets()?) {
            (true, true) => None,
            (false, true) => Some("policy.toml"),
            (true, false) => Some("[[asset]] in config.toml"),
            (false, false) => Some("policy.toml, and [[asset]] in config.toml,"),
        })
    }

    /// The same, for saying so; a file that cannot be read is told of elsewhere.
    pub fn held_back(&self) -> Option<&'static str> {
        self.waiting().unwrap_or_default()
    }

    /// A file was changed, and its owner has not applied it.
    pub fn is_held_back(&self) -> bool {
        self.held_back().is_some()
    }

    /// The file's own text, `None` where the owner wrote no policy.
    pub fn text(&self) -> Result<Option<String>, PolicyError> {
        Ok(self.written_text()?.map(|text| text.to_string()))
    }

    fn written_text(&self) -> Result<Option<Arc<str>>, PolicyError> {
        match self.file.read() {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                let what = format!("it cannot be read, so nothing is paid: {error}");
                Err(PolicyError::whole(
                    self.home.policy_file().display().to_string(),
                    what,
                    "make it a readable text file",
                ))
            }
        }
    }

    /// The deny lists a policy names, relative to the home directory.
    fn lists(&self, policy: &Policy) -> Vec<(String, Result<Arc<str>, String>)> {
        let mut watched = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|name, _| policy.payee.deny_lists.contains(name));
        let read = |name: &String| {
            let new = || Watched::new(self.home.dir().join(name), DENY_LIST_BYTES);
            let list = watched.entry(name.clone()).or_insert_with(new);
            (name.clone(), list.read().map_err(|error| error.to_string()))
        };
        policy.payee.deny_lists.iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn home() -> (tempfile::TempDir, Home, PolicyFile) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let file = PolicyFile::new(&home);
        (dir, home, file)
    }

    #[test]
    fn without_a_file_the_built_in_policy_is_in_force() {
        let (_dir, _home, file) = home();
        assert_eq!(file.current().unwrap().hash, Policy::built_in().hash);
    }

    #[test]
    fn a_change_is_in_force_at_the_next_decision() {
        let (_dir, home, file) = home();
        fs::write(home.policy_file(), "version = 1\n[wallet]\nper_day = \"1\"\n").unwrap();
        let first = file.current().unwrap();
        assert!(Arc::ptr_eq(&first, &file.current().unwrap()));
        fs::write(home.policy_file(), "version = 1\n[wallet]\nper_day = \"2\"\n").unwrap();
        assert_ne!(first.wallet.per_day, file.current().unwrap().wallet.per_day);
        fs::remove_file(home.policy_file()).unwrap();
        assert_eq!(file.current().unwrap().hash, Policy::built_in().hash);
    }

    #[test]
    fn where_a_passphrase_is_set_a_change_is_not_in_force_until_it_is_applied() {
        use crate::config::{Guarded, OwnerFile};
        let (_dir, home, file) = home();
        let owner = OwnerFile::new(&home);
        let put = |text: &str| {
            owner.write(&Guarded::new(serde_json::Value::Null, Some(text.to_owned()), Vec::new())).unwrap()
        };
        let (one, two) = ("version = 1\n[wallet]\nper_day = \"1\"\n", "version = 1\n[wallet]\nper_day = \"2\"\n");
        fs::write(home.policy_file(), one).unwrap();
        put(one);
        let first = file.current().unwrap();
        assert!(file.is_applied().unwrap());
        for changed in [two, "version = 1\n[wallet"] {
            fs::write(home.policy_file(), changed).unwrap();
            assert!(Arc::ptr_eq(&first, &file.current().unwrap()));
            assert!(!file.is_applied().unwrap());
        }
        fs::remove_file(home.policy_file()).unwrap();
        assert!(Arc::ptr_eq(&first, &file.current().unwrap()) && !file.is_applied().unwrap());
        put(two);
        assert_ne!(first.hash, file.current().unwrap().hash);
        fs::write(home.owner_file(), "").unwrap();
        assert!(file.current().is_err());
    }

    #[test]
    fn a_damaged_policy_is_an_error_and_not_the_one_before_it() {
        let (_dir, home, file) = home();
        fs::write(home.policy_file(), "version = 1\n").unwrap();
        file.current().unwrap();
        fs::write(home.policy_file(), "version = 1\n[wallet").unwrap();
        assert!(file.current().is_err());
        assert!(file.current().is_err());
        fs::write(home.policy_file(), "").unwrap();
        assert!(file.current().is_err());
    }

    #[test]
    fn a_deny_list_is_read_again_when_it_changes_and_its_absence_stops_everything() {
        let (_dir, home, file) = home();
        fs::write(home.policy_file(), "version = 1\n[payee]\ndeny_lists = [\"bad.txt\"]\n").unwrap();
        assert!(file.current().unwrap().payee.deny_list_error.is_some());
        fs::write(home.dir().join("bad.txt"), "0x00000000000000000000000000000000000000aa\n").unwrap();
        let policy = file.current().unwrap();
        assert_eq!((policy.payee.deny_list_error.clone(), policy.payee.deny.len()), (None, 1));
        assert!(Arc::ptr_eq(&policy, &file.current().unwrap()));
        fs::remove_file(home.dir().join("bad.txt")).unwrap();
        assert!(file.current().unwrap().payee.deny_list_error.is_some());
    }

    #[test]
    fn a_directory_in_the_place_of_the_policy_is_not_the_absence_of_one() {
        let (_dir, home, file) = home();
        fs::create_dir(home.policy_file()).unwrap();
        assert!(file.current().is_err());
    }
}
