//! `get_purchase`: one purchase, with the body that was stored for it.

use rmcp::model::{CallToolResponse, CallToolResult};
use serde::Deserialize;
use serde_json::{Value, json};

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, READS, Tool, schema};
use crate::answer::{Event, Purchase, Row};
use crate::offer::Attested;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    purchase_id: String,
    #[serde(default)]
    offset: u64,
    max_chars: Option<usize>,
}

pub fn tool() -> Tool {
    Tool {
        name: "get_purchase",
        title: "One purchase and its stored body",
        description: "Use this to see what became of a purchase (state, receipt, events), and to read its stored body \
            again or further. Free.",
        hints: READS,
        input: schema(json!({
            "type": "object",
            "properties": {
                "purchase_id": { "type": "string" },
                "offset": { "type": "integer", "description": "next_offset of the answer before" },
                "max_chars": { "type": "integer", "description": "most characters of the body to answer with (20000)" }
            },
            "required": ["purchase_id"],
            "additionalProperties": false
        })),
        output: output::schema_or_trouble::<Purchase>(),
        run: |ask| Box::pin(run(ask)),
        trouble: tell::trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let Arguments { purchase_id, offset, max_chars } = ask.parse()?;
    let purchase = ask.agent.purchase(&purchase_id, offset, max_chars).await?;
    Ok(told(&purchase).into())
}

pub(super) fn told(purchase: &Purchase) -> CallToolResult {
    let mut result = tell::told(purchase, &lines(purchase), false);
    let (body, id) = (purchase.body.as_ref(), Some(purchase.row.purchase_id.as_str()));
    result.content.extend(body.and_then(|body| tell::link(body, id, None)));
    result
}

fn lines(purchase: &Purchase) -> Vec<String> {
    let mut lines = vec![opening(&purchase.row)];
    lines.extend(purchase.row.reasons.iter().map(tell::reason));
    lines.extend(payment(&purchase.row));
    lines.extend(purchase.events.iter().map(event));
    lines.extend(purchase.receipt.iter().flat_map(receipt));
    lines.extend(purchase.next_offset.map(|next| format!("More of the body: offset {next}")));
    lines.extend(purchase.body.iter().flat_map(|body| tell::body(body, Some(&purchase.row.purchase_id))));
    lines
}

/// The seller's words, and what was found of those it signed.
fn receipt(receipt: &Value) -> Vec<String> {
    let mut words = receipt.clone();
    let signed = words.as_object_mut().and_then(|words| words.remove("signed"));
    let signed = signed.and_then(|signed| serde_json::from_value::<Attested>(signed).ok());
    let said = format!("Receipt, in the seller's words (untrusted): {}", tell::clean(&words.to_string()));
    let found = signed.map(|signed| format!("Signed receipt: {}", tell::clean(&signed.sentence("receipt"))));
    std::iter::once(said).chain(found).collect()
}

fn opening(row: &Row) -> String {
    let Row { purchase_id, state, method, url, at, .. } = row;
    let delivered = if row.delivered { "delivered" } else { "not delivered" };
    let status = row.http_status.map(|status| format!(", HTTP {status}")).unwrap_or_default();
    let goods = row.goods.as_ref().map(|word| format!(", goods: {}", word.replace('_', " "))).unwrap_or_default();
    format!("{purchase_id}: {state}, {delivered}{status}{goods}. {method} {}, {at}", tell::clean(url))
}

fn payment(row: &Row) -> Option<String> {
    let said = |words: &Option<String>| words.as_deref().map_or("unknown".to_owned(), tell::clean);
    let proof = row.proof.as_deref().unwrap_or_default();
    let tx = row.chain_tx.as_deref().map(|tx| tell::chain_tx(tx, proof)).unwrap_or_default();
    let (asset, network, payee, proof) =
        (said(&row.asset), said(&row.network.as_deref().map(tell::network)), said(&row.payee), said(&row.proof));
    row.amount_usd.map(|usd| format!("Payment: ${usd} in {asset} on {network} to {payee}, proof: {proof}{tx}"))
}

fn event(event: &Event) -> String {
    format!("{} {}", event.at, tell::clean(&event.kind))
}
