//! What a scheme must know of a chain before it signs. Most need nothing; what is needed is read beside the unpaid leg and
//! kept for a while, so that a payment seldom waits for it.

use alloy_primitives::B256;
use futures_util::future::join_all;

use crate::authorization::{Authorization, Fact, Ground, Need};
use crate::limits;
use crate::offer::Offer;
use crate::parts::Parts;

/// What is kept of what an offer stands on, if that is all it needs.
pub(crate) fn kept(house: &Parts, offer: &Offer) -> Option<Ground> {
    let recall = |Need { fact, is_steady }: Need| {
        let word = house.ground.recall(&fact, house.now()).filter(|_| is_steady)?;
        Some((fact, word))
    };
    needs(house, offer).into_iter().map(recall).collect()
}

/// What an offer stands on, asked for now and not waited for long.
pub(crate) async fn asked(house: &Parts, offer: &Offer) -> Ground {
    let asked = needs(house, offer).into_iter().map(|Need { fact, .. }| async move {
        let word = ask(house, &fact).await?;
        Some((fact, word))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn needs(house: &Parts, offer: &Offer) -> Vec<Need> {
    let wallet = house.wallet.as_ref();
    wallet.map(|wallet| Authorization::needs(offer, &wallet.account(offer.network()))).unwrap_or_default()
}

async fn ask(house: &Parts, fact: &Fact) -> Option<B256> {
    let word = tokio::time::timeout(limits::GROUND_WAIT, house.chains.know(fact)).await.ok()?.ok()?;
    house.ground.note(fact, word, house.now());
    Some(word)
}
