//! How an answer is put: as structured content, and as a short text that says the same, because hosts show the model
//! either of the two. A stranger's words stand last, under a line that says whose they are; nothing of ours follows.

use rmcp::model::{CallToolResult, ContentBlock, Resource};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::answer::Refusal;
use crate::answer::{Body, BudgetLeft, Charged, Encoding, Http, Outcome, SellerKnown};
use crate::limits;
use crate::money::Network;
use crate::reason::Reason;
use crate::text;

/// Why there is no proper answer. Its fields are a part of those of `fetch_paid`, in the same words.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Trouble {
    pub outcome: Outcome,
    pub charged: Charged,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<String>,
    pub reasons: Vec<Reason>,
    /// What the agent can do now, in one sentence.
    pub next: String,
}

impl Trouble {
    /// Nothing was done.
    pub fn refused(reasons: Vec<Reason>, next: &str) -> Trouble {
        let next = next.to_owned();
        Trouble { outcome: Outcome::Refused, charged: Charged::No, purchase_id: None, reasons, next }
    }

    /// The arguments are not what the tool takes.
    pub fn misfit(reasons: Vec<Reason>) -> Trouble {
        Trouble::refused(reasons, "correct the arguments and call again")
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble::refused(refusal.reasons, &refusal.next)
    }
}

/// One answer in both forms.
pub fn told(answer: &impl Serialize, lines: &[String], is_error: bool) -> CallToolResult {
    let mut result = CallToolResult::success(vec![ContentBlock::text(lines.join("\n"))]);
    result.structured_content = serde_json::to_value(answer).ok();
    result.is_error = Some(is_error);
    result
}

pub fn trouble(trouble: Trouble) -> CallToolResult {
    let id = trouble.purchase_id.as_deref();
    let charged = spelt(trouble.charged);
    let mut lines = vec![opening(&spelt(trouble.outcome), &charged, id, &trouble.next)];
    lines.extend(trouble.reasons.iter().map(reason));
    told(&trouble, &lines, true)
}

/// `held; charged: unknown; purchase_id: pu_1. Call again with this id.`
pub fn opening(outcome: &str, charged: &str, purchase_id: Option<&str>, next: &str) -> String {
    let id = purchase_id.map(|id| format!("; purchase_id: {id}")).unwrap_or_default();
    format!("{outcome}; charged: {charged}{id}. {next}")
}

/// `- over_domain_day: ... (domain *.example.com per_day; limit $1.00, used $0.98; who can fix it: owner)`
pub fn reason(reason: &Reason) -> String {
    let numbers = match (reason.limit_usd, reason.used_usd) {
        (Some(limit), Some(used)) => format!("; limit ${limit}, used ${used}"),
        _ => String::new(),
    };
    let Reason { code, rule, message, who_can_fix, .. } = reason;
    format!("- {code}: {} ({}{numbers}; who can fix it: {})", clean(message), clean(rule), spelt(who_can_fix))
}

pub fn left(left: &BudgetLeft) -> String {
    let amount = |usd: Option<crate::money::Usd>| usd.map_or("no limit".to_owned(), |usd| format!("${usd}"));
    format!("Left: session {}, domain {}, day {}", amount(left.session), amount(left.domain), amount(left.day))
}

pub fn http(http: &Http) -> String {
    let kind = http.content_type.as_deref().map(|kind| format!(", {}", clean(kind))).unwrap_or_default();
    format!("HTTP {}{kind}, from {}", http.status, clean(&http.final_url))
}

/// The seller's body. It must be the last thing said.
pub fn body(body: &Body, purchase_id: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(note) = not_all_here(body, purchase_id) {
        lines.push(note);
    }
    if !body.body.is_empty() {
        let encoded = if body.body_encoding == Encoding::Base64 { ", base64" } else { "" };
        lines.push(format!("Content from {}{encoded}:", clean(&body.body_source)));
        lines.push(body.body.clone());
    }
    lines
}

fn not_all_here(body: &Body, purchase_id: Option<&str>) -> Option<String> {
    let bytes = body.body_bytes;
    match (body.body_encoding, purchase_id) {
        (Encoding::None, _) if bytes == 0 => None,
        (Encoding::Text, _) if !body.truncated => None,
        (Encoding::Text, Some(id)) => {
            Some(format!("Only a part of the {bytes} bytes of the body follows; get_purchase with {id} has all, free."))
        }
        (Encoding::Text, None) => Some(format!("Only a part of the {bytes} bytes of the body follows.")),
        (_, Some(id)) => Some(format!("The body is not text; its {bytes} bytes are stored: {}", body_uri(id))),
        (_, None) => Some(format!("The body is not text; it has {bytes} bytes.")),
    }
}

/// Where a stored body that is not text can be read.
pub fn link(body: &Body, purchase_id: Option<&str>, http: Option<&Http>) -> Option<ContentBlock> {
    let id = purchase_id.filter(|_| body.body_encoding != Encoding::Text && body.body_bytes > 0)?;
    let mut resource = Resource::new(body_uri(id), format!("body of {id}")).with_size(body.body_bytes);
    if let Some(kind) = http.and_then(|http| http.content_type.as_deref()) {
        resource = resource.with_mime_type(clean(kind));
    }
    Some(ContentBlock::resource_link(resource))
}

pub fn body_uri(purchase_id: &str) -> String {
    format!("bursar://purchase/{purchase_id}/body")
}

/// Columns that line up; every cell is cleaned, since some hold what strangers say.
pub fn table(rows: Vec<Vec<String>>) -> Vec<String> {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter().map(|row| aligned(row, &widths)).collect()
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    cells.join("  ").trim_end().to_owned()
}

/// A value as it is spelt in the structured answer.
pub fn spelt(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A chain transaction, and who names it.
pub fn chain_tx(tx: &str, proof: &str) -> String {
    let by = if proof == "seller" { " (as the seller says)" } else { "" };
    format!(", chain_tx {}{by}", clean(tx))
}

/// `Base Sepolia`; what is no chain of ours as it is written.
pub fn network(caip2: &str) -> String {
    clean(Network::new(caip2).title())
}

/// `Known here, last 30 days: example.com was paid 4 times, delivered 3, of these 1 bad; 0 false receipts`
pub fn known(seller: &SellerKnown) -> String {
    let SellerKnown { domain, days, paid, delivered, bad, lied } = seller;
    format!(
        "Known here, last {days} days: {} was paid {paid} times, delivered {delivered}, of these {bad} bad; {lied} false \
         receipts",
        clean(domain)
    )
}

/// A stranger's words inside a line of ours.
pub fn clean(words: &str) -> String {
    text::quoted(words, limits::QUOTED_CHARS)
}

/// A stranger's words that were bounded where they were read, and have to be told whole.
pub fn whole(words: &str) -> String {
    text::quoted(words, limits::LISTED_URL_BYTES)
}
