//! Proof that an authorization is in the ledger, durably, and that this process may present it now.

use rusqlite::{Connection, OptionalExtension, params};

use super::{LedgerError, damaged};
use crate::authorization::{Authorization, Signature};
use crate::request::Request;

/// Only the ledger makes one, from a stored row whose lease is ours, and only one can be presented.
#[derive(Debug)]
pub struct Recorded {
    row: i64,
    purchase_id: String,
    authorization: Authorization,
    request: Request,
    header_name: String,
    header_value: String,
    presented: bool,
}

impl Recorded {
    /// Reads the row back and makes sure that what it holds is what our key signed.
    pub(super) fn load(conn: &Connection, row: i64, holder: &str) -> Result<Recorded, LedgerError> {
        let found = conn
            .prepare_cached(
                "SELECT p.purchase_id, s.authorization, s.signature, s.header_name, s.header_value, s.request, p.nonce, p.presents, p.state
                   FROM purchase p JOIN signed s ON s.purchase = p.row WHERE p.row = ?1 AND p.lease = ?2",
            )?
            .query_row(params![row, holder], |row| {
                let texts: [String; 5] = [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
                let presented = row.get::<_, u32>(7)? > 1 || row.get::<_, String>(8)? != "authorized";
                Ok((texts, row.get::<_, Option<String>>(5)?, row.get::<_, Vec<u8>>(6)?, presented))
            })
            .optional()?;
        let Some(([purchase_id, authorization, signature, header_name, header_value], request, nonce, presented)) =
            found
        else {
            return Err(LedgerError::NotNow("somebody else is presenting this purchase".to_owned()));
        };
        let request = request.ok_or_else(|| damaged("an open purchase has lost its request"))?;
        let authorization: Authorization = serde_json::from_str(&authorization).map_err(damaged)?;
        let signature: Signature = signature.parse().map_err(|_| damaged("a signature does not read"))?;
        let is_ours = authorization.recovers(&signature) == Some(authorization.from);
        if !is_ours || authorization.nonce.as_slice() != nonce {
            return Err(damaged(format!("what purchase {purchase_id} signed is not what its row says")));
        }
        let request = serde_json::from_str(&request).map_err(damaged)?;
        Ok(Recorded { row, purchase_id, authorization, request, header_name, header_value, presented })
    }

    pub(crate) fn row(&self) -> i64 {
        self.row
    }

    /// The purchase's id.
    pub fn purchase_id(&self) -> &str {
        &self.purchase_id
    }

    /// It may have been presented before: a failure to connect now says nothing about then.
    pub fn was_presented(&self) -> bool {
        self.presented
    }

    /// What was signed.
    pub fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// The request the payment goes with, to the origin that asked for it.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Name and value of the header that carries the payment.
    pub fn payment_header(&self) -> (&str, &str) {
        (&self.header_name, &self.header_value)
    }
}
