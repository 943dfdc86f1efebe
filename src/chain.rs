//! What the chains say: balances, evidence, and what left our accounts. One folder per rail.

mod node;
pub mod reply;
mod rpc;

pub use self::rpc::{Nodes, Rpc};
