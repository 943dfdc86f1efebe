//! The only door a signature leaves by.
//!
//! An unpaid request goes to whatever URL an agent names, within the egress rules. A payment is presented as the ledger
//! recorded it, to the origin that asked for it, and to no other: [`Seller::present`] takes nothing but a [`Recorded`].

pub mod egress;
pub mod headers;
pub mod http;
pub mod redirect;
pub mod request;

use ::http::HeaderMap;
use async_trait::async_trait;

pub use self::headers::{check_headers, check_method};
pub use self::http::HttpSeller;
pub use self::request::Request;
use crate::ledger::Recorded;

/// A reply that came in whole, or as much of it as is kept.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The body was longer than is kept, and was cut.
    pub cut: bool,
    /// The request that was answered: after redirects, not the one that was asked for.
    pub request: Request,
}

/// `host:port` pairs the owner opened in `[egress] allow`.
#[derive(Clone, Copy, Debug)]
pub struct Egress<'a> {
    pub allow: &'a [String],
}

/// What became of presenting a payment.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per purchase, and it is taken apart at once")]
pub enum Presented {
    /// No byte of the payment left: it can be presented later.
    NeverConnected(SellerError),
    /// The reply is complete.
    Answered(Reply),
    /// Some of it may have arrived; nobody knows what came of it.
    Lost(SellerError),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SellerError {
    /// Not an address bursar goes to: private, not https, unspeakable. The text names which and the way to open it.
    #[error("{0}")]
    Forbidden(String),
    #[error("`{host}` has no address: {cause}")]
    NoSuchHost { host: String, cause: String },
    #[error("could not connect to `{host}`: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("`{host}` did not answer within {seconds} s")]
    TooSlow { host: String, seconds: u64 },
    #[error("the reply of `{host}` broke off: {cause}")]
    Broken { host: String, cause: String },
    #[error("`{host}` redirected more than {0} times", crate::limits::REDIRECTS)]
    TooManyRedirects { host: String },
    #[error("`{host}` sent something that is not HTTP as it should be: {cause}")]
    Misbehaved { host: String, cause: String },
}

#[async_trait]
pub trait Seller: Send + Sync {
    /// The unpaid leg: redirects are followed by hand, each hop checked like the first.
    async fn ask(&self, request: &Request, egress: Egress<'_>) -> Result<Reply, SellerError>;

    /// The paid leg: one request, no redirects, no retries.
    async fn present(&self, recorded: &Recorded, egress: Egress<'_>) -> Presented;
}
