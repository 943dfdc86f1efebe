//! Pure: what directories list. A stranger's bytes become bounded, cleaned claims, one file for each dialect of
//! directory. Nothing in here is a price or a payee that is ever paid: these come from the seller's own 402 alone.

mod asked;
mod bazaar;
mod index402;
mod mpp;
mod openapi;
mod price;
mod words;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use url::Url;

pub use self::price::{ClaimedPrice, PriceNote};
use crate::json::{self, Unreadable};
use crate::limits;
use crate::money::Assets;
use crate::time::Time;

/// The shape of what a directory answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirectoryKind {
    /// The Bazaar of an x402 facilitator, as the specification and as Coinbase have it.
    Bazaar,
    /// The list of MPP services.
    Mpp,
    /// 402index.
    Index402,
    /// What a server says of itself in its `openapi.json`.
    Openapi,
}

/// A directory, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// What it speaks.
    pub kind: DirectoryKind,
    /// What the paths of its kind are put after.
    pub base: Url,
}

/// One thing that is said to be for sale: a claim of whoever listed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedThing {
    /// Where it is had, or the MCP server whose tool it is.
    pub url: Url,
    /// The tool, where it is one.
    pub tool: Option<String>,
    /// The HTTP method, where one is named.
    pub method: Option<String>,
    /// What it is called; the host where it has no name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Words it is filed under.
    pub tags: Vec<String>,
    /// Names of what it takes.
    pub arguments: Vec<String>,
    /// The ways to pay it that are claimed; none where none is named.
    pub prices: Vec<ClaimedPrice>,
    /// How it fares.
    pub health: HealthClaim,
}

/// How a directory says that a thing fares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HealthClaim {
    /// `healthy`, `degraded` or `down`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Calls in 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_30d: Option<u64>,
    /// Different payers in 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payers_30d: Option<u64>,
    /// When it was called last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_called_at: Option<Time>,
}

/// What one directory listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// What can be asked for.
    pub things: Vec<ListedThing>,
    /// Entries that lead nowhere: without an address on the web, or of no known kind.
    pub unusable: usize,
    /// Entries beyond as many as are read.
    pub unread: usize,
}

#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAListing {
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("its answer is not JSON, or is nested deeper than anything honest")]
    NotJson,
    #[error("its answer says one thing twice")]
    TwoReadings,
    #[error("its answer is not a list as such directories have it")]
    OtherShape,
}

/// What a directory's answer lists.
pub fn read(directory: &Directory, answer: &[u8], assets: &Assets) -> Result<Listing, NotAListing> {
    if answer.len() > limits::DIRECTORY_BYTES {
        return Err(NotAListing::TooLong(limits::DIRECTORY_BYTES));
    }
    let text = std::str::from_utf8(answer).map_err(|_| NotAListing::NotJson)?;
    let root = json::strict(text).map_err(|unreadable| match unreadable {
        Unreadable::Ambiguous => NotAListing::TwoReadings,
        Unreadable::Malformed => NotAListing::NotJson,
    })?;
    let entries = match directory.kind {
        DirectoryKind::Bazaar => bazaar::entries(&root),
        DirectoryKind::Mpp => mpp::entries(&root),
        DirectoryKind::Index402 => index402::entries(&root),
        DirectoryKind::Openapi => openapi::entries(&root, &directory.base),
    };
    let entries = entries.ok_or(NotAListing::OtherShape)?;
    let mut listing = Listing { unread: entries.len().saturating_sub(limits::LISTED_THINGS), ..Listing::default() };
    for entry in entries.into_iter().take(limits::LISTED_THINGS) {
        match entry.thing(assets) {
            Some(thing) => listing.things.push(thing),
            None => listing.unusable += 1,
        }
    }
    Ok(listing)
}

/// One entry of an answer, not looked at yet.
enum Entry<'a> {
    Bazaar(&'a Value),
    Mpp(mpp::Endpoint<'a>),
    Index402(&'a Value),
    Openapi(openapi::Operation<'a>),
}

impl Entry<'_> {
    fn thing(self, assets: &Assets) -> Option<ListedThing> {
        match self {
            Entry::Bazaar(item) => bazaar::thing(item, assets),
            Entry::Mpp(endpoint) => mpp::thing(&endpoint, assets),
            Entry::Index402(service) => index402::thing(service, assets),
            Entry::Openapi(operation) => openapi::thing(&operation, assets),
        }
    }
}

impl ListedThing {
    /// Whether bursar goes there at all: by https, or where the owner opened exactly this host and port.
    pub fn may_be_asked(&self, egress: &[String]) -> bool {
        let is_opened = || {
            let at = self.url.host_str().zip(self.url.port_or_known_default());
            at.is_some_and(|(host, port)| egress.contains(&format!("{host}:{port}")))
        };
        self.url.scheme() == "https" || is_opened()
    }
}

impl HealthClaim {
    /// Whether anything is claimed.
    pub fn is_empty(&self) -> bool {
        *self == HealthClaim::default()
    }
}
