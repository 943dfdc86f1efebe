//! EVM chains, over JSON-RPC.

mod gather;
mod node;
pub mod reply;
mod rpc;

pub use self::rpc::{Nodes, Rpc};
