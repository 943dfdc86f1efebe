//! What goes back, and what every browser is told to do with it.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::html::Html;

pub type PageReply = Response<Bytes>;

/// Nothing from elsewhere, nothing inline, no frames, nothing kept, nothing told to others.
///
/// `same-origin` is the strictest word for referrers with which a browser still says the origin of our own forms.
const ALWAYS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

pub fn page(status: StatusCode, page: Html) -> PageReply {
    reply(status, "text/html; charset=utf-8", page.into_text())
}

pub fn text(status: StatusCode, text: impl Into<String>) -> PageReply {
    reply(status, "text/plain; charset=utf-8", text.into())
}

pub fn file(kind: &'static str, text: &'static str) -> PageReply {
    reply(StatusCode::OK, kind, text)
}

/// On to a page, by looking at it: a form is never sent twice by going back.
pub fn see(place: &str) -> PageReply {
    let mut reply = text(StatusCode::SEE_OTHER, "");
    if let Ok(place) = HeaderValue::from_str(place) {
        reply.headers_mut().insert(header::LOCATION, place);
    }
    reply
}

pub fn with_cookie(mut reply: PageReply, cookie: &str) -> PageReply {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        reply.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    reply
}

fn reply(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> PageReply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}
