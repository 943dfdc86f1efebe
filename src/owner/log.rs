//! The log as its owner reads it: pages, sums, what is new, and how far it was read.

use super::Owner;
use super::nothing;
use crate::account::{self, Shown, added_up, log_page, notice, row};
use crate::answer::{LogQuery, News, Notice, Refusal, Sum};
use crate::answer::{Row, Spend, Totals};
use crate::ledger::By;
use crate::ledger::Filter;
use crate::money::{Amount, Network};
use crate::time::Time;

impl Owner {
    /// The log of every agent.
    pub async fn log(&self, query: LogQuery) -> Result<Spend, Refusal> {
        let page = self.parts.ledger.page(self.filter_of(&query).await?).await?;
        Ok(log_page(page, shown(&query)))
    }

    /// What the log adds up to, by something.
    pub async fn log_by(&self, query: &LogQuery, by: By) -> Result<Vec<Sum>, Refusal> {
        let groups = self.parts.ledger.groups(self.filter_of(query).await?, by).await?;
        let key = |key: String| match by {
            By::Day => day(&key),
            By::Session => format!("se_{key}"),
            By::Domain | By::Agent => key,
        };
        Ok(groups.into_iter().map(|group| Sum { key: key(group.key), totals: added_up(group.totals) }).collect())
    }

    /// How far the history has come: what [`Bursar::news`] goes on from.
    pub async fn history(&self) -> Result<i64, Refusal> {
        Ok(self.parts.ledger.newest_event().await?)
    }

    /// A number that changes when anybody has written to the ledger.
    pub async fn version(&self) -> Result<i64, Refusal> {
        Ok(self.parts.ledger.version().await?)
    }

    /// What has happened since: purchases that are new or changed, as they stand now, oldest first.
    pub async fn news(&self, query: &LogQuery, since: i64) -> Result<News, Refusal> {
        let changes = self.parts.ledger.changes(self.filter_of(query).await?, since).await?;
        let purchases = changes.entries.iter().map(|entry| row(entry, shown(query))).collect();
        Ok(News { event: changes.event, purchases, notices: changes.news.iter().map(notice).collect() })
    }

    /// What the owner must hear about, newest first.
    pub async fn notices(&self, since: Option<Time>, limit: usize) -> Result<Vec<Notice>, Refusal> {
        Ok(self.parts.ledger.news(since, limit).await?.iter().map(notice).collect())
    }

    /// What was not reviewed yet, added up, and since when.
    pub async fn unreviewed(&self) -> Result<(Totals, Time), Refusal> {
        let since = self.parts.ledger.unreviewed_since().await?;
        let page = self.parts.ledger.page(Filter { since: Some(since), limit: 1, ..Filter::default() }).await?;
        Ok((added_up(page.totals), since))
    }

    /// The owner has read the log up to this purchase, or all of it.
    pub async fn review(&self, up_to: Option<&str>, passphrase: Option<&str>) -> Result<(), Refusal> {
        self.prove(passphrase).await?;
        let up_to = match up_to {
            Some(id) => Some(self.one(id).await?.at),
            None => None,
        };
        Ok(self.parts.ledger.review(up_to, self.parts.now()).await?)
    }

    /// What a purchase cost in whole units of its asset, where that is known still.
    pub fn units(&self, row: &Row) -> Option<String> {
        let network = Network::new(row.network.as_deref()?);
        let asset = self.parts.assets.on(&network).find(|asset| Some(&asset.symbol) == row.asset.as_ref())?;
        Some(asset.units(Amount::parse(row.amount_atomic.as_deref()?)?))
    }

    pub(super) async fn filter_of(&self, query: &LogQuery) -> Result<Filter, Refusal> {
        let session = match query.session.as_deref().map(|text| text.trim_start_matches("se_").parse()) {
            Some(Err(_)) => return Err(nothing("no session has that id")),
            Some(Ok(session)) => Some(session),
            None => None,
        };
        let mut filter = account::filter(&self.parts, &query.spend)?;
        if query.unreviewed {
            filter.since = filter.since.max(Some(self.parts.ledger.unreviewed_since().await?));
        }
        Ok(Filter { agent: query.agent.clone(), session, oldest_first: query.oldest_first, ..filter })
    }
}

fn shown(query: &LogQuery) -> Shown {
    if query.unmasked { Shown::Whole } else { Shown::Masked }
}

/// `2026-11-25` for the number of a day since 1970.
fn day(number: &str) -> String {
    let at = Time::from_secs(number.parse::<i64>().unwrap_or_default().saturating_mul(24 * 3600));
    at.to_string().split('T').next().unwrap_or_default().to_owned()
}
