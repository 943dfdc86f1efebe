//! The owner's browser, asked to open a page.

use std::io;
use std::process::{Command, Stdio};

/// Asks the system to show something to whoever sits at it. Whether somebody sees it, nobody can say. Every user of the
/// machine can read what is asked for: it must not be a secret.
pub fn open(address: &str) -> io::Result<()> {
    let mut command = opener(address);
    // A browser that begins with this outlives us: a signal to our group is none of its business.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It may stay as long as the browser does; somebody has to take note of its end.
    std::thread::Builder::new().name("browser".to_owned()).spawn(move || child.wait())?;
    Ok(())
}

#[cfg(target_os = "macos")]
fn opener(address: &str) -> Command {
    let mut command = Command::new("/usr/bin/open");
    command.arg(address);
    command
}

#[cfg(windows)]
fn opener(address: &str) -> Command {
    let mut command = Command::new("rundll32");
    command.args(["url.dll,FileProtocolHandler", address]);
    command
}

#[cfg(not(any(target_os = "macos", windows)))]
fn opener(address: &str) -> Command {
    let mut command = Command::new("xdg-open");
    command.arg(address);
    command
}
