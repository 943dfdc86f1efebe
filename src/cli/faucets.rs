//! Where test money is given away. Real money has no such place.

use crate::money::Network;

/// A place that gives test money to whoever asks.
pub struct Faucet {
    pub url: &'static str,
    /// What it gives.
    pub gives: &'static str,
}

/// Circle gives its test dollars on every test network it makes them for.
const CIRCLE: Faucet = Faucet { url: "https://faucet.circle.com", gives: "USDC" };

/// The faucet for what agents pay with on a network.
pub fn of(network: &Network) -> Option<&'static Faucet> {
    match network.chain_id()? {
        // Avalanche Fuji, Polygon Amoy, Base Sepolia, Arbitrum Sepolia, Celo Sepolia, Sepolia.
        43113 | 80002 | 84532 | 421614 | 11142220 | 11155111 => Some(&CIRCLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_test_money_is_given_away() {
        assert_eq!(of(&Network::eip155(84532)).map(|faucet| faucet.gives), Some("USDC"));
        for chain in [1, 10, 137, 8453, 42161, 43114] {
            assert!(of(&Network::eip155(chain)).is_none(), "{chain}");
        }
        for chain in [43113, 80002, 84532, 421614, 11142220, 11155111] {
            assert!(Network::eip155(chain).is_test(), "{chain}");
        }
    }
}
