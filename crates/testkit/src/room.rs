//! A disk that is full, for one program only.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// No file of this program may grow beyond a megabyte.
pub fn is_scarce(command: &mut Command) {
    // SAFETY: both calls are async-signal-safe and touch nothing of ours.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: 1 << 20, rlim_max: 1 << 20 };
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            match libc::setrlimit(libc::RLIMIT_FSIZE, &limit) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
}
