//! What goes out.

use serde::{Deserialize, Serialize};
use url::Url;

/// One HTTP request as it goes out. Headers are the agent's own, already checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub method: String,
    pub url: Url,
    pub headers: Vec<(String, String)>,
    #[serde(default, with = "crate::text::base64_bytes")]
    pub body: Vec<u8>,
}
