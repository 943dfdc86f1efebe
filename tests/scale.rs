//! A ledger of a million purchases: what a person and an agent wait for its first page, and what it takes of memory.
//!
//! `cargo test --test scale -- --ignored --nocapture` makes one (a minute or two, 2 GB) and prints figures. What commands
//! take is measured by `benches/run growth`. That no question walks all of it is held in `src/ledger/tests/plans.rs`,
//! where a machine's load has no say.

#[allow(dead_code, reason = "shared with tests that also write")]
use testkit::visitor;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bursar::answer::LogQuery;
use bursar::answer::SpendQuery;
use bursar::config::Home;
use bursar::ledger::By;
use bursar::ledger::Ledger;
use bursar::time::Time;
use bursar::web::Review;
use rusqlite::Connection;
use visitor::Visitor;

const PURCHASES: u64 = 1_000_000;
/// A year of them, and the last one a minute ago.
const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;
const TRIES: usize = 7;
/// Of the test, and of what tells it to fill a home and no more.
const NAME: &str = "first_pages_of_a_million_purchases";
const FILLS: &str = "BURSAR_FILL";

/// Twenty agents, four hundred sites of five hosts each, and a state for each: most are settled, few are in doubt.
const FILL: &str = "
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1)
INSERT INTO purchase (row, purchase_id, agent, identity, headers, at, method, url, domain, place, site, state, proof,
    delivered, policy, http_status, content_type, final_url, body_bytes, answered_at, session, budget_domain, counted_at,
    usd, amount, asset, asset_address, network, payee, dialect, scheme, handle, ends, settled_at, chain_tx)
SELECT i + 1, printf('pu_%016x', i * 2654435761 % 4294967296 * 4096 + i % 4096), 'agent-' || (i * 7 % 20), randomblob(32),
    x'00', ?2 - (?1 - i) * ?3, 'GET', printf('https://h%d.site-%d.example/v1/item/%d?q=%d', i % 5, i * 31 % 400, i % 1000, i),
    printf('h%d.site-%d.example', i % 5, i * 31 % 400), printf('https://h%d.site-%d.example/v1/item/%d', i % 5, i * 31 % 400, i % 1000),
    printf('site-%d.example', i * 31 % 400),
    CASE WHEN i % 50 = 0 THEN 'refused' WHEN i % 100 = 1 THEN 'lapsed' WHEN i % 9973 = 2 THEN 'held' ELSE 'settled' END,
    CASE WHEN i % 50 = 0 OR i % 9973 = 2 THEN 'none' ELSE 'chain' END,
    i % 50 <> 0, 'policy', 200, 'application/json', '', 900, ?2, CASE WHEN i % 50 <> 0 THEN i / 25 + 1 END, 'example', ?2,
    1000 + i % 20000, 1000 + i % 20000, 'USDC', '0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913', 'eip155:8453',
    '0x00000000000000000000000000000000000000aa', 'x402v2', 'exact', CASE WHEN i % 50 <> 0 THEN randomblob(32) END,
    ?2 / 1000, ?2, '0x' || hex(randomblob(32)) FROM n";

const SESSIONS: &str = "
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 / 25 + 1)
INSERT INTO session SELECT i + 1, 'agent-' || (i % 20), ?2 - (?1 - i * 25) * ?3, ?2 FROM n";

const EVENTS: &str = "
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 2 * ?1)
INSERT INTO event SELECT i + 1, i / 2 + 1, ?2 - (?1 - i / 2) * ?3, CASE WHEN i % 2 THEN 'closed' ELSE 'authorized' END,
    '{\"usd\":\"0.01\",\"standing\":[\"settled\",\"chain\"]}', randomblob(32) FROM n";

fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time::from_millis(since.as_millis() as i64)
}

fn fill(home: &Home) {
    let newest = now().millis() - 60_000;
    drop(Ledger::open(&home.ledger_file(), &home.leases_dir(), [7; 16], Time::from_millis(newest)).expect("a ledger"));
    let conn = Connection::open(home.ledger_file()).expect("a file");
    conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; BEGIN").expect("begun");
    let count = PURCHASES as i64;
    for sql in [SESSIONS, FILL, EVENTS] {
        conn.execute(sql, [count, newest, (YEAR_MS / PURCHASES) as i64]).expect("filled");
    }
    conn.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").expect("committed");
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

fn say(what: &str, took: Vec<Duration>) {
    println!("{what:<58} {:>8.1} ms", median(took).as_secs_f64() * 1e3);
}

/// By a process of its own: what SQLite keeps of a million rows while they are made is not to count as the page's.
fn filled_elsewhere(home: &Home) {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    let status = command.args(["--exact", "--ignored", NAME]).env(FILLS, home.dir()).stdout(Stdio::null()).status();
    assert!(status.expect("started").success(), "it was not filled");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it makes a ledger of a million purchases and prints figures"]
async fn first_pages_of_a_million_purchases() {
    if let Some(dir) = std::env::var_os(FILLS) {
        return fill(&Home::at(Path::new(&dir)));
    }
    let dir = tempfile::tempdir().expect("a folder");
    let home = Home::at(dir.path());
    home.prepare().expect("a home");
    let began = Instant::now();
    filled_elsewhere(&home);
    let size = std::fs::metadata(home.ledger_file()).expect("a file").len() >> 20;
    println!("{PURCHASES} purchases, {size} MiB, made in {} s; medians of {TRIES}:", began.elapsed().as_secs());
    in_process(&home).await;
    pages(&home).await;
    resident(dir.path());
}

fn any_id(home: &Path) -> String {
    let conn = Connection::open(Home::at(home).ledger_file()).expect("a file");
    conn.query_row("SELECT purchase_id FROM purchase WHERE row = 777777", [], |row| row.get(0)).expect("an id")
}

/// What an agent waits for, without the start of a process.
async fn in_process(home: &Home) {
    let house = bursar::house::House::open(home, vec![]).await.expect("a house").owner();
    let mut took: [Vec<Duration>; 3] = Default::default();
    for _ in 0..TRIES {
        let began = Instant::now();
        house.agent("agent-7").spend(SpendQuery::default()).await.expect("a page");
        took[0].push(began.elapsed());
        let began = Instant::now();
        let held =
            SpendQuery { state: Some("held".to_owned()), since: Some("90d".to_owned()), ..SpendQuery::default() };
        house.agent("agent-7").spend(held).await.expect("a page");
        took[1].push(began.elapsed());
        let began = Instant::now();
        house.log_by(&LogQuery::default(), By::Domain).await.expect("sums");
        took[2].push(began.elapsed());
    }
    let [first, held, sums] = took;
    say("list_spend, first page", first);
    say("list_spend, held since 90 days", held);
    say("the log by domain, in the process", sums);
}

/// What a browser waits for, from its request to the end of the page.
async fn pages(home: &Home) {
    let house = bursar::house::House::open(home, vec![]).await.expect("a house").owner();
    let review = Review::open(house, 0).expect("a page");
    let visitor = Visitor::by(&review.link().expect("a link")).await;
    let id = any_id(home.dir());
    for page in [
        "overview",
        "pulse",
        "purchases",
        "purchases?state=held",
        "purchases?agent=agent-7&state=settled",
        "purchases?domain=site-31.example",
        "purchases?q=item%2F777",
        "purchases?sort=dearest",
        &format!("purchase?id={id}"),
        "pending",
    ] {
        let mut took = Vec::new();
        for _ in 0..TRIES {
            let began = Instant::now();
            assert_eq!(visitor.look(page).await.status, 200, "{page}");
            took.push(began.elapsed());
        }
        say(&format!("the page {}", page.split("?id").next().unwrap_or_default()), took);
    }
    println!("{:<58} {:>8.1} MiB in memory", "the process that served them", most_of("self"));
}

/// The most a process has had in memory so far, in MiB, as Linux tells of one that lives.
fn most_of(process: &str) -> f64 {
    let told = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// The most any of these commands has in memory.
fn resident(home: &Path) {
    for args in [&["log"][..], &["log", "--by", "domain"], &["log", "--json", "--limit", "50000"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bursar"));
        let mut child = command.arg("--home").arg(home).args(args).stdout(Stdio::null()).spawn().expect("started");
        let (process, mut most) = (child.id().to_string(), 0.0);
        while child.try_wait().expect("a child").is_none() {
            most = most_of(&process).max(most);
            std::thread::yield_now();
        }
        println!("{:<58} {:>8.1} MiB in memory", format!("bursar {}", args.join(" ")), most);
    }
}
