//! The world behind bursar's ports.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bursar::authorization::Authorization;
use bursar::chain::{Block, ChainError, Chains, Sighting, Testimony, Transfer};
use bursar::ledger::Recorded;
use bursar::money::{Amount, Network};
use bursar::seller::{Egress, Presented, Reply, Request, Seller, SellerError};
use bursar::time::{Clock, Time};
use bursar::wallet::{Key, KeyStore, Memory, WalletError};
use http::{HeaderMap, HeaderValue};

use crate::world::{FINALITY, Shared, World};

pub const ASSET: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
pub const NETWORK: &str = "eip155:84532";

pub struct WorldClock(pub Shared);

impl Clock for WorldClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.lock().millis)
    }
}

pub struct WorldSeller(pub Shared);

/// How a presented payment fares.
enum Fare {
    Settled,
    Kept,
    Dropped,
}

#[async_trait]
impl Seller for WorldSeller {
    async fn ask(&self, request: &Request, _: Egress<'_>) -> Result<Reply, SellerError> {
        let mut world = self.0.lock();
        if world.fault(20) {
            return Err(SellerError::Unreachable { host: "shop".into(), cause: "a fault".into() });
        }
        Ok(reply(402, challenge(request), request))
    }

    async fn present(&self, recorded: &Recorded, _: Egress<'_>) -> Presented {
        if self.0.lock().fault(12) {
            return Presented::NeverConnected(lost("no way there"));
        }
        let (presented, stuck) = {
            let mut world = self.0.lock();
            let nonce = world.show(recorded);
            let stuck = world.fault(15);
            (serve(&mut world, nonce, recorded), stuck)
        };
        if stuck {
            let notify = self.0.lock().stuck.clone();
            notify.notify_one();
            std::future::pending::<()>().await;
        }
        presented
    }
}

fn serve(world: &mut World, nonce: B256, recorded: &Recorded) -> Presented {
    let fare = match world.pick(6) {
        0..4 => Fare::Settled,
        4 if world.faults => Fare::Kept,
        4 => Fare::Settled,
        _ if world.faults => Fare::Dropped,
        _ => Fare::Settled,
    };
    let settled = match fare {
        Fare::Settled => world.settle(nonce),
        Fare::Kept => {
            world.shown.get_mut(&nonce).unwrap().kept = true;
            false
        }
        Fare::Dropped => false,
    };
    if world.fault(4) {
        world.tally.lost += 1;
        return Presented::Lost(lost("the line dropped"));
    }
    let request = recorded.request();
    let status =
        if settled { [200, 200, 200, 500, 402][world.pick(5) as usize] } else { [402, 500][world.pick(2) as usize] };
    let mut headers = HeaderMap::new();
    if settled && status != 402 && !world.fault(6) {
        let receipt = format!(r#"{{"success":true,"transaction":"{nonce}","network":"{NETWORK}"}}"#);
        headers.insert("payment-response", HeaderValue::from_str(&STANDARD.encode(receipt)).unwrap());
    }
    if status == 200 {
        world.shown.get_mut(&nonce).unwrap().delivered = true;
    }
    Presented::Answered(reply(status, headers, request))
}

fn challenge(request: &Request) -> HeaderMap {
    let price = 1_000 * (1 + request.url.path().len() as u64);
    let challenge = format!(
        r#"{{"x402Version":2,"resource":{{"url":"{}"}},"accepts":[{{"scheme":"exact","network":"{NETWORK}","amount":"{price}","asset":"{ASSET}","payTo":"0x5E11e50000000000000000000000000000000004","maxTimeoutSeconds":60,"extra":{{"name":"USDC","version":"2"}}}}]}}"#,
        request.url
    );
    let mut headers = HeaderMap::new();
    headers.insert("payment-required", HeaderValue::from_str(&STANDARD.encode(challenge)).unwrap());
    headers
}

fn reply(status: u16, headers: HeaderMap, request: &Request) -> Reply {
    Reply { status, headers, body: b"goods".to_vec(), cut: false, request: request.clone(), room: None }
}

fn lost(cause: &str) -> SellerError {
    SellerError::Broken { host: "shop".into(), cause: cause.into() }
}

pub struct WorldChains(pub Shared);

impl WorldChains {
    /// A node that may be silent, or behind.
    fn ask(&self, node: &str, authorization: &Authorization) -> Result<Testimony, ChainError> {
        let mut world = self.0.lock();
        if world.fault(6) {
            return Err(ChainError::Silent { node: node.into(), cause: "a fault".into() });
        }
        let behind = if world.fault(4) { world.pick(120) } else { 0 };
        let at_secs = world.chain_secs - behind;
        let used = world.used.get(&authorization.nonce).filter(|used| used.at_secs <= at_secs);
        let transfer = used.map(|used| Transfer {
            chain_tx: authorization.nonce,
            block: used.at_secs,
            from: authorization.from,
            to: used.to,
            amount: Amount(used.value),
        });
        Ok(Testimony {
            node: node.into(),
            used: used.is_some(),
            at: block(at_secs),
            finalized: Some(block(at_secs - FINALITY)),
            transfer,
        })
    }
}

#[async_trait]
impl Chains for WorldChains {
    async fn balance(&self, _: &Network, _: Address, _: Address) -> Result<Amount, ChainError> {
        Ok(Amount(U256::from(1_000_000_000u64)))
    }

    async fn testimony(&self, authorization: &Authorization) -> Vec<Result<Testimony, ChainError>> {
        vec![self.ask("one", authorization), self.ask("two", authorization)]
    }

    async fn sightings(
        &self,
        network: &Network,
        asset: Address,
        _: Address,
        _: Option<u64>,
    ) -> Result<(Vec<Sighting>, u64), ChainError> {
        let world = self.0.lock();
        let of = |(nonce, used): (&B256, &crate::world::Used)| Sighting {
            network: network.clone(),
            asset,
            nonce: *nonce,
            chain_tx: *nonce,
            block: used.at_secs,
        };
        Ok((world.used.iter().map(of).collect(), world.chain_secs))
    }

    async fn newest_block(&self, _: &Network) -> Result<Block, ChainError> {
        Ok(block(self.0.lock().chain_secs))
    }
}

fn block(secs: u64) -> Block {
    Block { number: secs, time_secs: secs }
}

/// Keys that are there, behind a store that is not always.
pub struct WorldKeys(pub Shared, pub Memory);

impl WorldKeys {
    fn may_fail(&self) -> Result<(), WalletError> {
        if self.0.lock().fault(25) { Err(WalletError::KeyringLocked) } else { Ok(()) }
    }
}

impl KeyStore for WorldKeys {
    fn load(&self, address: Address) -> Result<Key, WalletError> {
        self.may_fail()?;
        self.1.load(address)
    }

    fn save(&self, key: &Key) -> Result<(), WalletError> {
        self.1.save(key)
    }

    fn remove(&self, address: Address) -> Result<(), WalletError> {
        self.1.remove(address)
    }

    fn list(&self) -> Result<Vec<Address>, WalletError> {
        self.1.list()
    }

    fn read_anchor(&self, address: Address) -> Result<Option<String>, WalletError> {
        self.may_fail()?;
        self.1.read_anchor(address)
    }

    fn write_anchor(&self, address: Address, anchor: &str) -> Result<(), WalletError> {
        self.may_fail()?;
        self.1.write_anchor(address, anchor)
    }

    fn slow(&self, waited: Duration) -> WalletError {
        self.1.slow(waited)
    }
}
