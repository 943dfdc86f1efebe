//! The world behind bursar's ports.

use alloy_primitives::{B256, U256};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bursar::authorization::{Authorization, Fact, Known, RecentBlock};
use bursar::ledger::{Recorded, RecordedSignIn};
use bursar::money::{Account, Amount, KeyAddress, Network, Rail};
use bursar::ports::{Chains, Departed, SearchedTo, Sighting};
use bursar::ports::{Egress, Inquiry, Presented, Progress, Reply, Rest, Seller, SellerError};
use bursar::request::Request;
use bursar::settlement::{Block, ChainError, Testimony, Transfer, Use};
use bursar::time::{Clock, Time};
use bursar::wallet::{RailKey, WalletError};
use http::{HeaderMap, HeaderValue};
use sandbox::chain::DOLLAR;
use sandbox::sellers::Way as PaidBy;
use sandbox::sellers::mpp::{self, Charge, Form};
use serde_json::Value;
use url::Url;

use crate::keys::{Keys, Way};

use super::{BLOCKHASH_BLOCKS, FINALITY, Manner, Shared, World, is_on_solana};

pub const ASSET: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
pub const NETWORK: &str = "eip155:84532";
const PAYEE: &str = "0x5E11e50000000000000000000000000000000004";
const MINT: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const CLUSTER: &str = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1";
const PAYEE_ON_SOLANA: &str = "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse";
const FEE_PAYER: &str = "9hSR6S7WPtxmTojgo6GG3k4yDPecgJY292j7xrsUGWBu";

/// On which kind of chain this run pays.
pub fn rail() -> Rail {
    if is_on_solana() { Rail::Solana } else { Rail::Evm }
}

/// On which network.
pub fn network() -> &'static str {
    if is_on_solana() { CLUSTER } else { NETWORK }
}

/// Where whoever has paid is let in again.
pub const MEMBERS: &str = "/members";

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
    async fn ask(&self, request: &Request, _: Egress<'_>, _: &Progress) -> Result<Reply, SellerError> {
        let mut world = self.0.lock();
        if world.fault(request.url.path(), 20) {
            return Err(SellerError::Unreachable { host: "shop".into(), cause: "a fault".into() });
        }
        Ok(reply(402, challenge(&mut world, request), request))
    }

    async fn inquire(&self, _: &Url, _: &Inquiry, _: Egress<'_>) -> Result<String, SellerError> {
        Err(lost("there are no MCP servers here"))
    }

    async fn meet(&self, _: &Url, _: Egress<'_>) -> Result<String, SellerError> {
        Err(lost("there are no MCP servers here"))
    }

    async fn enter(&self, signed_in: &RecordedSignIn, _: Egress<'_>) -> Result<Reply, SellerError> {
        let said: Value = serde_json::from_slice(&STANDARD.decode(signed_in.header().1).unwrap()).unwrap();
        self.0.lock().signed_in.insert(said["signature"].as_str().unwrap().to_owned());
        Ok(reply(200, HeaderMap::new(), signed_in.request()))
    }

    async fn present(&self, recorded: &Recorded, _: Egress<'_>, _: &Progress) -> Presented {
        let at = recorded.request().url.path();
        if self.0.lock().fault(at, 12) {
            return Presented::NeverConnected(lost("no way there"));
        }
        let (presented, stuck) = {
            let mut world = self.0.lock();
            let nonce = world.show(recorded);
            let stuck = world.fault(at, 15);
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
    match world.manner {
        Manner::Settles => {
            world.settle(nonce);
            answer(world, nonce, recorded, 200, true)
        }
        Manner::Refuses => answer(world, nonce, recorded, 402, false),
        Manner::TakesItAndDropsTheLine => {
            world.settle(nonce);
            Presented::Lost(lost("the line dropped"))
        }
        Manner::Whimsical => serve_by_chance(world, nonce, recorded),
    }
}

fn serve_by_chance(world: &mut World, nonce: B256, recorded: &Recorded) -> Presented {
    let at = recorded.request().url.path();
    let fare = match world.pick(at, 6) {
        4 if world.fault(at, 1) => Fare::Kept,
        5 if world.fault(at, 1) => Fare::Dropped,
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
    if world.fault(at, 4) {
        world.tally.lost += 1;
        return Presented::Lost(lost("the line dropped"));
    }
    let status = match settled {
        true => [200, 200, 200, 500, 402][world.pick(at, 5) as usize],
        false => [402, 500][world.pick(at, 2) as usize],
    };
    let receipt = settled && status != 402 && !world.fault(at, 6);
    answer(world, nonce, recorded, status, receipt)
}

fn answer(world: &mut World, nonce: B256, recorded: &Recorded, status: u16, receipt: bool) -> Presented {
    let mut headers = HeaderMap::new();
    if receipt {
        let (name, receipt) = match PaidBy::of_this_run() {
            PaidBy::Mpp => ("payment-receipt", mpp::receipt(&nonce.to_string())),
            PaidBy::Eip3009 | PaidBy::Permit2 | PaidBy::Upto => {
                let network = network();
                let receipt = format!(r#"{{"success":true,"transaction":"{nonce}","network":"{network}"}}"#);
                ("payment-response", STANDARD.encode(receipt))
            }
        };
        headers.insert(name, HeaderValue::from_str(&receipt).unwrap());
    }
    if status == 200 {
        world.shown.get_mut(&nonce).unwrap().delivered = true;
    }
    Presented::Answered(reply(status, headers, recorded.request()))
}

fn challenge(world: &mut World, request: &Request) -> HeaderMap {
    let now = Time::from_millis(world.millis);
    let price = 1_000 * (1 + request.url.path().len() as u64);
    let (name, text) = match PaidBy::of_this_run() {
        _ if is_on_solana() => ("payment-required", of_solana(world, request, price)),
        PaidBy::Eip3009 => ("payment-required", of_x402(request, now, price, "exact", "")),
        PaidBy::Permit2 => {
            ("payment-required", of_x402(request, now, price, "exact", r#","assetTransferMethod":"permit2""#))
        }
        PaidBy::Upto => {
            let facilitator = format!(r#","facilitatorAddress":"{PAYEE}""#);
            ("payment-required", of_x402(request, now, price, "upto", &facilitator))
        }
        PaidBy::Mpp => ("www-authenticate", world.till.ask(&charge(now, price))),
    };
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(&text).unwrap());
    headers
}

/// Some sellers prescribe a memo, the same one for everybody, and some name a block.
fn of_solana(world: &mut World, request: &Request, price: u64) -> String {
    let memo = if request.url.path().len().is_multiple_of(2) { r#","memo":"an order""# } else { "" };
    let hint = if world.pick("hints", 3) == 0 {
        r#","recentBlockhash":"cGfHiC6Kgg3FpFZvgwGcswsCRtp4aBP2fzuXRQPizuN","lastValidBlockHeight":"1""#
    } else {
        ""
    };
    STANDARD.encode(format!(
        r#"{{"x402Version":2,"resource":{{"url":"{}"}},"accepts":[{{"scheme":"exact","network":"{CLUSTER}","amount":"{price}","asset":"{MINT}","payTo":"{PAYEE_ON_SOLANA}","maxTimeoutSeconds":60,"extra":{{"feePayer":"{FEE_PAYER}"{memo}{hint}}}}}]}}"#,
        request.url
    ))
}

fn of_x402(request: &Request, now: Time, price: u64, scheme: &str, more: &str) -> String {
    let extensions = if request.url.path() == MEMBERS { sign_in(request, now) } else { String::new() };
    STANDARD.encode(format!(
        r#"{{"x402Version":2,"resource":{{"url":"{}"}},"accepts":[{{"scheme":"{scheme}","network":"{NETWORK}","amount":"{price}","asset":"{ASSET}","payTo":"{PAYEE}","maxTimeoutSeconds":60,"extra":{{"name":"USDC","version":"2"{more}}}}}]{extensions}}}"#,
        request.url
    ))
}

/// Whoever has paid here may come again.
fn sign_in(request: &Request, now: Time) -> String {
    let host = request.url.host_str().unwrap();
    format!(
        r#","extensions":{{"sign-in-with-x":{{"info":{{"domain":"{host}","uri":"{}","version":"1","nonce":"a1b2c3d4","issuedAt":"{now}"}},"supportedChains":[{{"chainId":"{NETWORK}","type":"eip191"}}],"schema":{{}}}}}}"#,
        request.url
    )
}

fn charge(now: Time, price: u64) -> Charge {
    Charge {
        form: Form::Joined,
        price: price.to_string(),
        asset: DOLLAR,
        payee: PAYEE.parse().unwrap(),
        realm: "shop".to_owned(),
        expires: now.secs() + 60,
        more: String::new(),
        one_id: false,
    }
}

fn reply(status: u16, headers: HeaderMap, request: &Request) -> Reply {
    let body = goods(request.url.path()).into_bytes();
    Reply { status, headers, body, rest: Rest::None, cut: None, request: request.clone(), meta: None }
}

/// What is sold at a path: as much as goes into the ledger with its row, or more.
pub fn goods(path: &str) -> String {
    const MORE: usize = bursar::limits::SMALL_BODY_BYTES + 1;
    if path.len() % 4 == 2 { "g".repeat(MORE) } else { "goods".to_owned() }
}

fn lost(cause: &str) -> SellerError {
    SellerError::Broken { host: "shop".into(), cause: cause.into() }
}

pub struct WorldChains(pub Shared);

impl WorldChains {
    /// A node that may be silent, or behind.
    fn ask(&self, node: &str, authorization: &Authorization) -> Result<Testimony, ChainError> {
        let mut world = self.0.lock();
        if world.fault(node, 6) {
            return Err(ChainError::Silent { node: node.into(), cause: "a fault".into() });
        }
        let behind = if world.fault(node, 4) { world.pick(node, 120) } else { 0 };
        let at_secs = world.chain_secs - behind;
        let signed = authorization.facts();
        let used = world.used.get(&signed.handle).filter(|used| used.at_secs <= at_secs);
        let failed = world.failed.get(&signed.handle).copied().filter(|at| *at <= at_secs);
        let transfer = used.map(|used| Transfer {
            chain_tx: signed.handle.to_string(),
            block: used.at_secs,
            from: signed.from,
            to: used.to.clone(),
            amount: used.value,
        });
        Ok(Testimony {
            node: node.into(),
            fate: match (transfer, failed) {
                (Some(transfer), _) => Use::Used(Some(transfer)),
                (None, Some(at)) => Use::NeverAgain(at),
                (None, None) => Use::Unused,
            },
            at: block(at_secs),
            finalized: Some(block(at_secs - FINALITY)),
        })
    }
}

#[async_trait]
impl Chains for WorldChains {
    async fn balance(&self, _: &Account, _: &Account) -> Result<Amount, ChainError> {
        Ok(Amount(U256::from(1_000_000_000u64)))
    }

    /// Allowances and the like are as large as they can be. Nodes tell of a block, and at times do not.
    async fn know(&self, fact: &Fact) -> Result<Known, ChainError> {
        if let Fact::RecentBlock(network) = fact {
            let mut world = self.0.lock();
            if world.fault("blocks", 5) {
                return Err(ChainError::Silent { node: network.to_string(), cause: "a fault".into() });
            }
            let (slot, hash) = (world.chain_secs, B256::from(U256::from(world.chain_secs)).0);
            return Ok(Known::Block(RecentBlock { hash, slot, last_height: slot + BLOCKHASH_BLOCKS }));
        }
        Ok(B256::repeat_byte(0xff).into())
    }

    async fn push(&self, network: &Network, _: &[u8]) -> Result<String, ChainError> {
        Err(ChainError::NoNode(network.clone()))
    }

    async fn testimonies(&self, signed: &[Authorization]) -> Vec<Vec<Result<Testimony, ChainError>>> {
        signed.iter().map(|signed| vec![self.ask("one", signed), self.ask("two", signed)]).collect()
    }

    async fn sightings(
        &self,
        asset: &Account,
        _: &Account,
        _: &SearchedTo,
    ) -> Result<(Vec<Sighting>, SearchedTo), ChainError> {
        let world = self.0.lock();
        let of = |handle: &B256| Sighting {
            asset: asset.clone(),
            how: Departed::By(*handle),
            is_confirmed: true,
            chain_tx: handle.to_string(),
            block: world.used[handle].at_secs,
            seen_by: vec!["one".to_owned()],
        };
        Ok((world.used.keys().map(of).collect(), [("one".to_owned(), world.chain_secs)].into()))
    }

    async fn heads(&self, _: &Network) -> Vec<Result<Block, ChainError>> {
        vec![Ok(block(self.0.lock().chain_secs))]
    }
}

fn block(secs: u64) -> Block {
    Block { number: secs, time_secs: secs }
}

/// The way to the keys of a world: not always clear, and at times to the key of somebody else.
pub struct WorldWay {
    world: Shared,
    other: KeyAddress,
}

/// A store with the owner's key, and one that is not the owner's.
pub fn keys(world: Shared, key: &RailKey) -> Keys<WorldWay> {
    let other = RailKey::read(&[b'7'; 64][..], Some(rail())).unwrap();
    Keys::behind(WorldWay { world, other: other.address() }, &[key, &other])
}

impl Way for WorldWay {
    fn look(&self, address: KeyAddress) -> Result<(), WalletError> {
        let kind = {
            let mut world = self.world.lock();
            if !world.fault("keys", 25) {
                return Ok(());
            }
            world.pick("keys", 4)
        };
        match kind {
            0 => Err(WalletError::KeyringLocked),
            1 => Err(WalletError::KeyringAbsent { cause: "a fault".into() }),
            2 => Err(WalletError::KeyringAmbiguous { address }),
            _ => {
                self.world.hang();
                Ok(())
            }
        }
    }

    fn handed_out(&self, address: KeyAddress) -> Result<KeyAddress, WalletError> {
        self.look(address)?;
        let is_mistaken = self.world.lock().fault("keys", 40);
        Ok(if is_mistaken { self.other } else { address })
    }
}
