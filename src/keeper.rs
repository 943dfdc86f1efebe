//! What goes on beside the calls: reconciling, balances, news for the owner, making room, and leaving in peace.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::answer::{Notice, Reconciled, Refusal};
use crate::parts::Parts;
use crate::reconcile::Rounds;
use crate::time::Time;
use crate::wallet::Wallet;
use crate::{account, funds, limits, questions, seal};

/// Keeps a house: it finds out and tidies, and decides nothing.
#[derive(Clone)]
pub struct Keeper {
    parts: Arc<Parts>,
}

impl Keeper {
    pub(crate) fn new(parts: Arc<Parts>) -> Keeper {
        Keeper { parts }
    }

    /// Asks the chains about everything unproven.
    pub async fn reconcile(&self) -> Result<Reconciled, Refusal> {
        self.parts.reconcile().await
    }

    /// Takes no new calls and waits until presented purchases close, within [`limits::DRAIN`].
    pub async fn drain(&self) {
        self.parts.leaving.store(true, Ordering::Release);
        if tokio::time::timeout(limits::DRAIN, self.parts.under_way.write()).await.is_err() {
            tracing::warn!("a purchase is still under way; the next start picks it up from the ledger");
        }
        if let Err(cause) = self.parts.ledger.note_handed_over().await {
            tracing::debug!("what was heard last is told as new once more: {cause}");
        }
        seal::write_anchor(&self.parts).await;
        questions::expire(&self.parts).await;
        // A copy of ledger.db alone is then the whole ledger.
        if let Err(cause) = self.parts.ledger.wipe().await {
            tracing::debug!("the ledger's journal stays beside it: {cause}");
        }
    }

    /// What goes on beside the calls of an agent: balances, reconciling, forgetting an idle key, making room.
    pub async fn tend(self) {
        const HOUR: Duration = Duration::from_secs(3600);
        let mut room_made = None;
        let mut rounds = Rounds::default();
        loop {
            if room_made.is_none_or(|at: Time| self.parts.now().since(at) >= HOUR) {
                room_made = Some(self.parts.now());
                self.make_room().await;
            }
            funds::read(&self.parts).await;
            if let Err(cause) = self.parts.reconcile_due(&mut rounds).await {
                tracing::debug!("what is unproven was not looked at: {cause:?}");
            }
            self.bring_news().await;
            self.wait_for_doubt(rounds.next().unwrap_or_else(|| Instant::now() + HOUR)).await;
        }
    }

    /// Waits until a payment leaves something to find out, or until it is time to ask again. Several payments at once
    /// are one reason to ask.
    async fn wait_for_doubt(&self, until: Instant) {
        const IDLE_CHECK: Duration = Duration::from_secs(60);
        const GATHER: Duration = Duration::from_secs(1);
        loop {
            let check = (Instant::now() + IDLE_CHECK).min(until);
            tokio::select! {
                () = self.parts.doubt.notified() => return tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep_until(check) => {
                    self.parts.wallet.iter().for_each(Wallet::forget_if_idle);
                    self.bring_news().await;
                    self.erase().await;
                }
            }
            if check == until {
                return;
            }
        }
    }

    /// What was erased is to be readable nowhere.
    async fn erase(&self) {
        questions::expire(&self.parts).await;
        if let Err(cause) = self.parts.ledger.wipe().await {
            tracing::debug!("what was erased is in the ledger's journal for a while: {cause}");
        }
    }

    async fn make_room(&self) {
        let bodies = self.parts.bodies.clone();
        let swept = tokio::task::spawn_blocking(move || bodies.sweep(SystemTime::now())).await;
        if let Ok(Err(cause)) = swept {
            tracing::warn!("stored bodies could not be cleared away: {cause}");
        }
        if let Err(cause) = self.parts.ledger.tidy(self.parts.now()).await {
            tracing::warn!("the ledger could not be tidied: {cause}");
        }
    }

    /// Looks for what is overdue, and tells the owner what is new. What cannot be told stands in the log all the same.
    async fn bring_news(&self) {
        if let Err(cause) = self.parts.ledger.notice_overdue(self.parts.now()).await {
            tracing::debug!("overdue payments were not looked for: {cause}");
        }
        let news: Vec<Notice> = match self.parts.ledger.untold().await {
            Ok(news) => news.iter().map(account::notice).collect(),
            Err(cause) => return tracing::debug!("news was not looked for: {cause}"),
        };
        for notice in news {
            tracing::warn!("{}: {}", notice.kind, notice.message);
            if let Some(screen) = self.parts.screen() {
                screen.note(&notice);
            }
        }
    }
}
