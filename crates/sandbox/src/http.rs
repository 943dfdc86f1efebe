//! The smallest web server the sandbox needs: loopback only, HTTP/1.1, and able to misbehave on the wire.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// More than any test posts; a client gone wild must not fill the memory.
const REQUEST_BODY_MAX: usize = 64 * 1024 * 1024;

/// A request, read whole.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What the other side gets to see.
pub enum Wire {
    Answer(Response<Bytes>),
    /// The connection is closed without a reply.
    HangUp,
    /// The connection stays open and silent.
    Silence,
}

/// A server that stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Listens on 127.0.0.1; port 0 takes any free one.
    pub async fn start<H, F>(port: u16, handle: H) -> io::Result<Self>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Wire> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::new(handle)));
        Ok(Self { address, accepting })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connections belong to the accepting task, so they end with it.
async fn accept<H, F>(listener: TcpListener, handle: Arc<H>)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Wire> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(converse(stream, handle.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse<H, F>(stream: TcpStream, handle: Arc<H>)
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Wire> + Send + 'static,
{
    let service = service_fn(|request| reply(request, handle.clone()));
    // A peer that goes away mid-sentence is its own business.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An error from here makes hyper close the connection without a word.
async fn reply<H, F>(request: http::Request<Incoming>, handle: Arc<H>) -> Result<Response<Full<Bytes>>, io::Error>
where
    H: Fn(Request) -> F,
    F: Future<Output = Wire>,
{
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, REQUEST_BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err(hung_up()),
    };
    let request = Request { method: head.method, uri: head.uri, headers: head.headers, body };
    match handle(request).await {
        Wire::Answer(response) => Ok(response.map(Full::new)),
        Wire::HangUp => Err(hung_up()),
        Wire::Silence => pending::<Result<_, Infallible>>().await.map_err(|never| match never {}),
    }
}

fn hung_up() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionAborted)
}

/// A response with a body of the given type.
pub fn response(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = content_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

/// A response whose body is JSON.
pub fn json(status: u16, value: &serde_json::Value) -> Response<Bytes> {
    response(status, "application/json", value.to_string())
}
