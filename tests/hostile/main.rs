//! Whoever is outside and wants the money: addresses, words, and an agent that was turned.

mod agent;
mod egress;
mod raw;
#[path = "../processes/scene.rs"]
#[allow(dead_code, reason = "the scene of another binary, of which this one needs a part")]
mod scene;
#[cfg(unix)]
#[path = "../cli/terminal.rs"]
#[allow(dead_code, reason = "as above")]
mod terminal;
mod words;
