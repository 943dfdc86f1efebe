//! `quote`: the first half of the flow, which never pays.

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::ask::seller_reason;
use super::challenge::Heard as HeardChallenge;
use super::consider::Considered;
use super::{refuse, tell};
use crate::answer::{BudgetLeft, OfferVerdict, Quote, QuotedOffer, SellerKnown, SignedTerms};
use crate::ledger::SellerFilter;
use crate::limits;
use crate::offer::{Attested, Listed};
use crate::parts::Look;
use crate::parts::Parts;
use crate::policy::{self, Decided, Decision, Policy, Verdict};
use crate::ports::{Egress, Progress, Reply};
use crate::reason::Reason;
use crate::wish::{Call, Wish};

impl Parts {
    /// Sends the request unpaid and says what would come of paying. A free endpoint runs, and its answer is inside.
    pub(crate) async fn quote(self: &Arc<Parts>, agent: &str, call: Call) -> Quote {
        match self.try_quote(agent, call).await {
            Ok(quote) => quote,
            Err(reasons) => nothing(reasons),
        }
    }

    async fn try_quote(&self, agent: &str, call: Call) -> Result<Quote, Vec<Reason>> {
        let wish = Wish::parse(agent, &call)?;
        let policy = self.policy().map_err(|reason| vec![reason])?;
        let egress = Egress { allow: &policy.egress };
        let unheard = Progress::unheard();
        let asking = self.seller.ask(&wish.request, egress, &unheard);
        let (asked, ()) = tokio::join!(asking, self.first_look_at_funds());
        let reply = asked.map_err(|cause| vec![seller_reason(&cause)])?;
        match reply.status {
            402 => self.priced(&wish, reply, policy).await,
            _ => Ok(free(&wish, &reply)),
        }
    }

    async fn priced(&self, wish: &Wish, reply: Reply, policy: Arc<Policy>) -> Result<Quote, Vec<Reason>> {
        let look = Look::at(&*self.clock);
        let considered = self.consider(HeardChallenge { reply, at: look.said, look }, policy, wish).await;
        let considered = considered.map_err(|reason| vec![reason])?;
        let decided = considered.decide(wish);
        let left = policy::budget_left(&considered.policy, &considered.reply.request.url, &considered.snapshot);
        let seller = self.known_seller(&considered.reply.request.url).await;
        let budget_left_usd = Some(BudgetLeft { session: left.session, domain: left.domain, day: left.day });
        let (payable, mut reasons, next) = conclude(&decided);
        reasons.extend(self.not_applied());
        Ok(Quote {
            payable,
            http: Some(tell::http_of(&considered.reply)),
            body: None,
            offers: considered
                .listed
                .iter()
                .zip(decided.verdicts)
                .map(|(listed, verdict)| quoted(listed, verdict, considered.attested(listed)))
                .collect(),
            chosen: decided.chosen,
            seller,
            budget_left_usd,
            reasons,
            next,
            failed: false,
        })
    }
}

impl Parts {
    /// What the ledger has of whoever would be paid there. A ledger that cannot be read says nothing.
    pub(crate) async fn known_seller(&self, url: &Url) -> Option<SellerKnown> {
        let since = Some(self.now().minus(limits::SELLER_MEMORY));
        let filter = SellerFilter { since, site: Some(policy::site(url).to_owned()) };
        let counts = self.ledger.sellers(filter).await.ok()?.pop()?;
        Some(SellerKnown {
            days: limits::SELLER_MEMORY.as_secs() / (24 * 3600),
            paid: counts.paid,
            delivered: counts.delivered,
            bad: counts.bad(),
            lied: counts.lied,
            domain: counts.site,
        })
    }
}

/// What was offered and what the policy said of it, for the row.
pub(super) fn for_the_record(considered: &Considered, verdicts: &[Verdict]) -> Value {
    let one = |(listed, verdict): (&Listed, &Verdict)| {
        let mut one = json!({
            "dialect": listed.dialect(),
            "scheme": listed.scheme(),
            "network": listed.network(),
            "asset": listed.asset(),
            "amount_usd": listed.amount_usd(),
            "amount_atomic": listed.amount_atomic(),
            "payee": listed.payee(),
            "verdict": kind_of(verdict),
            "unpayable": listed.reason(),
            "needs": listed.needs(),
        });
        if let Some(attested) = considered.attested(listed) {
            one["signed"] = json!(attested);
        }
        one
    };
    considered.listed.iter().zip(verdicts).map(one).collect()
}

fn conclude(decided: &Decided) -> (bool, Vec<Reason>, String) {
    match &decided.decision {
        Decision::Allow(offer) => (true, Vec::new(), format!("fetch_paid would pay ${} for this", offer.usd)),
        Decision::Ask(offer, reasons) => {
            (false, reasons.clone(), format!("the owner would have to approve ${} first", offer.usd))
        }
        Decision::Refuse(reasons) => (false, reasons.clone(), refuse::next_step(reasons)),
    }
}

fn free(wish: &Wish, reply: &Reply) -> Quote {
    Quote {
        payable: false,
        http: Some(tell::http_of(reply)),
        body: Some(tell::body_of(reply, wish.max_chars)),
        offers: Vec::new(),
        chosen: None,
        seller: None,
        budget_left_usd: None,
        reasons: Vec::new(),
        next: "the seller asked for no money: this is its answer".to_owned(),
        failed: false,
    }
}

fn nothing(reasons: Vec<Reason>) -> Quote {
    let next = refuse::next_step(&reasons);
    Quote {
        payable: false,
        http: None,
        body: None,
        offers: Vec::new(),
        chosen: None,
        seller: None,
        budget_left_usd: None,
        reasons,
        next,
        failed: true,
    }
}

fn kind_of(verdict: &Verdict) -> OfferVerdict {
    match verdict {
        Verdict::Allow => OfferVerdict::Allow,
        Verdict::Ask(_) => OfferVerdict::Ask,
        Verdict::Refuse(_) => OfferVerdict::Refuse,
        Verdict::Unpayable(_) => OfferVerdict::Unpayable,
    }
}

fn quoted(listed: &Listed, verdict: Verdict, attested: Option<Attested>) -> QuotedOffer {
    let said = kind_of(&verdict);
    let reasons = match verdict {
        Verdict::Allow => Vec::new(),
        Verdict::Ask(reasons) | Verdict::Refuse(reasons) | Verdict::Unpayable(reasons) => reasons,
    };
    QuotedOffer {
        dialect: listed.dialect(),
        scheme: listed.scheme().to_owned(),
        network: listed.network().to_owned(),
        asset: listed.asset().to_owned(),
        amount_usd: listed.amount_usd(),
        amount_atomic: listed.amount_atomic(),
        payee: listed.payee(),
        verdict: said,
        reasons,
        signed: attested.as_ref().map(signed),
    }
}

fn signed(attested: &Attested) -> SignedTerms {
    SignedTerms { verdict: attested.verdict, signer: attested.signer.clone(), says: attested.sentence("offer") }
}
