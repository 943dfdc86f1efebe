//! What the ledger can be asked.

use std::collections::BTreeMap;

use super::doubt::{self, InDoubt};
use super::engine::{Conn, Given, LedgerRow, named};
use super::events::{self, StoredEvent};
use super::{Ledger, LedgerError, Sync, budget, damaged};
use crate::authorization::{Authorization, Handle};
use crate::goods::Goods;
use crate::money::{Account, Network, Usd};
use crate::reason::Reason;
use crate::settlement::Standing;
use crate::time::Time;
use crate::wish::Identity;

/// A purchase as its row has it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its row.
    pub row: i64,
    /// The purchase's id.
    pub purchase_id: String,
    /// Whose purchase it is.
    pub agent: String,
    /// Which machine made it, where several share the ledger.
    pub machine: Option<String>,
    /// What makes two calls the same wish.
    pub identity: Identity,
    /// The fingerprint of the headers the agent set.
    pub headers: Vec<u8>,
    /// The purchase it buys once more.
    pub parent: Option<i64>,
    /// When.
    pub at: Time,
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// Of which domain.
    pub domain: String,
    /// Where its money is.
    pub state: String,
    /// Who says so.
    pub proof: String,
    /// The same call resumes it.
    pub open: bool,
    /// The goods arrived, whole.
    pub delivered: bool,
    /// Somebody has heard the outcome.
    pub handed: bool,
    /// Why, all of it.
    pub reasons: Vec<Reason>,
    /// The hash of the policy that decided.
    pub policy: Option<String>,
    /// The status of the seller's answer.
    pub http_status: Option<u16>,
    /// What the seller says the body is.
    pub content_type: Option<String>,
    /// Where the answer came from, after redirects.
    pub final_url: Option<String>,
    /// How long the whole body is.
    pub body_bytes: Option<u64>,
    /// The body lies in the store.
    pub body_kept: bool,
    /// When the seller's answer was complete.
    pub answered_at: Option<Time>,
    /// What came for the money, where that was judged.
    pub goods: Option<Goods>,
    /// Which session.
    pub session: Option<i64>,
    /// What was to be paid, and to whom.
    pub terms: Option<PaymentTerms>,
    /// What is known of its money, if it has any.
    pub money: Option<Money>,
}

/// What it costs, authorized or asked for.
#[derive(Clone, Debug)]
pub struct PaymentTerms {
    /// What it counts for, in US dollars.
    pub usd: Usd,
    /// What it counted for when it was authorized: for the most that could be taken.
    pub most_usd: Usd,
    /// The most that can be taken, in atomic units.
    pub amount: String,
    /// What was taken, where the chain proved that it is less.
    pub taken: Option<String>,
    /// Which asset.
    pub asset: String,
    /// Where the asset's contract is.
    pub asset_address: String,
    /// On which network.
    pub network: String,
    /// Who is paid.
    pub payee: String,
    /// The language of the challenge.
    pub dialect: String,
    /// The scheme it is paid by, such as `exact`.
    pub scheme: String,
}

impl PaymentTerms {
    /// How much it moves as far as is known, in atomic units: what was taken, or else the most.
    pub fn moves(&self) -> &str {
        self.taken.as_ref().unwrap_or(&self.amount)
    }

    /// The asset, on its network.
    pub fn asset_account(&self) -> Option<Account> {
        Account::parse(&Network::new(self.network.clone()), &self.asset_address).ok()
    }
}

/// What only an authorized purchase has.
#[derive(Clone, Debug)]
pub struct Money {
    /// Where its money is, and who says so.
    pub standing: Standing,
    /// From here on the chain refuses it.
    pub ends: i64,
    /// When it settled.
    pub settled_at: Option<Time>,
    /// The chain transaction, as whoever is the proof names it.
    pub chain_tx: Option<String>,
    /// Who presents it now.
    pub lease: Option<String>,
    /// How often it was presented.
    pub presents: u32,
}

/// What the ledger already has for a wish.
#[derive(Clone, Debug, Default)]
pub struct Recalled {
    /// How far the history had come at the look: its latest event.
    pub looked: i64,
    /// Under the id that was given.
    pub by_id: Option<Entry>,
    /// The one that is open, to be resumed.
    pub open: Option<Entry>,
    /// The newest with the same headers that was paid for and delivered: repeats are served from it.
    pub delivered: Option<Entry>,
    /// The one of this wish that waits for its owner.
    pub asked: Option<Entry>,
    /// The one `buy_again` names, and its child if it has one.
    pub parent: Option<Entry>,
    /// The purchase that bought it once more.
    pub child: Option<Entry>,
}

/// Everything about one purchase.
#[derive(Clone, Debug)]
pub struct LedgerStory {
    /// The purchase.
    pub entry: Entry,
    /// What happened, oldest first.
    pub events: Vec<StoredEvent>,
    /// What the host says of itself.
    pub client: Option<String>,
    /// Every offer, and what the policy says of it.
    pub offers: Option<String>,
    /// What each rule said.
    pub rules: Option<String>,
    /// What the seller says of the payment.
    pub receipt: Option<String>,
    /// What the chain said, when it proved something.
    pub evidence: Option<String>,
    /// What was signed.
    pub authorization: Option<Authorization>,
}

/// An authorization reconciliation is not done with.
#[derive(Clone, Debug)]
pub struct Unproven {
    /// Its row.
    pub row: i64,
    /// The purchase's id.
    pub purchase_id: String,
    /// Where its money is, and who says so.
    pub standing: Standing,
    /// Who presents it now.
    pub lease: Option<String>,
    /// What was signed.
    pub authorization: Authorization,
}

pub(super) const COLUMNS: &str =
    "row, purchase_id, agent, identity, headers, parent, at, method, url, domain, state, proof, open,
    delivered, handed, reasons, policy, http_status, content_type, final_url, body_bytes, body_kept, answered_at,
    goods, named_type, session, usd, given_back, amount, taken, asset, asset_address, network, payee, dialect, scheme, handle IS NOT NULL AS has_money, ends,
    settled_at, chain_tx, lease, presents, machine";

impl Ledger {
    /// What is already known of a wish, in one look.
    pub async fn find(
        &self,
        agent: String,
        identity: Identity,
        headers: [u8; 32],
        purchase_id: Option<String>,
        buy_again: Option<String>,
    ) -> Result<Recalled, LedgerError> {
        let handed_over = self.handed_over.clone();
        self.peek(move |conn| {
            // First, so that whatever is missed below is after it.
            let mut found = Recalled { looked: events::newest(conn)?, ..Recalled::default() };
            if let Some(row) = open_row(conn, &identity)? {
                found.open = by_row(conn, row)?;
            }
            if let Some(id) = purchase_id {
                found.by_id = by_id(conn, &agent, &id)?;
            }
            if let Some(id) = buy_again {
                found.parent = by_id(conn, &agent, &id)?;
            }
            if let Some(parent) = &found.parent {
                found.child = child_of(conn, parent.row)?;
            }
            found.asked = one(
                conn,
                "identity = :identity AND state = 'needs_approval' ORDER BY row DESC LIMIT 1",
                named! { ":identity": identity.0 },
            )?;
            found.delivered = one(
                conn,
                "identity = :identity AND headers = :headers AND delivered = 1 AND handle IS NOT NULL
                  ORDER BY answered_at DESC, row DESC LIMIT 1",
                named! { ":identity": identity.0, ":headers": headers },
            )?;
            for entry in [&mut found.open, &mut found.by_id, &mut found.delivered, &mut found.parent, &mut found.child]
            {
                *entry = entry.take().map(|entry| handed_over.in_entry(entry));
            }
            Ok(found)
        })
        .await
    }

    /// One purchase, by its row.
    pub async fn entry(&self, row: i64) -> Result<Option<Entry>, LedgerError> {
        let handed_over = self.handed_over.clone();
        self.peek(move |conn| Ok(by_row(conn, row)?.map(|entry| handed_over.in_entry(entry)))).await
    }

    /// One purchase of an agent, by its id.
    pub async fn entry_of(&self, agent: String, purchase_id: String) -> Result<Option<Entry>, LedgerError> {
        self.peek(move |conn| by_id(conn, &agent, &purchase_id)).await
    }

    /// For the owner, who may shorten an id or put its agent before it: every purchase it could mean, two at most, what
    /// is named in full before what is not.
    pub async fn matching(&self, beginning: String) -> Result<Vec<Entry>, LedgerError> {
        self.read(move |conn| {
            let mut found = beginning_with(conn, &beginning)?;
            found.extend(beginning_with(conn, &format!("pu_{beginning}"))?);
            for (at, _) in beginning.match_indices('/') {
                found.extend(beginning_with_of(conn, &beginning[..at], &beginning[at + 1..])?);
            }
            let is_whole = |entry: &Entry| {
                entry.purchase_id == beginning || format!("{}/{}", entry.agent, entry.purchase_id) == beginning
            };
            found.sort_by_key(|entry| (!is_whole(entry), std::cmp::Reverse(entry.row)));
            found.dedup_by_key(|entry| entry.row);
            found.truncate(2);
            Ok(found)
        })
        .await
    }

    /// Everything known about one purchase.
    pub async fn story(&self, row: i64) -> Result<Option<LedgerStory>, LedgerError> {
        self.read(move |conn| {
            let Some(entry) = by_row(conn, row)? else { return Ok(None) };
            let texts: [Option<String>; 5] = conn
                .find(
                    "SELECT client, offers, rules, receipt, evidence
                       FROM purchase JOIN detail ON purchase = row WHERE row = :row",
                    named! { ":row": row },
                    |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]),
                )?
                .unwrap_or_default();
            let [client, offers, rules, receipt, evidence] = texts;
            let authorization = authorization_of(conn, row)?;
            let events = events::of_purchase(conn, row)?;
            Ok(Some(LedgerStory { entry, events, client, offers, rules, receipt, evidence, authorization }))
        })
        .await
    }

    /// What was signed.
    pub async fn authorization(&self, row: i64) -> Result<Option<Authorization>, LedgerError> {
        self.read(move |conn| authorization_of(conn, row)).await
    }

    /// The rows that reconciliation is not done with.
    pub async fn unproven(&self) -> Result<Vec<i64>, LedgerError> {
        self.read(|conn| {
            let sql = "SELECT row FROM unproven ORDER BY row";
            conn.list(sql, &[], |row| row.get(0))
        })
        .await
    }

    /// Those of these rows that reconciliation is not done with now.
    pub async fn unproven_of(&self, rows: Vec<i64>) -> Result<Vec<Unproven>, LedgerError> {
        self.read(move |conn| {
            let query = "SELECT p.purchase_id, p.state, p.proof, p.lease, s.authorization
                   FROM purchase p JOIN signed s ON s.purchase = p.row
                  WHERE p.row = :row AND p.handle IS NOT NULL AND p.proof <> 'chain'";
            let mut unproven = Vec::new();
            for row in rows {
                unproven.extend(conn.find(query, named! { ":row": row }, |found| read_unproven(row, found))?);
            }
            Ok(unproven)
        })
        .await
    }

    /// Whether a row explains that one of these authorizations was used, in this asset and for this payee where that is
    /// known. One that is proven never to have been used does not.
    pub async fn explains(
        &self,
        handles: Vec<Handle>,
        asset: Account,
        payee: Option<Account>,
    ) -> Result<bool, LedgerError> {
        self.read(move |conn| {
            let query = "SELECT 1 FROM purchase
                  WHERE handle = :handle AND network = :network AND asset_address = :asset
                    AND payee = coalesce(:payee, payee) AND NOT (state = 'lapsed' AND proof = 'chain')";
            for handle in &handles {
                let is_ours = conn.has(
                    query,
                    named! {
                        ":handle": handle.as_slice(),
                        ":network": asset.network().as_str(),
                        ":asset": asset.address(),
                        ":payee": payee.as_ref().map(Account::address),
                    },
                )?;
                if is_ours {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
    }

    /// Whether any authorization of the last day or two was for this payee.
    pub async fn has_paid(&self, payee: Account) -> Result<bool, LedgerError> {
        self.read(move |conn| budget::has_paid(conn, payee.address())).await
    }

    /// Why all spending is stopped, if it is.
    pub async fn frozen(&self) -> Result<Option<String>, LedgerError> {
        self.peek(|conn| conn.read("SELECT frozen_why FROM ledger", &[], |row| row.get(0))).await
    }

    /// How much may still move although nobody knows.
    pub async fn in_doubt(&self) -> Result<InDoubt, LedgerError> {
        let doubt = self.doubt.clone();
        self.read(move |conn| doubt::up_to_date(&doubt, conn)).await
    }

    /// How far each node was searched for payments that no row explains. Before nodes were told apart, all were searched
    /// as far as the one without a name.
    pub async fn searched_to(&self, asset: Account) -> Result<BTreeMap<String, u64>, LedgerError> {
        self.read(move |conn| {
            let query = "SELECT node, block FROM searched WHERE network = :network AND asset = :asset";
            let rows =
                conn.list(query, named! { ":network": asset.network().as_str(), ":asset": asset.address() }, |row| {
                    Ok((row.get(0)?, row.get::<_, i64>(1)?.max(0) as u64))
                })?;
            Ok(rows.into_iter().collect())
        })
        .await
    }

    /// Notes how far each node was searched.
    pub async fn note_searched(&self, asset: Account, to: BTreeMap<String, u64>) -> Result<(), LedgerError> {
        self.writer
            .write(Sync::Lazy, move |conn| {
                for (node, block) in &to {
                    conn.note(
                        "INSERT INTO searched (network, asset, node, block) VALUES (:network, :asset, :node, :block)
                         ON CONFLICT (network, asset, node) DO UPDATE SET block = max(searched.block, excluded.block)",
                        named! {
                            ":network": asset.network().as_str(),
                            ":asset": asset.address(),
                            ":node": node,
                            ":block": *block as i64,
                        },
                    )?;
                }
                Ok(())
            })
            .await
    }

    /// Whether an alarm has named this chain transaction already.
    pub async fn was_alarmed(&self, chain_tx: String) -> Result<bool, LedgerError> {
        self.read(move |conn| {
            let sql = "SELECT 1 FROM event WHERE kind = 'alarm' AND instr(detail, :chain_tx) > 0";
            conn.has(sql, named! { ":chain_tx": chain_tx })
        })
        .await
    }
}

pub(super) fn by_row(conn: &dyn Conn, row: i64) -> Result<Option<Entry>, LedgerError> {
    one(conn, "row = :row", named! { ":row": row })
}

pub(super) fn by_id(conn: &dyn Conn, agent: &str, purchase_id: &str) -> Result<Option<Entry>, LedgerError> {
    one(conn, "agent = :agent AND purchase_id = :purchase_id", named! { ":agent": agent, ":purchase_id": purchase_id })
}

/// The first two with this id, or with one that begins so.
fn beginning_with(conn: &dyn Conn, id: &str) -> Result<Vec<Entry>, LedgerError> {
    // One agent after the other: there are few of them, each with an index of its ids.
    let sql = format!(
        "WITH RECURSIVE known (who) AS (
            SELECT min(agent) FROM purchase
            UNION ALL SELECT (SELECT min(agent) FROM purchase WHERE agent > who) FROM known WHERE who IS NOT NULL)
         SELECT {COLUMNS} FROM known CROSS JOIN purchase
          WHERE agent = who AND purchase_id >= :id AND purchase_id < :end ORDER BY purchase_id LIMIT 3"
    );
    entries(conn, &sql, named! { ":id": id, ":end": end_of(id) })
}

fn beginning_with_of(conn: &dyn Conn, agent: &str, id: &str) -> Result<Vec<Entry>, LedgerError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM purchase WHERE agent = :agent AND purchase_id >= :id AND purchase_id < :end
          ORDER BY purchase_id LIMIT 2"
    );
    entries(conn, &sql, named! { ":agent": agent, ":id": id, ":end": end_of(id) })
}

/// Comes after every text that begins like this.
fn end_of(beginning: &str) -> String {
    format!("{beginning}{}", char::MAX)
}

pub(super) fn child_of(conn: &dyn Conn, parent: i64) -> Result<Option<Entry>, LedgerError> {
    one(conn, "parent = :parent", named! { ":parent": parent })
}

pub(super) fn open_row(conn: &dyn Conn, identity: &Identity) -> Result<Option<i64>, LedgerError> {
    let row = conn.find(
        "SELECT row FROM purchase WHERE identity = :identity AND open = 1",
        named! { ":identity": identity.0 },
        |row| row.get(0),
    )?;
    Ok(row)
}

pub(super) fn read_standing(state: &str, proof: &str) -> Result<Standing, LedgerError> {
    Ok(Standing { state: state.parse().map_err(damaged)?, proof: proof.parse().map_err(damaged)? })
}

fn read_unproven(row: i64, found: &dyn LedgerRow) -> Result<Unproven, LedgerError> {
    let authorization: String = found.get("authorization")?;
    Ok(Unproven {
        row,
        purchase_id: found.get("purchase_id")?,
        standing: read_standing(&found.get::<_, String>("state")?, &found.get::<_, String>("proof")?)?,
        lease: found.get("lease")?,
        authorization: serde_json::from_str(&authorization).map_err(damaged)?,
    })
}

fn authorization_of(conn: &dyn Conn, row: i64) -> Result<Option<Authorization>, LedgerError> {
    let text: Option<String> =
        conn.find("SELECT authorization FROM signed WHERE purchase = :row", named! { ":row": row }, |row| row.get(0))?;
    text.map(|text| serde_json::from_str(&text).map_err(damaged)).transpose()
}

fn one(conn: &dyn Conn, clause: &str, given: &Given<'_>) -> Result<Option<Entry>, LedgerError> {
    let sql = format!("SELECT {COLUMNS} FROM purchase WHERE {clause}");
    conn.find(&sql, given, entry)
}

/// Every entry a query of [`COLUMNS`] brings.
pub(super) fn entries(conn: &dyn Conn, sql: &str, given: &Given<'_>) -> Result<Vec<Entry>, LedgerError> {
    conn.list(sql, given, entry)
}

/// Reads a row; a word in it that is none of ours is damage.
pub(super) fn entry(row: &dyn LedgerRow) -> Result<Entry, LedgerError> {
    let entry = read_entry(row)?;
    let reasons: String = row.get(const { at("reasons") })?;
    let money = match row.get(const { at("has_money") })? {
        true => Some(read_money(row, &entry)?),
        false => None,
    };
    let reasons = serde_json::from_str(&reasons).map_err(damaged)?;
    Ok(Entry { reasons, money, ..entry })
}

/// Where a column stands in [`COLUMNS`]. It is found when this is compiled: a name is looked for among all of them each
/// time it is asked for.
const fn at(name: &str) -> usize {
    let (all, name) = (COLUMNS.as_bytes(), name.as_bytes());
    let (mut nth, mut word, mut end) = (0, 0, 0);
    loop {
        let is_last = end == all.len();
        if is_last || all[end] == b',' {
            let mut same = 0;
            while same < name.len() && word + same < end && all[word + same] == name[same] {
                same += 1;
            }
            if same == name.len() && word + same == end {
                return nth;
            }
            assert!(!is_last, "it is not among them");
            nth += 1;
        }
        // A column goes by the last of its words.
        if all[end].is_ascii_whitespace() || all[end] == b',' {
            word = end + 1;
        }
        end += 1;
    }
}

/// All but what has to be understood first.
fn read_entry(row: &dyn LedgerRow) -> Result<Entry, LedgerError> {
    let identity: Vec<u8> = row.get(const { at("identity") })?;
    Ok(Entry {
        row: row.get(const { at("row") })?,
        purchase_id: row.get(const { at("purchase_id") })?,
        agent: row.get(const { at("agent") })?,
        machine: Some(row.get(const { at("machine") })?).filter(|name: &String| !name.is_empty()),
        identity: Identity(identity.try_into().unwrap_or_default()),
        headers: row.get(const { at("headers") })?,
        parent: row.get(const { at("parent") })?,
        at: Time::from_millis(row.get(const { at("at") })?),
        method: row.get(const { at("method") })?,
        url: row.get(const { at("url") })?,
        domain: row.get(const { at("domain") })?,
        state: row.get(const { at("state") })?,
        proof: row.get(const { at("proof") })?,
        open: row.get(const { at("open") })?,
        delivered: row.get(const { at("delivered") })?,
        handed: row.get(const { at("handed") })?,
        reasons: Vec::new(),
        policy: row.get(const { at("policy") })?,
        http_status: row.get(const { at("http_status") })?,
        content_type: row.get(const { at("content_type") })?,
        final_url: row.get(const { at("final_url") })?,
        body_bytes: row.get::<_, Option<i64>>(const { at("body_bytes") })?.map(|bytes| bytes.max(0) as u64),
        body_kept: row.get(const { at("body_kept") })?,
        answered_at: row.get::<_, Option<i64>>(const { at("answered_at") })?.map(Time::from_millis),
        goods: read_goods(row)?,
        session: row.get(const { at("session") })?,
        terms: read_terms(row)?,
        money: None,
    })
}

fn read_goods(row: &dyn LedgerRow) -> Result<Option<Goods>, LedgerError> {
    let (word, named, came): (String, Option<String>, Option<String>) =
        (row.get(const { at("goods") })?, row.get(const { at("named_type") })?, row.get(const { at("content_type") })?);
    Ok(Goods::read(&word, named.as_deref(), came.as_deref()))
}

fn read_terms(row: &dyn LedgerRow) -> Result<Option<PaymentTerms>, LedgerError> {
    let Some(usd) = row.get::<_, Option<i64>>(const { at("usd") })? else { return Ok(None) };
    let (usd, given_back) = (usd.max(0) as u64, row.get::<_, i64>(const { at("given_back") })?.max(0) as u64);
    Ok(Some(PaymentTerms {
        usd: Usd::micros(usd),
        most_usd: Usd::micros(usd.saturating_add(given_back)),
        taken: row.get(const { at("taken") })?,
        amount: row.get(const { at("amount") })?,
        asset: row.get(const { at("asset") })?,
        asset_address: row.get(const { at("asset_address") })?,
        network: row.get(const { at("network") })?,
        payee: row.get(const { at("payee") })?,
        dialect: row.get(const { at("dialect") })?,
        scheme: row.get(const { at("scheme") })?,
    }))
}

fn read_money(row: &dyn LedgerRow, entry: &Entry) -> Result<Money, LedgerError> {
    Ok(Money {
        standing: read_standing(&entry.state, &entry.proof)?,
        ends: row.get(const { at("ends") })?,
        settled_at: row.get::<_, Option<i64>>(const { at("settled_at") })?.map(Time::from_millis),
        chain_tx: row.get(const { at("chain_tx") })?,
        lease: row.get(const { at("lease") })?,
        presents: row.get(const { at("presents") })?,
    })
}
