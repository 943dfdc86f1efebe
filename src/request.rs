//! One request of an agent, of HTTP or of a tool, and what an agent may write into it.

mod headers;
mod tool;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

pub use self::headers::{check_headers, check_method, may_cross};
pub use self::tool::{CALL, PROGRAM, server_at, tool_at};
use crate::money::Usd;

/// One request as it goes out: of HTTP, or a call of a tool. Headers are the agent's own, already checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The HTTP method, or [`CALL`].
    pub method: String,
    /// The URL, or where the tool is.
    pub url: Url,
    /// The headers; of a tool, the arguments that its server wants in headers too.
    pub headers: Vec<(String, String)>,
    /// The body, or the arguments.
    #[serde(default, with = "crate::text::base64_bytes")]
    pub body: Vec<u8>,
}

/// What nothing may be dearer than, beside the policy: it only ever refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPrice {
    /// The price that is still paid.
    pub usd: Usd,
    /// Who said so.
    pub set_by: SetBy,
}

/// Who set a [`MaxPrice`], and so can set another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetBy {
    /// The call: its `max_price`.
    Call,
    /// The owner, in the host that starts bursar: `serve --max-per-payment`.
    Host,
}

/// `https://api.example.com`: scheme, host and port, which is what a payment belongs to. A program of the owner's is its
/// own.
pub fn origin(url: &Url) -> String {
    match url.scheme() {
        PROGRAM => format!("{PROGRAM}://{}", url.host_str().unwrap_or_default()),
        _ => url.origin().ascii_serialization(),
    }
}

impl Request {
    /// What makes it this request and no other: method, URL, headers in any order, body. The headers of a tool's call say
    /// what its arguments say.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut headers: Vec<_> = self.headers.iter().filter(|_| self.method != CALL).collect();
        headers.sort();
        let headers = headers.into_iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let mut hash = Sha256::new();
        for part in [self.method.as_bytes(), self.url.as_str().as_bytes(), &self.body].into_iter().chain(headers) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}
