//! Ledgers as years of use leave them, of any size: every row, event and sum as the program would have written it, so
//! that the audit finds nothing. Only what is long over is made this way: no window counts any of it any more.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, keccak256};
use bursar::authorization::{Authorization, Ground, Signatures};
use bursar::ledger::{self, Authorized, Closing, Draft, Ledger};
use bursar::money::{Account, Amount, Asset, Assets, Network, Usd};
use bursar::offer::{Carrier, Dialect, Echo, Offer, Scheme};
use bursar::policy::{self, Funds, Policy};
use bursar::settlement::Standing;
use bursar::time::Time;
use bursar::wallet::Key;
use bursar::wish::{Call, Wish};
use rusqlite::{Connection, Transaction, params};
use serde_json::{Value, json};

/// What is to be in it.
#[derive(Clone, Debug, Default)]
pub struct Years {
    /// How many purchases.
    pub purchases: u64,
    /// How many of them bought one and the same thing again: [`AGENT`](Years::AGENT) bought `wish`.
    pub alike: u64,
    /// The page that those bought.
    pub wish: String,
    /// How many are paid for and nobody knows yet whether that was taken.
    pub held: u64,
}

const AGENTS: u64 = 20;
const SITES: u64 = 400;
const IN_A_SESSION: u64 = 25;
const DAY_MS: i64 = 24 * 3_600 * 1_000;
/// All of them are in a year, and the last of them is out of every window.
const YEAR_MS: i64 = 365 * DAY_MS;
const OVER: Duration = Duration::from_secs(40 * 24 * 3_600);
const NETWORK: u64 = 84_532;

impl Years {
    /// Who bought the same thing again and again.
    pub const AGENT: &str = "agent-0";

    /// Makes them in a ledger that is new.
    pub async fn write(self, file: &Path, leases: &Path) {
        let now = Time::from_millis(now().millis());
        let newest = now.minus(OVER);
        let began = Time::from_millis(newest.millis() - YEAR_MS);
        let ledger = Ledger::open(file, leases, [7; 16], began).expect("a new ledger");
        let maker = Maker::new(began);
        maker.template(&ledger).await;
        drop(ledger);
        let mut conn = Connection::open(file).expect("a file");
        conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1000000")
            .expect("as fast as it goes");
        alone(&conn);
        enter(&conn);
        let template = Template::read(&conn);
        let all = conn.transaction().expect("begun");
        let parts = set_aside(&all);
        maker.fill(&all, &self, newest, &template);
        for sql in parts {
            all.execute_batch(&sql).expect("put back");
        }
        all.commit().expect("committed");
        conn.execute_batch("PRAGMA journal_mode = WAL").expect("as the program keeps it");
    }
}

fn enter(conn: &Connection) {
    conn.execute_batch(&ledger::ENTER.join(";")).expect("entered");
}

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time::from_secs(since.as_secs() as i64)
}

/// Without the log of what is written, once the ledger's own connections have closed.
fn alone(conn: &Connection) {
    const AT_LAST: Duration = Duration::from_secs(10);
    let began = Instant::now();
    while let Err(cause) = conn.pragma_update(None, "journal_mode", "MEMORY") {
        assert!(began.elapsed() < AT_LAST, "{cause}");
        std::thread::yield_now();
    }
}

/// Indexes and triggers make each row dearer: what they keep is made at once at the end.
fn set_aside(conn: &Transaction<'_>) -> Vec<String> {
    let sql = "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL";
    let mut query = conn.prepare(sql).expect("a schema");
    let parts = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read");
    let parts: Vec<(String, String, String)> = parts.map(Result::unwrap).collect();
    for (kind, name, _) in &parts {
        conn.execute_batch(&format!("DROP {kind} {name}")).expect("set aside");
    }
    parts.into_iter().map(|(.., sql)| sql).collect()
}

/// Makes drafts, signed.
pub(crate) struct Maker {
    key: Key,
    asset: Asset,
    policy: Arc<Policy>,
    began: Time,
}

/// What is alike in all of them, as the program itself wrote it once.
struct Template {
    offers: String,
    rules: String,
    receipt: String,
    header: String,
    authorized: Value,
    closed: Value,
}

/// One purchase of many.
struct One {
    nth: u64,
    at: Time,
    usd: u64,
    url: String,
    agent: String,
    identity: [u8; 32],
    session: i64,
    domain: String,
    payee: Address,
    is_held: bool,
}

impl Maker {
    pub(crate) fn new(began: Time) -> Maker {
        let rules = "version = 1\n[networks]\nallow = [\"eip155:84532\"]\n[wallet]\nper_payment = \"none\"\nper_hour = \"none\"\n\
                     per_day = \"none\"\nper_month = \"none\"\npayments_per_minute = \"none\"\n[session]\ntotal = \"none\"\n\
                     [each_domain]\nper_payment = \"none\"\nper_session = \"none\"\nper_day = \"none\"\n[payee]\n\
                     per_day = \"none\"\n[approval]\nabove = \"none\"\n";
        Maker {
            key: Key::read(format!("{:064x}", 0x0b0b_0001_u64).as_bytes()).expect("a key"),
            asset: Assets::default().on(&Network::eip155(NETWORK)).next().expect("an asset").clone(),
            policy: Arc::new(Policy::parse("policy.toml", rules).expect("rules")),
            began,
        }
    }

    /// The first purchase, by the program itself.
    async fn template(&self, ledger: &Ledger) {
        let draft = self.draft("https://h0.site-0.example/v1/first", 1_000);
        let Authorized::Recorded(recorded, _) = ledger.authorize(draft).await.expect("written") else {
            panic!("the first one was not recorded");
        };
        let entry = ledger.entry_of(Years::AGENT.to_owned(), recorded.purchase_id().to_owned()).await.expect("read");
        let row = entry.expect("a row").row;
        let closing = Closing {
            standing: Standing::SETTLED_BY_WORD,
            presented: true,
            delivered: true,
            goods: None,
            lied: false,
            answered: None,
            chain_tx: Some(B256::repeat_byte(7).to_string()),
            receipt: Some(json!({ "success": true, "chain_tx": B256::repeat_byte(7), "network": "eip155:84532" })),
            detail: json!({ "http": 200, "delivered": true }),
            now: self.began,
        };
        ledger.close(row, closing).await.expect("closed");
        let proof = json!({ "proof": "chain", "block": 7, "chain_tx": B256::repeat_byte(7) });
        ledger.move_to(row, Standing::SETTLED_BY_CHAIN, "settled", proof, None, self.began).await.expect("proven");
    }

    fn draft(&self, url: &str, usd: u64) -> Draft {
        let wish = wish(url);
        let offer = self.offer(usd, payee_of(0));
        let (authorization, signatures) = self.signed(&offer, 0, self.began);
        Draft {
            purchase_id: "pu_first".to_owned(),
            agent: Years::AGENT.to_owned(),
            client: Some("some host 1.0".to_owned()),
            identity: wish.identity(),
            headers: wish.headers_fingerprint(),
            parent: None,
            // Nobody else is about.
            looked: i64::MAX,
            asked: wish.request.clone(),
            request: wish.request.clone(),
            max_price: None,
            policy: self.policy.clone(),
            funds: Funds::default(),
            payment_header: authorization.payment_header(&offer, &signatures, None),
            offers: json!([{ "verdict": "chosen", "amount_usd": "0.001", "network": "eip155:84532", "asset": "USDC" }]),
            offer,
            authorization,
            signatures,
            now: self.began,
        }
    }

    /// One of many, of a wish of its own.
    pub(crate) fn fresh(&self, of: u64, nth: u64) -> Draft {
        let wish = wish(&format!("https://h{}.site-{}.example/v1/{of:x}/{nth}", nth % 5, nth % SITES));
        let offer = self.offer(1_000, payee_of(nth % SITES));
        let (authorization, signatures) = self.signed(&offer, of.wrapping_mul(31).wrapping_add(nth), self.began);
        Draft {
            purchase_id: format!("pu_{of:x}_{nth}"),
            identity: wish.identity(),
            asked: wish.request.clone(),
            request: wish.request.clone(),
            payment_header: authorization.payment_header(&offer, &signatures, None),
            offer,
            authorization,
            signatures,
            ..self.draft("https://h0.site-0.example/v1/first", 1_000)
        }
    }

    fn offer(&self, usd: u64, payee: Address) -> Offer {
        Offer {
            scheme: Scheme::Eip3009,
            asset: self.asset.clone(),
            amount: Amount::parse(&usd.to_string()).expect("an amount"),
            usd: Usd::micros(usd),
            payee: Account::evm(self.asset.network(), payee),
            window_secs: 60,
            takes_first: false,
            carrier: Carrier::Headers,
            echo: Echo::imagined(Dialect::X402V2).expect("an echo"),
        }
    }

    fn signed(&self, offer: &Offer, nth: u64, at: Time) -> (Authorization, Signatures) {
        let from = Account::evm(offer.network(), self.key.address());
        let random = keccak256(nth.to_be_bytes()).0;
        let authorization = Authorization::draft(offer, &from, at, random, &Ground::default()).expect("a draft");
        let signatures = self.key.sign(&authorization).expect("signed");
        (authorization, signatures)
    }

    fn one(&self, nth: u64, years: &Years, newest: Time) -> One {
        let of_all = |value: u64| value * (YEAR_MS as u64) / years.purchases.max(1);
        let at = Time::from_millis(self.began.millis() + (of_all(nth) as i64).min(YEAR_MS)).min(newest);
        let session = nth / IN_A_SESSION;
        let site = session * 31 % SITES;
        let is_of_the_last = |count: u64| nth >= years.purchases - count.min(years.purchases);
        let (is_alike, is_held) = (is_of_the_last(years.alike), is_of_the_last(years.held));
        let (agent, url) = match is_alike {
            true => (Years::AGENT.to_owned(), years.wish.clone()),
            false => {
                let url = format!("https://h{}.site-{site}.example/v1/item/{}?q={nth}", site % 5, nth % 1_000);
                (format!("agent-{}", session % AGENTS), url)
            }
        };
        let identity = match is_alike {
            true => wish(&url).identity().0,
            false => keccak256(format!("{agent} {url}")).0,
        };
        let payee = payee_of(site);
        let domain = policy::site(&url.parse().expect("a URL")).to_owned();
        One {
            nth,
            at,
            usd: 1_000 + nth % 20_000,
            url,
            agent,
            identity,
            session: session as i64 + 2,
            domain,
            payee,
            is_held,
        }
    }

    fn fill(&self, conn: &Transaction<'_>, years: &Years, newest: Time, template: &Template) {
        let mut sums = Sums::default();
        let mut seal = newest_seal(conn);
        let mut write = Writing::new(conn);
        for nth in 1..years.purchases {
            let one = self.one(nth, years, newest);
            write.purchase(self, &one, template, &mut seal);
            sums.add(&one);
        }
        drop(write);
        sums.write(conn);
        let others = "INSERT INTO unlisted SELECT row FROM purchase WHERE row NOT IN (SELECT row FROM listed)";
        conn.execute(others, []).expect("noted");
        enter(conn);
        let sql = "UPDATE ledger SET newest = ?1, authorizations = ?2";
        // The ledger has come to today, though nothing was bought for a while.
        conn.execute(sql, params![newest.plus(OVER).millis(), years.purchases as i64]).expect("counted");
    }
}

/// Whom a site has paid.
fn payee_of(site: u64) -> Address {
    Address::left_padding_from(&(0xaa00 + site).to_be_bytes())
}

fn wish(url: &str) -> Wish {
    Wish::parse(Years::AGENT, &Call { url: url.to_owned(), ..Call::default() }).expect("a wish")
}

fn newest_seal(conn: &Connection) -> Vec<u8> {
    conn.query_row("SELECT hash FROM event ORDER BY id DESC LIMIT 1", [], |row| row.get(0)).expect("an event")
}

impl Template {
    fn read(conn: &Connection) -> Template {
        let event = |kind: &str| -> Value {
            let sql = "SELECT detail FROM event WHERE kind = ?1 ORDER BY id DESC LIMIT 1";
            let detail: String = conn.query_row(sql, [kind], |row| row.get(0)).expect("an event");
            serde_json::from_str(&detail).expect("JSON")
        };
        let sql = "SELECT d.offers, d.rules, p.receipt, s.header_value
                     FROM detail d JOIN signed s USING (purchase) JOIN purchase p ON p.row = s.purchase";
        let texts = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let (offers, rules, receipt, header) = texts.expect("a purchase");
        Template { offers, rules, receipt, header, authorized: event("authorized"), closed: event("closed") }
    }
}

/// The statements, prepared once.
struct Writing<'c> {
    purchase: rusqlite::Statement<'c>,
    signed: rusqlite::Statement<'c>,
    detail: rusqlite::Statement<'c>,
    event: rusqlite::Statement<'c>,
}

const PURCHASE: &str = "INSERT INTO purchase
    (row, purchase_id, agent, identity, headers, at, method, url, domain, place, site, state, proof, open, delivered, handed,
     policy, http_status, content_type, final_url, body_bytes, answered_at, session, budget_domain, counted_at, usd, amount,
     asset, asset_address, network, payee, dialect, scheme, handle, ends, settled_at, chain_tx, receipt, presents)
  VALUES (?1, ?2, ?3, ?4, x'00', ?5, 'GET', ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?12, 'policy', ?13, ?14, '', ?15, ?16, ?17, ?9,
     ?5, ?18, ?19, 'USDC', ?20, 'eip155:84532', ?21, 'x402v2', 'exact', ?22, ?23, ?24, ?25, ?26, 1)";

impl<'c> Writing<'c> {
    fn new(conn: &'c Transaction<'_>) -> Writing<'c> {
        let prepare = |sql| conn.prepare(sql).expect("today's tables");
        Writing {
            purchase: prepare(PURCHASE),
            signed: prepare("INSERT INTO signed VALUES (?1, ?2, ?3, 'PAYMENT-SIGNATURE', ?4)"),
            detail: prepare("INSERT INTO detail VALUES (?1, 'some host 1.0', ?2, ?3, NULL)"),
            event: prepare("INSERT INTO event (purchase, at, kind, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5)"),
        }
    }

    fn purchase(&mut self, maker: &Maker, one: &One, template: &Template, seal: &mut Vec<u8>) {
        let offer = maker.offer(one.usd, one.payee);
        let (authorization, signatures) = maker.signed(&offer, one.nth, one.at);
        let facts = authorization.facts();
        let row = one.nth as i64 + 1;
        let host = one.url.split('/').nth(2).unwrap_or_default();
        let place = one.url.split('?').next().unwrap_or_default();
        let came = (!one.is_held).then_some(one.at.millis());
        self.purchase
            .execute(params![
                row,
                format!("pu_{:016x}", one.nth.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
                one.agent,
                one.identity,
                one.at.millis(),
                one.url,
                host,
                place,
                one.domain,
                if one.is_held { "held" } else { "settled" },
                if one.is_held { "none" } else { "chain" },
                !one.is_held,
                came.map(|_| 200),
                came.map(|_| "application/json"),
                came.map(|_| 900),
                came,
                one.session,
                one.usd as i64,
                offer.amount.to_string(),
                facts.asset.address(),
                offer.payee.address(),
                facts.handle.as_slice(),
                facts.ends.secs() as i64,
                came,
                came.map(|_| facts.handle.to_string()),
                came.map(|_| &template.receipt),
            ])
            .expect("a row");
        let authorization = serde_json::to_string(&authorization).expect("JSON");
        self.signed.execute(params![row, authorization, signatures.to_string(), template.header]).expect("signed");
        self.detail.execute(params![row, template.offers, template.rules]).expect("a detail");
        self.event(row, one.at, "authorized", template.authorized.clone(), seal);
        let mut closed = template.closed.clone();
        if one.is_held {
            closed["standing"] = json!(["held", "none"]);
        }
        self.event(row, one.at, "closed", closed, seal);
        if !one.is_held {
            self.event(row, one.at, "settled", json!({ "proof": "chain", "standing": ["settled", "chain"] }), seal);
        }
    }

    fn event(&mut self, row: i64, at: Time, kind: &str, detail: Value, seal: &mut Vec<u8>) {
        let detail = detail.to_string();
        *seal = ledger::seal(seal, Some(row), at, kind, &detail).to_vec();
        self.event.execute(params![row, at.millis(), kind, detail, *seal]).expect("an event");
    }
}

/// What triggers and budgets would have kept beside the rows.
#[derive(Default)]
struct Sums {
    tally: BTreeMap<(i64, String, bool), (i64, i64)>,
    sessions: BTreeMap<i64, (String, i64, i64)>,
    buckets: BTreeMap<(String, i64), (i64, i64, i64)>,
    payees: BTreeMap<(String, String), i64>,
}

impl Sums {
    fn add(&mut self, one: &One) {
        let (at, usd) = (one.at.millis(), one.usd as i64);
        let tally = self.tally.entry((at.div_euclid(DAY_MS), one.agent.clone(), one.is_held)).or_default();
        *tally = (tally.0 + 1, tally.1 + usd);
        let session = self.sessions.entry(one.session).or_insert((one.agent.clone(), at, at));
        session.2 = at;
        for scope in [format!("session {}", one.session), format!("session {} domain {}", one.session, one.domain)] {
            let bucket = self.buckets.entry((scope, 0)).or_default();
            *bucket = (bucket.0 + usd, bucket.1 + if one.is_held { usd } else { 0 }, bucket.2 + 1);
        }
        self.payees.entry((one.domain.clone(), one.payee.to_string().to_ascii_lowercase())).or_insert(at);
    }

    fn write(self, conn: &Transaction<'_>) {
        for ((day, agent, is_held), (purchases, usd)) in self.tally {
            let state = if is_held { "held" } else { "settled" };
            let sql = "INSERT INTO tally VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE
                       SET purchases = purchases + excluded.purchases, usd = usd + excluded.usd";
            conn.execute(sql, params![day, agent, state, purchases, usd]).expect("a tally");
        }
        for (id, (agent, began, newest)) in self.sessions {
            let sql = "INSERT INTO session VALUES (?1, ?2, ?3, ?4)";
            conn.execute(sql, params![id, agent, began, newest]).expect("a session");
        }
        for ((scope, start), (counted, held, payments)) in self.buckets {
            let sql = "INSERT INTO bucket VALUES (?1, 'session', ?2, ?3, ?4, ?5)";
            conn.execute(sql, params![scope, start, counted, held, payments]).expect("a bucket");
        }
        for ((site, payee), since) in self.payees {
            let sql = "INSERT OR IGNORE INTO seller_payee VALUES (?1, ?2, ?3)";
            conn.execute(sql, params![site, payee, since]).expect("a payee");
        }
    }
}
