//! Payments on Solana over a cluster in memory: what is signed, what becomes of it, and what is believed about it.
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it stopped")]

mod buying;
#[cfg(debug_assertions)]
mod crashes;
mod evidence;
#[cfg(debug_assertions)]
mod latency;
mod refused;
mod scene;
mod strangers;
