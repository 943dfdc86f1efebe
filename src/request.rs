//! One HTTP request of an agent, and what an agent may write into it.

mod headers;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

pub use self::headers::{check_headers, check_method, may_cross};

/// One HTTP request as it goes out. Headers are the agent's own, already checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The URL.
    pub url: Url,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default, with = "crate::text::base64_bytes")]
    pub body: Vec<u8>,
}

impl Request {
    /// What makes it this request and no other: method, URL, headers in any order, body.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut headers: Vec<_> = self.headers.iter().collect();
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
