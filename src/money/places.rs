//! Where a person looks at a chain, and where test money is given away. Nothing here is asked by bursar itself.

use super::{Network, Rail};

/// A place that gives test money to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faucet {
    /// Where it is.
    pub url: &'static str,
    /// The symbol of what it gives.
    pub gives: &'static str,
}

/// Circle gives its test dollars, without an account, on the test networks it makes them for.
const CIRCLE: Faucet = Faucet { url: "https://faucet.circle.com", gives: "USDC" };

/// Explorers of EIP-3091: an account is at `/address/`, a chain transaction at `/tx/`. A chain is here once somebody has
/// looked which one is its own; without it there is no link.
const EXPLORERS: [(u64, &str); 25] = [
    (1, "https://etherscan.io"),
    (10, "https://optimistic.etherscan.io"),
    (14, "https://flare-explorer.flare.network"),
    (50, "https://xdcscan.com"),
    (51, "https://testnet.xdcscan.com"),
    (137, "https://polygonscan.com"),
    (143, "https://monadscan.com"),
    (1329, "https://seitrace.com"),
    (2741, "https://abscan.org"),
    (4217, "https://explore.mainnet.tempo.xyz"),
    (4326, "https://mega.etherscan.io"),
    (4689, "https://iotexscan.io"),
    (8453, "https://basescan.org"),
    (11124, "https://sepolia.abscan.org"),
    (31612, "https://explorer.mezo.org"),
    (41923, "https://educhain.blockscout.com"),
    (42161, "https://arbiscan.io"),
    (42220, "https://celoscan.io"),
    (43113, "https://testnet.snowtrace.io"),
    (43114, "https://snowtrace.io"),
    (80002, "https://amoy.polygonscan.com"),
    (84532, "https://sepolia.basescan.org"),
    (421614, "https://sepolia.arbiscan.io"),
    (11142220, "https://celo-sepolia.blockscout.com"),
    (11155111, "https://sepolia.etherscan.io"),
];

impl Network {
    /// The page of the chain's explorer that shows an address.
    pub fn page_of(&self, address: &str) -> Option<String> {
        if let Some(Rail::Solana) = self.rail() {
            let cluster = match self.v1_name() {
                Some("solana-devnet") => "?cluster=devnet",
                Some("solana-testnet") => "?cluster=testnet",
                _ => "",
            };
            return Some(format!("https://explorer.solana.com/address/{address}{cluster}"));
        }
        let chain = self.chain_id()?;
        let (_, explorer) = EXPLORERS.iter().find(|(known, _)| *known == chain)?;
        Some(format!("{explorer}/address/{address}"))
    }

    /// Who gives away what agents pay with there. Real money has no such place.
    pub fn faucet(&self) -> Option<Faucet> {
        if self.v1_name() == Some("solana-devnet") {
            return Some(CIRCLE);
        }
        match self.chain_id()? {
            // Avalanche Fuji, Polygon Amoy, Base Sepolia, Arbitrum Sepolia, Celo Sepolia, Sepolia.
            43113 | 80002 | 84532 | 421614 | 11142220 | 11155111 => Some(CIRCLE),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_by_the_chains_own_explorer() {
        let page = |chain: u64| Network::eip155(chain).page_of("0xab");
        assert_eq!(page(84532).as_deref(), Some("https://sepolia.basescan.org/address/0xab"));
        assert_eq!(page(36900), None);
        assert!(EXPLORERS.windows(2).all(|pair| pair[0].0 < pair[1].0), "in order, and none twice");
        assert!(EXPLORERS.iter().all(|(_, url)| url.starts_with("https://") && !url.ends_with('/')));
    }

    #[test]
    fn every_chain_with_nodes_of_its_own_has_an_explorer() {
        for chain in [1, 10, 137, 1329, 8453, 42161, 42220, 43113, 43114, 84532, 421614, 11155111] {
            assert!(Network::eip155(chain).page_of("0xab").is_some(), "{chain}");
        }
    }

    #[test]
    fn only_test_money_is_given_away() {
        assert_eq!(Network::eip155(84532).faucet(), Some(CIRCLE));
        let gives = |(chain, _): &&(u64, &str)| Network::eip155(*chain).faucet().is_some();
        assert!(EXPLORERS.iter().filter(gives).all(|(chain, _)| Network::eip155(*chain).is_test()));
    }
}
