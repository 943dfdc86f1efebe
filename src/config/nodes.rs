//! Nodes that are asked where the owner named none: public, without a key, and of at least two operators a chain, so
//! that no single one of them can make bursar believe that money moved or did not.

use url::Url;

use crate::money::Network;

/// Empty for a chain nobody runs public nodes for that we know.
pub(super) fn built_in(network: &Network) -> Vec<Url> {
    let nodes = network.chain_id().map_or_else(|| of_cluster(network), of_chain);
    nodes.iter().filter_map(|node| Url::parse(node).ok()).collect()
}

/// Of the test cluster nobody else than those who run it keeps public nodes: its money is worth nothing.
fn of_cluster(network: &Network) -> &'static [&'static str] {
    match network.v1_name() {
        Some("solana") => &["https://api.mainnet-beta.solana.com", "https://solana-rpc.publicnode.com"],
        Some("solana-devnet") => &["https://api.devnet.solana.com"],
        _ => &[],
    }
}

fn of_chain(chain_id: u64) -> &'static [&'static str] {
    match chain_id {
        1 => &["https://ethereum-rpc.publicnode.com", "https://eth.drpc.org"],
        10 => &["https://mainnet.optimism.io", "https://optimism-rpc.publicnode.com"],
        137 => &["https://polygon-bor-rpc.publicnode.com", "https://polygon.drpc.org"],
        1329 => &["https://evm-rpc.sei-apis.com", "https://sei-evm-rpc.publicnode.com"],
        8453 => &["https://mainnet.base.org", "https://base-rpc.publicnode.com"],
        42161 => &["https://arb1.arbitrum.io/rpc", "https://arbitrum-one-rpc.publicnode.com"],
        42220 => &["https://forno.celo.org", "https://celo-rpc.publicnode.com"],
        43113 => &["https://api.avax-test.network/ext/bc/C/rpc", "https://avalanche-fuji-c-chain-rpc.publicnode.com"],
        43114 => &["https://api.avax.network/ext/bc/C/rpc", "https://avalanche-c-chain-rpc.publicnode.com"],
        84532 => &["https://sepolia.base.org", "https://base-sepolia-rpc.publicnode.com"],
        421614 => &["https://sepolia-rollup.arbitrum.io/rpc", "https://arbitrum-sepolia-rpc.publicnode.com"],
        11155111 => &["https://ethereum-sepolia-rpc.publicnode.com", "https://sepolia.drpc.org"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_chain_has_nodes_of_at_least_two_operators() {
        let chains = [1, 10, 137, 1329, 8453, 42161, 42220, 43113, 43114, 84532, 421614, 11155111];
        for chain in chains.map(Network::eip155).into_iter().chain(Network::of_v1("solana")) {
            let nodes = built_in(&chain);
            let operators: BTreeSet<_> = nodes.iter().filter_map(|url| psl::domain_str(url.host_str()?)).collect();
            assert!(operators.len() >= 2, "{chain}");
            assert!(nodes.iter().all(|url| url.scheme() == "https"), "{chain}");
        }
    }
}
