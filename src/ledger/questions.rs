//! Questions before the owner, and their answers. A yes is for exact terms, stands for a while, and is used once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::authorize::ledger_time;
use super::engine::{Conn, LedgerRow, named};
use super::read::{self, Entry};
use super::{Ledger, LedgerError, Sync, events};
use crate::limits;
use crate::money::{Account, Amount, Network};
use crate::policy::{Approval, ApprovedBy, Denial, Policy, Snapshot, Terms, TermsText};
use crate::request::Request;
use crate::time::Time;
use crate::wish::Identity;

/// A question as the owner sees it.
#[derive(Clone, Debug)]
pub struct OpenQuestion {
    /// The purchase.
    pub entry: Entry,
    /// What it is for, exactly.
    pub terms: TermsText,
    /// When it was asked.
    pub asked_at: Time,
    /// Until when it stands.
    pub expires_at: Time,
    /// Said yes to, and until when that stands.
    pub approved_until: Option<Time>,
}

/// The 402 a question is about, untrusted and as it arrived, with the request it was the answer to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Challenge {
    /// When the seller asked for the money.
    #[serde(skip)]
    pub at: Time,
    /// What it answered.
    pub request: Request,
    /// The headers of its answer.
    pub headers: Vec<(String, String)>,
    /// The body of its answer.
    #[serde(with = "crate::text::base64_bytes")]
    pub body: Vec<u8>,
    /// The `_meta` of its answer, where that was a tool's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<String>,
}

/// A question as it is put.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    /// What a yes or a no to it is for.
    pub terms: Terms,
    /// How long it stands.
    pub pending_for: Duration,
    /// What is paid after a yes.
    pub challenge: Option<Challenge>,
}

/// How a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionState {
    /// Nobody has answered it.
    Waits,
    /// A yes that stands or was used, or a no.
    Said(bool),
    /// It expired, or asks for other terms by now.
    Gone,
}

impl Ledger {
    /// How the question of an agent's purchase stands, for these terms.
    pub async fn question_state(
        &self,
        agent: String,
        id: String,
        terms: TermsText,
        now: Time,
    ) -> Result<QuestionState, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?.millis();
            let said = conn.find(
                "SELECT CASE WHEN answer = 'denied' THEN 'no'
                                 WHEN used = 1 OR valid_until > :now THEN 'yes'
                                 WHEN expires_at > :now THEN 'waits' END
                       FROM question WHERE terms = :terms
                        AND purchase = (SELECT row FROM purchase WHERE agent = :agent AND purchase_id = :id)",
                named! { ":agent": agent, ":id": id, ":terms": terms.0, ":now": now },
                |row| row.get::<_, Option<String>>(0),
            )?;
            Ok(match said.flatten().as_deref() {
                Some("yes") => QuestionState::Said(true),
                Some("no") => QuestionState::Said(false),
                Some(_) => QuestionState::Waits,
                None => QuestionState::Gone,
            })
        })
        .await
    }

    /// Claims the showing of a question to a person: not again for the same wish within [`limits::SHOWN_AGAIN`].
    pub async fn show(&self, agent: String, id: String, now: Time) -> Result<bool, LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, now)?;
                let touched = conn.run(
                    "UPDATE question SET shown_at = :now
                      WHERE used = 0 AND answer IS DISTINCT FROM 'denied'
                        AND purchase = (SELECT row FROM purchase WHERE agent = :agent AND purchase_id = :id)
                        AND NOT EXISTS (SELECT 1 FROM question shown
                                         WHERE shown.identity = question.identity AND shown.shown_at > :shown_again)",
                    named! {
                        ":agent": agent,
                        ":id": id,
                        ":now": now.millis(),
                        ":shown_again": now.minus(limits::SHOWN_AGAIN).millis(),
                    },
                )?;
                Ok(touched > 0)
            })
            .await
    }

    /// What was shown to whoever said yes to this wish, sent with the same headers. The yes still stands.
    pub async fn approved_challenge(
        &self,
        identity: Identity,
        headers: [u8; 32],
        now: Time,
    ) -> Result<Option<Challenge>, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?;
            let kept: Option<(String, i64)> = conn.find(
                "SELECT q.challenge, q.heard_at FROM question q JOIN purchase p ON p.row = q.purchase
                      WHERE q.identity = :identity AND p.headers = :headers AND q.answer = 'approved' AND q.used = 0
                        AND q.valid_until > :now AND q.challenge IS NOT NULL
                      ORDER BY q.heard_at DESC LIMIT 1",
                named! { ":identity": identity.0, ":headers": headers, ":now": now.millis() },
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let Some((text, at)) = kept else { return Ok(None) };
            let challenge: Challenge = serde_json::from_str(&text).map_err(super::damaged)?;
            Ok(Some(Challenge { at: Time::from_millis(at), ..challenge }))
        })
        .await
    }

    /// Questions that stand, oldest first.
    pub async fn pending(&self, now: Time) -> Result<Vec<OpenQuestion>, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?;
            let query = "SELECT purchase, asked_at, expires_at, valid_until, terms FROM question
                  WHERE used = 0 AND answer IS DISTINCT FROM 'denied' AND expires_at > :now ORDER BY +purchase";
            let found: Vec<(i64, i64, i64, Option<i64>, String)> =
                conn.list(query, named! { ":now": now.millis() }, |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
                })?;
            let mut questions = Vec::new();
            for (row, asked, expires, valid_until, terms) in found {
                let Some(entry) = read::by_row(conn, row)?.filter(|entry| entry.state == "needs_approval") else {
                    continue;
                };
                questions.push(OpenQuestion {
                    entry,
                    terms: TermsText(terms),
                    asked_at: Time::from_millis(asked),
                    expires_at: Time::from_millis(expires),
                    approved_until: valid_until.map(Time::from_millis).filter(|until| *until > now),
                });
            }
            Ok(questions)
        })
        .await
    }

    /// The answer of somebody who may give one, for the very terms they were shown.
    pub async fn answer(
        &self,
        row: i64,
        terms: TermsText,
        yes: bool,
        by: ApprovedBy,
        valid_for: Duration,
        now: Time,
    ) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let (answer, until) =
                    if yes { ("approved", Some(now.plus(valid_for).millis())) } else { ("denied", None) };
                let by = by_name(by);
                let touched = conn.run(
                    // The first answer counts. The owner may think better of one; a host's never takes another's place.
                    "UPDATE question SET answer = :answer, answered_by = :by, answered_at = :now, valid_until = :until,
                            challenge = CASE :answer WHEN 'approved' THEN challenge END
                      WHERE purchase = :row AND terms = :terms AND used = 0 AND answer IS DISTINCT FROM 'denied'
                        AND expires_at > :now
                        AND (:by = 'owner' OR answer IS NULL OR valid_until <= :now)",
                    named! {
                        ":row": row,
                        ":answer": answer,
                        ":by": by,
                        ":now": now.millis(),
                        ":until": until,
                        ":terms": terms.0,
                    },
                )?;
                if touched != 1 {
                    let message = "this question does not stand any more: it was answered, expired, or asks for other \
                                   terms by now";
                    return Err(LedgerError::NotNow(message.to_owned()));
                }
                if !yes {
                    let sql = "UPDATE purchase SET state = 'denied' WHERE row = :row AND handle IS NULL";
                    conn.note(sql, named! { ":row": row })?;
                }
                events::append(conn, Some(row), now, answer, &json!({ "by": by }))
            })
            .await?;
        // It is answered, whatever becomes of the room its challenge took.
        if let (false, Err(cause)) = (yes, self.wipe().await) {
            tracing::debug!("what was erased is in the journal for a while: {cause}");
        }
        Ok(())
    }

    /// Questions nobody answered in time are marked as such; after a yes, once that is not valid any more. Whoever looks
    /// at questions does this, and writes nothing where nothing is due.
    pub async fn expire_questions(&self, now: Time) -> Result<(), LedgerError> {
        if !self.read(move |conn| is_due(conn, ledger_time(conn, now)?)).await? {
            return Ok(());
        }
        self.writer.write(Sync::Lazy, move |conn| expire(conn, ledger_time(conn, now)?)).await?;
        self.wipe().await
    }
}

/// Whose time is over.
const EXPIRED: &str = "SELECT p.row FROM purchase p JOIN question q ON q.purchase = p.row
    WHERE p.state = 'needs_approval' AND q.answer IS DISTINCT FROM 'denied'
      AND max(q.expires_at, coalesce(q.valid_until, 0)) <= :now";
/// Whose challenge cannot be paid any more.
const KEPT_TOO_LONG: &str = "SELECT purchase FROM question WHERE challenge IS NOT NULL AND heard_at <= :since";

fn is_due(conn: &dyn Conn, now: Time) -> Result<bool, LedgerError> {
    let since = now.minus(limits::CHALLENGE_KEPT).millis();
    Ok(conn.has(EXPIRED, named! { ":now": now.millis() })? || conn.has(KEPT_TOO_LONG, named! { ":since": since })?)
}

fn expire(conn: &dyn Conn, now: Time) -> Result<(), LedgerError> {
    let query = EXPIRED;
    let rows = conn.list(query, named! { ":now": now.millis() }, |row| row.get(0))?;
    for row in rows {
        conn.note("UPDATE purchase SET state = 'expired' WHERE row = :row", named! { ":row": row })?;
        events::append(conn, Some(row), now, "expired", &json!({}))?;
        forget_challenge(conn, row)?;
    }
    let query = KEPT_TOO_LONG;
    let since = now.minus(limits::CHALLENGE_KEPT).millis();
    let rows = conn.list(query, named! { ":since": since }, |row| row.get(0))?;
    rows.into_iter().try_for_each(|row| forget_challenge(conn, row))
}

/// The question of a purchase has ended: what was kept to be paid after a yes goes.
pub fn forget_challenge(conn: &dyn Conn, row: i64) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE question SET challenge = NULL WHERE purchase = :row AND challenge IS NOT NULL",
        named! { ":row": row },
    )?;
    Ok(())
}

/// Puts the question, or leaves the one that stands for the same terms. Other terms are another question: an old yes
/// goes, because it does not fit them, and an old no stays. Answers whether it is new.
pub fn ask(conn: &dyn Conn, row: i64, put: &NewQuestion, now: Time) -> Result<bool, LedgerError> {
    let text = put.terms.canonical();
    let stands: Option<(String, Option<i64>)> = conn.find(
        "SELECT terms, shown_at FROM question
              WHERE purchase = :row AND expires_at > :now AND used = 0 AND answer IS DISTINCT FROM 'denied'",
        named! { ":row": row, ":now": now.millis() },
        |row| Ok((row.get("terms")?, row.get("shown_at")?)),
    )?;
    let is_new = stands.as_ref().is_none_or(|(stands, _)| *stands != text.0);
    if is_new {
        conn.note(
            "DELETE FROM question WHERE purchase = :row AND used = 0 AND answer IS DISTINCT FROM 'denied'",
            named! { ":row": row },
        )?;
        // Other terms do not make it pop up again.
        insert(conn, row, put, now, stands.and_then(|(_, shown_at)| shown_at))?;
    }
    if let Some(challenge) = &put.challenge {
        let kept = serde_json::to_string(challenge).map_err(|cause| LedgerError::Io(cause.to_string()))?;
        conn.note(
            "UPDATE question SET challenge = :challenge, heard_at = :heard_at WHERE purchase = :row AND terms = :terms",
            named! {
                ":row": row,
                ":terms": text.0,
                ":challenge": kept,
                ":heard_at": challenge.at.millis(),
            },
        )?;
    }
    Ok(is_new)
}

fn insert(conn: &dyn Conn, row: i64, put: &NewQuestion, now: Time, shown_at: Option<i64>) -> Result<(), LedgerError> {
    let denial = put.terms.denial();
    conn.note(
        "INSERT INTO question
            (purchase, identity, terms, scheme, network, asset, amount, asked_at, expires_at, shown_at)
         SELECT :row, identity, :terms, :scheme, :network, :asset, :amount, :asked_at, :expires_at, :shown_at
           FROM purchase WHERE row = :row
         ON CONFLICT (purchase, terms) DO UPDATE SET
            identity = excluded.identity, scheme = excluded.scheme, network = excluded.network, asset = excluded.asset,
            amount = excluded.amount, asked_at = excluded.asked_at, expires_at = excluded.expires_at,
            shown_at = excluded.shown_at, answer = NULL, answered_by = NULL, answered_at = NULL, valid_until = NULL,
            used = 0, challenge = NULL, heard_at = NULL",
        named! {
            ":row": row,
            ":terms": put.terms.canonical().0,
            ":scheme": denial.scheme,
            ":network": denial.asset.network().as_str(),
            ":asset": denial.asset.address(),
            ":amount": denial.amount.to_string(),
            ":asked_at": now.millis(),
            ":expires_at": now.plus(put.pending_for).millis(),
            ":shown_at": shown_at,
        },
    )?;
    Ok(())
}

/// The id of the purchase under which a question of this identity stands already.
pub fn standing_row(conn: &dyn Conn, identity: &Identity) -> Result<Option<String>, LedgerError> {
    let standing = conn.find(
        "SELECT purchase_id FROM purchase
              WHERE identity = :identity AND state = 'needs_approval' ORDER BY row DESC LIMIT 1",
        named! { ":identity": identity.0 },
        |row| row.get(0),
    )?;
    Ok(standing)
}

/// How many other questions of this agent stand.
pub fn count_pending(conn: &dyn Conn, agent: &str, but: &str, now: Time) -> Result<usize, LedgerError> {
    let count: i64 = conn.read(
        "SELECT count(*) FROM purchase p JOIN question q ON q.purchase = p.row
              WHERE p.agent = :agent AND p.purchase_id <> :but AND p.state = 'needs_approval' AND q.expires_at > :now
                AND q.answer IS DISTINCT FROM 'denied'",
        named! { ":agent": agent, ":but": but, ":now": now.millis() },
        |row| row.get(0),
    )?;
    Ok(count as usize)
}

/// What the owner has said about this wish, as far as it still holds.
pub fn into_snapshot(
    conn: &dyn Conn,
    identity: &Identity,
    now: Time,
    policy: &Policy,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerError> {
    let query = "SELECT terms, answered_by FROM question
          WHERE identity = :identity AND answer = 'approved' AND used = 0 AND valid_until > :now";

    conn.each(query, named! { ":identity": identity.0, ":now": now.millis() }, |row| {
        let by = named_by(&row.get::<_, String>("answered_by")?)?;
        snapshot.approvals.push(Approval { terms: TermsText(row.get("terms")?), by });
        Ok(())
    })?;
    let since = now.minus(policy.approval.pending_for).millis();
    let query = "SELECT scheme, network, asset, amount FROM question
          WHERE identity = :identity AND answer = 'denied' AND answered_at > :since AND scheme IS NOT NULL";

    conn.each(query, named! { ":identity": identity.0, ":since": since }, |row| {
        snapshot.denied.push(denial(row)?);
        Ok(())
    })?;
    Ok(())
}

fn denial(row: &dyn LedgerRow) -> Result<Denial, LedgerError> {
    let (asset, amount): (String, String) = (row.get("asset")?, row.get("amount")?);
    let network = Network::new(row.get::<_, String>("network")?);
    Ok(Denial {
        scheme: row.get("scheme")?,
        asset: Account::parse(&network, &asset).map_err(super::damaged)?,
        amount: Amount::parse(&amount).ok_or_else(|| super::damaged("an amount does not read"))?,
    })
}

/// A yes is for one purchase: whatever it was for, it is used up in the commit that makes that purchase.
pub fn use_up(conn: &dyn Conn, row: i64, identity: &Identity, now: Time) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE question SET used = 1, challenge = NULL
          WHERE identity = :identity AND answer = 'approved' AND used = 0 AND valid_until > :now",
        named! { ":identity": identity.0, ":now": now.millis() },
    )?;
    forget_challenge(conn, row)
}

/// What a purchase's yes was for, once it was used for it.
pub fn used_by(conn: &dyn Conn, row: i64) -> Result<Vec<Approval>, LedgerError> {
    let query = "SELECT terms, answered_by FROM question WHERE purchase = :row AND answer = 'approved' AND used = 1";

    let mut used = Vec::new();
    conn.each(query, named! { ":row": row }, |row| {
        let by = named_by(&row.get::<_, String>("answered_by")?)?;
        used.push(Approval { terms: TermsText(row.get("terms")?), by });
        Ok(())
    })?;
    Ok(used)
}

fn by_name(by: ApprovedBy) -> &'static str {
    match by {
        ApprovedBy::Owner => "owner",
        ApprovedBy::Host => "host",
    }
}

fn named_by(name: &str) -> Result<ApprovedBy, LedgerError> {
    match name {
        "owner" => Ok(ApprovedBy::Owner),
        "host" => Ok(ApprovedBy::Host),
        other => Err(super::damaged(format!("nobody of ours answers as `{other}`"))),
    }
}
