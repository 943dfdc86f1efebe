//! What the demo market sells, and the index page that tells an agent about it.
//!
//! Goods are fixed, so that a scene plays the same way each time.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, address};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};

use super::stall::{self, Behaviour, Dialect, Stall};
use super::way::Way;
use crate::http::{self as wire, Request};

/// A few sellers, so that budgets per payee have something to tell apart.
const WEATHER_DESK: Address = address!("5e11e50000000000000000000000000000000002");
const NEWSROOM: Address = address!("5e11e50000000000000000000000000000000003");
const WORDSMITH: Address = address!("5e11e50000000000000000000000000000000004");
const SHIPYARD: Address = address!("5e11e50000000000000000000000000000000005");

/// The stalls of `bursar demo` and `bursar serve --sandbox`.
pub fn stalls() -> Vec<Stall> {
    vec![
        Stall::free("/free").describe("A greeting, free of charge"),
        weather(),
        joke(),
        stocks(),
        report(),
        dataset(),
        summarize(),
        translate(),
        forecast(),
        almanac(),
        Stall::that(Behaviour::Slow(Duration::from_secs(3)), "/slow", 10_000)
            .describe("A long calculation; takes three seconds"),
        Stall::that(Behaviour::DropAfterSettling, "/lost", 30_000)
            .describe("Takes the money and drops the line: for trying out what happens then"),
        yacht(),
    ]
}

/// Every stall with its price, in words for a person or a model.
pub fn index<'a>(stalls: impl Iterator<Item = &'a Stall>) -> String {
    let mut page = String::from(
        "The sandbox market. Prices are in play dollars (USDC on eip155:84532, worth nothing).\n\
         Ask for a path; where it costs something the answer is 402 Payment Required.\n\
         At /mcp each is a tool of an MCP server, by the name of its path.\n\n",
    );
    for stall in stalls {
        let method = stall.methods.first().map_or("GET", Method::as_str);
        let (price, dialect) = (price(stall), dialect(stall));
        // Writing to a string cannot fail.
        let _ = writeln!(page, "{method:<4} {:<12} {price:>8}  {dialect:<10} {}", stall.path, stall.description);
    }
    page
}

fn price(stall: &Stall) -> String {
    match stall.behaviour {
        Behaviour::Free => "free".into(),
        _ => dollars(stall.price_at(0)),
    }
}

fn dialect(stall: &Stall) -> &'static str {
    match (&stall.behaviour, stall.dialect) {
        (Behaviour::Free, _) => "",
        (_, Dialect::V1) => "x402 v1",
        (_, Dialect::V2) => "x402 v2",
        (_, Dialect::Both) => "x402 v1+v2",
    }
}

/// Millionths of a dollar as a person writes them: `$0.005`, `$900.00`.
fn dollars(atomic: u64) -> String {
    let millionths = format!("{:06}", atomic % 1_000_000);
    let (cents, rest) = millionths.split_at(2);
    let rest = rest.trim_end_matches('0');
    format!("${}.{cents}{rest}", atomic / 1_000_000)
}

fn weather() -> Stall {
    let stall = Stall {
        payee: WEATHER_DESK,
        handler: stall::always_json(json!({
            "tomorrow": [
                {"city": "Lisbon", "sky": "clear", "high_c": 24, "low_c": 16},
                {"city": "Oslo", "sky": "rain", "high_c": 9, "low_c": 4},
                {"city": "Nairobi", "sky": "partly cloudy", "high_c": 26, "low_c": 14},
                {"city": "Kyoto", "sky": "fog, then sun", "high_c": 19, "low_c": 8},
            ],
        })),
        ..Stall::get("/weather", 10_000)
    };
    stall.declare("bazaar", stall::bazaar(json!({}))).describe("Tomorrow's weather in four cities")
}

fn forecast() -> Stall {
    let days = ["clear", "clear", "rain", "fog", "rain", "clear", "snow", "clear", "rain", "clear"];
    let stall = Stall {
        payee: WEATHER_DESK,
        handler: stall::always_json(json!({ "city": "Lisbon", "sky": days })),
        ..Stall::get("/forecast", 20_000)
    };
    stall.describe("A weather forecast for ten days; as a tool, too")
}

fn almanac() -> Stall {
    let stall = Stall {
        payee: WEATHER_DESK,
        handler: stall::always_json(json!({ "city": "Lisbon", "years": 100 })),
        ..Stall::get("/almanac", 600_000)
    };
    stall.describe("A hundred years of weather, and a forecast made of them; as a tool, too")
}

fn joke() -> Stall {
    let stall = Stall {
        dialect: Dialect::V1,
        ways: vec![Way::Eip3009],
        payee: WORDSMITH,
        handler: stall::always_json(json!({
            "joke": "I asked the bank for my balance. They pushed me over.",
        })),
        ..Stall::get("/joke", 5_000)
    };
    stall.describe("One joke, no refunds")
}

fn stocks() -> Stall {
    let stall = Stall { payee: NEWSROOM, handler: Arc::new(quote_stock), ..Stall::get("/stocks", 20_000) };
    let parameters = json!({"symbol": "ACME"});
    stall
        .declare("bazaar", stall::bazaar(parameters))
        .describe("Last price of a share: /stocks?symbol=ACME (or GLOBEX, INITECH)")
}

/// An unknown symbol fails before settling, so it costs nothing.
fn quote_stock(request: &Request) -> Response<Bytes> {
    let query = request.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let symbol = pairs.find(|(key, _)| key == "symbol").map(|(_, v)| v);
    let price = match symbol.as_deref() {
        Some("ACME") => "187.42",
        Some("GLOBEX") => "61.05",
        Some("INITECH") => "3.99",
        _ => {
            return wire::json(404, &json!({"error": "known symbols: ACME, GLOBEX, INITECH"}));
        }
    };
    let body = json!({"symbol": symbol, "price": price, "currency": "USD", "as_of": "closing"});
    wire::json(200, &body)
}

fn report() -> Stall {
    let stall = Stall {
        payee: NEWSROOM,
        sells: "text/markdown",
        handler: stall::always(
            "text/markdown",
            "# Agents that pay: a market report\n\n\
             - Most purchases cost less than two cents.\n\
             - One purchase in forty loses its answer after the money moved.\n\
             - Buyers with a ledger paid those once; buyers without one paid 1.7 times.\n",
        ),
        ..Stall::get("/report", 250_000)
    };
    stall.declare("payment-identifier", stall::payment_identifier(false)).describe("A market report, in Markdown")
}

fn dataset() -> Stall {
    let mut csv = String::from("day,visits,purchases\n");
    for day in 1..=200 {
        // Writing to a string cannot fail.
        let _ = writeln!(csv, "{day},{},{}", 400 + day * 37 % 211, 20 + day * 13 % 17);
    }
    let stall = Stall {
        payee: NEWSROOM,
        sells: "text/csv",
        handler: stall::always("text/csv", csv),
        ..Stall::get("/dataset", 400_000)
    };
    stall.describe("Two hundred days of visits and purchases, as CSV")
}

fn summarize() -> Stall {
    let stall = Stall {
        payee: WORDSMITH,
        handler: Arc::new(|request| with_text(request, summary)),
        ..Stall::post("/summarize", 30_000)
    };
    stall.describe("The gist of a text; post {\"text\": \"...\"}")
}

fn summary(text: &str) -> Value {
    let first = text.split_inclusive(['.', '!', '?']).next();
    json!({
        "summary": first.unwrap_or_default().trim(),
        "words": text.split_whitespace().count(),
    })
}

fn translate() -> Stall {
    let stall = Stall {
        dialect: Dialect::V1,
        ways: vec![Way::Eip3009],
        payee: WORDSMITH,
        handler: Arc::new(|request| with_text(request, translation)),
        ..Stall::post("/translate", 20_000)
    };
    stall.describe("English to German, word by word; post {\"text\": \"...\"}")
}

fn translation(text: &str) -> Value {
    let words: Vec<&str> = text.split_whitespace().map(in_german).collect();
    json!({"language": "de", "text": words.join(" ")})
}

fn in_german(word: &str) -> &str {
    match word {
        "the" => "das",
        "a" => "ein",
        "is" => "ist",
        "and" => "und",
        "good" => "gut",
        "money" => "Geld",
        "agent" => "Agent",
        "time" => "Zeit",
        "hello" => "hallo",
        "world" => "Welt",
        unknown => unknown,
    }
}

/// Hands the posted text to a stall's work; without one the handler fails, and nothing is settled.
fn with_text(request: &Request, work: fn(&str) -> Value) -> Response<Bytes> {
    let posted: Option<Value> = serde_json::from_slice(&request.body).ok();
    match posted.as_ref().and_then(|p| p["text"].as_str()) {
        Some(text) => wire::json(200, &work(text)),
        None => wire::json(400, &json!({"error": "post JSON with a `text`"})),
    }
}

fn yacht() -> Stall {
    let stall = Stall {
        payee: SHIPYARD,
        handler: stall::always_json(json!({"yacht": "yours", "berth": 12})),
        ..Stall::get("/yacht", 900_000_000)
    };
    stall.describe("A yacht")
}
