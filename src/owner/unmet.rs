//! What agents could not buy because nobody here could pay it: added up by what was missing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Owner;
use crate::answer::{LogQuery, Refusal, Unmet, UnmetDemand};
use crate::ledger::{Filter, RefusedOffers};
use crate::limits;
use crate::money::{Amount, Assets, Network, Usd, address_in_any_case};
use crate::offer::Needs;

impl Owner {
    /// What was refused because none of its offers could be paid, by anybody's rules.
    pub async fn unmet(&self, query: &LogQuery) -> Result<UnmetDemand, Refusal> {
        const PAGE: usize = 1_000;
        let mut filter = Filter { limit: PAGE, ..self.filter_of(query).await? };
        let mut sums = Sums::default();
        for _ in 0..limits::REFUSALS_ADDED_UP / PAGE {
            let (refused, next) = self.parts.ledger.refused_offers(filter.clone()).await?;
            refused.iter().for_each(|one| sums.add(one, &self.parts.assets));
            filter.after = next;
            if next.is_none() {
                return Ok(sums.demand(false));
            }
        }
        Ok(sums.demand(true))
    }
}

#[derive(Default)]
struct Sums {
    by: BTreeMap<Needs, Wanted>,
    count: u64,
}

#[derive(Default)]
struct Wanted {
    count: u64,
    hosts: BTreeSet<String>,
    claimed: Usd,
    priced: u64,
}

impl Sums {
    fn add(&mut self, refused: &RefusedOffers, assets: &Assets) {
        let offers = refused.offers.as_array().map(Vec::as_slice).unwrap_or_default();
        if offers.is_empty() || offers.iter().any(|offer| offer["verdict"] != "unpayable") {
            return;
        }
        self.count += 1;
        // A seller may say the same in two languages: what is missing is missing once, and costs the least it claims.
        let mut claims: BTreeMap<Needs, Option<Usd>> = BTreeMap::new();
        for offer in offers {
            let least = claims.entry(Needs::named(offer["needs"].as_str().unwrap_or_default())).or_default();
            *least = [*least, claimed(offer, assets)].into_iter().flatten().min();
        }
        for (needs, claim) in claims {
            let wanted = self.by.entry(needs).or_default();
            wanted.count += 1;
            wanted.hosts.insert(refused.host.clone());
            if let Some(claim) = claim {
                wanted.claimed = wanted.claimed.saturating_add(claim);
                wanted.priced += 1;
            }
        }
    }

    fn demand(self, is_cut: bool) -> UnmetDemand {
        let line = |(needs, wanted): (Needs, Wanted)| Unmet {
            needs,
            what: needs.what(),
            count: wanted.count,
            hosts: wanted.hosts.len() as u64,
            claimed_usd: wanted.claimed,
            priced: wanted.priced,
        };
        let mut lines: Vec<Unmet> = self.by.into_iter().map(line).collect();
        lines.sort_by_key(|line| Reverse((line.count, line.hosts)));
        UnmetDemand { lines, count: self.count, is_cut }
    }
}

/// What the seller asked for, where it is an amount of something known.
fn claimed(offer: &Value, assets: &Assets) -> Option<Usd> {
    let text = |key: &str| offer[key].as_str().filter(|text| !text.is_empty());
    let (named, amount) = (text("asset")?, Amount::parse(text("amount_atomic")?)?);
    let address = address_in_any_case(named);
    let network = Network::new(text("network")?);
    let is_it = |symbol: &str, account: &str| symbol == named || Some(account) == address.as_deref();
    assets.on(&network).find(|asset| is_it(&asset.symbol, asset.account.address()))?.usd(amount)
}
