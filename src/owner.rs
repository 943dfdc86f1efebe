//! What only the owner may know or do. Whoever calls this has made sure that it is the owner.

mod log;
mod notices;
pub(crate) mod passphrase;
mod replay;
mod rules;

use alloy_primitives::Address;
use url::Url;

use crate::account::{Shown, event, row};
use crate::bursar::{Audit, Bursar, Explained, Pending, Refusal, Story, anchor_of};
use crate::ledger::{Entry, Question, View};
use crate::money::{Amount, Asset, Network, Rate, Transfer, Usd};
use crate::offer::{Dialect, Echo, Listed, Offer};
use crate::policy::{self, ApprovedBy, Decision, Policy, Terms};
use crate::purchase::answer::{OfferVerdict, Row};
use crate::reason::{Reason, Who};
use crate::seller::Request;
use crate::settlement::Standing;
use crate::time::Time;
use crate::wallet::Anchor;
use crate::wish::{Call, Wish};

impl Bursar {
    pub async fn why(&self, id: &str) -> Result<Story, Refusal> {
        let entry = self.one(id).await?;
        let story = self.ledger.story(entry.row).await?.ok_or_else(|| nothing("that purchase is gone"))?;
        let json = |text: Option<String>| {
            text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(serde_json::Value::Null)
        };
        Ok(Story {
            row: row(&entry, Shown::Whole),
            url: entry.url.clone(),
            client: story.client,
            offers: json(story.offers),
            rules: json(story.rules),
            policy_hash: entry.policy.clone(),
            events: story.events.iter().map(event).collect(),
            receipt: story.receipt.and_then(|text| serde_json::from_str(&text).ok()),
            evidence: json(story.evidence),
            window_ends: entry.money.as_ref().map(|money| Time::from_secs(money.valid_before)),
        })
    }

    /// Questions that stand, oldest first.
    pub async fn pending(&self) -> Result<Vec<Pending>, Refusal> {
        Ok(self.ledger.pending(self.now()).await?.iter().map(|question| self.shown(question)).collect())
    }

    /// A yes for exactly what was shown. Here as below, `passphrase` is the owner's, where one is set.
    pub async fn approve(&self, shown: &Pending, passphrase: Option<&str>) -> Result<Pending, Refusal> {
        self.prove(passphrase).await?;
        self.answer_question(shown, true, ApprovedBy::Owner).await
    }

    pub async fn deny(&self, shown: &Pending) -> Result<Pending, Refusal> {
        self.answer_question(shown, false, ApprovedBy::Owner).await
    }

    pub(crate) async fn answer_question(&self, shown: &Pending, yes: bool, by: ApprovedBy) -> Result<Pending, Refusal> {
        let is_shown = |question: &Question| {
            question.entry.purchase_id == shown.purchase_id && question.entry.agent == shown.agent
        };
        let question = self.ledger.pending(self.now()).await?.into_iter().find(is_shown);
        let question =
            question.ok_or_else(|| nothing("no question stands under that id: it was answered, or expired"))?;
        let valid_for = self.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
        let valid_for = valid_for.approval.valid_for;
        let (row, terms) = (question.entry.row, Terms(shown.terms.clone()));
        self.ledger.answer(row, terms, yes, by, valid_for, self.now()).await?;
        let mut shown = self.shown(&question);
        shown.approved_until = yes.then(|| self.now().plus(valid_for));
        Ok(shown)
    }

    pub async fn freeze(&self, why: &str) -> Result<(), Refusal> {
        Ok(self.ledger.freeze(Some(why.to_owned()), self.now()).await?)
    }

    pub async fn thaw(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.prove(passphrase).await?;
        Ok(self.ledger.freeze(None, self.now()).await?)
    }

    /// Why everything is stopped, if it is.
    pub async fn frozen(&self) -> Result<Option<String>, Refusal> {
        Ok(self.ledger.frozen().await?)
    }

    /// Gives the budget of an open authorization back by the owner's word. The chain is still asked about it later.
    pub async fn release(&self, id: &str, passphrase: Option<&str>) -> Result<Row, Refusal> {
        self.prove(passphrase).await?;
        let entry = self.one(id).await?;
        let lease = entry.money.as_ref().and_then(|money| money.lease.as_deref());
        if lease.is_some_and(|lease| self.ledger.is_alive(lease)) {
            return Err(nothing("that payment is being presented at this moment: see what comes of it first"));
        }
        let released = serde_json::json!({ "by": "owner" });
        match self.ledger.move_to(entry.row, Standing::RELEASED, "released", released, self.now()).await? {
            true => Ok(row(&self.one(id).await?, Shown::Whole)),
            false => Err(nothing(&format!("that purchase is {} and holds no budget to give back", entry.state))),
        }
    }

    pub async fn audit(&self) -> Result<Audit, Refusal> {
        let found = self.ledger.audit().await?;
        Ok(Audit {
            purchases: found.purchases,
            authorizations: found.authorizations,
            events: found.events,
            settled_usd: found.settled,
            held_usd: found.held,
            violations: found.violations,
        })
    }

    /// What the policy would say of a price at a URL now, rule by rule. Nobody is asked, nothing is spent.
    pub async fn explain(&self, agent: &str, method: &str, url: &str, price: Usd) -> Result<Explained, Refusal> {
        let call = Call { url: url.to_owned(), method: Some(method.to_owned()), ..Call::default() };
        let wish = Wish::parse(agent, &call).map_err(|reasons| Refusal { reasons, next: "correct it".to_owned() })?;
        let policy = self.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
        let Request { method, url, .. } = &wish.request;
        let offer =
            self.imagined(&policy, url, price).ok_or_else(|| nothing("no network the policy allows has an asset"))?;
        let view = View {
            agent: agent.to_owned(),
            identity: None,
            policy: policy.clone(),
            url: Some(url.clone()),
            payees: vec![offer.payee],
            now: self.now(),
        };
        let mut snapshot = self.ledger.snapshot(view).await?;
        // Nobody is named as payee here, so nobody can be a new one.
        snapshot.payees_before.clear();
        let funds = self.known_funds().await;
        let question = policy::Question { method, url, max_price: None, funds: &funds };
        let rules = policy::explain(&policy, &question, &offer, &snapshot);
        let verdict = match policy::decide(&policy, &question, &[Listed::Payable(Box::new(offer))], &snapshot).decision
        {
            Decision::Allow(_) => OfferVerdict::Allow,
            Decision::Ask(..) => OfferVerdict::Ask,
            Decision::Refuse(_) => OfferVerdict::Refuse,
        };
        Ok(Explained { verdict, rules, change_not_applied: self.is_held_back() })
    }

    /// An offer of this price as the allowed networks would have it, to whom the place's rule pays, or to nobody in
    /// particular.
    fn imagined(&self, policy: &Policy, url: &Url, price: Usd) -> Option<Offer> {
        let pays = |asset: &&Asset| asset.transfer == Transfer::Eip3009 && asset.usd == Rate::ONE;
        let asset = policy.networks.iter().find_map(|network| self.assets.on(network).find(pays))?.clone();
        let amount = asset.amount_of(price)?;
        let payee = policy.place(url).rule.and_then(|rule| rule.payees.first().copied());
        Some(Offer {
            dialect: Dialect::X402V2,
            scheme: "exact".to_owned(),
            usd: price,
            amount,
            payee: payee.unwrap_or(Address::repeat_byte(0x11)),
            window_secs: 60,
            echo: Echo { accepted: "{}".to_owned(), resource: None, extensions: None },
            asset,
        })
    }

    /// Accepts a restored ledger: it becomes this wallet's, and every window counts as full until it rolls.
    pub async fn adopt(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.prove(passphrase).await?;
        let Some(wallet) = &self.wallet else { return Err(nothing("there is no wallet to adopt a ledger for")) };
        self.is_the_owners(self.guarded()?.as_ref()).await?;
        let failed = |cause: crate::wallet::WalletError| Refusal::of(cause.code(), cause, "make the wallet reachable");
        let kept = wallet.anchor().await.map_err(failed)?;
        self.ledger.adopt(kept.as_ref().map_or(0, |kept| kept.authorizations), self.now()).await?;
        let owner = kept.and_then(|kept| kept.owner);
        wallet.adopt(Anchor { owner, ..anchor_of(self.ledger.seal().await?) }).await.map_err(failed)
    }

    /// The one purchase an id means, which may be shortened.
    async fn one(&self, id: &str) -> Result<Entry, Refusal> {
        let mut matching = self.ledger.matching(id.to_owned()).await?;
        match matching.len() {
            0 => Err(nothing("no purchase has that id")),
            1 => Ok(matching.remove(0)),
            _ if is_named(&matching[0], id) && !is_named(&matching[1], id) => Ok(matching.remove(0)),
            _ if is_named(&matching[0], id) => {
                Err(nothing("several agents have a purchase of that id: write AGENT/ID"))
            }
            _ => Err(nothing("several purchases have an id that begins like that: write more of it")),
        }
    }

    /// An amount as a person reads it; atomic where the asset is not known any more.
    fn whole_units(&self, terms: &crate::ledger::Terms) -> String {
        let known = terms.asset_address.parse().ok().zip(Amount::parse(&terms.amount));
        let shown = known.and_then(|(address, amount)| {
            Some(self.assets.known(&Network::new(terms.network.clone()), address)?.units(amount))
        });
        shown.unwrap_or_else(|| terms.amount.clone())
    }

    fn shown(&self, question: &Question) -> Pending {
        let entry = &question.entry;
        let terms = entry.terms.as_ref();
        let text = |read: fn(&crate::ledger::Terms) -> &String| terms.map(read).cloned().unwrap_or_default();
        Pending {
            purchase_id: entry.purchase_id.clone(),
            agent: entry.agent.clone(),
            asked_at: question.asked_at,
            expires_at: question.expires_at,
            method: entry.method.clone(),
            url: entry.final_url.as_ref().unwrap_or(&entry.url).clone(),
            led_from: entry.final_url.as_ref().map(|_| entry.url.clone()),
            domain: entry.domain.clone(),
            amount_usd: terms.map(|terms| terms.usd).unwrap_or_default(),
            amount: terms.map(|terms| self.whole_units(terms)).unwrap_or_default(),
            asset: text(|terms| &terms.asset),
            network: text(|terms| &terms.network),
            payee: text(|terms| &terms.payee),
            reasons: entry.reasons.clone(),
            approved_until: question.approved_until,
            terms: question.terms.0.clone(),
        }
    }
}

/// By its whole id, or with its agent before it: agents choose ids, and two may choose the same.
fn is_named(entry: &Entry, id: &str) -> bool {
    entry.purchase_id == id
        || id.strip_suffix(&entry.purchase_id).is_some_and(|agent| agent == format!("{}/", entry.agent))
}

fn nothing(message: &str) -> Refusal {
    let reason = Reason::new("not_possible", "bursar", message, Who::Owner);
    Refusal { reasons: vec![reason], next: "`bursar log` and `bursar pending` show what there is".to_owned() }
}
