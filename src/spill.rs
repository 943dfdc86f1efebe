//! A long body on its way: what comes goes into a file beside the stored ones, and is gone again unless it is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A file that nobody has named yet.
#[derive(Debug)]
pub struct Spill {
    path: PathBuf,
    file: File,
    len: u64,
    is_kept: AtomicBool,
}

/// What such a file is called until it is kept.
pub const DRAFT: &str = "draft";

impl Spill {
    /// Begins one in this folder.
    pub fn begin(dir: &Path) -> io::Result<Spill> {
        static NTH: AtomicU64 = AtomicU64::new(0);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        loop {
            let nth = NTH.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{}-{nth}.{DRAFT}", std::process::id()));
            match options.open(&path) {
                Ok(file) => return Ok(Spill { path, file, len: 0, is_kept: AtomicBool::new(false) }),
                // A process that is no more left it, or one in another container has the same number.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
        }
    }

    /// Goes on writing it.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// How long it is.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Gives it its name. A reader sees the whole of it or nothing.
    pub fn keep_as(&self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.is_kept.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if !self.is_kept.load(Ordering::Relaxed) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_and_what_is_not_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let mut kept = Spill::begin(dir.path()).unwrap();
        kept.write(b"first ").unwrap();
        kept.write(b"second").unwrap();
        kept.keep_as(&dir.path().join("body")).unwrap();
        drop((kept, Spill::begin(dir.path()).unwrap()));
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(left, ["body"]);
        assert_eq!(fs::read(dir.path().join("body")).unwrap(), b"first second");
    }
}
