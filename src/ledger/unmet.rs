//! What sellers offered to whoever was refused: for finding out what could not be bought for lack of a way to pay.

use serde_json::Value;

use super::engine::{Conn, in_order};
use super::log::entries;
use super::{Cursor, Filter, Ledger, LedgerError};

/// A refused purchase, with what its seller offered.
#[derive(Clone, Debug)]
pub struct RefusedOffers {
    /// The host that offered it.
    pub host: String,
    /// Every offer, and what the policy says of it; nothing where the seller was never asked.
    pub offers: Value,
}

impl Ledger {
    /// A page of refused purchases with their offers, and where the next one begins.
    pub async fn refused_offers(&self, filter: Filter) -> Result<(Vec<RefusedOffers>, Option<Cursor>), LedgerError> {
        let filter = Filter { state: Some("refused".to_owned()), ..filter };
        self.read_log(move |conn| {
            let (refused, next) = entries(conn, &filter)?;
            let with_offers =
                |entry: super::Entry| Ok(RefusedOffers { offers: offers(conn, entry.row)?, host: entry.domain });
            Ok((refused.into_iter().map(with_offers).collect::<Result<_, LedgerError>>()?, next))
        })
        .await
    }
}

fn offers(conn: &dyn Conn, row: i64) -> Result<Value, LedgerError> {
    let query = "SELECT offers FROM detail WHERE purchase = ?1";
    let text: Option<String> = conn.find(query, in_order![row], |row| row.get(0))?.flatten();
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}
