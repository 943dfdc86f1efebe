//! Finding out: what became of every authorization nobody has proven yet, and whether the chains saw payments of ours
//! that no row explains.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::answer::{Reconciled, Refusal, Waiting};
use crate::authorization::Handle;
use crate::conclude::{self, Concluded};
use crate::ledger::{LedgerError, Unproven};
use crate::limits;
use crate::money::Account;
use crate::parts::Parts;
use crate::ports::{Departed, SearchedTo, Sighting};
use crate::settlement::{Evidence, State};

/// When each payment is looked at again: soon after it was made, and then ever more seldom.
#[derive(Default)]
pub(crate) struct Rounds(HashMap<i64, Round>);

struct Round {
    due: Instant,
    pause: Duration,
}

impl Rounds {
    const SOONEST: Duration = Duration::from_secs(15);
    const LATEST: Duration = Duration::from_secs(600);

    /// Those of these rows that it is time for.
    fn due(&mut self, unproven: &[i64], now: Instant) -> Vec<i64> {
        let still: HashSet<i64> = unproven.iter().copied().collect();
        self.0.retain(|row, _| still.contains(row));
        let due = |row: &i64| self.0.get(row).is_none_or(|round| round.due <= now);
        unproven.iter().copied().filter(due).collect()
    }

    fn looked_at(&mut self, rows: &[i64], now: Instant) {
        for row in rows {
            let round = self.0.entry(*row).or_insert(Round { due: now, pause: Rounds::SOONEST / 2 });
            round.pause = (round.pause * 2).min(Rounds::LATEST);
            round.due = now + round.pause;
        }
    }

    /// When the next of them is due, if there is any.
    pub fn next(&self) -> Option<Instant> {
        self.0.values().map(|round| round.due).min()
    }
}

impl Parts {
    /// Asks the chains about everything unproven, and moves what they prove. What they leave in doubt keeps counting.
    pub(crate) async fn reconcile(&self) -> Result<Reconciled, Refusal> {
        self.reconcile_these(&self.ledger.unproven().await?).await
    }

    /// The same of what it is time for.
    pub(crate) async fn reconcile_due(&self, rounds: &mut Rounds) -> Result<Reconciled, Refusal> {
        let unproven = self.ledger.unproven().await?;
        let due = rounds.due(&unproven, Instant::now());
        let found = self.reconcile_these(&due).await;
        rounds.looked_at(&due, Instant::now());
        found
    }

    async fn reconcile_these(&self, rows: &[i64]) -> Result<Reconciled, Refusal> {
        let mut found = Reconciled::default();
        for rows in rows.chunks(limits::ASKED_TOGETHER) {
            let mut unproven = self.ledger.unproven_of(rows.to_vec()).await?;
            unproven.retain(|one| !one.lease.as_deref().is_some_and(|lease| self.ledger.is_alive(lease)));
            let signed: Vec<_> = unproven.iter().map(|one| one.authorization.clone()).collect();
            let evidence = conclude::evidence_of(self, &signed).await;
            for (unproven, evidence) in unproven.into_iter().zip(evidence) {
                found.looked_at += 1;
                let id = unproven.purchase_id.clone();
                // One row that cannot be moved keeps nobody else waiting.
                if let Err(cause) = self.reconcile_one(unproven, &evidence, &mut found).await {
                    found.waiting.push(Waiting { purchase_id: id, why: cause.to_string(), until: None });
                }
            }
        }
        if self.wallet.is_some() {
            self.look_for_strangers(&mut found).await?;
        }
        Ok(found)
    }

    async fn reconcile_one(
        &self,
        unproven: Unproven,
        evidence: &Evidence,
        found: &mut Reconciled,
    ) -> Result<(), LedgerError> {
        let Unproven { row, purchase_id, standing, authorization, .. } = unproven;
        let alarm = crate::settlement::conclude(standing, evidence).alarm;
        found.alarms.extend(alarm.map(|alarm| format!("{purchase_id}: {alarm}")));
        let concluded = conclude::follow(self, row, standing, evidence).await?;
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
                why: why(evidence),
                until: Some(authorization.facts().ends.time()),
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
            let Some(owner) = wallet.account_on(asset.network()) else { continue };
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
    let (network, chain_tx) = (asset.network().title(), &sighting.chain_tx);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payment_is_looked_at_at_once_and_then_ever_more_seldom() {
        let (mut rounds, began) = (Rounds::default(), Instant::now());
        let at = |secs: u64| began + Duration::from_secs(secs);
        let mut looked_at = Vec::new();
        for secs in 0..2_000 {
            let due = rounds.due(&[7], at(secs));
            rounds.looked_at(&due, at(secs));
            looked_at.extend(due.iter().map(|_| secs));
        }
        assert_eq!(looked_at, [0, 15, 45, 105, 225, 465, 945, 1545]);
        assert_eq!(rounds.next(), Some(at(1545 + 600)));
    }

    #[test]
    fn what_is_new_keeps_nothing_else_from_waiting() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        let due = rounds.due(&[1, 2], now);
        assert_eq!(due, [1, 2]);
        rounds.looked_at(&due, now);
        assert_eq!(rounds.due(&[1, 2, 3], now), [3]);
    }

    #[test]
    fn what_is_proven_is_forgotten() {
        let (mut rounds, now) = (Rounds::default(), Instant::now());
        rounds.looked_at(&[1, 2], now);
        assert!(rounds.due(&[2], now).is_empty());
        assert_eq!(rounds.due(&[1], now), [1], "as new as any");
        rounds.due(&[], now);
        assert_eq!(rounds.next(), None);
    }
}
