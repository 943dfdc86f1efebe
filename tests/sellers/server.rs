//! The server beneath a seller: plain TCP, so that a file decides every byte, and a record of all that reached it.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use alloy_primitives::{B256, U256};
use bursar::limits;
use http::{HeaderMap, HeaderName, HeaderValue};
use sandbox::chain::PlayChain;
use sandbox::http::Request;
use sandbox::sellers::facilitator;
use sandbox::sellers::recorder::Recorder;
use sandbox::sellers::x402::Payment;
use sandbox::sellers::{Seen, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::file::Act;
use crate::words::{self, Moment, Names};

pub type Silence = UnboundedSender<Duration>;

/// A place to serve at, before anybody serves there.
pub struct Door {
    listeners: Vec<TcpListener>,
    pub port: u16,
    host: &'static str,
}

/// A seller that serves; what reached it is kept.
pub struct Server {
    unpaid: Vec<Act>,
    paid: Vec<Act>,
    chain: Arc<PlayChain>,
    names: Names,
    origin: String,
    /// Told when this seller falls silent: how long it takes until nobody waits for it any more.
    silence: Silence,
    way: Way,
    connects: AtomicUsize,
    heard: Mutex<Vec<u8>>,
    recorder: Recorder,
    /// How often which of the acts were asked for: paid or not, and at which path if at one.
    visits: Mutex<HashMap<(bool, Option<String>), usize>>,
}

impl Door {
    /// On 127.0.0.1 and as many addresses after it as there are hosts, all at one port; called `host`.
    pub async fn open(host: &'static str, hosts: u8) -> io::Result<Door> {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = first.local_addr()?.port();
        let mut listeners = vec![first];
        for nth in 2..=hosts {
            listeners.push(TcpListener::bind((Ipv4Addr::new(127, 0, 0, nth), port)).await?);
        }
        Ok(Door { listeners, port, host })
    }

    pub fn origin(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    pub fn serve(
        self,
        acts: (&[Act], &[Act]),
        chain: &Arc<PlayChain>,
        names: &Names,
        silence: &Silence,
        way: Way,
    ) -> Arc<Server> {
        let server = Arc::new(Server {
            unpaid: acts.0.to_vec(),
            paid: acts.1.to_vec(),
            chain: chain.clone(),
            names: names.clone(),
            origin: self.origin(),
            silence: silence.clone(),
            way,
            connects: AtomicUsize::default(),
            heard: Mutex::default(),
            recorder: Recorder::default(),
            visits: Mutex::default(),
        });
        for listener in self.listeners {
            tokio::spawn(server.clone().accept(listener));
        }
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
        let Some(request) = self.hear(&mut stream).await? else { return Ok(()) };
        let place = self.recorder.note(&request, self.chain.now());
        let payment = Payment::presented(&request.headers);
        let Some(act) = self.next_act(&request, payment.is_some()) else {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        };
        let settled =
            payment.as_ref().filter(|_| act.settles).and_then(|payment| self.settle(payment, act.takes, place));
        if act.redeems {
            self.redeem();
        }
        let (now, way) = (self.chain.now(), self.way);
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
        let (request, names, origin) = (&request, &self.names, self.origin.clone());
        let moment = Moment { request, payment: payment.as_ref(), settled, origin, date, now, way, names };
        let bytes = words::reply(&act, &moment);
        self.say(&mut stream, &act, &bytes, payment.is_some()).await
    }

    fn settle(&self, payment: &Payment, takes: Option<u64>, place: usize) -> Option<B256> {
        let amount = takes.map_or(payment.transfer.value, U256::from);
        let tx = facilitator::settle_amount(&self.chain, payment, amount).ok()?;
        self.recorder.note_settled(place, tx);
        Some(tx)
    }

    /// Takes the money of the first payment ever seen, whatever was said then.
    fn redeem(&self) {
        let first = self.seen().iter().find_map(|seen| Payment::presented(&seen.headers));
        first.map(|payment| facilitator::settle(&self.chain, &payment));
    }

    /// The next of the acts for this path, or the last one again.
    fn next_act(&self, request: &Request, is_paid: bool) -> Option<Act> {
        let path = request.uri.path();
        let acts = if is_paid { &self.paid } else { &self.unpaid };
        let acts: Vec<&Act> = acts.iter().filter(|act| act.at.as_ref().is_none_or(|at| at == path)).collect();
        let at = acts.first()?.at.clone();
        let mut visits = self.visits.lock().unwrap();
        let nth = visits.entry((is_paid, at)).or_default();
        let act = acts.get(*nth).or(acts.last()).map(|act| (*act).clone());
        *nth += 1;
        act
    }

    /// One request, as far as a seller needs to understand it.
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
        let end = act.cuts_at.or(act.stalls_at).unwrap_or(if act.drips { 1 } else { bytes.len() }).min(bytes.len());
        stream.write_all(&bytes[..end]).await?;
        stream.flush().await?;
        if act.stalls_at.is_some() || act.drips {
            let waits = if is_paid { limits::PAID_LEG } else { limits::UNPAID_LEG };
            let _ = self.silence.send(waits + Duration::from_secs(1));
        }
        if act.stalls_at.is_some() {
            std::future::pending::<()>().await;
        }
        let slowly = if act.drips { &bytes[end..] } else { &[] };
        for byte in slowly {
            tokio::time::sleep(Duration::from_secs(1)).await;
            stream.write_all(&[*byte]).await?;
        }
        stream.shutdown().await
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
