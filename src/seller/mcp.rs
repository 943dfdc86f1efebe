//! The door to MCP servers: a tool is asked for unpaid, and a payment is presented with the same call, as the ledger
//! recorded it. What comes back is put as a reply: its status is what the answer amounts to, its body the result or the
//! error as it was written, and its `_meta` stands apart, where receipts are.

mod events;
mod message;
mod mirrored;
mod over_http;
mod program;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::http::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use self::message::{McpMessage, Spoken};
use self::mirrored::Mirrors;
use self::over_http::{FRESH, Session, headers_of_json};
pub use self::program::Programs;
use self::program::{RunningTools, ToolProgram};
use super::http::{Failed, HttpSeller, host};
use crate::json;
use crate::limits;
use crate::offer;
use crate::ports::{Egress, Inquiry, Presented, Progress, Recorded, Reply, Rest, SellerError};
use crate::request::{PROGRAM, Request, server_at};

/// The sellers that are MCP servers.
#[derive(Debug)]
pub struct ToolSeller {
    http: Arc<HttpSeller>,
    programs: BTreeMap<String, ToolProgram>,
    /// How each was found to be spoken to, by the URL it was asked for under.
    known: Mutex<HashMap<Url, Session>>,
    /// What their tools want in headers too, by the same.
    mirrors: Mutex<HashMap<Url, Mirrors>>,
    ids: AtomicU64,
}

/// One request and its answer, as it is to go.
struct Exchange<'a> {
    message: &'a McpMessage,
    id: u64,
    /// A header that pays, for whoever stands before the server.
    header: Option<(&'a str, &'a str)>,
    progress: &'a Progress,
    until: Instant,
}

/// What a server answered, as it was written.
#[derive(Clone, Debug)]
struct Said {
    is_error: bool,
    text: String,
}

/// What came back: an answer in JSON-RPC, or else whatever HTTP brought.
struct Came {
    status: u16,
    headers: HeaderMap,
    said: Option<Said>,
    body: Vec<u8>,
}

impl Came {
    /// Whether the server wants arguments in headers that were not there: it heard nothing of the call yet.
    fn lacks_headers(&self) -> bool {
        const HEADER_MISMATCH: i64 = -32020;
        let error = self.said.as_ref().filter(|said| said.is_error);
        let error = error.and_then(|said| serde_json::from_str::<Value>(&said.text).ok());
        error.is_some_and(|error| error["code"] == HEADER_MISMATCH)
    }
}

/// A server that can be spoken to now.
enum Line {
    Http(Session),
    Program(Arc<RunningTools>),
}

impl Said {
    /// If this is the answer to that.
    fn to(id: u64, heard: Spoken) -> Option<Said> {
        match heard {
            Spoken::Answer { id: of, is_error, text } if of == id || (of == 0 && is_error) => {
                Some(Said { is_error, text })
            }
            _ => None,
        }
    }
}

impl ToolSeller {
    /// Servers over this HTTP, and these programs.
    pub fn new(http: Arc<HttpSeller>, programs: &Programs) -> ToolSeller {
        let started = |(name, (command, arguments)): (&String, &(String, Vec<String>))| {
            (name.clone(), ToolProgram::new(name, command, arguments))
        };
        let programs = programs.iter().map(started).collect();
        // The handshakes have the first ones.
        ToolSeller { http, programs, known: Mutex::default(), mirrors: Mutex::default(), ids: AtomicU64::new(10) }
    }

    /// The unpaid leg.
    pub async fn ask(&self, request: &Request, egress: Egress<'_>, progress: &Progress) -> Result<Reply, SellerError> {
        let server = server_at(&request.url);
        let mut request = self.with_mirrors(&server, request);
        let (mut line, mut came) = self.asked(&server, &call(&request)?, egress, progress).await?;
        if came.lacks_headers() {
            self.look_for(&server, &request, egress).await?;
            request = self.with_mirrors(&server, &request);
            (line, came) = self.asked(&server, &call(&request)?, egress, progress).await?;
        }
        Ok(reply(came, &line, &request))
    }

    /// Lists the tools of a server up to this one.
    async fn look_for(&self, server: &Url, request: &Request, egress: Egress<'_>) -> Result<(), SellerError> {
        let mut cursor = None;
        for _ in 0..limits::PAGES_OF_TOOLS {
            let page = self.inquire(server, &Inquiry::tools(cursor), egress).await?;
            let page = json::strict(&page).unwrap_or_default();
            let tools = page.get("tools").and_then(Value::as_array);
            let is_it = |tool: &Value| tool.get("name").and_then(Value::as_str) == request.tool().as_deref();
            cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() || tools.is_some_and(|tools| tools.iter().any(is_it)) {
                break;
            }
        }
        Ok(())
    }

    fn with_mirrors(&self, server: &Url, request: &Request) -> Request {
        let mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let (tool, arguments) = (request.tool().unwrap_or_default(), String::from_utf8_lossy(&request.body));
        let headers = mirrors.get(server).map(|mirrors| mirrors.headers(&tool, &arguments)).unwrap_or_default();
        Request { headers, ..request.clone() }
    }

    fn learn_mirrors(&self, server: &Url, page: &str) {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        if mirrors.len() >= limits::SERVERS_KNOWN && !mirrors.contains_key(server) {
            mirrors.clear();
        }
        mirrors.entry(server.clone()).or_default().learn(&json::strict(page).unwrap_or_default());
    }

    /// Anything else that a server is asked, which no tool hears.
    pub async fn inquire(&self, server: &Url, inquiry: &Inquiry, egress: Egress<'_>) -> Result<String, SellerError> {
        let Inquiry { method, params, name } = inquiry.clone();
        let message = McpMessage { params, name, ..McpMessage::new(&method) };
        let (_, came) = self.asked(server, &message, egress, &Progress::unheard()).await?;
        match came.said {
            Some(Said { is_error: false, text }) => {
                if method == Inquiry::TOOLS {
                    self.learn_mirrors(server, &text);
                }
                Ok(text)
            }
            Some(_) => Err(misbehaved(server, &format!("it does not answer to {method}"))),
            None => Err(misbehaved(server, &format!("it answered {method} with the status {}", came.status))),
        }
    }

    /// What a server says of itself.
    pub async fn meet(&self, server: &Url, egress: Egress<'_>) -> Result<String, SellerError> {
        Ok(match self.line(server, egress).await? {
            Line::Http(session) => session.about,
            Line::Program(running) => running.about.clone(),
        })
    }

    /// The paid leg: the recorded bytes, in the place they were made for, once.
    pub async fn present(&self, recorded: &Recorded, egress: Egress<'_>, progress: &Progress) -> Presented {
        let request = recorded.request();
        let (name, value) = recorded.payment_header();
        let is_member = offer::is_member(name);
        let message = match call(request) {
            Ok(message) if is_member => message.with_meta(name, value),
            Ok(message) => message,
            Err(why) => return Presented::NeverConnected(why),
        };
        let server = server_at(&request.url);
        self.forget_if(&server, |session| session.used.elapsed() > FRESH);
        // Nothing of the payment leaves before the server is there to take it.
        let line = match self.line(&server, egress).await {
            Ok(line) => line,
            Err(why) => return Presented::NeverConnected(why),
        };
        // A handshake may be sent elsewhere. What pays goes to whoever asked for it.
        if line.leads_away_from(&server) {
            return Presented::NeverConnected(misbehaved(
                &server,
                "it sends what pays to another place than asked for it",
            ));
        }
        let until = Instant::now() + limits::PAID_LEG + limits::PAID_BODY;
        let header = (!is_member).then_some((name, value));
        match self.exchange(&line, &message, header, egress, progress, until).await {
            // It does not know us any more: what it did with the payment, it does not say.
            Ok(came) if line.may_be_forgotten(&came) => {
                self.forget_if(&server, |_| true);
                let cause = "it had forgotten the session".to_owned();
                Presented::Lost(SellerError::Broken { host: host(&server), cause })
            }
            Ok(came) => Presented::Answered(reply(came, &line, request)),
            Err(Failed::BeforeTheFirstByte(why)) => Presented::NeverConnected(why),
            Err(Failed::Anywhere(why)) => Presented::Lost(why),
        }
    }

    /// Once more where the server seems to have forgotten us: nothing that costs has been said.
    async fn asked(
        &self,
        server: &Url,
        message: &McpMessage,
        egress: Egress<'_>,
        progress: &Progress,
    ) -> Result<(Line, Came), SellerError> {
        let line = self.line(server, egress).await?;
        let unpaid = || Instant::now() + limits::UNPAID_LEG;
        let came = self.exchange(&line, message, None, egress, progress, unpaid()).await;
        let is_forgotten = came.as_ref().is_ok_and(|came| line.may_be_forgotten(came));
        if is_forgotten || came.is_err() {
            self.forget_if(server, |_| true);
        }
        if !is_forgotten {
            return came.map(|came| (line, came)).map_err(Failed::why);
        }
        let line = self.line(server, egress).await?;
        let came = self.exchange(&line, message, None, egress, progress, unpaid()).await.map_err(Failed::why)?;
        Ok((line, came))
    }

    async fn exchange(
        &self,
        line: &Line,
        message: &McpMessage,
        header: Option<(&str, &str)>,
        egress: Egress<'_>,
        progress: &Progress,
        until: Instant,
    ) -> Result<Came, Failed> {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let exchange = Exchange { message, id, header, progress, until };
        match line {
            Line::Http(session) => over_http::exchange(&self.http, session, &exchange, egress).await,
            Line::Program(running) => running.exchange(&exchange).await,
        }
    }

    /// Found out, or started, where it is not known yet. No tool hears of it.
    async fn line(&self, server: &Url, egress: Egress<'_>) -> Result<Line, SellerError> {
        if server.scheme() == PROGRAM {
            let name = server.host_str().unwrap_or_default();
            let program = self.programs.get(name).ok_or_else(|| self.no_such_program(name))?;
            return program.running(Instant::now() + limits::PROGRAM_STARTS).await.map(Line::Program);
        }
        let known = self.known().get_mut(server).map(|session| {
            session.used = Instant::now();
            session.clone()
        });
        if let Some(session) = known {
            return Ok(Line::Http(session));
        }
        let until = Instant::now() + limits::UNPAID_LEG;
        let opening = over_http::open(&self.http, server, egress, until);
        let session = match tokio::time::timeout_at(until, opening).await {
            Ok(session) => session?,
            Err(_) => return Err(SellerError::TooSlow { host: host(server), seconds: limits::UNPAID_LEG.as_secs() }),
        };
        let mut known = self.known();
        if known.len() >= limits::SERVERS_KNOWN {
            known.clear();
        }
        known.insert(session.url.clone(), session.clone());
        known.insert(server.clone(), session.clone());
        Ok(Line::Http(session))
    }

    fn no_such_program(&self, name: &str) -> SellerError {
        let names: Vec<&str> = self.programs.keys().map(String::as_str).collect();
        let there = match names.as_slice() {
            [] => "there are none in config.toml".to_owned(),
            names => format!("there are {}", names.join(", ")),
        };
        SellerError::Forbidden(format!("the owner named no program `{name}` under [[tools]]: {there}"))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Url, Session>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_if(&self, server: &Url, is_old: impl Fn(&Session) -> bool) {
        self.known().retain(|url, session| (url != server && session.url != *server) || !is_old(session));
    }
}

impl Line {
    fn may_be_forgotten(&self, came: &Came) -> bool {
        match self {
            Line::Http(session) => session.may_be_forgotten(came),
            Line::Program(_) => false,
        }
    }

    fn leads_away_from(&self, server: &Url) -> bool {
        match self {
            Line::Http(session) => session.url != *server,
            Line::Program(_) => false,
        }
    }
}

fn call(request: &Request) -> Result<McpMessage, SellerError> {
    let tool = request.tool().ok_or_else(|| SellerError::Forbidden("this is no call of a tool".to_owned()))?;
    let arguments = std::str::from_utf8(&request.body)
        .map_err(|_| SellerError::Forbidden("the arguments are not text".to_owned()))?;
    Ok(McpMessage { headers: request.headers.clone(), ..McpMessage::call(&tool, arguments) })
}

/// What came, as a reply to this call. A gate before the server answers in HTTP alone.
fn reply(came: Came, line: &Line, request: &Request) -> Reply {
    let request = match (line, request.tool()) {
        (Line::Http(session), Some(tool)) => {
            let headers = request.headers.clone();
            Request { headers, ..Request::of_tool(&session.url, &tool, request.body.clone()) }
        }
        _ => request.clone(),
    };
    let Came { status, headers, said, body } = came;
    let (rest, cut) = (Rest::None, None);
    match said {
        Some(Said { is_error, text }) => {
            let (status, headers) = (offer::tool_status(&text, is_error), headers_of_json(headers));
            let (body, meta) = message::without_meta(&text).unwrap_or((text, "{}".to_owned()));
            Reply { status, headers, body: body.into_bytes(), rest, cut, request, meta: Some(meta) }
        }
        None => {
            // What is no MCP is not what was asked for, whatever HTTP calls it.
            let status = if (200..300).contains(&status) { 502 } else { status };
            Reply { status, headers, body, rest, cut, request, meta: None }
        }
    }
}

fn misbehaved(server: &Url, cause: &str) -> SellerError {
    SellerError::Misbehaved { host: host(server), cause: cause.to_owned() }
}
