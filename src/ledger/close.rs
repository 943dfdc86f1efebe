//! After presenting: what came of it, and every later move.
//!
//! A move reads where the row stands and writes where it goes in one transaction; what it may not become it does not,
//! and that is an outcome, not a fault: the chain may have spoken first.

use std::time::Duration;

use alloy_primitives::B256;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::authorize::ledger_time;
use super::budget::{self, Counted};
use super::engine::{Conn, in_order, named};
use super::read::{self, Entry};
use super::{Ledger, LedgerError, Sync, bodies, damaged, events, record};
use crate::crash;
use crate::goods::Goods;
use crate::limits;
use crate::money::{Account, Amount, Usd};
use crate::settlement::{Standing, State};
use crate::time::Time;

/// A complete reply, as the row keeps it.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// What the seller says the body is.
    pub content_type: Option<String>,
    /// Where the answer came from, after redirects.
    pub final_url: String,
    /// How long the whole body is.
    pub body_bytes: u64,
    /// The body lies in the store.
    pub kept: bool,
    /// The store is the ledger itself: a small body, filed with the row.
    pub small: Option<Vec<u8>>,
    /// It came to its end, or to as much of it as is kept.
    pub is_whole: bool,
}

/// What the chain proves was taken, where that is less than the most.
#[derive(Clone, Debug)]
pub struct Taken {
    /// In atomic units.
    pub amount: Amount,
    /// What that counts for.
    pub usd: Usd,
}

/// A chain transaction of ours that lets somebody move so much of an asset.
#[derive(Clone, Debug)]
pub struct SentApproval {
    /// Of which asset.
    pub asset: Account,
    /// Who may move it.
    pub spender: String,
    /// How much.
    pub amount: Amount,
    /// The how manieth chain transaction of our account it is.
    pub nth: u64,
}

/// What came of a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// It went there. Where it did not, it cannot go there from where it is.
    pub went: bool,
    /// What the owner hears for the first time now: the seller's receipt is not true.
    pub alarm: Option<String>,
}

/// What presenting came to.
#[derive(Clone, Debug)]
pub struct Closing {
    /// Where its money is, and who says so.
    pub standing: Standing,
    /// Some byte of the payment may have left.
    pub presented: bool,
    /// The goods arrived, whole.
    pub delivered: bool,
    /// What came, judged, if anything was delivered.
    pub goods: Option<Goods>,
    /// The seller's receipt says what is not so of this payment.
    pub lied: bool,
    /// The seller's answer, if it is complete.
    pub answered: Option<Answered>,
    /// The chain transaction, as whoever is the proof names it.
    pub chain_tx: Option<String>,
    /// The seller's words about the payment, as it sent them.
    pub receipt: Option<Value>,
    /// What happened, for the log.
    pub detail: Value,
    /// The time it was decided at.
    pub now: Time,
}

impl Ledger {
    /// Closes a presented purchase and lets go of its lease.
    pub async fn close(&self, row: i64, closing: Closing) -> Result<Entry, LedgerError> {
        self.writer.write(Sync::Lazy, move |conn| close(conn, row, &closing)).await
    }

    /// Moves a purchase by evidence of the chain or the word of the owner.
    pub async fn move_to(
        &self,
        row: i64,
        to: Standing,
        kind: &'static str,
        detail: Value,
        taken: Option<Taken>,
        now: Time,
    ) -> Result<Moved, LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let went = advance(conn, row, to, now)?;
                crash::point("moved");
                let mut alarm = None;
                if went {
                    let mut detail = detail;
                    if let Some(taken) = &taken {
                        give_back(conn, row, taken)?;
                    }
                    detail["standing"] = json!([to.state, to.proof]);
                    let chain_tx = detail["chain_tx"].as_str();
                    conn.note(
                        // Whoever is the proof names it, or nobody: what the seller named is not the chain's word.
                        "UPDATE purchase SET chain_tx = ?2 WHERE row = ?1",
                        in_order![row, chain_tx],
                    )?;
                    conn.note(
                        "UPDATE detail SET evidence = ?2 WHERE purchase = ?1",
                        in_order![row, detail.to_string()],
                    )?;
                    events::append(conn, Some(row), now, kind, &detail)?;
                    alarm = hold_against_chain(conn, row, now)?;
                    forget_request(conn, row)?;
                }
                Ok(Moved { went, alarm })
            })
            .await
    }

    /// Lets go of a lease of ours without a word on the outcome: whoever asks next finds out. It goes on trying beside
    /// everything else, because a lease of a living process that nobody works under would be joined for ever.
    pub fn let_go(&self, handle: B256) -> JoinHandle<()> {
        const LONGEST: Duration = Duration::from_secs(60);
        let ledger = self.clone();
        tokio::spawn(async move {
            let mut pause = Duration::from_secs(1);
            loop {
                let name = ledger.engine.holder().to_owned();
                let sql = "UPDATE purchase SET lease = NULL WHERE handle = ?1 AND lease = ?2";
                let let_go = move |conn: &dyn Conn| conn.run(sql, in_order![handle.as_slice(), name]);
                if ledger.writer.write(Sync::Lazy, let_go).await.is_ok() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        })
    }

    /// Ends the time in which the same call resumes this purchase. Its money counts as before.
    pub async fn end_open(&self, row: i64, why: &'static str, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let touched =
                    conn.run("UPDATE purchase SET open = 0, lease = NULL WHERE row = ?1 AND open = 1", in_order![row])?;
                if touched == 1 {
                    events::append(conn, Some(row), now, "left_open", &json!({ "why": why }))?;
                    forget_request(conn, row)?;
                }
                Ok(())
            })
            .await
    }

    /// Drops sums no window can see any more, and marks questions nobody answered in time.
    pub async fn tidy(&self, now: Time) -> Result<(), LedgerError> {
        self.expire_questions(now).await?;
        self.writer
            .write(Sync::Lazy, move |conn| {
                record::forget_counts(conn, ledger_time(conn, now)?)?;
                forget_long_settled(conn, ledger_time(conn, now)?)?;
                // By the time the ledger itself has come to: a clock that is ahead for a moment forgets no spending.
                budget::sweep(conn, ledger_time(conn, Time::from_secs(0))?)?;
                bodies::sweep(conn)
            })
            .await
    }

    /// Stops all spending, or lets it go on.
    pub async fn freeze(&self, why: Option<String>, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                match &why {
                    // What stopped it first stays.
                    Some(why) => {
                        conn.note("UPDATE ledger SET frozen_why = coalesce(frozen_why, :why)", named! { ":why": why })?
                    }
                    None => conn.note("UPDATE ledger SET frozen_why = NULL", &[])?,
                }
                let kind = if why.is_some() { "frozen" } else { "thawed" };
                events::append(conn, None, now, kind, &json!({ "why": why }))
            })
            .await
    }

    /// Notes an approval before it is sent.
    pub async fn note_approval(&self, sent: SentApproval, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let SentApproval { asset, spender, amount, nth } = sent;
                let detail = json!({
                    "network": asset.network().as_str(),
                    "asset": asset.address(),
                    "spender": spender,
                    "amount": amount.to_string(),
                    "nth": nth,
                });
                events::append(conn, None, now, "approval_sent", &detail)
            })
            .await
    }

    /// Notes which passphrase is the owner's from now on, by its fingerprint, or that there is none.
    pub async fn note_owner(&self, verifier: Option<String>, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                events::append(conn, None, now, "owner", &json!({ "verifier": verifier }))
            })
            .await
    }

    /// The fingerprint that was noted last, if any was.
    pub async fn noted_owner(&self) -> Result<Option<Option<String>>, LedgerError> {
        self.read(|conn| {
            let sql = "SELECT detail ->> 'verifier' FROM event WHERE kind = 'owner' ORDER BY id DESC LIMIT 1";
            conn.find(sql, &[], |row| row.get(0))
        })
        .await
    }

    /// Something the owner must hear about. It stays in the log, once however often it is found again.
    pub async fn alarm(&self, row: Option<i64>, message: String, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                raise(conn, row, &message, now).map(drop)
            })
            .await
    }

    /// Takes this ledger as the wallet's own, though it is not the one that was: nobody knows what was spent since, so
    /// every window counts as full until it has rolled past now.
    pub async fn adopt(&self, at_least: u64, now: Time) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                conn.note(
                    "UPDATE ledger SET adopted_at = ?1, newest = ?1, authorizations = max(authorizations, ?2)",
                    in_order![now.millis(), at_least as i64],
                )?;
                events::append(conn, None, now, "adopted", &json!({ "authorizations_at_least": at_least }))
            })
            .await
    }
}

pub(super) fn store_answer(conn: &dyn Conn, row: i64, answered: &Answered, now: Time) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE purchase SET http_status = :status, content_type = :content_type, final_url = :final_url,
                body_bytes = :body_bytes, body_kept = :kept, answered_at = :now, handed = 0,
                delivered = max(delivered, :is_delivered), open = min(open, 1 - :is_delivered)
          WHERE row = :row",
        named! {
            ":row": row,
            ":status": answered.status,
            ":content_type": answered.content_type,
            ":final_url": answered.final_url,
            ":body_bytes": answered.body_bytes as i64,
            ":kept": answered.kept,
            ":now": now.millis(),
            ":is_delivered": answered.is_delivery(),
        },
    )?;
    Ok(())
}

impl Answered {
    fn is_delivery(&self) -> bool {
        self.is_whole && (200..300).contains(&self.status)
    }
}

/// All that presenting changes of a row, at once: each index it stands in is touched once.
const CLOSE: &str = "UPDATE purchase SET
    state = :state, proof = :proof, settled_at = CASE WHEN :state = 'settled' THEN coalesce(settled_at, :now) ELSE settled_at END,
    http_status = CASE WHEN :answered = 1 THEN :status ELSE http_status END,
    content_type = CASE WHEN :answered = 1 THEN :content_type ELSE content_type END,
    final_url = CASE WHEN :answered = 1 THEN :final_url ELSE final_url END,
    body_bytes = CASE WHEN :answered = 1 THEN :body_bytes ELSE body_bytes END,
    body_kept = CASE WHEN :answered = 1 THEN :kept ELSE body_kept END,
    answered_at = CASE WHEN :answered = 1 THEN :now ELSE answered_at END,
    handed = CASE WHEN :answered = 1 THEN 0 ELSE handed END,
    chain_tx = CASE WHEN :proof = 'seller' THEN coalesce(:chain_tx, chain_tx) ELSE chain_tx END,
    delivered = max(delivered, :delivered),
    open = CASE WHEN delivered = 1 OR :delivered = 1 OR :state = 'lapsed' THEN 0 ELSE open END,
    request = CASE WHEN open = 1 AND delivered = 0 AND :delivered = 0 AND :state <> 'lapsed' THEN request END,
    receipt = coalesce(:receipt, receipt), goods = coalesce(:goods, goods), lied = max(lied, :lied),
    presents = max(presents - :unsent, 0), lease = NULL
  WHERE row = :row AND state = :from_state AND proof = :from_proof";

fn close(conn: &dyn Conn, row: i64, closing: &Closing) -> Result<Entry, LedgerError> {
    let now = ledger_time(conn, closing.now)?;
    let (from, counted) = standing(conn, row)?;
    // A reply moves a row to settled and never back: that the chain has taken something back, only the chain can say.
    let is_later = from.state != State::Settled || closing.standing.state == State::Settled;
    let to = if is_later && from.may_become(closing.standing) { closing.standing } else { from };
    let answered = closing.answered.as_ref();
    let touched = conn.run(
        CLOSE,
        named! {
            ":row": row,
            ":from_state": from.state.as_str(),
            ":from_proof": from.proof.as_str(),
            ":state": to.state.as_str(),
            ":proof": to.proof.as_str(),
            ":now": now.millis(),
            ":answered": answered.is_some(),
            ":status": answered.map(|answered| answered.status),
            ":content_type": answered.and_then(|answered| answered.content_type.as_ref()),
            ":final_url": answered.map(|answered| &answered.final_url),
            ":body_bytes": answered.map(|answered| answered.body_bytes as i64),
            ":kept": answered.is_some_and(|answered| answered.kept),
            ":chain_tx": closing.chain_tx,
            ":delivered": closing.delivered || answered.is_some_and(Answered::is_delivery),
            ":goods": closing.goods.as_ref().map(Goods::word),
            ":receipt": closing.receipt.as_ref().map(Value::to_string),
            ":lied": closing.lied,
            ":unsent": !closing.presented,
        },
    )?;
    if touched != 1 {
        return Err(damaged("a purchase moved under our hands"));
    }
    if to != from {
        follow(conn, row, &counted, from, to, now)?;
    }
    if let Some(answered) = answered {
        bodies::put(conn, row, answered.small.as_deref())?;
    }
    let mut detail = closing.detail.clone();
    detail["standing"] = json!([to.state, to.proof]);
    events::append(conn, Some(row), now, "closed", &detail)?;
    // The chain may have spoken first.
    hold_against_chain(conn, row, now)?;
    crash::point("closing");
    read::by_row(conn, row)?.ok_or_else(|| damaged("a purchase is gone"))
}

/// Moves a row where it may go, and the budgets with it.
fn advance(conn: &dyn Conn, row: i64, to: Standing, now: Time) -> Result<bool, LedgerError> {
    let (from, counted) = standing(conn, row)?;
    if !from.may_become(to) {
        return Ok(false);
    }
    let is_over = to.state == State::Lapsed;
    // The seller alone said that it took the money, and it never did.
    let is_lie = from == Standing::SETTLED_BY_WORD && to == Standing::LAPSED;
    let touched = conn.run(
        "UPDATE purchase SET state = ?4, proof = ?5, open = min(open, 1 - ?6), lied = max(lied, ?8),
                    settled_at = CASE WHEN ?4 = 'settled' THEN coalesce(settled_at, ?7) ELSE settled_at END
              WHERE row = ?1 AND state = ?2 AND proof = ?3",
        in_order![
            row,
            from.state.as_str(),
            from.proof.as_str(),
            to.state.as_str(),
            to.proof.as_str(),
            is_over,
            now.millis(),
            is_lie
        ],
    )?;
    if touched != 1 {
        return Err(damaged("a purchase moved under our hands"));
    }
    follow(conn, row, &counted, from, to, now)?;
    Ok(true)
}

/// What goes with a move: the budgets, and the price that was paid.
fn follow(
    conn: &dyn Conn,
    row: i64,
    counted: &Counted,
    from: Standing,
    to: Standing,
    now: Time,
) -> Result<(), LedgerError> {
    budget::follow(conn, counted, from, to)?;
    if to.state == State::Settled && from.state != State::Settled {
        budget::remember_price_of(conn, row, counted.usd, now)?;
    }
    Ok(())
}

/// Writes an alarm down, unless the same one stands there; whether it is a new one.
fn raise(conn: &dyn Conn, row: Option<i64>, message: &str, now: Time) -> Result<bool, LedgerError> {
    let detail = json!({ "message": message });
    let sql = "SELECT 1 FROM event WHERE purchase IS NOT DISTINCT FROM ?1 AND kind = 'alarm' AND detail = ?2";
    let is_known = conn.has(sql, in_order![row, detail.to_string()])?;
    if !is_known {
        events::append(conn, row, now, "alarm", &detail)?;
    }
    Ok(!is_known)
}

/// What a receipt names otherwise than the chain.
const TRANSACTION: &str = "transaction";

/// A receipt that names another chain transaction than final blocks do is not true. It counts against its seller, and
/// the owner hears of it. What nodes have only seen may yet be taken back, and is held against nobody.
fn hold_against_chain(conn: &dyn Conn, row: i64, now: Time) -> Result<Option<String>, LedgerError> {
    let sql = "SELECT chain_tx, receipt FROM purchase
                WHERE row = ?1 AND state = 'settled' AND proof = 'chain'
                  AND chain_tx IS NOT NULL AND receipt IS NOT NULL";
    let found = conn.find(sql, in_order![row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some((proven, receipt)): Option<(String, String)> = found else { return Ok(None) };
    let mut receipt: Value = serde_json::from_str(&receipt).map_err(damaged)?;
    let is_other = |named: &Value| named.as_str().is_some_and(|named| !named.eq_ignore_ascii_case(&proven));
    // Where its two receipts name different ones, that was told already.
    let is_told =
        |signed: &Value| signed["differs"].as_array().is_some_and(|known| known.contains(&json!(TRANSACTION)));
    let is_signed_lie = is_other(&receipt["signed"]["transaction"]) && !is_told(&receipt["signed"]);
    let claimed = &receipt["chain_tx"];
    let named = match (receipt["success"] == true && is_other(claimed), is_signed_lie) {
        (true, _) => claimed,
        (false, true) => &receipt["signed"]["transaction"],
        (false, false) => return Ok(None),
    };
    let message = format!(
        "the seller's receipt names another chain transaction than the chain has: {}, and the money moved in {proven}",
        named.as_str().unwrap_or_default()
    );
    if is_signed_lie {
        differs_from_chain(&mut receipt["signed"]);
        let sql = "UPDATE purchase SET receipt = ?2 WHERE row = ?1";
        conn.note(sql, in_order![row, receipt.to_string()])?;
    }
    conn.note("UPDATE purchase SET lied = 1 WHERE row = ?1", in_order![row])?;
    Ok(raise(conn, Some(row), &message, now)?.then_some(message))
}

/// What was found of a signed receipt before the chain had spoken, found anew.
fn differs_from_chain(signed: &mut Value) {
    if signed["verdict"] != "wrong_signature" {
        signed["verdict"] = json!("differs");
    }
    match signed["differs"].as_array_mut() {
        Some(differs) => differs.push(json!(TRANSACTION)),
        None => signed["differs"] = json!([TRANSACTION]),
    }
}

/// The budgets count what was taken, and not what could have been.
fn give_back(conn: &dyn Conn, row: i64, taken: &Taken) -> Result<(), LedgerError> {
    let (_, counted) = standing(conn, row)?;
    let given_back = counted.usd.saturating_sub(taken.usd);
    budget::give_back(conn, &counted, given_back)?;
    conn.note(
        "UPDATE purchase SET taken = :taken, usd = usd - :given_back, given_back = :given_back WHERE row = :row",
        named! {
            ":row": row,
            ":taken": taken.amount.to_string(),
            ":given_back": given_back.as_micros() as i64,
        },
    )?;
    Ok(())
}

/// Where a row stands, and what it counts in.
pub(super) fn standing(conn: &dyn Conn, row: i64) -> Result<(Standing, Counted), LedgerError> {
    let (standing, counted) = conn
        .find(
            "SELECT state, proof, counted_at, session, budget_domain, payee, usd
               FROM purchase WHERE row = ?1 AND handle IS NOT NULL",
            in_order![row],
            |row| {
                let standing = read::read_standing(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?);
                let counted: (i64, i64, String, String, i64) =
                    (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?);
                Ok((standing, counted))
            },
        )?
        .ok_or_else(|| LedgerError::NotNow("no money was authorized for this purchase".to_owned()))?;
    let (at, session, domain, payee, usd) = counted;
    let usd = Usd::micros(usd.max(0) as u64);
    Ok((standing?, Counted { at: Time::from_millis(at), session, domain, payee, usd }))
}

/// Goods that did not come within a day of the payment are not asked for any more.
fn forget_long_settled(conn: &dyn Conn, now: Time) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE purchase SET request = NULL
          WHERE request IS NOT NULL AND open = 1 AND state = 'settled' AND settled_at < :before",
        named! { ":before": now.minus(limits::OPEN_AFTER_SETTLED).millis() },
    )?;
    Ok(())
}

/// The agent's own headers and body are kept for presenting once more, and only while that may happen.
pub(super) fn forget_request(conn: &dyn Conn, row: i64) -> Result<(), LedgerError> {
    conn.note(
        "UPDATE purchase SET request = NULL
          WHERE row = ?1 AND request IS NOT NULL AND (open = 0 OR state = 'lapsed')",
        in_order![row],
    )?;
    Ok(())
}
