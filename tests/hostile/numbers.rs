//! Numbers of an agent: what it wrote is what its seller gets, and what its purchase is known by.

use sandbox::http::{Request, Server, Wire, json as json_reply, response};
use serde_json::{Value, json};

use crate::agent::open_door;
use crate::raw::Raw;
use crate::scene::{OPEN, Scene};

/// What a float cannot hold, or would be written otherwise.
const NUMBERS: [&str; 10] = [
    "100000000000000000001",
    "100000000000000000002",
    "0.1000000000000000000000000000000000000001",
    "0.10",
    "1e2",
    "1E+2",
    "-0",
    "-0.0",
    "1e400",
    "18446744073709551616",
];

/// Sells every body back, so that one sold for another shows.
async fn echo() -> (Scene, Server) {
    let server =
        Server::start(
            0,
            |request: Request| async move { Wire::Answer(response(200, "application/json", request.body)) },
        );
    let server = server.await.expect("a seller");
    let scene = Scene::open(vec![], OPEN).await;
    open_door(&scene, &server.address.to_string());
    (scene, server)
}

fn echoed(reply: &Value) -> &str {
    reply["result"]["structuredContent"]["body"].as_str().unwrap_or_else(|| panic!("{reply}"))
}

/// Numbers as they are, which `json!` could not write.
fn call(id: u64, meta: &Value, url: &str, number: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"fetch_paid","_meta":{meta},
            "arguments":{{"url":"{url}","json":{{"order": {number}, "deep":[[{{"n":{number}}}]]}}}}}}}}"#
    )
    .replace('\n', " ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_reach_the_seller_as_the_agent_wrote_them_in_both_eras() {
    let (scene, server) = echo().await;
    let era = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    });
    let mut handshake = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    let mut stateless = Raw::open(scene.command(&["serve"]));
    for (index, number) in NUMBERS.iter().enumerate() {
        let id = 1_000 + index as u64;
        for (raw, meta) in [(&mut handshake, &json!({})), (&mut stateless, &era)] {
            raw.say(call(id, meta, &server.url(), number).as_bytes()).await;
            let reply = raw.reply_to(&json!(id)).await;
            assert_eq!(echoed(&reply), format!(r#"{{"deep":[[{{"n":{number}}}]],"order":{number}}}"#));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_reach_the_seller_as_the_owner_wrote_them() {
    let (scene, server) = echo().await;
    for number in NUMBERS {
        let output = scene.run(&["fetch", &server.url(), "--json-body", &format!("[{number}]")]).await;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), format!("[{number}]"));
    }
    let twice = scene.run(&["fetch", &server.url(), "--json-body", r#"{"a":1,"a":2}"#]).await;
    assert_eq!(twice.status.code(), Some(2), "{}", String::from_utf8_lossy(&twice.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_numbers_written_differently_are_two_wishes() {
    use sandbox::sellers::Stall;
    let scene = Scene::open(vec![Stall::post("/echo", 10_000)], OPEN).await;
    let mut raw = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    let mut ids = std::collections::BTreeSet::new();
    for (index, number) in NUMBERS.iter().take(3).enumerate() {
        raw.say(call(1_000 + index as u64, &json!({}), &scene.url("/echo"), number).as_bytes()).await;
        let reply = raw.reply_to(&json!(1_000 + index)).await;
        let told = &reply["result"]["structuredContent"];
        assert_eq!((&told["charged"], &told["served_from_store"]), (&json!("yes"), &json!(false)), "{number}: {reply}");
        ids.insert(told["purchase_id"].to_string());
    }
    assert_eq!(ids.len(), 3);
    assert_eq!(scene.spent(), 30_000);
}

/// A key that stands twice is read in two ways by two readers; what the owner's rules saw may not be what is sold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_with_a_key_twice_is_refused_and_nothing_leaves() {
    let (scene, _server) = echo().await;
    let never = Server::start(0, |_| async move { Wire::Answer(json_reply(500, &json!("never"))) }).await.unwrap();
    let mut raw = Raw::start(scene.command(&["serve"]), json!({"name": "t", "version": "1"})).await;
    raw.say(call(7, &json!({}), &never.url(), "1, \"order\": 2").as_bytes()).await;
    let reply = raw.reply_to(&json!(7)).await;
    assert_eq!(reply["result"]["structuredContent"]["reasons"][0]["code"], "bad_body", "{reply}");
}
