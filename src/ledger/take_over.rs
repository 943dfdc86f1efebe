//! Taking up a purchase whose presenter is gone: the same bytes once more, if that may still be.

use alloy_primitives::B256;
use serde_json::json;

use super::authorize::{self, View, ledger_time};
use super::budget;
use super::close::standing;
use super::engine::{Conn, named};
use super::read;
use super::recorded::Recorded;
use super::replay::imagined;
use super::{Ledger, LedgerError, Sync, damaged, events, questions};
use crate::money::Assets;
use crate::offer::{self, Listed};
use crate::policy::{self, Decision, Funds, Policy, Question};
use crate::reason::Reason;
use crate::request::{MaxPrice, Request};
use crate::time::Time;
use crate::{crash, limits};

/// What decides again over a payment that never left: today's rules, and what this call wants.
pub struct Again {
    /// The policy as it stands now.
    pub policy: std::sync::Arc<Policy>,
    /// Dearer than this is refused.
    pub max_price: Option<MaxPrice>,
    /// What the wallet holds, this payment's own money included.
    pub funds: Funds,
    /// What is known of assets.
    pub assets: Assets,
}

/// What came of taking a purchase up.
pub enum TakenUp {
    /// It is ours to present.
    Recorded(Box<Recorded>),
    /// It never left, and today's rules do not let it.
    Refused(Vec<Reason>),
}

struct Found {
    handle: [u8; 32],
    lease: Option<String>,
    presents: u32,
    is_frozen: bool,
    is_proven: bool,
    is_unsent: bool,
    by_id: bool,
    request: Option<String>,
}

impl Ledger {
    /// Whether the same bytes may be shown once more to whoever has taken the money, for goods that have not arrived.
    pub async fn may_ask_for_goods(&self, row: i64) -> Result<bool, LedgerError> {
        self.read(move |conn| {
            let found = find(conn, row)?;
            Ok(found.request.is_some() && found.presents < presents_at_most(&found))
        })
        .await
    }

    /// Takes the lease of an open purchase whose holder is gone, to present the same bytes once more.
    pub async fn take_over(&self, row: i64, again: Again, now: Time) -> Result<TakenUp, LedgerError> {
        let engine = self.engine.clone();
        let taken = self
            .writer
            // Durable: that the bytes may have left is not forgotten, or a later failure to connect would say "no".
            .write(Sync::Durable, move |conn| {
                let now = ledger_time(conn, now)?;
                let found = find(conn, row)?;
                if found.lease.as_deref().is_some_and(|lease| engine.is_alive(lease)) {
                    return Err(LedgerError::NotNow("somebody else is presenting this purchase".to_owned()));
                }
                may_be_presented(&found)?;
                if found.is_unsent
                    && let Some(reasons) = decide_again(conn, row, &found, &again, now)?
                {
                    return Ok(Err(reasons));
                }
                conn.note(
                    "UPDATE purchase SET lease = :holder, presents = presents + 1 WHERE row = :row",
                    named! { ":row": row, ":holder": engine.holder() },
                )?;
                events::append(conn, Some(row), now, "resumed", &json!({ "presents": found.presents + 1 }))?;
                Ok(Ok(B256::new(found.handle)))
            })
            .await?;
        match taken {
            Err(reasons) => Ok(TakenUp::Refused(reasons)),
            Ok(handle) => {
                crash::point("resumed");
                let recorded = self.load(row, None).await.inspect_err(|_| drop(self.let_go(handle)))?;
                Ok(TakenUp::Recorded(Box::new(recorded)))
            }
        }
    }
}

fn find(conn: &dyn Conn, row: i64) -> Result<Found, LedgerError> {
    conn.find(
        "SELECT p.handle, p.lease, p.presents, p.state, p.proof, s.header_value, p.request,
                (SELECT frozen_why IS NOT NULL FROM ledger) AS frozen
           FROM purchase p JOIN signed s ON s.purchase = p.row
          WHERE p.row = :row AND p.open = 1 AND p.state IN ('authorized', 'held', 'settled')",
        named! { ":row": row },
        |row| {
            let (presents, is_proven) = (row.get("presents")?, row.get::<_, String>("proof")? == "chain");
            let is_authorized = row.get::<_, String>("state")? == "authorized";
            Ok(Found {
                handle: row.get("handle")?,
                lease: row.get("lease")?,
                presents,
                is_frozen: row.get("frozen")?,
                is_proven,
                // With no present on record, only final blocks say otherwise.
                is_unsent: is_authorized || (presents == 0 && !is_proven),
                by_id: offer::names_purchase(&row.get::<_, String>("header_value")?),
                request: row.get("request")?,
            })
        },
    )?
    .ok_or_else(|| LedgerError::NotNow("this purchase is not open any more".to_owned()))
}

/// How often the same bytes are shown: a seller that knows the purchase by its id does the work once.
fn presents_at_most(found: &Found) -> u32 {
    if found.by_id { limits::PRESENTS_BY_ID } else { limits::PRESENTS }
}

/// Frozen means that no money leaves; what the chain has taken already cannot leave again.
fn may_be_presented(found: &Found) -> Result<(), LedgerError> {
    if found.is_frozen && !found.is_proven {
        return Err(LedgerError::NotNow("the owner stopped all spending".to_owned()));
    }
    if found.request.is_none() {
        return Err(LedgerError::NotNow("its request is not kept any more".to_owned()));
    }
    match found.presents >= presents_at_most(found) {
        true => Err(LedgerError::NotNow(format!("it was presented {} times already", found.presents))),
        false => Ok(()),
    }
}

/// An authorization that is not known to have left is no purchase yet: the rules are asked as if it were not there.
/// None: they allow it.
fn decide_again(
    conn: &dyn Conn,
    row: i64,
    found: &Found,
    again: &Again,
    now: Time,
) -> Result<Option<Vec<Reason>>, LedgerError> {
    let entry = read::by_row(conn, row)?.ok_or_else(|| damaged("a purchase is gone"))?;
    let request: Request = serde_json::from_str(found.request.as_deref().unwrap_or_default()).map_err(damaged)?;
    let Some(offer) = imagined(&entry, &again.assets) else {
        return Err(LedgerError::NotNow("its asset is not known any more".to_owned()));
    };
    let (at, counted) = standing(conn, row)?;
    let view = View {
        agent: entry.agent.clone(),
        identity: Some(entry.identity),
        policy: again.policy.clone(),
        url: Some(request.url.clone()),
        led_from: entry.url.parse().ok(),
        payees: vec![offer.payee.to_string()],
        now,
    };
    let mut snapshot = authorize::snapshot(conn, &view, now)?;
    let session = authorize::running_session(conn, &entry.agent, &again.policy, now)?;
    budget::leave_out(&mut snapshot.used, &counted, at, session, now);
    let own = u32::from(budget::is_of_last_minute(&counted, now));
    snapshot.payments_last_minute = snapshot.payments_last_minute.saturating_sub(own);
    snapshot.approvals.extend(questions::used_by(conn, row)?);
    let question = Question { request: &request, max_price: again.max_price, funds: &again.funds };
    let offers = [Listed::Payable(Box::new(offer))];
    Ok(match policy::decide(&again.policy, &question, &offers, &snapshot).decision {
        Decision::Allow(_) => None,
        Decision::Ask(_, reasons) | Decision::Refuse(reasons) => Some(reasons),
    })
}
