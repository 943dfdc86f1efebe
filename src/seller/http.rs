//! The HTTP of the door: two clients, two legs, and what may be said about how one of them ended.
//!
//! What the library does beneath, so that `NeverConnected` can be believed (reqwest 0.13, hyper-util 0.1, hyper 1):
//!
//! - An error of kind *connect* means a name that did not resolve, a refused or silent address, or a TLS handshake that
//!   failed. It is made before a connection exists, and no byte of a request can have been written.
//! - A request that meets a reused connection which turns out closed is tried again on another by hyper-util, but only
//!   when hyper hands the request back unwritten. Once the first byte is out there is no second try: reqwest's own
//!   retries are off.
//! - Everything else, a reused connection that dies included, may have left: `Lost`.
//!
//! The bound on a reply's header is hyper's own in HTTP/1 (408 KiB of read buffer and 100 headers, neither settable to
//! less through reqwest), so [`HttpSeller::ask`] looks again at what came. In HTTP/2 it is set.

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, StatusCode};
use reqwest::{Client, Response};
use tokio::time::Instant;
use url::Url;

use super::egress::{self, Closed, Door, Guard, Names, SystemNames};
use super::redirect;
use crate::ports::{Cut, Egress, Presented, Reply, SellerError};
use crate::ports::{Recorded, RecordedSignIn};
use crate::request::Request;
use crate::request::{check_headers, check_method};
use crate::{crash, limits, text};
use growing::Growing;

/// Node's servers close a connection that idles for 5 s. A payment written at that moment would be lost to nobody's
/// knowledge, so an older connection is not used again; the two legs of a purchase are closer together than this.
const IDLE_CONNECTION: Duration = Duration::from_secs(4);
/// A page's parallel purchases reuse this many; more are connected anew.
const IDLE_CONNECTIONS: usize = 8;
/// Beside the challenge there are ordinary headers.
const ORDINARY_HEADER_BYTES: usize = 32 * 1024;

/// The seller at the other end of HTTP.
#[derive(Debug)]
pub struct HttpSeller {
    names: Arc<dyn Names>,
    waits: Waits,
    /// Where long bodies are written as they come.
    store: Arc<Path>,
    guarded: OnceLock<Client>,
    opened: OnceLock<Client>,
}

/// How long each leg may take in all.
#[derive(Clone, Copy, Debug)]
struct Waits {
    unpaid: Duration,
    /// Until the head of the reply is there.
    paid: Duration,
    /// And its body.
    body: Duration,
}

/// How an exchange failed, and whether anything of the request can have left before.
pub(super) enum Failed {
    BeforeTheFirstByte(SellerError),
    Anywhere(SellerError),
}

impl HttpSeller {
    /// Clients are built at the first request: trusted roots are not read by a start that asks nobody.
    pub fn new(store: &Path) -> HttpSeller {
        HttpSeller::knowing(Arc::new(SystemNames), store)
    }

    /// One to whom names lead where these say.
    pub fn knowing(names: Arc<dyn Names>, store: &Path) -> HttpSeller {
        let (waits, store) = (Waits::default(), store.into());
        HttpSeller { names, waits, store, guarded: OnceLock::new(), opened: OnceLock::new() }
    }

    /// The unpaid leg without its clock.
    async fn follow(&self, request: &Request, egress: Egress<'_>) -> Result<Reply, SellerError> {
        let mut request = request.clone();
        for _ in 0..=limits::REDIRECTS {
            let response = self.send(&request, None, egress).await.map_err(Failed::why)?;
            match redirect::next(&request, response.status(), response.headers())? {
                Some(next) => request = next,
                None => {
                    bounded(response.headers(), &host(&request.url))?;
                    return self.read(response, request, None).await;
                }
            }
        }
        Err(SellerError::TooManyRedirects { host: host(&request.url) })
    }

    /// A sign-in: to this origin, once. Where its answer leads is not followed.
    async fn knock(&self, signed_in: &RecordedSignIn, egress: Egress<'_>) -> Result<Reply, SellerError> {
        let (request, (name, value)) = (signed_in.request(), signed_in.header());
        let response = self.send(request, Some((name, &value)), egress).await.map_err(Failed::why)?;
        bounded(response.headers(), &host(&request.url))?;
        self.read(response, request.clone(), None).await
    }

    /// The paid leg: these bytes, to this origin, once.
    async fn show(&self, request: &Request, payment: (&str, &str), egress: Egress<'_>) -> Presented {
        let sending = self.send(request, Some(payment), egress);
        let response = match tokio::time::timeout(self.waits.paid, sending).await {
            Ok(Ok(response)) => response,
            Ok(Err(Failed::BeforeTheFirstByte(why))) => return Presented::NeverConnected(why),
            Ok(Err(Failed::Anywhere(why))) => return Presented::Lost(why),
            Err(_) => return Presented::Lost(too_slow(&request.url, self.waits.paid)),
        };
        crash::point("heard");
        // The receipt is in the head: a body without end takes neither the receipt away nor what was read of it.
        match self.read(response, request.clone(), Some(self.waits.body)).await {
            Ok(reply) => Presented::Answered(reply),
            Err(why) => Presented::Lost(why),
        }
    }

    /// One request, whose reply has only begun.
    pub(super) async fn send(
        &self,
        request: &Request,
        payment: Option<(&str, &str)>,
        egress: Egress<'_>,
    ) -> Result<Response, Failed> {
        let unsent = |why| Failed::BeforeTheFirstByte(SellerError::Forbidden(why));
        let door = egress::door(&request.url, egress).map_err(|Closed(why)| unsent(why))?;
        let (method, headers) = written(request, payment).map_err(unsent)?;
        let client = self.client(door, &request.url).map_err(Failed::BeforeTheFirstByte)?;
        let sending = client.request(method, request.url.clone()).headers(headers).body(request.body.clone());
        sending.send().await.map_err(|error| sort(&error, &request.url))
    }

    /// Each door has its own client and with it its own connections: what was opened once is not reused by the other.
    fn client(&self, door: Door, url: &Url) -> Result<&Client, SellerError> {
        let kept = match door {
            Door::Guarded => &self.guarded,
            Door::Opened => &self.opened,
        };
        if kept.get().is_none() {
            let built = build(Guard { door, names: self.names.clone() }).map_err(|error| {
                let cause = format!("TLS could not be set up here ({})", deepest(&error));
                SellerError::Unreachable { host: host(url), cause }
            })?;
            // Whoever comes second uses the first one's.
            let _ = kept.set(built);
        }
        kept.get().ok_or_else(|| SellerError::Unreachable { host: host(url), cause: "no client".to_owned() })
    }
}

impl HttpSeller {
    /// The unpaid leg.
    pub async fn ask(&self, request: &Request, egress: Egress<'_>) -> Result<Reply, SellerError> {
        self.in_time(request, self.follow(request, egress)).await
    }

    /// A sign-in, once.
    pub async fn enter(&self, signed_in: &RecordedSignIn, egress: Egress<'_>) -> Result<Reply, SellerError> {
        self.in_time(signed_in.request(), self.knock(signed_in, egress)).await
    }

    /// The paid leg.
    pub async fn present(&self, recorded: &Recorded, egress: Egress<'_>) -> Presented {
        self.show(recorded.request(), recorded.payment_header(), egress).await
    }

    async fn in_time(
        &self,
        request: &Request,
        leg: impl Future<Output = Result<Reply, SellerError>>,
    ) -> Result<Reply, SellerError> {
        match tokio::time::timeout(self.waits.unpaid, leg).await {
            Ok(result) => result,
            Err(_) => Err(too_slow(&request.url, self.waits.unpaid)),
        }
    }
}

impl Default for Waits {
    fn default() -> Waits {
        Waits { unpaid: limits::UNPAID_LEG, paid: limits::PAID_LEG, body: limits::PAID_BODY }
    }
}

impl Failed {
    pub(super) fn why(self) -> SellerError {
        match self {
            Failed::BeforeTheFirstByte(why) | Failed::Anywhere(why) => why,
        }
    }
}

fn build(guard: Guard) -> reqwest::Result<Client> {
    // The one provider of the whole process; whoever comes second finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let header_list = (limits::CHALLENGE_HEADER_BYTES + ORDINARY_HEADER_BYTES) as u32;
    let https_only = guard.door == Door::Guarded;
    Client::builder()
        .user_agent(concat!("bursar/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(limits::CONNECT)
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http2_max_header_list_size(header_list)
        .https_only(https_only)
        .dns_resolver(guard)
        .build()
}

/// Method and headers as they go out; the payment last, and only where there is one.
fn written(request: &Request, payment: Option<(&str, &str)>) -> Result<(Method, HeaderMap), String> {
    check_method(&request.method)?;
    check_headers(&request.headers)?;
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let (name, value) = header(name, value)?;
        headers.append(name, value);
    }
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, */*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    // The library leaves it out, and some servers then wait for a body or refuse.
    if request.body.is_empty() && matches!(method, Method::POST | Method::PUT | Method::PATCH) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    if let Some((name, value)) = payment {
        let (name, mut value) = header(name, value)?;
        // Whoever has it pays, or is let in, as we are: never indexed by HTTP/2's header compression, never shown by anyone's Debug.
        value.set_sensitive(true);
        if headers.contains_key(&name) {
            return Err(format!("header `{name}` is the payment's, and this call has one of its own"));
        }
        headers.insert(name, value);
    }
    Ok((method, headers))
}

fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || format!("header `{}` cannot be sent", text::quoted(name, 60));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
    Ok((name, HeaderValue::from_str(value).map_err(|_| wrong())?))
}

/// No single header is larger than a challenge may be, and all of them leave room for one.
pub(super) fn bounded(headers: &HeaderMap, host: &str) -> Result<(), SellerError> {
    let largest = headers.values().map(HeaderValue::len).max().unwrap_or(0);
    let all: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if largest <= limits::CHALLENGE_HEADER_BYTES && all <= limits::CHALLENGE_HEADER_BYTES + ORDINARY_HEADER_BYTES {
        return Ok(());
    }
    Err(SellerError::Misbehaved { host: host.to_owned(), cause: "its headers are too large".to_owned() })
}

impl HttpSeller {
    /// The whole reply, or as much of its body as is kept or comes in time. What its header says of the length is not
    /// believed.
    async fn read(
        &self,
        mut response: Response,
        request: Request,
        wait: Option<Duration>,
    ) -> Result<Reply, SellerError> {
        let until = wait.map(|wait| Instant::now() + wait);
        let (status, headers) = (response.status(), response.headers().clone());
        let is_challenge = status == StatusCode::PAYMENT_REQUIRED;
        let keep = if is_challenge { limits::CHALLENGE_BODY_BYTES } else { limits::STORED_BODY_BYTES };
        let (mut body, mut cut) = (Growing::in_store(&self.store), None);
        loop {
            let chunk = match next_chunk(&mut response, until).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(sort(&error, &request.url).why()),
                Err(_) => {
                    cut = Some(Cut::TooSlow);
                    break;
                }
            };
            let left = keep - body.len;
            body.take(&chunk[..chunk.len().min(left)]).await;
            if chunk.len() > left {
                cut = Some(Cut::TooLong);
                break;
            }
        }
        let (body, rest) = body.whole().await;
        Ok(Reply { status: status.as_u16(), headers, body, rest, cut, request, meta: None })
    }
}

/// An error of time where it does not come until then.
async fn next_chunk(
    response: &mut Response,
    until: Option<Instant>,
) -> Result<reqwest::Result<Option<bytes::Bytes>>, tokio::time::error::Elapsed> {
    match until {
        Some(until) => tokio::time::timeout_at(until, response.chunk()).await,
        None => Ok(response.chunk().await),
    }
}

/// Which failure it was, and on which side of the first byte.
pub(super) fn sort(error: &reqwest::Error, url: &Url) -> Failed {
    let (host, cause) = (host(url), deepest(error));
    if let Some(Closed(why)) = find::<Closed>(error) {
        return Failed::BeforeTheFirstByte(SellerError::Forbidden(why.clone()));
    }
    if error.is_connect() {
        let why = if error.is_dns() {
            SellerError::NoSuchHost { host, cause }
        } else {
            SellerError::Unreachable { host, cause }
        };
        return Failed::BeforeTheFirstByte(why);
    }
    let is_not_http = find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse);
    Failed::Anywhere(if is_not_http {
        SellerError::Misbehaved { host, cause }
    } else {
        SellerError::Broken { host, cause }
    })
}

fn too_slow(url: &Url, waited: Duration) -> SellerError {
    SellerError::TooSlow { host: host(url), seconds: waited.as_secs() }
}

pub(super) fn host(url: &Url) -> String {
    text::quoted(url.host_str().unwrap_or("?"), limits::QUOTED_CHARS)
}

/// The root of an error. Those around it repeat the URL, whose query may hold what is not to be shown.
fn deepest(error: &reqwest::Error) -> String {
    let said = causes(error).last().map_or_else(|| "it failed".to_owned(), |root| root.to_string());
    text::quoted(&said, limits::QUOTED_CHARS)
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&(dyn Error + 'static)| (*cause).source())
}

mod growing;
#[cfg(test)]
mod tests;
