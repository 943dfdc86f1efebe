//! The real program, stopped dead at every named place and killed at any moment, while its sellers are paid on Solana.
//! `BURSAR_KILLS=1000 cargo test --test solana crashes` kills more often, a tenth as often as that says; `BURSAR_SEED=…` replays the moments.
//! `BURSAR_CASES=all` stops at every place with every seller and every number of nodes, not with each once.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bursar::authorization::{SolanaKey, TokenProgram};
use bursar::config::{self, Config, Home, write_private};
use bursar::crash;
use bursar::house::House;
use bursar::money::Rail;
use bursar::wallet::{PassphraseSource, Store, Wallet};
use sandbox::host::{Era, Host};
use serde_json::{Value, json};
use testkit::house::Open;
use testkit::solana::shop::{Manner, Page, Shop};
use testkit::solana::{CLUSTER, Cluster, Mood, Node, USDC, key};
use testkit::world::Random;
use tokio::process::Command;

const PRICE: u64 = 10_000;
const FUNDS: u64 = 100_000_000;
const KILLS: usize = 24;
const RULES: &str = "[wallet]\nper_payment = \"none\"\nper_hour = \"none\"\nper_day = \"none\"\nper_month = \"none\"\n\
    payments_per_minute = \"none\"\n[session]\ntotal = \"none\"\n[each_domain]\nper_payment = \"none\"\n\
    per_session = \"none\"\nper_day = \"none\"\nrepeat_window = \"0s\"\n[payee]\nper_day = \"none\"\n[approval]\n\
    above = \"none\"\n[price]\nrise = \"none\"\n[breakers]\nundelivered = \"none\"\nrefusals_per_minute = \"none\"";
const MANNERS: [(&str, Manner); 3] =
    [("/settles", Manner::Settles), ("/drops", Manner::DropsTheLine), ("/keeps", Manner::KeepsIt)];

/// A home on the disk, a shop, and a cluster by this machine's clock, which can be set ahead of it.
pub struct Street {
    cluster: Cluster,
    nodes: [Node; 2],
    shop: Shop,
    home: Home,
    owner: SolanaKey,
    ahead: Arc<AtomicU64>,
    _dir: tempfile::TempDir,
}

impl Street {
    pub async fn build() -> Street {
        let ahead = Arc::new(AtomicU64::new(0));
        let by = ahead.clone();
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        let cluster = Cluster::new(Arc::new(move || now() + by.load(Ordering::SeqCst)));
        let nodes = [Node::start(&cluster).await.unwrap(), Node::start(&cluster).await.unwrap()];
        let pages = MANNERS.map(|(path, manner)| Page { manner, ..Page::at(path, PRICE) });
        let free = Page::at("/free", 0);
        let shop = Shop::start(&cluster, [&pages[..], &[free]].concat()).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        home.prepare().unwrap();
        let write = |path: &std::path::Path, text: &str| write_private(path, text.as_bytes()).unwrap();
        let [one, two] = [nodes[0].url(), nodes[1].url()];
        let find = "[find]\nbazaar = []\nmpp = []\nindex402 = []\n";
        write(&home.config_file(), &format!("{find}[chains.\"{CLUSTER}\"]\nrpc = [\"{one}\", \"{two}\"]\n"));
        let door = shop.door();
        write(
            &home.policy_file(),
            &format!("version = 1\n{RULES}\n[networks]\nallow = [\"{CLUSTER}\"]\n[egress]\nallow = [\"{door}\"]\n"),
        );
        write(&home.dir().join("passphrase"), "open sesame");
        let store = Store::file(home.dir(), passphrase(&home));
        let address = Wallet::create(&store, Rail::Solana, None).await.unwrap();
        Config::write_wallet(&home, config::StoreKind::File, address).unwrap();
        let owner = SolanaKey(address.bytes().try_into().unwrap());
        cluster.fund(owner, TokenProgram::Spl, key(USDC), FUNDS);
        Street { cluster, nodes, shop, home, owner, ahead, _dir: dir }
    }

    pub async fn serve(&self, crash_at: Option<&str>) -> Host {
        let mut command = Command::new(testkit::program());
        command.arg("--home").arg(self.home.dir()).args(["serve", "--agent", "a"]);
        command.env("BURSAR_PASSPHRASE_FILE", self.home.dir().join("passphrase")).stderr(Stdio::null());
        crash_at.map(|point| command.env("BURSAR_CRASH_AT", point));
        Host::start(command, Era::Initialize).await.unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        self.shop.url(path)
    }

    /// Everything that the nodes were asked since the last look.
    pub fn asked(&self) -> Vec<String> {
        self.nodes.iter().flat_map(Node::asked).collect()
    }

    fn wish(&self, id: &str, path: &str) -> Value {
        json!({ "url": self.shop.url(&format!("{path}?wish={id}")), "purchase_id": id })
    }

    async fn bursar(&self) -> Open {
        House::open(&self.home, passphrase(&self.home)).await.unwrap().into()
    }

    /// Of all that sellers were shown, one authorization for each wish.
    fn is_one_each(&self) {
        let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (wish, payment) in self.shop.shown_for() {
            seen.entry(wish).or_default().insert(payment);
        }
        let doubled: Vec<_> = seen.iter().filter(|(_, payments)| payments.len() > 1).collect();
        assert!(doubled.is_empty(), "sellers saw two authorizations: {doubled:?}");
    }

    /// Past every window, chain and ledger agree to the last unit.
    async fn adds_up(&self) -> u64 {
        self.is_one_each();
        self.ahead.fetch_add(200_000, Ordering::SeqCst);
        let bursar = self.bursar().await;
        let found = bursar.reconcile().await.unwrap();
        assert!(found.waiting.is_empty() && found.alarms.is_empty(), "{found:#?}");
        let audit = bursar.audit().await.unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
        let moved = FUNDS - self.cluster.balance(self.owner, TokenProgram::Spl, key(USDC));
        assert_eq!((audit.settled_usd.as_micros(), audit.held_usd.as_micros()), (moved, 0));
        assert_eq!(moved, PRICE * self.cluster.transfers() as u64);
        moved
    }
}

fn passphrase(home: &Home) -> Vec<PassphraseSource> {
    vec![PassphraseSource::File(home.dir().join("passphrase"))]
}

async fn called(host: &Host, wish: &Value) {
    tokio::select! {
        _ = host.begin_tool("fetch_paid", wish.clone()).result() => {}
        _ = host.exited() => {}
    }
}

async fn called_in_peace(street: &Street, wish: &Value) -> Value {
    let host = street.serve(None).await;
    let answer = host.tool("fetch_paid", wish.clone()).await.unwrap()["structuredContent"].clone();
    host.close_stdin();
    host.exited().await;
    answer
}

/// Stopped at a place, and started again while all nodes, one or none of them can be asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_point_pays_once_on_solana_too() {
    let street = Street::build().await;
    let points: Vec<_> = crash::POINTS.into_iter().chain(crash::POINTS_AGAIN).collect();
    let (is_all, mut cases) = (std::env::var("BURSAR_CASES").is_ok_and(|cases| cases == "all"), 0);
    for (nth, point) in points.iter().enumerate() {
        for (at, (path, manner)) in MANNERS.into_iter().enumerate() {
            for (down, word) in [(0, "asked"), (1, "half"), (2, "blind")] {
                if !is_all && (nth + at) % 3 != down {
                    continue;
                }
                let id = format!("{point}-{}-{word}", &path[1..]);
                let wish = street.wish(&id, path);
                let host = street.serve(Some(point)).await;
                called(&host, &wish).await;
                host.kill();
                host.exited().await;
                street.nodes[..down].iter().for_each(|node| node.set_mood(Mood::Down));
                // What a seller kept it takes to the chain when it likes.
                if manner == Manner::KeepsIt && down == 1 {
                    for (_, payment) in street.shop.shown_for().iter().filter(|(wish, _)| wish.ends_with(&id)) {
                        let _ = street.cluster.send(&Shop::transaction(payment));
                    }
                }
                let answer = called_in_peace(&street, &wish).await;
                street.nodes.iter().for_each(|node| node.set_mood(Mood::Honest));
                let outcome = answer["outcome"].as_str().unwrap_or_default();
                // With no node to ask for a block, nothing is signed that was not signed before.
                let expected = ["answered", "held", "failed", "refused"];
                assert!(expected.contains(&outcome) && (outcome != "refused" || down == 2), "{id}: {answer:#}");
                cases += 1;
            }
        }
    }
    street.adds_up().await;
    println!("bar: crash points on Solana | {} points x sellers x nodes: {cases} cases | 0 violations", points.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_nothing_is_paid_twice_on_solana_either() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let kills = number("BURSAR_KILLS").map_or(KILLS, |kills| KILLS.max(kills as usize / 10));
    let seed = number("BURSAR_SEED").unwrap_or_else(|| UNIX_EPOCH.elapsed().unwrap().as_millis() as u64);
    println!("BURSAR_SEED={seed}");
    let (street, mut random) = (Street::build().await, Random::of(seed, "kills"));
    let mut host = street.serve(None).await;
    for nth in 0..kills {
        let wish = street.wish(&format!("kill-{nth}"), MANNERS[nth % MANNERS.len()].0);
        // The key is read first, or most kills would meet a process that derives it.
        host.tool("fetch_paid", street.wish(&format!("warm-{nth}"), "/settles")).await.unwrap();
        let call = host.begin_tool("fetch_paid", wish.clone());
        tokio::time::sleep(Duration::from_micros(random.below(60_000))).await;
        host.kill();
        host.exited().await;
        drop(call);
        host = street.serve(None).await;
        let answer = host.tool("fetch_paid", wish).await.unwrap()["structuredContent"].clone();
        let outcome = answer["outcome"].as_str().unwrap_or_default();
        assert!(["answered", "held", "failed"].contains(&outcome), "{answer:#}");
    }
    host.close_stdin();
    host.exited().await;
    street.adds_up().await;
    println!("bar: kill -9 on Solana | {kills} kills | 0 violations");
}
