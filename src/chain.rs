//! What the chains say: balances, evidence, and what left our accounts. One folder per rail.

pub mod evm;

pub use self::evm::{Nodes, Rpc};
