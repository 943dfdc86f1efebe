//! `get_balance`: what the wallet holds, and how much of it may be spent.

use rmcp::model::CallToolResponse;
use serde::Deserialize;
use serde_json::json;

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, Hints, READS, Tool, schema};
use crate::answer::Balances;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    network: Option<String>,
}

pub fn tool() -> Tool {
    Tool {
        name: "get_balance",
        title: "What the wallet holds",
        description: "Use this to see what the wallet holds per network and asset, and how much of it the budgets let \
            it spend now.",
        hints: Hints { open_world: true, ..READS },
        input: schema(json!({
            "type": "object",
            "properties": { "network": { "type": "string", "description": "CAIP-2, such as eip155:8453" } },
            "additionalProperties": false
        })),
        output: output::schema_or_trouble::<Balances>(),
        run: |ask| Box::pin(run(ask)),
        trouble: tell::trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let Arguments { network } = ask.parse()?;
    let balances = ask.agent.balances(network.as_deref()).await?;
    Ok(tell::told(&balances, &lines(&balances), false).into())
}

pub(super) fn lines(balances: &Balances) -> Vec<String> {
    let Balances { address, spendable_usd, as_of, .. } = balances;
    let mut lines = vec![format!("${spendable_usd} can be spent now, from {address}; as of {as_of}.")];
    let mut rows = vec![["network", "asset", "amount", "usd"].map(str::to_owned).to_vec()];
    rows.extend(
        balances
            .balances
            .iter()
            .map(|held| vec![held.network.clone(), held.asset.clone(), held.amount.clone(), format!("${}", held.usd)]),
    );
    lines.extend(tell::table(rows));
    lines.extend(balances.problems.iter().map(|problem| format!("Not known: {}", tell::clean(problem))));
    lines
}
