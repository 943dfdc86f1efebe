//! Solana's clusters, over JSON-RPC.

mod mint;
mod node;
pub mod reply;
mod rpc;

pub use self::rpc::SvmRpc;
