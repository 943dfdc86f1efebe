//! What another policy would have done to the recorded past, added up.

use std::sync::{Arc, Mutex, PoisonError};

use super::Owner;
use crate::account::{self, Shown, row};
use crate::answer::{Changed, Dollars, Outcomes, Refusal, Replay};
use crate::ledger::{Fate, Replayed};
use crate::money::Usd;
use crate::policy::Policy;

/// Purchases named one by one; beyond these they are counted only.
const NAMED: usize = 1_000;

impl Owner {
    /// Nothing is spent and nothing is changed. Budgets begin empty at `since`.
    pub async fn replay(&self, policy: Arc<Policy>, since: Option<&str>) -> Result<Replay, Refusal> {
        let since = account::moment(&self.parts, "since", since)?;
        let sum = Arc::new(Mutex::new(Replay { since, ..Replay::default() }));
        let into = sum.clone();
        let visit = move |replayed: Replayed| into.lock().unwrap_or_else(PoisonError::into_inner).take_in(replayed);
        let skipped = self.parts.ledger.replay(policy, self.parts.assets.clone(), since, visit).await?;
        let mut told = sum.lock().unwrap_or_else(PoisonError::into_inner).clone();
        told.not_replayed = skipped;
        Ok(told)
    }
}

impl Replay {
    fn take_in(&mut self, replayed: Replayed) {
        let Replayed { entry, usd, then, now, reasons } = replayed;
        let of_then = match then {
            Fate::Paid => &mut self.paid,
            Fate::Asked => &mut self.asked,
            Fate::Refused => &mut self.refused,
        };
        of_then.add(now, usd);
        if then == now {
            return;
        }
        self.changed += 1;
        if self.changes.len() < NAMED {
            self.changes.push(Changed {
                purchase: row(&entry, Shown::Masked),
                then: name_of(then),
                now: name_of(now),
                reasons,
            });
        }
    }
}

impl Outcomes {
    fn add(&mut self, now: Fate, usd: Usd) {
        let of_now = match now {
            Fate::Paid => &mut self.now_paid,
            Fate::Asked => &mut self.now_asked,
            Fate::Refused => &mut self.now_refused,
        };
        for dollars in [&mut self.all, of_now] {
            *dollars = Dollars { count: dollars.count + 1, usd: dollars.usd.saturating_add(usd) };
        }
    }
}

fn name_of(fate: Fate) -> &'static str {
    match fate {
        Fate::Paid => "paid",
        Fate::Asked => "asked",
        Fate::Refused => "refused",
    }
}
