//! Many processes, one ledger, one cap: exactly what it affords, neither more nor less.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use sandbox::host::Host;
use sandbox::sellers::Stall;
use serde_json::{Value, json};

use crate::scene::{OPEN, Random, Scene, buy, told};

/// A tenth of a cent.
const PRICE: u64 = 1_000;
/// What one agent asks for at a time.
const AT_ONCE: usize = 16;
/// Of so many purchases one is followed by a kill, and how soon.
const ONE_KILL_IN: u64 = 3;
const SOON: Duration = Duration::from_millis(60);

#[derive(Clone, Copy)]
struct Crowd {
    processes: usize,
    wishes_each: usize,
    afforded: usize,
}

impl Crowd {
    fn wishes(self) -> usize {
        self.processes * self.wishes_each
    }

    /// A market, and a day's cap worth exactly what is afforded.
    async fn scene(self) -> Arc<Scene> {
        let cap = format!("per_day = \"{}.{:03}\"", self.afforded / 1_000, self.afforded % 1_000);
        let rules = OPEN.replacen("per_day = \"none\"", &cap, 1);
        Arc::new(Scene::open(vec![Stall::get("/p", PRICE)], &rules).await)
    }

    async fn spent_exactly(self, scene: &Scene) {
        assert_eq!(scene.settlements(), self.afforded);
        assert_eq!(scene.spent(), self.afforded as u64 * PRICE);
        let audit = scene.audited().await;
        assert_eq!(audit["authorizations"], self.afforded);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_that_want_3200_things_get_exactly_the_thousand_the_cap_affords() {
    exactly_the_cap(Crowd { processes: 8, wishes_each: 400, afforded: 1_000 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_processes_get_exactly_what_the_cap_affords() {
    exactly_the_cap(Crowd { processes: 32, wishes_each: 40, afforded: 500 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_killed_again_and_again_get_exactly_what_the_cap_affords() {
    exactly_the_cap_under_kills(Crowd { processes: 8, wishes_each: 40, afforded: 120 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_two_processes_killed_again_and_again_get_exactly_what_the_cap_affords() {
    exactly_the_cap_under_kills(Crowd { processes: 32, wishes_each: 10, afforded: 120 }).await;
}

async fn exactly_the_cap(crowd: Crowd) {
    let scene = crowd.scene().await;
    let began = Instant::now();
    let agents = (0..crowd.processes).map(|n| tokio::spawn(agent(scene.clone(), n, crowd.wishes_each)));
    let counted =
        count(futures_util::future::join_all(agents).await.into_iter().flat_map(|done| done.expect("no panic")));
    println!("{} calls in {:?}: {counted:?}", crowd.wishes(), began.elapsed());
    let expected = [("answered, charged yes", crowd.afforded), ("refused: over_day", crowd.wishes() - crowd.afforded)];
    assert_eq!(counted, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
    crowd.spent_exactly(&scene).await;
    println!(
        "bar: {} processes on one cap | {} calls, {} afforded | 0 violations",
        crowd.processes,
        crowd.wishes(),
        crowd.afforded
    );
}

/// Asks for its own things, some at a time.
async fn agent(scene: Arc<Scene>, n: usize, wishes: usize) -> Vec<String> {
    let host = scene.host(&format!("a{n}")).await;
    let wishes = (0..wishes).map(|wish| {
        let (host, url): (&Host, String) = (&host, scene.url(&format!("/p?agent={n}&wish={wish}")));
        async move { bought_or_refused(host, &url).await }
    });
    let outcomes = futures_util::stream::iter(wishes).buffer_unordered(AT_ONCE).collect().await;
    assert_eq!(host.noise(), Vec::<String>::new());
    outcomes
}

/// A crowded machine may be too slow to read a key in time: that is a refusal, costs nothing, and is asked again.
async fn bought_or_refused(host: &Host, url: &str) -> String {
    const TRIES: usize = 20;
    let mut answer = Value::Null;
    for _ in 0..TRIES {
        answer = buy(host, url).await;
        if is_final(&answer) {
            break;
        }
    }
    in_short(&answer)
}

async fn exactly_the_cap_under_kills(crowd: Crowd) {
    let scene = crowd.scene().await;
    let killer =
        Arc::new(Killer { random: Mutex::new(Random::seeded()), hosts: Mutex::default(), kills: AtomicUsize::new(0) });
    let agent = |n| Stubborn { scene: scene.clone(), killer: killer.clone(), n, host: None };
    let agents: Vec<_> = (0..crowd.processes).map(|n| tokio::spawn(agent(n).wants(crowd.wishes_each))).collect();
    let outcomes = futures_util::future::join_all(agents).await.into_iter().flat_map(|done| done.expect("no panic"));
    println!("{:?}", count(outcomes));
    let kills = killer.kills.load(Ordering::Relaxed);
    assert!(kills > crowd.wishes() / ONE_KILL_IN as usize / 2, "{kills} kills are none");
    crowd.spent_exactly(&scene).await;
    println!(
        "bar: {} processes on one cap, killed | {kills} kills, {} calls, {} afforded | 0 violations",
        crowd.processes,
        crowd.wishes(),
        crowd.afforded
    );
}

/// Kills somebody, it may be anybody, soon after something was bought.
struct Killer {
    random: Mutex<Random>,
    hosts: Mutex<BTreeMap<usize, Arc<Host>>>,
    kills: AtomicUsize,
}

impl Killer {
    fn one_was_bought(self: &Arc<Self>) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        let soon = Duration::from_micros(random.below(SOON.as_micros() as u64));
        let (strikes, nth) = (random.below(ONE_KILL_IN) == 0, random.below(1 << 20) as usize);
        if strikes {
            let killer = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(soon).await;
                let hosts = killer.hosts();
                if let Some(host) = hosts.values().nth(nth % hosts.len().max(1)) {
                    host.kill();
                    killer.kills.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    }

    fn hosts(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Arc<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An agent that asks for a thing until it is bought or refused for good, in a new process whenever one was killed.
struct Stubborn {
    scene: Arc<Scene>,
    killer: Arc<Killer>,
    n: usize,
    host: Option<Arc<Host>>,
}

impl Stubborn {
    async fn wants(mut self, wishes: usize) -> Vec<String> {
        let mut outcomes = Vec::new();
        for wish in 0..wishes {
            let url = self.scene.url(&format!("/p?agent={}&wish={wish}", self.n));
            outcomes.push(self.wants_one(json!({"url": url, "purchase_id": format!("w-{wish}")})).await);
            self.killer.one_was_bought();
        }
        self.killer.hosts().remove(&self.n);
        outcomes
    }

    async fn wants_one(&mut self, wish: Value) -> String {
        loop {
            let host = self.host().await;
            match host.tool("fetch_paid", wish.clone()).await {
                Ok(answer) if is_final(&told(Ok(answer.clone()))) => return in_short(&told(Ok(answer))),
                Ok(_) => {}
                Err(_) => {
                    self.killer.hosts().remove(&self.n);
                    self.host = None;
                }
            }
        }
    }

    async fn host(&mut self) -> Arc<Host> {
        if let Some(alive) = &self.host {
            return alive.clone();
        }
        let host = Arc::new(self.scene.host(&format!("a{}", self.n)).await);
        self.killer.hosts().insert(self.n, host.clone());
        self.host.insert(host).clone()
    }
}

/// Bought, however that is told; or refused by the cap.
fn is_final(answer: &Value) -> bool {
    match answer["outcome"].as_str() {
        Some("answered") => true,
        Some("refused") => answer["reasons"][0]["code"] == "over_day",
        // The money moved while a process died: that is known now, and was afforded.
        Some("failed") => answer["charged"] == "yes",
        _ => false,
    }
}

fn count(outcomes: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    outcomes.for_each(|outcome| *counted.entry(outcome).or_default() += 1);
    counted
}

fn in_short(answer: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let codes: Vec<String> = answer["reasons"].as_array().into_iter().flatten().map(|r| word(&r["code"])).collect();
    match codes.is_empty() {
        true => format!("{}, charged {}", word(&answer["outcome"]), word(&answer["charged"])),
        false => format!("{}: {}", word(&answer["outcome"]), codes.join(", ")),
    }
}
