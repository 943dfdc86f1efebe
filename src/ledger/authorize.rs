//! The one durable commit before the wire.
//!
//! Inside it: the purchase is claimed, the same `decide()` that advised runs over a snapshot read here, the money is
//! counted, the owner's yes is used up, and the signed bytes are stored. All of it, or none.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::budget::{self, Counted};
use super::engine::{Conn, in_order, named};
use super::{
    InDoubt, Ledger, LedgerError, Recorded, Sync, breakers, doubt, events, notices, questions, read, record, review,
    tools_seen,
};
use crate::authorization::{Authorization, Signatures};
use crate::crash;
use crate::goods;
use crate::offer::{Listed, Offer};
use crate::policy::{self, Decision, Funds, Policy, Question, Remaining, Snapshot};
use crate::reason::{Reason, Who};
use crate::request::{MaxPrice, Request};
use crate::settlement::Standing;
use crate::time::Time;
use crate::wish::{self, Identity};

/// Everything an authorization needs to become one: decided, drafted and signed, and not yet in force.
pub struct Draft {
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
    /// `buy_again`: the purchase this one buys once more.
    pub parent: Option<i64>,
    /// How far the history had come when this wish was looked up: who authorized it since then was faster.
    pub looked: i64,
    /// What the agent asked for.
    pub asked: Request,
    /// What the payment goes with: after redirects.
    pub request: Request,
    /// Dearer than this is refused.
    pub max_price: Option<MaxPrice>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// What the wallet is known to hold.
    pub funds: Funds,
    /// The offer.
    pub offer: Offer,
    /// What was signed.
    pub authorization: Authorization,
    /// The signatures over it.
    pub signatures: Signatures,
    /// The header that carries it: its name and value.
    pub payment_header: (String, String),
    /// For the record: what was offered.
    pub offers: Value,
    /// The time it was decided at.
    pub now: Time,
}

/// What came of it.
#[expect(missing_docs, reason = "the fields are what their names say")]
pub enum Authorized {
    /// It is on the disk, and ours to present; and what it leaves of the budgets.
    Recorded(Box<Recorded>, Remaining),
    /// Not on this snapshot: the bytes are dropped unseen.
    Refused { reasons: Vec<Reason>, ask: bool, rules: Value },
    /// Another purchase of this identity is open: join it.
    Taken(i64),
}

enum Claimed {
    Row(i64, Remaining),
    Refused { reasons: Vec<Reason>, ask: bool, rules: Value },
    Taken(i64),
}

impl Ledger {
    /// The one durable commit before the wire.
    pub async fn authorize(&self, draft: Draft) -> Result<Authorized, LedgerError> {
        let (holder, handle) = (self.engine.holder().to_owned(), draft.authorization.facts().handle);
        let signed = (draft.authorization.clone(), draft.signatures.clone());
        let claimed = self.claim(Arc::new(draft), holder).await;
        let claimed = claimed.inspect_err(|cause| {
            // What is told as failed may be on the disk all the same. Nobody presents it for now, so nobody holds it.
            if matches!(cause, LedgerError::CommitFailed(_) | LedgerError::Io(_) | LedgerError::Full) {
                self.let_go(handle);
            }
        })?;
        crash::point("authorized");
        match claimed {
            Claimed::Taken(row) => Ok(Authorized::Taken(row)),
            Claimed::Refused { reasons, ask, rules } => Ok(Authorized::Refused { reasons, ask, rules }),
            Claimed::Row(row, left) => {
                let recorded = self.load(row, Some(signed)).await.inspect_err(|_| drop(self.let_go(handle)))?;
                Ok(Authorized::Recorded(Box::new(recorded), left))
            }
        }
    }

    /// What another writer was in the way of is tried again, as it is.
    async fn claim(&self, draft: Arc<Draft>, holder: String) -> Result<Claimed, LedgerError> {
        const TRIES: usize = 10;
        for _ in 1..TRIES {
            let (draft, holder) = (draft.clone(), holder.clone());
            match self.writer.write(Sync::Durable, move |conn| claim(conn, &draft, &holder)).await {
                Err(LedgerError::Again) => {}
                claimed => return claimed,
            }
        }
        Err(LedgerError::Busy)
    }

    /// Reads back what this process may present now.
    pub(super) async fn load(
        &self,
        row: i64,
        signed: Option<(Authorization, Signatures)>,
    ) -> Result<Recorded, LedgerError> {
        let holder = self.engine.holder().to_owned();
        self.peek(move |conn| Recorded::load(conn, row, &holder, signed.as_ref())).await
    }

    /// What the rules look at, read now: for advice before anything is signed.
    pub async fn snapshot(&self, view: View) -> Result<Snapshot, LedgerError> {
        self.peek(move |conn| {
            let now = ledger_time(conn, view.now)?;
            snapshot(conn, &view, now)
        })
        .await
    }

    /// The same, and how much may still move, in one look.
    pub async fn look(&self, view: View) -> Result<(Snapshot, InDoubt), LedgerError> {
        let doubt = self.doubt.clone();
        self.peek(move |conn| {
            let now = ledger_time(conn, view.now)?;
            Ok((snapshot(conn, &view, now)?, doubt::up_to_date(&doubt, conn)?))
        })
        .await
    }
}

/// Who asks, and where: what a snapshot is read for.
pub struct View {
    /// Whose purchase it is.
    pub agent: String,
    /// What makes two calls the same wish.
    pub identity: Option<Identity>,
    /// The policy.
    pub policy: Arc<Policy>,
    /// The URL.
    pub url: Option<Url>,
    /// Where the agent asked: redirects may have led away from there.
    pub led_from: Option<Url>,
    /// The payees whose budgets are wanted too.
    pub payees: Vec<String>,
    /// The time it was decided at.
    pub now: Time,
}

fn claim(conn: &dyn Conn, draft: &Draft, holder: &str) -> Result<Claimed, LedgerError> {
    let now = ledger_time(conn, draft.now)?;
    let reused = match whose(conn, draft)? {
        Reusable::No => None,
        Reusable::Row(row) => Some(row),
        Reusable::Taken(row) => return Ok(Claimed::Taken(row)),
    };
    let snapshot = snapshot(conn, &draft.view(now), now)?;
    let (decision, rules) = decide(draft, &snapshot);
    match decision {
        Decision::Allow(_) => {}
        Decision::Ask(_, reasons) => return Ok(Claimed::Refused { reasons, ask: true, rules }),
        Decision::Refuse(reasons) => return Ok(Claimed::Refused { reasons, ask: false, rules }),
    }
    if is_used(conn, draft)? {
        let message = "the seller gave one challenge to two purchases of this wallet, and a payment answers it once";
        let reasons = vec![Reason::new("challenge_used", "offer", message, Who::Time)];
        return Ok(Claimed::Refused { reasons, ask: false, rules });
    }
    let row = enter(conn, draft, reused, &rules, holder, now)?;
    notices::notice_budgets(conn, row, draft, &snapshot, now)?;
    crash::point("claimed");
    Ok(Claimed::Row(row, left(draft, snapshot)))
}

/// What the budgets still hold: this payment counts in every one that was looked at.
fn left(draft: &Draft, before: Snapshot) -> Remaining {
    let price = draft.offer.usd;
    let mut after = before;
    after.used.values_mut().for_each(|used| used.counted = used.counted.saturating_add(price));
    policy::budget_left(&draft.policy, &draft.request.url, &after)
}

/// Whether another purchase has an authorization of this name: where the seller prescribes it, it may name two alike.
fn is_used(conn: &dyn Conn, draft: &Draft) -> Result<bool, LedgerError> {
    let handle = draft.authorization.facts().handle;
    let found = conn.has("SELECT 1 FROM purchase WHERE handle = ?1", in_order![handle.as_slice()])?;
    Ok(found)
}

/// Whether somebody was faster, and which row is this purchase's if nobody was.
fn whose(conn: &dyn Conn, draft: &Draft) -> Result<Reusable, LedgerError> {
    if let Some(open) = read::open_row(conn, &draft.identity)?.filter(|open| Some(*open) != draft.parent) {
        return Ok(Reusable::Taken(open));
    }
    match authorized_since(conn, draft)? {
        Some(faster) => Ok(Reusable::Taken(faster)),
        None => reusable_row(conn, draft),
    }
}

/// Everything that an authorization changes: its row, what was signed, what counts, and what is known of its seller.
fn enter(
    conn: &dyn Conn,
    draft: &Draft,
    reused: Option<i64>,
    rules: &Value,
    holder: &str,
    now: Time,
) -> Result<i64, LedgerError> {
    let counted = Counted {
        at: now,
        session: join_session(conn, &draft.agent, &draft.policy, now)?,
        domain: draft.policy.domain_key(&draft.request.url),
        payee: draft.offer.payee.to_string(),
        usd: draft.offer.usd,
    };
    let row = store(conn, draft, &counted, reused, holder)?;
    store_signed(conn, draft, row, rules)?;
    budget::count(conn, &counted)?;
    questions::use_up(conn, row, &draft.identity, now)?;
    remember_payee(conn, &[&draft.asked.url, &draft.request.url], draft.offer.payee.address(), now)?;
    conn.note("UPDATE ledger SET newest = :now, authorizations = authorizations + 1", named! { ":now": now.millis() })?;
    tools_seen::accept(conn, &[&draft.asked.url, &draft.request.url], now)?;
    events::append(conn, Some(row), now, "authorized", &terms_of(draft))?;
    Ok(row)
}

impl Draft {
    pub(super) fn view(&self, now: Time) -> View {
        View {
            agent: self.agent.clone(),
            identity: Some(self.identity),
            policy: self.policy.clone(),
            url: Some(self.request.url.clone()),
            led_from: Some(self.asked.url.clone()),
            payees: vec![self.offer.payee.to_string()],
            now,
        }
    }
}

/// The same function that advised, over what is true in here, and what each rule said for the record. It goes on only
/// if that allows the very same offer.
fn decide(draft: &Draft, snapshot: &Snapshot) -> (Decision, Value) {
    let question = Question { request: &draft.request, max_price: draft.max_price, funds: &draft.funds };
    let rules = policy::explain(&draft.policy, &question, &draft.offer, snapshot);
    let rules = policy::for_the_record(rules);
    let offers = [Listed::Payable(Box::new(draft.offer.clone()))];
    (policy::decide(&draft.policy, &question, &offers, snapshot).decision, rules)
}

pub(super) fn snapshot(conn: &dyn Conn, view: &View, now: Time) -> Result<Snapshot, LedgerError> {
    let session = running_session(conn, &view.agent, &view.policy, now)?;
    let domain = view.url.as_ref().map(|url| view.policy.domain_key(url)).unwrap_or_default();
    let nobody = [String::new()];
    let payees = if view.payees.is_empty() { &nobody[..] } else { &view.payees };
    let meters = payees.iter().flat_map(|payee| policy::meters(&domain, payee));
    let (frozen_why, adopted_at): (Option<String>, Option<i64>) =
        conn.read("SELECT frozen_why, adopted_at FROM ledger", &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut snapshot = Snapshot {
        now,
        frozen: frozen_why.is_some(),
        used: budget::read(conn, meters, session, now)?,
        payments_last_minute: budget::payments_last_minute(conn, now)?,
        ..Snapshot::default()
    };
    breakers::into_snapshot(conn, &view.policy.breakers, &view.agent, &domain, &mut snapshot)?;
    if let Some(limit) = view.policy.wallet.since_review {
        let meter = policy::Meter { scope: policy::Scope::Wallet, window: policy::Window::Review };
        snapshot.used.insert(meter, review::spent_since(conn, limit)?);
    }
    if let Some(url) = &view.url {
        look_at_places(conn, &[url, view.led_from.as_ref().unwrap_or(url)], payees, &mut snapshot)?;
    }
    if let Some(identity) = &view.identity {
        questions::into_snapshot(conn, identity, now, &view.policy, &mut snapshot)?;
    }
    if let Some(adopted_at) = adopted_at.map(Time::from_millis) {
        use crate::policy::Window::{Day, Hour, Month, Session};
        // What a running session had spent is not known either, until it is over.
        let span = |window: policy::Window| window.span().unwrap_or(view.policy.session.idle);
        let full = [Hour, Day, Month, Session].map(|window| (window, adopted_at.plus(span(window))));
        snapshot.full_until = full.into();
    }
    Ok(snapshot)
}

/// What is known of the place that is paid and of the one that led to it: whom they were paid at, and for how much.
fn look_at_places(
    conn: &dyn Conn,
    places: &[&Url; 2],
    payees: &[String],
    snapshot: &mut Snapshot,
) -> Result<(), LedgerError> {
    let sites: BTreeSet<&str> = places.iter().map(|url| policy::site(url)).collect();
    for site in sites {
        snapshot.payees_before.push(payees_before(conn, site, payees)?);
    }
    for place in places {
        if snapshot.tool_change.is_none() {
            snapshot.tool_change = tools_seen::change_at(conn, place)?;
        }
    }
    for place in places.iter().map(|url| wish::place(url)).collect::<BTreeSet<_>>() {
        let lowest = budget::lowest_price(conn, &place, snapshot.now)?;
        snapshot.lowest_price = snapshot.lowest_price.into_iter().chain(lowest).min();
    }
    Ok(())
}

/// The ledger's time: never behind its newest row.
pub(super) fn ledger_time(conn: &dyn Conn, now: Time) -> Result<Time, LedgerError> {
    let newest: i64 = conn.read("SELECT newest FROM ledger", &[], |row| row.get(0))?;
    Ok(conn.time(now).max(Time::from_millis(newest)))
}

/// The authorization this wish has had since it was looked up. It may be delivered by now and not open any more, and is
/// what this call wanted all the same. Buying again is another matter: there is one child, and that is claimed below.
fn authorized_since(conn: &dyn Conn, draft: &Draft) -> Result<Option<i64>, LedgerError> {
    if draft.parent.is_some() {
        return Ok(None);
    }
    // In this order: the events since then are few, the purchases of one wish may be many.
    let row = conn.find(
        "SELECT p.row FROM event e CROSS JOIN purchase p ON p.row = e.purchase
              WHERE e.id > :looked AND e.kind = 'authorized' AND p.identity = :identity ORDER BY e.id DESC LIMIT 1",
        named! { ":looked": draft.looked, ":identity": draft.identity.0 },
        |row| row.get(0),
    )?;
    Ok(row)
}

enum Reusable {
    No,
    Row(i64),
    Taken(i64),
}

/// The row this purchase already has, if it has come by before: by its id, or as the one child of its parent.
fn reusable_row(conn: &dyn Conn, draft: &Draft) -> Result<Reusable, LedgerError> {
    let by_id = read::by_id(conn, &draft.agent, &draft.purchase_id)?;
    if by_id.as_ref().is_some_and(|entry| entry.identity != draft.identity) {
        return Err(LedgerError::Conflict(draft.purchase_id.clone()));
    }
    let child = match draft.parent {
        Some(parent) => read::child_of(conn, parent)?,
        None => None,
    };
    Ok(match by_id.or(child) {
        None => Reusable::No,
        Some(entry) if entry.money.is_some() => Reusable::Taken(entry.row),
        Some(entry) => Reusable::Row(entry.row),
    })
}

pub(super) fn running_session(
    conn: &dyn Conn,
    agent: &str,
    policy: &Policy,
    now: Time,
) -> Result<Option<i64>, LedgerError> {
    let newest: Option<(i64, i64)> = conn.find(
        "SELECT id, newest FROM session WHERE agent = :agent ORDER BY id DESC LIMIT 1",
        named! { ":agent": agent },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(newest.filter(|(_, at)| now.since(Time::from_millis(*at)) <= policy.session.idle).map(|(id, _)| id))
}

pub(super) fn join_session(conn: &dyn Conn, agent: &str, policy: &Policy, now: Time) -> Result<i64, LedgerError> {
    match running_session(conn, agent, policy, now)? {
        Some(id) => {
            conn.note("UPDATE session SET newest = :now WHERE id = :id", named! { ":id": id, ":now": now.millis() })?;
            Ok(id)
        }
        None => {
            let id = conn.read("SELECT coalesce(max(id), 0) + 1 FROM session", &[], |row| row.get(0))?;
            conn.note(
                "INSERT INTO session (id, agent, began, newest) VALUES (:id, :agent, :now, :now)",
                named! { ":id": id, ":agent": agent, ":now": now.millis() },
            )?;
            Ok(id)
        }
    }
}

/// Where money is written: a new row, or one that has none, with its terms, its place in the budgets and its lease. What
/// an earlier try left of an answer goes.
const AUTHORIZE: &str = "INSERT INTO purchase
    (row, purchase_id, agent, identity, method, url, headers, parent, domain, place, site, at, counted_at, session,
     budget_domain, handle, ends, usd, amount, asset, asset_address, network, payee, dialect, scheme, policy, named_type,
     request, lease, presents, open, state)
  VALUES
    (:row, :purchase_id, :agent, :identity, :method, :url, :headers, :parent, :domain, :place, :site, :at, :at, :session,
     :budget_domain, :handle, :ends, :usd, :amount, :asset, :asset_address, :network, :payee, :dialect, :scheme, :policy,
     :named_type, :request, :lease, 1, 1, 'authorized')
  ON CONFLICT (row) DO UPDATE SET
    headers = excluded.headers, parent = excluded.parent, domain = excluded.domain, place = excluded.place,
    site = excluded.site, at = excluded.at, counted_at = excluded.counted_at, session = excluded.session,
    budget_domain = excluded.budget_domain, handle = excluded.handle, ends = excluded.ends, usd = excluded.usd,
    amount = excluded.amount, asset = excluded.asset, asset_address = excluded.asset_address, network = excluded.network,
    payee = excluded.payee, dialect = excluded.dialect, scheme = excluded.scheme, policy = excluded.policy,
    named_type = excluded.named_type, request = excluded.request, lease = excluded.lease, presents = excluded.presents,
    open = excluded.open, state = excluded.state, proof = 'none', reasons = '[]', goods = 'not_judged', lied = 0,
    http_status = NULL, content_type = NULL, final_url = NULL, body_bytes = NULL, body_kept = 0, answered_at = NULL,
    delivered = 0, handed = 0
  WHERE purchase.handle IS NULL";

/// Writes the row and its lease.
fn store(
    conn: &dyn Conn,
    draft: &Draft,
    counted: &Counted,
    reused: Option<i64>,
    holder: &str,
) -> Result<i64, LedgerError> {
    if let Some(parent) = draft.parent {
        conn.note("UPDATE purchase SET open = 0 WHERE row = :parent", named! { ":parent": parent })?;
        super::close::forget_request(conn, parent)?;
    }
    let Draft { offer, request, .. } = draft;
    let facts = draft.authorization.facts();
    let row = reused.map_or_else(|| record::next_row(conn), Ok)?;
    let touched = conn.run(
        AUTHORIZE,
        named! {
            ":row": row,
            ":purchase_id": draft.purchase_id,
            ":agent": draft.agent,
            ":identity": draft.identity.0,
            ":method": draft.asked.method,
            ":url": draft.asked.url.as_str(),
            ":headers": draft.headers,
            ":parent": draft.parent,
            ":domain": request.url.host_str().unwrap_or_default(),
            ":place": wish::place(&request.url),
            ":site": policy::site(&request.url),
            ":at": counted.at.millis(),
            ":session": counted.session,
            ":budget_domain": counted.domain,
            ":handle": facts.handle.as_slice(),
            ":ends": facts.ends.secs() as i64,
            ":usd": offer.usd.as_micros() as i64,
            ":amount": offer.amount.to_string(),
            ":asset": offer.asset.symbol,
            ":asset_address": offer.asset.account.address(),
            ":network": offer.network().as_str(),
            ":payee": offer.payee.address(),
            ":dialect": offer.dialect().name(),
            ":scheme": offer.scheme.name(),
            ":policy": draft.policy.hash,
            ":named_type": goods::named_type(&offer.echo),
            ":request": json_of(request)?,
            ":lease": holder,
        },
    )?;
    match touched {
        1 => Ok(row),
        // There is money in this row already.
        _ => Err(LedgerError::NotNow("this purchase was authorized a moment ago".to_owned())),
    }
}

fn json_of(value: &impl serde::Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|cause| LedgerError::Io(cause.to_string()))
}

fn store_signed(conn: &dyn Conn, draft: &Draft, row: i64, rules: &Value) -> Result<(), LedgerError> {
    conn.note(
        "INSERT INTO signed (purchase, authorization, signature, header_name, header_value)
         VALUES (:row, :authorization, :signature, :header_name, :header_value)",
        named! {
            ":row": row,
            ":authorization": json_of(&draft.authorization)?,
            ":signature": draft.signatures.to_string(),
            ":header_name": draft.payment_header.0,
            ":header_value": draft.payment_header.1,
        },
    )?;
    record::put_detail(conn, row, draft.client.as_deref(), &draft.offers, rules)
}

/// A payee is known by the registrable domain it was paid at, and by the one that led there.
pub(super) fn remember_payee(conn: &dyn Conn, urls: &[&Url], payee: &str, now: Time) -> Result<(), LedgerError> {
    for url in urls {
        conn.note(
            "INSERT INTO seller_payee (site, payee, since) VALUES (:site, :payee, :since) ON CONFLICT DO NOTHING",
            named! {
                ":site": policy::site(url),
                ":payee": payee,
                ":since": now.millis(),
            },
        )?;
    }
    Ok(())
}

/// Which of these payees a site was paid at, and one more: a site that uses an address for each payment has many.
fn payees_before(conn: &dyn Conn, site: &str, named: &[String]) -> Result<BTreeSet<String>, LedgerError> {
    let any: Option<String> =
        conn.find("SELECT payee FROM seller_payee WHERE site = :site LIMIT 1", named! { ":site": site }, |row| {
            row.get(0)
        })?;
    let mut before: BTreeSet<String> = any.into_iter().collect();
    let known = "SELECT 1 FROM seller_payee WHERE site = :site AND payee = :payee";
    for payee in named {
        if conn.has(known, named! { ":site": site, ":payee": payee })? {
            before.insert(payee.clone());
        }
    }
    Ok(before)
}

/// What the event says: the terms, and fingerprints of the rest. Never the signature.
fn terms_of(draft: &Draft) -> Value {
    let facts = draft.authorization.facts();
    json!({
        "standing": [Standing::AUTHORIZED.state, Standing::AUTHORIZED.proof],
        "usd": draft.offer.usd,
        "amount": draft.offer.amount.to_string(),
        "asset": draft.offer.asset.account.address(),
        "network": draft.offer.network(),
        "payee": draft.offer.payee.address(),
        "handle": facts.handle,
        "ends": facts.ends.secs(),
        "policy": draft.policy.hash,
    })
}
