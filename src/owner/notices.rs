//! News brought to the owner: what the ledger noticed, told once.

use crate::bursar::{Bursar, Glance, Notice};
use crate::config::{Home, PolicyFile};
use crate::ledger;
use crate::time::Time;

impl Bursar {
    /// Looks for what is overdue, and tells the owner what is new. What cannot be told stands in the log all the same.
    pub(crate) async fn bring_news(&self) {
        if let Err(cause) = self.ledger.notice_overdue(self.now()).await {
            tracing::debug!("overdue payments were not looked for: {cause}");
        }
        let news: Vec<Notice> = match self.ledger.untold().await {
            Ok(news) => news.iter().map(super::log::notice).collect(),
            Err(cause) => return tracing::debug!("news was not looked for: {cause}"),
        };
        for notice in news {
            tracing::warn!("{}: {}", notice.kind, notice.message);
            self.note("bursar", &notice.message);
        }
    }

    /// How things stand, for a status bar. Nothing is opened, waited for or written; where that is not to be had, nothing.
    pub fn glance(home: &Home, now: Time) -> Option<Glance> {
        let stands = ledger::glance(&home.ledger_file(), now).ok()?;
        let rules = PolicyFile::new(home);
        let limit = rules.current().ok()?.wallet.per_day;
        Some(Glance { stands, limit, is_held_back: rules.is_held_back() })
    }
}
