//! What another policy would have done to the recorded past.
//!
//! The past is played oldest first into an empty ledger in memory: the same snapshot is read and the same `decide()` asked
//! as in life, and what it lets through is counted there. Nothing of the real ledger is written.

use std::sync::Arc;

use url::Url;

use super::authorize::{self, View};
use super::budget::{self, Counted};
use super::engine::Conn;
use super::log::{self, Filter};
use super::read::{Entry, PaymentTerms};
use super::{Ledger, LedgerError, sqlite};
use crate::money::{Account, Amount, Assets, Usd};
use crate::offer::{Carrier, Dialect, Echo, Listed, Offer, Scheme};
use crate::policy::rules::TOOL_CHANGED;
use crate::policy::{self, Decision, Funds, Policy, Question, ToolChange};
use crate::reason::Reason;
use crate::request::Request;
use crate::time::Time;

/// What became of a purchase, then or by another policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Money was paid.
    Paid,
    /// The owner was asked.
    Asked,
    /// Refused.
    Refused,
}

/// One purchase of the past, judged anew.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The purchase.
    pub entry: Entry,
    /// In US dollars.
    pub usd: Usd,
    /// What was done then.
    pub then: Fate,
    /// `Asked` of what was paid then is paid again: the owner would have said yes.
    pub now: Fate,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
}

/// What was refused for these would have been by any policy: the owner's own no, the call's own ceiling, an empty wallet;
/// and an agent in a loop, whose refusals are not all in the log.
pub(super) const NO_POLICY: [&str; 5] =
    ["frozen", "denied_by_owner", "over_max_price", "insufficient_funds", "too_many_refusals"];

impl Ledger {
    /// Plays everything since then to a policy, one purchase after the other. Answers how many could not be: their terms
    /// are not known, or name an asset that is not known any more.
    pub async fn replay<V>(
        &self,
        policy: Arc<Policy>,
        assets: Assets,
        since: Option<Time>,
        mut visit: V,
    ) -> Result<u64, LedgerError>
    where
        V: FnMut(Replayed) + Send + 'static,
    {
        self.read_log(move |conn| {
            let stage = sqlite::in_memory()?;
            let mut filter = Filter { since, oldest_first: true, limit: 500, ..Filter::default() };
            let mut skipped = 0;
            loop {
                let (entries, next) = log::entries(conn, &filter)?;
                for entry in entries {
                    match (fate(&entry), imagined(&entry, &assets)) {
                        (None, _) => {}
                        (Some(then), Some(offer)) => visit(play(&stage, &policy, entry, offer, then)?),
                        (Some(_), None) => skipped += 1,
                    }
                }
                filter.after = next;
                if next.is_none() {
                    return Ok(skipped);
                }
            }
        })
        .await
    }
}

/// What became of it. Nothing of what never came to a price, nor of what lapsed or was released: nobody was paid.
fn fate(entry: &Entry) -> Option<Fate> {
    match entry.state.as_str() {
        "settled" | "held" | "authorized" => Some(Fate::Paid),
        "needs_approval" | "denied" | "expired" => Some(Fate::Asked),
        "refused" => entry.terms.as_ref().map(|_| Fate::Refused),
        _ => None,
    }
}

fn play(
    stage: &dyn Conn,
    policy: &Arc<Policy>,
    entry: Entry,
    offer: Offer,
    then: Fate,
) -> Result<Replayed, LedgerError> {
    if then == Fate::Refused && entry.reasons.iter().any(|reason| NO_POLICY.contains(&reason.code.as_str())) {
        return Ok(Replayed { usd: offer.usd, reasons: entry.reasons.clone(), entry, then, now: then });
    }
    let asked = Url::parse(&entry.url).map_err(super::damaged)?;
    let url = entry.final_url.as_deref().map_or(Ok(asked.clone()), Url::parse).map_err(super::damaged)?;
    let request = Request { method: entry.method.clone(), url: url.clone(), headers: Vec::new(), body: Vec::new() };
    let view = View {
        agent: entry.agent.clone(),
        identity: None,
        led_from: Some(asked.clone()),
        policy: policy.clone(),
        url: Some(url.clone()),
        payees: vec![offer.payee.to_string()],
        now: entry.at,
    };
    let mut snapshot = authorize::snapshot(stage, &view, entry.at)?;
    if entry.reasons.iter().any(|reason| reason.code == TOOL_CHANGED) {
        // With which words, the log does not say.
        snapshot.tool_change = Some(ToolChange { since: entry.at, at: entry.at, words: [0; 32] });
    }
    let question = Question { request: &request, max_price: None, funds: &Funds::default() };
    let offers = [Listed::Payable(Box::new(offer.clone()))];
    let (now, reasons) = match policy::decide(policy, &question, &offers, &snapshot).decision {
        Decision::Allow(_) => (Fate::Paid, Vec::new()),
        Decision::Ask(_, reasons) => (Fate::Asked, reasons),
        Decision::Refuse(reasons) => (Fate::Refused, reasons),
    };
    if now == Fate::Paid || (now == Fate::Asked && then == Fate::Paid) {
        count(stage, policy, &entry, &[&asked, &url], &offer)?;
    }
    Ok(Replayed { usd: offer.usd, entry, then, now, reasons })
}

/// Spends it on the stage, so that what comes later finds it spent.
/// `led` is where it was asked for, and where it was paid.
fn count(stage: &dyn Conn, policy: &Policy, entry: &Entry, led: &[&Url; 2], offer: &Offer) -> Result<(), LedgerError> {
    let session = authorize::join_session(stage, &entry.agent, policy, entry.at)?;
    let domain = policy.domain_key(led[1]);
    let counted = Counted { at: entry.at, session, domain, payee: offer.payee.to_string(), usd: offer.usd };
    budget::count(stage, &counted)?;
    budget::remember_price(stage, led, offer.usd, entry.at)?;
    authorize::remember_payee(stage, led, offer.payee.address(), entry.at)
}

/// The offer as it was, from the terms in its row.
pub(super) fn imagined(entry: &Entry, assets: &Assets) -> Option<Offer> {
    let terms = entry.terms.as_ref()?;
    let PaymentTerms { most_usd, amount, payee, dialect, scheme, .. } = terms;
    let asset = assets.known(&terms.asset_account()?)?.clone();
    let payee = Account::parse(asset.network(), payee).ok()?;
    Some(Offer {
        scheme: Scheme::named(scheme, &asset)?,
        asset,
        amount: Amount::parse(amount)?,
        usd: *most_usd,
        payee,
        window_secs: 60,
        takes_first: false,
        carrier: Carrier::Headers,
        echo: Echo::imagined(Dialect::named(dialect))?,
    })
}
