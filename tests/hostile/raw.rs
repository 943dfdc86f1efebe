//! A host that writes whatever it likes to the program, byte by byte.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A call that is not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(55);

pub struct Raw {
    /// Ends with us.
    _child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Answers nobody waited for yet, by their id as it is written.
    answers: HashMap<String, Value>,
    next: u64,
}

impl Raw {
    /// Starts the program and opens a session as this client.
    pub async fn start(command: Command, client: Value) -> Raw {
        let mut raw = Raw::open(command);
        let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        raw.request("initialize", hello).await;
        raw.say(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string().as_bytes()).await;
        raw
    }

    /// Starts the program and says nothing yet.
    pub fn open(mut command: Command) -> Raw {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started");
        let stdin = child.stdin.take().expect("a pipe");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Raw { _child: child, stdin, stdout, answers: HashMap::new(), next: 1 }
    }

    /// One line, as it is.
    pub async fn say(&mut self, line: &[u8]) {
        self.stdin.write_all(line).await.expect("heard");
        self.stdin.write_all(b"\n").await.expect("heard");
        self.stdin.flush().await.expect("heard");
    }

    /// The whole reply: a result or an error.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = json!(self.next);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.say(request.to_string().as_bytes()).await;
        self.reply_to(&id).await
    }

    pub async fn tool(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    pub async fn reply_to(&mut self, id: &Value) -> Value {
        loop {
            if let Some(reply) = self.answers.remove(&id.to_string()) {
                return reply;
            }
            let line = tokio::time::timeout(PATIENCE, self.stdout.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("{id} is not answered")).expect("readable");
            let line = line.unwrap_or_else(|| panic!("it left without answering {id}"));
            let reply: Value = serde_json::from_str(&line).expect("nothing but JSON on stdout");
            self.answers.insert(reply["id"].to_string(), reply);
        }
    }
}
