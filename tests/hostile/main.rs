//! Whoever is outside and wants the money: addresses, words, and an agent that was turned.

#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod agent;
mod credentials;
mod egress;
mod methods;
mod numbers;
mod raw;
mod sentences;
#[allow(dead_code, reason = "the scene of another binary, of which this one needs a part")]
use testkit::processes as scene;
#[cfg(unix)]
#[allow(dead_code, reason = "as above")]
use testkit::terminal;
mod words;
