//! Rows for what cost nothing: free answers, refusals, and questions before the owner.

use serde_json::{Value, json};

use super::authorize::ledger_time;
use super::engine::{Conn, named};
use super::{Answered, Ledger, LedgerError, NewQuestion, Sync, breakers, events, questions, read};
use crate::limits;
use crate::offer::Offer;
use crate::policy;
use crate::reason::Reason;
use crate::request::Request;
use crate::time::Time;
use crate::wish::{self, Identity};

/// A purchase that did not come to money.
#[derive(Clone, Debug)]
pub struct Unpaid {
    /// The purchase's id.
    pub purchase_id: String,
    /// Whose purchase it is.
    pub agent: String,
    /// What the host says of itself.
    pub client: Option<String>,
    /// What makes two calls the same wish.
    pub identity: Identity,
    /// The fingerprint of the headers the agent set.
    pub headers: [u8; 32],
    /// The purchase it buys once more.
    pub parent: Option<i64>,
    /// What the agent asked for.
    pub asked: Request,
    /// Where redirects led it: who named the terms, if anybody did.
    pub request: Request,
    /// Which policy decided.
    pub policy_hash: Option<String>,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// The offer it came closest to.
    pub offer: Option<Offer>,
    /// Every offer, and what the policy says of it.
    pub offers: Value,
    /// What each rule said.
    pub rules: Value,
    /// The time it was decided at.
    pub now: Time,
}

impl Ledger {
    /// Whether one more free answer of this agent would be listed now, so that its body is worth keeping.
    pub async fn may_list_free(&self, agent: String, now: Time) -> Result<bool, LedgerError> {
        self.read(move |conn| {
            let now = ledger_time(conn, now)?;
            Ok(FREE.counted(conn, &agent, now)? < limits::FREE_LISTED_PER_MINUTE as i64)
        })
        .await
    }

    /// The seller wanted no money. Past the listed ones, free answers are counted only: `false`. So is one without its
    /// answer.
    pub async fn record_free(&self, unpaid: Unpaid, answered: Option<Answered>) -> Result<bool, LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, unpaid.now)?;
                let is_listed = FREE.count(conn, &unpaid.agent, now)? < limits::FREE_LISTED_PER_MINUTE as i64;
                let Some(answered) = answered.filter(|_| is_listed) else { return Ok(false) };
                let row = put(conn, &unpaid, "free", now)?;
                super::close::store_answer(conn, row, &answered, now)?;
                events::append(conn, Some(row), now, "free", &json!({ "status": answered.status }))?;
                Ok(true)
            })
            .await
    }

    /// The policy, the owner or a limit said no. Past the listed ones, refusals are counted only: `false`.
    pub async fn record_refusal(&self, unpaid: Unpaid) -> Result<bool, LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, unpaid.now)?;
                let news = breakers::news(conn, &unpaid, now)?;
                let is_listed = REFUSED.count(conn, &unpaid.agent, now)? < limits::REFUSALS_LISTED_PER_MINUTE as i64;
                if !is_listed && news.is_empty() {
                    end_question(conn, &unpaid)?;
                    return Ok(false);
                }
                let row = put(conn, &unpaid, "refused", now)?;
                if let Some(offer) = &unpaid.offer {
                    store_terms(conn, row, offer)?;
                }
                events::append(conn, Some(row), now, "refused", &json!({ "reasons": unpaid.reasons }))?;
                breakers::tell(conn, row, &news, now)?;
                Ok(true)
            })
            .await
    }

    /// The owner has to say yes. The question stands under the purchase; asking again does not make it another one.
    /// Answers with the id it stands under.
    pub async fn record_question(
        &self,
        unpaid: Unpaid,
        offer: Offer,
        asked: NewQuestion,
    ) -> Result<String, LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, unpaid.now)?;
                let unpaid = match questions::standing_row(conn, &unpaid.identity)? {
                    Some(purchase_id) => Unpaid { purchase_id, ..unpaid },
                    None => unpaid,
                };
                if questions::count_pending(conn, &unpaid.agent, &unpaid.purchase_id, now)? >= limits::PENDING_QUESTIONS
                {
                    return Err(LedgerError::NotNow(format!(
                        "{} questions of this agent already wait for the owner",
                        limits::PENDING_QUESTIONS
                    )));
                }
                let row = put(conn, &unpaid, "needs_approval", now)?;
                store_terms(conn, row, &offer)?;
                if questions::ask(conn, row, &asked, now)? {
                    events::append(conn, Some(row), now, "asked", &json!({ "reasons": unpaid.reasons }))?;
                    breakers::tell(conn, row, &breakers::news(conn, &unpaid, now)?, now)?;
                }
                Ok(unpaid.purchase_id)
            })
            .await
    }
}

/// Rows are numbered as they come: whoever writes is alone.
pub(super) fn next_row(conn: &dyn Conn) -> Result<i64, LedgerError> {
    conn.read("SELECT coalesce(max(row), 0) + 1 FROM purchase", &[], |row| row.get(0))
}

/// A fresh row, before anything is known but the wish.
fn insert(conn: &dyn Conn, unpaid: &Unpaid, now: Time) -> Result<i64, LedgerError> {
    let row = next_row(conn)?;
    conn.note(
        "INSERT INTO purchase
            (row, purchase_id, agent, identity, headers, parent, at, method, url, domain, place, site, state)
         VALUES
            (:row, :purchase_id, :agent, :identity, :headers, :parent, :at, :method, :url, :domain, :place, :site,
             'refused')",
        named! {
            ":row": row,
            ":purchase_id": unpaid.purchase_id,
            ":agent": unpaid.agent,
            ":identity": unpaid.identity.0,
            ":headers": unpaid.headers,
            ":parent": unpaid.parent,
            ":at": now.millis(),
            ":method": unpaid.asked.method,
            ":url": unpaid.asked.url.as_str(),
            ":domain": unpaid.asked.url.host_str().unwrap_or_default(),
            ":place": wish::place(&unpaid.asked.url),
            ":site": policy::site(&unpaid.asked.url),
        },
    )?;
    Ok(row)
}

/// The row this purchase has, as it stands, or a new one: something is about to leave, and what comes of it is not known.
pub(super) fn begin(conn: &dyn Conn, unpaid: &Unpaid, now: Time) -> Result<i64, LedgerError> {
    if let Some(row) = find(conn, unpaid)? {
        return Ok(row);
    }
    let row = insert(conn, unpaid, now)?;
    let reasons = serde_json::to_string(&unpaid.reasons).map_err(|cause| LedgerError::Io(cause.to_string()))?;
    conn.note("UPDATE purchase SET reasons = :reasons WHERE row = :row", named! { ":row": row, ":reasons": reasons })?;
    Ok(row)
}

/// Writes a row that cost nothing: the one this purchase has, or a new one.
pub(super) fn put(conn: &dyn Conn, unpaid: &Unpaid, state: &str, now: Time) -> Result<i64, LedgerError> {
    let row = match find(conn, unpaid)? {
        Some(row) => row,
        None => insert(conn, unpaid, now)?,
    };
    let url = &unpaid.request.url;
    let reasons = serde_json::to_string(&unpaid.reasons).map_err(|cause| LedgerError::Io(cause.to_string()))?;
    let touched = conn.run("UPDATE purchase SET state = :state, at = :at, reasons = :reasons, policy = :policy, headers = :headers,
                    usd = NULL, amount = NULL, asset = NULL, asset_address = NULL, network = NULL, payee = NULL, dialect = NULL, scheme = NULL,
                    final_url = :final_url, domain = :domain, place = :place, site = :site
              WHERE row = :row AND handle IS NULL", named! {
            ":row": row,
            ":state": state,
            ":at": now.millis(),
            ":reasons": reasons,
            ":policy": unpaid.policy_hash,
            ":headers": unpaid.headers,
            ":final_url": (*url != unpaid.asked.url).then_some(url.as_str()),
            ":domain": url.host_str().unwrap_or_default(),
            ":place": wish::place(url),
            ":site": policy::site(url),
        })?;
    if touched != 1 {
        return Err(LedgerError::NotNow("this purchase was authorized a moment ago".to_owned()));
    }
    put_detail(conn, row, unpaid.client.as_deref(), &unpaid.offers, &unpaid.rules)?;
    if state != "needs_approval" {
        questions::forget_challenge(conn, row)?;
    }
    Ok(row)
}

/// What a person may ask about later; of an earlier try nothing is left.
pub(super) fn put_detail(
    conn: &dyn Conn,
    row: i64,
    client: Option<&str>,
    offers: &Value,
    rules: &Value,
) -> Result<(), LedgerError> {
    conn.note(
        "INSERT INTO detail (purchase, client, offers, rules) VALUES (:row, :client, :offers, :rules)
         ON CONFLICT (purchase) DO UPDATE SET
            client = excluded.client, offers = excluded.offers, rules = excluded.rules, evidence = NULL",
        named! { ":row": row, ":client": client, ":offers": offers.to_string(), ":rules": rules.to_string() },
    )
}

/// What is refused and not listed ends its question all the same.
fn end_question(conn: &dyn Conn, unpaid: &Unpaid) -> Result<(), LedgerError> {
    find(conn, unpaid)?.map_or(Ok(()), |row| questions::forget_challenge(conn, row))
}

fn find(conn: &dyn Conn, unpaid: &Unpaid) -> Result<Option<i64>, LedgerError> {
    match read::by_id(conn, &unpaid.agent, &unpaid.purchase_id)? {
        Some(entry) if entry.identity != unpaid.identity => Err(LedgerError::Conflict(unpaid.purchase_id.clone())),
        Some(entry) => Ok(Some(entry.row)),
        None => match unpaid.parent {
            Some(parent) => Ok(read::child_of(conn, parent)?.map(|entry| entry.row)),
            None => Ok(None),
        },
    }
}

/// What is to be paid stands in the row before money does, and where it was only asked about or refused: the log shows it.
fn store_terms(conn: &dyn Conn, row: i64, offer: &Offer) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE purchase SET usd = :usd, amount = :amount, asset = :asset, asset_address = :asset_address,
                network = :network, payee = :payee,
                dialect = :dialect, scheme = :scheme WHERE row = :row AND handle IS NULL",
        named! {
            ":row": row,
            ":usd": offer.usd.as_micros() as i64,
            ":amount": offer.amount.to_string(),
            ":asset": offer.asset.symbol,
            ":asset_address": offer.asset.account.address(),
            ":network": offer.network().as_str(),
            ":payee": offer.payee.address(),
            ":dialect": offer.dialect().name(),
            ":scheme": offer.scheme.name(),
        },
    )?;
    Ok(())
}

/// An agent in a loop must not fill the log: past some a minute, what it comes to is counted and not listed.
struct Loop {
    so_far: &'static str,
    one_more: &'static str,
    forget: &'static str,
}

const REFUSED: Loop = Loop {
    so_far: "SELECT refusals FROM refusals WHERE agent = :agent AND minute = :minute",
    one_more: "INSERT INTO refusals (agent, minute, refusals) VALUES (:agent, :minute, 1)
               ON CONFLICT (agent, minute) DO UPDATE SET refusals = refusals.refusals + 1",
    forget: "DELETE FROM refusals WHERE minute < :minute",
};
const FREE: Loop = Loop {
    so_far: "SELECT answers FROM free_answers WHERE agent = :agent AND minute = :minute",
    one_more: "INSERT INTO free_answers (agent, minute, answers) VALUES (:agent, :minute, 1)
               ON CONFLICT (agent, minute) DO UPDATE SET answers = free_answers.answers + 1",
    forget: "DELETE FROM free_answers WHERE minute < :minute",
};

impl Loop {
    /// How many there were in this minute.
    fn counted(&self, conn: &dyn Conn, agent: &str, now: Time) -> Result<i64, LedgerError> {
        let so_far: Option<i64> =
            conn.find(self.so_far, named! { ":agent": agent, ":minute": breakers::minute(now) }, |row| row.get(0))?;
        Ok(so_far.unwrap_or(0))
    }

    /// Counts one more, and says how many there were before it.
    fn count(&self, conn: &dyn Conn, agent: &str, now: Time) -> Result<i64, LedgerError> {
        let before = self.counted(conn, agent, now)?;
        conn.note(self.one_more, named! { ":agent": agent, ":minute": breakers::minute(now) })?;
        Ok(before)
    }
}

/// Counts serve the minute they are of.
pub(super) fn forget_counts(conn: &dyn Conn, now: Time) -> Result<(), LedgerError> {
    const DAY: i64 = 24 * 60;
    for counts in [REFUSED, FREE] {
        conn.note(counts.forget, named! { ":minute": breakers::minute(now) - DAY })?;
    }
    Ok(())
}
