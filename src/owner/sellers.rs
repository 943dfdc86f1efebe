//! What the wallet knows of those it paid.

use super::Owner;
use crate::account::moment;
use crate::answer::{Refusal, SellerRecord};
use crate::ledger::{SellerCounts, SellerFilter};
use crate::money::Usd;
use crate::policy::registrable;

impl Owner {
    /// Every seller, or the one that a host belongs to; from a time on, as `log` takes it.
    pub async fn sellers(&self, since: Option<&str>, domain: Option<&str>) -> Result<Vec<SellerRecord>, Refusal> {
        let host = domain.map(|domain| domain.trim_start_matches("*.").trim_end_matches('.').to_ascii_lowercase());
        let site = host.map(|host| registrable(&host).to_owned());
        let filter = SellerFilter { since: moment(&self.parts, "since", since)?, site };
        Ok(self.parts.ledger.sellers(filter).await?.into_iter().map(record).collect())
    }
}

fn record(counts: SellerCounts) -> SellerRecord {
    let good = counts.delivered.saturating_sub(counts.bad());
    let per_delivery = (good > 0).then(|| Usd::micros(counts.usd.as_micros().div_ceil(good)));
    SellerRecord {
        paid: counts.paid,
        paid_usd: counts.usd,
        held_usd: counts.held,
        delivered: counts.delivered,
        not_delivered: counts.paid.saturating_sub(counts.delivered),
        empty: counts.empty,
        error_page: counts.error_page,
        other_type: counts.other_type,
        per_delivery_usd: per_delivery,
        lied: counts.lied,
        first: counts.first,
        last: counts.last,
        domain: counts.site,
    }
}

impl SellerRecord {
    /// What came and was no goods, of whatever kind.
    pub fn bad(&self) -> u64 {
        self.empty + self.error_page + self.other_type
    }
}
