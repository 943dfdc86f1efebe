//! Play money: a chain, its node and a market of sellers, all in this process and on loopback only.
//!
//! It is what `bursar demo` and `bursar serve --sandbox` spend in, and what the tests that need only Rust pay: the EVM,
//! the signatures and the settlements are real, the dollars are not. Nothing survives the process, so a ledger that
//! bought here must not outlive it either.

use std::io;
use std::sync::Arc;

use self::chain::{ChainOptions, PlayChain};
use self::rpc::Rpc;
use self::sellers::{Sellers, Stall, catalogue};

pub mod chain;
#[cfg(test)]
mod client;
pub mod eip2612;
pub mod eip3009;
pub mod host;
pub mod http;
pub mod key;
#[cfg(test)]
mod payer;
pub mod permit2;
pub mod rpc;
pub mod sellers;
pub mod tx;

/// Ports of 0 take any free one; the stalls are the demo's unless others are given.
pub struct Options {
    pub chain: ChainOptions,
    pub rpc_port: u16,
    pub sellers_port: u16,
    pub stalls: Vec<Stall>,
}

impl Default for Options {
    fn default() -> Self {
        Self { chain: ChainOptions::default(), rpc_port: 0, sellers_port: 0, stalls: catalogue::stalls() }
    }
}

/// A running sandbox; it stops when dropped.
pub struct Sandbox {
    pub chain: Arc<PlayChain>,
    pub rpc: Rpc,
    pub sellers: Sellers,
}

impl Sandbox {
    pub async fn start(options: Options) -> io::Result<Self> {
        let chain = Arc::new(PlayChain::new(options.chain));
        let rpc = Rpc::start(chain.clone(), options.rpc_port).await?;
        let sellers = Sellers::start(chain.clone(), options.sellers_port, options.stalls).await?;
        Ok(Self { chain, rpc, sellers })
    }

    pub fn rpc_url(&self) -> String {
        self.rpc.url()
    }

    pub fn sellers_url(&self) -> String {
        self.sellers.url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sandbox_listens_on_loopback_and_stops_when_dropped() {
        let sandbox = Sandbox::start(Options::default()).await.expect("started");
        let (rpc, sellers) = (sandbox.rpc_url(), sandbox.sellers_url());
        for url in [&rpc, &sellers] {
            assert!(url.starts_with("http://127.0.0.1:"));
            assert!(client::get(url, &[]).await.is_ok());
        }
        drop(sandbox);
        while client::get(&rpc, &[]).await.is_ok() || client::get(&sellers, &[]).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
