//! `owner.json`: that the owner has a passphrase, what tells it, and the policy that was put into force with it.
//!
//! One file, so that both change in one step. Without it there is no passphrase, and `policy.toml` is in force as it is.

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::watched::Watched;
use super::{ConfigError, Home, files, write_private};
use crate::money::Asset;

/// A policy and what surrounds it.
const AT_MOST: u64 = 2 * files::SMALL;
const FORMAT: u32 = 1;

/// The file that holds the owner's passphrase's fingerprint and the policy in force.
#[derive(Clone, Debug)]
pub struct OwnerFile {
    home: Home,
    file: Arc<Watched>,
    last: Arc<Mutex<Option<Parsed>>>,
}

/// What was made of the file's text when that was read last.
#[derive(Debug)]
struct Parsed {
    text: Arc<str>,
    guarded: Guarded,
}

/// The owner's passphrase, and the policy it put into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guarded {
    bursar_owner: u32,
    /// Made and read by the wallet's room.
    pub verifier: serde_json::Value,
    /// The text of the policy in force; none is the built-in one.
    pub policy: Option<String>,
    /// The owner's own assets in force. An earlier version put none into force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assets: Vec<Asset>,
    /// What the owner shows beside the passphrase when coming from elsewhere; made and read by the wallet's room too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_factor: Option<serde_json::Value>,
}

/// None: the passphrase is about to be removed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    next: Option<Guarded>,
}

impl Guarded {
    /// Makes one.
    pub fn new(verifier: serde_json::Value, policy: Option<String>, assets: Vec<Asset>) -> Guarded {
        Guarded { bursar_owner: FORMAT, verifier, policy, assets, second_factor: None }
    }

    /// The same owner, with other rules in force.
    pub fn with_rules(&self, policy: Option<String>, assets: Vec<Asset>) -> Guarded {
        Guarded { policy, assets, ..self.clone() }
    }

    /// The same owner, with another second factor, or none.
    pub fn with_second_factor(&self, second_factor: Option<serde_json::Value>) -> Guarded {
        Guarded { second_factor, ..self.clone() }
    }

    /// Pure: what a text of the file says, or what is wrong with it.
    pub fn parse(text: &str) -> Result<Guarded, String> {
        match serde_json::from_str::<Guarded>(text) {
            Ok(guarded) if guarded.bursar_owner == FORMAT => Ok(guarded),
            Ok(guarded) => Err(format!("its format is {}, not {FORMAT}", guarded.bursar_owner)),
            Err(error) => Err(format!("it is not as bursar wrote it: {error}")),
        }
    }
}

impl OwnerFile {
    /// Makes one.
    pub fn new(home: &Home) -> OwnerFile {
        let file = Arc::new(Watched::new(home.owner_file(), AT_MOST));
        OwnerFile { home: home.clone(), file, last: Arc::default() }
    }

    /// None: no passphrase is set. A file that cannot be read is not the absence of one.
    pub fn read(&self) -> Result<Option<Guarded>, ConfigError> {
        let text = match self.file.read() {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&format!("it cannot be read: {error}"))),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| Arc::ptr_eq(&known.text, &text)) {
            return Ok(Some(known.guarded.clone()));
        }
        let guarded = Guarded::parse(&text).map_err(|what| self.unusable(&what))?;
        *last = Some(Parsed { text, guarded: guarded.clone() });
        Ok(Some(guarded))
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, guarded: &Guarded) -> io::Result<()> {
        let text = serde_json::to_string_pretty(guarded).map_err(io::Error::other)?;
        write_private(&self.home.owner_file(), (text + "\n").as_bytes())
    }

    /// Takes it away.
    pub fn remove(&self) -> io::Result<()> {
        files::remove(&self.home.owner_file())
    }

    /// Writes down what it is about to say, before anything of it counts.
    pub fn plan(&self, next: Option<&Guarded>) -> io::Result<()> {
        let text = serde_json::to_string_pretty(&Plan { next: next.cloned() }).map_err(io::Error::other)?;
        write_private(&self.home.owner_next_file(), (text + "\n").as_bytes())
    }

    /// What it was about to say when a change of it was cut off. One that cannot be read was never sealed.
    pub fn planned(&self) -> Option<Option<Guarded>> {
        let text = files::read(&self.home.owner_next_file(), AT_MOST).ok()?;
        Some(serde_json::from_str::<Plan>(&text).ok()?.next)
    }

    /// The change was made, or never will be.
    pub fn forget_plan(&self) -> io::Result<()> {
        files::remove(&self.home.owner_next_file())
    }

    /// Waits until nobody else changes it, for as long as what is given is kept.
    pub fn take_turn(&self) -> io::Result<File> {
        files::take_turn(&self.home.owner_lock_file())
    }

    /// Notes the step of time of a code that lets somebody in: none is good twice, whichever program looks.
    pub fn use_step(&self, step: u64) -> io::Result<bool> {
        let _turn = self.take_turn()?;
        let file = self.home.used_code_file();
        let last: Option<u64> = files::read(&file, files::SMALL).ok().and_then(|text| text.trim().parse().ok());
        if last.is_some_and(|last| step <= last) {
            return Ok(false);
        }
        write_private(&file, format!("{step}\n").as_bytes()).map(|()| true)
    }

    fn unusable(&self, what: &str) -> ConfigError {
        let file = self.home.owner_file().display().to_string();
        ConfigError::whole(file, format!("{what}, so nothing is paid"), "bring it back from a copy")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn home() -> (tempfile::TempDir, Home, OwnerFile) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let file = OwnerFile::new(&home);
        (dir, home, file)
    }

    #[test]
    fn what_is_written_is_read_and_its_absence_is_no_passphrase() {
        let (_dir, _home, file) = home();
        assert_eq!(file.read().unwrap(), None);
        let guarded = Guarded::new(json!({"salt": "x"}), Some("version = 1\n".to_owned()), Vec::new());
        file.write(&guarded).unwrap();
        assert_eq!(file.read().unwrap(), Some(guarded));
        file.remove().unwrap();
        assert_eq!(file.read().unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_no_absence() {
        let (_dir, home, file) = home();
        let texts = ["", "{}", "null", r#"{"bursar_owner":2,"verifier":{},"policy":null}"#];
        for text in texts {
            fs::write(home.owner_file(), text).unwrap();
            assert!(file.read().unwrap_err().to_string().contains("nothing is paid"), "{text}");
        }
        fs::remove_file(home.owner_file()).unwrap();
        fs::create_dir(home.owner_file()).unwrap();
        assert!(file.read().is_err());
    }
}
