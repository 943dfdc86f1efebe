//! What the policy would say of a payment that nobody has asked for: an offer is imagined at a price, and decided on as a
//! real one would be. Nothing is signed, asked or spent.

use std::sync::Arc;

use url::Url;

use crate::funds;
use crate::ledger::{LedgerError, View};
use crate::money::{Account, Amount, Asset, Rate, Usd};
use crate::offer::{Carrier, Dialect, Echo, Listed, Offer, Scheme};
use crate::parts::Parts;
use crate::policy::{self, Decision, Funds, Policy, RuleReport};
use crate::request::{MaxPrice, Request};

/// What came of it.
pub(crate) struct Imagined {
    /// What every rule says.
    pub rules: Vec<RuleReport>,
    /// What all of them come to.
    pub decision: Decision,
    /// The owner stopped all spending.
    pub is_frozen: bool,
}

/// Who would pay what: the question that is decided on.
pub(crate) struct Imagining<'a> {
    pub agent: &'a str,
    pub policy: &'a Arc<Policy>,
    pub request: &'a Request,
    pub max_price: Option<MaxPrice>,
    pub funds: &'a Funds,
}

impl Parts {
    /// What may be relied on to be in the wallet.
    pub(crate) async fn known_funds(&self) -> Funds {
        funds::known(self).await
    }

    /// Decides on an offer. Nobody is named as payee by it, so nobody can be a new one.
    pub(crate) async fn imagine(&self, asked: &Imagining<'_>, offer: Offer) -> Result<Imagined, LedgerError> {
        let Imagining { agent, policy, request, max_price, funds } = *asked;
        let view = View {
            agent: agent.to_owned(),
            identity: None,
            led_from: None,
            policy: policy.clone(),
            url: Some(request.url.clone()),
            payees: vec![offer.payee.to_string()],
            now: self.now(),
        };
        let mut snapshot = self.ledger.snapshot(view).await?;
        snapshot.payees_before.clear();
        let question = policy::Question { request, max_price, funds };
        let rules = policy::explain(policy, &question, &offer, &snapshot);
        let decision = policy::decide(policy, &question, &[Listed::Payable(Box::new(offer))], &snapshot).decision;
        Ok(Imagined { rules, decision, is_frozen: snapshot.frozen })
    }

    /// An offer of this price as the allowed networks would have it.
    pub(crate) fn offer_at(&self, policy: &Policy, url: &Url, price: Usd) -> Option<Offer> {
        let pays = |asset: &&Asset| asset.usd == Rate::ONE;
        let asset = policy.networks.iter().find_map(|network| self.assets.on(network).find(pays))?;
        let (amount, scheme) = (asset.amount_of(price)?, Scheme::exact(asset));
        offer_of(policy, url, ImaginedTerms { asset, amount, usd: price, scheme, dialect: Dialect::X402V2 })
    }
}

/// What an offer would ask for.
pub(crate) struct ImaginedTerms<'a> {
    pub asset: &'a Asset,
    pub amount: Amount,
    pub usd: Usd,
    pub scheme: Scheme,
    pub dialect: Dialect,
}

/// An offer of these terms, to whom the place's rule pays, or to nobody in particular.
pub(crate) fn offer_of(policy: &Policy, url: &Url, terms: ImaginedTerms<'_>) -> Option<Offer> {
    let ImaginedTerms { asset, amount, usd, scheme, dialect } = terms;
    let named = policy.place(url).rule.and_then(|rule| rule.payees.first());
    let payee = named.and_then(|payee| Account::parse(asset.network(), payee).ok());
    Some(Offer {
        scheme,
        usd,
        amount,
        payee: payee.unwrap_or_else(|| Account::anybody(asset.network())),
        window_secs: 60,
        takes_first: false,
        carrier: Carrier::Headers,
        echo: Echo::imagined(dialect)?,
        asset: asset.clone(),
    })
}
