//! What the policy would say of a thing at the price it claims, and what this wallet has had of its seller.

use std::sync::Arc;

use url::Url;

use super::merge::Candidate;
use crate::answer::{FindVerdict, FoundKind, FoundThing, Refusal};
use crate::imagine::{self, ImaginedTerms, Imagining};
use crate::listing::{ClaimedPrice, ListedThing, PriceNote};
use crate::money::{Amount, Asset, TransferMethod, Usd};
use crate::offer::{Dialect, Offer, Scheme};
use crate::parts::Parts;
use crate::policy::{self, Decision, Policy};
use crate::reason::{Reason, Who};
use crate::request::{MaxPrice, Request, SetBy};
use crate::wish;

/// A thing as it is told, with what it is put in order by.
pub struct Weighed {
    pub matched: usize,
    pub found: FoundThing,
}

pub async fn all(
    house: &Parts,
    agent: &str,
    ceiling: Option<Usd>,
    policy: &Arc<Policy>,
    candidates: Vec<Candidate>,
) -> Result<Vec<Weighed>, Refusal> {
    let funds = house.known_funds().await;
    let max_price = ceiling.map(|usd| MaxPrice { usd, set_by: SetBy::Host });
    let mut weighed = Vec::new();
    for candidate in candidates {
        let request = place_of(&candidate.thing);
        let asked = Imagining { agent, policy, request: &request, max_price, funds: &funds };
        let (verdict, mut reasons) = verdict(house, &asked, candidate.price.as_ref()).await?;
        reasons.extend(house.not_applied());
        let (site, place) = (policy::site(&request.url).to_owned(), wish::place(&request.url));
        let last = house.ledger.last_paid(site, place).await?;
        let known = house.known_seller(&request.url).await;
        let is_open = candidate.price.as_ref().is_some_and(|price| rank(price, policy) == 0);
        let payable = is_open && !matches!(verdict, FindVerdict::Unknown | FindVerdict::Unpayable);
        let Candidate { matched, thing, price, claimed_by } = candidate;
        let found = FoundThing {
            payable,
            verdict,
            reasons,
            known,
            last_paid_usd: last.map(|last| last.usd),
            last_paid_at: last.map(|last| last.at),
            claimed_by,
            ..told(thing, price)
        };
        weighed.push(Weighed { matched, found });
    }
    Ok(weighed)
}

/// What would be asked for: the request itself, or a call of the tool.
pub fn place_of(thing: &ListedThing) -> Request {
    match &thing.tool {
        Some(tool) => Request::of_tool(&thing.url, tool, b"{}".to_vec()),
        None => {
            let method = thing.method.clone().unwrap_or_else(|| "GET".to_owned());
            Request { method, url: thing.url.clone(), headers: Vec::new(), body: Vec::new() }
        }
    }
}

/// Of several ways to pay, what this wallet would take: what it can pay, then the cheapest.
pub fn best<'a>(prices: &'a [ClaimedPrice], policy: &Policy) -> Option<&'a ClaimedPrice> {
    prices.iter().min_by_key(|price| (rank(price, policy), price.usd.unwrap_or(Usd::MAX)))
}

/// Lowest first: what the policy opens, what it does not, what could never be paid.
fn rank(price: &ClaimedPrice, policy: &Policy) -> u8 {
    match (&price.known, scheme(price)) {
        (Some(asset), Some(scheme)) if price.usd.is_some() => {
            let is_open =
                policy.networks.contains(asset.network()) && policy.schemes.iter().any(|open| open == scheme.name());
            if is_open { 0 } else { 1 }
        }
        // In dollars alone: where it is paid is for the 402 to say.
        (None, _) if price.note == Some(PriceNote::NetworkNotNamed) && is_spoken(price.dialect) => 0,
        _ => 2,
    }
}

async fn verdict(
    house: &Parts,
    asked: &Imagining<'_>,
    price: Option<&ClaimedPrice>,
) -> Result<(FindVerdict, Vec<Reason>), Refusal> {
    let Some(price) = price else { return Ok((FindVerdict::Unknown, vec![no_price(None)])) };
    if let Some(reason) = unpayable(price) {
        return Ok((FindVerdict::Unpayable, vec![reason]));
    }
    let Some(offer) = offer(house, asked.policy, &asked.request.url, price) else {
        return Ok((FindVerdict::Unknown, vec![no_price(price.note)]));
    };
    let decision = house.imagine(asked, offer).await?.decision;
    let (verdict, mut reasons) = match decision {
        Decision::Allow(_) => (FindVerdict::Allow, Vec::new()),
        Decision::Ask(_, reasons) => (FindVerdict::Ask, reasons),
        Decision::Refuse(reasons) => (FindVerdict::Refuse, reasons),
    };
    if house.wallet.is_some() {
        return Ok((verdict, reasons));
    }
    reasons.push(Reason::new("no_wallet", "wallet", "this bursar has no wallet yet", Who::Owner));
    Ok((FindVerdict::Unpayable, reasons))
}

/// The offer that the claim would be, were it true.
fn offer(house: &Parts, policy: &Policy, url: &Url, price: &ClaimedPrice) -> Option<Offer> {
    let usd = price.usd?;
    match (&price.known, price.amount, scheme(price)) {
        (Some(asset), Some(amount), Some(scheme)) => {
            imagine::offer_of(policy, url, ImaginedTerms { asset, amount, usd, scheme, dialect: price.dialect })
        }
        _ => house.offer_at(policy, url, usd),
    }
}

/// What would be signed; none where bursar signs nothing like it.
fn scheme(price: &ClaimedPrice) -> Option<Scheme> {
    let asset = price.known.as_ref()?;
    match (price.dialect, price.scheme.as_str()) {
        (Dialect::X402V1 | Dialect::X402V2, name @ ("exact" | "upto")) => Scheme::named(name, asset),
        (Dialect::Mpp, "evm/charge") => is_moved_by(asset, TransferMethod::Eip3009).then_some(Scheme::Eip3009),
        (Dialect::Mpp, "tempo/charge") => {
            is_moved_by(asset, TransferMethod::Tip20).then_some(Scheme::Tempo(Amount::default()))
        }
        // A directory that says no more than the protocol leaves the rest to the 402.
        (Dialect::Mpp, "") => Some(Scheme::exact(asset)),
        _ => None,
    }
}

fn is_moved_by(asset: &Asset, method: TransferMethod) -> bool {
    asset.transfer == method
}

fn is_spoken(dialect: Dialect) -> bool {
    match dialect {
        Dialect::X402V1 | Dialect::X402V2 | Dialect::Mpp => true,
        Dialect::L402 | Dialect::Cashu | Dialect::PayPerCrawl | Dialect::Unknown => false,
    }
}

/// Why it could not be paid at any price. The words are ours alone.
fn unpayable(price: &ClaimedPrice) -> Option<Reason> {
    let says = |code, message| Some(Reason::new(code, "offer", message, Who::Agent));
    match price.note {
        Some(PriceNote::UnitsUnclear) => None,
        _ if !is_spoken(price.dialect) && price.dialect != Dialect::Unknown => {
            says("dialect_not_supported", "it is said to be paid in a way that bursar recognises and does not speak")
        }
        Some(PriceNote::UnknownAsset) => {
            says("unknown_asset", "it is said to be paid in an asset, or on a network, that bursar does not know")
        }
        None | Some(PriceNote::ClaimsDiffer) if price.known.is_some() && scheme(price).is_none() => {
            says("scheme_not_supported", "it is said to be paid by a scheme that bursar does not know")
        }
        _ => None,
    }
}

fn no_price(note: Option<PriceNote>) -> Reason {
    let message = match note {
        Some(PriceNote::Varies) => "what it costs depends on the call: quote says it",
        Some(PriceNote::UnitsUnclear) => {
            "whether its price is in dollars or in base units cannot be told: quote says it"
        }
        _ => "no price is listed that can be read: quote says it",
    };
    Reason::new("price_unknown", "directory", message, Who::Agent)
}

/// What the directories claim of it, and nothing else yet.
fn told(thing: ListedThing, price: Option<ClaimedPrice>) -> FoundThing {
    let url = thing.url.to_string();
    let is_tool = thing.tool.is_some();
    let said = |read: fn(&ClaimedPrice) -> &String| price.as_ref().map(read).filter(|text| !text.is_empty()).cloned();
    FoundThing {
        kind: if is_tool { FoundKind::Tool } else { FoundKind::Http },
        name: thing.name,
        description: thing.description,
        url: (!is_tool).then(|| url.clone()),
        server: is_tool.then_some(url),
        tool: thing.tool,
        method: thing.method,
        arguments: thing.arguments,
        price_usd: price.as_ref().and_then(|price| price.usd),
        amount_atomic: price.as_ref().and_then(|price| price.amount).map(|amount| amount.to_string()),
        asset: said(|price| &price.asset),
        network: said(|price| &price.network),
        scheme: said(|price| &price.scheme),
        price_note: price.as_ref().and_then(|price| price.note),
        payable: false,
        verdict: FindVerdict::Unknown,
        reasons: Vec::new(),
        known: None,
        last_paid_usd: None,
        last_paid_at: None,
        health: Some(thing.health).filter(|health| !health.is_empty()),
        claimed_by: Vec::new(),
    }
}
