//! Files only their owner can read, and never half written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use alloy_primitives::hex;

use super::WalletError;

/// Nothing bursar keeps beside a key is larger.
const AT_MOST: u64 = 16 * 1024;

/// The whole file; `None` when there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, WalletError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(inaccessible(path, &error)),
    };
    let mut text = String::new();
    file.take(AT_MOST + 1).read_to_string(&mut text).map_err(|error| inaccessible(path, &error))?;
    if text.len() as u64 > AT_MOST {
        return Err(WalletError::KeyfileDamaged { path: path.to_owned(), cause: "it is far too large".to_owned() });
    }
    Ok(Some(text))
}

/// The new content or the old one is there after a crash, never a mixture, and at no moment with other permissions.
pub(super) fn write(path: &Path, text: &str) -> Result<(), WalletError> {
    let temporary = beside(path)?;
    let written =
        write_whole(&temporary, text).and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_directory(path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|error| inaccessible(path, &error))
}

pub(super) fn remove(path: &Path) -> Result<(), WalletError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(inaccessible(path, &error)),
        _ => Ok(()),
    }
}

/// Waits for other processes; the turn ends when the file is closed, however this one ends.
pub(super) fn take_turn(path: &Path) -> Result<File, WalletError> {
    let file = private().create(true).truncate(false).open(path);
    let taken = file.and_then(|file| file.lock().map(|()| file));
    taken.map_err(|error| inaccessible(path, &error))
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = private().create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn beside(path: &Path) -> Result<PathBuf, WalletError> {
    let mut unique = [0; 8];
    getrandom::fill(&mut unique).map_err(|_| WalletError::NoRandomness)?;
    Ok(path.with_extension(format!("{}.new", hex::encode(unique))))
}

/// A rename is only durable when the directory is.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn inaccessible(path: &Path, error: &io::Error) -> WalletError {
    WalletError::KeyfileInaccessible { path: path.to_owned(), cause: error.to_string() }
}
