//! A web server for one person: this machine only, one request a connection, everything bounded.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use super::reply;
use super::request::PageRequest;
use super::route::{self, ReviewSite};
use crate::limits;

/// What a browser of ours needs: a line, some headers, a cookie.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;

/// Stops when dropped.
pub struct PageServer(JoinHandle<()>);

impl Drop for PageServer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens on loopback; port 0 takes any free one.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

pub fn serve(listener: TcpListener, window: Arc<ReviewSite>) -> PageServer {
    PageServer(tokio::spawn(accept(listener, window)))
}

/// The connections belong to this task and end with it. More than are allowed wait to be accepted.
async fn accept(listener: TcpListener, window: Arc<ReviewSite>) {
    let room = Arc::new(Semaphore::new(limits::REVIEW_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        if let Ok((stream, _)) = listener.accept().await {
            let conversation = converse(stream, window.clone());
            connections.spawn(async move {
                // Whoever takes longer, or goes away, is its own business.
                let _ = tokio::time::timeout(limits::REVIEW_CONVERSATION, conversation).await;
                drop(place);
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn converse(stream: TcpStream, window: Arc<ReviewSite>) {
    let service = service_fn(|request| answer(request, window.clone()));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(HEAD_BYTES).max_headers(HEADERS).keep_alive(false);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: http::Request<Incoming>,
    window: Arc<ReviewSite>,
) -> Result<http::Response<Full<bytes::Bytes>>, Infallible> {
    let reply = match PageRequest::read(request).await {
        Some(request) => route::answer(&window, &request).await,
        None => reply::text(http::StatusCode::PAYLOAD_TOO_LARGE, "That is longer than any form here.\n"),
    };
    Ok(reply.map(Full::new))
}
