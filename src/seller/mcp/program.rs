//! MCP with a program of the owner's, over its stdin and stdout: a message a line. It is started at the first call, runs
//! as long as bursar does, and is handed nothing of the environment but what every program needs.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex, oneshot};
use tokio::time::Instant;

use super::message::{self, Era, HANDSHAKEN, INITIALIZED, McpMessage, STATELESS, Spoken};
use super::over_http::agreed;
use super::{Came, Exchange, Said};
use crate::limits;
use crate::ports::{Progress, SellerError};
use crate::seller::http::Failed;

/// What a program may be told of where it runs.
const HANDED_ON: [&str; 12] =
    ["HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER", "APPDATA", "PATHEXT", "SYSTEMROOT", "TEMP"];

/// How the owner's programs are started, by the names they have in config.toml: the program and its arguments.
pub type Programs = BTreeMap<String, (String, Vec<String>)>;

/// One of them.
#[derive(Debug)]
pub struct ToolProgram {
    name: String,
    command: String,
    arguments: Vec<String>,
    running: Mutex<Option<Arc<RunningTools>>>,
}

/// A program that was started, and has shaken hands.
#[derive(Debug)]
pub struct RunningTools {
    pub era: Era,
    /// What it said of itself.
    pub about: String,
    pipes: Arc<Pipes>,
    /// Stopped with us.
    _child: Child,
}

#[derive(Debug)]
struct Pipes {
    name: String,
    to: Mutex<ChildStdin>,
    /// None: it says nothing any more.
    waiting: PlainMutex<Option<HashMap<u64, Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    said: oneshot::Sender<Said>,
    progress: Progress,
}

impl ToolProgram {
    pub fn new(name: &str, command: &str, arguments: &[String]) -> ToolProgram {
        let (name, command, arguments) = (name.to_owned(), command.to_owned(), arguments.to_vec());
        ToolProgram { name, command, arguments, running: Mutex::new(None) }
    }

    /// As it runs; started if it does not.
    pub async fn running(&self, until: Instant) -> Result<Arc<RunningTools>, SellerError> {
        let mut kept = self.running.lock().await;
        if let Some(running) = kept.as_ref().filter(|running| running.pipes.is_open()) {
            return Ok(running.clone());
        }
        let started = match tokio::time::timeout_at(until, self.start(until)).await {
            Ok(started) => Arc::new(started?),
            Err(_) => return Err(self.unreachable("it did not shake hands in time")),
        };
        *kept = Some(started.clone());
        Ok(started)
    }

    async fn start(&self, until: Instant) -> Result<RunningTools, SellerError> {
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).env_clear();
        command.envs(HANDED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|cause| self.unreachable(&cause.to_string()))?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.unreachable("it has no pipes"));
        };
        let pipes = Arc::new(Pipes {
            name: self.name.clone(),
            to: Mutex::new(to),
            waiting: PlainMutex::new(Some(HashMap::new())),
        });
        tokio::spawn(listen(pipes.clone(), from));
        let (era, about) = self.shake_hands(&pipes, until).await?;
        Ok(RunningTools { era, about, pipes, _child: child })
    }

    /// With the handshake first: a program that knows none says so, where an older one might wait for it for ever.
    async fn shake_hands(&self, pipes: &Arc<Pipes>, until: Instant) -> Result<(Era, String), SellerError> {
        let proposed = Era::Handshaken(HANDSHAKEN[0].to_owned());
        let ask = |message: McpMessage, id: u64, era: Era| async move {
            let exchange = Exchange { message: &message, id, header: None, progress: &Progress::unheard(), until };
            pipes.exchange(&exchange, &era).await.map_err(Failed::why)
        };
        let said = ask(McpMessage::handshake(), 1, proposed).await?;
        if let Some(version) = agreed(&said.text).filter(|_| !said.is_error) {
            pipes.write(INITIALIZED).await.map_err(|cause| self.unreachable(&cause.to_string()))?;
            return Ok((Era::Handshaken(version), said.text));
        }
        let said = ask(McpMessage::new("server/discover"), 2, Era::Stateless).await?;
        match !said.is_error && said.text.contains(STATELESS) {
            true => Ok((Era::Stateless, said.text)),
            false => Err(self.unreachable("it is no MCP server, or of a version that is not spoken here")),
        }
    }

    fn unreachable(&self, cause: &str) -> SellerError {
        SellerError::Unreachable { host: self.name.clone(), cause: cause.to_owned() }
    }
}

impl RunningTools {
    pub async fn exchange(&self, exchange: &Exchange<'_>) -> Result<Came, Failed> {
        let said = self.pipes.exchange(exchange, &self.era).await?;
        crate::crash::point("heard");
        Ok(Came { status: 200, headers: ::http::HeaderMap::new(), said: Some(said), body: Vec::new() })
    }
}

impl Pipes {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Option<HashMap<u64, Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self) -> bool {
        self.waiting().is_some()
    }

    async fn write(&self, line: &str) -> std::io::Result<()> {
        let mut to = self.to.lock().await;
        to.write_all(format!("{line}\n").as_bytes()).await?;
        to.flush().await
    }

    async fn exchange(&self, exchange: &Exchange<'_>, era: &Era) -> Result<Said, Failed> {
        let broken = |cause: &str| SellerError::Broken { host: self.name.clone(), cause: cause.to_owned() };
        let (said, answer) = oneshot::channel();
        match self.waiting().as_mut() {
            Some(waiting) => {
                waiting.insert(exchange.id, Waiting { said, progress: exchange.progress.clone() });
            }
            None => return Err(Failed::BeforeTheFirstByte(broken("the program has ended"))),
        }
        let line = exchange.message.written(exchange.id, era);
        let heard = match tokio::time::timeout_at(exchange.until, self.write(&line)).await {
            Ok(Ok(())) => tokio::time::timeout_at(exchange.until, answer).await,
            Ok(Err(cause)) => return Err(Failed::Anywhere(broken(&cause.to_string()))),
            Err(_) => {
                // A part of a line may be in there, which the next one would be taken for the rest of.
                *self.waiting() = None;
                return Err(Failed::Anywhere(broken("the program does not read what it is told")));
            }
        };
        match heard {
            Ok(Ok(said)) => Ok(said),
            Ok(Err(_)) => Err(Failed::Anywhere(broken("the program ended before it answered"))),
            Err(_) => {
                if let Some(waiting) = self.waiting().as_mut() {
                    waiting.remove(&exchange.id);
                }
                Err(Failed::Anywhere(broken("the program did not answer in time")))
            }
        }
    }
}

/// Until the program closes its end, or says more in one line than is read.
async fn listen(pipes: Arc<Pipes>, from: ChildStdout) {
    let mut from = BufReader::new(from);
    while let Some(line) = next_line(&mut from).await {
        match message::heard(&line) {
            Some(Spoken::Answer { id, is_error, text }) => {
                let waiting = pipes.waiting().as_mut().and_then(|waiting| waiting.remove(&id));
                if let Some(waiting) = waiting {
                    let _ = waiting.said.send(Said { is_error, text });
                }
            }
            Some(Spoken::Progress { id, words }) => {
                if let Some(waiting) = pipes.waiting().as_ref().and_then(|waiting| waiting.get(&id)) {
                    waiting.progress.says(words);
                }
            }
            Some(Spoken::Asked { id, method }) => {
                let _ = pipes.write(&message::answer_to(&id, &method)).await;
            }
            Some(Spoken::Other) | None => {}
        }
    }
    // Whoever waits hears that nothing will come.
    *pipes.waiting() = None;
}

async fn next_line(from: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut line = Vec::new();
    loop {
        let ready = from.fill_buf().await.ok()?;
        if ready.is_empty() {
            return None;
        }
        let end = ready.iter().position(|byte| *byte == b'\n');
        let (taken, is_whole) = end.map_or((ready.len(), false), |at| (at + 1, true));
        line.extend_from_slice(&ready[..taken]);
        from.consume(taken);
        if line.len() > limits::STORED_BODY_BYTES {
            return None;
        }
        if is_whole {
            return Some(String::from_utf8_lossy(&line).into_owned());
        }
    }
}
