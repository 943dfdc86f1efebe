//! Every chain by its rail: what is asked of a network goes to the nodes of its kind.

use async_trait::async_trait;

use super::{Nodes, Rpc, SvmRpc};
use crate::authorization::{Authorization, Fact, Known};
use crate::money::{Account, Amount, Assets, Network, Rail};
use crate::ports::{Chains, SearchedTo, Sighting};
use crate::settlement::{Block, ChainError, Testimony};

/// The nodes of all chains.
#[derive(Debug)]
pub struct Rails {
    /// Those of EVM chains.
    pub evm: Rpc,
    /// Those of Solana's clusters.
    pub solana: SvmRpc,
}

impl Rails {
    /// How an asset moves says where it is kept.
    pub fn new(chains: impl IntoIterator<Item = (Network, Nodes)>, assets: &Assets) -> Rails {
        let chains: Vec<(Network, Nodes)> = chains.into_iter().collect();
        Rails { evm: Rpc::new(chains.clone()), solana: SvmRpc::new(chains, assets) }
    }

    /// A network that nobody speaks to has no nodes anywhere.
    fn of(&self, network: &Network) -> &dyn Chains {
        match network.rail() {
            Some(Rail::Solana) => &self.solana,
            Some(Rail::Evm) | None => &self.evm,
        }
    }
}

#[async_trait]
impl Chains for Rails {
    async fn balance(&self, asset: &Account, owner: &Account) -> Result<Amount, ChainError> {
        self.of(asset.network()).balance(asset, owner).await
    }

    async fn know(&self, fact: &Fact) -> Result<Known, ChainError> {
        self.of(fact.network()).know(fact).await
    }

    async fn push(&self, network: &Network, signed: &[u8]) -> Result<String, ChainError> {
        self.of(network).push(network, signed).await
    }

    async fn testimonies(&self, signed: &[Authorization]) -> Vec<Vec<Result<Testimony, ChainError>>> {
        let is_solana = |signed: &Authorization| signed.facts().asset.network().rail() == Some(Rail::Solana);
        let (solana, evm): (Vec<_>, Vec<_>) = signed.iter().cloned().partition(is_solana);
        let (solana, evm) = tokio::join!(self.solana.testimonies(&solana), self.evm.testimonies(&evm));
        let (mut solana, mut evm) = (solana.into_iter(), evm.into_iter());
        let of = |signed| if is_solana(signed) { solana.next() } else { evm.next() };
        signed.iter().map(of).map(Option::unwrap_or_default).collect()
    }

    async fn sightings(
        &self,
        asset: &Account,
        owner: &Account,
        since: &SearchedTo,
    ) -> Result<(Vec<Sighting>, SearchedTo), ChainError> {
        self.of(asset.network()).sightings(asset, owner, since).await
    }

    async fn heads(&self, network: &Network) -> Vec<Result<Block, ChainError>> {
        self.of(network).heads(network).await
    }
}
