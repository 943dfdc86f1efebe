//! What a scheme must know of a chain before it signs. Most need nothing; what is needed is read beside the unpaid leg and
//! kept for a while, so that a payment seldom waits for it.

use alloy_primitives::B256;
use futures_util::future::join_all;

use crate::authorization::{Authorization, Fact, Ground, Need};
use crate::limits;
use crate::offer::Offer;
use crate::parts::Parts;

/// What is known of what an offer stands on. What is not known is asked for now, and not waited for long.
pub(crate) async fn of(house: &Parts, offer: &Offer) -> Ground {
    let Some(wallet) = &house.wallet else { return Ground::default() };
    let needs = Authorization::needs(offer, &wallet.account(offer.network()));
    let asked = needs.into_iter().map(|Need { fact, is_steady }| async move {
        let known = house.ground.recall(&fact, house.now()).filter(|_| is_steady);
        let word = match known {
            Some(word) => Some(word),
            None => ask(house, &fact).await,
        };
        word.map(|word| (fact, word))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn ask(house: &Parts, fact: &Fact) -> Option<B256> {
    let word = tokio::time::timeout(limits::GROUND_WAIT, house.chains.know(fact)).await.ok()?.ok()?;
    house.ground.note(fact, word, house.now());
    Some(word)
}
