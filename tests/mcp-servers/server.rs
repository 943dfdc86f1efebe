//! The server beneath: plain TCP, so that a file decides every byte, and a record of all that reached it.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bursar::limits;
use http::{HeaderMap, HeaderName, HeaderValue};
use sandbox::chain::PlayChain;
use sandbox::http::Request;
use sandbox::sellers::recorder::Recorder;
use sandbox::sellers::x402::Payment;
use sandbox::sellers::{Seen, facilitator};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::file::{Act, Acts};
use crate::words::{self, Asked, Moment, Names};

pub type Silence = UnboundedSender<Duration>;

/// A place to serve at, before anybody serves there.
pub struct Door {
    listener: TcpListener,
    pub port: u16,
    host: &'static str,
}

/// A server that serves; what reached it is kept.
pub struct Server {
    acts: Acts,
    chain: Arc<PlayChain>,
    names: Names,
    /// Told when this server falls silent: how long it takes until nobody waits for it any more.
    silence: Silence,
    connects: AtomicUsize,
    calls: AtomicUsize,
    heard: Mutex<Vec<u8>>,
    /// What was answered to what this server asked.
    answered: Mutex<Vec<String>>,
    recorder: Recorder,
    visits: Mutex<HashMap<Asked, usize>>,
}

impl Door {
    pub async fn open(host: &'static str) -> io::Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Door { listener, port, host })
    }

    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    pub fn serve(self, acts: &Acts, chain: &Arc<PlayChain>, names: &Names, silence: &Silence) -> Arc<Server> {
        let server = Arc::new(Server {
            acts: acts.clone(),
            chain: chain.clone(),
            names: names.clone(),
            silence: silence.clone(),
            connects: AtomicUsize::default(),
            calls: AtomicUsize::default(),
            heard: Mutex::default(),
            answered: Mutex::default(),
            recorder: Recorder::default(),
            visits: Mutex::default(),
        });
        tokio::spawn(server.clone().accept(self.listener));
        server
    }
}

impl Server {
    pub fn seen(&self) -> Vec<Seen> {
        self.recorder.all()
    }

    pub fn connects(&self) -> usize {
        self.connects.load(Ordering::Relaxed)
    }

    /// Calls of tools.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    pub fn answered(&self) -> Vec<String> {
        self.answered.lock().unwrap().clone()
    }

    /// Every byte that was ever sent here.
    pub fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }

    async fn accept(self: Arc<Server>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            self.connects.fetch_add(1, Ordering::Relaxed);
            let server = self.clone();
            // A client that has had enough hangs up: that is what many of these files are about.
            tokio::spawn(async move { _ = server.converse(stream).await });
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        let Some(mut request) = self.hear(&mut stream).await? else { return Ok(()) };
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        put_payment(&mut request);
        let place = self.recorder.note(&request, self.chain.now());
        let payment = Payment::presented(&request.headers);
        let Some(asked) = self.asked(&request, &message, payment.is_some()) else {
            return stream.write_all(b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
        };
        let (act, nth) = self.next_act(asked);
        let settled = payment.as_ref().filter(|_| act.settles).and_then(|payment| {
            let tx = facilitator::settle(&self.chain, payment).ok()?;
            self.recorder.note_settled(place, tx);
            Some(tx)
        });
        let (id, now) = (message["id"].clone(), self.chain.now());
        let moment = Moment { asked, nth, id, payment: payment.as_ref(), settled, now, names: &self.names };
        let bytes = words::reply(&act, &moment);
        self.say(&mut stream, &act, &bytes, payment.is_some()).await
    }

    /// Nothing where it is an answer, or a notification.
    fn asked(&self, request: &Request, message: &Value, is_paid: bool) -> Option<Asked> {
        if request.method == "GET" {
            return Some(Asked::Listen);
        }
        match message["method"].as_str() {
            Some("server/discover") => Some(Asked::Discover),
            Some("initialize") => Some(Asked::Initialize),
            Some("tools/list") => Some(Asked::List),
            Some("tools/call") => {
                self.calls.fetch_add(1, Ordering::Relaxed);
                Some(if is_paid { Asked::Paid } else { Asked::Unpaid })
            }
            Some(_) => None,
            None => {
                let code = message["error"]["code"].as_i64();
                self.answered.lock().unwrap().push(code.map_or("ok".to_owned(), |code| code.to_string()));
                None
            }
        }
    }

    /// The next of the acts for what is asked, or the last one again; an honest one where there is none.
    fn next_act(&self, asked: Asked) -> (Act, usize) {
        let acts = match asked {
            Asked::Discover => &self.acts.discover,
            Asked::Initialize => &self.acts.initialize,
            Asked::List => &self.acts.list,
            Asked::Unpaid => &self.acts.unpaid,
            Asked::Paid => &self.acts.paid,
            Asked::Listen => &self.acts.listen,
        };
        let mut visits = self.visits.lock().unwrap();
        let nth = visits.entry(asked).or_default();
        *nth += 1;
        let honest = || match asked {
            Asked::Paid => {
                Act { settles: true, receipt: Some(Value::Object(serde_json::Map::new())), ..Act::default() }
            }
            Asked::Listen => Act { status: Some(405), text: Some(String::new()), ..Act::default() },
            _ => Act::default(),
        };
        (acts.get(*nth - 1).or(acts.last()).cloned().unwrap_or_else(honest), *nth)
    }

    /// One request, as far as a server needs to understand it.
    async fn hear(&self, stream: &mut TcpStream) -> io::Result<Option<Request>> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            if self.more(stream, &mut bytes).await? == 0 {
                return Ok(None);
            }
        };
        let Some(mut request) = head(&bytes[..end]) else { return Ok(None) };
        let length = request.headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
        while bytes.len() < end + length.unwrap_or(0) {
            if self.more(stream, &mut bytes).await? == 0 {
                return Ok(None);
            }
        }
        request.body = bytes.split_off(end).into();
        Ok(Some(request))
    }

    async fn more(&self, stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let before = bytes.len();
        let count = stream.read_buf(bytes).await?;
        self.heard.lock().unwrap().extend_from_slice(&bytes[before..]);
        Ok(count)
    }

    async fn say(&self, stream: &mut TcpStream, act: &Act, bytes: &[u8], is_paid: bool) -> io::Result<()> {
        let end = act.cuts_at.unwrap_or(bytes.len()).min(bytes.len());
        stream.write_all(&bytes[..end]).await?;
        stream.flush().await?;
        if act.stalls {
            let waits = if is_paid { limits::PAID_LEG + limits::PAID_BODY } else { limits::UNPAID_LEG };
            let _ = self.silence.send(waits + Duration::from_secs(1));
            std::future::pending::<()>().await;
        }
        stream.shutdown().await
    }
}

/// What pays in `_meta`, put into the headers it would stand in over HTTP, byte for byte.
fn put_payment(request: &mut Request) {
    #[derive(Deserialize)]
    struct Message {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: BTreeMap<String, Box<RawValue>>,
    }
    let Ok(Message { params }) = serde_json::from_slice::<Message>(&request.body) else { return };
    let headers = &mut request.headers;
    if let Some(paid) = params.meta.get("x402/payment").map(|raw| raw.get()) {
        let is_v1 = serde_json::from_str::<Value>(paid).is_ok_and(|paid| paid["x402Version"] == 1);
        let name = if is_v1 { "x-payment" } else { "payment-signature" };
        headers.insert(name, HeaderValue::from_str(&STANDARD.encode(paid)).unwrap());
    }
    if let Some(paid) = params.meta.get("org.paymentauth/credential").map(|raw| raw.get()) {
        let value = format!("Payment {}", URL_SAFE_NO_PAD.encode(paid));
        headers.insert("authorization", HeaderValue::from_str(&value).unwrap());
    }
}

fn head(bytes: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, uri) = (first.next()?.parse().ok()?, first.next()?.parse().ok()?);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
    };
    let headers: HeaderMap = lines.filter_map(header).collect();
    Some(Request { method, uri, headers, body: bytes::Bytes::new() })
}
