//! A real terminal for a command, or none at all.
//!
//! What the owner must confirm is read from the controlling terminal, so a test gives its child one: a new session
//! whose terminal is the far end of a pair. `detached` is the opposite: a new session with no terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};

/// A child with a terminal of its own, and our end of that terminal.
pub struct AtTerminal {
    child: Child,
    near: File,
}

/// Runs a command with no controlling terminal, as a host or an agent's shell tool would.
pub fn detached(command: &mut Command) -> Output {
    // SAFETY: setsid is async-signal-safe and touches nothing of ours.
    unsafe { command.pre_exec(|| check(libc::setsid()).map(drop)) };
    command.stdin(Stdio::null()).output().expect("started")
}

/// What Ctrl-C is to a program: asks a child of ours to stop.
pub fn interrupt(child: &Child) {
    // SAFETY: a signal to our own child, which has not been waited for.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
}

impl AtTerminal {
    pub fn start(command: &mut Command) -> AtTerminal {
        AtTerminal::begin(command.stdin(Stdio::null()), pair())
    }

    /// As somebody at the keyboard would: stdin is the terminal as well.
    pub fn start_by_hand(command: &mut Command) -> AtTerminal {
        let (near, far) = pair();
        AtTerminal::begin(command.stdin(far.try_clone().expect("a descriptor")), (near, far))
    }

    fn begin(command: &mut Command, (near, far): (OwnedFd, OwnedFd)) -> AtTerminal {
        let far_fd = far.as_raw_fd();
        // SAFETY: both calls are async-signal-safe; the descriptor is inherited and stays open until exec.
        unsafe {
            command.pre_exec(move || {
                check(libc::setsid())?;
                check(libc::ioctl(far_fd, libc::TIOCSCTTY as _, 0)).map(drop)
            });
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        AtTerminal { child: child.expect("started"), near: File::from(near) }
    }

    /// Reads the terminal until `text` has been shown on it; what was shown.
    pub fn until(&mut self, text: &str) -> String {
        let mut shown = String::new();
        let mut bytes = [0; 1024];
        while !shown.contains(text) {
            let read = self.near.read(&mut bytes).unwrap_or(0);
            assert!(read > 0, "the terminal closed after: {shown}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        shown
    }

    pub fn types(&mut self, line: &str) {
        self.near.write_all(format!("{line}\n").as_bytes()).expect("typed");
    }

    /// As Ctrl-C does.
    pub fn is_interrupted(&self) {
        interrupt(&self.child);
    }

    pub fn ends(self) -> Output {
        self.child.wait_with_output().expect("ended")
    }
}

fn pair() -> (OwnedFd, OwnedFd) {
    let (mut near, mut far) = (0, 0);
    // SAFETY: both are written before they are read; the rest may be null.
    let opened =
        unsafe { libc::openpty(&mut near, &mut far, std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut()) };
    check(opened).expect("a terminal");
    // SAFETY: openpty gave us both, and nobody else has them.
    unsafe { (OwnedFd::from_raw_fd(near), OwnedFd::from_raw_fd(far)) }
}

fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
