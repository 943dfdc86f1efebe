//! The same thing in several directories is one thing, with everybody who lists it. Where they claim different prices the
//! highest is looked at: a low one would promise what the seller does not.

use crate::listing::{ClaimedPrice, ListedThing, PriceNote};
use crate::policy::Policy;

use super::weigh;

/// A thing of one directory that fits.
pub struct Fitting {
    /// How many of the words it matches.
    pub matched: usize,
    pub thing: ListedThing,
    /// Who lists it.
    pub by: String,
}

/// A thing that fits, whoever lists it.
pub struct Candidate {
    pub matched: usize,
    pub thing: ListedThing,
    /// Of the ways to pay it, the one that this wallet would take.
    pub price: Option<ClaimedPrice>,
    pub claimed_by: Vec<String>,
}

pub fn merged(fitting: Vec<Fitting>, policy: &Policy) -> Vec<Candidate> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for Fitting { matched, thing, by } in fitting {
        let price = weigh::best(&thing.prices, policy).cloned();
        match candidates.iter_mut().find(|known| is_same(&known.thing, &thing)) {
            Some(known) => known.take_in(matched, thing, price, by),
            None => candidates.push(Candidate { matched, thing, price, claimed_by: vec![by] }),
        }
    }
    candidates
}

/// A method that one of them leaves out is the other's.
fn is_same(one: &ListedThing, other: &ListedThing) -> bool {
    let is_one_method = one.method.is_none() || other.method.is_none() || one.method == other.method;
    one.url == other.url && one.tool == other.tool && is_one_method
}

impl Candidate {
    fn take_in(&mut self, matched: usize, thing: ListedThing, price: Option<ClaimedPrice>, by: String) {
        self.matched = self.matched.max(matched);
        self.thing.method = self.thing.method.take().or(thing.method);
        if self.thing.description.is_empty() {
            self.thing.description = thing.description;
        }
        if self.thing.health.is_empty() {
            self.thing.health = thing.health;
        }
        if !self.claimed_by.contains(&by) {
            self.claimed_by.push(by);
        }
        self.price = match (self.price.take(), price) {
            (Some(one), Some(other)) => Some(dearer(one, other)),
            (one, other) => one.or(other),
        };
    }
}

fn dearer(one: ClaimedPrice, other: ClaimedPrice) -> ClaimedPrice {
    match (one.usd, other.usd) {
        (Some(is), Some(was)) if is == was => {
            if one.known.is_some() {
                one
            } else {
                other
            }
        }
        (Some(is), Some(was)) => {
            let dearest = if is > was { one } else { other };
            ClaimedPrice { note: Some(PriceNote::ClaimsDiffer), ..dearest }
        }
        (None, Some(_)) => other,
        _ => one,
    }
}
