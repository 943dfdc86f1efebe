//! A file that is looked at before every decision and read when somebody changed it.

use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::files;

/// A file's clock may stand still for that long, and what is written meanwhile looks like what was there before.
const SETTLES_IN: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    most: u64,
    last: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    /// None: it was changed so lately that another change could not be told from it.
    mark: Option<Mark>,
    text: Arc<str>,
}

/// What is another once somebody wrote the file or put one in its place.
#[derive(Debug, PartialEq, Eq)]
struct Mark {
    length: u64,
    modified: SystemTime,
    #[cfg(unix)]
    is: (u64, u64),
    #[cfg(unix)]
    changed: (i64, i64),
}

impl Watched {
    pub fn new(path: PathBuf, most: u64) -> Watched {
        Watched { path, most, last: Mutex::new(None) }
    }

    /// What it says now; the very same as before, if it does not say otherwise.
    pub fn read(&self) -> io::Result<Arc<str>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Mark::of(&fs::metadata(&self.path)?)?;
        if let Some(known) = last.as_ref().filter(|known| known.mark.as_ref() == Some(&before)) {
            return Ok(known.text.clone());
        }
        let text = files::read(&self.path, self.most)?;
        let after = Mark::of(&fs::metadata(&self.path)?)?;
        let text = match last.take() {
            Some(known) if *known.text == *text => known.text,
            _ => Arc::from(text),
        };
        *last = Some(Known { mark: (before == after && after.is_settled()).then_some(after), text: text.clone() });
        Ok(text)
    }
}

impl Mark {
    fn of(file: &Metadata) -> io::Result<Mark> {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt;
        Ok(Mark {
            length: file.len(),
            modified: file.modified()?,
            #[cfg(unix)]
            is: (file.dev(), file.ino()),
            #[cfg(unix)]
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }

    /// By the last change of any kind, where the system tells that: whoever sets the other back cannot set this one.
    fn is_settled(&self) -> bool {
        #[cfg(unix)]
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(self.changed.0.try_into().unwrap_or_default());
        #[cfg(not(unix))]
        let changed = self.modified;
        SystemTime::now().duration_since(changed).is_ok_and(|age| age > SETTLES_IN)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn watched(text: &str) -> (tempfile::TempDir, PathBuf, Watched) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.toml");
        fs::write(&path, text).unwrap();
        (dir, path.clone(), Watched::new(path, files::SMALL))
    }

    fn mark_of(watched: &Watched) -> bool {
        watched.last.lock().unwrap().as_ref().is_some_and(|known| known.mark.is_some())
    }

    #[test]
    fn what_was_written_a_moment_ago_is_read_again_and_is_the_same_if_it_says_the_same() {
        let (_dir, path, file) = watched("one");
        let one = file.read().unwrap();
        assert!(!mark_of(&file));
        assert!(Arc::ptr_eq(&one, &file.read().unwrap()));
        for text in ["two", "one", "two"] {
            fs::write(&path, text).unwrap();
            assert_eq!(&*file.read().unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_time_that_was_set_back_hides_no_change() {
        let (_dir, path, file) = watched("one");
        let set_back = || {
            let opened = File::options().write(true).open(&path).unwrap();
            opened.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
        };
        set_back();
        assert_eq!(&*file.read().unwrap(), "one");
        fs::write(&path, "two").unwrap();
        set_back();
        assert_eq!(&*file.read().unwrap(), "two");
    }

    #[test]
    fn a_file_that_has_settled_is_not_read_until_it_changes() {
        let (_dir, path, file) = watched("one");
        file.read().unwrap();
        // As it is once it has settled: what is in memory is believed.
        let mark = Mark::of(&fs::metadata(&path).unwrap()).unwrap();
        *file.last.lock().unwrap() = Some(Known { mark: Some(mark), text: Arc::from("believed") });
        assert_eq!(&*file.read().unwrap(), "believed");
        fs::write(&path, "longer than before").unwrap();
        assert_eq!(&*file.read().unwrap(), "longer than before");
        fs::remove_file(&path).unwrap();
        assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
