//! What directories say (`tests/directories/`, one file each with what must be read of it), and what bursar makes of it:
//! through the reader alone, and through a whole house that asks a real server on loopback.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod answers;
mod case;
mod cases;
mod market;
