//! What an agent is told of what is for sale: verdicts, order, history, and what a directory in trouble costs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bursar::answer::{FindQuery, FoundKind, Outcome};
use bursar::chain::Rpc;
use bursar::config::Home;
use bursar::directory::WebDirectories;
use bursar::house::{House, Ports};
use bursar::listing::{DirectoryKind, PriceNote};
use bursar::money::Assets;
use bursar::seller::Sellers;
use bursar::time::{Clock, Time};
use sandbox::chain::NETWORK;
use sandbox::sellers::Stall;
use serde_json::json;
use testkit::scene::{self, AGENT, CENT, Scene, jump};

use crate::market::{RESOURCES, SEARCH, Shelf, find, item, named, names, said, searched, tool, words};

/// A market with one stall, and a Bazaar.
async fn scene_with(shelf: &Shelf) -> Scene {
    scene::market([stall()]).directories(&[shelf.as_a(DirectoryKind::Bazaar)]).open().await
}

fn stall() -> Stall {
    Stall::get("/weather", CENT)
}

#[tokio::test]
async fn every_result_says_what_the_policy_would_say_today() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let mut elsewhere = item("https://a.example/", "Elsewhere", "10000");
    elsewhere["accepts"][0]["network"] = json!("eip155:8453");
    elsewhere["accepts"][0]["asset"] = json!("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
    let mut unknown = item("https://b.example/", "Unknown", "10000");
    unknown["accepts"][0]["asset"] = json!("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02914");
    let mut priceless = item("https://c.example/", "Priceless", "1");
    priceless["accepts"] = json!([]);
    let mut upto = item("https://d.example/", "Upto", "10000");
    upto["accepts"][0]["scheme"] = json!("escrow");
    shelf.put(
        SEARCH,
        &searched(&[
            item(&scene.url("/weather"), "Cheap", "10000"),
            item("https://ask.example/", "Asks", "200000"),
            item("https://dear.example/", "Dear", "3000000"),
            elsewhere,
            unknown,
            priceless,
            upto,
        ]),
    );
    let found = find(&scene, words("weather")).await;
    let said = |name| said(named(&found, name));
    assert_eq!(said("Cheap"), "allow");
    assert_eq!(said("Asks"), "ask above_approval");
    assert!(said("Dear").starts_with("refuse ") && said("Dear").contains("over_payment"), "{}", said("Dear"));
    assert!(said("Elsewhere").contains("network_not_allowed"), "{}", said("Elsewhere"));
    assert_eq!(said("Unknown"), "unpayable unknown_asset");
    assert_eq!(said("Priceless"), "unknown price_unknown");
    assert_eq!(said("Upto"), "unpayable scheme_not_supported");
    let payable: Vec<&str> =
        found.results.iter().filter(|thing| thing.payable).map(|thing| thing.name.as_str()).collect();
    assert_eq!(payable, ["Cheap", "Asks", "Dear"]);
    let cheap = named(&found, "Cheap");
    assert_eq!(cheap.price_usd.unwrap().to_string(), "0.01");
    assert_eq!((cheap.amount_atomic.as_deref(), cheap.network.as_deref()), (Some("10000"), Some(NETWORK)));
    assert_eq!(named(&found, "Unknown").price_usd, None, "base units of an unknown asset are no dollars");
    assert_eq!(scene.payments().len(), 0);
    scene.end().await;
}

#[tokio::test]
async fn what_was_paid_at_a_place_and_came_of_it_is_told_and_counts() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let listed = [item("https://aaa.example/", "Never tried", "10000"), item(&scene.url("/weather"), "Tried", "10000")];
    shelf.put(SEARCH, &searched(&listed));
    let before = find(&scene, words("weather")).await;
    assert_eq!(names(&before), ["Never tried", "Tried"]);
    assert!(named(&before, "Tried").known.is_none() && named(&before, "Tried").last_paid_usd.is_none());
    let bought = scene.get("/weather").await;
    assert_eq!(bought.outcome, Outcome::Answered);
    scene.pass(5);
    let after = find(&scene, words("weather")).await;
    let tried = named(&after, "Tried");
    let known = tried.known.as_ref().unwrap();
    assert_eq!((known.paid, known.delivered, known.bad), (1, 1, 0));
    assert_eq!(tried.last_paid_usd.unwrap().to_string(), "0.01");
    assert_eq!(tried.last_paid_at.unwrap().secs(), scene::START as i64);
    assert_eq!(names(&after), ["Tried", "Never tried"], "what was good before comes first");
    assert!(named(&after, "Never tried").last_paid_usd.is_none());
    scene.end().await;
}

#[tokio::test]
async fn a_place_is_not_another_of_the_same_seller() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    shelf.put(SEARCH, &searched(&[item(&scene.url("/weather/other"), "Other", "10000")]));
    scene.get("/weather").await;
    let other = find(&scene, words("weather")).await;
    assert_eq!(named(&other, "Other").known.as_ref().unwrap().paid, 1, "the seller is known");
    assert_eq!(named(&other, "Other").last_paid_usd, None, "the place is not");
    scene.end().await;
}

#[tokio::test]
async fn the_same_thing_in_two_directories_is_one_and_the_higher_price_counts() {
    let (bazaar, index) = (Shelf::open().await, Shelf::open().await);
    let kinds = [bazaar.as_a(DirectoryKind::Bazaar), index.as_a(DirectoryKind::Index402)];
    let scene = scene::market([]).directories(&kinds).open().await;
    bazaar.put(
        SEARCH,
        &searched(&[
            item("https://a.example:443/x/../weather", "Twice", "10000"),
            item("https://b.example/weather", "Agreed", "20000"),
        ]),
    );
    let listed = |url: &str, price: f64| {
        json!({"url": url, "name": "Otherwise", "protocol": "x402", "price_usd": price, "payment_asset": "USDC",
            "payment_network": "base-sepolia", "health_status": "healthy"})
    };
    let services = [listed("https://a.example/weather", 0.3), listed("https://b.example/weather", 0.02)];
    index.put("/api/v1/services", &json!({"services": services}));
    let found = find(&scene, words("weather")).await;
    assert_eq!(found.results.len(), 2, "{found:#?}");
    let twice = named(&found, "Twice");
    assert_eq!(twice.claimed_by.len(), 2);
    assert_eq!(
        (twice.price_usd.unwrap().to_string().as_str(), twice.price_note),
        ("0.30", Some(PriceNote::ClaimsDiffer))
    );
    assert_eq!(said(twice), "ask above_approval");
    let agreed = named(&found, "Agreed");
    assert_eq!((agreed.price_usd.unwrap().to_string().as_str(), agreed.price_note), ("0.02", None));
    assert_eq!(agreed.health.as_ref().unwrap().status.as_deref(), Some("healthy"));
    scene.end().await;
}

#[tokio::test]
async fn results_are_in_an_order_that_never_changes() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let mut popular = item("https://e.example/", "Popular", "30000");
    popular["quality"] = json!({"l30DaysUniquePayers": 9});
    let mut listed = vec![
        item("https://a.example/", "B", "20000"),
        item("https://b.example/", "A", "20000"),
        item("https://c.example/", "Cheapest", "10000"),
        item("https://d.example/bern", "Two words", "90000"),
        item("https://f.example/", "Asks", "110000"),
        popular,
    ];
    let expected = ["Two words", "Popular", "Cheapest", "A", "B", "Asks"];
    for turn in 0..listed.len() {
        listed.rotate_left(1);
        shelf.put(SEARCH, &searched(&listed));
        let found = find(&scene, words(&format!("weather Bern {turn}"))).await;
        assert_eq!(names(&found), expected, "{turn}");
    }
    scene.end().await;
}

#[tokio::test]
async fn a_facilitator_that_cannot_search_is_asked_for_all_it_has() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let all = [item("https://a.example/", "Weather", "10000"), {
        let mut other = item("https://b.example/", "Coffee", "10000");
        other["description"] = json!("Coffee");
        other
    }];
    shelf.put(RESOURCES, &json!({"items": all, "pagination": {"limit": 100, "offset": 0, "total": 2}}));
    let found = find(&scene, words("the weather")).await;
    assert_eq!(names(&found), ["Weather"], "what it answers is searched here");
    assert_eq!(shelf.asked(), ["/discovery/search?query=the+weather&limit=20", "/discovery/resources?limit=100"]);
    scene.end().await;
}

#[tokio::test]
async fn nobody_is_asked_before_somebody_looks_and_nobody_twice_within_ten_minutes() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    shelf.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "10000")]));
    scene.get("/weather").await;
    assert_eq!(shelf.asked(), Vec::<String>::new());
    assert_eq!(find(&scene, words("weather")).await.directories[0].age_s, None);
    scene.pass(599);
    let kept = find(&scene, words("weather")).await;
    assert_eq!((kept.directories[0].age_s, names(&kept)), (Some(599), vec!["Weather"]));
    assert_eq!(shelf.asked().len(), 1);
    find(&scene, words("weather today")).await;
    assert_eq!(shelf.asked().len(), 2, "other words are another question");
    scene.pass(1);
    assert_eq!(find(&scene, words("weather")).await.directories[0].age_s, None);
    assert_eq!(shelf.asked().len(), 3);
    scene.end().await;
}

#[tokio::test]
async fn a_directory_that_is_down_is_answered_for_by_what_it_said_for_a_day() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    shelf.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "10000")]));
    find(&scene, words("weather")).await;
    shelf.put_bytes(SEARCH, 503, Vec::new());
    scene.pass(24 * 3600);
    let stale = find(&scene, words("weather")).await;
    let told = &stale.directories[0];
    assert_eq!(
        (told.ok, told.age_s, told.problem.as_deref()),
        (false, Some(86_400), Some("it answered with HTTP 503"))
    );
    assert_eq!(names(&stale), ["Weather"]);
    scene.pass(1);
    let gone = find(&scene, words("weather")).await;
    assert_eq!((gone.results.len(), gone.directories[0].age_s), (0, None));
    assert!(gone.next.contains("no directory could be asked"), "{}", gone.next);
    scene.end().await;
}

#[tokio::test]
async fn a_directory_in_trouble_costs_its_own_results_alone() {
    let (good, bad) = (Shelf::open().await, Shelf::open().await);
    let kinds = [bad.as_a(DirectoryKind::Bazaar), good.as_a(DirectoryKind::Bazaar)];
    let scene = scene::market([]).directories(&kinds).open().await;
    good.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "10000")]));
    let answers: [(u16, Vec<u8>, &str); 6] = [
        (500, Vec::new(), "it answered with HTTP 500"),
        (302, Vec::new(), "it answered with HTTP 302"),
        (200, b"{\"resources\":[".to_vec(), "is not JSON"),
        (200, vec![b' '; 2 << 20], "longer than"),
        (200, b"{\"resources\":[],\"resources\":[]}".to_vec(), "one thing twice"),
        (200, vec![0xff; 100], "is not JSON"),
    ];
    for (status, body, problem) in answers {
        bad.put_bytes(SEARCH, status, body);
        let found = find(&scene, words("weather")).await;
        assert_eq!(names(&found), ["Weather"], "{problem}");
        let told = found.directories[0].problem.clone().unwrap();
        assert!(!found.directories[0].ok && told.contains(problem), "{told}");
        assert!(found.directories[1].ok);
    }
    scene.end().await;
}

#[tokio::test]
async fn a_directory_that_does_not_answer_is_waited_for_no_longer_than_five_seconds() {
    let (good, slow) = (Shelf::open().await, Shelf::open().await);
    let kinds = [slow.as_a(DirectoryKind::Bazaar), good.as_a(DirectoryKind::Bazaar)];
    let scene = scene::market([]).directories(&kinds).open().await;
    good.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "10000")]));
    // What the good one lists is known from now on, so that time may fly.
    find(&scene, words("weather")).await;
    slow.was_asked().await;
    slow.be_silent(SEARCH);
    let before = slow.asked().len();
    let agent = scene.bursar.agent(AGENT);
    let finding = tokio::spawn(async move { agent.find(words("weather")).await.unwrap() });
    while slow.asked().len() == before {
        tokio::task::yield_now().await;
    }
    jump(Duration::from_secs(5)).await;
    let found = finding.await.unwrap();
    assert_eq!(names(&found), ["Weather"]);
    assert_eq!(found.directories[0].problem.as_deref(), Some("it did not answer within 5 s"));
    scene.end().await;
}

#[tokio::test]
async fn a_server_that_is_named_is_asked_what_it_says_of_itself_by_the_sellers_door() {
    let shelf = Shelf::open().await;
    let mut scene = scene::market([]).open().await;
    let info = json!({"pricingMode": "fixed", "price": "0.02", "protocols": ["x402"]});
    let document = json!({"info": {"title": "Weather"}, "paths": {"/now": {"get": {"x-payment-info": info}}}});
    shelf.put("/openapi.json", &document);
    let closed = find(&scene, words(&shelf.url("/some/page"))).await;
    assert!(closed.directories[0].problem.as_ref().unwrap().contains("egress"), "{closed:#?}");
    assert_eq!((closed.results.len(), shelf.asked().len()), (0, 0), "a stranger's address is not gone to");
    scene.open_door(&format!("127.0.0.1:{}", shelf.port()));
    let found = find(&scene, words(&shelf.url("/some/page"))).await;
    let now = named(&found, "Weather");
    assert_eq!((now.url.clone(), now.method.as_deref()), (Some(shelf.url("/now")), Some("GET")));
    assert_eq!((now.price_note, said(now).as_str()), (Some(PriceNote::NetworkNotNamed), "allow"));
    assert_eq!(shelf.asked(), ["/openapi.json"]);
    scene.end().await;
}

#[tokio::test]
async fn only_what_is_asked_for_is_told() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let mut priceless = item("https://c.example/", "Priceless", "1");
    priceless["accepts"] = json!([]);
    shelf.put(
        SEARCH,
        &searched(&[
            item("https://a.example/", "Page", "10000"),
            tool("https://b.example/mcp", "forecast", "20000"),
            item("http://127.0.0.1:9/", "Inside", "10000"),
            priceless,
        ]),
    );
    let asked = async |query: FindQuery| find(&scene, FindQuery { query: "weather".into(), ..query }).await;
    assert_eq!(names(&asked(FindQuery::default()).await), ["Page", "forecast", "Priceless"]);
    let tools = asked(FindQuery { kind: Some(FoundKind::Tool), ..FindQuery::default() }).await;
    assert_eq!(names(&tools), ["forecast"]);
    let forecast = &tools.results[0];
    assert_eq!(
        (forecast.server.as_deref(), forecast.tool.as_deref()),
        (Some("https://b.example/mcp"), Some("forecast"))
    );
    assert_eq!((forecast.url.as_deref(), forecast.kind), (None, FoundKind::Tool));
    let pages = asked(FindQuery { kind: Some(FoundKind::Http), ..FindQuery::default() }).await;
    assert_eq!(names(&pages), ["Page", "Priceless"]);
    let cheap = asked(FindQuery { max_price: Some("0.01".into()), ..FindQuery::default() }).await;
    assert_eq!(names(&cheap), ["Page"], "what names no price is not known to be cheap");
    assert_eq!(names(&asked(FindQuery { limit: Some(1), ..FindQuery::default() }).await), ["Page"]);
    assert_eq!(shelf.asked().len(), 1);
    scene.end().await;
}

#[tokio::test]
async fn rules_for_a_host_hold_for_its_tools_too() {
    let shelf = Shelf::open().await;
    let rules = "[[domain]]\nhost = \"b.example\"\naccess = \"refuse\"\n";
    let setting = scene::market([]).rules(rules).directories(&[shelf.as_a(DirectoryKind::Bazaar)]);
    let scene = setting.open().await;
    shelf.put(SEARCH, &searched(&[tool("https://b.example/mcp", "forecast", "10000")]));
    let found = find(&scene, words("weather")).await;
    assert!(said(&found.results[0]).contains("domain_refused"), "{}", said(&found.results[0]));
    scene.end().await;
}

#[tokio::test]
async fn what_the_host_lets_an_agent_pay_at_a_time_counts() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    shelf.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "20000")]));
    let low = scene.bursar.agent(AGENT).at_most(Some("0.01".parse().unwrap()));
    let found = low.find(words("weather")).await.unwrap();
    assert!(said(&found.results[0]).starts_with("refuse over_max"), "{}", said(&found.results[0]));
    scene.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_said_and_nobody_is_asked() {
    let shelf = Shelf::open().await;
    let scene = scene_with(&shelf).await;
    let wrong = [
        (words(""), "bad_query"),
        (words("?!"), "bad_query"),
        (words(&"weather ".repeat(100)), "bad_query"),
        (FindQuery { max_price: Some("cheap".into()), ..words("weather") }, "bad_max_price"),
        (FindQuery { limit: Some(0), ..words("weather") }, "bad_limit"),
        (FindQuery { limit: Some(51), ..words("weather") }, "bad_limit"),
    ];
    for (query, code) in wrong {
        let refusal = scene.bursar.agent(AGENT).find(query).await.unwrap_err();
        assert_eq!(refusal.reasons[0].code, code);
    }
    assert_eq!(shelf.asked(), Vec::<String>::new());
    scene.end().await;
}

#[tokio::test]
async fn without_a_wallet_it_is_found_and_nothing_is_payable() {
    struct Now;
    impl Clock for Now {
        fn now(&self) -> Time {
            Time::from_secs(scene::START as i64)
        }
    }
    let shelf = Shelf::open().await;
    shelf.put(SEARCH, &searched(&[item("https://a.example/", "Weather", "10000")]));
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    home.prepare().unwrap();
    std::fs::write(home.policy_file(), format!("version = 1\n[networks]\nallow = [\"{NETWORK}\"]\n")).unwrap();
    let ports = Ports {
        wallet: None,
        seller: Arc::new(Sellers::new(&home.purchases_dir(), &BTreeMap::new())),
        chains: Arc::new(Rpc::new([])),
        directories: Arc::new(WebDirectories::new(vec![shelf.as_a(DirectoryKind::Bazaar)])),
        clock: Arc::new(Now),
    };
    let house = House::over(&home, Assets::default(), ports).unwrap();
    let found = house.agent(AGENT).find(words("weather")).await.unwrap();
    assert_eq!((said(&found.results[0]).as_str(), found.results[0].payable), ("unpayable no_wallet", false));
}

#[tokio::test]
async fn an_owner_who_switched_all_off_has_nobody_asked() {
    let scene = scene::market([]).open().await;
    let found = find(&scene, words("weather")).await;
    assert!(found.results.is_empty() && found.directories.is_empty());
    assert!(found.next.contains("switched off"), "{}", found.next);
    scene.end().await;
}
