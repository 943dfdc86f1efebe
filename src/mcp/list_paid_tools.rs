//! `list_paid_tools`: what an MCP server sells, without calling any of it.

use rmcp::model::CallToolResponse;
use serde::Deserialize;
use serde_json::json;

use super::output;
use super::tell::{self, Trouble};
use super::tool::{Ask, Hints, Tool, schema};
use crate::answer::{PaidTool, PaidTools};
use crate::text;

pub fn tool() -> Tool {
    Tool {
        name: "list_paid_tools",
        title: "List the tools of an MCP server",
        description: "Use this to see which tools an MCP server has, with what they take and the prices they claim. Never \
            pays.",
        hints: Hints { read_only: true, destructive: false, idempotent: true, open_world: true },
        input: schema(json!({
            "type": "object",
            "properties": {
                "server": { "type": "string", "description": "https URL of the MCP server, or a name the owner gave one" }
            },
            "required": ["server"],
            "additionalProperties": false
        })),
        output: output::schema_or_trouble::<PaidTools>(),
        run: |ask| Box::pin(run(ask)),
        trouble: tell::trouble,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    server: String,
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let Arguments { server } = ask.parse()?;
    let listed = ask.agent.paid_tools(&server).await?;
    Ok(tell::told(&listed, &lines(&listed), false).into())
}

/// What the server says stands in quotes, behind a line that says whose words they are.
fn lines(listed: &PaidTools) -> Vec<String> {
    let PaidTools { source, tools, omitted, next, .. } = listed;
    let count = if tools.len() == 1 { "1 tool".to_owned() } else { format!("{} tools", tools.len()) };
    let mut lines = vec![format!("{count}; {next}")];
    if *omitted > 0 {
        lines.push(format!("{omitted} more are left out: they do not fit in one answer"));
    }
    lines.push(format!("In the words of {}:", tell::clean(source)));
    lines.extend(tools.iter().map(one));
    lines
}

fn one(tool: &PaidTool) -> String {
    let price = tool.price_usd.map(|usd| format!(", claims to cost ${usd}")).unwrap_or_default();
    let changed = tool.changed_at.map(|at| format!(", says something else of itself since {at}")).unwrap_or_default();
    let schema = tool.input_schema.clone().map(|schema| format!(" {}", serde_json::Value::Object(schema)));
    let description = text::in_quotes(&tell::clean(&tool.description));
    format!("- {}{price}{changed}: {description}{}", tell::clean(&tool.name), schema.unwrap_or_default())
}
