//! The file that leads a browser to the page.
//!
//! What a browser is asked to open is an argument of some program, and every user of the machine can read those. So it
//! is asked to open a file, which only its owner can read, and the link stands in there. The file is gone once the link
//! was used, and when it is too old.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use url::Url;

use super::door;
use crate::config::new_private;
use crate::limits;

const NAME: &str = "bursar-page-";
const FILE: &str = "open.html";

/// A file that leads on. It is removed when dropped.
pub struct Lead {
    folder: PathBuf,
}

impl Lead {
    /// Beneath the first of these places that takes it.
    pub fn to(link: &str, places: &[PathBuf]) -> io::Result<Lead> {
        let mut refused = io::Error::from(io::ErrorKind::NotFound);
        for place in places {
            match Lead::beneath(place, link) {
                Ok(lead) => return Ok(lead),
                Err(cause) => refused = cause,
            }
        }
        Err(refused)
    }

    /// The folder is fresh and has a name nobody could know, so that nobody has put a link or a file there before.
    fn beneath(place: &Path, link: &str) -> io::Result<Lead> {
        tidy(place);
        let name = door::secret().map_err(io::Error::other)?;
        let folder = std::path::absolute(place)?.join(format!("{NAME}{}", &name[..16]));
        private_folder().create(&folder)?;
        let lead = Lead { folder };
        new_private(&lead.file())?.write_all(page(link).as_bytes())?;
        Ok(lead)
    }

    /// What the browser is asked to open.
    pub fn address(&self) -> io::Result<String> {
        let url = Url::from_file_path(self.file()).map_err(|()| io::Error::from(io::ErrorKind::InvalidFilename))?;
        Ok(url.into())
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        remove(&self.folder);
    }
}

/// Takes away nothing but what was put there.
fn remove(folder: &Path) {
    let removed = fs::remove_file(folder.join(FILE)).and_then(|()| fs::remove_dir(folder));
    if let Err(cause) = removed {
        tracing::debug!("the file that led to the review page was gone already: {cause}");
    }
}

/// What a process left that was killed: its links lead nowhere any more.
fn tidy(place: &Path) {
    let Ok(entries) = fs::read_dir(place) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(NAME);
        let made = || entry.metadata().and_then(|known| known.modified()).ok()?.elapsed().ok();
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_dir()) && made() > Some(limits::REVIEW_LINK) {
            remove(&entry.path());
        }
    }
}

/// The link is ours and holds nothing that is markup. What stands behind its `#` is told to nobody, nor is this file.
fn page(link: &str) -> String {
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta http-equiv=\"refresh\" content=\"0;url={link}\">\n\
         <title>bursar</title><p><a rel=\"noreferrer\" href=\"{link}\">To the review page</a></p>\n"
    )
}

fn private_folder() -> DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only Unix has modes to set"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    const LINK: &str = "http://127.0.0.1:4242/#00ff";

    #[test]
    fn it_leads_on_until_it_is_dropped() {
        let place = tempfile::tempdir().unwrap();
        let lead = Lead::to(LINK, &[place.path().to_owned()]).unwrap();
        let file = Url::parse(&lead.address().unwrap()).unwrap().to_file_path().unwrap();
        assert!(fs::read_to_string(&file).unwrap().contains(&format!("0;url={LINK}\"")));
        assert!(!lead.address().unwrap().contains("00ff\""));
        drop(lead);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_takes_nothing_is_passed_over() {
        let place = tempfile::tempdir().unwrap();
        let nowhere = place.path().join("nowhere");
        let lead = Lead::to(LINK, &[nowhere.clone(), place.path().to_owned()]).unwrap();
        assert!(lead.file().starts_with(place.path()));
        assert!(Lead::to(LINK, &[nowhere]).is_err());
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_new_or_not_ours_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, file: &str, old: bool| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join(file), "x").unwrap();
            let at = SystemTime::now() - if old { Duration::from_secs(3600) } else { Duration::ZERO };
            fs::File::open(&path).unwrap().set_modified(at).unwrap();
            path
        };
        let left = folder("bursar-page-1", FILE, true);
        let kept = [
            folder("bursar-page-2", FILE, false),
            folder("photos", FILE, true),
            folder("bursar-page-3", "letter.txt", true),
        ];
        tidy(place.path());
        assert!(!left.exists() && kept.iter().all(|path| path.exists()));
    }
}
