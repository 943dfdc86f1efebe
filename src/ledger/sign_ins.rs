//! Sign-ins: each is in the ledger, durably, before the first byte of it is on a socket. No budget knows of them.

use std::sync::Arc;

use serde_json::json;
use url::Url;

use super::authorize::ledger_time;
use super::engine::{Conn, in_order, named};
use super::{Answered, Ledger, LedgerError, Sync, Unpaid, close, damaged, events, record};
use crate::authorization::{Authorization, Signature, Signatures};
use crate::crash;
use crate::limits;
use crate::policy::{self, Policy, SigningIn};
use crate::reason::{Reason, Who};
use crate::request::Request;
use crate::sign_in::{HEADER, SignIn};
use crate::time::Time;
use crate::wish::{self, Identity};

/// A sign-in that is signed, and not yet in force.
pub struct SignInDraft {
    /// The call it is made for, with the request that it goes with.
    pub unpaid: Unpaid,
    /// What was signed.
    pub sign_in: SignIn,
    /// The signature over it.
    pub signature: Signature,
    /// The policy.
    pub policy: Arc<Policy>,
}

/// What came of it.
pub enum SignedIn {
    /// It is on the disk, and may leave.
    Recorded(Box<RecordedSignIn>),
    /// Not as things stand now: it is dropped unseen.
    Refused(Reason),
}

/// Proof that a sign-in is in the ledger, durably. Only the ledger makes one, from what it has stored, and only one can
/// leave.
#[derive(Debug)]
pub struct RecordedSignIn {
    sign_in: SignIn,
    signature: Signature,
    request: Request,
}

impl RecordedSignIn {
    /// The request it goes with, to the origin it is for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Name and value of the header that carries it.
    pub fn header(&self) -> (&'static str, String) {
        (HEADER, self.sign_in.header(&self.signature))
    }

    /// Reads back what was stored and makes sure that it is what our key signed, for this very seller.
    fn load(conn: &dyn Conn, id: i64, request: Request) -> Result<RecordedSignIn, LedgerError> {
        let (text, signature): (String, String) =
            conn.read("SELECT message, signature FROM sign_in WHERE id = ?1", in_order![id], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        let (sign_in, signature) = read(&text, &signature).ok_or_else(|| damaged("a sign-in does not read"))?;
        match sign_in.is_signed(&signature) && sign_in.is_for(&request.url) {
            true => Ok(RecordedSignIn { sign_in, signature, request }),
            false => Err(damaged("a sign-in is not what was signed, or not for this seller")),
        }
    }
}

impl Ledger {
    /// The purchase by which this wallet paid this very origin for this very wish, if there is one that settled.
    pub async fn bought_before(
        &self,
        identity: Identity,
        url: Url,
        address: alloy_primitives::Address,
    ) -> Result<Option<String>, LedgerError> {
        self.read(move |conn| bought(conn, &identity, &url, address)).await
    }

    /// The durable commit before a sign-in leaves. The same rule that advised is asked again inside it.
    pub async fn record_sign_in(&self, draft: SignInDraft) -> Result<SignedIn, LedgerError> {
        let request = draft.unpaid.request.clone();
        let recorded = match self.writer.write(Sync::Durable, move |conn| put(conn, &draft)).await? {
            Ok(id) => self.read(move |conn| RecordedSignIn::load(conn, id, request)).await?,
            Err(reason) => return Ok(SignedIn::Refused(reason)),
        };
        crash::point("sign_in_recorded");
        Ok(SignedIn::Recorded(Box::new(recorded)))
    }

    /// What the seller answered to whoever signed in: nothing was paid for it.
    pub async fn record_entered(&self, unpaid: Unpaid, answered: Answered) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, unpaid.now)?;
                let row = record::put(conn, &unpaid, "free", now)?;
                close::store_answer(conn, row, &answered, now)?;
                events::append(conn, Some(row), now, "entered", &json!({ "http_status": answered.status }))
            })
            .await
    }
}

/// Strict, because a sign-in tells a seller who asks: the newest purchase of this wish settled, was paid to this origin,
/// and by this address.
fn bought(
    conn: &dyn Conn,
    identity: &Identity,
    url: &Url,
    address: alloy_primitives::Address,
) -> Result<Option<String>, LedgerError> {
    let newest: Option<(String, String, String)> = conn.find(
        "SELECT p.purchase_id, p.place, s.authorization
               FROM (SELECT * FROM (SELECT row AS candidate FROM listed
                                     WHERE identity = :identity AND state = 'settled'
                                       AND row NOT IN (SELECT row FROM unlisted) ORDER BY row DESC LIMIT 1) AS entered
                     UNION ALL SELECT row FROM unlisted) AS bought
               CROSS JOIN purchase p ON p.row = candidate CROSS JOIN signed s ON s.purchase = p.row
              WHERE p.identity = :identity AND p.state = 'settled' ORDER BY p.row DESC LIMIT 1",
        named! { ":identity": identity.0 },
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    let Some((purchase_id, place, authorization)) = newest else { return Ok(None) };
    let authorization: Authorization = serde_json::from_str(&authorization).map_err(damaged)?;
    let is_here = Url::parse(&place).is_ok_and(|place| wish::origin(&place) == wish::origin(url));
    let is_by_us = authorization.facts().from.as_evm() == Some(address);
    Ok((is_here && is_by_us).then_some(purchase_id))
}

fn put(conn: &dyn Conn, draft: &SignInDraft) -> Result<Result<i64, Reason>, LedgerError> {
    let SignInDraft { unpaid, sign_in, signature, policy } = draft;
    let now = ledger_time(conn, unpaid.now)?;
    let bought = bought(conn, &unpaid.identity, &unpaid.request.url, sign_in.address())?;
    let is_frozen = conn.has("SELECT 1 FROM ledger WHERE frozen_why IS NOT NULL", &[])?;
    let asked = SigningIn { request: &unpaid.request, was_bought: bought.is_some(), is_frozen };
    if let Err(reason) = policy::may_sign_in(policy, &asked) {
        return Ok(Err(reason));
    }
    if signed_lately(conn, &unpaid.agent, now)? >= limits::SIGN_INS_PER_MINUTE as i64 {
        return Ok(Err(too_many()));
    }
    let row = record::begin(conn, unpaid, now)?;
    let id = conn.read(
        "INSERT INTO sign_in (purchase, agent, at, origin, message, signature)
         VALUES (:row, :agent, :at, :origin, :message, :signature) RETURNING id",
        named! {
            ":row": row,
            ":agent": unpaid.agent,
            ":at": now.millis(),
            ":origin": wish::origin(&unpaid.request.url),
            ":message": sign_in.text(),
            ":signature": signature.to_string(),
        },
        |row| row.get(0),
    )?;
    events::append(conn, Some(row), now, "signed_in", &told(id, draft, bought.as_deref()))?;
    Ok(Ok(id))
}

/// What the event says. Never the signature.
fn told(id: i64, draft: &SignInDraft, bought: Option<&str>) -> serde_json::Value {
    let (sign_in, origin) = (&draft.sign_in, wish::origin(&draft.unpaid.request.url));
    let message = match bought {
        Some(id) => format!("the wallet signed in to {origin}, to get again what {id} paid for"),
        None => format!("the wallet signed in to {origin}, which wanted nothing else"),
    };
    json!({
        "message": message,
        "sign_in": id,
        "origin": origin,
        "address": sign_in.address().to_string(),
        "network": sign_in.network(),
        "nonce": sign_in.nonce(),
        "bought": bought,
        "digest": sign_in.digest(),
        "policy": draft.policy.hash,
    })
}

fn signed_lately(conn: &dyn Conn, agent: &str, now: Time) -> Result<i64, LedgerError> {
    const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    let count = conn.read(
        "SELECT count(*) FROM sign_in WHERE agent = :agent AND at > :since",
        named! { ":agent": agent, ":since": now.minus(MINUTE).millis() },
        |row| row.get(0),
    )?;
    Ok(count)
}

fn too_many() -> Reason {
    let most = limits::SIGN_INS_PER_MINUTE;
    let message = format!("this agent has signed in {most} times within a minute, which is as often as it may");
    Reason::new("too_many_sign_ins", "sign_in", message, Who::Time)
}

/// What was signed, and by whom.
fn read(text: &str, signature: &str) -> Option<(SignIn, Signature)> {
    let Signatures(signatures) = signature.parse().ok()?;
    let [signature] = signatures[..] else { return None };
    Some((SignIn::read(text)?, signature))
}

/// For the audit: every sign-in is what was signed, and its history says so.
pub(super) fn check(conn: &dyn Conn) -> Result<Vec<String>, LedgerError> {
    let query = "SELECT n.id, n.message, n.signature, n.origin,
                (SELECT e.detail FROM event e
                  WHERE e.purchase = n.purchase AND e.kind = 'signed_in' AND CAST(e.detail ->> 'sign_in' AS BIGINT) = n.id)
           FROM sign_in n";

    let mut violations = Vec::new();
    conn.each(query, &[], |row| {
        let (id, origin, event): (i64, String, Option<String>) = (row.get(0)?, row.get(3)?, row.get(4)?);
        let read = read(&row.get::<_, String>(1)?, &row.get::<_, String>(2)?);
        let is_for = |sign_in: &SignIn| Url::parse(&origin).is_ok_and(|url| sign_in.is_for(&url));
        let told: serde_json::Value = event.and_then(|event| serde_json::from_str(&event).ok()).unwrap_or_default();
        let is_sound = read.is_some_and(|(sign_in, signature)| {
            sign_in.is_signed(&signature) && is_for(&sign_in) && told["digest"] == json!(sign_in.digest())
        });
        if !is_sound {
            violations.push(format!("sign-in {id} is not what its event says was signed"));
        }
        Ok(())
    })?;
    let untold: i64 = conn.read(
        "SELECT count(*) FROM event e WHERE e.kind = 'signed_in'
            AND NOT EXISTS (SELECT 1 FROM sign_in n WHERE n.id = CAST(e.detail ->> 'sign_in' AS BIGINT) AND n.purchase = e.purchase)",
        &[],
        |row| row.get(0),
    )?;
    if untold > 0 {
        violations.push(format!("{untold} sign-ins that the events tell of are gone"));
    }
    Ok(violations)
}
