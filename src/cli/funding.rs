//! Where money for this wallet may come from, by what the policy allows.

use serde::Serialize;

use crate::cli::exit::Failure;
use crate::config::{Config, Home, PolicyFile};
use crate::money::{Account, Addresses, Network};

/// One network, and what may be sent to the wallet there.
#[derive(Serialize)]
pub struct Way {
    #[serde(serialize_with = "caip2")]
    pub network: Network,
    /// The wallet's address there; none where it has no key for that kind of chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Symbols of what agents pay with there.
    pub assets: Vec<String>,
    /// The page that shows the wallet's address.
    pub explorer: Option<String>,
    /// Where some of it is free.
    pub faucet: Option<&'static str>,
}

/// For every network the policy pays on, in its order; or for one of them.
pub fn ways(home: &Home, wallet: Addresses, only: Option<&str>) -> Result<Vec<Way>, Failure> {
    let assets = Config::load(home)?.assets_in_force(home)?;
    let policy = PolicyFile::new(home).current()?;
    let is_wanted = |network: &&Network| only.is_none_or(|only| network.as_str() == only);
    let way = |network: &Network| {
        let assets: Vec<String> = assets.on(network).map(|asset| asset.symbol.clone()).collect();
        let faucet = network.faucet().filter(|faucet| assets.iter().any(|symbol| symbol == faucet.gives));
        let address = wallet.on(network).as_ref().map(Account::to_string);
        Way {
            explorer: address.as_ref().and_then(|address| network.page_of(address)),
            address,
            faucet: faucet.map(|faucet| faucet.url),
            network: network.clone(),
            assets,
        }
    };
    Ok(policy.networks.iter().filter(is_wanted).map(way).collect())
}

fn caip2<S: serde::Serializer>(network: &Network, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(network.as_str())
}
