//! `get_budget`: every cap that applies.

use rmcp::model::CallToolResponse;
use serde::Deserialize;
use serde_json::json;

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, READS, Tool, schema};
use crate::answer::{Budget, Budgets};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    url: Option<String>,
}

pub fn tool() -> Tool {
    Tool {
        name: "get_budget",
        title: "What may still be spent",
        description: "Use this to see every spending limit that applies, how much is used and left, and when it frees. \
            Only the owner can change limits.",
        hints: READS,
        input: schema(json!({
            "type": "object",
            "properties": { "url": { "type": "string", "description": "adds the limits for this seller" } },
            "additionalProperties": false
        })),
        output: output::schema_or_trouble::<Budgets>(),
        run: |ask| Box::pin(run(ask)),
        trouble: tell::trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let Arguments { url } = ask.parse()?;
    let budgets = ask.agent.budgets(url.as_deref()).await?;
    Ok(tell::told(&budgets, &lines(&budgets), false).into())
}

pub(super) fn lines(budgets: &Budgets) -> Vec<String> {
    let opening = match budgets.frozen {
        true => "The owner has stopped all spending. Limits otherwise:",
        false => "All of these limits must hold:",
    };
    let mut rows = vec![["scope", "window", "limit", "used", "held", "left", "frees at"].map(str::to_owned).to_vec()];
    rows.extend(budgets.budgets.iter().map(row));
    let not_applied = "The owner changed the policy and has not put the change into force: it does not count yet.";
    let note = budgets.change_not_applied.then(|| not_applied.to_owned());
    [vec![opening.to_owned()], note.into_iter().collect(), tell::table(rows)].concat()
}

fn row(budget: &Budget) -> Vec<String> {
    let Budget { scope, window, limit_usd, used_usd, held_usd, left_usd, frees_at } = budget;
    let mut row = vec![scope.clone(), window.clone()];
    row.extend([limit_usd, used_usd, held_usd, left_usd].map(|usd| format!("${usd}")));
    row.push(frees_at.map_or(String::new(), |at| at.to_string()));
    row
}
