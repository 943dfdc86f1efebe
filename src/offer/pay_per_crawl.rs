//! Pay-per-crawl: `crawler-price`, charged through an account with the operator. Recognised and explained.

use http::HeaderMap;

use super::{Dialect, Listed, Unpayable, not_spoken, shown};

pub(super) fn offers(headers: &HeaderMap) -> Option<Listed> {
    let price = String::from_utf8_lossy(headers.get("crawler-price")?.as_bytes()).into_owned();
    let (asset, amount) = price.trim().split_once(' ').unwrap_or(("", &price));
    let reason = not_spoken("pay-per-crawl (charged to an account with the operator, not from a wallet)");
    let bare = Unpayable::bare(Dialect::PayPerCrawl, reason);
    Some(
        Unpayable { scheme: "crawl".to_owned(), asset: shown::asset(asset), amount: shown::amount(amount), ..bare }
            .into(),
    )
}
