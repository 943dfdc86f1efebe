//! A purchase told to its owner: what was asked, what it would cost, what the rules said, what happened, what proves it.

use serde_json::Value;

use crate::answer::{Event, Row};
use crate::answer::{Refusal, Story};
use crate::cli::table::{Table, cell};
use crate::cli::{out, words};
use crate::limits;
use crate::offer::Attested;
use crate::owner::Owner;
use crate::reason::Reason;
use crate::text;
use crate::time::Time;

/// The story of the purchase an ID begins; the `pu_` in front may be left out, unless an agent chose the ID.
pub async fn of(bursar: &Owner, id: &str) -> Result<Story, Refusal> {
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
    lines.extend(section("Approval", approval(&story.events, now)));
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
    let mut lines = vec![
        format!(
            "{}  {}  {}  {}",
            out::bold(&row.purchase_id),
            out::paint(words::state(&row.state), &row.state),
            out::bold(&amount),
            out::dim(&words::when(row.at, now))
        ),
        format!("{} {}{}", out::clean(&row.method), text::quoted(&story.url, limits::URL_CHARS), server(story)),
        format!("asked by {}{client}{session}; {}", out::clean(&row.who()), answered(row)),
    ];
    lines.extend(story.complaint.as_ref().map(|complaint| out::bad(complaint)));
    lines
}

/// Where the tool is, which its place does not say in full.
fn server(story: &Story) -> String {
    let server = story.server.as_deref().map(|server| format!(" at {}", text::quoted(server, limits::URL_CHARS)));
    server.map(|server| out::dim(&server)).unwrap_or_default()
}

/// One cause: what the rule says of it, and which rule that is. The numbers are in the sentence.
pub fn reason(reason: &Reason) -> String {
    let rule = if reason.rule.is_empty() { String::new() } else { out::dim(&format!(" [{}]", reason.rule)) };
    format!("{}{rule}", out::clean(&reason.message))
}

fn answered(row: &Row) -> String {
    let goods = row.goods.as_ref().map(|word| format!(", goods: {}", word.replace('_', " "))).unwrap_or_default();
    match (row.http_status, row.delivered) {
        (Some(status), true) => format!("answered {status}, delivered{goods}"),
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
            cell(&words::network(&field(offer, "network"))),
            cell(&field(offer, "payee")),
            cell(&format!("{} {}", field(offer, "dialect"), field(offer, "scheme"))),
            cell(&field(offer, "verdict")).styled(words::verdict(&field(offer, "verdict"))),
        ]);
    }
    said_of_each(table, entries(offers), |offer| {
        signed("offer", offer).unwrap_or_else(|| field(&offer["unpayable"], "message"))
    })
}

/// What was found of a document that the seller signed, in a sentence.
fn signed(what: &str, beside: &Value) -> Option<String> {
    let attested: Attested = serde_json::from_value(beside.get("signed")?.clone()).ok()?;
    Some(out::clean(&attested.sentence(what)))
}

/// The lines of a table, each with what else is to be said of it below.
fn said_of_each(table: Table, of: &[Value], says: impl Fn(&Value) -> String) -> Vec<String> {
    let mut lines = Vec::new();
    for (line, one) in table.lines(WIDE, usize::MAX).into_iter().zip(of) {
        let message = says(one);
        lines.push(line);
        lines.extend((!message.is_empty()).then(|| format!("        {}", out::clean(&message))));
    }
    lines
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
    said_of_each(table, entries(rules), |rule| field(rule, "message"))
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
    const TOLD: [&str; 11] = [
        "usd",
        "http_status",
        "delivered",
        "goods",
        "block",
        "proof",
        "why",
        "by",
        "error_reason",
        "earliest_head",
        "message",
    ];
    let standing = detail.get("standing").and_then(Value::as_array).map(|standing| {
        let words: Vec<&str> = standing.iter().filter_map(Value::as_str).collect();
        format!("now {}", words.join(" by "))
    });
    let told = TOLD.iter().map(|name| (name, field(detail, name))).filter(|(_, value)| !value.is_empty());
    let told = told.map(|(name, value)| if *name == "usd" { format!("${value}") } else { format!("{name} {value}") });
    let all: Vec<String> = told.chain(standing.filter(|text| !text.ends_with("by none"))).collect();
    all.join(", ")
}

/// Who was asked, and what they said: the last word is at the end.
fn approval(events: &[Event], now: Time) -> Vec<String> {
    let told = |event: &Event| {
        let by = match field(&event.detail, "by").as_str() {
            "owner" => " by the owner",
            "host" => " inside the host program",
            _ => "",
        };
        let word = match event.kind.as_str() {
            "asked" => "asked".to_owned(),
            "approved" => out::good("approved"),
            "denied" => out::bad("denied"),
            "expired" => out::dim("expired unanswered"),
            _ => return None,
        };
        Some(format!("{word}{by} {}", words::when(event.at, now)))
    };
    events.iter().filter_map(told).collect()
}

/// What the seller said beside what the chain says, and whether they agree.
fn proof(story: &Story, now: Time) -> Vec<String> {
    if story.window_ends.is_none() {
        return Vec::new();
    }
    let mut table = Table::default();
    table.push(vec![cell("the seller said"), cell(&said_by_seller(story))]);
    if let Some(signed) = story.receipt.as_ref().and_then(|receipt| signed("receipt", receipt)) {
        table.push(vec![cell("and signed"), cell(&signed)]);
    }
    table.push(vec![cell("the chain says"), cell(&said_by_chain(story))]);
    let mut lines = table.lines(WIDE, usize::MAX);
    lines.push(agreement(story));
    let by = if story.row.proof.as_deref() == Some("seller") { ", as the seller says" } else { "" };
    lines.extend(story.row.chain_tx.as_ref().map(|tx| format!("chain transaction {}{by}", out::clean(tx))));
    lines.extend(story.window_ends.filter(|_| !is_over(story)).map(|end| {
        let verb = if end > now { "ends" } else { "ended" };
        format!("the authorization's window {verb} {}", words::when(end, now))
    }));
    lines
}

fn said_by_seller(story: &Story) -> String {
    match &story.receipt {
        Some(receipt) => format!("{} ({})", if claims(receipt) { "settled" } else { "not settled" }, pairs(receipt)),
        None => "nothing about the payment".to_owned(),
    }
}

fn said_by_chain(story: &Story) -> String {
    match (story.row.proof.as_deref(), story.row.state.as_str()) {
        (Some("seen"), "settled") => format!("seen, and not final yet ({})", pairs(&story.evidence)),
        (Some("chain"), "settled") => format!("settled ({})", pairs(&story.evidence)),
        (Some("chain"), _) => format!("never taken, and never can be ({})", pairs(&story.evidence)),
        _ => "not heard yet".to_owned(),
    }
}

/// The one line that matters of it.
fn agreement(story: &Story) -> String {
    let row = &story.row;
    let by_chain = row.proof.as_deref() == Some("chain");
    let claimed = story.receipt.as_ref().map(claims);
    let same = story.receipt.as_ref().is_none_or(|receipt| {
        let told = [field(receipt, "chain_tx"), field(&receipt["signed"], "transaction")];
        let is_proven = |told: &String| row.chain_tx.as_ref().is_none_or(|tx| tx.eq_ignore_ascii_case(told));
        told.iter().all(|told| told.is_empty() || is_proven(told))
    });
    match (by_chain, row.state.as_str(), claimed) {
        (true, "settled", Some(true)) if same => out::good("they agree: the money moved"),
        (true, "settled", Some(true)) => out::bad("they name different chain transactions; the money moved"),
        (true, "settled", Some(false)) => out::bad("they disagree: the seller took money it says it did not take"),
        (true, "settled", None) => out::good("the money moved"),
        (true, _, Some(true)) => out::bad("they disagree: the seller claims money it never took"),
        (true, ..) => out::good("no money moved"),
        (false, "settled", _) if row.proof.as_deref() == Some("seen") => {
            out::good("nodes have seen the money move; it is not final yet")
        }
        (false, "settled", _) => out::warn("on the seller's word alone so far"),
        (false, "lapsed", _) => out::warn("the owner gave the budget back by hand; the chain has not spoken"),
        (false, ..) => out::warn("nobody knows yet whether the money moved; it counts as spent"),
    }
}

/// Whether a receipt says that the money moved.
fn claims(receipt: &Value) -> bool {
    receipt.get("success").and_then(Value::as_bool).unwrap_or(false)
}

fn is_over(story: &Story) -> bool {
    story.row.proof.as_deref() == Some("chain")
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
    let told = fields.iter().filter(|(name, value)| !value.is_null() && name.as_str() != "signed");
    let told: Vec<String> =
        told.map(|(name, _)| format!("{name} {}", text::receipt_field(name, field(value, name)))).collect();
    out::clean(&told.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::money::Usd;
    use crate::offer::Receipt;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn event(secs_ago: u64, kind: &str, detail: Value) -> Event {
        Event { at: NOW.minus(Duration::from_secs(secs_ago)), kind: kind.to_owned(), detail }
    }

    /// A report for a quarter, asked about, approved, paid, and proven.
    fn story() -> Story {
        let tx = "0x5f1e000000000000000000000000000000000000000000000000000000000001";
        Story {
            row: Row {
                purchase_id: "pu_7f3a9c2d41".to_owned(),
                at: NOW.minus(Duration::from_secs(300)),
                agent: "claude-desktop".to_owned(),
                machine: None,
                session: Some("se_4".to_owned()),
                method: "GET".to_owned(),
                url: "https://api.example.com/report?q=…".to_owned(),
                domain: "api.example.com".to_owned(),
                state: "settled".to_owned(),
                delivered: true,
                http_status: Some(200),
                goods: Some("fine".to_owned()),
                amount_usd: Some(Usd::micros(250_000)),
                amount_atomic: Some("250000".to_owned()),
                asset: Some("USDC".to_owned()),
                network: Some("eip155:8453".to_owned()),
                payee: Some("0x00000000000000000000000000000000000000aa".to_owned()),
                dialect: Some("x402v2".to_owned()),
                scheme: Some("exact".to_owned()),
                chain_tx: Some(tx.to_owned()),
                proof: Some("chain".to_owned()),
                reasons: vec![],
            },
            url: "https://api.example.com/report?q=weather".to_owned(),
            server: None,
            client: Some("Claude 1.2".to_owned()),
            offers: json!([{ "amount_usd": "0.25", "asset": "USDC", "network": "eip155:8453", "dialect": "x402v2",
                "payee": "0x00000000000000000000000000000000000000aa", "scheme": "exact", "verdict": "allow" }]),
            rules: json!([
                { "rule": "wallet per_day", "said": "pass", "used_usd": "0.40", "limit_usd": "2.00" },
                { "rule": "approval above", "said": "ask", "message": "This costs $0.25, and above $0.10 is asked about." },
            ]),
            policy_hash: Some("ab12cd34ef567890".to_owned()),
            events: vec![
                event(900, "asked", json!({})),
                event(600, "approved", json!({ "by": "owner" })),
                event(300, "authorized", json!({ "usd": "0.25", "standing": ["authorized", "none"] })),
                event(299, "closed", json!({ "http_status": 200, "standing": ["settled", "seller"] })),
                event(200, "settled", json!({ "block": 31, "proof": "chain", "standing": ["settled", "chain"] })),
            ],
            complaint: None,
            receipt: Some(json!({ "success": true, "chain_tx": tx, "network": "eip155:8453" })),
            evidence: json!({ "block": 31, "amount": "250000", "chain_tx": tx }),
            window_ends: Some(NOW.minus(Duration::from_secs(60))),
        }
    }

    fn told(story: &Story) -> String {
        let plain = lines(story, NOW).into_iter().map(|line| anstream::adapter::strip_str(&line).to_string());
        plain.collect::<Vec<_>>().join("\n")
    }

    /// The line that says whether seller and chain agree.
    fn agrees(change: impl FnOnce(&mut Story)) -> String {
        let mut story = story();
        change(&mut story);
        anstream::adapter::strip_str(&agreement(&story)).to_string()
    }

    #[test]
    fn the_story_of_a_purchase_that_was_asked_about_paid_and_proven() {
        insta::assert_snapshot!(told(&story()));
    }

    #[test]
    fn the_story_of_a_payment_nobody_knows_the_outcome_of() {
        let mut held = story();
        (held.row.state, held.row.proof) = ("held".to_owned(), Some("none".to_owned()));
        (held.row.delivered, held.row.http_status, held.row.chain_tx) = (false, None, None);
        (held.receipt, held.evidence) = (None, json!({ "why": "not taken so far" }));
        held.window_ends = Some(NOW.plus(Duration::from_secs(90)));
        held.events.truncate(3);
        insta::assert_snapshot!(told(&held));
    }

    #[test]
    fn the_story_of_a_page_that_came_for_goods() {
        let mut story = story();
        story.row.goods = Some("error_page".to_owned());
        story.complaint = Some("what came for the money reads as an error, and not as goods".to_owned());
        let told = told(&story);
        let mut heading = told.lines().skip(2);
        assert!(heading.next().unwrap_or_default().ends_with("; answered 200, delivered, goods: error page"), "{told}");
        assert_eq!(heading.next(), Some("what came for the money reads as an error, and not as goods"));
    }

    #[test]
    fn seller_and_chain_are_set_against_each_other() {
        assert_eq!(agrees(|_| ()), "they agree: the money moved");
        assert!(agrees(|story| story.receipt = Some(json!({ "success": false }))).contains("says it did not take"));
        assert!(agrees(|story| story.row.chain_tx = Some("0x01".to_owned())).contains("different chain transactions"));
        assert!(agrees(|story| story.row.state = "lapsed".to_owned()).contains("claims money it never took"));
        assert!(agrees(|story| story.row.proof = Some("seller".to_owned())).contains("word alone"));
    }

    #[test]
    fn a_receipt_that_names_another_chain_transaction_does_not_agree_with_the_chain() {
        let receipt = Receipt {
            success: true,
            chain_tx: Some(format!("0x{}", "5c".repeat(32))),
            network: "eip155:8453".to_owned(),
            payer: None,
            error_reason: None,
            amount: None,
        };
        let agrees_with = |receipt: Value| agrees(|story| story.receipt = Some(receipt));
        assert_eq!(agrees_with(json!(receipt)), "they name different chain transactions; the money moved");
        let proven = Receipt { chain_tx: story().row.chain_tx, ..receipt };
        assert_eq!(agrees_with(json!(proven)), "they agree: the money moved");
        let mut signed = json!(proven);
        signed["signed"] = json!({ "transaction": "0x01" });
        assert_eq!(agrees_with(signed), "they name different chain transactions; the money moved");
    }

    #[test]
    fn what_the_seller_signed_is_told_beside_what_it_only_said() {
        let mut story = story();
        let signed = json!({ "verdict": "by_payee", "signer": "the payee", "document": "{}" });
        story.receipt.as_mut().unwrap()["signed"] = signed.clone();
        story.offers[0]["signed"] = json!({ "verdict": "cannot_verify", "why": "it names no key", "document": "{}" });
        let told = told(&story);
        assert!(told.contains("and signed       the receipt is signed by the payee"), "{told}");
        assert!(told.contains("the offer is signed, and that cannot be verified: it names no key"), "{told}");
        assert!(!told.contains("document"), "{told}");
    }

    #[test]
    fn what_cost_nothing_has_nothing_to_prove() {
        let free = Story { window_ends: None, ..story() };
        assert!(!told(&free).contains("Proof"));
    }
}
