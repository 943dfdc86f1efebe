//! In which order things are told: by the words they match, by what the policy says, by what this wallet had of the
//! seller, by how they are said to fare, by price. The same answers are always told in the same order.

use std::cmp::Reverse;

use super::merge::Candidate;
use super::weigh::Weighed;
use crate::answer::{FindVerdict, FoundThing, SellerKnown};
use crate::listing::HealthClaim;
use crate::money::Usd;

/// Before the policy is asked: what matches most.
pub fn by_words(candidates: &mut [Candidate]) {
    candidates.sort_by(|one, other| {
        let key = |candidate: &Candidate| {
            let price = candidate.price.as_ref().and_then(|price| price.usd).unwrap_or(Usd::MAX);
            (Reverse(candidate.matched), price)
        };
        let name = |candidate: &Candidate| (candidate.thing.name.clone(), candidate.thing.url.to_string());
        key(one).cmp(&key(other)).then_with(|| name(one).cmp(&name(other)))
    });
}

/// All that counts.
pub fn by_worth(weighed: &mut [Weighed]) {
    weighed.sort_by(|one, other| {
        let key = |weighed: &Weighed| {
            let found = &weighed.found;
            (
                Reverse(weighed.matched),
                standing(found),
                experience(found.known.as_ref()),
                health(found.health.as_ref()),
                found.price_usd.unwrap_or(Usd::MAX),
            )
        };
        let name = |weighed: &Weighed| {
            let FoundThing { name, url, server, tool, method, .. } = &weighed.found;
            (name.clone(), url.clone(), server.clone(), tool.clone(), method.clone())
        };
        key(one).cmp(&key(other)).then_with(|| name(one).cmp(&name(other)))
    });
}

/// What would be paid at once comes first, what could never be last.
fn standing(found: &FoundThing) -> (FindVerdict, bool) {
    (found.verdict, !found.payable)
}

/// Good, none, bad.
fn experience(known: Option<&SellerKnown>) -> u8 {
    match known {
        Some(known) if known.lied == 0 && known.bad == 0 && known.delivered > 0 && known.delivered == known.paid => 0,
        Some(known) if known.paid > 0 || known.lied > 0 => 2,
        _ => 1,
    }
}

/// What is said to work, then what nothing is said of; of those, what more people paid for.
fn health(claim: Option<&HealthClaim>) -> (u8, Reverse<u64>) {
    let said = match claim.and_then(|claim| claim.status.as_deref()) {
        Some("healthy") => 0,
        None => 1,
        _ => 2,
    };
    (said, Reverse(claim.and_then(|claim| claim.payers_30d).unwrap_or_default()))
}
