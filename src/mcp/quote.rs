//! `quote`: the price and the verdict, without paying.

use rmcp::model::{CallToolResponse, CallToolResult};
use serde_json::json;

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, Hints, Tool, schema};
use crate::answer::{Quote, QuotedOffer};
use crate::wish::Call;

pub fn tool() -> Tool {
    Tool {
        name: "quote",
        title: "See what a URL costs",
        description: "Use this to learn a price, and whether the owner's rules allow it, before fetch_paid. Sends the \
            request unpaid and never pays; a free endpoint will run and answer here.",
        hints: Hints { read_only: false, destructive: false, idempotent: false, open_world: true },
        input: schema(json!({
            "type": "object",
            "properties": {
                "url": { "type": "string", "description": "https URL" },
                "method": {
                    "type": "string",
                    "enum": ["GET", "POST", "PUT", "PATCH", "DELETE"],
                    "description": "GET, or POST if there is a body"
                },
                "headers": { "type": "object", "additionalProperties": { "type": "string" } },
                "body": { "type": "string", "description": "text body" },
                "json": { "type": "object", "description": "JSON body, not as text; any other JSON value is taken too" }
            },
            "required": ["url"],
            "additionalProperties": false
        })),
        output: output::schema::<Quote>(),
        run: |ask| Box::pin(run(ask)),
        trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let call: Call = ask.parse()?;
    Ok(told(&ask.agent.quote(call).await).into())
}

fn trouble(trouble: Trouble) -> CallToolResult {
    let Trouble { reasons, next, .. } = trouble;
    told(&Quote {
        payable: false,
        http: None,
        body: None,
        offers: Vec::new(),
        chosen: None,
        seller: None,
        budget_left_usd: None,
        reasons,
        next,
        failed: true,
    })
}

pub(super) fn told(quote: &Quote) -> CallToolResult {
    tell::told(quote, &lines(quote), quote.failed)
}

fn lines(quote: &Quote) -> Vec<String> {
    let mut lines = vec![tell::opening(&verdict(quote), "no", None, &quote.next)];
    lines.extend(quote.reasons.iter().map(tell::reason));
    for (index, offer) in quote.offers.iter().enumerate() {
        lines.push(priced(index, offer));
        lines.extend(offer.reasons.iter().map(|reason| format!("  {}", tell::reason(reason))));
        lines.extend(offer.signed.as_ref().map(|signed| format!("  {}", tell::clean(&signed.says))));
    }
    lines.extend(quote.seller.as_ref().map(tell::known));
    lines.extend(quote.budget_left_usd.as_ref().map(tell::left));
    lines.extend(quote.http.as_ref().map(tell::http));
    lines.extend(quote.body.iter().flat_map(|body| tell::body(body, None)));
    lines
}

fn verdict(quote: &Quote) -> String {
    let chosen = quote.chosen.and_then(|index| Some((index, quote.offers.get(index)?)));
    match chosen {
        _ if quote.failed => "failed".to_owned(),
        Some((index, offer)) => format!("{}: {} (offer {index})", tell::spelt(offer.verdict), price(offer)),
        None if quote.payable => "payable".to_owned(),
        None if quote.offers.is_empty() && quote.body.is_some() => "free".to_owned(),
        None => "not payable".to_owned(),
    }
}

fn price(offer: &QuotedOffer) -> String {
    match offer.amount_usd {
        Some(usd) => format!("${usd}"),
        None => format!("{} atomic", said(&offer.amount_atomic)),
    }
}

/// What the seller did not say as it should is not repeated.
fn said(words: &str) -> String {
    if words.is_empty() { "?".to_owned() } else { tell::clean(words) }
}

fn priced(index: usize, offer: &QuotedOffer) -> String {
    let (verdict, dialect) = (tell::spelt(offer.verdict), tell::spelt(offer.dialect));
    let QuotedOffer { scheme, network, asset, payee, .. } = offer;
    let [scheme, network, asset, payee] = [scheme, &tell::network(network), asset, payee].map(|words| said(words));
    let price = price(offer);
    format!("Offer {index}: {price} {asset} on {network} to {payee}, {dialect} {scheme}: {verdict}")
}
