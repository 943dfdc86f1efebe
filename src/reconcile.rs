//! Finding out: what became of every authorization nobody has proven yet, and whether the chains saw payments of ours
//! that no row explains.

use alloy_primitives::{Address, B256};

use crate::answer::{Reconciled, Refusal, Waiting};
use crate::conclude::{self, Concluded};
use crate::ledger::{LedgerError, Unproven};
use crate::limits;
use crate::money::Network;
use crate::parts::Parts;
use crate::ports::Sighting;
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

    /// Whatever left our address must be one of the ledger's. What is not means that somebody else has our key, or the
    /// owner moved money by hand: nothing more is spent until the owner has looked. One log of one node is an alarm only.
    async fn look_for_strangers(&self, found: &mut Reconciled) -> Result<(), LedgerError> {
        let (Some(wallet), Ok(policy)) = (&self.wallet, self.policy()) else { return Ok(()) };
        let assets = policy.networks.iter().flat_map(|network| self.assets.on(network));
        for asset in assets {
            let owner = wallet.address();
            let Some((strangers, to)) = self.strangers(&asset.network, asset.address, owner).await? else { continue };
            for Stranger { alarm, is_confirmed } in strangers {
                if is_confirmed && self.ledger.frozen().await?.is_none() {
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
    ) -> Result<Option<(Vec<Stranger>, u64)>, LedgerError> {
        let searched = self.ledger.searched_to(network.to_string(), asset.to_string()).await?;
        // A little of what was searched is searched again: what one node alone has shown may be confirmed by now.
        let from = searched.map(|block| block.saturating_sub(limits::SEARCHED_AGAIN));
        let Ok((sightings, to)) = self.chains.sightings(network, asset, owner, from).await else {
            return Ok(None);
        };
        let mut strangers = Vec::new();
        for Sighting { nonce, chain_tx, is_confirmed, .. } in sightings {
            let is_ours = match nonce {
                Some(nonce) => self.ledger.explains(nonce.0).await?,
                None => false,
            };
            let alarm = unexplained(network, nonce, chain_tx, is_confirmed);
            // What only one node said is said anew once it is confirmed.
            if !is_ours && !self.ledger.was_alarmed(alarm.clone()).await? {
                strangers.push(Stranger { alarm, is_confirmed });
            }
        }
        Ok(Some((strangers, to)))
    }
}

/// Money that left, and no purchase explains it.
struct Stranger {
    alarm: String,
    is_confirmed: bool,
}

/// What the owner hears, and what to do about it.
fn unexplained(network: &Network, nonce: Option<B256>, chain_tx: B256, is_confirmed: bool) -> String {
    let how = match nonce {
        Some(_) => "with a signature of its key",
        None => "by a transfer of its own",
    };
    let left = format!(
        "money left this wallet on {network} {how} in chain transaction {chain_tx}, and no purchase explains it"
    );
    match is_confirmed {
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
