//! What bursar does not declare it does not answer, whatever the library it is built on would say.

use serde_json::{Value, json};

use crate::raw::Raw;
use crate::scene::{OPEN, Scene};

/// Of capabilities that are not declared, and of no MCP at all.
const UNDECLARED: [&str; 19] = [
    "completion/complete",
    "elicitation/create",
    "logging/setLevel",
    "resources/directory/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "roots/list",
    "sampling/createMessage",
    "server/approve",
    "skills/get",
    "skills/list",
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
    "tools/approve",
    "bursar/thaw",
    "wallet/export",
];
const NOT_FOUND: i64 = -32_601;
/// Of tasks the newer era says more exactly what is missing, where a client declared no tasks.
const MISSING_CAPABILITY: i64 = -32_021;

fn of_this_era(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    });
    params
}

/// Such as each of them takes, where it exists.
fn params() -> Value {
    json!({
        "name": "a", "uri": "bursar://purchase/pu_1/body", "taskId": "t", "level": "info", "inputResponses": {},
        "ref": {"type": "ref/prompt", "name": "a"}, "argument": {"name": "a", "value": "b"},
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_declared_is_not_found_in_both_eras() {
    let scene = Scene::open(vec![], OPEN).await;
    let mut handshake = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    let mut stateless = Raw::open(scene.command(&["serve"]));
    let discovered = stateless.request("server/discover", of_this_era(json!({}))).await;
    let declared = discovered["result"]["capabilities"].as_object().expect("capabilities").clone();
    assert_eq!(declared.keys().collect::<Vec<_>>(), ["prompts", "resources", "tools"]);
    let mut answered = Vec::new();
    for method in UNDECLARED {
        let replies = [
            ("2025-11-25", handshake.request(method, params()).await),
            ("2026-07-28", stateless.request(method, of_this_era(params())).await),
            ("2026-07-28, bare", stateless.request(method, of_this_era(json!({}))).await),
        ];
        for (era, reply) in replies {
            let code = reply["error"]["code"].as_i64();
            let missing = method.starts_with("tasks/") && code == Some(MISSING_CAPABILITY);
            if code != Some(NOT_FOUND) && !missing {
                answered.push(format!("{method} ({era}): {reply}"));
            }
        }
    }
    assert!(answered.is_empty(), "{answered:#?}");
}
