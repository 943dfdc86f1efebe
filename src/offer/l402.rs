//! L402 and its older name LSAT: a Lightning invoice and a macaroon. Recognised and explained.

use http::HeaderMap;

use super::www_authenticate::challenges;
use super::{Dialect, Listed, Unpayable, not_spoken};

/// One entry, however many challenges: sellers send both names for the same invoice.
pub(super) fn offers(headers: &HeaderMap) -> Option<Listed> {
    let all = challenges(headers);
    let name = ["L402", "LSAT"].into_iter().find(|name| all.iter().any(|challenge| challenge.is(name)))?;
    let reason = not_spoken("L402 (a Lightning invoice)");
    let bare = Unpayable::bare(Dialect::L402, reason);
    Some(Unpayable { scheme: name.to_owned(), network: "lightning".to_owned(), asset: "BTC".to_owned(), ..bare }.into())
}
