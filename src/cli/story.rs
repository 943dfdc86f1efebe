//! A purchase told to its owner: what was asked, what it would cost, what the rules said, what happened, what proves it.

use serde_json::Value;

use crate::bursar::{Bursar, Refusal, Story};
use crate::cli::table::{Table, cell};
use crate::cli::{out, words};
use crate::limits;
use crate::purchase::answer::{Event, Row};
use crate::reason::Reason;
use crate::text;
use crate::time::Time;

/// The story of the purchase an ID begins; the `pu_` in front may be left out, unless an agent chose the ID.
pub async fn of(bursar: &Bursar, id: &str) -> Result<Story, Refusal> {
    match bursar.why(id).await {
        Err(unknown) => bursar.why(&format!("pu_{id}")).await.map_err(|_| unknown),
        told => told,
    }
}

/// The whole of it.
pub fn lines(story: &Story, now: Time) -> Vec<String> {
    let mut lines = heading(story, now);
    lines.extend(story.row.reasons.iter().map(reason));
    lines.extend(section("Offers", offers(&story.offers)));
    let policy = story.policy_hash.as_deref().unwrap_or_default();
    let policy: String = policy.chars().take(12).collect();
    let title = if policy.is_empty() { "Rules".to_owned() } else { format!("Rules (policy {policy})") };
    lines.extend(section(&title, rules(&story.rules)));
    lines.extend(section("Events", events(&story.events)));
    lines.extend(section("Proof", proof(story, now)));
    lines
}

/// What it is, who asked, and how it stands.
pub fn heading(story: &Story, now: Time) -> Vec<String> {
    let row = &story.row;
    let amount = row.amount_usd.map(words::dollars).unwrap_or_else(|| "no price".to_owned());
    let client = story.client.as_ref().map(|client| format!(" ({})", out::clean(client))).unwrap_or_default();
    let session = row.session.as_ref().map(|id| format!(", session {}", out::clean(id))).unwrap_or_default();
    vec![
        format!(
            "{}  {}  {}  {}",
            out::bold(&row.purchase_id),
            out::paint(words::state(&row.state), &row.state),
            out::bold(&amount),
            out::dim(&words::when(row.at, now))
        ),
        format!("{} {}", out::clean(&row.method), text::quoted(&story.url, limits::URL_CHARS)),
        format!("asked by {}{client}{session}; {}", out::clean(&row.agent), answered(row)),
    ]
}

/// One cause: what the rule says of it, and which rule that is. The numbers are in the sentence.
pub fn reason(reason: &Reason) -> String {
    let rule = if reason.rule.is_empty() { String::new() } else { out::dim(&format!(" [{}]", reason.rule)) };
    format!("{}{rule}", out::clean(&reason.message))
}

fn answered(row: &Row) -> String {
    match (row.http_status, row.delivered) {
        (Some(status), true) => format!("answered {status}, delivered"),
        (Some(status), false) => format!("answered {status}, not delivered"),
        (None, _) => "no answer of the seller".to_owned(),
    }
}

fn section(title: &str, body: Vec<String>) -> Vec<String> {
    if body.is_empty() {
        return body;
    }
    let mut lines = vec![String::new(), out::bold(title)];
    lines.extend(body.into_iter().map(|line| format!("  {line}")));
    lines
}

fn offers(offers: &Value) -> Vec<String> {
    let mut table = Table::default();
    for offer in entries(offers) {
        let amount = match field(offer, "amount_usd") {
            usd if usd.is_empty() => field(offer, "amount_atomic"),
            usd => format!("${usd}"),
        };
        table.push(vec![
            cell(&amount).right(),
            cell(&field(offer, "asset")),
            cell(&field(offer, "network")),
            cell(&field(offer, "payee")),
            cell(&format!("{} {}", field(offer, "dialect"), field(offer, "scheme"))),
            cell(&field(offer, "verdict")).styled(words::verdict(&field(offer, "verdict"))),
        ]);
    }
    table.lines(WIDE, usize::MAX)
}

/// What every rule said, with its numbers. A rule that passed needs no words; one that did not has its own line of them.
pub fn rules(rules: &Value) -> Vec<String> {
    let mut table = Table::default();
    for rule in entries(rules) {
        let numbers = match (field(rule, "used_usd"), field(rule, "limit_usd")) {
            (used, limit) if !used.is_empty() && !limit.is_empty() => format!("${used} of ${limit} used"),
            _ => String::new(),
        };
        let said = field(rule, "said");
        table.push(vec![cell(&said).styled(words::verdict(&said)), cell(&field(rule, "rule")), cell(&numbers).right()]);
    }
    let mut lines = Vec::new();
    for (line, rule) in table.lines(WIDE, usize::MAX).into_iter().zip(entries(rules)) {
        let message = field(rule, "message");
        lines.push(line);
        lines.extend((!message.is_empty()).then(|| format!("        {}", out::clean(&message))));
    }
    lines
}

fn events(events: &[Event]) -> Vec<String> {
    let mut table = Table::default();
    for event in events {
        table.push(vec![cell(&event.at.to_string()), cell(&event.kind), cell(&highlights(&event.detail))]);
    }
    table.lines(WIDE, usize::MAX)
}

/// What a person wants to know of an event; `--json` has the rest.
fn highlights(detail: &Value) -> String {
    const TOLD: [&str; 9] =
        ["usd", "http_status", "delivered", "block", "proof", "why", "by", "error_reason", "earliest_head"];
    let standing = detail.get("standing").and_then(Value::as_array).map(|standing| {
        let words: Vec<&str> = standing.iter().filter_map(Value::as_str).collect();
        format!("now {}", words.join(" by "))
    });
    let told = TOLD.iter().map(|name| (name, field(detail, name))).filter(|(_, value)| !value.is_empty());
    let told = told.map(|(name, value)| if *name == "usd" { format!("${value}") } else { format!("{name} {value}") });
    let all: Vec<String> = told.chain(standing.filter(|text| !text.ends_with("by none"))).collect();
    all.join(", ")
}

fn proof(story: &Story, now: Time) -> Vec<String> {
    let row = &story.row;
    let says = match row.proof.as_deref() {
        Some("chain") => "the chain proves it",
        Some("seller") => "the seller says so; the chain has not been heard yet",
        Some("owner") => "the owner's word",
        _ if row.state == "held" => "none yet: nobody knows whether the money moved",
        _ => "",
    };
    let mut lines: Vec<String> = Vec::new();
    lines.extend((!says.is_empty()).then(|| says.to_owned()));
    lines.extend(row.chain_tx.as_ref().map(|tx| format!("chain transaction {}", out::clean(tx))));
    lines.extend(story.window_ends.map(|end| format!("the authorization's window ends {}", words::when(end, now))));
    lines.extend(story.receipt.as_ref().map(|receipt| format!("the seller's receipt says {}", pairs(receipt))));
    if row.chain_tx.is_none() && !story.evidence.is_null() {
        lines.push(format!("evidence: {}", pairs(&story.evidence)));
    }
    lines
}

/// Stories are for reading, and lines longer than a screen wrap.
const WIDE: usize = 400;

fn entries(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn field(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// `network eip155:8453, success true` instead of braces; what is empty is left out.
fn pairs(value: &Value) -> String {
    let Value::Object(fields) = value else { return out::clean(&value.to_string()) };
    let told = fields.iter().filter(|(_, value)| !value.is_null());
    let told: Vec<String> = told.map(|(name, _)| format!("{name} {}", field(value, name))).collect();
    out::clean(&told.join(", "))
}
