//! The program stopped dead at every named place, times what the seller does, times whether the chain can be asked.
//! Afterwards: no second authorization, nothing a seller saw is missing, and the audit finds nothing.
//!
//! Only builds with debug assertions have the places to stop at.
#![cfg(debug_assertions)]

mod house;

use bursar::crash;
use bursar::sandbox::sellers::{Behaviour, Stall};
use house::House;
use serde_json::json;

const PRICE: u64 = 10_000;

/// What the seller does with the payment it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seller {
    Settles,
    Refuses,
    SettlesLate,
    TakesItAndDropsTheLine,
}

impl Seller {
    const ALL: [Seller; 4] = [Seller::Settles, Seller::Refuses, Seller::SettlesLate, Seller::TakesItAndDropsTheLine];

    fn behaviour(self) -> Behaviour {
        match self {
            Seller::Settles => Behaviour::Normal,
            Seller::Refuses => Behaviour::RefuseAlways,
            Seller::SettlesLate => Behaviour::DropBeforeSettling,
            Seller::TakesItAndDropsTheLine => Behaviour::DropAfterSettling,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_pays_once_and_loses_nothing() {
    let house = House::build().await;
    let mut cases = 0;
    for point in crash::POINTS {
        for seller in Seller::ALL {
            for chain_down in [false, true] {
                case(&house, point, seller, chain_down).await;
                cases += 1;
            }
        }
    }
    house.every_window_ends();
    house.reconcile().await;
    house.everything_adds_up().await;
    println!("{cases} crashes: points x sellers x chain");
}

async fn case(house: &House, point: &str, seller: Seller, chain_down: bool) {
    let path = format!("/{point}-{seller:?}-{chain_down}");
    let id = path[1..].to_owned();
    house.sandbox.sellers.put(Stall::that(seller.behaviour(), &path, PRICE));
    let call = json!({ "url": house.url(&path), "purchase_id": id });

    let crashed = house.serve(Some(point)).await;
    let _ = crashed.tool("fetch_paid", call.clone()).await;
    crashed.kill();
    crashed.exited().await;

    house.sandbox.rpc.set_down(chain_down);
    if seller == Seller::SettlesLate {
        house.redeem_all(&path);
    }
    let host = house.serve(None).await;
    let answer = host.tool("fetch_paid", call).await.unwrap();
    let outcome = answer["structuredContent"]["outcome"].as_str().unwrap().to_owned();
    host.close_stdin();
    host.exited().await;
    house.sandbox.rpc.set_down(false);

    let nonces = house.nonces(&path);
    assert!(nonces.len() <= 1, "{path}: a seller saw {nonces:?}");
    assert!(["answered", "held", "failed"].contains(&outcome.as_str()), "{path}: {answer}");
    if let Some(nonce) = nonces.first() {
        house.ledger_knows(&id, nonce).await;
    }
}
