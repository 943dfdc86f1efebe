//! What a seller said, as far as payment goes, and where what pays it goes: headers of HTTP, or members of `_meta` in a
//! call of a tool.

use http::HeaderMap;
use serde::{Deserialize, Serialize};

/// Where a seller and a wallet tell each other about a payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// Headers of HTTP.
    #[default]
    Headers,
    /// Members of `_meta`.
    Meta,
}

/// A seller's reply: of HTTP, or what an MCP server answered to a call of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The HTTP status, or what it would be.
    pub status: u16,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The body. Of a tool: its result or error, an object.
    pub body: &'a [u8],
    /// The `_meta` of a tool's result, where this is one.
    pub meta: Option<&'a str>,
}

impl Carrier {
    /// What needs not be written down.
    pub fn is_headers(&self) -> bool {
        *self == Carrier::Headers
    }
}

impl<'a> Words<'a> {
    /// A challenge of HTTP.
    pub fn challenge(headers: &'a HeaderMap, body: &'a [u8]) -> Words<'a> {
        Words { status: 402, headers, body, meta: None }
    }
}
