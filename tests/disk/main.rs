//! A disk that fails, or loses what was not synced, at every operation of a purchase. Whatever it does: an answer says
//! no more than is known, nothing is paid twice, and what a seller saw is in the ledger.
//!
//! Only where SQLite runs over the files of a Unix: the disk stands before those.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]
#![cfg(unix)]

mod cases;
mod operations;
mod places;
mod power;
#[allow(dead_code, reason = "shared with the simulation, which looks at other parts of it")]
use testkit::world;
