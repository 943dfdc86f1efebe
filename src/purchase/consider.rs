//! What a decision is made from: the same for paying and for a quote.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::Value;

use super::challenge::Heard as HeardChallenge;
use crate::authorization::{Authorization, Ground};
use crate::funds;
use crate::ground;
use crate::ledger::{InDoubt, View};
use crate::limits;
use crate::offer::{self, Attested, Listed, Offer};
use crate::parts::Look;
use crate::parts::Parts;
use crate::policy::{self, Decided, Funds, Policy, Question, Snapshot};
use crate::ports::Reply;
use crate::reason::Reason;
use crate::time::Time;
use crate::wish::Wish;

/// Everything the decision was made from, kept for the record.
pub(super) struct Considered {
    pub policy: Arc<Policy>,
    pub funds: Funds,
    pub reply: Reply,
    pub heard_at: Time,
    pub look: Look,
    pub listed: Vec<Listed>,
    /// What is spent and known, by one look into the ledger.
    pub snapshot: Snapshot,
    /// What is known of what each offer stands on.
    grounds: Vec<(Offer, Ground)>,
    /// What the record says of them, once it is decided.
    pub offers: Value,
}

impl Parts {
    /// Parses the challenge, and reads what the decision needs beside it.
    pub(super) async fn consider(
        &self,
        heard: HeardChallenge,
        policy: Arc<Policy>,
        wish: &Wish,
    ) -> Result<Considered, Reason> {
        let HeardChallenge { reply, at, look } = heard;
        let listed = offer::parse(&reply.said(), &self.assets);
        let listed = offer::fit(listed, &reply.request, at);
        let (listed, grounds) = self.grounded(listed, &policy).await;
        let payees = listed.iter().filter_map(Listed::offer).map(|offer| offer.payee.to_string()).collect();
        let view = View {
            agent: wish.agent.clone(),
            identity: Some(wish.identity()),
            policy: policy.clone(),
            url: Some(reply.request.url.clone()),
            led_from: Some(wish.request.url.clone()),
            payees,
            now: self.now(),
        };
        let (snapshot, in_doubt) = self.ledger.look(view).await?;
        let funds = self.funds_for(&listed, &in_doubt).await;
        Ok(Considered { policy, funds, reply, heard_at: at, look, listed, snapshot, grounds, offers: Value::Null })
    }

    /// What each offer stands on. One that could not be signed for is none that can be paid.
    async fn grounded(&self, listed: Vec<Listed>, policy: &Policy) -> (Vec<Listed>, Vec<(Offer, Ground)>) {
        let Some(wallet) = &self.wallet else { return (listed, Vec::new()) };
        let looked = join_all(listed.into_iter().map(|entry| async {
            let Listed::Payable(offer) = entry else { return (entry, None) };
            // What the policy refuses anyway need not be looked at.
            if !policy.networks.contains(offer.network()) {
                return (Listed::Payable(offer), None);
            }
            let stands =
                |ground: &Ground| Authorization::stands(&offer, &wallet.account(offer.network()), self.now(), ground);
            let kept = ground::kept(self, &offer).filter(|ground| stands(ground).is_ok());
            let ground = match kept {
                Some(ground) => ground,
                // What is kept may be old: before it says no, the chain is asked.
                None => ground::asked(self, &offer).await,
            };
            match stands(&ground) {
                Ok(()) => (Listed::Payable(offer.clone()), Some((*offer, ground))),
                Err(cannot) => (offer.unpayable(cannot.into()).into(), None),
            }
        }));
        let (listed, grounds): (Vec<Listed>, Vec<Option<(Offer, Ground)>>) = looked.await.into_iter().unzip();
        (listed, grounds.into_iter().flatten().collect())
    }

    /// Balances that were never read are read once, beside the unpaid leg, and not waited for long.
    pub(super) async fn first_look_at_funds(&self) {
        if !self.funds.last().tried {
            let _ = tokio::time::timeout(limits::FUNDS_WAIT, funds::read(self)).await;
        }
    }

    /// What the wallet is known to hold. Before that says "too little" it is read anew: the owner may have sent some.
    async fn funds_for(&self, listed: &[Listed], in_doubt: &InDoubt) -> Funds {
        let funds = funds::less(self, in_doubt);
        let is_short = |offer: &Offer| {
            let held = funds.known.get(&offer.asset.account);
            held.is_some_and(|held| *held < offer.amount)
        };
        if !listed.iter().filter_map(Listed::offer).any(is_short) {
            return funds;
        }
        let _ = tokio::time::timeout(limits::FUNDS_WAIT, funds::read(self)).await;
        funds::less(self, in_doubt)
    }
}

impl Considered {
    /// What the policy says of it.
    pub fn decide(&self, wish: &Wish) -> Decided {
        policy::decide(&self.policy, &self.question(wish), &self.listed, &self.snapshot)
    }

    /// What is known of what an offer stands on.
    pub fn ground_of(&self, offer: &Offer) -> Ground {
        let found = self.grounds.iter().find(|(of, _)| of == offer);
        found.map(|(_, ground)| ground.clone()).unwrap_or_default()
    }

    /// What its seller signed of an offer.
    pub fn attested(&self, listed: &Listed) -> Option<Attested> {
        listed.offer()?.attested(&self.reply.request.url, self.heard_at)
    }

    pub fn question(&self, wish: &Wish) -> Question<'_> {
        Question { request: &self.reply.request, max_price: wish.max_price, funds: &self.funds }
    }
}
