//! What reaches the owner beside bursar's own windows: notes on the desktop, and doors that lead off this machine where
//! the owner named them. Nothing depends on any of it: all of it stands in the log.

mod command;
mod desktop;
mod doors;
mod ntfy;
mod webhook;
mod word;

pub use desktop::desktop;
pub use doors::Doors;
pub use word::Word;
