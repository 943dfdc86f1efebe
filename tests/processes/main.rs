//! The program as it runs: real processes over real stdio, paying real sellers on a play chain, sharing one home.
//!
//! What promises about many agents, crashes, signals and secrets are worth is only seen from out here.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod asking;
#[cfg(all(unix, debug_assertions))]
mod changing;
#[cfg(unix)]
mod doors;
mod hosts;
mod identical;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod leaving;
mod many;
#[cfg(target_os = "linux")]
mod opening;
#[cfg(unix)]
mod proxying;
mod rates;
use testkit::processes as scene;
#[cfg(target_os = "linux")]
mod secrets;
mod shape;
mod tools;
#[cfg(target_os = "linux")]
use testkit::visitor;
