//! Finding out: what became of every authorization nobody has proven yet, and whether the chains saw payments of ours
//! that no row explains.

use crate::answer::{Reconciled, Refusal, Waiting};
use crate::authorization::{Ends, Handle};
use crate::conclude::{self, Concluded};
use crate::ledger::{LedgerError, Unproven};
use crate::limits;
use crate::money::Account;
use crate::parts::Parts;
use crate::ports::{Departed, SearchedTo, Sighting};
use crate::settlement::{Evidence, State};

impl Parts {
    /// Asks the chains about everything unproven, and moves what they prove. What they leave in doubt keeps counting.
    pub(crate) async fn reconcile(&self) -> Result<Reconciled, Refusal> {
        let mut found = Reconciled::default();
        for unproven in self.ledger.unproven().await? {
            if unproven.lease.as_deref().is_some_and(|lease| self.ledger.is_alive(lease)) {
                continue;
            }
            found.looked_at += 1;
            let id = unproven.purchase_id.clone();
            // One row that cannot be moved keeps nobody else waiting.
            if let Err(cause) = self.reconcile_one(unproven, &mut found).await {
                found.waiting.push(Waiting { purchase_id: id, why: cause.to_string(), until: None });
            }
        }
        if self.wallet.is_some() {
            self.look_for_strangers(&mut found).await?;
        }
        Ok(found)
    }

    async fn reconcile_one(&self, unproven: Unproven, found: &mut Reconciled) -> Result<(), LedgerError> {
        let Unproven { row, purchase_id, standing, authorization, .. } = unproven;
        let evidence = conclude::evidence(self, row).await;
        let alarm = crate::settlement::conclude(standing, &evidence).alarm;
        found.alarms.extend(alarm.map(|alarm| format!("{purchase_id}: {alarm}")));
        let concluded = conclude::follow(self, row, standing, &evidence).await?;
        if let Concluded::Moved { alarm: Some(alarm) } = &concluded {
            found.alarms.push(format!("{purchase_id}: {alarm}"));
        }
        let now_at = self.ledger.entry(row).await?.and_then(|entry| entry.money).map(|money| money.standing);
        match (concluded, now_at) {
            (Concluded::Moved { .. } | Concluded::Anew, Some(at)) if at != standing && at.state == State::Settled => {
                found.settled.push(purchase_id);
            }
            (Concluded::Moved { .. } | Concluded::Anew, Some(at)) if at != standing && at.state == State::Lapsed => {
                found.lapsed.push(purchase_id);
            }
            _ => found.waiting.push(Waiting {
                purchase_id,
                why: why(&evidence),
                until: match authorization.facts().ends {
                    Ends::At(time) => Some(time),
                },
            }),
        }
        Ok(())
    }

    /// Whatever left our address must be one of the ledger's. What is not means that somebody else has our key, or the
    /// owner moved money by hand: nothing more is spent until the owner has looked. One log of one node is an alarm only.
    async fn look_for_strangers(&self, found: &mut Reconciled) -> Result<(), LedgerError> {
        let (Some(wallet), Ok(policy)) = (&self.wallet, self.policy()) else { return Ok(()) };
        let assets = policy.networks.iter().flat_map(|network| self.assets.on(network));
        for asset in assets {
            let owner = wallet.account(asset.network());
            let Some((strangers, to)) = self.strangers(&asset.account, &owner).await? else { continue };
            for Stranger { alarm, is_confirmed } in strangers {
                if is_confirmed && self.ledger.frozen().await?.is_none() {
                    self.ledger.freeze(Some(alarm.clone()), self.now()).await?;
                }
                self.ledger.alarm(None, alarm.clone(), self.now()).await?;
                found.alarms.push(alarm);
            }
            // Only now: what was seen and not yet written down must be seen again.
            self.ledger.note_searched(asset.account.clone(), to).await?;
        }
        Ok(())
    }

    /// What no purchase explains, and up to which block each node was looked at.
    async fn strangers(
        &self,
        asset: &Account,
        owner: &Account,
    ) -> Result<Option<(Vec<Stranger>, SearchedTo)>, LedgerError> {
        let searched = self.ledger.searched_to(asset.clone()).await?;
        // A little of what was searched is searched again: what one node alone has shown may be confirmed by now.
        let since = searched.into_iter().map(|(node, block)| (node, block.saturating_sub(limits::SEARCHED_AGAIN)));
        let Ok((sightings, mut to)) = self.chains.sightings(asset, owner, &since.collect()).await else {
            return Ok(None);
        };
        let mut strangers = Vec::new();
        for sighting in sightings {
            let is_ours = match self.is_explained(asset, &sighting.how).await? {
                Some(is_ours) => is_ours,
                None => {
                    // Not known yet: those who show it are read from before it the next time.
                    for (_, read_to) in to.iter_mut().filter(|(node, _)| sighting.seen_by.contains(node)) {
                        *read_to = sighting.block.saturating_sub(1).min(*read_to);
                    }
                    continue;
                }
            };
            let alarm = unexplained(asset, &sighting);
            // What only one node said is said anew once it is confirmed.
            if !is_ours && !self.ledger.was_alarmed(alarm.clone()).await? {
                strangers.push(Stranger { alarm, is_confirmed: sighting.is_confirmed });
            }
        }
        Ok(Some((strangers, to)))
    }

    /// Whether a purchase explains it; none where that cannot be told now.
    async fn is_explained(&self, asset: &Account, how: &Departed) -> Result<Option<bool>, LedgerError> {
        Ok(match how {
            Departed::By(handle) => Some(self.ledger.explains(vec![*handle], asset.clone(), None).await?),
            Departed::Unnamed { to, called_with: Some(called_with) } => {
                let handles = called_with.windows(32).take(limits::CALL_READ_BYTES).map(Handle::from_slice);
                Some(self.ledger.explains(handles.collect(), asset.clone(), to.clone()).await?)
            }
            Departed::Unnamed { to: Some(to), called_with: None } => {
                // Whoever is paid nothing now is not paid by one of ours.
                if self.ledger.has_paid(to.clone()).await? { None } else { Some(false) }
            }
            Departed::Unnamed { to: None, called_with: None } => Some(false),
        })
    }
}

/// Money that left, and no purchase explains it.
struct Stranger {
    alarm: String,
    is_confirmed: bool,
}

/// What the owner hears, and what to do about it.
fn unexplained(asset: &Account, sighting: &Sighting) -> String {
    let (network, chain_tx) = (asset.network(), &sighting.chain_tx);
    let how = match sighting.how {
        Departed::By(_) => "with a signature of its key",
        Departed::Unnamed { .. } => "by a transfer of its own",
    };
    let left = format!(
        "money left this wallet on {network} {how} in chain transaction {chain_tx}, and no purchase explains it"
    );
    match sighting.is_confirmed {
        true => format!("{left}. If it was not you, move the rest to a new wallet; if it was, `bursar thaw`"),
        false => format!("{left}; only one node says so, and does not show the transaction, so nothing is stopped"),
    }
}

fn why(evidence: &Evidence) -> String {
    match evidence {
        Evidence::UnusedInWindow => "not taken so far, and it still can be".to_owned(),
        Evidence::PastWindowNotFinal { .. } => {
            "its window has passed unused; waiting for the chain's finality".to_owned()
        }
        Evidence::SettledAsSeen { .. } => "taken, as nodes have seen; waiting for the chain's finality".to_owned(),
        Evidence::Unknown { why } | Evidence::Mismatch { why } | Evidence::Contradicted { why } => why.clone(),
        Evidence::SettledByChain { .. } | Evidence::Lapsed { .. } => "proven a moment ago".to_owned(),
    }
}
