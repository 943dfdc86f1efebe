//! What a scheme must know of a chain before it signs. Most need nothing; what is needed is read beside the unpaid leg and
//! kept for a while, so that a payment seldom waits for it.

use std::sync::{Arc, Weak};

use futures_util::future::join_all;

use crate::authorization::{Authorization, Fact, Ground, Known, Need};
use crate::limits;
use crate::offer::Offer;
use crate::parts::Parts;
use crate::policy::Policy;

/// What is kept of what an offer stands on, if that is all it needs.
pub(crate) fn kept(house: &Parts, offer: &Offer) -> Option<Ground> {
    let recall = |Need { fact, keeps, .. }: Need| {
        let (at, known) = house.ground.recall(&fact, house.now(), keeps)?;
        Some((fact, at, known))
    };
    needs(house, offer).into_iter().map(recall).collect()
}

/// What an offer stands on, asked for now and not waited for long.
pub(crate) async fn asked(house: &Parts, offer: &Offer) -> Ground {
    let asked = needs(house, offer).into_iter().map(|Need { fact, is_of_use, .. }| async move {
        let heard = ask(house, &fact).await.map(|known| (house.now(), known));
        let (at, known) = heard.or_else(|| house.ground.recall(&fact, house.now(), is_of_use))?;
        Some((fact, at, known))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// Keeps what is known young where a payment may come of what is asked for now: beside its path, and for a while after.
pub(crate) fn keep_young(house: &Arc<Parts>, policy: &Policy) {
    let has_a_key = |network| house.wallet.as_ref().is_some_and(|wallet| wallet.account_on(network).is_some());
    for network in policy.networks.iter().filter(|network| has_a_key(network)) {
        let Some(Need { fact, .. }) = Authorization::needs_beside(network) else { continue };
        if house.ground.is_wanted(&fact, house.now()) {
            tokio::spawn(renew(Arc::downgrade(house), fact));
        }
    }
}

/// A fact that nobody wants any more, or a house that is gone, ends it.
async fn renew(house: Weak<Parts>, fact: Fact) {
    loop {
        let Some(house) = house.upgrade().filter(|house| !house.is_leaving()) else { return };
        if house.ground.recall(&fact, house.now(), limits::BLOCK_IS_RENEWED).is_none() {
            ask(&house, &fact).await;
        }
        if house.ground.is_let_go(&fact, house.now()) {
            return;
        }
        drop(house);
        tokio::time::sleep(limits::BLOCK_IS_RENEWED).await;
    }
}

fn needs(house: &Parts, offer: &Offer) -> Vec<Need> {
    let wallet = house.wallet.as_ref();
    wallet.map(|wallet| Authorization::needs(offer, &wallet.account(offer.network()))).unwrap_or_default()
}

async fn ask(house: &Parts, fact: &Fact) -> Option<Known> {
    let known = tokio::time::timeout(limits::GROUND_WAIT, house.chains.know(fact)).await.ok()?.ok()?;
    house.ground.note(fact, known, house.now());
    Some(known)
}
