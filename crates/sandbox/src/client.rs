//! A bare HTTP client for the sandbox's own tests: one connection, one request, no redirects, no opinions.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Result<Reply, Error> {
    send(Method::GET, url, headers, Bytes::new()).await
}

pub(crate) async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Reply, Error> {
    send(Method::POST, url, headers, body.into()).await
}

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Result<Reply, Error> {
    let uri: http::Uri = url.parse()?;
    let host = uri.authority().ok_or("no host")?.to_string();
    let stream = TcpStream::connect(&host).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut request = http::Request::builder().method(method).uri(path).header("host", host);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let reply = sender.send_request(request.body(Full::new(body))?).await?;
    let (head, body) = reply.into_parts();
    Ok(Reply { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
}
