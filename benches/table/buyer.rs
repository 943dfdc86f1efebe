//! Whoever buys: bursar, the bare requests, and the clients of others.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use sandbox::host::{Era, Host};
use serde_json::json;
use testkit::processes::{KEY, Scene, told};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;

use crate::floor::Floor;
use crate::seller::Seller;
use crate::writing::mib;

pub struct Buyer {
    pub name: String,
    how: How,
}

enum How {
    Floor(Floor),
    /// The scene is the home it runs in.
    Bursar(Box<(Host, Scene)>),
    Mcp(Host),
    Lines(Client),
}

/// What a process has used so far; nothing where the system does not tell.
#[derive(Clone, Copy, Default)]
pub struct Spent {
    pub cpu: Duration,
}

impl Buyer {
    pub async fn floor(_: &Seller) -> Buyer {
        Buyer { name: "the bare two requests, signed before".into(), how: How::Floor(Floor::new()) }
    }

    pub async fn bursar(name: &str, scene: Scene) -> Buyer {
        let host = scene.host("bench").await;
        Buyer { name: name.into(), how: How::Bursar(Box::new((host, scene))) }
    }

    /// Those that `benches/run` installed.
    pub async fn rivals(folder: &Path) -> Vec<Buyer> {
        let node = |file: &str| command("node", &folder.join(file));
        let python = command(folder.join(".cache/python/bin/python"), &folder.join("httpx_client.py"));
        let mcp = Host::start(node("mcp.mjs"), Era::Initialize).await.expect("the MCP server of Node");
        vec![
            Buyer { name: "@x402/fetch (Node)".into(), how: How::Lines(Client::start(node("fetch.mjs"))) },
            Buyer { name: "MCP SDK with @x402/fetch (Node)".into(), how: How::Mcp(mcp) },
            Buyer { name: "x402 with httpx (Python)".into(), how: How::Lines(Client::start(python)) },
        ]
    }

    pub async fn buy(&self, url: &str) {
        match &self.how {
            How::Floor(floor) => floor.buy(url).await,
            How::Bursar(bursar) => {
                let answer = told(bursar.0.tool("fetch_paid", json!({ "url": url })).await);
                assert_eq!(answer["charged"], "yes", "{answer:#}");
            }
            How::Mcp(host) => {
                let answer = host.tool("fetch_paid", json!({ "url": url })).await.expect("an answer");
                let text = answer["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.starts_with("200 "), "{answer:#}");
            }
            How::Lines(client) => assert_eq!(client.buy(url).await, "200"),
        }
    }

    pub async fn buy_many(&self, seller: &Seller, count: usize, at_once: usize) {
        let calls = (0..count).map(|_| async { self.buy(&seller.page()).await });
        stream::iter(calls).buffer_unordered(at_once).collect::<()>().await;
    }

    /// Asks for nothing, by MCP.
    pub async fn pings(&self) {
        if let Some(host) = self.host() {
            host.call("ping", json!({})).await.expect("a pong");
        }
    }

    fn host(&self) -> Option<&Host> {
        match &self.how {
            How::Bursar(bursar) => Some(&bursar.0),
            How::Mcp(host) => Some(host),
            How::Floor(_) | How::Lines(_) => None,
        }
    }

    pub fn pid(&self) -> Option<u32> {
        match &self.how {
            How::Floor(_) => None,
            How::Lines(client) => client.child.id(),
            How::Bursar(_) | How::Mcp(_) => self.host()?.pid(),
        }
    }

    pub fn spent(&self) -> Spent {
        Spent { cpu: self.pid().and_then(cpu).unwrap_or_default() }
    }

    /// The most of memory it had.
    pub fn peak(&self) -> String {
        self.pid().and_then(|pid| status(pid, "VmHWM:")).map_or_else(|| "-".into(), mib)
    }
}

/// The clock ticks of Linux are a hundredth of a second wherever this runs.
fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = stat.rsplit(')').next()?;
    let ticks = after_name.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>().ok()?.into_iter().sum();
    Some(Duration::from_millis(ticks * 10))
}

/// A line of what Linux says of a process, in KiB.
pub fn status(pid: u32, line: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let told = status.lines().find_map(|told| told.strip_prefix(line))?;
    told.trim().trim_end_matches(" kB").trim().parse().ok()
}

fn command(program: impl AsRef<std::ffi::OsStr>, file: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg(file).env("RIVAL_KEY", KEY).kill_on_drop(true);
    command
}

/// A client that takes a line for each URL, and says the status it got in one.
struct Client {
    child: Child,
    stdin: tokio::sync::Mutex<ChildStdin>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<String>>>>,
    next: AtomicU64,
}

impl Client {
    fn start(mut command: Command) -> Client {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a client");
        let waiting = Arc::default();
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        tokio::spawn(hear(lines, Arc::clone(&waiting)));
        let stdin = tokio::sync::Mutex::new(child.stdin.take().expect("a pipe"));
        Client { child, stdin, waiting, next: AtomicU64::new(0) }
    }

    async fn buy(&self, url: &str) -> String {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (tell, told) = oneshot::channel();
        self.waiting.lock().expect("nobody panics with it").insert(id, tell);
        self.stdin.lock().await.write_all(format!("{id} {url}\n").as_bytes()).await.expect("read");
        told.await.expect("an answer")
    }
}

async fn hear(mut lines: Lines<BufReader<ChildStdout>>, waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<String>>>>) {
    while let Ok(Some(line)) = lines.next_line().await {
        let Some((id, status)) = line.split_once(' ') else { continue };
        let tell = id.parse().ok().and_then(|id: u64| waiting.lock().expect("nobody panics with it").remove(&id));
        if let Some(tell) = tell {
            let _ = tell.send(status.to_owned());
        }
    }
}
