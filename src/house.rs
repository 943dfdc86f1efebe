//! A home put together: ports in; what an agent, its owner and the keeper may do out.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use tokio::sync::{Mutex, Notify, RwLock};

use crate::agent::Agent;
use crate::answer::Refusal;
use crate::chain::{Nodes, Rails};
use crate::clock::SystemClock;
use crate::config::{Config, Home, OwnerFile, PolicyFile, StoreKind as KeptIn};
use crate::directory::WebDirectories;
use crate::keeper::Keeper;
use crate::ledger::{Bodies, Ledger};
use crate::limits;
use crate::money::{Assets, Network};
use crate::owner::Owner;
use crate::parts::{FundsBook, GroundBook, ListingBook, Parts};
use crate::ports::{Chains, Directories, Screen, Seller};
use crate::seller::Sellers;
use crate::time::Clock;
use crate::wallet::{PassphraseSource, Store, Wallet};
use crate::{questions, random, whereabouts};

/// Everything that belongs to one home. What it can do is done through the handles it gives.
#[derive(Clone)]
pub struct House {
    parts: Arc<Parts>,
}

/// The ports a house stands on: the real ones in life, others in a simulation.
pub struct Ports {
    /// The wallet.
    pub wallet: Option<Wallet>,
    /// The wire.
    pub seller: Arc<dyn Seller>,
    /// The chains.
    pub chains: Arc<dyn Chains>,
    /// The directories.
    pub directories: Arc<dyn Directories>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

impl House {
    /// Opens what is in a home. Nothing is signed, asked or unlocked yet. `passphrases` says where the key file's may
    /// come from; a server has no terminal to ask at.
    pub async fn open(home: &Home, passphrases: Vec<PassphraseSource>) -> Result<House, Refusal> {
        home.prepare()
            .map_err(|cause| Refusal::of("home_unusable", cause, "fix the home directory and start again"))?;
        let config = whereabouts::load(home)?;
        let assets = config.assets_in_force(home).map_err(|cause| {
            Refusal::of("owner_unreadable", cause.in_one_line(), "bring owner.json back from a copy and start again")
        })?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = match config.wallet.store {
            Some(KeptIn::File) if passphrases.contains(&PassphraseSource::Prompt) => {
                Store::file(home.dir(), passphrases).waiting(limits::TYPING_WAIT)
            }
            Some(KeptIn::File) => Store::file(home.dir(), passphrases),
            _ => Store::keyring(home.dir()),
        };
        let wallet = config.wallet.addresses().map(|addresses| Wallet::open(store, addresses, clock.clone()));
        let chains = Arc::new(Rails::new(nodes(&config, &assets), &assets));
        let seller = Arc::new(Sellers::new(&home.purchases_dir(), &config.programs));
        let directories = Arc::new(WebDirectories::new(config.directories));
        let house = House::over(home, assets, Ports { wallet, seller, chains, directories, clock })?;
        // Whichever command it is that looks next.
        questions::expire(&house.parts).await;
        Ok(house)
    }

    /// The same house over other ports.
    pub fn over(home: &Home, assets: Assets, ports: Ports) -> Result<House, Refusal> {
        let Ports { wallet, seller, chains, directories, clock } = ports;
        private_dir(&home.purchases_dir())
            .and_then(|()| private_dir(&home.leases_dir()))
            .map_err(|cause| Refusal::of("home_unusable", cause, "fix the home directory and start again"))?;
        let nonce = random::bytes().map_err(|cause| Refusal::of("no_randomness", cause, "start again"))?;
        let config = whereabouts::load(home)?;
        let ledger = match &config.ledger {
            None => Ledger::open(&home.ledger_file(), &home.leases_dir(), nonce, clock.now())?,
            Some(server) => Ledger::open_on_server(whereabouts::place(home, server, clock.is_simulated())?, nonce)?,
        };
        let parts = Parts {
            ledger,
            bodies: Bodies::at(&home.purchases_dir()),
            wallet,
            seller,
            chains,
            directories,
            clock,
            rules: PolicyFile::new(home),
            owner_file: OwnerFile::new(home),
            assets,
            funds: FundsBook::default(),
            ground: GroundBook::default(),
            listings: ListingBook::default(),
            screen: OnceLock::new(),
            doubt: Notify::new(),
            sealed: Mutex::new(None),
            anchor_due: AtomicBool::new(false),
            under_way: Arc::new(RwLock::new(())),
            leaving: AtomicBool::new(false),
        };
        Ok(House { parts: Arc::new(parts) })
    }

    /// What questions and notes are shown on from now on. The first one stays.
    pub fn show_on(&self, screen: Arc<dyn Screen>) {
        let _ = self.parts.screen.set(screen);
    }

    /// How many handles there are on what is within.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.parts)
    }

    /// What an agent of this name may ask.
    pub fn agent(&self, name: &str) -> Agent {
        Agent::new(self.parts.clone(), name)
    }

    /// For whoever has made sure to be the owner.
    pub fn owner(&self) -> Owner {
        Owner::new(self.parts.clone())
    }

    /// What goes on beside the calls.
    pub fn keeper(&self) -> Keeper {
        Keeper::new(self.parts.clone())
    }
}

/// Nodes for every chain bursar has an asset on: the owner's, or the built-in ones.
fn nodes(config: &Config, assets: &Assets) -> Vec<(Network, Nodes)> {
    let mut networks: Vec<_> = assets.networks().into_iter().chain(config.chains().cloned()).collect();
    networks.sort();
    networks.dedup();
    let of = |network: &Network| {
        let chain = config.chain(network);
        Nodes { rpc: chain.rpc, confirmations: chain.confirmations }
    };
    networks.into_iter().map(|network| (network.clone(), of(&network))).collect()
}

fn private_dir(path: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
