//! Every tool, over the binary, in both eras: what it answers is what the table of tools says.

use base64::{Engine, engine::general_purpose::STANDARD};
use sandbox::host::{Era, Host, HostError};
use sandbox::sellers::{Behaviour, Dialect, Stall, Way, stall};
use serde_json::{Value, json};

use crate::scene::{OPEN, Scene, buy, told, words};
use crate::shape::holds;

const PRICE: u64 = 10_000;
const BIG: usize = 9_000;
const BLOB: usize = 5_000;

const REASON: &str = "
    code: string
    rule: string
    message: string
    limit_usd?: usd
    used_usd?: usd
    who_can_fix: owner|time|agent";
const HTTP: &str = "
    status: whole
    content_type?: string
    final_url: string";
const BODY: &str = "
    body?: string
    body_source?: string
    body_encoding?: text|base64|none
    body_bytes?: whole
    truncated?: flag";
const FETCH_PAID: &str = "
    outcome: answered|pending|needs_approval|refused|held|failed
    charged: no|yes|unknown
    purchase_id?: string
    http?: object
    served_from_store: flag
    age_s: whole
    payment?: object
    budget_left_usd?: object
    reasons: list
    next: string";
const PAYMENT: &str = "
    amount_usd: usd
    amount_atomic: atomic
    asset: USDC
    network: eip155:84532
    payee: string
    dialect: x402v1|x402v2|mpp
    scheme: exact|upto
    state: authorized|settled|held|lapsed
    chain_tx?: string
    proof: seller|chain|none";
const LEFT: &str = "
    session: usd|null
    domain: usd|null
    day: usd|null";
const QUOTE: &str = "
    payable: flag
    http?: object
    offers: list
    chosen?: whole
    seller?: object
    budget_left_usd?: object
    reasons: list
    next: string
    failed: flag";
const OFFER: &str = "
    dialect: x402v1|x402v2|mpp
    scheme: exact|upto
    network: eip155:84532
    asset: USDC
    amount_usd?: usd
    amount_atomic: atomic
    payee: string
    verdict: allow|ask|refuse|unpayable
    reasons: list";
const GET_BALANCE: &str = "
    address: string
    balances: list
    spendable_usd: usd
    as_of: moment
    problems: list";
const BALANCE: &str = "
    network: eip155:84532
    asset: USDC
    amount: string
    amount_atomic: atomic
    usd: usd";
const GET_BUDGET: &str = "
    budgets: list
    frozen: flag
    change_not_applied: flag";
const BUDGET: &str = "
    scope: string
    window: payment|hour|day|month|session
    limit_usd: usd
    used_usd: usd
    held_usd: usd
    left_usd: usd
    frees_at?: moment";
const LIST_SPEND: &str = "
    purchases: list
    totals: object
    next_cursor?: string";
const TOTALS: &str = "
    count: whole
    settled_usd: usd
    held_usd: usd";
const ROW: &str = "
    purchase_id: string
    at: moment
    agent: string
    session: string|null
    method: string
    url: string
    domain: string
    state: free|needs_approval|denied|expired|refused|authorized|settled|held|lapsed
    delivered: flag
    http_status: whole|null
    goods: fine|empty|error_page|other_type|null
    amount_usd: usd|null
    amount_atomic: atomic|null
    asset: USDC|null
    network: eip155:84532|null
    payee: string|null
    dialect: x402v1|x402v2|mpp|null
    scheme: exact|upto|null
    chain_tx: string|null
    proof: none|seller|seen|chain|null
    reasons: list";
const GET_PURCHASE: &str = "
    next_offset?: whole
    receipt?: object
    events: list";
const EVENT: &str = "
    at: moment
    kind: string
    detail: object";

async fn market() -> Scene {
    let stalls = vec![
        Stall::free("/free"),
        Stall::get("/plain", PRICE),
        Stall { dialect: Dialect::V1, ways: vec![Way::Eip3009], ..Stall::get("/v1", PRICE) },
        Stall::post("/echo", PRICE),
        Stall { handler: stall::big_body(BIG), ..Stall::get("/big", PRICE) },
        Stall { handler: stall::binary(BLOB), ..Stall::get("/blob", PRICE) },
        Stall::get("/dear", 500_000),
        Stall::get("/yacht", 900_000_000),
        Stall::that(Behaviour::RefuseAlways, "/refuses", PRICE),
        Stall::that(Behaviour::DropAfterSettling, "/drops", PRICE),
    ];
    let rules = OPEN
        .replacen("per_payment = \"none\"", "per_payment = \"1.00\"", 1)
        .replacen("per_day = \"none\"", "per_day = \"5.00\"", 1)
        .replacen("above = \"none\"", "above = \"0.10\"", 1);
    Scene::open(stalls, &rules).await
}

/// Runs a test in both eras, each in a scene of its own.
macro_rules! in_both_eras {
    ($($name:ident)*) => {
        $(mod $name {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn with_initialize() {
                let scene = market().await;
                super::$name(&scene, scene.host_in(Era::Initialize, "a1").await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn stateless() {
                let scene = market().await;
                super::$name(&scene, scene.host_in(Era::Stateless, "a1").await).await;
            }
        })*
    };
}

in_both_eras! {
    all_tools_are_listed
    fetch_paid_answers_in_its_words
    quotes_tell_every_offer_and_pay_nothing
    balances_and_budgets_follow_what_is_spent
    an_agent_reads_its_own_log_and_nobody_elses
    a_long_body_is_read_page_by_page
    a_body_that_is_no_text_is_linked_and_read_as_base64
    what_is_wrong_with_a_call_is_said_and_nothing_is_asked
}

async fn all_tools_are_listed(_: &Scene, host: Host) {
    let tools = host.call("tools/list", json!({})).await.expect("tools")["tools"].clone();
    let names: Vec<&str> = all(&tools).map(|tool| tool["name"].as_str().expect("a name")).collect();
    assert_eq!(names, testkit::TOOLS);
    let said = |tool: &Value| ["name", "description", "inputSchema"].map(|part| tool[part].to_string().len());
    let size: usize = all(&tools).flat_map(said).sum();
    assert!(size <= 7 * 1024, "the tools take {size} bytes");
    for tool in all(&tools) {
        assert_eq!(tool["outputSchema"]["type"], "object", "{tool:#}");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool:#}");
        let reads = tool["annotations"]["readOnlyHint"] == true;
        assert_eq!(
            reads,
            !["fetch_paid", "quote", "call_paid_tool"].contains(&tool["name"].as_str().unwrap()),
            "{tool:#}"
        );
    }
}

async fn fetch_paid_answers_in_its_words(scene: &Scene, host: Host) {
    // Path, outcome, charged, state of the payment, code of the reason.
    let table = [
        ("/free", "answered", "no", None, None),
        ("/plain", "answered", "yes", Some("settled"), None),
        ("/v1", "answered", "yes", Some("settled"), None),
        ("/dear", "needs_approval", "no", None, Some("above_approval")),
        ("/yacht", "refused", "no", None, Some("over_payment")),
        ("/refuses", "held", "unknown", Some("held"), Some("outcome_unknown")),
        ("/drops", "held", "unknown", Some("held"), Some("seller_broke_off")),
        ("/nowhere", "answered", "no", None, None),
    ];
    for (path, outcome, charged, state, code) in table {
        let answer = host.tool("fetch_paid", json!({"url": scene.url(path)})).await.expect("an answer");
        let told = told_of_fetch(&answer);
        assert_eq!((told["outcome"].as_str(), told["charged"].as_str()), (Some(outcome), Some(charged)), "{told:#}");
        assert_eq!(told["payment"]["state"].as_str(), state, "{told:#}");
        let codes: Vec<&str> = all(&told["reasons"]).filter_map(|reason| reason["code"].as_str()).collect();
        assert!(code.map_or(codes.is_empty(), |code| codes.contains(&code)), "{path}: {codes:?}");
        assert_eq!(answer["isError"], ["refused", "held", "failed"].contains(&outcome), "{path}");
        assert!(words(&answer).starts_with(outcome), "{}", words(&answer));
        assert!(!words(&answer).contains("bursar approve"), "the agent is given the owner's command");
    }
    let posted = told(host.tool("fetch_paid", json!({"url": scene.url("/echo"), "json": {"b": 1, "a": [2]}})).await);
    assert_eq!(posted["body"], r#"{"a":[2],"b":1}"#);
    let unreachable = host.tool("fetch_paid", json!({"url": "https://127.0.0.1:9/"})).await.expect("an answer");
    assert_eq!(told_of_fetch(&unreachable)["outcome"], "refused", "a private address is out of reach");
    scene.audited().await;
}

async fn quotes_tell_every_offer_and_pay_nothing(scene: &Scene, host: Host) {
    for (path, payable, verdict) in [
        ("/plain", true, Some("allow")),
        ("/v1", true, Some("allow")),
        ("/dear", false, Some("ask")),
        ("/yacht", false, Some("refuse")),
        ("/free", false, None),
    ] {
        let quote = told(host.tool("quote", json!({"url": scene.url(path)})).await);
        holds(&quote, &[QUOTE, BODY].concat());
        all(&quote["offers"]).for_each(|offer| holds(offer, OFFER));
        all(&quote["offers"]).flat_map(|offer| all(&offer["reasons"])).for_each(|reason| holds(reason, REASON));
        if quote["budget_left_usd"].is_object() {
            holds(&quote["budget_left_usd"], LEFT);
        }
        let verdicts: Vec<&str> = all(&quote["offers"]).filter_map(|offer| offer["verdict"].as_str()).collect();
        assert_eq!((verdicts, quote["failed"].as_bool()), (verdict.into_iter().collect(), Some(false)), "{quote:#}");
        assert_eq!(quote["payable"], payable, "{quote:#}");
        let is_within_rules = matches!(verdict, Some("allow" | "ask"));
        assert_eq!(quote["chosen"].as_u64(), is_within_rules.then_some(0), "{quote:#}");
    }
    assert_eq!((scene.presented().len(), scene.spent(), scene.nonces().len()), (0, 0, 0));
}

async fn balances_and_budgets_follow_what_is_spent(scene: &Scene, host: Host) {
    buy(&host, &scene.url("/plain")).await;
    buy(&host, &scene.url("/refuses")).await;
    let balance = told(host.tool("get_balance", json!({})).await);
    holds(&balance, GET_BALANCE);
    all(&balance["balances"]).for_each(|balance| holds(balance, BALANCE));
    assert_eq!(balance["address"], scene.wallet.to_checksum(None));
    assert_eq!(balance["balances"][0]["amount_atomic"], (100_000_000 - PRICE).to_string());
    assert_eq!((&balance["spendable_usd"], &balance["problems"]), (&json!("4.98"), &json!([])));
    let elsewhere = told(host.tool("get_balance", json!({"network": "eip155:1"})).await);
    assert_eq!(elsewhere["reasons"][0]["code"], "unknown_network");

    for arguments in [json!({}), json!({"url": scene.url("/plain")})] {
        let budget = told(host.tool("get_budget", arguments).await);
        holds(&budget, GET_BUDGET);
        all(&budget["budgets"]).for_each(|budget| holds(budget, BUDGET));
        assert_eq!(budget["frozen"], false);
        let day = all(&budget["budgets"]).find(|cap| cap["scope"] == "wallet" && cap["window"] == "day");
        let day = day.expect("the wallet's day");
        let sums = ["limit_usd", "used_usd", "held_usd", "left_usd"].map(|name| day[name].as_str().expect("dollars"));
        assert_eq!(sums, ["5.00", "0.02", "0.01", "4.98"]);
        assert!(day["frees_at"].is_string());
    }
}

async fn an_agent_reads_its_own_log_and_nobody_elses(scene: &Scene, host: Host) {
    let other = scene.host("a2").await;
    let theirs = buy(&other, &scene.url("/plain?key=hunter2")).await;
    let mut ours = Vec::new();
    for path in ["/plain?key=hunter2", "/free?key=hunter2", "/yacht", "/dear", "/refuses"] {
        let answer = buy(&host, &scene.url(path)).await;
        ours.push(answer["purchase_id"].as_str().expect("an id").to_owned());
    }
    let spend = told(host.tool("list_spend", json!({})).await);
    holds(&spend, LIST_SPEND);
    holds(&spend["totals"], TOTALS);
    all(&spend["purchases"]).for_each(|row| holds(row, ROW));
    all(&spend["purchases"]).flat_map(|row| all(&row["reasons"])).for_each(|reason| holds(reason, REASON));
    let listed: Vec<&str> = all(&spend["purchases"]).filter_map(|row| row["purchase_id"].as_str()).collect();
    assert!(listed.iter().rev().eq(ours.iter()), "newest first: {listed:?}, bought {ours:?}");
    let states: Vec<&str> = all(&spend["purchases"]).filter_map(|row| row["state"].as_str()).collect();
    assert_eq!(states, ["held", "needs_approval", "refused", "free", "settled"]);
    assert_eq!(spend["totals"], json!({"count": 5, "settled_usd": "0.01", "held_usd": "0.01"}));
    assert!(!spend.to_string().contains("hunter2"), "{spend:#}");

    let first = told(host.tool("list_spend", json!({"limit": 2})).await);
    let rest = told(host.tool("list_spend", json!({"limit": 9, "cursor": first["next_cursor"]})).await);
    let both: Vec<&Value> = all(&first["purchases"]).chain(all(&rest["purchases"])).collect();
    assert!(both.into_iter().eq(all(&spend["purchases"])), "pages leave nothing out");
    assert_eq!(rest.get("next_cursor"), None);
    let held = told(host.tool("list_spend", json!({"state": "held", "since": "1h", "domain": "127.0.0.1"})).await);
    assert_eq!((all(&held["purchases"]).count(), &held["totals"]["count"]), (1, &json!(1)));

    let bought = host.tool("get_purchase", json!({"purchase_id": ours[0]})).await.expect("an answer");
    let purchase = &bought["structuredContent"];
    holds(purchase, &[ROW, BODY, GET_PURCHASE].concat());
    all(&purchase["events"]).for_each(|event| holds(event, EVENT));
    let kinds: Vec<&str> = all(&purchase["events"]).filter_map(|event| event["kind"].as_str()).collect();
    assert_eq!(&kinds[..2], ["authorized", "closed"]);
    assert_eq!((&purchase["body"], &purchase["receipt"]["success"]), (&json!("{\"goods\":\"/plain\"}"), &json!(true)));
    assert!(!bought.to_string().contains("hunter2"), "{bought:#}");

    let refused = host.tool("get_purchase", json!({"purchase_id": theirs["purchase_id"]})).await.expect("an answer");
    assert_eq!(refused["isError"], true);
    assert_eq!(refused["structuredContent"]["reasons"][0]["code"], "no_such_purchase");
    let uri = format!("bursar://purchase/{}/body", theirs["purchase_id"].as_str().expect("an id"));
    assert!(host.call("resources/read", json!({"uri": uri})).await.is_err(), "another agent's goods");
}

async fn a_long_body_is_read_page_by_page(scene: &Scene, host: Host) {
    let whole: String = "lorem ipsum ".chars().cycle().take(BIG).collect();
    let answer =
        host.tool("fetch_paid", json!({"url": scene.url("/big"), "max_chars": 1_000})).await.expect("an answer");
    let told_of = told_of_fetch(&answer);
    assert_eq!((&told_of["truncated"], &told_of["body_bytes"]), (&json!(true), &json!(BIG)));
    let begun = told_of["body"].as_str().expect("text");
    assert!(whole.starts_with(begun) && begun.len() <= 1_000, "{}", begun.len());
    assert_eq!(words(&answer).lines().last(), Some(begun), "the seller's words stand last");

    let id = told_of["purchase_id"].as_str().expect("an id");
    let (mut read, mut offset) = (String::new(), Some(0));
    while let Some(from) = offset {
        let page =
            told(host.tool("get_purchase", json!({"purchase_id": id, "offset": from, "max_chars": 2_000})).await);
        holds(&page, &[ROW, BODY, GET_PURCHASE].concat());
        read.push_str(page["body"].as_str().expect("text"));
        offset = page["next_offset"].as_u64();
        assert_eq!(page["truncated"], offset.is_some(), "{page:#}");
    }
    assert_eq!(read, whole);
    assert_eq!((scene.presented().len(), scene.spent()), (1, PRICE));
}

async fn a_body_that_is_no_text_is_linked_and_read_as_base64(scene: &Scene, host: Host) {
    let whole: Vec<u8> = (0..=u8::MAX).cycle().take(BLOB).collect();
    let answer = host.tool("fetch_paid", json!({"url": scene.url("/blob")})).await.expect("an answer");
    let told_of = told_of_fetch(&answer);
    assert_eq!((&told_of["body_encoding"], &told_of["body_bytes"]), (&json!("none"), &json!(BLOB)), "{told_of:#}");
    let id = told_of["purchase_id"].as_str().expect("an id");
    let link = all(&answer["content"]).find(|item| item["type"] == "resource_link").expect("a link");
    assert_eq!(link["uri"], format!("bursar://purchase/{id}/body"));
    let read = host.call("resources/read", json!({"uri": link["uri"]})).await.expect("the body");
    let blob = read["contents"][0]["blob"].as_str().expect("a blob");
    assert_eq!(STANDARD.decode(blob).expect("base64"), whole);

    let (mut read, mut offset) = (Vec::new(), Some(0));
    while let Some(from) = offset {
        let page =
            told(host.tool("get_purchase", json!({"purchase_id": id, "offset": from, "max_chars": 3_000})).await);
        assert_eq!(page["body_encoding"], "base64");
        read.extend(STANDARD.decode(page["body"].as_str().expect("text")).expect("base64"));
        offset = page["next_offset"].as_u64();
    }
    assert_eq!(read, whole);
}

async fn what_is_wrong_with_a_call_is_said_and_nothing_is_asked(scene: &Scene, host: Host) {
    let url = scene.url("/plain");
    let wrong = [
        ("fetch_paid", json!({}), "bad_arguments"),
        ("fetch_paid", json!({"url": url, "max_price_usd": "1"}), "bad_arguments"),
        ("fetch_paid", json!({"url": url, "max_price": 1}), "bad_arguments"),
        ("fetch_paid", json!({"url": url, "max_price": "a lot"}), "bad_max_price"),
        ("fetch_paid", json!({"url": url, "method": "BREW"}), "bad_arguments"),
        ("fetch_paid", json!({"url": url, "body": "a", "json": 1}), "bad_body"),
        ("fetch_paid", json!({"url": url, "purchase_id": "a b"}), "bad_purchase_id"),
        ("fetch_paid", json!({"url": url, "headers": {"x-payment": "e30="}}), "bad_headers"),
        ("fetch_paid", json!({"url": url, "headers": {"host": "example.com"}}), "bad_headers"),
        ("fetch_paid", json!({"url": "/plain"}), "bad_url"),
        ("fetch_paid", json!({"url": "file:///etc/passwd"}), "bad_url"),
        ("fetch_paid", json!({"url": url, "buy_again": "pu_none"}), "no_such_purchase"),
        ("quote", json!({"url": 7}), "bad_arguments"),
        ("get_budget", json!({"url": "nowhere"}), "bad_url"),
        ("list_spend", json!({"state": "lost"}), "bad_arguments"),
        ("list_spend", json!({"since": "yesterday"}), "bad_time"),
        ("list_spend", json!({"cursor": "x"}), "bad_cursor"),
        ("get_purchase", json!({"purchase_id": "pu_none"}), "no_such_purchase"),
        ("list_paid_tools", json!({}), "bad_arguments"),
        ("list_paid_tools", json!({"server": "nowhere"}), "egress_forbidden"),
        ("call_paid_tool", json!({"server": "https://a.example/"}), "bad_arguments"),
        ("call_paid_tool", json!({"server": "a.example", "tool": "", "arguments": []}), "bad_server"),
        ("find_paid", json!({}), "bad_arguments"),
        ("find_paid", json!({"query": "weather", "kind": "page"}), "bad_arguments"),
        ("find_paid", json!({"query": "weather", "limit": "10"}), "bad_arguments"),
        ("find_paid", json!({"query": "weather", "limit": 51}), "bad_limit"),
        ("find_paid", json!({"query": "?!"}), "bad_query"),
        ("find_paid", json!({"query": "weather", "max_price": "a lot"}), "bad_max_price"),
    ];
    for (tool, arguments, code) in wrong {
        let answer = host.tool(tool, arguments.clone()).await.expect("an answer");
        let told = &answer["structuredContent"];
        assert_eq!(
            (&answer["isError"], &told["reasons"][0]["code"]),
            (&json!(true), &json!(code)),
            "{arguments}: {told:#}"
        );
        all(&told["reasons"]).for_each(|reason| holds(reason, REASON));
        assert!(tool == "quote" || told["charged"] == "no", "{told:#}");
    }
    let unknown = host.tool("transfer", json!({})).await;
    assert!(matches!(unknown, Err(HostError::Answered { code: -32602, .. })), "{unknown:?}");
    assert!(host.call("bursar/approve", json!({})).await.is_err());
    assert_eq!((scene.sandbox.sellers.hits("/plain"), scene.nonces().len()), (0, 0));
    assert_eq!(host.noise(), Vec::<String>::new());
}

/// An answer of `fetch_paid`, held to the table.
fn told_of_fetch(answer: &Value) -> Value {
    let told = answer["structuredContent"].clone();
    holds(&told, &[FETCH_PAID, BODY].concat());
    all(&told["reasons"]).for_each(|reason| holds(reason, REASON));
    for (name, fields) in [("http", HTTP), ("payment", PAYMENT), ("budget_left_usd", LEFT)] {
        if let Some(part) = told.get(name) {
            holds(part, fields);
        }
    }
    if told.get("body").is_some() {
        assert_eq!(told["body_source"], "127.0.0.1 (untrusted)");
    }
    told
}

fn all(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
