//! Derives everything anew and compares: totals from rows, standings from events, the chain of events from itself.

mod decided;

use std::collections::{BTreeMap, HashMap};

use super::budget::{self, Counted};
use super::engine::Conn;
use super::{Ledger, LedgerError, events, read, sign_ins};
use crate::authorization::{Authorization, Signatures};
use crate::money::Usd;
use crate::settlement::{Proof, Standing, State};
use crate::time::Time;

/// What was found. No violations is what everybody hopes for.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How many purchases there are.
    pub purchases: u64,
    /// How many authorizations there are.
    pub authorizations: u64,
    /// How many events there are.
    pub events: u64,
    /// What settled.
    pub settled: Usd,
    /// What counts and whose outcome is not known.
    pub held: Usd,
    /// What does not agree; nothing where all is well.
    pub violations: Vec<String>,
}

/// What the events say of one purchase.
#[derive(Default)]
struct Told {
    authorizations: usize,
    standing: Option<Standing>,
}

/// What the events say, by purchase and in their order.
#[derive(Default)]
struct History {
    told: HashMap<i64, Told>,
    moves: Vec<Move>,
}

/// A purchase went somewhere; from nowhere, when it was authorized.
struct Move {
    row: i64,
    from: Option<Standing>,
    to: Standing,
}

impl Ledger {
    /// What is wrong with the place it lies in, if anything is. Compares nothing with anything else.
    pub async fn damage(&self) -> Result<Option<String>, LedgerError> {
        self.beside(|engine| engine.damage()).await
    }

    /// Derives everything anew and says what does not agree.
    pub async fn audit(&self) -> Result<Findings, LedgerError> {
        let violations = self.beside(|engine| engine.violations()).await?;
        self.read(|conn| {
            let mut findings = Findings { violations, ..Findings::default() };
            findings.purchases = conn.read("SELECT count(*) FROM purchase", &[], |row| row.get::<_, i64>(0))? as u64;
            let history = check_events(conn, &mut findings)?;
            check_purchases(conn, &history.told, &mut findings)?;
            decided::check(conn, &history.moves, &mut findings)?;
            check_listed(conn, &mut findings)?;
            check_tally(conn, &mut findings)?;
            findings.violations.extend(sign_ins::check(conn)?);
            Ok(findings)
        })
        .await
    }
}

/// Walks the chain of seals, and follows where each purchase went by its events.
fn check_events(conn: &dyn Conn, findings: &mut Findings) -> Result<History, LedgerError> {
    let mut before = Vec::new();
    let mut history = History::default();
    let mut broken = None;
    events::each(conn, |event| {
        findings.events += 1;
        let seal = events::seal(&before, event.purchase, event.at, &event.kind, &event.detail);
        if seal.as_slice() != event.hash && broken.is_none() {
            broken = Some(event.id);
        }
        if let Some(row) = event.purchase {
            let heard = history.told.entry(row).or_default().hear(&event);
            history.moves.extend(heard.map(|(from, to)| Move { row, from, to }));
        }
        before = event.hash;
    })?;
    if let Some(id) = broken {
        findings.violations.push(format!("event {id} does not follow from the one before it: history was changed"));
    }
    Ok(history)
}

impl Told {
    /// From where to where this event moved it, if it did. A reply may be judged after the chain has spoken: only legal
    /// moves are followed, as the row did.
    fn hear(&mut self, event: &events::StoredEvent) -> Option<(Option<Standing>, Standing)> {
        let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap_or_default();
        let (state, proof) = serde_json::from_value::<(State, Proof)>(detail["standing"].clone()).ok()?;
        let (from, to) = (self.standing, Standing { state, proof });
        let is_new = event.kind == "authorized";
        self.authorizations += usize::from(is_new);
        if !is_new && !from.is_some_and(|from| from.may_become(to)) {
            return None;
        }
        self.standing = Some(to);
        Some((from, to))
    }
}

fn check_purchases(conn: &dyn Conn, told: &HashMap<i64, Told>, findings: &mut Findings) -> Result<(), LedgerError> {
    let query =
        "SELECT p.row, p.purchase_id, p.state, p.proof, p.counted_at, p.session, p.budget_domain, p.payee, p.usd,
                p.handle, p.amount, s.authorization, s.signature, p.asset_address, p.network, p.ends,
                p.request IS NOT NULL AND p.open = 0
           FROM purchase p LEFT JOIN signed s ON s.purchase = p.row WHERE p.handle IS NOT NULL";

    let mut all = Vec::new();
    let mut handles = BTreeMap::new();
    conn.each(query, &[], |row| {
        let id: String = row.get(1)?;
        let standing = read::read_standing(&row.get::<_, String>(2)?, &row.get::<_, String>(3)?)?;
        let usd = Usd::micros(row.get::<_, i64>(8)?.max(0) as u64);
        let counted = Counted {
            at: Time::from_millis(row.get(4)?),
            session: row.get(5)?,
            domain: row.get(6)?,
            payee: row.get(7)?,
            usd,
        };
        let handle: Vec<u8> = row.get(9)?;
        let signed = signed_as(row.get(11)?, row.get(12)?);
        let terms = (row.get(10)?, row.get(7)?, row.get(13)?, row.get(14)?, row.get(15)?);
        check_signed(&id, &handle, &terms, signed, findings);
        if row.get(16)? {
            findings.violations.push(format!("purchase {id} is over, and its request was not erased"));
        }
        let nothing = Told::default();
        let heard = told.get(&row.get(0)?).unwrap_or(&nothing);
        if heard.authorizations != 1 {
            let count = heard.authorizations;
            findings.violations.push(format!("purchase {id} has {count} authorizations by its events"));
        } else if heard.standing != Some(standing) {
            findings.violations.push(format!("purchase {id} is not where its events say it went"));
        }
        if let Some(other) = handles.insert(handle, id.clone()) {
            findings.violations.push(format!("purchases {other} and {id} share a handle"));
        }
        findings.authorizations += 1;
        match standing.state {
            State::Settled => findings.settled = findings.settled.saturating_add(usd),
            State::Authorized | State::Held => findings.held = findings.held.saturating_add(usd),
            State::Lapsed => {}
        }
        all.push((counted, standing));
        Ok(())
    })?;
    check_count(conn, findings)?;
    check_buckets(conn, all, findings)
}

fn signed_as(authorization: Option<String>, signature: Option<String>) -> Option<(Authorization, Signatures)> {
    let authorization = serde_json::from_str(&authorization?).ok()?;
    Some((authorization, signature?.parse().ok()?))
}

/// Amount, payee, asset, network and the end of the window, as the row has them.
type SignedTerms = (String, String, String, String, i64);

fn check_signed(
    id: &str,
    handle: &[u8],
    terms: &SignedTerms,
    signed: Option<(Authorization, Signatures)>,
    findings: &mut Findings,
) {
    let Some((authorization, signatures)) = signed else {
        return findings.violations.push(format!("purchase {id} has lost what was signed"));
    };
    let facts = authorization.facts();
    let signed = (
        facts.most.to_string(),
        facts.to.to_string(),
        facts.asset.to_string(),
        facts.asset.network().to_string(),
        facts.ends.secs() as i64,
    );
    let is_same = facts.handle.as_slice() == handle && signed == *terms;
    if !is_same || !authorization.is_signed(&signatures) {
        findings.violations.push(format!("what purchase {id} signed is not what its row says"));
    }
}

/// The count kept beside the key must be what the rows add up to (or more, after a restored ledger was adopted).
fn check_count(conn: &dyn Conn, findings: &mut Findings) -> Result<(), LedgerError> {
    let (count, adopted): (i64, Option<i64>) =
        conn.read("SELECT authorizations, adopted_at FROM ledger", &[], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows = findings.authorizations as i64;
    if count < rows || (count > rows && adopted.is_none()) {
        findings.violations.push(format!("the ledger counts {count} authorizations and holds {rows}"));
    }
    Ok(())
}

/// Every bucket that is still there must hold what its purchases add up to, and none may be missing that still counts.
fn check_buckets(conn: &dyn Conn, all: Vec<(Counted, Standing)>, findings: &mut Findings) -> Result<(), LedgerError> {
    let mut derived = budget::derive(all.into_iter());
    let query = "SELECT scope, window, start, counted, held FROM bucket";

    conn.each(query, &[], |row| {
        let key: (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let stored: (i64, i64) = (row.get(3)?, row.get(4)?);
        let expected = derived.remove(&key).unwrap_or_default();
        if stored != expected {
            let (scope, window, start) = key;
            findings.violations.push(format!(
                "the {window} bucket of {scope} at {} says {stored:?}, its purchases {expected:?}",
                Time::from_millis(start)
            ));
        }
        Ok(())
    })?;
    let newest: i64 = conn.read("SELECT newest FROM ledger", &[], |row| row.get(0))?;
    for ((scope, window, start), sums) in derived {
        if sums != (0, 0) && budget::still_counts(&window, start, Time::from_millis(newest)) {
            findings.violations.push(format!("the {window} bucket of {scope} at {start} is missing"));
        }
    }
    Ok(())
}

/// What was entered in the log must be as it stands, but for what waits to be entered anew.
fn check_listed(conn: &dyn Conn, findings: &mut Findings) -> Result<(), LedgerError> {
    let query = "SELECT purchase_id FROM purchase p LEFT JOIN listed l USING (row)
          WHERE p.row NOT IN (SELECT row FROM unlisted)
            AND (p.at, p.agent, p.state, p.site, p.domain, p.session, p.usd, CASE WHEN p.handle IS NULL THEN 0 ELSE 1 END,
                 CASE WHEN p.proof = 'chain' THEN 1 ELSE 0 END,
                 p.delivered, p.goods, p.lied, p.identity)
             IS DISTINCT FROM (l.at, l.agent, l.state, l.site, l.domain, l.session, l.usd, l.is_money, l.is_proven,
                     l.delivered, l.goods, l.lied, l.identity)";
    for id in conn.list(query, &[], |row| row.get::<_, String>(0))? {
        findings.violations.push(format!("the log does not list purchase {id} as it stands"));
    }
    Ok(())
}

/// The log's sums by day must be what is entered in it.
fn check_tally(conn: &dyn Conn, findings: &mut Findings) -> Result<(), LedgerError> {
    let query = "WITH derived AS (
            SELECT at / 86400000 AS day, agent, state, count(*) AS purchases,
                   coalesce(sum(usd * is_money), 0) AS usd
              FROM listed GROUP BY 1, 2, 3
         )
         SELECT day, agent, state FROM (SELECT * FROM derived EXCEPT SELECT * FROM tally) AS missing
          UNION SELECT day, agent, state FROM (SELECT * FROM tally WHERE purchases > 0 EXCEPT SELECT * FROM derived) AS more";

    conn.each(query, &[], |row| {
        let (day, agent, state): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let day = Time::from_secs(day * 24 * 3600);
        findings.violations.push(format!("the tally of {agent}'s {state} purchases on the day of {day} is wrong"));
        Ok(())
    })?;
    Ok(())
}
