//! Promises of the ledger, held without a seller or a chain: signed drafts, a clock moved by hand, and SQL by hand for
//! whoever tampers.

mod browse;
mod listing;
mod log;
mod notices;
mod plans;
mod replay;
mod sellers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alloy_primitives::{Address, B256};
use futures_util::future::join_all;
use rusqlite::Connection;
use serde_json::json;

use super::engine::named;
use super::*;
use crate::authorization::{Authorization, Ground};
use crate::money::{Account, Amount, Asset, Assets, Network, Usd};
use crate::offer::{Carrier, Dialect, Echo, Offer, Scheme};
use crate::policy::{ApprovedBy, Funds, Policy, Question, Snapshot, Terms, Window};
use crate::reason::{Reason, Who};
use crate::settlement::Standing;
use crate::wallet::Key;
use crate::wish::{Call, Wish};

const START: Time = Time::from_secs(1_800_000_000);
/// Wide open but for what a test names.
const OPEN: &str = "version = 1\n[wallet]\nper_payment = \"none\"\nper_hour = \"none\"\nper_day = \"none\"\n\
    per_month = \"none\"\npayments_per_minute = \"none\"\n[session]\ntotal = \"none\"\nidle = \"30m\"\n[each_domain]\n\
    per_payment = \"none\"\nper_session = \"none\"\nper_day = \"none\"\n[payee]\nper_day = \"none\"\n[price]\n\
    rise = \"none\"\n[breakers]\nundelivered = \"none\"\n[networks]\nallow = [\"eip155:84532\"]\n[approval]\n";

struct Kit {
    dir: tempfile::TempDir,
    ledger: Ledger,
    policy: Arc<Policy>,
    key: Key,
    asset: Asset,
    now: Time,
    drafts: AtomicU64,
}

fn kit() -> Kit {
    kit_waiting(limits::LEDGER_WAIT)
}

fn kit_waiting(wait: Duration) -> Kit {
    let dir = tempfile::tempdir().unwrap();
    let ledger = opened(&dir, 0, wait);
    let asset = Assets::default().on(&Network::eip155(84532)).next().unwrap().clone();
    let key = Key::read(format!("{:064x}", 7).as_bytes()).unwrap();
    Kit { dir, ledger, policy: policy("above = \"none\"\n"), key, asset, now: START, drafts: AtomicU64::new(0) }
}

/// The database that these promises are held on instead of a file, where one is named. Each ledger has a schema of its
/// own in it.
fn server(dir: &tempfile::TempDir) -> Option<ServerPlace> {
    let url = std::env::var("BURSAR_TEST_POSTGRES").ok()?;
    let schema = dir.path().file_name().unwrap().to_string_lossy().replace('.', "t_");
    let place = ServerPlace::at(&url, &schema, &ServerProof::None, false, None).unwrap();
    Some(ServerPlace { clock: ServerClock::Ours, ..place })
}

fn opened(dir: &tempfile::TempDir, nth: u8, wait: Duration) -> Ledger {
    if let Some(place) = server(dir) {
        return Ledger::open_on_server_waiting(place, [nth; 16], wait).unwrap();
    }
    Ledger::open_waiting(&dir.path().join("ledger.db"), &dir.path().join("leases"), [nth; 16], START, wait).unwrap()
}

/// The question whether a draft may cost so much.
fn asked(draft: &Draft, pending_for: Duration) -> NewQuestion {
    let question = Question { request: &draft.request, max_price: None, funds: &draft.funds };
    let reasons = [Reason::new("above_approval", "approval above", "", Who::Owner)];
    NewQuestion {
        terms: Terms::of(&question, &draft.offer, &reasons, &Snapshot::default()),
        pending_for,
        challenge: None,
    }
}

fn policy(lines: &str) -> Arc<Policy> {
    Arc::new(Policy::parse("policy.toml", &format!("{OPEN}{lines}")).unwrap_or_else(|wrong| panic!("{wrong}")))
}

/// One key of the open policy set to something else.
fn capped(line: &str) -> Arc<Policy> {
    let key = line.split(" = ").next().unwrap();
    let open = OPEN.replacen(&format!("{key} = \"none\""), line, 1);
    Arc::new(Policy::parse("policy.toml", &format!("{open}above = \"none\"\n")).unwrap())
}

impl Kit {
    /// A cent for a page of its own.
    fn draft(&self) -> Draft {
        let nth = self.drafts.load(Ordering::Relaxed);
        self.draft_for(&format!("https://shop.example/{nth}"), 10_000)
    }

    fn draft_for(&self, url: &str, micros: u64) -> Draft {
        let nth = self.drafts.fetch_add(1, Ordering::Relaxed);
        let wish = Wish::parse("a", &Call { url: url.into(), ..Call::default() }).unwrap();
        let offer = Offer {
            scheme: Scheme::Eip3009,
            asset: self.asset.clone(),
            amount: Amount::parse(&micros.to_string()).unwrap(),
            usd: Usd::micros(micros),
            payee: self.payee(),
            window_secs: 60,
            takes_first: false,
            carrier: Carrier::Headers,
            echo: Echo::imagined(Dialect::X402V2).unwrap(),
        };
        let random = B256::right_padding_from(&(nth + 1).to_be_bytes());
        let from = Account::evm(offer.network(), self.key.address());
        let authorization = Authorization::draft(&offer, &from, self.now, random.0, &Ground::default()).unwrap();
        let signatures = self.key.sign(&authorization).unwrap();
        Draft {
            purchase_id: format!("pu_{nth}"),
            agent: "a".into(),
            client: None,
            identity: wish.identity(),
            headers: wish.headers_fingerprint(),
            parent: None,
            looked: i64::MAX,
            asked: wish.request.clone(),
            request: wish.request,
            max_price: None,
            policy: self.policy.clone(),
            funds: Funds::default(),
            payment_header: authorization.payment_header(&offer, &signatures, None),
            offer,
            authorization,
            signatures,
            offers: json!([]),
            now: self.now,
        }
    }

    fn payee(&self) -> Account {
        Account::evm(self.asset.network(), Address::repeat_byte(0x20))
    }

    async fn pay(&self, draft: Draft) -> Recorded {
        match self.ledger.authorize(draft).await.unwrap() {
            Authorized::Recorded(recorded, _) => *recorded,
            Authorized::Refused { reasons, .. } => panic!("{reasons:?}"),
            Authorized::Taken(row) => panic!("taken by row {row}"),
        }
    }

    /// What becomes of a draft, in a word and with the first reason.
    async fn says(&self, draft: Draft) -> String {
        said(self.ledger.authorize(draft).await)
    }

    fn closing(&self, standing: Standing, status: Option<u16>) -> Closing {
        let answered = status.map(|status| Answered {
            status,
            content_type: None,
            final_url: "https://shop.example/".into(),
            body_bytes: 0,
            kept: true,
            is_whole: true,
            small: None,
        });
        let delivered = status.is_some_and(|status| (200..300).contains(&status));
        let detail = json!({});
        let (chain_tx, receipt, now) = (None, None, self.now);
        let (presented, goods, lied) = (true, None, false);
        Closing { standing, presented, delivered, goods, lied, answered, chain_tx, receipt, detail, now }
    }

    async fn close(&self, row: i64, standing: Standing, status: Option<u16>) -> Entry {
        self.ledger.close(row, self.closing(standing, status)).await.unwrap()
    }

    async fn move_to(&self, row: i64, to: Standing) -> bool {
        self.ledger.move_to(row, to, to.state.as_str(), json!({}), None, self.now).await.unwrap().went
    }

    async fn entry(&self, row: i64) -> Entry {
        self.ledger.entry(row).await.unwrap().unwrap()
    }

    async fn lease(&self, row: i64) -> Option<String> {
        self.entry(row).await.money.unwrap().lease
    }

    async fn snapshot(&self) -> Snapshot {
        let url = Some(url::Url::parse("https://shop.example/0").unwrap());
        let payees = vec![self.payee().to_string()];
        let view = View {
            agent: "a".into(),
            identity: None,
            policy: self.policy.clone(),
            url,
            led_from: None,
            payees,
            now: self.now,
        };
        self.ledger.snapshot(view).await.unwrap()
    }

    /// (counted, held) of the wallet's day.
    async fn day(&self) -> (u64, u64) {
        let used = self.snapshot().await.used;
        let day =
            used.iter().find(|(meter, _)| meter.scope == crate::policy::Scope::Wallet && meter.window == Window::Day);
        day.map(|(_, used)| (used.counted.as_micros(), used.held.as_micros())).unwrap()
    }

    async fn violations(&self) -> Vec<String> {
        self.ledger.audit().await.unwrap().violations
    }

    /// Another hand on the same ledger.
    fn sql(&self, statements: &str) -> Result<(), String> {
        match server(&self.dir) {
            Some(place) => postgres::by_hand(&place, statements).map(drop),
            None => self.by_hand().execute_batch(statements).map_err(LedgerError::from),
        }
        .map_err(|cause| cause.to_string())
    }

    /// A trigger goes by itself in a file, and with its table on a server, which also keeps its counts from falling.
    fn untied(&self, statements: &str) -> String {
        if self.lies_in_a_file() {
            return statements.to_owned();
        }
        let on = |trigger: &str| match trigger {
            "events_stay" | "events_remain" => "event",
            "what_was_signed_remains" => "signed",
            _ => "purchase",
        };
        let mut to = "DROP TRIGGER ledgers_go_forward ON ledger; ".to_owned();
        for statement in statements.split(';') {
            match statement.trim().strip_prefix("DROP TRIGGER ") {
                Some(trigger) => to.push_str(&format!("DROP TRIGGER {trigger} ON {};", on(trigger))),
                None => to.push_str(&format!("{statement};")),
            }
        }
        to
    }

    /// What another hand reads there.
    fn told(&self, sql: &str) -> String {
        match server(&self.dir) {
            Some(place) => postgres::by_hand(&place, sql).unwrap().unwrap(),
            None => self.by_hand().query_row(&format!("SELECT CAST(({sql}) AS TEXT)"), [], |row| row.get(0)).unwrap(),
        }
    }

    /// Of what only a file has.
    fn lies_in_a_file(&self) -> bool {
        server(&self.dir).is_none()
    }

    fn by_hand(&self) -> Connection {
        let conn = sqlite::connect(&self.dir.path().join("ledger.db")).unwrap();
        sqlite::schema::configure(&conn).unwrap();
        conn
    }

    /// Runs these in one batch: somebody else writes until all of them wait.
    async fn together<T>(&self, all: impl Future<Output = T>) -> T {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let writer = self.ledger.writer.clone();
        let holding = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let wait = move |_: &dyn Conn| {
                let _ = begin.send(());
                let _ = held.recv();
                Ok(())
            };
            runtime.block_on(writer.write(Sync::Lazy, wait))
        });
        begun.await.unwrap();
        // Polled in this order: all of them are in line before the one at work is let go.
        let (all, ()) = tokio::join!(all, async { drop(hold) });
        holding.join().unwrap().unwrap();
        all
    }

    /// A piece of work that does to the shared transaction what a full disk or a fault can.
    async fn sabotage(&self, statement: &'static str) -> Result<(), LedgerError> {
        self.ledger.writer.write(Sync::Lazy, move |conn| writer::run(conn, statement)).await
    }
}

fn said(came: Result<Authorized, LedgerError>) -> String {
    match came {
        Ok(Authorized::Recorded(_, _)) => "recorded".into(),
        Ok(Authorized::Taken(_)) => "taken".into(),
        Ok(Authorized::Refused { reasons, ask, .. }) => {
            format!("{} {}", if ask { "ask" } else { "refused" }, reasons[0].code)
        }
        Err(cause) => cause.code().into(),
    }
}

/// Rules that let everything go that was signed in here.
fn again() -> Again {
    Again { policy: policy("above = \"none\"\n"), max_price: None, funds: Funds::default(), assets: Assets::default() }
}

fn taken_up(taken: TakenUp) -> Recorded {
    match taken {
        TakenUp::Recorded(recorded) => *recorded,
        TakenUp::Refused(reasons) => panic!("{reasons:?}"),
    }
}

#[tokio::test]
async fn what_is_handed_in_while_somebody_looks_is_written_all_the_same() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let writer = kit.ledger.writer.clone();
    let looking = std::thread::spawn(move || {
        let look = move |_: &dyn Conn| {
            let _ = begin.send(());
            let _ = held.recv();
            Ok(())
        };
        writer.look(look).is_ok()
    });
    begun.await.unwrap();
    let (said, ()) = tokio::join!(kit.says(kit.draft()), async { drop(hold) });
    assert_eq!((said.as_str(), looking.join().unwrap()), ("recorded", true));
}

#[tokio::test]
async fn a_cap_is_never_exceeded_by_drafts_that_share_a_commit() {
    let kit = Kit { policy: capped("per_hour = \"0.05\""), ..kit() };
    let drafts: Vec<Draft> = (0..12).map(|_| kit.draft()).collect();
    let came = kit.together(join_all(drafts.into_iter().map(|draft| kit.says(draft)))).await;
    assert_eq!(came.iter().filter(|said| *said == "recorded").count(), 5);
    assert_eq!(came.iter().filter(|said| *said == "refused over_hour").count(), 7);
    assert_eq!((kit.day().await, kit.violations().await), ((50_000, 50_000), vec![]));
}

#[tokio::test]
async fn a_storm_of_subdomains_spends_one_domains_budget() {
    let of_domain = |per_day: &str| format!("per_session = \"none\"\nper_day = \"{per_day}\"");
    let rules = OPEN.replace(&of_domain("none"), &of_domain("0.03")) + "above = \"none\"\n";
    let kit = Kit { policy: Arc::new(Policy::parse("policy.toml", &rules).unwrap()), ..kit() };
    let mut came = Vec::new();
    for nth in 0..5 {
        came.push(kit.says(kit.draft_for(&format!("https://s{nth}.shop.example:{}/", 8000 + nth), 10_000)).await);
    }
    assert_eq!(came, ["recorded", "recorded", "recorded", "refused over_domain_day", "refused over_domain_day"]);
}

#[tokio::test]
async fn what_a_domain_took_for_nothing_speaks_against_all_its_hosts_for_a_day() {
    let mut kit = Kit { policy: capped("undelivered = 2"), ..kit() };
    for (host, standing) in [("a", Standing::SETTLED_BY_WORD), ("b", Standing::HELD)] {
        let paid = kit.pay(kit.draft_for(&format!("https://{host}.shop.example/"), 10_000)).await;
        kit.close(paid.row(), standing, Some(500)).await;
    }
    let again = |kit: &Kit| kit.draft_for("https://c.shop.example/", 10_000);
    assert_eq!(kit.says(again(&kit)).await, "ask undelivered");
    assert_eq!(kit.says(kit.draft_for("https://other.example/", 10_000)).await, "recorded");
    kit.now = START.plus(limits::UNDELIVERED_MEMORY);
    assert_eq!(kit.says(again(&kit)).await, "recorded");
}

#[tokio::test]
async fn one_wish_has_one_open_purchase_however_many_ask_at_once() {
    let kit = kit();
    let drafts: Vec<Draft> = (0..6).map(|_| kit.draft_for("https://shop.example/same", 10_000)).collect();
    let mut came = kit.together(join_all(drafts.into_iter().map(|draft| kit.says(draft)))).await;
    came.sort();
    assert_eq!(came, ["recorded", "taken", "taken", "taken", "taken", "taken"]);
    assert_eq!(kit.day().await.0, 10_000);
    let second = "INSERT INTO purchase
                    (row, purchase_id, agent, identity, headers, at, method, url, domain, place, state, open, handle)
                  SELECT row + 1, 'other', agent, identity, headers, at, method, url, domain, place, state, 1, headers
                    FROM purchase";
    assert!(kit.sql(second).unwrap_err().to_uppercase().contains("UNIQUE"));
}

#[tokio::test]
async fn the_loser_of_a_race_that_is_over_already_does_not_pay_again() {
    let kit = kit();
    let found = || async {
        let wish = Wish::parse("a", &Call { url: "https://shop.example/same".into(), ..Call::default() }).unwrap();
        kit.ledger.find("a".into(), wish.identity(), wish.headers_fingerprint(), None, None).await.unwrap().looked
    };
    let known = found().await;
    let mut slow = kit.draft_for("https://shop.example/same", 10_000);
    slow.looked = known;
    let quick = kit.pay(kit.draft_for("https://shop.example/same", 10_000)).await;
    kit.close(quick.row(), Standing::SETTLED_BY_WORD, Some(200)).await;
    assert_eq!(kit.says(slow).await, "taken");
    let mut later = kit.draft_for("https://shop.example/same", 10_000);
    later.looked = found().await;
    assert_eq!(kit.says(later).await, "recorded");
}

#[tokio::test]
async fn one_id_is_one_purchase() {
    let kit = kit();
    let first = kit.pay(kit.draft()).await;
    kit.close(first.row(), Standing::SETTLED_BY_WORD, Some(200)).await;
    let mut same = kit.draft_for("https://shop.example/0", 10_000);
    same.purchase_id = first.purchase_id().to_owned();
    assert_eq!(kit.says(same).await, "taken");
    let mut other = kit.draft_for("https://shop.example/other", 10_000);
    other.purchase_id = first.purchase_id().to_owned();
    assert_eq!(kit.says(other).await, "purchase_id_conflict");
}

#[tokio::test]
async fn what_must_not_happen_is_refused_by_the_tables() {
    let kit = kit();
    let paid = kit.pay(kit.draft()).await;
    kit.close(paid.row(), Standing::SETTLED_BY_WORD, Some(500)).await;
    for (statement, why) in [
        ("UPDATE purchase SET state = 'held', proof = 'none'", "does not move that way"),
        ("UPDATE purchase SET state = 'authorized', proof = 'none'", "does not move that way"),
        ("UPDATE purchase SET usd = 1", "terms of an authorization are fixed"),
        ("UPDATE purchase SET usd = usd - 1, given_back = 1", "what final blocks say"),
        ("UPDATE purchase SET taken = '1'", "what final blocks say"),
        (
            "UPDATE purchase SET handle = NULL, state = 'refused'",
            "terms of an authorization are fixed|not move that way",
        ),
        ("UPDATE purchase SET handle = (SELECT identity FROM purchase)", "terms of an authorization are fixed"),
        ("DELETE FROM purchase", "never deleted"),
        ("UPDATE signed SET signature = ''", "what was signed is fixed"),
        ("DELETE FROM signed", "what was signed is fixed"),
        ("UPDATE event SET kind = 'x'", "append-only"),
        ("DELETE FROM event", "append-only"),
        ("UPDATE bucket SET counted = -1", "CHECK"),
        ("UPDATE bucket SET held = counted + 1", "CHECK"),
    ] {
        let refused = kit.sql(statement).unwrap_err();
        // Which of two is told first, each engine decides.
        let is_why = |why: &str| refused.to_lowercase().contains(&why.to_lowercase());
        assert!(why.split('|').any(is_why), "{statement}: {refused}");
    }
    assert_eq!(kit.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_chain_proves_was_not_taken_is_given_back_once() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    let taken = Some(Taken { amount: Amount::parse("4000").unwrap(), usd: Usd::micros(4_000) });
    assert_eq!(kit.day().await, (10_000, 0));
    let moved = kit.ledger.move_to(row, Standing::SETTLED_BY_CHAIN, "settled", json!({}), taken, kit.now).await;
    assert!(moved.unwrap().went);
    assert_eq!(kit.day().await, (4_000, 0));
    let terms = kit.entry(row).await.terms.unwrap();
    assert_eq!((terms.usd, terms.most_usd, terms.moves()), (Usd::micros(4_000), Usd::micros(10_000), "4000"));
    let again = kit.sql("UPDATE purchase SET taken = '1', usd = usd - 1, given_back = given_back + 1");
    assert!(again.unwrap_err().contains("what final blocks say"));
    assert_eq!(kit.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn buckets_follow_every_move() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    assert_eq!(kit.day().await, (10_000, 10_000));
    kit.close(row, Standing::HELD, None).await;
    assert_eq!(kit.day().await, (10_000, 10_000));
    assert!(kit.move_to(row, Standing::RELEASED).await);
    assert_eq!(kit.day().await, (0, 0));
    assert!(!kit.move_to(row, Standing::HELD).await);
    assert!(kit.move_to(row, Standing::SETTLED_BY_CHAIN).await);
    assert_eq!(kit.day().await, (10_000, 0));
    assert!(!kit.move_to(row, Standing::LAPSED).await);
    assert_eq!((kit.day().await, kit.violations().await), ((10_000, 0), vec![]));
}

#[tokio::test]
async fn the_audit_notices_what_was_changed_by_hand() {
    for (statement, what) in [
        (
            "UPDATE bucket SET counted = 0, held = 0 WHERE \"window\" = 'day' AND scope = 'wallet'",
            "the day bucket of wallet",
        ),
        ("DELETE FROM bucket WHERE \"window\" = 'hour'", "is missing"),
        ("DROP TRIGGER events_stay; UPDATE event SET detail = '{}' WHERE id = 1", "history was changed"),
        ("DROP TRIGGER events_remain; DELETE FROM event WHERE id = 1", "has 0 authorizations by its events"),
        (
            "DROP TRIGGER legal_moves_only; UPDATE purchase SET state = 'lapsed', proof = 'chain', open = 0;
          UPDATE bucket SET counted = 0, held = 0",
            "is not where its events say",
        ),
        (
            "DROP TRIGGER terms_are_fixed; UPDATE purchase SET payee = '0x0000000000000000000000000000000000000001'",
            "is not what its row says",
        ),
        ("DROP TRIGGER what_was_signed_remains; DELETE FROM signed", "has lost what was signed"),
        ("UPDATE ledger SET authorizations = 0", "counts 0 authorizations"),
    ] {
        let kit = kit();
        kit.pay(kit.draft()).await;
        assert_eq!(kit.violations().await, Vec::<String>::new());
        kit.sql(&kit.untied(statement)).unwrap();
        let found = kit.violations().await;
        assert!(found.iter().any(|violation| violation.contains(what)), "{statement}: {found:?}");
    }
}

#[tokio::test]
async fn the_audit_notices_what_was_authorized_and_should_not_have_been() {
    for (statement, what) in [
        (
            r#"UPDATE detail SET rules = replace(rules, '"limit_usd":"0.02"', '"limit_usd":"0.015"') WHERE purchase = 2"#,
            "purchase pu_1 took $0.01 beside $0.01, and `wallet per_day` is $0.015",
        ),
        (
            r#"UPDATE detail SET rules = replace(rules, '"said":"pass"', '"said":"refuse"') WHERE purchase = 2"#,
            "purchase pu_1 was authorized, and `wallet per_day` refused it",
        ),
        (
            r#"UPDATE detail SET rules = replace(rules, '"said":"pass"', '"said":"ask"') WHERE purchase = 2"#,
            "purchase pu_1 needed a yes, and none was used",
        ),
        ("DELETE FROM detail WHERE purchase = 2", "row 2 has lost what it was decided on"),
    ] {
        let kit = Kit { policy: capped("per_day = \"0.02\""), ..kit() };
        kit.pay(kit.draft()).await;
        kit.pay(kit.draft()).await;
        assert_eq!(kit.violations().await, Vec::<String>::new());
        kit.sql(statement).unwrap();
        let found = kit.violations().await;
        assert!(found.iter().any(|violation| violation == what), "{statement}: {found:?}");
    }
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_batch_leaves_nothing_and_the_others_commit() {
    let kit = Kit { policy: capped("per_payment = \"0.05\""), ..kit() };
    let drafts = [kit.draft(), kit.draft_for("https://shop.example/dear", 60_000), kit.draft()];
    let came = kit.together(join_all(drafts.map(|draft| kit.says(draft)))).await;
    assert_eq!(came, ["recorded", "refused over_payment", "recorded"]);
    let found = kit.ledger.audit().await.unwrap();
    assert_eq!((found.authorizations, found.purchases, found.events, found.violations), (2, 2, 2, vec![]));
}

#[tokio::test]
async fn work_that_fails_or_panics_is_undone_alone() {
    let kit = kit();
    let halves = |fate: fn() -> Result<(), LedgerError>| {
        kit.ledger.writer.write(Sync::Lazy, move |conn| {
            events::append(conn, None, START, "half", &json!({}))?;
            fate()
        })
    };
    let (failed, panicked, paid) = kit
        .together(async {
            tokio::join!(
                halves(|| Err(LedgerError::NotNow("no".into()))),
                halves(|| panic!("a fault")),
                kit.says(kit.draft())
            )
        })
        .await;
    assert_eq!(failed, Err(LedgerError::NotNow("no".into())));
    assert_eq!(panicked.unwrap_err().code(), "ledger_failed");
    assert_eq!(paid, "recorded");
    assert_eq!(kit.ledger.audit().await.unwrap().events, 1);
}

/// What is refused may be heard late, where its answer was not waited for: whoever wrote it hears of it all the same, and
/// whoever comes next in the batch does not.
#[tokio::test]
async fn what_the_tables_refuse_is_told_to_whoever_wrote_it_and_to_nobody_else() {
    let kit = kit();
    let first = kit.pay(kit.draft()).await.row();
    let bad = kit.ledger.writer.write(Sync::Lazy, move |conn| {
        events::append(conn, None, START, "half", &json!({}))?;
        conn.note("UPDATE purchase SET usd = 1 WHERE row = :row", named! { ":row": first })
    });
    let (refused, paid) = kit.together(async { tokio::join!(bad, kit.says(kit.draft())) }).await;
    assert!(refused.is_err(), "it is told as written, and is not");
    assert_eq!(paid, "recorded");
    let found = kit.ledger.audit().await.unwrap();
    assert_eq!((found.authorizations, found.events, found.violations), (2, 2, vec![]));
}

#[tokio::test]
async fn a_transaction_that_was_undone_is_told_to_everybody_in_it() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let drafts = [kit.draft(), kit.draft()];
    let [first, last] = drafts.map(|draft| kit.says(draft));
    let (first, _, last) = kit.together(async { tokio::join!(first, kit.sabotage("ROLLBACK"), last) }).await;
    assert_eq!((first.as_str(), last.as_str()), ("ledger_failed", "ledger_failed"));
    assert_eq!(kit.ledger.audit().await.unwrap().authorizations, 0);
    assert_eq!(kit.says(kit.draft()).await, "recorded");
}

#[tokio::test]
async fn a_failed_commit_that_is_on_the_disk_all_the_same_can_be_taken_up_by_the_next_call() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let paying = kit.says(kit.draft());
    let (paid, _) = kit.together(async { tokio::join!(paying, kit.sabotage("COMMIT")) }).await;
    assert_eq!(paid, "ledger_failed");
    let row = kit.ledger.matching("pu_0".into()).await.unwrap()[0].row;
    assert!(kit.entry(row).await.open);
    while kit.lease(row).await.is_some() {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken_up(kit.ledger.take_over(row, again(), kit.now).await.unwrap()).row(), row);
}

#[tokio::test]
async fn a_ledger_that_is_held_too_long_is_busy_and_what_was_given_up_never_happens() {
    let kit = kit_waiting(Duration::from_millis(100));
    if !kit.lies_in_a_file() {
        return;
    }
    let other = kit.by_hand();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(kit.says(kit.draft()).await, "ledger_busy");
    other.execute_batch("ROLLBACK").unwrap();
    while kit.says(kit.draft()).await != "recorded" {}
    let found = kit.ledger.audit().await.unwrap();
    assert_eq!((found.authorizations, found.violations), (1, vec![]));
}

#[tokio::test]
async fn a_ledger_that_was_moved_away_is_not_written_to() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    kit.pay(kit.draft()).await;
    let path = kit.dir.path().join("ledger.db");
    std::fs::rename(&path, kit.dir.path().join("elsewhere.db")).unwrap();
    assert_eq!(kit.says(kit.draft()).await, "ledger_damaged");
    std::fs::copy(kit.dir.path().join("elsewhere.db"), &path).unwrap();
    assert_eq!(kit.says(kit.draft()).await, "ledger_damaged");
    std::fs::rename(kit.dir.path().join("elsewhere.db"), &path).unwrap();
    assert_eq!(kit.says(kit.draft()).await, "recorded");
}

#[tokio::test]
async fn a_lease_is_its_holders_while_that_lives() {
    let kit = kit();
    let other = opened(&kit.dir, 1, limits::LEDGER_WAIT);
    let row = kit.pay(kit.draft()).await.row();
    let holder = kit.lease(row).await.unwrap();
    assert!(matches!(other.take_over(row, again(), kit.now).await, Err(LedgerError::NotNow(_))));
    assert!(matches!(kit.ledger.take_over(row, again(), kit.now).await, Err(LedgerError::NotNow(_))));
    drop(kit.ledger);
    // Of a server it is heard soon.
    while other.is_alive(&holder) {
        tokio::task::yield_now().await;
    }
    let taken = taken_up(other.take_over(row, again(), kit.now).await.unwrap());
    assert!(taken.was_presented());
}

#[tokio::test]
async fn the_same_bytes_are_presented_thrice_and_never_while_frozen() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::HELD, None).await;
    kit.ledger.freeze(Some("a look".into()), kit.now).await.unwrap();
    assert!(matches!(kit.ledger.take_over(row, again(), kit.now).await, Err(LedgerError::NotNow(_))));
    kit.ledger.freeze(None, kit.now).await.unwrap();
    for _ in 1..limits::PRESENTS {
        taken_up(kit.ledger.take_over(row, again(), kit.now).await.unwrap());
        kit.close(row, Standing::HELD, None).await;
    }
    assert!(matches!(kit.ledger.take_over(row, again(), kit.now).await, Err(LedgerError::NotNow(_))));
}

#[tokio::test]
async fn a_payment_that_names_its_purchase_is_presented_ten_times() {
    let kit = kit();
    let mut draft = kit.draft();
    let extensions = Some(r#"{"payment-identifier":{"info":{}}}"#.into());
    let echo = Echo::X402V2 { accepted: "{}".into(), resource: None, extensions };
    let offer = Offer { echo, ..draft.offer.clone() };
    draft.payment_header = draft.authorization.payment_header(&offer, &draft.signatures, Some("pay_0123456789abcdef"));
    let row = kit.pay(draft).await.row();
    kit.close(row, Standing::HELD, None).await;
    for _ in 1..limits::PRESENTS_BY_ID {
        taken_up(kit.ledger.take_over(row, again(), kit.now).await.unwrap());
        kit.close(row, Standing::HELD, None).await;
    }
    assert!(matches!(kit.ledger.take_over(row, again(), kit.now).await, Err(LedgerError::NotNow(_))));
}

#[tokio::test]
async fn a_close_that_is_told_twice_is_one_close() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    for _ in 0..2 {
        let closing = Closing { presented: false, ..kit.closing(Standing::AUTHORIZED, None) };
        kit.ledger.close(row, closing).await.unwrap();
    }
    assert_eq!(kit.entry(row).await.money.unwrap().presents, 0);
    assert!(!taken_up(kit.ledger.take_over(row, again(), kit.now).await.unwrap()).was_presented());
}

#[tokio::test]
async fn an_outcome_is_handed_over_once_there_is_one() {
    let kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    kit.close(row, Standing::HELD, None).await;
    kit.ledger.hand_over(row);
    assert!(!kit.entry(row).await.handed);
    kit.close(row, Standing::HELD, Some(500)).await;
    kit.ledger.hand_over(row);
    assert!(kit.entry(row).await.handed);
    let noted = || kit.told("SELECT handed FROM purchase") == "1";
    assert!(!noted());
    kit.ledger.note_handed_over().await.unwrap();
    assert!(noted() && kit.entry(row).await.handed);
    let goods = kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    assert!(goods.delivered && !goods.handed);
}

#[tokio::test]
async fn a_small_body_is_filed_with_its_row_until_another_one_comes_or_many_have_come_after_it() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let row = kit.pay(kit.draft()).await.row();
    let close = async |small: Option<&[u8]>| {
        let mut closing = kit.closing(Standing::HELD, Some(500));
        closing.answered.as_mut().unwrap().small = small.map(<[u8]>::to_vec);
        kit.ledger.close(row, closing).await.unwrap();
        kit.ledger.small_body(row).await.unwrap()
    };
    assert_eq!(close(Some(b"an error")).await.unwrap(), b"an error");
    assert_eq!(close(Some(b"another")).await.unwrap(), b"another");
    assert_eq!(close(None).await, None, "what came is in a file");
    close(Some(b"goods")).await;
    let file = |after: usize| {
        let row = row + after as i64;
        let insert = format!("PRAGMA foreign_keys = OFF; INSERT INTO body VALUES ({row}, x'00')");
        kit.sql(&insert).unwrap();
    };
    file(limits::SMALL_BODIES - 1);
    kit.ledger.tidy(kit.now).await.unwrap();
    assert!(kit.ledger.small_body(row).await.unwrap().is_some());
    file(limits::SMALL_BODIES);
    kit.ledger.tidy(kit.now).await.unwrap();
    assert_eq!(kit.ledger.small_body(row).await.unwrap(), None);
}

#[tokio::test]
async fn the_request_is_erased_when_it_cannot_be_presented_any_more() {
    let kit = kit();
    let mut rows = Vec::new();
    for _ in 0..5 {
        rows.push(kit.pay(kit.draft()).await.row());
    }
    kit.close(rows[0], Standing::HELD, Some(200)).await;
    kit.close(rows[1], Standing::SETTLED_BY_WORD, Some(500)).await;
    kit.move_to(rows[2], Standing::SETTLED_BY_CHAIN).await;
    kit.ledger.end_open(rows[3], "past", kit.now).await.unwrap();
    let kept = || {
        let of = |row: &i64| kit.told(&format!("SELECT request IS NOT NULL FROM purchase WHERE row = {row}"));
        rows.iter()
            .filter(|row| ["1", "t"].contains(&of(row).as_str()))
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    // What was paid for and did not come is asked for once more, within a day.
    assert_eq!(kept(), format!("{},{},{}", rows[1], rows[2], rows[4]));
    kit.ledger.tidy(kit.now.plus(limits::OPEN_AFTER_SETTLED + Duration::from_secs(1))).await.unwrap();
    assert_eq!(kept(), rows[4].to_string());
}

#[tokio::test]
async fn a_session_goes_on_while_its_agent_does_and_ends_when_it_idles() {
    let mut kit = kit();
    let session = |kit: &Kit, recorded: Recorded| {
        let ledger = kit.ledger.clone();
        async move { ledger.entry(recorded.row()).await.unwrap().unwrap().session }
    };
    let first = session(&kit, kit.pay(kit.draft()).await).await;
    kit.now = kit.now.plus(Duration::from_secs(30 * 60));
    assert_eq!(session(&kit, kit.pay(kit.draft()).await).await, first);
    kit.now = kit.now.plus(Duration::from_secs(30 * 60 + 1));
    assert_ne!(session(&kit, kit.pay(kit.draft()).await).await, first);
}

#[tokio::test]
async fn windows_roll_by_a_time_that_never_goes_back() {
    let mut kit = Kit { policy: capped("per_hour = \"0.02\""), ..kit() };
    kit.pay(kit.draft()).await;
    kit.now = kit.now.plus(Duration::from_secs(1800));
    kit.pay(kit.draft()).await;
    kit.now = START;
    assert_eq!(kit.says(kit.draft()).await, "refused over_hour");
    kit.now = START.plus(Duration::from_secs(3600));
    assert_eq!(kit.says(kit.draft()).await, "refused over_hour", "the bucket's end has not left yet");
    kit.now = START.plus(Duration::from_secs(3660));
    assert_eq!(kit.says(kit.draft()).await, "recorded");
    assert_eq!(kit.says(kit.draft()).await, "refused over_hour");
}

#[tokio::test]
async fn what_no_window_sees_any_more_is_swept_and_the_audit_still_agrees() {
    let mut kit = kit();
    let row = kit.pay(kit.draft()).await.row();
    kit.now = kit.now.plus(Duration::from_secs(32 * 24 * 3600));
    kit.pay(kit.draft()).await;
    kit.ledger.tidy(kit.now).await.unwrap();
    assert_eq!(kit.violations().await, Vec::<String>::new());
    assert!(kit.move_to(row, Standing::LAPSED).await);
    assert_eq!((kit.day().await, kit.violations().await), ((10_000, 10_000), vec![]));
}

#[tokio::test]
async fn a_clock_that_is_ahead_for_a_moment_forgets_no_spending() {
    let kit = Kit { policy: capped("per_day = \"0.01\""), ..kit() };
    let row = kit.pay(kit.draft()).await.row();
    kit.ledger.tidy(kit.now.plus(Duration::from_secs(40 * 24 * 3600))).await.unwrap();
    assert_eq!(kit.says(kit.draft()).await, "refused over_day");
    assert!(kit.move_to(row, Standing::SETTLED_BY_CHAIN).await);
    assert_eq!(kit.violations().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_overview_counts_at_a_domain_what_decisions_count() {
    let mut kit = kit();
    kit.pay(kit.draft()).await;
    let mut seen = Vec::new();
    for minutes in [0, 1435, 1441, 1460] {
        kit.now = START.plus(Duration::from_secs(minutes * 60));
        let shown = kit.ledger.overview(Duration::from_secs(60), 9, kit.now).await.unwrap();
        let shown: u64 = shown.domains.iter().map(|(_, spent)| spent.counted.as_micros()).sum();
        assert_eq!(shown, kit.day().await.0, "after {minutes} minutes");
        seen.push(shown);
    }
    assert_eq!((seen[0], seen[3]), (10_000, 0));
}

#[tokio::test]
async fn an_adopted_ledger_has_no_room_in_any_window_until_it_rolls() {
    let mut kit = Kit { policy: capped("total = \"1\""), ..kit() };
    kit.ledger.adopt(9, kit.now).await.unwrap();
    assert_eq!(kit.ledger.seal().await.unwrap().authorizations, 9);
    assert_eq!(kit.says(kit.draft()).await, "refused over_session");
    kit.now = kit.now.plus(Duration::from_secs(30 * 60 + 1));
    assert_eq!(kit.says(kit.draft()).await, "recorded");
}

#[tokio::test]
async fn the_lowest_settled_price_is_remembered_for_thirty_days() {
    let mut kit = kit();
    for (micros, standing) in
        [(20_000, Standing::SETTLED_BY_WORD), (30_000, Standing::SETTLED_BY_WORD), (5_000, Standing::HELD)]
    {
        let mut draft = kit.draft_for("https://shop.example/0", micros);
        draft.looked = i64::MAX;
        let row = kit.pay(draft).await.row();
        kit.close(row, standing, Some(200)).await;
    }
    assert_eq!(kit.snapshot().await.lowest_price, Some(Usd::micros(20_000)));
    kit.now = kit.now.plus(Duration::from_secs(32 * 24 * 3600));
    assert_eq!(kit.snapshot().await.lowest_price, None);
}

#[tokio::test]
async fn a_payee_is_remembered_for_all_hosts_of_its_domain() {
    let kit = kit();
    kit.pay(kit.draft_for("https://api.shop.example:8443/0", 10_000)).await;
    assert!(kit.snapshot().await.payees_before[0].contains(kit.payee().address()));
}

#[tokio::test]
async fn a_yes_is_for_the_terms_shown_and_is_used_once() {
    let kit = Kit { policy: policy("above = \"0.10\"\n"), ..kit() };
    let ask = |draft: &Draft| {
        kit.ledger.record_question(
            log::unpaid(draft, kit.now),
            draft.offer.clone(),
            asked(draft, Duration::from_secs(86_400)),
        )
    };
    let draft = |micros| Draft { purchase_id: "pu_asked".into(), ..kit.draft_for("https://shop.example/0", micros) };
    assert_eq!(kit.says(draft(200_000)).await, "ask above_approval");
    ask(&draft(200_000)).await.unwrap();
    let shown = kit.ledger.pending(kit.now).await.unwrap().remove(0);
    let yes =
        |terms| kit.ledger.answer(shown.entry.row, terms, true, ApprovedBy::Owner, Duration::from_secs(600), kit.now);
    ask(&draft(900_000)).await.unwrap();
    assert!(matches!(yes(shown.terms.clone()).await, Err(LedgerError::NotNow(_))));
    ask(&draft(200_000)).await.unwrap();
    yes(shown.terms.clone()).await.unwrap();
    assert_eq!(kit.says(draft(200_001)).await, "ask above_approval");
    let row = kit.pay(draft(200_000)).await.row();
    kit.close(row, Standing::SETTLED_BY_WORD, Some(200)).await;
    let again = Draft { purchase_id: "pu_again".into(), ..draft(200_000) };
    assert_eq!(kit.says(again).await, "ask above_approval");
}

#[tokio::test]
async fn a_question_said_yes_to_in_its_last_second_stands_until_the_yes_is_over() {
    let mut kit = kit();
    let (draft, minute) = (kit.draft(), Duration::from_secs(60));
    kit.ledger.record_question(log::unpaid(&draft, kit.now), draft.offer.clone(), asked(&draft, minute)).await.unwrap();
    let shown = kit.ledger.pending(kit.now).await.unwrap().remove(0);
    kit.now = kit.now.plus(Duration::from_secs(59));
    kit.ledger.answer(shown.entry.row, shown.terms, true, ApprovedBy::Owner, 2 * minute, kit.now).await.unwrap();
    for (later, stands) in [(60, "needs_approval"), (120, "expired")] {
        kit.now = START.plus(Duration::from_secs(59 + later));
        kit.ledger.tidy(kit.now).await.unwrap();
        assert_eq!(kit.ledger.entry(shown.entry.row).await.unwrap().unwrap().state, stands);
    }
}

#[tokio::test]
async fn an_alarm_that_is_found_again_is_one_alarm() {
    let kit = kit();
    for _ in 0..3 {
        kit.ledger.alarm(None, "money left".into(), kit.now).await.unwrap();
    }
    let told = kit.ledger.changes(Filter::default(), 0).await.unwrap().news;
    assert_eq!(told.iter().filter(|event| event.kind == "alarm").count(), 1);
}

#[tokio::test]
async fn a_ledger_that_a_newer_bursar_has_changed_meanwhile_is_not_written_to() {
    let kit = kit();
    if !kit.lies_in_a_file() {
        return;
    }
    let row = kit.pay(kit.draft()).await.row();
    kit.by_hand().pragma_update(None, "user_version", 99).unwrap();
    let refused = kit.ledger.authorize(kit.draft()).await.err().unwrap();
    assert!(matches!(refused, LedgerError::Newer { found: 99, .. }), "{refused}");
    assert!(kit.ledger.close(row, kit.closing(Standing::SETTLED_BY_WORD, Some(200))).await.is_err());
    assert_eq!(kit.entry(row).await.state, "authorized", "nothing was half written");
}
