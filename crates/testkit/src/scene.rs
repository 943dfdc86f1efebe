//! A whole scene: a market on a chain, a home with rules and a funded key, and a clock moved by hand.
//!
//! A scene is ended by [`Scene::end`], which holds every test to the same: the audit finds nothing, the log explains
//! every signature a seller saw, and no purchase was ever seen with two.

#![allow(dead_code, reason = "the scene is shared, and nobody needs all of it")]

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::house::Open;
use crate::keys::{Keys, Way};
use crate::solana::{self, Cluster};
use alloy_primitives::{Address, B256, U256};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use bursar::answer::{Answer, Charged, Outcome, SpendQuery};
use bursar::answer::{LogQuery, Pending, Refusal};
use bursar::authorization::{Authorization, Eip3009, SolanaKey, TokenProgram};
use bursar::chain::{Nodes, Rails};
use bursar::config::Home;
use bursar::directory::WebDirectories;
use bursar::house::Ports;
use bursar::json::Written;
use bursar::ledger::{Recorded, RecordedSignIn};
use bursar::listing::Directory;
use bursar::money::{Addresses, Assets, KeyAddress, Network, Rail};
use bursar::ports::Quiet;
use bursar::ports::{Cut, Egress, Inquiry, Presented, Progress, Reply, Rest, Seller, SellerError};
use bursar::reason::Reason;
use bursar::request::Request;
use bursar::seller::Sellers as Wired;
use bursar::time::{Clock, Time};
use bursar::wallet::{RailKey, Store, Wallet, WalletError};
use bursar::wish::{Call, ToolCall};
use sandbox::chain::{ASSET, ChainOptions, NETWORK, Transfer, hand_clock};
use sandbox::rpc::Rpc as Node;
use sandbox::sellers::tools::SERVER;
use sandbox::sellers::{Seen, Sellers, Stall, Way as PaidBy};
use sandbox::{Options, Sandbox};
use tempfile::TempDir;
use tokio::sync::Notify;
use url::Url;

/// At the beginning of every bucket of every window.
pub const START: u64 = 1_800_000_000;
pub const AGENT: &str = "agent";
pub const CENT: u64 = 10_000;
pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

/// What a scene is made of before it opens.
pub struct Setting {
    stalls: Vec<Stall>,
    others: Vec<Stall>,
    rules: String,
    doors: Vec<String>,
    key: Option<String>,
    funds: u64,
    nodes: usize,
    finality: u64,
    directories: Vec<Directory>,
    has_cluster: bool,
}

pub struct Scene {
    pub sandbox: Sandbox,
    /// A second market on the same chain, at another port.
    pub others: Sellers,
    /// Nodes beside the sandbox's own.
    pub nodes: Vec<Node>,
    pub bursar: House,
    pub home: Home,
    pub keys: Arc<Keys<OnPurpose>>,
    pub address: Address,
    /// A cluster of Solana's beside the chain, where the wallet has as much.
    pub solana: Option<OnSolana>,
    wire: Arc<Wire>,
    clock: Arc<HandClock>,
    directories: Vec<Directory>,
    doors: Vec<String>,
    funds: U256,
    is_ended: bool,
    _dir: TempDir,
}

/// A market of these stalls, a wallet with five dollars, the built-in rules.
pub fn market(stalls: impl Into<Vec<Stall>>) -> Setting {
    Setting {
        stalls: stalls.into(),
        others: Vec::new(),
        rules: String::new(),
        doors: Vec::new(),
        key: None,
        funds: 500 * CENT,
        nodes: 1,
        finality: 2,
        directories: Vec::new(),
        has_cluster: false,
    }
}

impl Setting {
    /// Sections of a policy; networks and egress are added.
    pub fn rules(self, rules: &str) -> Setting {
        Setting { rules: rules.to_owned(), ..self }
    }

    /// Hosts and ports that the policy opens beside the markets'.
    pub fn doors(self, doors: &[String]) -> Setting {
        Setting { doors: doors.to_vec(), ..self }
    }

    /// The wallet's key, in place of a fresh one.
    pub fn key(self, hex: &str) -> Setting {
        Setting { key: Some(hex.to_owned()), ..self }
    }

    pub fn funds(self, atomic: u64) -> Setting {
        Setting { funds: atomic, ..self }
    }

    pub fn nodes(self, nodes: usize) -> Setting {
        Setting { nodes, ..self }
    }

    /// How many blocks of two seconds the final one is behind.
    pub fn finality(self, blocks: u64) -> Setting {
        Setting { finality: blocks, ..self }
    }

    /// Who is asked what is for sale.
    pub fn directories(self, directories: &[Directory]) -> Setting {
        Setting { directories: directories.to_vec(), ..self }
    }

    /// A key for Solana beside the other one, and a cluster on which it has as much.
    pub fn on_solana_too(self) -> Setting {
        Setting { has_cluster: true, ..self }
    }

    pub fn others(self, stalls: impl Into<Vec<Stall>>) -> Setting {
        Setting { others: stalls.into(), ..self }
    }

    pub async fn open(self) -> Scene {
        let (ticking, hand) = hand_clock(START);
        let chain = ChainOptions { clock: ticking, finality_depth: self.finality, idle_blocks: true };
        let options = Options { chain, rpc_port: 0, sellers_port: 0, stalls: self.stalls };
        let sandbox = Sandbox::start(options).await.unwrap();
        let others = Sellers::start(sandbox.chain.clone(), 0, self.others).await.unwrap();
        let mut nodes = Vec::new();
        for _ in 1..self.nodes {
            nodes.push(Node::start(sandbox.chain.clone(), 0).await.unwrap());
        }
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        home.prepare().unwrap();
        let keys = Arc::new(Keys::default());
        let key = match &self.key {
            Some(hex) => {
                Wallet::import(&store(&keys), RailKey::read(hex.as_bytes(), None).unwrap(), None).await.unwrap()
            }
            None => Wallet::create(&store(&keys), Rail::Evm, None).await.unwrap(),
        };
        let address = key.as_evm().unwrap();
        let funds = U256::from(self.funds);
        sandbox.chain.mint(address, funds).unwrap();
        allow_the_way(&sandbox, address);
        let solana = match self.has_cluster {
            true => Some(OnSolana::open(&keys, address, hand.clone(), self.funds).await),
            false => None,
        };
        let clock = Arc::new(HandClock { hand, ours_ahead: AtomicI64::new(0), jump: Mutex::default() });
        let wire =
            Arc::new(Wire { http: Wired::new(&home.purchases_dir(), &BTreeMap::new()), faults: Mutex::default() });
        let rpc: Vec<String> = std::iter::once(sandbox.rpc_url()).chain(nodes.iter().map(Node::url)).collect();
        let (doors, directories) = (self.doors, self.directories);
        write_rules(&home, &opened([sandbox.sellers_url(), others.url()], &doors), &self.rules);
        let chains = chains(&rpc, solana.as_ref());
        let addresses = addresses(address, solana.as_ref());
        let bursar = House(Some(house(&home, chains, (&keys, addresses), &wire, &clock, &directories).unwrap()));
        let is_ended = false;
        Scene {
            sandbox,
            others,
            nodes,
            bursar,
            home,
            keys,
            address,
            solana,
            wire,
            clock,
            directories,
            doors,
            funds,
            is_ended,
            _dir: dir,
        }
    }
}

impl Scene {
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.sellers_url())
    }

    pub fn call(&self, path: &str) -> Call {
        Call { url: self.url(path), ..Call::default() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.fetch(self.call(path)).await
    }

    pub async fn fetch(&self, call: Call) -> Answer {
        self.fetch_as(AGENT, call).await
    }

    pub async fn fetch_as(&self, agent: &str, call: Call) -> Answer {
        let agent = self.bursar.agent(agent);
        match are_tools().then(|| as_tool(&call)).flatten() {
            Some(call) => agent.call_paid_tool(None, call, &Quiet).await,
            None => agent.fetch_paid(None, call, &Quiet).await,
        }
    }

    /// The market as an MCP server.
    pub fn tool(&self, tool: &str) -> ToolCall {
        ToolCall { server: self.url(SERVER), tool: tool.to_owned(), ..ToolCall::default() }
    }

    pub async fn call_tool(&self, call: ToolCall) -> Answer {
        self.bursar.agent(AGENT).call_paid_tool(None, call, &Quiet).await
    }

    /// The same call once more, under the id it was answered with.
    pub async fn again(&self, path: &str, answer: &Answer) -> Answer {
        self.fetch(Call { purchase_id: answer.purchase_id.clone(), ..self.call(path) }).await
    }

    pub async fn buy_again(&self, path: &str, answer: &Answer) -> Answer {
        self.fetch(Call { buy_again: answer.purchase_id.clone(), ..self.call(path) }).await
    }

    /// The owner's yes to what stands under this id now.
    pub async fn approve(&self, id: &str) -> Result<(), Refusal> {
        let shown = self.question(id).await;
        self.bursar.approve(&shown, None).await.map(drop)
    }

    pub async fn deny(&self, id: &str) -> Result<(), Refusal> {
        let shown = self.question(id).await;
        self.bursar.deny(&shown).await.map(drop)
    }

    async fn question(&self, id: &str) -> Pending {
        let mut pending = self.bursar.pending().await.unwrap();
        pending.retain(|question| question.purchase_id == id);
        pending.pop().expect("a question stands under this id")
    }

    /// Another process over the same home.
    pub fn another_house(&self) -> Open {
        self.begin().unwrap()
    }

    fn begin(&self) -> Result<Open, Refusal> {
        let rpc: Vec<String> =
            std::iter::once(self.sandbox.rpc_url()).chain(self.nodes.iter().map(Node::url)).collect();
        let chains = chains(&rpc, self.solana.as_ref());
        house(&self.home, chains, (&self.keys, self.addresses()), &self.wire, &self.clock, &self.directories)
    }

    /// Of each kind of chain that the wallet has a key for.
    pub fn addresses(&self) -> Addresses {
        addresses(self.address, self.solana.as_ref())
    }

    /// Leaves in peace, and starts again.
    pub async fn restart(&mut self) {
        self.close().await;
        self.reopen();
    }

    /// Leaves in peace: afterwards nobody has the ledger open.
    pub async fn close(&mut self) {
        let Some(house) = self.bursar.0.take() else { return };
        house.drain().await;
        // What is still to be written beside the key soon is written by now; whoever waits to do it holds the house.
        jump(Duration::from_secs(10)).await;
        while house.is_held_elsewhere() {
            tokio::task::yield_now().await;
        }
        drop(house);
        // The ledger's thread ends by itself. Whoever is the last to close takes the journal away; two that close at once
        // leave it to nobody, so somebody comes after them.
        while ledger_files(&self.home)[1].exists() {
            let last = rusqlite::Connection::open(self.home.ledger_file()).unwrap();
            let _ = last.query_row("SELECT count(*) FROM ledger", [], |_| Ok(()));
            drop(last);
            tokio::task::yield_now().await;
        }
    }

    pub fn reopen(&mut self) {
        self.try_reopen().unwrap();
    }

    pub fn try_reopen(&mut self) -> Result<(), Refusal> {
        self.bursar = House(Some(self.begin()?));
        Ok(())
    }

    /// A key that is in the same place and is not this wallet's.
    pub async fn another_key(&self) -> Address {
        Wallet::create(&store(&self.keys), Rail::Evm, None).await.unwrap().as_evm().unwrap()
    }

    pub fn write_rules(&self, rules: &str) {
        let markets = [self.sandbox.sellers_url(), self.others.url()];
        write_rules(&self.home, &opened(markets, &self.doors), rules);
    }

    /// Opens a host and port to the rules, beside the markets', and leaves the rest to the built-in ones.
    pub fn open_door(&mut self, door: &str) {
        self.doors.push(door.to_owned());
        self.write_rules("");
    }

    /// Moves the hand of every clock in the scene.
    pub fn pass(&self, secs: u64) {
        self.clock.hand.fetch_add(secs, Ordering::Relaxed);
    }

    /// What nodes have seen so far is final.
    pub fn pass_finality(&self) {
        self.pass(10);
    }

    pub fn turn_back(&self, secs: u64) {
        self.clock.hand.fetch_sub(secs, Ordering::Relaxed);
    }

    /// Sets this machine's clock apart from everyone else's.
    pub fn set_ours_ahead(&self, secs: i64) {
        self.clock.ours_ahead.store(secs, Ordering::Relaxed);
    }

    /// Sets this machine's clock after so many more looks at it.
    pub fn set_ours_later(&self, looks: usize, by: i64) {
        *self.clock.jump.lock().unwrap() = Some(Jump { looks, by });
    }

    /// Whether it was looked at so often that the clock was set; it is not set any more after this.
    pub fn was_set(&self) -> bool {
        self.clock.jump.lock().unwrap().take().is_none()
    }

    pub fn now(&self) -> u64 {
        self.clock.hand.load(Ordering::Relaxed)
    }

    /// What happens to the next presenting, one each.
    pub fn fault(&self, fault: Fault) {
        self.wire.faults.lock().unwrap().push_back(fault);
    }

    /// What has left the wallet, as the chain says, in millionths of a dollar.
    pub fn spent(&self) -> u64 {
        u64::try_from(self.funds - self.sandbox.chain.balance_of(self.address)).unwrap()
    }

    pub fn received(&self, payee: Address) -> u64 {
        u64::try_from(self.sandbox.chain.balance_of(payee)).unwrap()
    }

    /// What sellers have seen that carried a payment.
    pub fn payments(&self) -> Vec<Seen> {
        let seen = self.sandbox.sellers.seen().into_iter().chain(self.others.seen());
        seen.filter(|seen| seen.payment_header.is_some()).collect()
    }

    /// What sellers have seen that said which wallet asks.
    pub fn sign_ins(&self) -> Vec<Seen> {
        let seen = self.sandbox.sellers.seen().into_iter().chain(self.others.seen());
        seen.filter(|seen| seen.headers.contains_key(sandbox::sellers::sign_in::HEADER)).collect()
    }

    /// What counts against the wallet's day, and the part of it that is in doubt.
    pub async fn counted(&self) -> (String, String) {
        let budgets = self.bursar.agent(AGENT).budgets(None).await.unwrap().budgets;
        let day = budgets.into_iter().find(|cap| cap.scope == "wallet" && cap.window == "day").unwrap();
        (day.used_usd.to_string(), day.held_usd.to_string())
    }

    /// Waits until no process presents anything.
    pub async fn nothing_is_presented(&self) {
        let ledger = rusqlite::Connection::open(self.home.ledger_file()).unwrap();
        let presented =
            || ledger.query_row("SELECT count(lease) FROM purchase", [], |row| row.get::<_, i64>(0)).unwrap();
        while presented() > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// What was recorded before a payment left, by purchase.
    pub async fn nonces(&self) -> BTreeMap<B256, String> {
        let mut nonces = BTreeMap::new();
        for id in self.ids().await {
            let story = self.bursar.why(&id).await.unwrap();
            for event in story.events.iter().filter(|event| event.kind == "authorized") {
                nonces.insert(event.detail["handle"].as_str().unwrap().parse().unwrap(), id.clone());
            }
        }
        nonces
    }

    /// Every purchase, as `agent/id`.
    pub async fn ids(&self) -> Vec<String> {
        let (mut ids, mut cursor) = (Vec::new(), None);
        loop {
            let spend = SpendQuery { cursor, limit: Some(100), ..SpendQuery::default() };
            let page = self.bursar.log(LogQuery { spend, ..LogQuery::default() }).await.unwrap();
            ids.extend(page.purchases.into_iter().map(|row| format!("{}/{}", row.agent, row.purchase_id)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return ids;
            }
        }
    }

    /// The alarms in the log of one purchase.
    pub async fn alarms(&self, id: &str) -> Vec<String> {
        let story = self.bursar.why(id).await.unwrap();
        let alarms = story.events.iter().filter(|event| event.kind == "alarm");
        alarms.map(|event| event.detail["message"].as_str().unwrap().to_owned()).collect()
    }

    /// Signs with the wallet's key behind bursar's back, and takes the money.
    pub async fn steal(&self, payee: Address, atomic: u64) {
        let nonce = B256::repeat_byte(0x66);
        let signed = Eip3009 {
            network: Network::new(NETWORK),
            asset: ASSET,
            asset_name: "USDC".to_owned(),
            asset_version: "2".to_owned(),
            from: self.address,
            to: payee,
            value: U256::from(atomic),
            valid_after: START - 600,
            valid_before: self.now() + 60,
            nonce,
        };
        let wallet = Wallet::open(store(&self.keys), self.address, self.clock.clone());
        let signatures = wallet.unlock().await.unwrap().sign(&Authorization::Eip3009(signed.clone())).unwrap();
        let transfer = Transfer {
            from: signed.from,
            to: signed.to,
            value: signed.value,
            valid_after: U256::from(signed.valid_after),
            valid_before: U256::from(signed.valid_before),
            nonce,
        };
        self.sandbox.chain.transfer_with_authorization(&transfer, signatures.0[0].bytes()).unwrap();
    }

    /// Ends the scene and holds it to what must be true of every one.
    pub async fn end(self) {
        let seen = self.payments();
        self.end_having_seen(seen).await;
    }

    /// The same where others than the markets were paid.
    pub async fn end_having_seen(self, seen: Vec<Seen>) {
        let accounted = self.accounted().await;
        let spent = self.spent();
        assert!(spent <= accounted, "the chain moved {spent} and the ledger counts {accounted}");
        self.hold_against_the_ledger(seen).await;
    }

    /// The same where the money the chain moved is not all in the ledger: somebody stole, or the ledger was lost.
    pub async fn end_with_another_history(self) {
        let seen = self.payments();
        self.hold_against_the_ledger(seen).await;
    }

    async fn hold_against_the_ledger(mut self, payments: Vec<Seen>) {
        self.is_ended = true;
        self.bursar.drain().await;
        let audit = self.bursar.audit().await.unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
        self.every_sign_in_is_recorded(&self.sign_ins());
        let nonces = self.nonces().await;
        let mut bytes = BTreeMap::new();
        for seen in payments {
            let nonce = seen.nonce.unwrap();
            assert!(nonces.contains_key(&nonce), "a seller saw a payment the ledger does not know");
            let header = seen.payment_header.unwrap();
            assert_eq!(bytes.entry(nonce).or_insert(header.clone()), &header, "the same purchase, other bytes");
        }
        let mut ids: Vec<&String> = nonces.values().collect();
        ids.dedup();
        assert_eq!(ids.len(), nonces.len(), "a purchase has two authorizations");
    }

    /// No seller has seen a sign-in that is not in the ledger, or one twice.
    pub fn every_sign_in_is_recorded(&self, seen: &[Seen]) {
        let ledger = rusqlite::Connection::open(self.home.ledger_file()).unwrap();
        let mut headers: Vec<_> =
            seen.iter().map(|seen| seen.headers[sandbox::sellers::sign_in::HEADER].clone()).collect();
        headers.sort_by(|one, other| one.as_bytes().cmp(other.as_bytes()));
        headers.dedup();
        assert_eq!(headers.len(), seen.len(), "a sign-in was shown twice");
        for header in headers {
            let said: serde_json::Value = serde_json::from_slice(&STANDARD.decode(&header).unwrap()).unwrap();
            let signature = said["signature"].as_str().unwrap();
            let mut recorded = ledger.prepare("SELECT 1 FROM sign_in WHERE signature = ?1").unwrap();
            assert!(recorded.exists([signature]).unwrap(), "a seller saw a sign-in the ledger does not know");
        }
    }

    /// Ends a scene whose ledger is not the one its payments were recorded in.
    pub async fn end_after_losing_the_ledger(mut self) {
        self.is_ended = true;
        self.bursar.drain().await;
        let audit = self.bursar.audit().await.unwrap();
        assert_eq!(audit.violations, Vec::<String>::new());
    }

    /// Ends a scene whose ledger cannot be read any more.
    pub fn end_without_ledger(mut self) {
        self.is_ended = true;
    }

    async fn accounted(&self) -> u64 {
        let audit = self.bursar.audit().await.unwrap();
        audit.settled_usd.as_micros() + audit.held_usd.as_micros()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        assert!(self.is_ended || std::thread::panicking(), "every scene is ended, so that it is audited");
    }
}

/// The house of a scene, unless it is closed just now.
pub struct House(Option<Open>);

impl std::ops::Deref for House {
    type Target = Open;

    fn deref(&self) -> &Open {
        self.0.as_ref().expect("the house is open")
    }
}

/// Lets the timers of this process believe that this long has passed. Nothing waits for it.
/// Whether stalls are visited as tools where they can be, so that whole suites run over MCP: `PLAY_AS=tools`.
fn are_tools() -> bool {
    std::env::var("PLAY_AS").is_ok_and(|what| what == "tools")
}

/// The same wish for a tool: of what is plainly got from a stall of the market.
fn as_tool(call: &Call) -> Option<ToolCall> {
    let url = Url::parse(&call.url).ok()?;
    let is_plain = call.method.as_deref().is_none_or(|method| method == "GET") && call.headers.is_empty();
    let tool = url.path().strip_prefix('/').filter(|tool| !tool.is_empty() && !tool.contains('/'))?;
    if !is_plain || call.body.is_some() || call.json.is_some() || url.host_str() != Some("127.0.0.1") {
        return None;
    }
    let arguments: serde_json::Map<String, serde_json::Value> =
        url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned().into())).collect();
    Some(ToolCall {
        server: url.join(SERVER).ok()?.to_string(),
        tool: tool.to_owned(),
        arguments: Some(Written::new(serde_json::Value::Object(arguments).to_string())),
        max_price: call.max_price.clone(),
        purchase_id: call.purchase_id.clone(),
        buy_again: call.buy_again.clone(),
        max_chars: call.max_chars,
        host_ceiling: call.host_ceiling,
    })
}

pub async fn jump(span: Duration) {
    tokio::time::pause();
    tokio::time::advance(span).await;
    tokio::time::resume();
}

/// What a scene has beside its chain.
pub struct OnSolana {
    pub cluster: Cluster,
    pub node: solana::Node,
    pub address: KeyAddress,
}

impl OnSolana {
    async fn open(keys: &Arc<Keys<OnPurpose>>, beside: Address, hand: Arc<AtomicU64>, funds: u64) -> OnSolana {
        let cluster = Cluster::new(Arc::new(move || hand.load(Ordering::Relaxed) * 1_000));
        let node = solana::Node::start(&cluster).await.unwrap();
        let address = Wallet::create(&store(keys), Rail::Solana, Some(beside.into())).await.unwrap();
        let owner = SolanaKey(address.bytes().try_into().unwrap());
        cluster.fund(owner, TokenProgram::Spl, solana::key(solana::USDC), funds);
        OnSolana { cluster, node, address }
    }
}

fn addresses(first: Address, solana: Option<&OnSolana>) -> Addresses {
    Addresses { first: first.into(), also: solana.map(|solana| solana.address) }
}

fn chains(rpc: &[String], solana: Option<&OnSolana>) -> Rails {
    let nodes =
        |rpc: &[String]| Nodes { rpc: rpc.iter().map(|url| Url::parse(url).unwrap()).collect(), confirmations: None };
    let cluster = solana.map(|solana| (solana::network(), nodes(&[solana.node.url()])));
    Rails::new(std::iter::once((Network::new(NETWORK), nodes(rpc))).chain(cluster), &Assets::default())
}

fn house(
    home: &Home,
    chains: Rails,
    (keys, addresses): (&Arc<Keys<OnPurpose>>, Addresses),
    wire: &Arc<Wire>,
    clock: &Arc<HandClock>,
    directories: &[Directory],
) -> Result<Open, Refusal> {
    let ports = Ports {
        wallet: Some(Wallet::open(store(keys), addresses, clock.clone())),
        seller: wire.clone(),
        chains: Arc::new(chains),
        directories: Arc::new(WebDirectories::new(directories.to_vec())),
        clock: clock.clone(),
    };
    Ok(bursar::house::House::over(home, Assets::with(Vec::new()), ports)?.into())
}

fn store(keys: &Arc<Keys<OnPurpose>>) -> Store {
    Store::over(keys.clone(), Duration::from_secs(5))
}

/// Each market under either of its names, and what else is opened.
fn opened(markets: [String; 2], doors: &[String]) -> Vec<String> {
    let ports = markets.iter().map(|url| Url::parse(url).unwrap().port().unwrap());
    let markets = ports.flat_map(|port| [format!("127.0.0.1:{port}"), format!("localhost:{port}")]);
    markets.chain(doors.iter().cloned()).collect()
}

/// Opens the way that this run pays by, where the rules do not say which are open.
pub fn schemes_for(rules: &str) -> &'static str {
    match PaidBy::of_this_run() {
        PaidBy::Upto if !rules.contains("[schemes]") => "[schemes]\nallow = [\"exact\", \"upto\"]\n",
        PaidBy::Eip3009 | PaidBy::Permit2 | PaidBy::Upto | PaidBy::Mpp => "",
    }
}

/// Where this run pays by Permit2, it may move all there is.
pub fn allow_the_way(sandbox: &Sandbox, wallet: Address) {
    if PaidBy::of_this_run().is_by_permit2() {
        sandbox.chain.asset(ASSET).approve_permit2(wallet, U256::MAX).unwrap();
    }
}

fn write_rules(home: &Home, opened: &[String], rules: &str) {
    let schemes = schemes_for(rules);
    let text =
        format!("version = 1\n{rules}\n{schemes}[networks]\nallow = [\"{NETWORK}\"]\n[egress]\nallow = {opened:?}\n");
    std::fs::write(home.policy_file(), text).unwrap();
}

/// Every clock of the scene shows what one hand says; this machine's may be set apart.
struct HandClock {
    hand: Arc<AtomicU64>,
    ours_ahead: AtomicI64,
    jump: Mutex<Option<Jump>>,
}

/// This machine's clock is set while somebody is at work: after so many looks at it, by so many seconds.
struct Jump {
    looks: usize,
    by: i64,
}

impl HandClock {
    fn look(&self) {
        let mut jump = self.jump.lock().unwrap();
        match &mut *jump {
            Some(Jump { looks: 0, by }) => {
                self.ours_ahead.store(*by, Ordering::Relaxed);
                *jump = None;
            }
            Some(Jump { looks, .. }) => *looks -= 1,
            None => {}
        }
    }
}

impl Clock for HandClock {
    fn now(&self) -> Time {
        self.look();
        let hand = self.hand.load(Ordering::Relaxed) as i64;
        Time::from_secs(hand + self.ours_ahead.load(Ordering::Relaxed))
    }
}

/// What a presenting comes to instead of what the market would make of it.
pub enum Fault {
    /// The thread dies before a byte has left.
    PanicBefore,
    /// The thread dies when the reply is there.
    PanicAfter,
    CannotConnect,
    /// The reply comes and gets lost on the way.
    LosesTheReply,
    /// The reply goes on for longer than anybody reads: half of it is there.
    CutsTheReply,
    /// It waits until it is let go on.
    Waits(Arc<Gate>),
}

/// Where a presenting waits.
#[derive(Default)]
pub struct Gate {
    reached: Notify,
    open: Notify,
}

impl Gate {
    pub fn new() -> Arc<Gate> {
        Arc::default()
    }

    /// Until a presenting waits here.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    pub fn open(&self) {
        self.open.notify_one();
    }
}

/// The real wire, which breaks where it is told to.
struct Wire {
    http: Wired,
    faults: Mutex<VecDeque<Fault>>,
}

#[async_trait]
impl Seller for Wire {
    async fn ask(&self, request: &Request, egress: Egress<'_>, progress: &Progress) -> Result<Reply, SellerError> {
        self.http.ask(request, egress, progress).await
    }

    async fn inquire(&self, server: &Url, inquiry: &Inquiry, egress: Egress<'_>) -> Result<String, SellerError> {
        self.http.inquire(server, inquiry, egress).await
    }

    async fn meet(&self, server: &Url, egress: Egress<'_>) -> Result<String, SellerError> {
        self.http.meet(server, egress).await
    }

    async fn enter(&self, signed_in: &RecordedSignIn, egress: Egress<'_>) -> Result<Reply, SellerError> {
        self.http.enter(signed_in, egress).await
    }

    async fn present(&self, recorded: &Recorded, egress: Egress<'_>, progress: &Progress) -> Presented {
        let broken = || SellerError::Broken { host: "127.0.0.1".to_owned(), cause: "a fault".to_owned() };
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            Some(Fault::PanicBefore) => panic!("a fault of ours, on purpose"),
            Some(Fault::CannotConnect) => return Presented::NeverConnected(broken()),
            Some(Fault::Waits(gate)) => {
                gate.reached.notify_one();
                gate.open.notified().await;
            }
            Some(Fault::PanicAfter) => {
                self.http.present(recorded, egress, progress).await;
                panic!("a fault of ours, on purpose");
            }
            Some(Fault::LosesTheReply) => {
                self.http.present(recorded, egress, progress).await;
                return Presented::Lost(broken());
            }
            Some(Fault::CutsTheReply) => {
                let presented = self.http.present(recorded, egress, progress).await;
                let Presented::Answered(reply) = presented else { return presented };
                let body = reply.body[..reply.body.len() / 2].to_vec();
                return Presented::Answered(Reply { body, rest: Rest::None, cut: Some(Cut::TooSlow), ..reply });
            }
            None => {}
        }
        self.http.present(recorded, egress, progress).await
    }
}

/// The way to the keys of a scene: it can be in trouble, and something can happen while a key is read.
#[derive(Default)]
pub struct OnPurpose {
    trouble: Mutex<Option<WalletError>>,
    on_load: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    other: Mutex<Option<KeyAddress>>,
}

impl Keys<OnPurpose> {
    /// What every look for a key or an anchor comes to.
    pub fn trouble(&self, trouble: Option<WalletError>) {
        *self.way.trouble.lock().unwrap() = trouble;
    }

    /// Between the decision and the commit the key is read.
    pub fn on_load(&self, happens: impl FnOnce() + Send + 'static) {
        *self.way.on_load.lock().unwrap() = Some(Box::new(happens));
    }

    /// Hands out this key, whichever is asked for.
    pub fn hand_out(&self, other: Option<Address>) {
        *self.way.other.lock().unwrap() = other.map(KeyAddress::from);
    }
}

impl Way for OnPurpose {
    fn look(&self, _: KeyAddress) -> Result<(), WalletError> {
        self.trouble.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn handed_out(&self, address: KeyAddress) -> Result<KeyAddress, WalletError> {
        // Let go of first: what happens may read a key too.
        let happens = self.on_load.lock().unwrap().take();
        if let Some(happens) = happens {
            happens();
        }
        self.look(address)?;
        Ok(self.other.lock().unwrap().unwrap_or(address))
    }
}

/// What an answer comes down to.
#[track_caller]
pub fn is(answer: &Answer, outcome: Outcome, charged: Charged) {
    assert_eq!((answer.outcome, answer.charged), (outcome, charged), "{answer:#?}");
}

pub fn bought(answer: &Answer) {
    is(answer, Outcome::Answered, Charged::Yes);
    assert_eq!(answer.http.as_ref().unwrap().status, 200, "{answer:#?}");
}

/// The reason with this code, which must be there.
#[track_caller]
pub fn reason<'a>(answer: &'a Answer, code: &str) -> &'a Reason {
    let found = answer.reasons.iter().find(|reason| reason.code == code);
    found.unwrap_or_else(|| panic!("no reason `{code}` in {answer:#?}"))
}

/// Refused for this reason and no other, with nothing charged.
#[track_caller]
pub fn refused<'a>(answer: &'a Answer, code: &str) -> &'a Reason {
    is(answer, Outcome::Refused, Charged::No);
    assert_eq!(answer.reasons.len(), 1, "{answer:#?}");
    reason(answer, code)
}

pub fn state(answer: &Answer) -> (&str, &str) {
    let payment = answer.payment.as_ref().unwrap();
    (&payment.state, &payment.proof)
}

pub fn body(answer: &Answer) -> &str {
    &answer.body.as_ref().unwrap().body
}

/// A file beside the ledger's own, and those SQLite keeps with it.
pub fn ledger_files(home: &Home) -> Vec<PathBuf> {
    let main = home.ledger_file();
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", main.display()));
    vec![main.clone(), beside("-wal"), beside("-shm")]
}
