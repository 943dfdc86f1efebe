//! `call_paid_tool`: the flow, for a tool of an MCP server.

use rmcp::model::CallToolResponse;
use serde_json::json;

use super::output;
use super::tell::Trouble;
use super::tool::{Ask, Hints, Tool};
use super::{fetch_paid, fetch_paid::with_limits};
use crate::answer::Answer;
use crate::wish::ToolCall;

pub fn tool() -> Tool {
    Tool {
        name: "call_paid_tool",
        title: "Call a tool of an MCP server, paying if it asks for money",
        description: "Use this to call a tool of another MCP server that may cost money. As fetch_paid in everything else: \
            the same limits, answers and retries by purchase_id. body is the tool's result as JSON.",
        hints: Hints { read_only: false, destructive: true, idempotent: true, open_world: true },
        input: with_limits(json!({
            "type": "object",
            "properties": {
                "server": { "type": "string", "description": "https URL of the MCP server, or a name the owner gave one" },
                "tool": { "type": "string" },
                "arguments": { "type": "object" }
            },
            "required": ["server", "tool"],
            "additionalProperties": false
        })),
        output: output::schema::<Answer>(),
        run: |ask| Box::pin(run(ask)),
        trouble: fetch_paid::trouble,
    }
}

async fn run(mut ask: Ask) -> Result<CallToolResponse, Trouble> {
    let call: ToolCall = ask.parse()?;
    ask.asking.hear().await;
    let answer = ask.agent.call_paid_tool(ask.client.as_deref(), call, ask.caller.as_ref()).await;
    Ok(fetch_paid::answered(&ask, &answer))
}
