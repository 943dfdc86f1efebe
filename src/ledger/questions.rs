//! Questions before the owner, and their answers. A yes is for exact terms, stands for a while, and is used once.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::authorize::ledger_time;
use super::read::{self, Entry};
use super::{Ledger, LedgerError, Sync, events};
use crate::limits;
use crate::offer::Offer;
use crate::policy::{self, Approval, ApprovedBy, Policy, Snapshot, Terms};
use crate::request::Request;
use crate::time::Time;
use crate::wish::Identity;

/// A question as the owner sees it.
#[derive(Clone, Debug)]
pub struct OpenQuestion {
    /// The purchase.
    pub entry: Entry,
    /// What it is for, exactly.
    pub terms: Terms,
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
    /// When.
    #[serde(skip)]
    pub at: Time,
    /// What goes out.
    pub request: Request,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "crate::text::base64_bytes")]
    pub body: Vec<u8>,
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
    pub async fn word(&self, agent: String, id: String, terms: Terms, now: Time) -> Result<QuestionState, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?.millis();
            let said = conn
                .prepare_cached(
                    "SELECT CASE WHEN answer = 'denied' THEN 'no'
                                 WHEN used = 1 OR valid_until > ?4 THEN 'yes'
                                 WHEN expires_at > ?4 THEN 'waits' END
                       FROM question WHERE terms = ?3
                        AND purchase = (SELECT row FROM purchase WHERE agent = ?1 AND purchase_id = ?2)",
                )?
                .query_row(params![agent, id, terms.0, now], |row| row.get::<_, Option<String>>(0))
                .optional()?;
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
                let touched = conn.execute(
                    "UPDATE question SET shown_at = ?3
                      WHERE used = 0 AND answer IS NOT 'denied'
                        AND purchase = (SELECT row FROM purchase WHERE agent = ?1 AND purchase_id = ?2)
                        AND NOT EXISTS (
                            SELECT 1 FROM purchase asked
                              JOIN purchase same ON same.identity = asked.identity
                              JOIN question shown ON shown.purchase = same.row
                             WHERE asked.agent = ?1 AND asked.purchase_id = ?2 AND shown.shown_at > ?4)",
                    params![agent, id, now.millis(), now.minus(limits::SHOWN_AGAIN).millis()],
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
            let kept: Option<(String, i64)> = conn
                .prepare_cached(
                    "SELECT q.challenge, q.heard_at FROM purchase p JOIN question q ON q.purchase = p.row
                      WHERE p.identity = ?1 AND p.headers = ?2 AND q.answer = 'approved' AND q.used = 0
                        AND q.valid_until > ?3 AND q.challenge IS NOT NULL
                      ORDER BY q.heard_at DESC LIMIT 1",
                )?
                .query_row(params![identity.0, headers, now.millis()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
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
            let mut query = conn.prepare_cached(
                "SELECT purchase, asked_at, expires_at, valid_until, terms FROM question
                  WHERE used = 0 AND answer IS NOT 'denied' AND expires_at > ?1 ORDER BY +purchase",
            )?;
            let found: Vec<(i64, i64, i64, Option<i64>, String)> = query
                .query_map([now.millis()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?
                .collect::<Result<_, _>>()?;
            let mut questions = Vec::new();
            for (row, asked, expires, valid_until, terms) in found {
                let Some(entry) = read::by_row(conn, row)?.filter(|entry| entry.state == "needs_approval") else {
                    continue;
                };
                questions.push(OpenQuestion {
                    entry,
                    terms: Terms(terms),
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
        terms: Terms,
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
                let touched = conn.execute(
                    // The first answer counts. The owner may think better of one; a host's never takes another's place.
                    "UPDATE question SET answer = ?2, answered_by = ?3, answered_at = ?4, valid_until = ?5,
                            challenge = CASE ?2 WHEN 'approved' THEN challenge END
                      WHERE purchase = ?1 AND terms = ?6 AND used = 0 AND answer IS NOT 'denied' AND expires_at > ?4
                        AND (?3 = 'owner' OR answer IS NULL OR valid_until <= ?4)",
                    params![row, answer, by, now.millis(), until, terms.0],
                )?;
                if touched != 1 {
                    return Err(LedgerError::NotNow("this question does not stand any more: it was answered, expired, or asks for other terms by now".to_owned()));
                }
                if !yes {
                    conn.execute("UPDATE purchase SET state = 'denied' WHERE row = ?1 AND nonce IS NULL", [row])?;
                }
                events::append(conn, Some(row), now, answer, &json!({ "by": by }))
            })
            .await
    }

    /// Questions nobody answered in time are marked as such; after a yes, once that is not valid any more.
    pub async fn expire_questions(&self, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, now)?;
                let mut query = conn.prepare_cached(
                    "SELECT p.row FROM purchase p JOIN question q ON q.purchase = p.row
                      WHERE p.state = 'needs_approval' AND q.answer IS NOT 'denied'
                        AND max(q.expires_at, coalesce(q.valid_until, 0)) <= ?1",
                )?;
                let rows: Vec<i64> = query.query_map([now.millis()], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for row in rows {
                    conn.execute("UPDATE purchase SET state = 'expired' WHERE row = ?1", [row])?;
                    events::append(conn, Some(row), now, "expired", &json!({}))?;
                }
                let too_old = now.minus(limits::CHALLENGE_KEPT).millis();
                conn.execute(
                    "UPDATE question SET challenge = NULL WHERE challenge IS NOT NULL AND heard_at <= ?1",
                    [too_old],
                )?;
                Ok(())
            })
            .await
    }
}

/// Puts the question, or leaves the one that stands for the same terms. Other terms are another question: an old yes
/// goes, because it does not fit them, and an old no stays. Answers whether it is new.
pub fn ask(
    conn: &Connection,
    row: i64,
    offer: &Offer,
    now: Time,
    pending_for: Duration,
    challenge: Option<&Challenge>,
) -> Result<bool, LedgerError> {
    let terms = policy::terms(offer);
    let stands: Option<(String, Option<i64>)> = conn
        .prepare_cached(
            "SELECT terms, shown_at FROM question
              WHERE purchase = ?1 AND expires_at > ?2 AND used = 0 AND answer IS NOT 'denied'",
        )?
        .query_row(params![row, now.millis()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_new = stands.as_ref().is_none_or(|(stands, _)| *stands != terms.0);
    if is_new {
        conn.prepare_cached("DELETE FROM question WHERE purchase = ?1 AND used = 0 AND answer IS NOT 'denied'")?
            .execute([row])?;
        // Other terms do not make it pop up again.
        let shown_at = stands.and_then(|(_, shown_at)| shown_at);
        conn.prepare_cached(
            "INSERT OR REPLACE INTO question (purchase, terms, asked_at, expires_at, shown_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![row, terms.0, now.millis(), now.plus(pending_for).millis(), shown_at])?;
    }
    if let Some(challenge) = challenge {
        let text = serde_json::to_string(challenge).map_err(|cause| LedgerError::Io(cause.to_string()))?;
        conn.prepare_cached("UPDATE question SET challenge = ?3, heard_at = ?4 WHERE purchase = ?1 AND terms = ?2")?
            .execute(params![row, terms.0, text, challenge.at.millis()])?;
    }
    Ok(is_new)
}

/// The id of the purchase under which a question of this identity stands already.
pub fn standing_row(conn: &Connection, identity: &Identity) -> Result<Option<String>, LedgerError> {
    let standing = conn
        .prepare_cached(
            "SELECT purchase_id FROM purchase WHERE identity = ?1 AND state = 'needs_approval' ORDER BY row DESC LIMIT 1",
        )?
        .query_row([identity.0], |row| row.get(0))
        .optional()?;
    Ok(standing)
}

/// How many other questions of this agent stand.
pub fn count_pending(conn: &Connection, agent: &str, but: &str, now: Time) -> Result<usize, LedgerError> {
    let count: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM purchase p JOIN question q ON q.purchase = p.row
              WHERE p.agent = ?1 AND p.purchase_id <> ?2 AND p.state = 'needs_approval' AND q.expires_at > ?3
                AND q.answer IS NOT 'denied'",
        )?
        .query_row(params![agent, but, now.millis()], |row| row.get(0))?;
    Ok(count as usize)
}

/// What the owner has said about this wish, as far as it still holds.
pub fn into_snapshot(
    conn: &Connection,
    identity: &Identity,
    now: Time,
    policy: &Policy,
    snapshot: &mut Snapshot,
) -> Result<(), LedgerError> {
    let mut query = conn.prepare_cached(
        "SELECT q.terms, q.answer, q.answered_by, q.answered_at, q.valid_until, q.used
           FROM question q JOIN purchase p ON p.row = q.purchase WHERE p.identity = ?1 AND q.answer IS NOT NULL",
    )?;
    let mut rows = query.query([identity.0])?;
    let mut denied = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let terms = Terms(row.get(0)?);
        let answer: String = row.get(1)?;
        let answered = Time::from_millis(row.get::<_, Option<i64>>(3)?.unwrap_or_default());
        let valid_until = Time::from_millis(row.get::<_, Option<i64>>(4)?.unwrap_or_default());
        let is_used: bool = row.get(5)?;
        if answer == "denied" && now.since(answered) < policy.approval.pending_for {
            denied.insert(terms);
        } else if answer == "approved" && !is_used && valid_until > now {
            let by = if row.get::<_, String>(2)? == "host" { ApprovedBy::Host } else { ApprovedBy::Owner };
            snapshot.approval = Some(Approval { terms, by });
        }
    }
    snapshot.denied = denied;
    Ok(())
}

/// A yes is used once, in the commit it made possible.
pub fn use_up(conn: &Connection, identity: &Identity, terms: &Terms) -> Result<(), LedgerError> {
    conn.prepare_cached(
        "UPDATE question SET used = 1, challenge = NULL
          WHERE terms = ?2 AND answer = 'approved' AND used = 0
            AND purchase IN (SELECT row FROM purchase WHERE identity = ?1)",
    )?
    .execute(params![identity.0, terms.0])?;
    Ok(())
}

fn by_name(by: ApprovedBy) -> &'static str {
    match by {
        ApprovedBy::Owner => "owner",
        ApprovedBy::Host => "host",
    }
}
