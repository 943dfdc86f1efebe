//! Files of hosts: read whole, kept once as they were, replaced whole. Nothing else in the two commands writes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Claude Code keeps its history beside its servers; none of these files is longer.
const MOST: u64 = 64 * 1024 * 1024;

/// The text of a file; none where there is no file.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(cause) if cause.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => return Ok(None),
        Err(cause) if cause.kind() == ErrorKind::NotFound => {
            return Err(io::Error::other("it is a link that leads nowhere"));
        }
        Err(cause) => return Err(cause),
    };
    if !about.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("it is longer than any file of a host"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| io::Error::other("it is no text in UTF-8"))
}

/// Where a file is kept as it was before bursar first changed it.
pub fn backup_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".before-bursar");
    path.with_file_name(name)
}

/// Keeps a copy, for nobody who could not read the file. One that is there already is older, and stays: false.
pub fn keep(path: &Path, text: &str) -> io::Result<bool> {
    let backup = backup_of(path);
    let mut file = match new_file(&backup, true) {
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => return Ok(false),
        opened => opened?,
    };
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.set_permissions(fs::metadata(path)?.permissions()));
    written.and_then(|()| file.sync_all()).inspect_err(|_| _ = fs::remove_file(&backup))?;
    Ok(true)
}

/// Puts a text in place of another, or of no file: whoever reads it sees the old one or the new one. A link stays a
/// link, and what was allowed to whom stays as it was.
pub fn replace(path: &Path, before: Option<&str>, after: &str) -> io::Result<()> {
    let path = if before.is_some() { fs::canonicalize(path)? } else { path.to_owned() };
    let allowed = before.map(|_| fs::metadata(&path)).transpose()?.map(|about| about.permissions());
    if allowed.as_ref().is_some_and(Permissions::readonly) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is read-only"));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.bursar", std::process::id()));
    let mut file = new_file(&temporary, before.is_some())?;
    let written = file
        .write_all(after.as_bytes())
        .and_then(|()| allowed.map_or(Ok(()), |allowed| file.set_permissions(allowed)))
        .and_then(|()| file.sync_all())
        // The host may have written in the meantime: then what was planned is about another text.
        .and_then(|()| unchanged(&path, before))
        .and_then(|()| fs::rename(&temporary, &path));
    written.inspect_err(|_| _ = fs::remove_file(&temporary))?;
    sync_folder_of(&path)
}

/// Takes a file away.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).and_then(|()| sync_folder_of(path))
}

fn unchanged(path: &Path, before: Option<&str>) -> io::Result<()> {
    match read(path)?.as_deref() == before {
        true => Ok(()),
        false => Err(io::Error::other("it was changed at this very moment; try again")),
    }
}

fn new_file(path: &Path, is_private: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if is_private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = is_private;
    options.open(path)
}

/// The rename itself is only durable once the folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) && !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
