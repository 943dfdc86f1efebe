//! EVM chains, over JSON-RPC.

mod node;
pub mod reply;
mod rpc;

pub use self::rpc::Rpc;
