//! A wire between bursar and a market that breaks where it is told to, on the leg that carries a payment.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the leg that carries a payment ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// Nobody listens any more.
    Unreachable,
    /// The connection is taken, and ends.
    AtTheConnection(Ending),
    /// So much of the request is read; the market never hears of it.
    InTheRequest(usize, Ending),
    /// The market has answered, and a part of its answer comes through.
    InTheReply(Part, Ending),
    /// The answer comes through a byte a second.
    Trickle,
    /// The answer's body has no end.
    Endless,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Close,
    Reset,
}

/// Up to where an answer comes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Nothing,
    HalfTheStatusLine,
    HalfTheHeaders,
    TheHeaders,
    HalfTheBody,
    AllButTheLastByte,
}

pub struct Proxy {
    address: SocketAddr,
    wire: Arc<Wire>,
}

struct Wire {
    next: Mutex<Next>,
    market: Mutex<String>,
    listening: Mutex<Option<JoinHandle<()>>>,
    is_trickling: AtomicBool,
}

/// What becomes of whoever comes next.
#[derive(Clone, Copy, Default)]
enum Next {
    #[default]
    ComesThrough,
    /// Whoever asks the price comes through, and after it the payment breaks.
    AsksThePrice(Break),
    Breaks(Break),
}

impl Proxy {
    pub async fn start() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(Wire {
            next: Mutex::default(),
            market: Mutex::default(),
            listening: Mutex::default(),
            is_trickling: AtomicBool::new(false),
        });
        wire.clone().listen(listener);
        Proxy { address, wire }
    }

    pub fn lead_to(&self, market_url: &str) {
        *self.wire.market.lock().unwrap() = market_url.trim_start_matches("http://").trim_end_matches('/').to_owned();
    }

    pub fn place(&self) -> String {
        self.address.to_string()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The price is told, the payment after it fares like this, and those after that come through.
    pub fn break_next(&self, how: Break) {
        *self.wire.next.lock().unwrap() = Next::AsksThePrice(how);
    }

    /// Whether the market has answered, and its answer is on its slow way.
    pub fn is_trickling(&self) -> bool {
        self.wire.is_trickling.load(Ordering::Relaxed)
    }

    /// Whoever could not be reached can be again.
    pub async fn mend(&self) {
        let is_listening = self.wire.listening.lock().unwrap().as_ref().is_some_and(|task| !task.is_finished());
        if !is_listening {
            self.wire.clone().listen(TcpListener::bind(self.address).await.unwrap());
        }
    }
}

impl Wire {
    fn listen(self: Arc<Wire>, listener: TcpListener) {
        let wire = self.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(wire.clone().serve(stream));
            }
        });
        *self.listening.lock().unwrap() = Some(task);
    }

    async fn serve(self: Arc<Wire>, mut client: TcpStream) {
        let next = std::mem::take(&mut *self.next.lock().unwrap());
        match next {
            Next::Breaks(how) => self.breaks(client, how).await,
            Next::ComesThrough => {
                let reply = self.pass_on(&mut client).await;
                let _ = client.write_all(&reply).await;
            }
            Next::AsksThePrice(how) => {
                let reply = self.pass_on(&mut client).await;
                match how {
                    Break::Unreachable => self.stop_listening().await,
                    _ => *self.next.lock().unwrap() = Next::Breaks(how),
                }
                let _ = client.write_all(&reply).await;
            }
        }
    }

    async fn breaks(&self, mut client: TcpStream, how: Break) {
        match how {
            Break::Unreachable => {}
            Break::AtTheConnection(ending) => end(client, ending),
            Break::InTheRequest(bytes, ending) => {
                read_request(&mut client, bytes).await;
                end(client, ending);
            }
            Break::InTheReply(part, ending) => {
                let reply = self.pass_on(&mut client).await;
                let _ = client.write_all(&reply[..part.of(&reply)]).await;
                end(client, ending);
            }
            Break::Trickle => {
                let reply = self.pass_on(&mut client).await;
                self.is_trickling.store(true, Ordering::Relaxed);
                trickle(client, &reply).await;
            }
            Break::Endless => {
                let reply = self.pass_on(&mut client).await;
                pour(client, &reply).await;
            }
        }
    }

    async fn stop_listening(&self) {
        let listening = self.listening.lock().unwrap().take();
        if let Some(task) = listening {
            task.abort();
            let _ = task.await;
        }
    }

    /// What the market answers to what the client asks.
    async fn pass_on(&self, client: &mut TcpStream) -> Vec<u8> {
        let request = read_request(client, usize::MAX).await;
        self.ask_the_market(&request).await
    }

    async fn ask_the_market(&self, request: &[u8]) -> Vec<u8> {
        let market = self.market.lock().unwrap().clone();
        let mut market = TcpStream::connect(market).await.unwrap();
        let Some(line_ends) = request.windows(2).position(|two| two == b"\r\n").map(|at| at + 2) else {
            return Vec::new();
        };
        market.write_all(&request[..line_ends]).await.unwrap();
        market.write_all(b"connection: close\r\n").await.unwrap();
        market.write_all(&request[line_ends..]).await.unwrap();
        let mut reply = Vec::new();
        let _ = market.read_to_end(&mut reply).await;
        reply
    }
}

impl Part {
    fn of(self, reply: &[u8]) -> usize {
        let after =
            |mark: &[u8]| reply.windows(mark.len()).position(|here| here == mark).map_or(0, |at| at + mark.len());
        let (status, headers, all) = (after(b"\r\n"), after(b"\r\n\r\n"), reply.len());
        match self {
            Part::Nothing => 0,
            Part::HalfTheStatusLine => status / 2,
            Part::HalfTheHeaders => status + (headers - status) / 2,
            Part::TheHeaders => headers,
            Part::HalfTheBody => headers + (all - headers) / 2,
            Part::AllButTheLastByte => all.saturating_sub(1),
        }
    }
}

/// A whole request, or as much of it as is wanted. These have no body worth waiting for.
async fn read_request(client: &mut TcpStream, at_most: usize) -> Vec<u8> {
    let (mut request, mut byte) = (Vec::new(), [0; 1]);
    while !request.ends_with(b"\r\n\r\n") && request.len() < at_most {
        match client.read(&mut byte).await {
            Ok(1) => request.push(byte[0]),
            _ => break,
        }
    }
    request
}

fn end(client: TcpStream, ending: Ending) {
    if ending == Ending::Reset {
        client.set_zero_linger().unwrap();
    }
    drop(client);
}

async fn trickle(mut client: TcpStream, reply: &[u8]) {
    for byte in reply {
        if client.write_all(&[*byte]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The answer's headers, without its length, and then anything for ever.
async fn pour(mut client: TcpStream, reply: &[u8]) {
    let head = String::from_utf8_lossy(&reply[..Part::TheHeaders.of(reply)]).into_owned();
    let endless = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length"));
    let head: String = endless.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n")).collect();
    let _ = client.write_all(format!("{head}\r\n").as_bytes()).await;
    while client.write_all(&[b'a'; 16 * 1024]).await.is_ok() {}
}
