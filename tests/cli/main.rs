//! The human's door, from outside: the real program, one process a test.

mod docs;
#[cfg(unix)]
mod doctoring;
mod files;
mod help;
mod home;
mod installing;
mod keys;
#[cfg(unix)]
mod owner;
mod playing;
mod rails;
mod reading;
#[cfg(unix)]
mod restoring;
mod sealed;
mod solana;
#[cfg(unix)]
mod upgrading;
#[cfg(unix)]
mod waiting;
#[cfg(unix)]
use testkit::terminal;
