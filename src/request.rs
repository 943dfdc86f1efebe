//! One HTTP request of an agent, and what an agent may write into it.

mod headers;

use serde::{Deserialize, Serialize};
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
