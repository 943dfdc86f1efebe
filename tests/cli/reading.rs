//! The log as it is read: live, added up, exported, and kept one's place in.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox::chain::{ASSET, NETWORK};
use sandbox::http::{Request, Server, Wire, response};
use sandbox::sellers::Stall;
use sandbox::sellers::stall::{self, PAYEE};
use serde_json::{Value, json};

use crate::home::{Home, code, err, out};
use crate::playing::Market;

#[tokio::test(flavor = "multi_thread")]
async fn the_log_adds_up_by_day_domain_agent_and_session() {
    let market = Market::open().await;
    market.fetch("/weather");
    market.fetch("/joke");
    market.fetch("/yacht");
    for (by, key) in [("domain", "127.0.0.1"), ("agent", "owner"), ("session", "se_1")] {
        let told = out(&market.home.run(&["log", "--by", by]));
        let line = told.lines().find(|line| line.contains(key)).expect("a line");
        assert!(line.contains("$0.015"), "{told}");
    }
    let days = out(&market.home.run(&["log", "--by", "day", "--json"]));
    let day: Value = serde_json::from_str(days.lines().next().expect("a day")).expect("JSON Lines");
    assert_eq!((day["count"].as_u64(), day["settled_usd"].as_str()), (Some(3), Some("0.015")));
}

#[tokio::test(flavor = "multi_thread")]
async fn journals_have_what_was_paid_and_nothing_else() {
    let market = Market::open().await;
    market.fetch("/weather");
    market.fetch("/yacht");
    market.sandbox.rpc.set_down(true);
    market.fetch("/lost");
    for form in ["--beancount", "--hledger"] {
        let journal = out(&market.home.run(&["log", form]));
        let flagged = |flag: &str| journal.lines().filter(|line| line.contains(&format!(" {flag} "))).count();
        assert_eq!((flagged("*"), flagged("!")), (1, 1), "{journal}");
        assert!(journal.contains("@@ 0.01 USD") && !journal.contains("yacht"), "{journal}");
    }
    assert_eq!(code(&market.home.run(&["log", "--csv", "--hledger"])), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_policy_is_tried_on_the_recorded_past() {
    let market = Market::open().await;
    market.fetch("/weather");
    market.fetch("/joke");
    let draft = market.home.file("draft.toml");
    let rules = market.home.read("policy.toml").replace("per_payment = \"0.50\"", "per_payment = \"0.007\"");
    fs::write(&draft, rules).expect("written");
    let draft = draft.to_str().expect("plain");
    let told: Value =
        serde_json::from_str(&out(&market.home.run(&["policy", "replay", draft, "--json"]))).expect("JSON");
    assert_eq!(told["paid"]["all"]["count"], 2);
    assert_eq!(told["paid"]["now_refused"], serde_json::json!({ "count": 1, "usd": "0.01" }));
    let read = out(&market.home.run(&["policy", "replay", draft]));
    assert!(read.contains("saved $0.01") && read.contains("per_payment"), "{read}");
    assert_eq!(market.log().len(), 2, "nothing was written");
}

/// What nobody here can pay, one at each path.
async fn strange_sellers(market: &Market) -> Server {
    let offer = |scheme: &str, extra: Value| {
        let accepts = json!([{ "scheme": scheme, "network": NETWORK, "amount": "40000", "asset": ASSET, "payTo": PAYEE,
                               "maxTimeoutSeconds": 60, "extra": extra }]);
        STANDARD.encode(json!({ "x402Version": 2, "accepts": accepts }).to_string())
    };
    let serve = move |request: Request| {
        let mut reply = response(402, "text/plain", "pay");
        let headers = reply.headers_mut();
        match request.uri.path() {
            "/batch" => {
                drop(headers.insert("payment-required", offer("batch-settlement", json!({})).parse().expect("text")))
            }
            "/gateway" => {
                let extra = json!({ "name": "GatewayWalletBatched", "version": "1" });
                headers.insert("payment-required", offer("exact", extra).parse().expect("text"));
            }
            "/either" => {
                headers.insert("x-cashu", "creqAx".parse().expect("text"));
                headers.insert("www-authenticate", "L402 token=\"t\", invoice=\"lnbc1\"".parse().expect("text"));
            }
            _ => drop(
                headers.insert("www-authenticate", "LSAT macaroon=\"m\", invoice=\"lnbc1\"".parse().expect("text")),
            ),
        }
        async move { Wire::Answer(reply) }
    };
    let server = Server::start(0, serve).await.expect("a port");
    let rules =
        market.home.read("policy.toml").replace("allow = [\"127", &format!("allow = [\"{}\", \"127", server.address));
    fs::write(market.home.file("policy.toml"), rules).expect("written");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_paid_is_added_up_by_what_was_missing() {
    let market = Market::open().await;
    assert!(out(&market.home.run(&["log", "--unpayable"])).starts_with("Nothing was offered"));
    let server = strange_sellers(&market).await;
    for path in ["/batch", "/gateway", "/either", "/lightning", "/lightning"] {
        let told = market.home.run(&["fetch", &format!("{}{path}", server.url())]);
        assert_eq!(code(&told), 3, "{path}: {}", err(&told));
        assert!(err(&told).contains("to pay it, bursar would need "), "{}", err(&told));
    }
    market.fetch("/weather");
    market.fetch("/yacht");

    let lines = |args: &[&str]| {
        let told = out(&market.home.run(&[&["log", "--unpayable", "--json"], args].concat()));
        told.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect::<Vec<Value>>()
    };
    let all = lines(&[]);
    let line = |needs: &str, what: &str, count: u64, claimed: &str, priced: u64| json!({ "needs": needs, "what": what, "count": count, "hosts": 1, "claimed_usd": claimed, "priced": priced });
    assert_eq!(
        all,
        [
            line("lightning_wallet", "a Lightning wallet", 3, "0.00", 0),
            line("deposit", "money deposited in advance", 2, "0.08", 2),
            line("cashu_mint", "ecash from a Cashu mint", 1, "0.00", 0),
        ]
    );
    assert_eq!(lines(&["--agent", "owner", "--since", "1h"]), all);
    assert!(lines(&["--agent", "somebody"]).is_empty() && lines(&["--until", "2020-01-01T00:00:00Z"]).is_empty());
    let table = out(&market.home.run(&["log", "--unpayable"]));
    assert!(table.contains("5 purchases were refused") && table.contains("$0.08"), "{table}");
    assert_eq!(code(&market.home.run(&["log", "--unpayable", "--csv"])), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_are_told_with_what_came_of_them() {
    let market = Market::open().await;
    assert!(err(&market.home.run(&["sellers"])).ends_with("Nobody yet.\n"));
    market.fetch("/weather");
    market.fetch("/lost");
    let broken = stall::always_json(serde_json::json!({ "error": "overloaded" }));
    market.sandbox.sellers.put(Stall { handler: broken, ..Stall::get("/joke", 5_000) });
    let told = err(&market.fetch("/joke"));
    assert!(told.contains("Paid $0.005") && told.contains("reads as an error, where the offer named"), "{told}");
    let read = out(&market.home.run(&["sellers"]));
    assert!(read.contains("127.0.0.1") && read.contains("1 an error in place of goods"), "{read}");
    let json = |args: &[&str]| -> Vec<Value> {
        let told = out(&market.home.run(&[&["sellers", "--json"], args].concat()));
        told.lines().map(|line| serde_json::from_str(line).expect("JSON Lines")).collect()
    };
    let all = json(&[]);
    let seller = &all[0];
    let counts =
        ["paid", "delivered", "not_delivered", "error_page", "empty", "lied"].map(|name| seller[name].as_u64());
    assert_eq!((all.len(), counts), (1, [3, 2, 1, 1, 0, 0].map(Some)), "{seller:#}");
    let dollars = ["paid_usd", "held_usd", "per_delivery_usd"].map(|name| seller[name].as_str().expect("dollars"));
    assert_eq!(dollars, ["0.045", "0.03", "0.045"]);
    assert_eq!(json(&["--domain", "127.0.0.1", "--since", "1h", "--sort", "bad"]), all);
    assert!(json(&["--domain", "nobody.example"]).is_empty());
    assert_eq!(code(&market.home.run(&["sellers", "--sort", "worst"])), 2);
    let row = market.log().remove(0);
    assert_eq!(row["goods"], "error_page");
    let why = out(&market.home.run(&["why", row["purchase_id"].as_str().expect("an id")]));
    assert!(why.contains("delivered, goods: error page\nwhat came for the money reads as an error"), "{why}");
    let csv = out(&market.home.run(&["log", "--csv"]));
    assert!(csv.lines().next().expect("a header").ends_with(",reasons,goods,machine"), "{csv}");
    assert!(csv.lines().nth(1).expect("a line").ends_with(",error_page,"), "{csv}");
}

#[test]
fn the_schema_is_one_json_document() {
    let told = Home::empty().run(&["policy", "schema"]);
    let schema: Value = serde_json::from_str(&out(&told)).expect("JSON");
    assert!(schema["properties"]["wallet"].is_object());
}

#[test]
fn a_status_line_says_nothing_where_there_is_nothing_and_never_fails() {
    let home = Home::empty();
    let told = home.run(&["statusline"]);
    assert_eq!((code(&told), out(&told), err(&told)), (0, String::new(), String::new()));
    let ready = Home::ready();
    fs::write(ready.file("ledger.db"), "no ledger").expect("written");
    let told = ready.run(&["statusline"]);
    assert_eq!((code(&told), out(&told), err(&told)), (0, String::new(), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_line_has_the_days_spending_and_what_waits() {
    let market = Market::open().await;
    market.fetch("/weather");
    market.fetch("/report");
    assert_eq!(out(&market.home.run(&["statusline"])), "$0.01/2.00 · 1 to approve\n");
    market.home.run(&["freeze"]);
    assert!(out(&market.home.run(&["statusline"])).ends_with("frozen\n"));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_log_followed_shows_what_happens_until_ctrl_c() {
    let market = Market::open().await;
    market.fetch("/weather");
    let mut following = market.home.command(&["log", "--follow", "--json"]);
    let mut following = following.stdout(Stdio::piped()).spawn().expect("started");
    let mut lines = BufReader::new(following.stdout.take().expect("a pipe")).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().expect("a line").expect("read")).expect("JSON") };
    assert!(next()["url"].as_str().expect("a URL").contains("/weather"));
    market.fetch("/joke");
    let mut told = next();
    while told["state"] != "settled" {
        told = next();
    }
    assert!(told["url"].as_str().expect("a URL").contains("/joke"));
    crate::terminal::interrupt(&following);
    assert_eq!(following.wait().expect("ended").code(), Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_the_owners_and_what_comes_after_it_is_new() {
    use crate::terminal::AtTerminal;
    let market = Market::open().await;
    market.fetch("/weather");
    assert!(out(&market.home.run(&["log", "--unreviewed"])).contains("/weather"));
    let refused = market.home.run(&["reviewed"]);
    assert!(code(&refused) == 1 && err(&refused).contains("terminal"), "{}", err(&refused));
    let mut owner = AtTerminal::start(&mut market.home.command(&["reviewed"]));
    let shown = owner.until("as read: ");
    assert!(shown.contains("1 purchase so far: $0.01 settled"), "{shown}");
    owner.types("reviewed");
    assert_eq!(code(&owner.ends()), 0);
    assert!(out(&market.home.run(&["log", "--unreviewed"])).is_empty());
    market.fetch("/joke");
    let new = out(&market.home.run(&["log", "--unreviewed"]));
    assert!(new.contains("/joke") && !new.contains("/weather"), "{new}");
}
