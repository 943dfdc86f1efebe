//! The folder and its files: whose they are, who could read or change them, and whether there is room to write.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use super::check::{Check, fail, ok, warn};
use crate::config::{Home, Tightened, new_private};

/// Some hundred payments, with the journal that SQLite keeps beside the ledger.
const ROOM: usize = 4 * 1024 * 1024;

/// Everything about the folder that can be told without reading what is in it.
pub fn folder(home: &Home) -> Vec<Check> {
    let mut checks = match home.prepare() {
        Err(error) => return vec![fail("home", error, "make it a folder of your own, or name another with --home")],
        Ok(tightened) if tightened.is_empty() => vec![ok("home", "closed to other users")],
        Ok(tightened) => tightened.iter().map(was_open).collect(),
    };
    checks.extend(strangers(home));
    checks.extend(passphrase_file());
    checks.push(room(home.dir()));
    checks
}

/// It is closed now; what happened before is not undone by that.
fn was_open(file: &Tightened) -> Check {
    let (path, was) = (file.path.display(), file.was);
    let is_a_key = file.path.file_name().is_some_and(|name| name == "wallet.json");
    match (was & 0o022 != 0, is_a_key) {
        (true, _) => warn(
            "home",
            format!("{path} could be changed by others (mode {was:o}), and is closed now"),
            "look whether what it says is yours",
        ),
        (false, true) => warn(
            "home",
            format!("{path} could be read by others (mode {was:o}), and is closed now"),
            "if others use this machine, move the money to a new key: they can try passphrases on a copy",
        ),
        (false, false) => warn(
            "home",
            format!("{path} could be read by others (mode {was:o}), and is closed now"),
            "if others use this machine, consider a new key",
        ),
    }
}

/// Files that belong to somebody else than the folder they lie in: that one can open them again.
#[cfg(unix)]
fn strangers(home: &Home) -> Vec<Check> {
    use std::os::unix::fs::MetadataExt;
    let owner = |path: &Path| fs::metadata(path).map(|found| found.uid()).ok();
    let Some(ours) = owner(home.dir()) else { return Vec::new() };
    let files = [home.wallet_file(), home.policy_file(), home.config_file(), home.owner_file(), home.ledger_file()];
    let theirs = files.iter().filter_map(|path| Some((path, owner(path).filter(|uid| *uid != ours)?)));
    theirs
        .map(|(path, uid)| {
            let found = format!("{} belongs to another user (number {uid}) than its folder", path.display());
            warn("home", found, format!("if it is yours: chown {ours} '{}'", path.display()))
        })
        .collect()
}

#[cfg(not(unix))]
fn strangers(_: &Home) -> Vec<Check> {
    Vec::new()
}

/// Whoever reads the passphrase's file needs only a copy of the key's.
#[cfg(unix)]
fn passphrase_file() -> Option<Check> {
    use std::os::unix::fs::PermissionsExt;
    let path = std::env::var_os("BURSAR_PASSPHRASE_FILE").filter(|path| !path.is_empty())?;
    let shown = Path::new(&path).display();
    match fs::metadata(&path) {
        Err(cause) => Some(warn(
            "home",
            format!("{shown}, which BURSAR_PASSPHRASE_FILE names, cannot be read: {cause}"),
            "put the passphrase of wallet.json into it, or name another file",
        )),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Some(warn(
            "home",
            format!("{shown}, which BURSAR_PASSPHRASE_FILE names, can be read by others"),
            format!("chmod 600 '{shown}'"),
        )),
        Ok(_) => None,
    }
}

#[cfg(not(unix))]
fn passphrase_file() -> Option<Check> {
    None
}

/// Tried, not asked: quotas and limits count, and what systems say of free space leaves them out.
fn room(dir: &Path) -> Check {
    let path = dir.join(format!(".room.{}.new", std::process::id()));
    let tried = try_room(&path);
    match (tried, fs::remove_file(&path)) {
        (Ok(()), _) => ok("room", "there is room to write"),
        (Err(cause), Ok(())) => fail(
            "room",
            format!("{} MiB could not be written in {}: {cause}", ROOM / 1024 / 1024, dir.display()),
            "make room on its disk; nothing is paid that cannot be written down",
        ),
        (Err(cause), Err(_)) => fail(
            "room",
            format!("no file can be made in {}: {cause}", dir.display()),
            "make it writable for this user, or name another folder with --home",
        ),
    }
}

fn try_room(path: &Path) -> io::Result<()> {
    let mut file = new_private(path)?;
    file.write_all(&vec![0x5a; ROOM])?;
    // Some file systems find out only now that there is none.
    file.sync_data()
}
