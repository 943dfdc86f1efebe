//! `list_spend`: the calling agent's own log.

use rmcp::model::CallToolResponse;
use serde_json::json;

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, READS, Tool, schema};
use crate::answer::{Row, Spend, SpendQuery, Totals};

pub fn tool() -> Tool {
    Tool {
        name: "list_spend",
        title: "What was bought",
        description: "Use this to see your own purchases, newest first, with totals, and to find a purchase_id again.",
        hints: READS,
        input: schema(json!({
            "type": "object",
            "properties": {
                "since": { "type": "string", "description": "RFC 3339, or a span back such as 24h" },
                "until": { "type": "string" },
                "domain": { "type": "string" },
                "state": {
                    "type": "string",
                    "enum": [
                        "free", "needs_approval", "denied", "expired", "refused", "authorized", "settled", "held",
                        "lapsed"
                    ]
                },
                "limit": { "type": "integer" },
                "cursor": { "type": "string", "description": "next_cursor of the answer before" }
            },
            "additionalProperties": false
        })),
        output: output::schema_or_trouble::<Spend>(),
        run: |ask| Box::pin(run(ask)),
        trouble: tell::trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let query: SpendQuery = ask.parse()?;
    let spend = ask.agent.spend(query).await?;
    Ok(tell::told(&spend, &lines(&spend), false).into())
}

pub(super) fn lines(spend: &Spend) -> Vec<String> {
    let Totals { count, settled_usd, held_usd } = spend.totals;
    let mut lines = vec![format!("Purchases: {count}; settled ${settled_usd}, held ${held_usd}.")];
    let mut rows = vec![["at", "state", "amount", "domain", "purchase_id"].map(str::to_owned).to_vec()];
    rows.extend(spend.purchases.iter().map(row));
    lines.extend(tell::table(rows));
    lines.extend(spend.next_cursor.as_deref().map(|cursor| format!("More: cursor {cursor}")));
    lines
}

fn row(row: &Row) -> Vec<String> {
    let amount = row.amount_usd.map_or(String::new(), |usd| format!("${usd}"));
    vec![row.at.to_string(), row.state.clone(), amount, row.domain.clone(), row.purchase_id.clone()]
}
