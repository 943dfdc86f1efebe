//! A home that pays on Solana: a cluster in memory, two nodes of it over HTTP, a shop, and a clock whose hand is moved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bursar::answer::{Answer, Charged, Outcome, Reconciled};
use bursar::authorization::{SolanaKey, TokenProgram};
use bursar::chain::{Nodes, Rails};
use bursar::config::Home;
use bursar::house::{House, Ports};
use bursar::money::{Addresses, Assets, KeyAddress, Rail};
use bursar::ports::{NoDirectories, Quiet};
use bursar::seller::Sellers;
use bursar::time::{Clock, Time};
use bursar::wallet::{Store, Wallet};
use bursar::wish::Call;
use testkit::house::Open;
use testkit::solana::shop::{PAYEE, Page, Shop};
use testkit::solana::{CLUSTER, Cluster, Node, USDC, key, network};
use url::Url;

pub const START: u64 = 1_800_000_000_000;
pub const FUNDS: u64 = 1_000_000;
const TOKENS: TokenProgram = TokenProgram::Spl;

pub struct Scene {
    pub cluster: Cluster,
    pub nodes: [Node; 2],
    pub shop: Shop,
    pub bursar: Open,
    pub address: KeyAddress,
    pub store: Store,
    hand: Arc<AtomicU64>,
    home: Home,
    _dir: tempfile::TempDir,
}

pub struct HandClock(pub Arc<AtomicU64>);

impl Clock for HandClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst) as i64)
    }
}

impl Scene {
    pub async fn of(pages: Vec<Page>) -> Scene {
        Scene::with(pages, "").await
    }

    /// With these rules beside those that a scene needs.
    pub async fn with(pages: Vec<Page>, rules: &str) -> Scene {
        let hand = Arc::new(AtomicU64::new(START));
        let told = hand.clone();
        let cluster = Cluster::new(Arc::new(move || told.load(Ordering::SeqCst)));
        let nodes = [Node::start(&cluster).await.unwrap(), Node::start(&cluster).await.unwrap()];
        let shop = Shop::start(&cluster, pages).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        let text = format!(
            "version = 1\n{rules}\n[networks]\nallow = [\"{CLUSTER}\", \"eip155:84532\"]\n[egress]\nallow = [\"{}\"]\n",
            shop.door()
        );
        std::fs::write(home.policy_file(), text).unwrap();
        let store = Store::memory();
        let address = Wallet::create(&store, Rail::Solana, None).await.unwrap();
        let bursar = house(&home, &nodes, &store, address, &hand);
        let scene = Scene { cluster, nodes, shop, bursar, address, store, hand, home, _dir: dir };
        scene.cluster.fund(scene.ours(), TOKENS, key(USDC), FUNDS);
        scene
    }

    /// The same home, opened by another program.
    pub fn opened_again(&self) -> Open {
        house(&self.home, &self.nodes, &self.store, self.address, &self.hand)
    }

    /// The same with other keys, from another store.
    pub fn with_keys(&self, store: &Store, keys: impl Into<Addresses>) -> Open {
        house(&self.home, &self.nodes, store, keys, &self.hand)
    }

    pub fn clock(&self) -> Arc<HandClock> {
        Arc::new(HandClock(self.hand.clone()))
    }

    pub fn ours(&self) -> SolanaKey {
        SolanaKey(self.address.bytes().try_into().unwrap())
    }

    /// What is ours, and what was paid.
    pub fn balances(&self) -> (u64, u64) {
        let of = |owner| self.cluster.balance(owner, TOKENS, key(USDC));
        (of(self.ours()), of(key(PAYEE)))
    }

    pub fn call(&self, path: &str) -> Call {
        Call { url: self.shop.url(path), ..Call::default() }
    }

    pub async fn fetch(&self, path: &str) -> Answer {
        self.bursar.agent("agent").fetch_paid(None, self.call(path), &Quiet).await
    }

    pub async fn reconcile(&self) -> Reconciled {
        self.bursar.reconcile().await.unwrap()
    }

    pub fn pass(&self, millis: u64) {
        self.hand.fetch_add(millis, Ordering::SeqCst);
    }

    /// Until every window of now is over, for good.
    pub fn outlive(&self) {
        self.pass(200_000);
    }

    /// What the ledger has of it: its state, and who says so.
    pub async fn stands_at(&self, answer: &Answer) -> (String, String) {
        let id = answer.purchase_id.as_deref().unwrap();
        let row = self.bursar.why(id).await.unwrap().row;
        (row.state, row.proof.unwrap_or_default())
    }

    /// Everything that the nodes were asked since the last look.
    pub fn asked(&self) -> Vec<String> {
        self.nodes.iter().flat_map(Node::asked).collect()
    }
}

fn house(home: &Home, nodes: &[Node; 2], store: &Store, keys: impl Into<Addresses>, hand: &Arc<AtomicU64>) -> Open {
    let rpc = nodes.iter().map(|node| Url::parse(&node.url()).unwrap()).collect();
    let clock = Arc::new(HandClock(hand.clone()));
    let assets = Assets::default();
    let ports = Ports {
        wallet: Some(Wallet::open(store.clone(), keys, clock.clone())),
        seller: Arc::new(Sellers::new(&home.purchases_dir(), &BTreeMap::new())),
        chains: Arc::new(Rails::new([(network(), Nodes { rpc, confirmations: None })], &assets)),
        directories: Arc::new(NoDirectories),
        clock,
    };
    House::over(home, assets, ports).unwrap().into()
}

#[track_caller]
pub fn bought(answer: &Answer) {
    assert_eq!((answer.outcome, answer.charged), (Outcome::Answered, Charged::Yes), "{answer:#?}");
}

#[track_caller]
pub fn is(answer: &Answer, outcome: Outcome, charged: Charged) {
    assert_eq!((answer.outcome, answer.charged), (outcome, charged), "{answer:#?}");
}

pub fn codes(answer: &Answer) -> Vec<&str> {
    answer.reasons.iter().map(|reason| reason.code.as_str()).collect()
}
