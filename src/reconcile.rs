//! Finding out: what became of every authorization nobody has proven yet, and whether the chains saw payments of ours
//! that no row explains.

use alloy_primitives::Address;

use crate::answer::{Reconciled, Refusal, Waiting};
use crate::conclude::{self, Concluded};
use crate::ledger::{LedgerError, Unproven};
use crate::money::Network;
use crate::parts::Parts;
use crate::settlement::{Evidence, State};
use crate::time::Time;

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
        let now_at = self.ledger.entry(row).await?.and_then(|entry| entry.money).map(|money| money.standing);
        match (concluded, now_at) {
            (Concluded::Moved | Concluded::Anew, Some(at)) if at != standing && at.state == State::Settled => {
                found.settled.push(purchase_id);
            }
            (Concluded::Moved | Concluded::Anew, Some(at)) if at != standing && at.state == State::Lapsed => {
                found.lapsed.push(purchase_id);
            }
            _ => found.waiting.push(Waiting {
                purchase_id,
                why: why(&evidence),
                until: Some(Time::from_secs(i64::try_from(authorization.valid_before).unwrap_or(i64::MAX))),
            }),
        }
        Ok(())
    }

    /// Every authorization used under our address must be one of the ledger's. One that is not means that somebody
    /// else signs with our key: nothing more is spent until the owner has looked.
    async fn look_for_strangers(&self, found: &mut Reconciled) -> Result<(), LedgerError> {
        let (Some(wallet), Ok(policy)) = (&self.wallet, self.policy()) else { return Ok(()) };
        let assets = policy.networks.iter().flat_map(|network| self.assets.on(network));
        for asset in assets {
            let owner = wallet.address();
            let Some((strangers, to)) = self.strangers(&asset.network, asset.address, owner).await? else { continue };
            for alarm in strangers {
                if self.ledger.frozen().await?.is_none() {
                    self.ledger.freeze(Some(alarm.clone()), self.now()).await?;
                }
                self.ledger.alarm(None, alarm.clone(), self.now()).await?;
                found.alarms.push(alarm);
            }
            // Only now: what was seen and not yet written down must be seen again.
            self.ledger.note_searched(asset.network.to_string(), asset.address.to_string(), to).await?;
        }
        Ok(())
    }

    /// What no purchase explains, and up to which block was looked.
    async fn strangers(
        &self,
        network: &Network,
        asset: Address,
        owner: Address,
    ) -> Result<Option<(Vec<String>, u64)>, LedgerError> {
        let from = self.ledger.searched_to(network.to_string(), asset.to_string()).await?;
        let Ok((sightings, to)) = self.chains.sightings(network, asset, owner, from).await else {
            return Ok(None);
        };
        let mut strangers = Vec::new();
        for sighting in sightings {
            if !self.ledger.explains(sighting.nonce.0).await?
                && !self.ledger.was_alarmed(sighting.chain_tx.to_string()).await?
            {
                strangers.push(format!(
                    "money left this wallet on {network} in chain transaction {}, and no purchase explains it",
                    sighting.chain_tx
                ));
            }
        }
        Ok(Some((strangers, to)))
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
