//! `owner.json`: that the owner has a passphrase, what tells it, and the policy that was put into force with it.
//!
//! One file, so that both change in one step. Without it there is no passphrase, and `policy.toml` is in force as it is.

use std::io;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Home, files, write_private};

/// A policy and what surrounds it.
const AT_MOST: u64 = 2 * files::SMALL;
const FORMAT: u32 = 1;

/// The file that holds the owner's passphrase's fingerprint and the policy in force.
#[derive(Debug)]
pub struct OwnerFile {
    home: Home,
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
}

impl Guarded {
    /// Makes one.
    pub fn new(verifier: serde_json::Value, policy: Option<String>) -> Guarded {
        Guarded { bursar_owner: FORMAT, verifier, policy }
    }
}

impl OwnerFile {
    /// Makes one.
    pub fn new(home: &Home) -> OwnerFile {
        OwnerFile { home: home.clone() }
    }

    /// None: no passphrase is set. A file that cannot be read is not the absence of one.
    pub fn read(&self) -> Result<Option<Guarded>, ConfigError> {
        let text = match files::read(&self.home.owner_file(), AT_MOST) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(&format!("it cannot be read: {error}"))),
        };
        match serde_json::from_str::<Guarded>(&text) {
            Ok(guarded) if guarded.bursar_owner == FORMAT => Ok(Some(guarded)),
            Ok(guarded) => Err(self.unusable(&format!("its format is {}, not {FORMAT}", guarded.bursar_owner))),
            Err(error) => Err(self.unusable(&format!("it is not as bursar wrote it: {error}"))),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, guarded: &Guarded) -> io::Result<()> {
        let text = serde_json::to_string_pretty(guarded).map_err(io::Error::other)?;
        write_private(&self.home.owner_file(), (text + "\n").as_bytes())
    }

    /// Takes it away.
    pub fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(self.home.owner_file())
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
        let guarded = Guarded::new(json!({"salt": "x"}), Some("version = 1\n".to_owned()));
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
