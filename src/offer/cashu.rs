//! Cashu (NUT-24): an ecash request in `X-Cashu`. Recognised and explained.

use http::HeaderMap;

use super::{Dialect, Listed, Unpayable, not_spoken};

pub(super) fn offers(headers: &HeaderMap) -> Option<Listed> {
    headers.get("x-cashu")?;
    let bare = Unpayable::bare(Dialect::Cashu, not_spoken("Cashu (ecash from a mint)"));
    Some(Unpayable { scheme: "NUT-24".to_owned(), ..bare }.into())
}
