//! MCP over HTTP: the transport of today, in both eras, and the one before it, in which answers come on a stream of their
//! own. Everything goes through the guarded door, one request at a time; nothing is tried twice here.

use std::time::Duration;

use ::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::Response;
use tokio::time::Instant;
use url::Url;

use super::events::EventReader;
use super::message::{self, Era, HANDSHAKEN, INITIALIZED, McpMessage, STATELESS, Spoken};
use super::mirrored::in_a_header;
use super::{Came, Exchange, Said, misbehaved};
use crate::json;
use crate::limits;
use crate::ports::{Egress, Progress, SellerError};
use crate::request::Request;
use crate::seller::http::{Failed, HttpSeller, bounded, host, sort};
use crate::seller::redirect;
use crate::text;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
const BOTH: &str = "application/json, text/event-stream";
const EVENTS: &str = "text/event-stream";
/// It goes back with every request, whose headers have a bound.
const SESSION_ID_BYTES: usize = 4096;
const WORDS_OF_AN_ERROR: usize = 60;

/// A server as it was found.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where redirects led.
    pub url: Url,
    pub era: Era,
    /// What it wants to be told with every request.
    id: Option<String>,
    /// Its answers come on a stream that is opened for each exchange.
    is_old: bool,
    /// What it said of itself.
    pub about: String,
    pub used: Instant,
}

impl Session {
    /// Whether this reply may mean that the server has forgotten it.
    pub fn may_be_forgotten(&self, came: &Came) -> bool {
        self.id.is_some() && matches!(came.status, 400 | 404)
    }
}

/// Finds out how a server is spoken to. No tool is called by it.
pub async fn open(http: &HttpSeller, server: &Url, egress: Egress<'_>, until: Instant) -> Result<Session, SellerError> {
    let wire = Wire { http, egress, until };
    let probe = wire.handshake(server, &McpMessage::new("server/discover"), &Era::Stateless).await?;
    let speaks_newest = |about: &str| {
        let versions = json::members(about).and_then(|about| about.member("supportedVersions").ok().flatten());
        let versions: Vec<String> = versions.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        versions.iter().any(|version| version == STATELESS)
    };
    if let Some(Said { is_error: false, text }) = probe.came.said.filter(|said| speaks_newest(&said.text)) {
        return Ok(Session {
            url: probe.url,
            era: Era::Stateless,
            id: None,
            is_old: false,
            about: short(text, server)?,
            used: Instant::now(),
        });
    }
    let met = wire.handshake(server, &McpMessage::handshake(), &Era::Handshaken(HANDSHAKEN[0].to_owned())).await?;
    let id = met.came.headers.get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
    if id.as_ref().is_some_and(|id| id.len() > SESSION_ID_BYTES) {
        return Err(misbehaved(server, "the name of its session is longer than goes into a request"));
    }
    match met.came.said {
        Some(Said { is_error: false, text }) => {
            let era = Era::Handshaken(agreed(&text).ok_or_else(|| strange(server))?);
            let about = short(text, server)?;
            let session = Session { url: met.url, era, id, is_old: false, about, used: Instant::now() };
            wire.post(&session, INITIALIZED.to_owned(), None, None).await.map_err(Failed::why)?;
            Ok(session)
        }
        Some(Said { text, .. }) => Err(misbehaved(server, &format!("it did not open a session: {}", words_of(&text)))),
        None if matches!(met.came.status, 400 | 404 | 405) => wire.open_old(server).await,
        None if met.came.status == 402 => Err(misbehaved(server, "it wants to be paid before it says what it sells")),
        None => Err(misbehaved(server, &format!("it answered with the status {} and no MCP", met.came.status))),
    }
}

/// One request and its answer.
pub async fn exchange(
    http: &HttpSeller,
    session: &Session,
    exchange: &Exchange<'_>,
    egress: Egress<'_>,
) -> Result<Came, Failed> {
    let wire = Wire { http, egress, until: exchange.until };
    match session.is_old {
        false => {
            let text = exchange.message.written(exchange.id, &session.era);
            let response = wire.post(session, text, Some(exchange.message), exchange.header).await?;
            crate::crash::point("heard");
            wire.answer(response, session, exchange.id, exchange.progress).await
        }
        true => wire.exchange_over_events(session, exchange).await,
    }
}

/// What an exchange goes over.
#[derive(Clone, Copy)]
struct Wire<'a> {
    http: &'a HttpSeller,
    egress: Egress<'a>,
    until: Instant,
}

/// The answer to a handshake, and where it came from.
struct Met {
    url: Url,
    came: Came,
}

impl Wire<'_> {
    /// A request that no tool hears, so that it may follow where it is sent.
    async fn handshake(&self, server: &Url, message: &McpMessage, era: &Era) -> Result<Met, SellerError> {
        const ID: u64 = 1;
        let session = Session {
            url: server.clone(),
            era: era.clone(),
            id: None,
            is_old: false,
            about: String::new(),
            used: Instant::now(),
        };
        // No version is agreed on before a handshake.
        let mut request = request(&session, message.written(ID, era), Some(message));
        if message.method == "initialize" {
            request.headers.retain(|(name, _)| name != VERSION);
        }
        for _ in 0..=limits::REDIRECTS {
            let response = self.sent(&request, None).await.map_err(Failed::why)?;
            match redirect::next(&request, response.status(), response.headers())? {
                Some(next) if next.method == request.method => request = next,
                Some(_) => return Err(misbehaved(server, "its redirect leaves out what was sent")),
                None => {
                    let here = Session { url: request.url.clone(), ..session };
                    let came = self.answer(response, &here, ID, &Progress::unheard()).await.map_err(Failed::why)?;
                    return Ok(Met { url: request.url, came });
                }
            }
        }
        Err(SellerError::TooManyRedirects { host: host(&request.url) })
    }

    async fn post(
        &self,
        session: &Session,
        text: String,
        message: Option<&McpMessage>,
        payment: Option<(&str, &str)>,
    ) -> Result<Response, Failed> {
        self.sent(&request(session, text, message), payment).await
    }

    async fn sent(&self, request: &Request, payment: Option<(&str, &str)>) -> Result<Response, Failed> {
        let sending = self.http.send(request, payment, self.egress);
        let response = match tokio::time::timeout_at(self.until, sending).await {
            Ok(response) => response?,
            Err(_) => return Err(Failed::Anywhere(late(&request.url))),
        };
        bounded(response.headers(), &host(&request.url)).map_err(Failed::Anywhere)?;
        Ok(response)
    }

    /// What came for a request: on a stream, or as the body.
    async fn answer(
        &self,
        mut response: Response,
        session: &Session,
        id: u64,
        progress: &Progress,
    ) -> Result<Came, Failed> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if is_events(&headers) {
            let said = self.on_stream(&mut response, session, id, progress).await?;
            return Ok(Came { status, headers, said: Some(said), body: Vec::new() });
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, &session.url).await? {
            body.extend_from_slice(&chunk);
            within(body.len(), &session.url)?;
        }
        let heard = std::str::from_utf8(&body).map(message::all_heard).unwrap_or_default();
        let said = heard.into_iter().find_map(|heard| Said::to(id, heard));
        Ok(Came { status, headers, said, body })
    }

    /// Reads on until the answer is there.
    async fn on_stream(
        &self,
        response: &mut Response,
        session: &Session,
        id: u64,
        progress: &Progress,
    ) -> Result<Said, Failed> {
        let (mut reader, mut questions) = (EventReader::default(), 0);
        while let Some(chunk) = self.chunk(response, &session.url).await? {
            for event in reader.read(&chunk) {
                if let Some(said) = self.took(&event.data, session, id, progress, &mut questions).await {
                    return Ok(said);
                }
            }
            within(reader.kept(), &session.url)?;
        }
        let cause = "its stream ended before the answer".to_owned();
        Err(Failed::Anywhere(SellerError::Broken { host: host(&session.url), cause }))
    }

    /// One message of a stream; what it asks for is answered, up to a point, and is none of the agent's.
    async fn took(
        &self,
        data: &str,
        session: &Session,
        id: u64,
        progress: &Progress,
        questions: &mut usize,
    ) -> Option<Said> {
        match message::heard(data)? {
            Spoken::Progress { id: of, words } if of == id => progress.says(words),
            Spoken::Asked { .. } if *questions >= limits::SERVER_QUESTIONS => {}
            Spoken::Asked { id, method } => {
                *questions += 1;
                let answer = request(session, message::answer_to(&id, &method), None);
                // Whoever does not hear it goes on without.
                let _ = self.sent(&answer, None).await;
            }
            heard => return Said::to(id, heard),
        }
        None
    }

    async fn chunk(&self, response: &mut Response, url: &Url) -> Result<Option<bytes::Bytes>, Failed> {
        match tokio::time::timeout_at(self.until, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(Failed::Anywhere(sort(&error, url).why())),
            Err(_) => Err(Failed::Anywhere(late(url))),
        }
    }
}

/// The older transport: a stream for the answers, and another address for what is said.
impl Wire<'_> {
    async fn open_old(&self, server: &Url) -> Result<Session, SellerError> {
        let (_, session) = self.listening(server).await.map_err(Failed::why)?;
        // Where things are said is another one with each stream.
        Ok(Session { url: server.clone(), ..session })
    }

    /// A stream, on which the handshake is done; the session's URL is where things are said.
    async fn listening(&self, server: &Url) -> Result<(EventsOf, Session), Failed> {
        let headers = vec![("accept".to_owned(), EVENTS.to_owned())];
        let get = Request { method: "GET".to_owned(), url: server.clone(), headers, body: Vec::new() };
        let response = self.sent(&get, None).await.map_err(before)?;
        if response.status() != StatusCode::OK || !is_events(response.headers()) {
            return Err(Failed::BeforeTheFirstByte(strange(server)));
        }
        let mut events = EventsOf { response, reader: EventReader::default(), ready: Vec::new(), questions: 0 };
        let endpoint = events.next(self, server).await.map_err(before)?;
        let url = server
            .join(&endpoint.data)
            .ok()
            .filter(|url| endpoint.kind == "endpoint" && url.origin() == server.origin());
        // What pays would go to whoever is named there.
        let url = url.ok_or_else(|| {
            Failed::BeforeTheFirstByte(misbehaved(server, "it speaks from one place and listens at another"))
        })?;
        let proposed = Era::Handshaken(HANDSHAKEN[3].to_owned());
        let mut session =
            Session { url, era: proposed, id: None, is_old: true, about: String::new(), used: Instant::now() };
        let hello = McpMessage::handshake();
        self.post(&session, hello.written(1, &session.era), Some(&hello), None).await.map_err(before)?;
        let said = events.said(self, &session, 1, &Progress::unheard()).await.map_err(before)?;
        let agreed = agreed(&said.text).filter(|_| !said.is_error);
        session.era = Era::Handshaken(agreed.ok_or_else(|| Failed::BeforeTheFirstByte(strange(server)))?);
        session.about = short(said.text, server).map_err(Failed::BeforeTheFirstByte)?;
        self.post(&session, INITIALIZED.to_owned(), None, None).await.map_err(before)?;
        Ok((events, session))
    }

    async fn exchange_over_events(&self, session: &Session, exchange: &Exchange<'_>) -> Result<Came, Failed> {
        let (mut events, session) = self.listening(&session.url).await?;
        let text = exchange.message.written(exchange.id, &session.era);
        let response = self.post(&session, text, Some(exchange.message), exchange.header).await?;
        if !response.status().is_success() {
            return self.answer(response, &session, exchange.id, exchange.progress).await;
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let said = events.said(self, &session, exchange.id, exchange.progress).await?;
        Ok(Came { status, headers, said: Some(said), body: Vec::new() })
    }
}

/// A stream that is read an event at a time.
struct EventsOf {
    response: Response,
    reader: EventReader,
    ready: Vec<super::events::ServerEvent>,
    /// So many of the server's own were answered.
    questions: usize,
}

impl EventsOf {
    async fn next(&mut self, wire: &Wire<'_>, url: &Url) -> Result<super::events::ServerEvent, Failed> {
        while self.ready.is_empty() {
            let Some(chunk) = wire.chunk(&mut self.response, url).await? else {
                let cause = "its stream ended".to_owned();
                return Err(Failed::Anywhere(SellerError::Broken { host: host(url), cause }));
            };
            self.ready = self.reader.read(&chunk);
            within(self.reader.kept(), url)?;
        }
        Ok(self.ready.remove(0))
    }

    async fn said(&mut self, wire: &Wire<'_>, session: &Session, id: u64, progress: &Progress) -> Result<Said, Failed> {
        loop {
            let event = self.next(wire, &session.url).await?;
            if let Some(said) = wire.took(&event.data, session, id, progress, &mut self.questions).await {
                return Ok(said);
            }
        }
    }
}

/// Whatever went wrong, nothing of what matters had left.
fn before(failed: Failed) -> Failed {
    Failed::BeforeTheFirstByte(failed.why())
}

fn request(session: &Session, text: String, message: Option<&McpMessage>) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut headers = vec![
        header("content-type", "application/json"),
        header("accept", BOTH),
        header(VERSION, session.era.version()),
    ];
    headers.extend(session.id.as_deref().map(|id| header(SESSION, id)));
    if let (Era::Stateless, Some(message)) = (&session.era, message) {
        headers.push(header("mcp-method", &message.method));
        headers.extend(message.name.as_deref().map(|name| header("mcp-name", &in_a_header(name))));
        headers.extend_from_slice(&message.headers);
    }
    Request { method: "POST".to_owned(), url: session.url.clone(), headers, body: text.into_bytes() }
}

/// The version that a server takes, if it is one that is spoken here.
pub fn agreed(about: &str) -> Option<String> {
    let version = json::members(about)?.member("protocolVersion").ok()??;
    let version: String = serde_json::from_str(version).ok()?;
    HANDSHAKEN.contains(&version.as_str()).then_some(version)
}

fn is_events(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(EVENTS))
}

/// The headers of what was in there, which is JSON whatever it came in.
pub fn headers_of_json(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

fn within(bytes: usize, url: &Url) -> Result<(), Failed> {
    match bytes > limits::STORED_BODY_BYTES {
        true => Err(Failed::Anywhere(misbehaved(url, "its answer is longer than is read"))),
        false => Ok(()),
    }
}

fn late(url: &Url) -> SellerError {
    SellerError::TooSlow { host: host(url), seconds: limits::UNPAID_LEG.as_secs() }
}

fn strange(server: &Url) -> SellerError {
    misbehaved(server, "it is no MCP server, or of a version that is not spoken here")
}

/// What a server says of itself is kept for as long as it is known, and by as many as are.
fn short(about: String, server: &Url) -> Result<String, SellerError> {
    match about.len() > limits::CHALLENGE_BODY_BYTES {
        true => Err(misbehaved(server, "what it says of itself is longer than is read")),
        false => Ok(about),
    }
}

/// What an error says, as a stranger's words: so few that the sentence around them has an end.
fn words_of(error: &str) -> String {
    let message = json::members(error).and_then(|error| error.member("message").ok().flatten());
    let message: Option<String> = message.and_then(|text| serde_json::from_str(text).ok());
    text::in_quotes(&text::quoted(&message.unwrap_or_default(), WORDS_OF_AN_ERROR))
}

/// A session that was not used for as long as this may have been forgotten by its server; what pays is not risked on it.
pub const FRESH: Duration = Duration::from_secs(20);
