//! What the wallet is known to hold. Read in the background; the path of a payment only looks.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy_primitives::Address;
use futures_util::future::join_all;

use crate::bursar::Bursar;
use crate::limits;
use crate::money::{Amount, Network};
use crate::policy::{Funds, Policy};
use crate::time::Time;

/// The last reading, and what went wrong with it.
pub struct FundsBook {
    address: Option<Address>,
    read: Mutex<Reading>,
}

#[derive(Clone, Default)]
pub struct Reading {
    /// When a node last answered.
    pub at: Option<Time>,
    pub tried: bool,
    pub balances: BTreeMap<(Network, Address), Amount>,
    pub problems: Vec<String>,
    /// By how much a chain's newest block was ahead of our clock, where it was: then our clock is behind.
    pub clock_behind: Option<Duration>,
    /// By how much our clock was ahead of every chain's newest block, and of what such a block may lag.
    pub clock_ahead: Option<Duration>,
}

impl FundsBook {
    pub fn new(address: Option<Address>) -> FundsBook {
        FundsBook { address, read: Mutex::default() }
    }

    pub fn last(&self) -> Reading {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, reading: Reading) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

impl Bursar {
    /// Asks the nodes of every network the policy allows, all at once. What does not answer stays as it was.
    pub async fn read_funds(&self) -> Reading {
        let (Some(owner), Ok(policy)) = (self.funds.address, self.policy()) else { return Reading::default() };
        let asked = wanted(self, &policy).into_iter().map(|(network, asset)| async move {
            let answer = self.chains.balance(&network, asset, owner).await;
            (network, asset, answer)
        });
        let heads = policy.networks.iter().map(|network| self.chains.newest_block(network));
        let (answers, heads) = tokio::join!(join_all(asked), join_all(heads));
        let now = self.now();
        // An idle chain's newest block may be old; one from the future is not the chain's fault.
        let newest = heads.into_iter().flatten().map(|head| Time::from_secs(head.time_secs as i64)).max();
        let clock_behind = newest.map(|newest| newest.since(now)).filter(|behind| !behind.is_zero());
        let clock_ahead = newest.map(|newest| now.since(newest).saturating_sub(limits::BLOCKS_MAY_LAG));
        let heard = answers.iter().any(|(_, _, answer)| answer.is_ok());
        let last = self.funds.last();
        let at = if heard { Some(now) } else { last.at };
        let mut reading = Reading { at, tried: true, problems: Vec::new(), clock_behind, clock_ahead, ..last };
        for (network, asset, answer) in answers {
            match answer {
                Ok(amount) => _ = reading.balances.insert((network, asset), amount),
                Err(cause) => reading.problems.push(cause.to_string()),
            }
        }
        self.funds.note(reading.clone());
        reading
    }

    /// What may be relied on now: the last reading less everything that may still be taken out of it.
    pub(crate) async fn known_funds(&self) -> Funds {
        let mut known = self.funds.last().balances;
        let in_doubt = self.ledger.in_doubt().await.unwrap_or_default();
        for (network, asset, amount) in in_doubt {
            let (Ok(asset), Some(amount)) = (asset.parse::<Address>(), Amount::parse(&amount)) else { continue };
            if let Some(balance) = known.get_mut(&(Network::new(network), asset)) {
                balance.0 = balance.0.saturating_sub(amount.0);
            }
        }
        Funds { address: self.funds.address, known }
    }
}

fn wanted(house: &Bursar, policy: &Policy) -> Vec<(Network, Address)> {
    let on = |network: &Network| {
        house.assets.on(network).map(|asset| (asset.network.clone(), asset.address)).collect::<Vec<_>>()
    };
    policy.networks.iter().flat_map(on).collect()
}
