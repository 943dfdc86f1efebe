//! An agent that was turned: it says what it likes to the program, and gets no further than its owner's rules.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bursar::limits;
use sandbox::host::{Era, Host, HostOptions};
use sandbox::http::{Server, Wire, response};
use sandbox::sellers::Stall;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::TOOLS;
use tokio::sync::Semaphore;

use crate::raw::Raw;
use crate::scene::{self, OPEN, Random, Scene, buy, told};

const PRICE: u64 = 10_000;
const ARGUMENTS: [&str; 23] = [
    "server",
    "tool",
    "arguments",
    "url",
    "method",
    "headers",
    "body",
    "json",
    "max_price",
    "purchase_id",
    "buy_again",
    "max_chars",
    "network",
    "since",
    "until",
    "domain",
    "state",
    "limit",
    "cursor",
    "offset",
    "approve",
    "policy",
    "__proto__",
];

async fn market() -> Scene {
    let scene = Scene::open(vec![Stall::get("/plain", PRICE), Stall::post("/echo", PRICE)], OPEN).await;
    let neighbour = scene.host("neighbour").await;
    assert_eq!(buy(&neighbour, &scene.url("/plain")).await["charged"], "yes");
    scene
}

async fn turned(scene: &Scene) -> Raw {
    Raw::start(scene.command(&["serve", "--agent", "turned"]), json!({"name": "turned", "version": "1"})).await
}

/// What an agent must not change: the rules, the key, and everything in the ledger that was there before.
#[derive(Debug)]
struct Kept {
    files: BTreeMap<&'static str, String>,
    purchases: Vec<String>,
    history: Vec<String>,
    frozen: bool,
}

impl Kept {
    fn of(scene: &Scene) -> Kept {
        let files = ["policy.toml", "config.toml", "wallet.json"].map(|name| {
            let bytes = fs::read(scene.home().join(name)).expect("readable");
            (name, format!("{:x}", Sha256::digest(bytes)))
        });
        let ledger = rusqlite::Connection::open(scene.home().join("ledger.db")).expect("the ledger");
        let rows = |sql: &str| {
            let mut query = ledger.prepare(sql).expect("a query");
            let rows = query.query_map([], |row| row.get::<_, String>(0)).expect("rows");
            rows.map(|row| row.expect("a row")).collect::<Vec<String>>()
        };
        let frozen = ledger.query_row("SELECT frozen_why IS NOT NULL FROM ledger", [], |row| row.get(0));
        Kept {
            files: files.into(),
            purchases: rows(
                "SELECT row || agent || purchase_id || state || coalesce(hex(handle), '') || coalesce(usd, '') || url
                   FROM purchase WHERE agent = 'neighbour' OR handle IS NOT NULL ORDER BY row",
            ),
            history: rows("SELECT id || kind || detail || hex(hash) FROM event WHERE kind <> 'refused' ORDER BY id"),
            frozen: frozen.expect("a ledger"),
        }
    }

    /// Nothing of what was is missing or changed. Bursar itself may have found out more: that a payment is on chain.
    fn holds(&self, before: &Kept) {
        assert_eq!((&self.files, self.frozen), (&before.files, before.frozen));
        assert!(self.purchases.starts_with(&before.purchases), "{self:#?} {before:#?}");
        assert!(self.history.starts_with(&before.history), "{self:#?} {before:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_of_any_shape_are_answered_and_change_nothing() {
    let scene = market().await;
    let (before, hits) = (Kept::of(&scene), scene.sandbox.sellers.seen().len());
    let mut raw = turned(&scene).await;
    let mut random = Random::seeded();
    let mut took = Vec::new();
    let one_by_one = TOOLS.iter().flat_map(|tool| ARGUMENTS.map(|name| (*tool, name)));
    let mut cases: Vec<(&str, Value)> = Vec::new();
    for (tool, name) in one_by_one {
        cases.extend(values().into_iter().map(|value| (tool, json!({ name: value }))));
    }
    for _ in 0..500 {
        let tool = TOOLS[random.below(TOOLS.len() as u64) as usize];
        cases.push((tool, any_arguments(&mut random)));
    }
    for shape in [json!(null), json!([]), json!("url"), json!(7), json!(true)] {
        cases.extend(TOOLS.map(|tool| (tool, shape.clone())));
    }
    for (tool, arguments) in cases {
        let began = Instant::now();
        let reply = raw.tool(tool, arguments.clone()).await;
        if reply["result"]["isError"] == true || reply["error"].is_object() {
            took.push(began.elapsed());
        }
        let told = &reply["result"]["structuredContent"];
        let is_clear = told.is_object() || reply["error"]["message"].is_string();
        assert!(is_clear, "{tool} {arguments:.300}: {reply:.500}");
        assert!(told["charged"].is_null() || told["charged"] == "no", "{tool} {arguments:.300}: {reply:.500}");
    }
    took.sort();
    let (median, most, slowest) = (took[took.len() / 2], took[took.len() * 99 / 100], took[took.len() - 1]);
    println!("{} refusals: median {median:?}, 99 of 100 within {most:?}, slowest {slowest:?}", took.len());
    Kept::of(&scene).holds(&before);
    assert_eq!(scene.sandbox.sellers.seen().len(), hits, "nobody was asked");
    scene.audited().await;
}

/// Nothing that a tool could take for a URL of the market.
fn values() -> Vec<Value> {
    let deep = (0..60).fold(json!(0), |inside, _| json!([inside]));
    vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0.1),
        json!(u64::MAX),
        json!(1e308),
        json!(""),
        json!("\0"),
        json!("../../ledger.db"),
        json!("'; DROP TABLE purchase; --"),
        json!("a\r\nX-Payment: b"),
        json!("\u{202e}\u{e0041}\u{1b}[2J"),
        json!("https://10.0.0.1/"),
        json!("x".repeat(300_000)),
        json!("%".repeat(1_000)),
        json!([]),
        json!(["https://10.0.0.1/"]),
        json!({}),
        json!({"a": {"b": [1, 2, {"c": null}]}}),
        deep,
    ]
}

fn any_arguments(random: &mut Random) -> Value {
    let values = values();
    let count = random.below(6);
    let members = (0..count).map(|_| {
        let name = ARGUMENTS[random.below(ARGUMENTS.len() as u64) as usize];
        (name.to_owned(), values[random.below(values.len() as u64) as usize].clone())
    });
    Value::Object(members.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_cannot_be_read_is_answered_and_the_session_goes_on() {
    let scene = market().await;
    let mut raw = turned(&scene).await;
    let call = |id: usize, json: &str| {
        format!(
            r#"{{"method":"tools/call","params":{{"name":"fetch_paid","arguments":{{"url":"{}","json":{json}}}}},"jsonrpc":"2.0","id":{id}}}"#,
            scene.url("/echo")
        )
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let long = format!("\"{}\"", "x".repeat(17 * 1024 * 1024));
    let elsewhere = [&deep, "1e999", r#""\ud83d""#].map(|odd| format!("1,\"other\":{odd}"));
    let unreadable = ["NaN", "\"\u{0}\"", "nul", &long].into_iter().chain(elsewhere.iter().map(String::as_str));
    for (n, json) in unreadable.enumerate() {
        let id = 1_000 + n;
        raw.say(call(id, json).as_bytes()).await;
        let reply = raw.reply_to(&json!(id)).await;
        let message = reply["error"]["message"].as_str().unwrap_or_else(|| panic!("{reply:.300}"));
        assert!(message.contains("could not be read"), "{message}");
    }
    for (n, json) in [deep.as_str(), r#""\ud83d""#, r#"{"a":1,"\u0061":2}"#].into_iter().enumerate() {
        let id = 2_000 + n;
        raw.say(call(id, json).as_bytes()).await;
        let reply = raw.reply_to(&json!(id)).await;
        assert_eq!(reply["result"]["structuredContent"]["reasons"][0]["code"], "bad_body", "{reply:.300}");
    }
    raw.say(b"\xff\xfe").await;
    raw.say(b"{}").await;
    raw.say(b"[]").await;
    let listed = raw.request("tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"].as_array().map(Vec::len), Some(TOOLS.len()));
    assert_eq!(scene.sandbox.sellers.hits("/echo"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_header_breaks_out_of_its_line_or_speaks_for_bursar() {
    let scene = market().await;
    let before = scene.sandbox.sellers.seen().len();
    let mut raw = turned(&scene).await;
    let headers = [
        ("X-A", "a\r\nX-Payment: b"),
        ("X-A", "a\nHost: example.com"),
        ("X-A", "a\rb"),
        ("X-A", "a\0b"),
        ("X-A\r\nX-Payment", "b"),
        ("X-A: b\r\nX-Payment", "b"),
        ("X A", "b"),
        ("", "b"),
        (":authority", "example.com"),
        ("X-Ä", "b"),
        ("X-A", "ä"),
        ("X-A", "\u{1b}[2J"),
        ("Host", "example.com"),
        ("hOsT", "example.com"),
        ("Connection", "X-Payment"),
        ("Keep-Alive", "1"),
        ("TE", "trailers"),
        ("Trailer", "X-Payment"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "0"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ("Expect", "100-continue"),
        ("Accept-Encoding", "gzip"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Connection", "keep-alive"),
        ("X-PAYMENT", "e30="),
        ("x-payment-response", "e30="),
        ("Payment-Signature", "e30="),
        ("PAYMENT-REQUIRED", "e30="),
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/admin"),
        ("X-Forwarded-Host", "example.com"),
    ];
    for (name, value) in headers {
        for tool in ["fetch_paid", "quote"] {
            let reply = raw.tool(tool, json!({"url": scene.url("/plain"), "headers": {name: value}})).await;
            let told = &reply["result"]["structuredContent"];
            assert_eq!(told["reasons"][0]["code"], "bad_headers", "{name:?}: {value:?} {reply}");
        }
    }
    assert_eq!(scene.sandbox.sellers.seen().len(), before, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_known_methods_and_prices_are_taken() {
    let scene = market().await;
    let before = scene.sandbox.sellers.seen().len();
    let mut raw = turned(&scene).await;
    let url = scene.url("/plain");
    for method in ["CONNECT", "TRACE", "OPTIONS", "PROPFIND", "GET\r\nX: y", "GET /", "", "*", "G\0T"] {
        let reply = raw.tool("fetch_paid", json!({"url": url, "method": method})).await;
        let told = &reply["result"]["structuredContent"];
        assert_eq!((&told["outcome"], &told["charged"]), (&json!("refused"), &json!("no")), "{method:?}");
    }
    let prices = [
        "-1",
        "+1",
        "1e3",
        "1E-3",
        "0x10",
        "1,00",
        "1.0.0",
        "NaN",
        "inf",
        "Infinity",
        "١",
        "½",
        "1 000",
        "$1",
        "1$",
        ".",
        "",
        " ",
        "1.",
        "0.0000001",
        "99999999999999999999999999",
        "1\n2",
        "1\0",
    ];
    for price in prices {
        let reply = raw.tool("fetch_paid", json!({"url": url, "max_price": price})).await;
        let told = &reply["result"]["structuredContent"];
        let is_refused = told["outcome"] == "refused" && told["charged"] == "no";
        assert!(is_refused, "{price:?}: {reply}");
    }
    assert_eq!(scene.sandbox.sellers.seen().len(), before, "nobody was asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_agent_bought_is_as_if_it_were_not_there() {
    let scene = market().await;
    let theirs = scene.log().await[0]["purchase_id"].as_str().expect("an id").to_owned();
    let before = Kept::of(&scene);
    let mut raw = turned(&scene).await;
    let none = "pu_0000000000000000000";
    let url = scene.url("/plain");
    let asks =
        |id: &str| [("get_purchase", json!({"purchase_id": id})), ("fetch_paid", json!({"url": url, "buy_again": id}))];
    for ((tool, of_theirs), (_, of_nobodys)) in asks(&theirs).into_iter().zip(asks(none)) {
        let told = raw.tool(tool, of_theirs).await["result"]["structuredContent"].clone();
        let nothing = raw.tool(tool, of_nobodys).await["result"]["structuredContent"].clone();
        assert_eq!(told["reasons"][0]["code"], "no_such_purchase", "{told:#}");
        assert_eq!((&told["reasons"], &told["outcome"]), (&nothing["reasons"], &nothing["outcome"]));
    }
    let uri = |id: &str| json!({"uri": format!("bursar://purchase/{id}/body")});
    let (read, nothing) = (
        raw.request("resources/read", uri(&theirs)).await["error"].clone(),
        raw.request("resources/read", uri(none)).await["error"].clone(),
    );
    assert_eq!((read.is_object(), &read), (true, &nothing));
    for uri in ["bursar://purchase/../ledger.db/body", "bursar://purchase//body", "file:///etc/passwd", "bursar://"] {
        assert!(raw.request("resources/read", json!({"uri": uri})).await["error"].is_object(), "{uri}");
    }
    let listed = raw.tool("list_spend", json!({"domain": "%", "limit": 1_000})).await;
    let own = listed["result"]["structuredContent"]["purchases"].as_array().expect("a list");
    assert!(own.iter().all(|row| row["agent"] == "turned"), "{own:#?}");
    Kept::of(&scene).holds(&before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_another_agent_uses_is_a_purchase_of_ones_own() {
    let scene = market().await;
    let theirs = scene.log().await[0]["purchase_id"].as_str().expect("an id").to_owned();
    let turned = scene.host("turned").await;
    let answer = told(turned.tool("fetch_paid", json!({"url": scene.url("/plain"), "purchase_id": theirs})).await);
    assert_eq!((&answer["outcome"], &answer["charged"]), (&json!("answered"), &json!("yes")), "{answer:#}");
    assert_eq!((scene.presented().len(), scene.settlements(), scene.spent()), (2, 2, 2 * PRICE));
    scene.audited().await;
}

/// More than any host has a use for, at once.
const FLOOD: usize = 3_000;
/// What the program may take for it.
const MEMORY_KIB: u64 = 256 * 1024;

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_calls_at_once_are_all_answered_within_bounded_memory() {
    let scene = market().await;
    let (waiting, door) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (arrived, gate) = (waiting.clone(), door.clone());
    let slow = Server::start(0, move |_| {
        arrived.fetch_add(1, Ordering::SeqCst);
        let gate = gate.clone();
        async move {
            // Opened once, for all who wait and all who come.
            let _ = gate.acquire().await;
            Wire::Answer(response(200, "text/plain", "at last"))
        }
    });
    let slow = slow.await.expect("a seller");
    open_door(&scene, &slow.address.to_string());
    let before = Kept::of(&scene);
    let patient = HostOptions { patience: Duration::from_secs(120), ..Era::Initialize.into() };
    let host = scene.host_in(patient, "turned").await;
    let body = "x".repeat(20_000);
    let began = Instant::now();
    let calls: Vec<_> = (0..FLOOD)
        .map(|n| host.begin_tool("fetch_paid", json!({"url": format!("{}/{n}", slow.url()), "body": body})))
        .collect();
    // Whoever is turned away is told at once, while the others wait for the seller.
    let told = tokio::spawn(async move {
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.result().await.expect("an answer"));
        }
        answers
    });
    scene::until("as many to wait as may", || waiting.load(Ordering::SeqCst) >= limits::CALLS_AT_ONCE).await;
    door.add_permits(1);
    let answers = told.await.expect("all of them");
    let peak = peak_kib(&host);
    let word = |answer: &Value, name: &str| answer["structuredContent"][name].as_str().unwrap_or_default().to_owned();
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for answer in &answers {
        let code = answer["structuredContent"]["reasons"][0]["code"].as_str().unwrap_or_default();
        *counted.entry(format!("{} {code}", word(answer, "outcome"))).or_default() += 1;
        assert_eq!(word(answer, "charged"), "no");
    }
    println!("{FLOOD} calls in {:?}: {counted:?}; peak {} MiB", began.elapsed(), peak / 1024);
    assert_eq!(counted.values().sum::<usize>(), FLOOD);
    assert!(counted.contains_key("answered ") && counted.contains_key("refused too_many_calls"), "{counted:?}");
    assert!(peak < MEMORY_KIB, "{peak} KiB");
    let after = buy(&host, &scene.url("/plain")).await;
    assert_eq!((&after["outcome"], &after["charged"]), (&json!("answered"), &json!("yes")), "{after:#}");
    Kept::of(&scene).holds(&before);
    scene.audited().await;
}

/// How much memory the program had at most.
#[cfg(target_os = "linux")]
fn peak_kib(host: &Host) -> u64 {
    let status = format!("/proc/{}/status", host.pid().expect("it runs"));
    let status = fs::read_to_string(status).expect("readable");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// What only the owner can do: opens one more address.
pub fn open_door(scene: &Scene, address: &str) {
    let path = scene.home().join("policy.toml");
    let policy = fs::read_to_string(&path).expect("a policy");
    let opened = policy.replace("[egress]\nallow = [", &format!("[egress]\nallow = [\"{address}\", "));
    assert_ne!(policy, opened, "the policy has another shape");
    bursar::config::write_private(&path, opened.as_bytes()).expect("written");
}
