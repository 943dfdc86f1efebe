//! Proof that an authorization is in the ledger, durably, and that this process may present it now.

use super::engine::{Conn, LedgerRow, named};
use super::{LedgerError, damaged};
use crate::authorization::{Authorization, Signatures};
use crate::offer::Dialect;
use crate::request::Request;
use crate::time::Time;

/// Only the ledger makes one, from a stored row whose lease is ours, and only one can be presented.
#[derive(Debug)]
pub struct Recorded {
    row: i64,
    purchase_id: String,
    authorization: Authorization,
    request: Request,
    header_name: String,
    header_value: String,
    dialect: Dialect,
    named_type: Option<String>,
    authorized_at: Time,
    presented: bool,
}

/// The row as it is read back.
struct Stored {
    purchase_id: String,
    authorization: String,
    signature: String,
    header_name: String,
    header_value: String,
    request: Option<String>,
    handle: Vec<u8>,
    dialect: String,
    named_type: Option<String>,
    authorized_at: i64,
    presented: bool,
}

impl Stored {
    fn read(row: &dyn LedgerRow) -> Result<Stored, LedgerError> {
        Ok(Stored {
            purchase_id: row.get("purchase_id")?,
            authorization: row.get("authorization")?,
            signature: row.get("signature")?,
            header_name: row.get("header_name")?,
            header_value: row.get("header_value")?,
            request: row.get("request")?,
            handle: row.get("handle")?,
            dialect: row.get("dialect")?,
            named_type: row.get("named_type")?,
            authorized_at: row.get("at")?,
            presented: row.get::<_, u32>("presents")? > 1 || row.get::<_, String>("state")? != "authorized",
        })
    }
}

impl Recorded {
    /// Reads the row back and makes sure that what it holds is what our key signed: what was signed a moment ago, or else
    /// what says itself whose it is.
    pub(super) fn load(
        conn: &dyn Conn,
        row: i64,
        holder: &str,
        signed: Option<&(Authorization, Signatures)>,
    ) -> Result<Recorded, LedgerError> {
        let found = conn.find(
            "SELECT p.purchase_id, p.handle, p.presents, p.state, p.dialect, p.named_type, p.at,
                        s.authorization, s.signature, s.header_name, s.header_value, p.request
                   FROM purchase p JOIN signed s ON s.purchase = p.row WHERE p.row = :row AND p.lease = :holder",
            named! { ":row": row, ":holder": holder },
            Stored::read,
        )?;
        let Some(stored) = found else {
            return Err(LedgerError::NotNow("somebody else is presenting this purchase".to_owned()));
        };
        let Stored {
            purchase_id,
            authorization,
            signature,
            header_name,
            header_value,
            request,
            handle,
            dialect,
            named_type,
            authorized_at,
            presented,
        } = stored;
        let request = request.ok_or_else(|| damaged("an open purchase has lost its request"))?;
        let authorization: Authorization = serde_json::from_str(&authorization).map_err(damaged)?;
        let signatures: Signatures = signature.parse().map_err(|_| damaged("a signature does not read"))?;
        let is_ours = match signed {
            Some((known, by)) => *known == authorization && *by == signatures,
            None => authorization.is_signed(&signatures),
        };
        if !is_ours || authorization.facts().handle.as_slice() != handle {
            return Err(damaged(format!("what purchase {purchase_id} signed is not what its row says")));
        }
        let request = serde_json::from_str(&request).map_err(damaged)?;
        let (dialect, authorized_at) = (Dialect::named(&dialect), Time::from_millis(authorized_at));
        Ok(Recorded {
            row,
            purchase_id,
            authorization,
            request,
            header_name,
            header_value,
            dialect,
            named_type,
            authorized_at,
            presented,
        })
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

    /// The language the payment was made in.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The media type that the offer named, if it named one.
    pub fn named_type(&self) -> Option<&str> {
        self.named_type.as_deref()
    }

    /// When it was authorized.
    pub fn authorized_at(&self) -> Time {
        self.authorized_at
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
