//! What only the owner may know or do. Whoever makes this handle has made sure that it is the owner.

mod allowance;
mod backup;
mod glance;
mod log;
mod overview;
pub(crate) mod passphrase;
mod replay;
mod rules;
mod sellers;
mod server;
mod unmet;

pub use glance::{Glance, glance};
pub use overview::*;
pub use passphrase::{Afar, is_the_owner_by_seal};

pub use crate::ledger::{By, LedgerRoles, ServerStanding, versions};
pub use crate::whereabouts::init_ledger_roles;
pub use server::{LedgerServerLook, look_at_server};

use std::sync::{Arc, Weak};

use crate::account::{Shown, event, row};
use crate::agent::Agent;
use crate::answer::{Audit, Explained, OfferVerdict, Pending, Reconciled, Refusal, Row, Story};
use crate::goods::Goods;
use crate::imagine::{Imagined, Imagining};
use crate::ledger::{Entry, LedgerError};
use crate::money::{Rail, Usd};
use crate::parts::Parts;
use crate::policy::{self, ApprovedBy, Decision};
use crate::reason::{Reason, Who};
use crate::seal::{self, Foreign, anchor_of};
use crate::settlement::Standing;
use crate::time::Time;
use crate::wallet::{Anchor, WalletError};
use crate::wish::{self, Call, ToolCall, Wish};
use crate::{funds, questions};

/// The owner's handle on the house: what any agent may, and everything else.
#[derive(Clone)]
pub struct Owner {
    parts: Arc<Parts>,
}

/// Whether the ledger is the one this wallet has been spending from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerSeal {
    /// There is no key to keep a seal beside.
    NoWallet,
    /// The key's place could not be read.
    Unseen(String),
    /// It is another ledger.
    Replaced,
    /// It is an old copy.
    RolledBack,
    /// It came out of a backup, and was not adopted yet.
    Restored,
    /// Somebody without the key changed what is kept beside it.
    Tampered,
    /// It is.
    Own,
    /// Nothing was spent yet.
    Unspent,
}

/// One that does not keep the house: for what the house itself holds.
pub struct WeakOwner(Weak<Parts>);

impl WeakOwner {
    /// None: the house is gone.
    pub fn upgrade(&self) -> Option<Owner> {
        self.0.upgrade().map(Owner::new)
    }
}

impl Owner {
    pub(crate) fn new(parts: Arc<Parts>) -> Owner {
        Owner { parts }
    }

    /// Does not keep the house.
    pub fn downgrade(&self) -> WeakOwner {
        WeakOwner(Arc::downgrade(&self.parts))
    }

    /// What an agent of this name may.
    pub fn agent(&self, name: &str) -> Agent {
        Agent::new(self.parts.clone(), name)
    }

    /// Goes on for the owner only: where a passphrase is set, this has to be it. The seal is asked whether one is.
    pub async fn is_the_owner(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.owners().await?;
        self.prove(passphrase).await
    }

    /// What time it is, by the house's clock.
    pub fn now(&self) -> Time {
        self.parts.now()
    }

    /// What was changed, and its owner has not applied it.
    pub fn held_back(&self) -> Option<&'static str> {
        self.parts.rules.held_back()
    }

    /// Asks the chains about everything unproven, and moves what they prove.
    pub async fn reconcile(&self) -> Result<Reconciled, Refusal> {
        self.parts.reconcile().await
    }

    /// Asks the nodes what the wallet holds.
    pub async fn read_funds(&self) {
        funds::read(&self.parts).await;
    }

    /// Questions that stand, oldest first.
    pub async fn pending(&self) -> Result<Vec<Pending>, Refusal> {
        questions::pending(&self.parts).await
    }

    /// The ledger held against what is kept beside the key; nothing is written. While the key is locked, a note that
    /// tells of another ledger is believed, and one that does not proves nothing.
    pub async fn ledger_seal(&self) -> Result<LedgerSeal, Refusal> {
        let Some(wallet) = &self.parts.wallet else { return Ok(LedgerSeal::NoWallet) };
        let (kept, locked) = match wallet.anchor().await {
            Ok(kept) => (kept, None),
            Err(WalletError::AnchorDamaged) => return Ok(LedgerSeal::Tampered),
            Err(cause) => (wallet.noted().await.ok().flatten(), Some(cause)),
        };
        // Read last: it may come further while the key is read.
        let ours = self.parts.ledger.seal().await?;
        let foreign = kept.as_ref().and_then(|kept| seal::foreign(kept, &ours));
        Ok(match (foreign, kept, locked) {
            (Some(Foreign::Replaced), ..) => LedgerSeal::Replaced,
            (Some(Foreign::RolledBack), ..) => LedgerSeal::RolledBack,
            (Some(Foreign::Restored), ..) => LedgerSeal::Restored,
            (None, _, Some(cause)) => LedgerSeal::Unseen(cause.to_string()),
            (None, Some(_), None) => LedgerSeal::Own,
            (None, None, None) => LedgerSeal::Unspent,
        })
    }

    /// What is wrong with the ledger's file itself, if anything is.
    pub async fn ledger_damage(&self) -> Result<Option<String>, Refusal> {
        match self.parts.ledger.damage().await {
            Err(LedgerError::Damaged(cause)) => Ok(Some(cause)),
            said => Ok(said?),
        }
    }

    /// Whether the key for this kind of chain can be read now.
    pub async fn reads_key(&self, rail: Rail) -> Result<(), WalletError> {
        match &self.parts.wallet {
            Some(wallet) => wallet.unlock().await?.has(rail),
            None => Ok(()),
        }
    }

    /// Everything known about one purchase.
    pub async fn why(&self, id: &str) -> Result<Story, Refusal> {
        let entry = self.one(id).await?;
        let story = self.parts.ledger.story(entry.row).await?.ok_or_else(|| nothing("that purchase is gone"))?;
        let json = |text: Option<String>| {
            text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(serde_json::Value::Null)
        };
        Ok(Story {
            row: row(&entry, Shown::Whole),
            url: wish::whole(&entry.url),
            server: wish::server(&entry.url),
            client: story.client,
            offers: json(story.offers),
            rules: policy::from_the_record(json(story.rules)),
            policy_hash: entry.policy.clone(),
            events: story.events.iter().map(event).collect(),
            complaint: entry.goods.as_ref().and_then(Goods::complaint),
            receipt: story.receipt.and_then(|text| serde_json::from_str(&text).ok()),
            evidence: json(story.evidence),
            window_ends: entry.money.as_ref().map(|money| Time::from_secs(money.ends)),
        })
    }

    /// A yes for exactly what was shown. Here as below, `passphrase` is the owner's, where one is set.
    pub async fn approve(&self, shown: &Pending, passphrase: Option<&str>) -> Result<Pending, Refusal> {
        self.prove(passphrase).await?;
        questions::answer(&self.parts, shown, true, ApprovedBy::Owner).await
    }

    /// A no for exactly what was shown.
    pub async fn deny(&self, shown: &Pending) -> Result<Pending, Refusal> {
        questions::answer(&self.parts, shown, false, ApprovedBy::Owner).await
    }

    /// Stops all spending.
    pub async fn freeze(&self, why: &str) -> Result<(), Refusal> {
        Ok(self.parts.ledger.freeze(Some(why.to_owned()), self.parts.now()).await?)
    }

    /// Lets spending go on.
    pub async fn thaw(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.prove(passphrase).await?;
        Ok(self.parts.ledger.freeze(None, self.parts.now()).await?)
    }

    /// Why everything is stopped, if it is.
    pub async fn frozen(&self) -> Result<Option<String>, Refusal> {
        Ok(self.parts.ledger.frozen().await?)
    }

    /// Gives the budget of an open authorization back by the owner's word. The chain is still asked about it later.
    pub async fn release(&self, id: &str, passphrase: Option<&str>) -> Result<Row, Refusal> {
        self.prove(passphrase).await?;
        let entry = self.one(id).await?;
        let lease = entry.money.as_ref().and_then(|money| money.lease.as_deref());
        if lease.is_some_and(|lease| self.parts.ledger.is_alive(lease)) {
            return Err(nothing("that payment is being presented at this moment: see what comes of it first"));
        }
        let released = serde_json::json!({ "by": "owner" });
        match self
            .parts
            .ledger
            .move_to(entry.row, Standing::RELEASED, "released", released, None, self.parts.now())
            .await?
            .went
        {
            true => Ok(row(&self.one(id).await?, Shown::Whole)),
            false => Err(nothing(&format!("that purchase is {} and holds no budget to give back", entry.state))),
        }
    }

    /// Derives everything anew and says what does not agree.
    pub async fn audit(&self) -> Result<Audit, Refusal> {
        let found = self.parts.ledger.audit().await?;
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
        self.explained(agent, Wish::parse(agent, &call), price).await
    }

    /// The same of a tool of an MCP server.
    pub async fn explain_tool(&self, agent: &str, server: &str, tool: &str, price: Usd) -> Result<Explained, Refusal> {
        let call = ToolCall { server: server.to_owned(), tool: tool.to_owned(), ..ToolCall::default() };
        self.explained(agent, Wish::of_tool(agent, &call), price).await
    }

    async fn explained(&self, agent: &str, wish: Result<Wish, Vec<Reason>>, price: Usd) -> Result<Explained, Refusal> {
        let wish = wish.map_err(|reasons| Refusal { reasons, next: "correct it".to_owned() })?;
        let policy =
            self.parts.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
        let url = &wish.request.url;
        let offer = self.parts.offer_at(&policy, url, price);
        let offer = offer.ok_or_else(|| nothing("no network the policy allows has an asset"))?;
        let (request, funds) = (&wish.request, self.parts.known_funds().await);
        let asked = Imagining { agent, policy: &policy, request, max_price: None, funds: &funds };
        let Imagined { rules, decision, is_frozen } = self.parts.imagine(&asked, offer).await?;
        let verdict = match decision {
            Decision::Allow(_) => OfferVerdict::Allow,
            Decision::Ask(..) => OfferVerdict::Ask,
            Decision::Refuse(_) => OfferVerdict::Refuse,
        };
        let signing_in = policy::SigningIn { request, was_bought: true, is_frozen };
        let sign_in = policy::sign_in_report(&policy, &signing_in);
        Ok(Explained { verdict, rules, sign_in, change_not_applied: self.parts.is_held_back() })
    }

    /// Accepts a restored ledger: it becomes this wallet's, and every window counts as full until it rolls.
    pub async fn adopt(&self, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.prove(passphrase).await?;
        let Some(wallet) = &self.parts.wallet else { return Err(nothing("there is no wallet to adopt a ledger for")) };
        self.owners().await?;
        let failed = |cause: crate::wallet::WalletError| Refusal::of(cause.code(), cause, "make the wallet reachable");
        let kept = wallet.anchor().await.map_err(failed)?;
        self.parts.ledger.adopt(kept.as_ref().map_or(0, |kept| kept.authorizations), self.parts.now()).await?;
        let owner = kept.and_then(|kept| kept.owner);
        if let Some(mark) = &owner {
            // A ledger of before the passphrase knows of none.
            self.parts.ledger.note_owner(Some(mark.verifier.clone()), self.parts.now()).await?;
        }
        wallet.adopt(Anchor { owner, ..anchor_of(self.parts.ledger.seal().await?) }).await.map_err(failed)
    }

    /// The one purchase an id means, which may be shortened.
    async fn one(&self, id: &str) -> Result<Entry, Refusal> {
        let mut matching = self.parts.ledger.matching(id.to_owned()).await?;
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
