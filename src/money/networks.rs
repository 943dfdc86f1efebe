//! What people call the chains they pay on, and what x402 v1 does.

use super::{Network, Rail};

/// The number of a chain, its name to a person, and its name in x402 v1 where it has one.
type Named = (u64, &'static str, &'static str);

const CHAINS: [Named; 37] = [
    (1, "Ethereum", "ethereum"),
    (10, "Optimism", ""),
    (14, "Flare", ""),
    (50, "XDC", ""),
    (51, "XDC Apothem", ""),
    (137, "Polygon", "polygon"),
    (143, "Monad", "monad"),
    (988, "Stable", "stable"),
    (1328, "Sei Testnet", "sei-testnet"),
    (1329, "Sei", "sei"),
    (1514, "Story", "story"),
    (2201, "Stable Testnet", "stable-testnet"),
    (2741, "Abstract", "abstract"),
    (3338, "Peaq", "peaq"),
    (4217, "Tempo", ""),
    (4326, "MegaETH", "megaeth"),
    (4689, "IoTeX", "iotex"),
    (8453, "Base", "base"),
    (11124, "Abstract Testnet", "abstract-testnet"),
    (31611, "Mezo Testnet", ""),
    (31612, "Mezo", ""),
    (41923, "EDU Chain", "educhain"),
    (42161, "Arbitrum", ""),
    (42220, "Celo", ""),
    (42431, "Tempo Testnet", ""),
    (43113, "Avalanche Fuji", "avalanche-fuji"),
    (43114, "Avalanche", "avalanche"),
    (72344, "Radius Testnet", ""),
    (80002, "Polygon Amoy", "polygon-amoy"),
    (84532, "Base Sepolia", "base-sepolia"),
    (421614, "Arbitrum Sepolia", ""),
    (723487, "Radius", ""),
    (11142220, "Celo Sepolia", ""),
    (11155111, "Sepolia", "sepolia"),
    (324705682, "SKALE Base Sepolia", "skale-base-sepolia"),
    (181228, "HPP Sepolia", ""),
    (190415, "HPP", ""),
];

/// A cluster of Solana's by the beginning of its first block's hash, as CAIP-2 has it; its name to a person, its name in
/// x402 v1.
type Cluster = (&'static str, &'static str, &'static str);

const CLUSTERS: [Cluster; 3] = [
    ("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "Solana", "solana"),
    ("solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1", "Solana Devnet", "solana-devnet"),
    ("solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z", "Solana Testnet", "solana-testnet"),
];

impl Network {
    /// Which kind of chain it is, if it is one that is spoken here: no other has a name that can be misspelt.
    pub fn rail(&self) -> Option<Rail> {
        let is_cluster = CLUSTERS.iter().any(|(name, ..)| *name == self.as_str());
        match self.chain_id() {
            Some(_) => Some(Rail::Evm),
            None => is_cluster.then_some(Rail::Solana),
        }
    }

    /// As a person calls it, or its CAIP-2 name where people have none.
    pub fn title(&self) -> &str {
        known(self).map_or(self.as_str(), |(title, _)| title)
    }

    /// Whether its money is worth nothing, as far as is known.
    pub fn is_test(&self) -> bool {
        const WORDS: [&str; 6] = ["Sepolia", "Testnet", "Devnet", "Fuji", "Amoy", "Apothem"];
        self.title().split(' ').any(|word| WORDS.contains(&word))
    }

    /// As x402 v1 calls it.
    pub fn v1_name(&self) -> Option<&'static str> {
        known(self).map(|(_, name)| name).filter(|name| !name.is_empty())
    }

    /// The chain that x402 v1 calls so.
    pub fn of_v1(name: &str) -> Option<Network> {
        let chain = CHAINS.iter().find(|(_, _, known)| *known == name && !name.is_empty());
        let cluster = || CLUSTERS.iter().find(|(_, _, known)| *known == name);
        chain.map(|(chain, ..)| Network::eip155(*chain)).or_else(|| cluster().map(|(name, ..)| Network::new(*name)))
    }

    /// The chain that a person means: by its name in any spelling, or its number.
    pub fn meant(text: &str) -> Option<Network> {
        let plain = |text: &str| text.trim().to_lowercase().replace([' ', '_'], "-");
        let text = plain(text);
        let is_meant = |(chain, title, name): &&Named| {
            plain(title) == text || (*name == text && !text.is_empty()) || chain.to_string() == text
        };
        let also = match text.as_str() {
            "mainnet" => Some(1),
            "base-mainnet" => Some(8453),
            "arbitrum-one" => Some(42161),
            _ => None,
        };
        let cluster = CLUSTERS.iter().find(|(_, title, _)| plain(title) == text);
        let chain = CHAINS.iter().find(is_meant).map(|(chain, ..)| *chain).or(also).map(Network::eip155);
        chain.or_else(|| cluster.map(|(name, ..)| Network::new(*name)))
    }
}

/// Its name to a person, and in x402 v1.
fn known(network: &Network) -> Option<(&'static str, &'static str)> {
    let cluster = CLUSTERS.iter().find(|(name, ..)| *name == network.as_str());
    let chain = || CHAINS.iter().find(|(chain, ..)| Some(*chain) == network.chain_id());
    cluster.map(|(_, title, name)| (*title, *name)).or_else(|| chain().map(|(_, title, name)| (*title, *name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Assets;

    #[test]
    fn chains_of_the_table_of_assets_have_names() {
        let is_nameless = |network: &Network| network.title() == network.as_str();
        let nameless: Vec<Network> = Assets::default().networks().into_iter().filter(is_nameless).collect();
        assert_eq!(nameless, [36900, 38833].map(Network::eip155), "nobody has told us what these are called");
    }

    #[test]
    fn a_chain_is_found_by_whatever_people_call_it() {
        for text in ["Base Sepolia", "base-sepolia", "BASE_SEPOLIA", " base sepolia ", "84532"] {
            assert_eq!(Network::meant(text), Some(Network::eip155(84532)), "{text}");
        }
        for text in ["", "bases", "eip155:8453"] {
            assert_eq!(Network::meant(text), None, "{text}");
        }
    }

    #[test]
    fn test_money_is_told_from_real_money() {
        let of = |is_test: bool| CHAINS.iter().filter(move |(chain, ..)| Network::eip155(*chain).is_test() == is_test);
        assert_eq!(of(true).count(), 15);
        assert!(of(false).all(|(_, title, _)| !title.to_lowercase().contains("test")));
    }

    #[test]
    fn clusters_of_solana_are_known_by_their_first_block_and_no_other_is_one() {
        let mainnet = Network::new("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp");
        assert_eq!((mainnet.title(), mainnet.is_test(), mainnet.rail()), ("Solana", false, Some(Rail::Solana)));
        assert_eq!(Network::of_v1("solana"), Some(mainnet.clone()));
        assert_eq!(Network::meant(" SOLANA "), Some(mainnet));
        let devnet = Network::of_v1("solana-devnet").unwrap();
        assert_eq!((devnet.v1_name(), devnet.is_test()), (Some("solana-devnet"), true));
        for name in [
            "solana",
            "solana:mainnet",
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvd",
            "Solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
        ] {
            assert_eq!(Network::new(name).rail(), None, "{name}");
        }
    }

    #[test]
    fn no_name_is_two_chains() {
        for (at, (chain, title, name)) in CHAINS.iter().enumerate() {
            for (other, its_title, its_name) in &CHAINS[at + 1..] {
                assert!(chain != other && title != its_title && (name.is_empty() || name != its_name), "{title}");
            }
        }
    }
}
