//! The right to present belongs to a living process.
//!
//! Each process holds a lock on a file of its own for as long as it lives; the system lets go of it however the process
//! ends. A lease in the ledger names that file. So a dead process's purchases can be taken over at once, and no clock
//! has a say in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// This process, as leases name it.
pub struct Holder {
    name: String,
    dir: PathBuf,
    _lock: File,
}

impl Holder {
    /// Registers this process, and sweeps away what dead ones left.
    pub fn register(dir: &Path, name: String) -> io::Result<Holder> {
        fs::create_dir_all(dir)?;
        sweep(dir);
        let file = open(&dir.join(&name), true)?;
        file.lock()?;
        Ok(Holder { name, dir: dir.to_owned(), _lock: file })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether whoever holds a lease still lives.
    pub fn is_alive(&self, holder: &str) -> bool {
        holder == self.name || is_locked(&self.dir.join(holder))
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.dir.join(&self.name));
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path)
}

/// In doubt (no permission, say) a holder counts as alive: waiting costs time, presenting twice at once costs more.
fn is_locked(path: &Path) -> bool {
    match open(path, false) {
        Ok(file) => !matches!(file.try_lock(), Ok(())),
        Err(cause) => cause.kind() != io::ErrorKind::NotFound,
    }
}

fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let is_free = open(&entry.path(), false).is_ok_and(|file| match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        });
        if is_free {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_lives_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let one = Holder::register(dir.path(), "one".into()).unwrap();
        let two = Holder::register(dir.path(), "two".into()).unwrap();
        assert!(one.is_alive("one") && one.is_alive("two") && two.is_alive("one"));
        drop(two);
        assert!(!one.is_alive("two"));
        assert!(!one.is_alive("never"));
    }

    #[test]
    fn what_the_dead_left_is_swept_and_the_living_stay() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("dead"), "").unwrap();
        let one = Holder::register(dir.path(), "one".into()).unwrap();
        let _two = Holder::register(dir.path(), "two".into()).unwrap();
        assert!(!dir.path().join("dead").exists());
        assert!(_two.is_alive(one.name()));
    }
}
