//! A host that leaves, stops us, gives up on a call, or opens the session oddly. Spoken by hand, line by line.

use futures_util::FutureExt;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use super::*;
use crate::mcp::NotServed;
use crate::mcp::door::{DrainingTransport, Leaving};

#[tokio::test]
async fn a_host_that_looks_and_leaves_is_no_error() {
    let (host, served) = Host::connect(all_tools());
    drop(host);
    assert!(served.await.unwrap().is_ok());
}

#[tokio::test]
async fn calls_in_flight_are_answered_after_stdin_ends() {
    static GO: Notify = Notify::const_new();
    for opening in [vec![initialize()], vec![]] {
        let (mut host, served) = Host::connect(fetch_paid_that(|_| {
            Box::pin(async {
                GO.notified().await;
                panic!("is an answer too")
            })
        }));
        let stateless = opening.is_empty();
        host.say_all(&opening).await;
        host.say(&fetch(1, stateless)).await;
        host.hang_up().await;
        GO.notify_one();
        assert_eq!(host.hear(1).await["result"]["isError"], true);
        assert!(served.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn stdin_seems_open_until_the_last_call_is_answered() {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (read, write) = tokio::io::split(ours);
    let mut door = DrainingTransport::new(AsyncRwTransport::new_server(read, write), Leaving::default());
    let mut theirs = theirs;
    theirs.write_all(format!("{}\n{}\n", initialize(), fetch(7, false)).as_bytes()).await.unwrap();
    theirs.shutdown().await.unwrap();
    for id in [0, 7_i64] {
        assert!(
            matches!(door.receive().await, Some(ClientJsonRpcMessage::Request(asked)) if asked.id == rmcp::model::RequestId::Number(id))
        );
    }
    assert!(door.receive().now_or_never().is_none());
    for id in [0, 7_i64] {
        assert!(door.receive().now_or_never().is_none());
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": {"content": []}});
        door.send(serde_json::from_value::<ServerJsonRpcMessage>(answer).unwrap()).await.unwrap();
    }
    assert!(matches!(door.receive().now_or_never(), Some(None)));
}

#[tokio::test]
async fn a_signal_ends_the_taking_of_calls_but_not_those_taken() {
    static GO: Notify = Notify::const_new();
    let (stop, stopped) = oneshot::channel::<()>();
    let tools = fetch_paid_that(|_| {
        Box::pin(async {
            GO.notified().await;
            panic!("is an answer too")
        })
    });
    let (mut host, served) = Host::connect_until(tools, async { drop(stopped.await) });
    host.say_all(&[initialize(), fetch(1, false), json!({"jsonrpc": "2.0", "id": 2, "method": "ping"})]).await;
    host.hear(2).await;
    stop.send(()).unwrap();
    tokio::task::yield_now().await;
    host.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "ping"})).await;
    GO.notify_one();
    let heard = host.hear_out().await;
    assert_eq!(heard.iter().map(|m| m["id"].clone()).collect::<Vec<_>>(), [1]);
    assert!(served.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_call_that_its_host_gives_up_goes_on_and_is_not_answered() {
    static BEGUN: Notify = Notify::const_new();
    static GO: Notify = Notify::const_new();
    static DONE: Notify = Notify::const_new();
    for stateless in [false, true] {
        let (mut host, served) = Host::connect(fetch_paid_that(|_| {
            Box::pin(async {
                BEGUN.notify_one();
                GO.notified().await;
                DONE.notify_one();
                panic!("is an answer too")
            })
        }));
        if !stateless {
            host.say(&initialize()).await;
        }
        host.say(&fetch(1, stateless)).await;
        BEGUN.notified().await;
        let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        host.say(&cancelled).await;
        host.hang_up().await;
        let heard = host.hear_out().await;
        assert!(heard.iter().all(|message| message["id"] != 1), "{heard:?}");
        assert!(served.await.unwrap().is_ok());
        GO.notify_one();
        DONE.notified().await;
    }
}

#[tokio::test]
async fn a_subscription_does_not_keep_the_house_open() {
    let (mut host, served) = Host::connect(all_tools());
    let listen = json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": {"_meta": meta(), "notifications": {"toolsListChanged": true}}});
    host.say(&listen).await;
    host.hang_up().await;
    let heard = host.hear_out().await;
    assert_eq!(heard[0]["method"], "notifications/subscriptions/acknowledged", "{heard:?}");
    assert_eq!(heard[1]["id"], 1);
    assert!(served.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_probe_that_is_cancelled_leaves_the_session_to_the_handshake() {
    let (mut host, _served) = Host::connect(all_tools());
    host.say(&json!({"jsonrpc": "2.0", "id": 9, "method": "server/discover", "params": {"_meta": meta()}})).await;
    host.hear(9).await;
    host.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}})).await;
    host.say(&initialize()).await;
    assert_eq!(host.hear(0).await["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn the_oldest_and_the_newest_era_are_spoken() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (mut host, _served) = Host::connect(all_tools());
        let mut hello = initialize();
        hello["params"]["protocolVersion"] = version.into();
        host.say(&hello).await;
        assert_eq!(host.hear(0).await["result"]["protocolVersion"], version);
    }
    let (mut host, _served) = Host::connect(all_tools());
    host.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta()}})).await;
    let versions = host.hear(1).await["result"]["supportedVersions"].clone();
    assert!(versions.as_array().unwrap().contains(&json!("2026-07-28")), "{versions}");
}

#[tokio::test]
async fn arguments_that_are_no_object_are_told_so() {
    let (mut host, _served) = Host::connect(all_tools());
    host.say(&initialize()).await;
    let mut call = fetch(1, false);
    call["params"]["arguments"] = json!("url");
    host.say(&call).await;
    let error = host.hear(1).await["error"].clone();
    assert_eq!(error["code"], -32602, "{error}");
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "by hand", "version": "1"}
    }})
}

fn fetch(id: u32, stateless: bool) -> Value {
    let mut params = json!({"name": "fetch_paid", "arguments": {"url": "https://example.com/"}});
    if stateless {
        params["_meta"] = meta();
    }
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "by hand", "version": "1"}
    })
}

struct Host {
    says: WriteHalf<DuplexStream>,
    hears: Lines<BufReader<ReadHalf<DuplexStream>>>,
}

type Served = JoinHandle<Result<(), NotServed>>;

impl Host {
    fn connect(tools: Vec<Tool>) -> (Host, Served) {
        Host::connect_until(tools, pending())
    }

    fn connect_until(tools: Vec<Tool>, stop: impl Future<Output = ()> + Send + 'static) -> (Host, Served) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (read, write) = tokio::io::split(ours);
        let served = tokio::spawn(attend(server(tools), read, write, stop));
        let (hears, says) = tokio::io::split(theirs);
        (Host { says, hears: BufReader::new(hears).lines() }, served)
    }

    async fn say(&mut self, message: &Value) {
        self.says.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn say_all(&mut self, messages: &[Value]) {
        for message in messages {
            self.say(message).await;
        }
    }

    async fn hang_up(&mut self) {
        self.says.shutdown().await.unwrap();
    }

    /// The answer with this id.
    async fn hear(&mut self, id: u32) -> Value {
        loop {
            let line = self.hears.next_line().await.unwrap().expect("the server hung up");
            let message: Value = serde_json::from_str(&line).unwrap();
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Everything until the server hangs up.
    async fn hear_out(&mut self) -> Vec<Value> {
        let mut heard = Vec::new();
        while let Some(line) = self.hears.next_line().await.unwrap() {
            heard.push(serde_json::from_str(&line).unwrap());
        }
        heard
    }
}
