//! The owner's browser, asked to open a page.
//!
//! What a program is started with, every user of the machine can read. So the browser is given the name of a file that
//! only its owner can read, and the file leads to the page.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::html::html;
use crate::config::write_private;

/// A page that was opened. The file that led there goes with it.
pub struct Opened {
    file: PathBuf,
}

impl Drop for Opened {
    fn drop(&mut self) {
        // The way in it holds is good for minutes and for once; where it stays, it leads nowhere.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Asks the system to show a link to whoever sits at it. Whether somebody sees it, nobody can say. `folder` is one that
/// nobody else may enter.
pub fn open(link: &str, folder: &Path) -> io::Result<Opened> {
    let file = folder.join(format!("review-{}.html", std::process::id()));
    write_private(&file, leading_to(link).as_bytes())?;
    let opened = Opened { file };
    let mut command = opener(&opened.file);
    // A browser that begins with this outlives us: a signal to our group is none of its business.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    // It may stay as long as the browser does; somebody has to take note of its end.
    std::thread::Builder::new().name("browser".to_owned()).spawn(move || child.wait())?;
    Ok(opened)
}

/// Goes on by itself, and tells the page nothing of where it came from.
fn leading_to(link: &str) -> String {
    let refresh = format!("0;url={link}");
    let page = html!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"{}\"><title>Bursar</title>\
         <p><a href=\"{}\">The review page</a>\n",
        refresh,
        link
    );
    page.into_text()
}

#[cfg(target_os = "macos")]
fn opener(file: &Path) -> Command {
    let mut command = Command::new("/usr/bin/open");
    command.arg(file);
    command
}

#[cfg(windows)]
fn opener(file: &Path) -> Command {
    let mut command = Command::new("rundll32");
    command.arg("url.dll,FileProtocolHandler").arg(file);
    command
}

#[cfg(not(any(target_os = "macos", windows)))]
fn opener(file: &Path) -> Command {
    let mut command = Command::new("xdg-open");
    command.arg(file);
    command
}
