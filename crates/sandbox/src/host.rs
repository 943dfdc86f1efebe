//! A pretend MCP host: starts a server as its child and talks to it over stdio, in either era of the protocol.
//!
//! The demo plays its scene through it and the integration tests drive the real program with it. It is deliberately
//! thin: results come back as the JSON they were, so nothing a server says wrong is smoothed over.

use std::collections::HashMap;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};

/// The two ways a host opens a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// 2024-11-05 to 2025-11-25: one `initialize`, then plain requests.
    Initialize,
    /// 2026-07-28: `server/discover`, and every request says who asks.
    Stateless,
}

impl Era {
    pub fn protocol_version(self) -> &'static str {
        match self {
            Self::Initialize => "2025-11-25",
            Self::Stateless => "2026-07-28",
        }
    }
}

/// What the host says to a request of the server's (an elicitation, say).
pub type Answer = Arc<dyn Fn(&str, &Value) -> Said + Send + Sync>;

pub enum Said {
    Result(Value),
    /// This host does not do that.
    NoSuchMethod,
    /// Whenever it comes. A sender that is dropped says nothing, ever.
    Later(oneshot::Receiver<Value>),
}

#[derive(Clone)]
pub struct HostOptions {
    pub era: Era,
    /// What the host says it can do, as the protocol's `ClientCapabilities`.
    pub capabilities: Value,
    pub answer: Answer,
    /// How long a call may take.
    pub patience: Duration,
}

impl From<Era> for HostOptions {
    fn from(era: Era) -> Self {
        Self {
            era,
            capabilities: json!({}),
            answer: Arc::new(|_, _| Said::NoSuchMethod),
            patience: Duration::from_secs(60),
        }
    }
}

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("cannot start the server: {0}")]
    Start(std::io::Error),
    #[error("the server is gone")]
    Gone,
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    #[error("the server answered with error {code}: {message}")]
    Answered { code: i64, message: String, data: Option<Value> },
}

/// A conversation with one server. Calls may overlap. Dropping it kills the child.
pub struct Host {
    options: HostOptions,
    /// What the server said of itself: the result of `initialize` or `server/discover`.
    pub server: Value,
    shared: Arc<Shared>,
    next_id: AtomicU64,
    process: Option<Process>,
}

/// A call under way.
pub struct Pending {
    /// What `notifications/cancelled` would name.
    pub id: u64,
    answer: oneshot::Receiver<Value>,
    patience: Duration,
}

impl Host {
    /// Starts a server as a child and opens the conversation. Stderr goes where the command says.
    pub async fn start(command: Command, options: impl Into<HostOptions>) -> Result<Self, HostError> {
        let (process, stdout, stdin) = Process::spawn(command).map_err(HostError::Start)?;
        Self::open(stdout, stdin, options.into(), Some(process)).await
    }

    /// Opens the conversation with a server in this process.
    pub async fn over(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        options: impl Into<HostOptions>,
    ) -> Result<Self, HostError> {
        Self::open(reader, writer, options.into(), None).await
    }

    async fn open(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        options: HostOptions,
        process: Option<Process>,
    ) -> Result<Self, HostError> {
        let (lines, outbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared { lines: Mutex::new(Some(lines)), heard: Mutex::default() });
        tokio::spawn(write_lines(outbox, writer));
        tokio::spawn(listen(reader, shared.clone(), options.answer.clone()));
        let mut host = Self { options, server: Value::Null, shared, next_id: AtomicU64::new(1), process };
        host.server = host.greet().await?;
        Ok(host)
    }

    async fn greet(&self) -> Result<Value, HostError> {
        if self.options.era == Era::Stateless {
            return self.call("server/discover", json!({})).await;
        }
        let hello = json!({
            "protocolVersion": self.options.era.protocol_version(),
            "capabilities": self.options.capabilities,
            "clientInfo": client_info(),
        });
        let server = self.call("initialize", hello).await?;
        self.notify("notifications/initialized", json!({}));
        Ok(server)
    }

    /// Sends a request and waits for its result.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, HostError> {
        self.begin(method, params).result().await
    }

    /// Calls a tool; the result is the whole `CallToolResult`.
    pub async fn tool(&self, name: &str, arguments: Value) -> Result<Value, HostError> {
        self.begin_tool(name, arguments).result().await
    }

    /// Sends a request and comes back at once.
    pub fn begin(&self, method: &str, params: Value) -> Pending {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.shared.expect(id, sender);
        let params = self.signed_by_era(params);
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        if !self.shared.say(&request) {
            self.shared.forget(id);
        }
        Pending { id, answer, patience: self.options.patience }
    }

    /// Calls a tool and comes back at once.
    pub fn begin_tool(&self, name: &str, arguments: Value) -> Pending {
        self.begin("tools/call", json!({"name": name, "arguments": arguments}))
    }

    pub fn notify(&self, method: &str, params: Value) {
        let notification = json!({"jsonrpc": "2.0", "method": method, "params": params});
        self.shared.say(&notification);
    }

    /// Tells the server that nobody waits for this call any more.
    pub fn cancel(&self, id: u64) {
        self.notify("notifications/cancelled", json!({"requestId": id}));
    }

    /// The server's notifications so far, oldest first.
    pub fn notifications(&self) -> Vec<Value> {
        self.shared.heard().notifications.clone()
    }

    /// Lines of the server's that were no JSON; a clean server has none.
    pub fn noise(&self) -> Vec<String> {
        self.shared.heard().noise.clone()
    }

    /// Hangs up: the server reads the end of its input, and what it still says is heard.
    pub fn close_stdin(&self) {
        let lines = &self.shared.lines;
        *lines.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The child's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        let process = self.process.as_ref()?;
        let running = process.exit.borrow().is_none();
        running.then_some(process.pid)
    }

    /// Ends the child at once, with no chance to clean up.
    pub fn kill(&self) {
        if let Some(process) = &self.process {
            // A reaper that is gone has nothing left to kill.
            let _ = process.kill.send(());
        }
    }

    /// Asks the child to end (SIGTERM).
    #[cfg(unix)]
    pub fn terminate(&self) -> std::io::Result<()> {
        self.signal("-TERM")
    }

    /// Stops the child where it is (SIGSTOP): it lives, and does nothing.
    #[cfg(unix)]
    pub fn stop(&self) -> std::io::Result<()> {
        self.signal("-STOP")
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) -> std::io::Result<()> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let asked = std::process::Command::new("kill").args([signal, &pid.to_string()]).status()?;
        match asked.success() || self.pid().is_none() {
            true => Ok(()),
            false => Err(std::io::Error::other("kill refused")),
        }
    }

    /// Waits for the child to end; `None` if there is none, or its end was not seen.
    pub async fn exited(&self) -> Option<ExitStatus> {
        let mut exit = self.process.as_ref()?.exit.clone();
        let status = exit.wait_for(Option::is_some).await.ok()?;
        *status
    }

    /// In the stateless era every request carries who asks; keys the caller set stay.
    fn signed_by_era(&self, mut params: Value) -> Value {
        if self.options.era == Era::Initialize {
            return params;
        }
        let mut meta = Map::from_iter([
            ("io.modelcontextprotocol/protocolVersion".into(), json!(self.options.era.protocol_version())),
            ("io.modelcontextprotocol/clientInfo".into(), client_info()),
            ("io.modelcontextprotocol/clientCapabilities".into(), self.options.capabilities.clone()),
        ]);
        if let Some(Value::Object(own)) = params.get("_meta") {
            meta.extend(own.clone());
        }
        params["_meta"] = Value::Object(meta);
        params
    }
}

/// A server in this process reads the end of its input; a child is killed by its reaper.
impl Drop for Host {
    fn drop(&mut self) {
        self.close_stdin();
    }
}

impl Pending {
    /// Waits for the result, at most as long as the host's patience.
    pub async fn result(self) -> Result<Value, HostError> {
        let answer = tokio::time::timeout(self.patience, self.answer).await;
        let answer = answer.map_err(|_| HostError::TimedOut(self.patience))?;
        let mut answer = answer.map_err(|_| HostError::Gone)?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(HostError::Answered {
                code: error["code"].as_i64().unwrap_or_default(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                data: error.get("data").cloned(),
            }),
        }
    }
}

fn client_info() -> Value {
    json!({"name": "bursar-sandbox-host", "version": env!("CARGO_PKG_VERSION")})
}

/// What the two tasks of a conversation and its callers have in common.
struct Shared {
    /// Where lines to the server go; none once the host has hung up.
    lines: Mutex<Option<mpsc::UnboundedSender<String>>>,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// The server will say no more.
    over: bool,
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    notifications: Vec<Value>,
    noise: Vec<String>,
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the line is on its way.
    fn say(&self, message: &Value) -> bool {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.as_ref().is_some_and(|l| l.send(format!("{message}\n")).is_ok())
    }

    fn expect(&self, id: u64, sender: oneshot::Sender<Value>) {
        let mut heard = self.heard();
        if !heard.over {
            heard.waiting.insert(id, sender);
        }
    }

    fn forget(&self, id: u64) {
        self.heard().waiting.remove(&id);
    }

    fn hear(self: &Arc<Self>, line: String, answer: &Answer) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            return self.heard().noise.push(line);
        };
        match (message.get("method").and_then(Value::as_str), message.get("id")) {
            (Some(method), Some(id)) => match method {
                "ping" => self.reply(id, Some(json!({}))),
                _ => self.say_to(id.clone(), answer(method, &message["params"])),
            },
            (Some(_), None) => self.heard().notifications.push(message),
            (None, id) => {
                let id = id.and_then(Value::as_u64).unwrap_or_default();
                if let Some(caller) = self.heard().waiting.remove(&id) {
                    // A caller that stopped waiting is no trouble.
                    let _ = caller.send(message);
                }
            }
        }
    }

    fn say_to(self: &Arc<Self>, id: Value, said: Said) {
        match said {
            Said::Result(result) => self.reply(&id, Some(result)),
            Said::NoSuchMethod => self.reply(&id, None),
            Said::Later(result) => {
                let shared = self.clone();
                tokio::spawn(async move {
                    if let Ok(result) = result.await {
                        shared.reply(&id, Some(result));
                    }
                });
            }
        }
    }

    fn reply(&self, id: &Value, result: Option<Value>) {
        let reply = match result {
            Some(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            None => json!({"jsonrpc": "2.0", "id": id,
                "error": {"code": -32601, "message": "this host does not do that"}}),
        };
        self.say(&reply);
    }
}

/// Ends, and with it the server's input, when the host hangs up or the server stops reading.
async fn write_lines(mut outbox: mpsc::UnboundedReceiver<String>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(line) = outbox.recv().await {
        let written = writer.write_all(line.as_bytes()).await;
        if written.is_err() || writer.flush().await.is_err() {
            break;
        }
    }
    // Whoever stopped reading does not care how the line ends.
    let _ = writer.shutdown().await;
}

/// Hears the server out; at the end every caller still waiting learns that it is gone.
async fn listen(reader: impl AsyncRead + Unpin, shared: Arc<Shared>, answer: Answer) {
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        shared.hear(line, &answer);
    }
    let mut heard = shared.heard();
    heard.over = true;
    heard.waiting.clear();
}

struct Process {
    pid: u32,
    kill: mpsc::UnboundedSender<()>,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    fn spawn(mut command: Command) -> std::io::Result<(Self, tokio::process::ChildStdout, tokio::process::ChildStdin)> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let gone = || std::io::Error::other("the child has no pipes");
        let stdout = child.stdout.take().ok_or_else(gone)?;
        let stdin = child.stdin.take().ok_or_else(gone)?;
        let pid = child.id().ok_or_else(gone)?;
        let (kill, killed) = mpsc::unbounded_channel();
        let (report, exit) = watch::channel(None);
        tokio::spawn(reap(child, killed, report));
        Ok((Self { pid, kill, exit }, stdout, stdin))
    }
}

/// Owns the child: kills it on demand or when its host is dropped, and reports how it ended.
async fn reap(mut child: Child, mut killed: mpsc::UnboundedReceiver<()>, report: watch::Sender<Option<ExitStatus>>) {
    let mut status = tokio::select! {
        status = child.wait() => status.ok(),
        _ = killed.recv() => None,
    };
    if status.is_none() {
        // It may have ended in between, which is as good.
        let _ = child.start_kill();
        status = child.wait().await.ok();
    }
    report.send_replace(status);
}

#[cfg(test)]
mod tests {
    use rmcp::handler::server::wrapper::Parameters;
    use rmcp::{ServerHandler, ServiceExt, tool, tool_handler, tool_router};
    use tokio::task::JoinHandle;

    use super::*;

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Wait {
        ms: u64,
    }

    /// A server of the library bursar itself uses.
    struct Napper;

    #[tool_router]
    impl Napper {
        #[tool(name = "nap")]
        async fn nap(&self, Parameters(wait): Parameters<Wait>) -> String {
            tokio::time::sleep(Duration::from_millis(wait.ms)).await;
            format!("slept {}", wait.ms)
        }
    }

    #[tool_handler]
    impl ServerHandler for Napper {}

    async fn host(options: impl Into<HostOptions>) -> Host {
        host_and_server(options).await.0
    }

    async fn host_and_server(options: impl Into<HostOptions>) -> (Host, JoinHandle<()>) {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(async move {
            let service = Napper.serve(theirs).await.expect("a greeting");
            service.waiting().await.expect("a clean end");
        });
        let (reader, writer) = tokio::io::split(ours);
        let host = Host::over(reader, writer, options).await;
        (host.expect("greeted"), server)
    }

    fn text(result: &Value) -> &str {
        result["content"][0]["text"].as_str().expect("a text")
    }

    #[tokio::test]
    async fn both_eras_greet_list_and_call() {
        for era in [Era::Initialize, Era::Stateless] {
            let host = host(era).await;
            let tools = host.call("tools/list", json!({})).await.expect("tools");
            assert_eq!(tools["tools"][0]["name"], "nap", "{era:?}");
            let result = host.tool("nap", json!({"ms": 1})).await.expect("a result");
            assert_eq!(text(&result), "slept 1", "{era:?}");
            assert!(host.noise().is_empty());
        }
    }

    #[tokio::test]
    async fn each_era_speaks_its_own_version() {
        let old = host(Era::Initialize).await;
        assert_eq!(old.server["protocolVersion"], "2025-11-25");
        let new = host(Era::Stateless).await;
        let versions = new.server["supportedVersions"].as_array().expect("a list");
        assert!(versions.contains(&json!("2026-07-28")));
    }

    #[tokio::test]
    async fn a_short_call_overtakes_a_long_one() {
        let host = host(Era::Stateless).await;
        let long = host.begin_tool("nap", json!({"ms": 60_000}));
        let short = host.tool("nap", json!({"ms": 0})).await;
        assert_eq!(text(&short.expect("a result")), "slept 0");
        drop(long);
    }

    #[tokio::test]
    async fn patience_ends_and_errors_come_back_as_errors() {
        let options = HostOptions { patience: Duration::from_millis(100), ..Era::Initialize.into() };
        let host = host(options).await;
        let unknown = host.call("no/such", json!({})).await;
        assert!(matches!(unknown, Err(HostError::Answered { code: -32601, .. })));
        let slow = host.tool("nap", json!({"ms": 60_000})).await;
        assert!(matches!(slow, Err(HostError::TimedOut(_))));
    }

    #[tokio::test]
    async fn after_hanging_up_calls_say_that_the_server_is_gone() {
        let host = host(Era::Initialize).await;
        host.close_stdin();
        let call = host.call("tools/list", json!({})).await;
        assert!(matches!(call, Err(HostError::Gone)));
    }

    #[tokio::test]
    async fn a_dropped_host_ends_a_server_in_the_same_process() {
        let (host, server) = host_and_server(Era::Initialize).await;
        drop(host);
        server.await.expect("ended");
    }

    /// A server made of one line of shell, which greets and then does as it is told.
    #[cfg(unix)]
    async fn shell(then: &str) -> Host {
        let greeting = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let mut command = Command::new("sh");
        command.args(["-c", &format!("read hello; echo '{greeting}'; {then}")]);
        Host::start(command, Era::Initialize).await.expect("greeted")
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_child_ends_by_itself_when_its_input_ends() {
        let host = shell("cat >/dev/null; exit 7").await;
        assert!(host.pid().is_some());
        host.close_stdin();
        assert_eq!(host.exited().await.expect("ended").code(), Some(7));
        assert_eq!(host.pid(), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_child_can_be_killed_or_asked_to_end() {
        use std::os::unix::process::ExitStatusExt;
        let killed = shell("cat >/dev/null").await;
        killed.kill();
        assert_eq!(killed.exited().await.expect("ended").signal(), Some(9));
        let asked = shell("exec cat >/dev/null").await;
        asked.terminate().expect("asked");
        assert_eq!(asked.exited().await.expect("ended").signal(), Some(15));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_server_s_requests_notes_and_noise_are_told_apart() {
        let asks = r#"{"jsonrpc":"2.0","id":"q1","method":"elicitation/create","params":{}}"#;
        let note = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#;
        let host =
            shell(&format!("echo oops; echo '{note}'; read initialized; echo '{asks}'; read reply; exit 3")).await;
        assert_eq!(host.exited().await.expect("ended").code(), Some(3));
        let pending = host.call("tools/list", json!({})).await;
        assert!(matches!(pending, Err(HostError::Gone)));
        assert_eq!(host.noise(), ["oops"]);
        assert_eq!(host.notifications().len(), 1);
    }

    #[tokio::test]
    async fn a_command_that_does_not_exist_cannot_be_started() {
        let start = Host::start(Command::new("/no/such/program"), Era::Initialize).await;
        assert!(matches!(start, Err(HostError::Start(_))));
    }
}
