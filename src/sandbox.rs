//! Play money.
pub mod chain;
#[cfg(test)]
mod client;
pub mod eip3009;
pub mod http;
pub mod rpc;
