//! What bursar costs: the start of a server, its memory, and what a paid call takes over the two requests it makes.
//!
//! `cargo bench --bench overhead`. Numbers, not assertions: they are a machine's as much as ours. Each is a median; what
//! is compared is measured side by side, in turn, in one run.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

use alloy_primitives::{B256, U256};
use bursar::authorization::{Authorization, Ground};
use bursar::money::{Account, Assets};
use bursar::offer::{self, Listed};
use bursar::time::Time;
use bursar::wallet::Key;
use rusqlite::Connection;
use sandbox::host::Host;
use sandbox::sellers::Stall;
use serde_json::json;

#[allow(dead_code, reason = "it is the tests' scene, of which a part is enough here")]
use testkit::processes as scene;

use scene::{FUNDS, OPEN, Scene, buy, told};

const STARTS: usize = 20;
const PURCHASES: usize = 200;
const WARM_UP: usize = 10;
const PRICE: u64 = 1_000;
/// Above every limit.
const YACHT: u64 = 900_000_000;
/// The bare side's own: payments of bursar's wallet that its ledger cannot explain would freeze it.
const OTHER_KEY: &str = "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6";

#[tokio::main]
async fn main() {
    let stall = Stall { max_timeout_s: 300, ..Stall::get("/p", PRICE) };
    let scene = Scene::open(vec![stall, Stall::get("/yacht", YACHT)], OPEN).await;
    starting(&scene).await;
    paying(&scene).await;
    refusing(&scene).await;
}

/// From starting the process to the answer of `tools/list`, the session's opening between them.
async fn starting(scene: &Scene) {
    let (mut took, mut resident) = (Vec::new(), Vec::new());
    for n in 0..STARTS + WARM_UP {
        let began = Instant::now();
        let host = scene.host("starter").await;
        host.call("tools/list", json!({})).await.expect("tools");
        if n >= WARM_UP {
            took.push(began.elapsed());
            resident.extend(resident_kib(&host));
        }
    }
    println!("start to the answer of tools/list   {} (target 30 ms)", spread(took));
    resident.sort();
    match resident.get(resident.len() / 2) {
        Some(kib) => println!("resident after tools/list           {:.1} MiB (target 20 MiB)", *kib as f64 / 1024.0),
        None => println!("resident after tools/list           unknown on this system"),
    }
}

/// A paid call, the bare two requests, and a durable commit, in turn.
async fn paying(scene: &Scene) {
    let host = scene.host("payer").await;
    let client = plain_client();
    let payments = presigned(scene, &client).await;
    let mut commits = Commits::open(scene);
    let (mut paid, mut bare, mut added, mut commit, mut sync) = (vec![], vec![], vec![], vec![], vec![]);
    for (n, (url, header)) in payments.into_iter().enumerate() {
        let (call, answer) = timed(buy(&host, &scene.url(&format!("/p?paid={n}")))).await;
        assert_eq!(answer["charged"], "yes", "{answer:#}");
        let (requests, ()) = timed(two_requests(&client, &url, &header)).await;
        let (in_sqlite, on_disk) = (commits.commit(), commits.fdatasync());
        if n < WARM_UP {
            continue;
        }
        paid.push(call);
        bare.push(requests);
        added.push(call.saturating_sub(requests));
        commit.push(in_sqlite);
        sync.push(on_disk);
    }
    let (left, floor) = (median(&mut added), median(&mut commit));
    println!("a paid call                         {}", spread(paid));
    println!("the bare two requests               {}", spread(bare));
    println!("one durable commit (SQLite, FULL)   {}", spread(commit));
    println!("one fdatasync of 4 KiB              {}", spread(sync));
    let over = left.as_secs_f64() - floor.as_secs_f64();
    println!(
        "added by bursar                     {} = one durable commit {:+.2} ms (target +3 ms)",
        ms(left),
        over * 1e3
    );
    if let Some(kib) = resident_kib(&host) {
        println!("resident after {PURCHASES} purchases        {:.1} MiB", kib as f64 / 1024.0);
    }
}

/// From a call to its refusal: before anybody is asked, at the address, and by the policy once the seller has said its
/// price. Each is in the log by then, as far as it is one of the ten a minute that are.
async fn refusing(scene: &Scene) {
    let yacht = scene.url("/yacht");
    let cases = [("no URL of ours", "gopher://x"), ("a private address", "https://10.0.0.1/"), ("a price", &yacht)];
    for (nth, (what, url)) in cases.into_iter().enumerate() {
        // An agent that is refused again and again is not listened to for a while.
        let (host, mut took) = (scene.host(&format!("refused-{nth}")).await, Vec::new());
        for _ in 0..WARM_UP + STARTS {
            let (call, answer) = timed(host.tool("fetch_paid", json!({"url": url}))).await;
            let answer = told(answer);
            assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("refused"), &json!("no")), "{answer:#}");
            took.push(call);
        }
        println!("{:<36}{} (target 100 ms)", format!("{what} is refused"), spread(took.split_off(WARM_UP)));
    }
}

async fn two_requests(client: &reqwest::Client, url: &str, (name, value): &(String, String)) {
    let unpaid = client.get(url).send().await.expect("a reply");
    assert_eq!(unpaid.status(), 402);
    unpaid.bytes().await.expect("a challenge");
    let paid = client.get(url).header(name, value).send().await.expect("a reply");
    assert_eq!(paid.status(), 200);
    paid.bytes().await.expect("the goods");
}

/// Signed before anything is timed: the bare side only sends them.
async fn presigned(scene: &Scene, client: &reqwest::Client) -> Vec<(String, (String, String))> {
    let key = Key::read(OTHER_KEY.as_bytes()).expect("a key");
    scene.sandbox.chain.mint(key.address(), U256::from(FUNDS)).expect("funds");
    let mut payments = Vec::new();
    for n in 0..PURCHASES + WARM_UP {
        let url = scene.url(&format!("/p?bare={n}"));
        let challenge = client.get(&url).send().await.expect("a reply");
        let headers = challenge.headers().clone();
        let listed = offer::parse(&headers, &challenge.bytes().await.expect("a body"), &Assets::with(Vec::new()));
        let offer = listed.iter().find_map(Listed::offer).expect("an offer");
        let random = B256::right_padding_from(&(n as u64 + 1).to_be_bytes());
        let now = Time::from_secs(scene.sandbox.chain.now() as i64);
        let from = Account::evm(offer.network(), key.address());
        let authorization = Authorization::draft(offer, &from, now, random.0, &Ground::default()).expect("drafted");
        let signatures = key.sign(&authorization).expect("signed");
        payments.push((url, authorization.payment_header(offer, &signatures, None)));
    }
    payments
}

fn plain_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// What any program would pay for a durable commit in this place.
struct Commits {
    database: Connection,
    file: std::fs::File,
}

impl Commits {
    fn open(scene: &Scene) -> Commits {
        let database = Connection::open(scene.folder().join("floor.db")).expect("a database");
        database.pragma_update(None, "journal_mode", "WAL").expect("WAL");
        database.pragma_update(None, "synchronous", "FULL").expect("FULL");
        database.execute_batch("CREATE TABLE floor (n INTEGER PRIMARY KEY, what TEXT)").expect("a table");
        let file = OpenOptions::new().create(true).append(true).open(scene.folder().join("floor")).expect("a file");
        Commits { database, file }
    }

    fn commit(&mut self) -> Duration {
        let began = Instant::now();
        self.database.execute("INSERT INTO floor (what) VALUES (?1)", ["x".repeat(2_000)]).expect("committed");
        began.elapsed()
    }

    fn fdatasync(&mut self) -> Duration {
        let began = Instant::now();
        self.file.write_all(&[7; 4096]).expect("written");
        self.file.sync_data().expect("synced");
        began.elapsed()
    }
}

async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn spread(mut times: Vec<Duration>) -> String {
    let middle = median(&mut times);
    let (best, tenth) = (times[0], times[times.len() * 9 / 10]);
    format!("{} (best {}, nine in ten under {})", ms(middle), ms(best), ms(tenth))
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// What the system says the program occupies; only Linux does.
fn resident_kib(host: &Host) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", host.pid()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").trim().parse().ok()
}
