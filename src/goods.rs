//! Pure: whether what came is what was paid for.
//!
//! A complete reply of success can be empty, an error in disguise, or of another type than the offer named. That is said,
//! and changes nothing about the money. Where there is doubt nothing is said: an honest seller that is accused loses
//! more than a miss costs. Binary goods, streams, and types that are not known are fine.

mod body;
mod kind;
mod tool;

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};

use self::kind::Kind;
use crate::json;
use crate::offer::Echo;
use crate::reason::{Reason, Who};
use crate::request::Request;
use crate::text::media_type;

/// What a complete reply of success brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goods {
    /// Nothing speaks against it.
    Fine,
    /// Nothing is in it.
    Empty,
    /// An error stands where the goods should.
    ErrorPage {
        /// The type that the offer named, if it named one.
        named: Option<String>,
    },
    /// It is of another type than was offered.
    OtherType {
        /// The type that the offer named.
        named: String,
        /// The type that came.
        came: String,
    },
}

/// A complete reply of success, as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The request that was paid for.
    pub request: &'a Request,
    /// The HTTP status.
    pub status: u16,
    /// The headers of the reply.
    pub headers: &'a HeaderMap,
    /// The body, or as much of it as was read.
    pub body: &'a [u8],
    /// The body was read to its end.
    pub is_whole: bool,
}

/// The media type that an offer named, if it reads as one: bare, in lower case.
pub fn named_type(echo: &Echo) -> Option<String> {
    let described = match echo {
        Echo::X402V1 { accepted } => Some(accepted),
        Echo::X402V2 { resource, .. } => resource.as_ref(),
        Echo::Mpp { .. } => None,
    };
    let written = json::members(described?)?.member("mimeType").ok()??;
    bare(&serde_json::from_str::<String>(written).ok()?)
}

/// What came, held against what the offer named.
pub fn judge(delivery: &Delivery<'_>, named: Option<&str>) -> Goods {
    // Its result is JSON, whatever is in it.
    if delivery.request.tool().is_some() {
        return tool::judge(delivery);
    }
    let came = delivery.header(CONTENT_TYPE.as_str()).and_then(bare);
    if delivery.is_empty() {
        return if delivery.may_be_empty(named) { Goods::Fine } else { Goods::Empty };
    }
    // A part of something is not judged, nor what is wrapped up.
    if delivery.status == 206 || delivery.is_wrapped() {
        return Goods::Fine;
    }
    let named = named.filter(|_| !delivery.asked_for(came.as_deref()));
    if delivery.is_error(named, came.as_deref()) {
        return Goods::ErrorPage { named: named.map(str::to_owned) };
    }
    match (named, came) {
        (Some(named), Some(came)) if is_other(named, &came, delivery.body) => {
            Goods::OtherType { named: named.to_owned(), came }
        }
        _ => Goods::Fine,
    }
}

impl Goods {
    /// As rows and answers write it.
    pub fn word(&self) -> &'static str {
        match self {
            Goods::Fine => "fine",
            Goods::Empty => "empty",
            Goods::ErrorPage { .. } => "error_page",
            Goods::OtherType { .. } => "other_type",
        }
    }

    /// From the word a row has, with the types it has beside it. Any other word: it was not judged.
    pub fn read(word: &str, named: Option<&str>, came: Option<&str>) -> Option<Goods> {
        match word {
            "fine" => Some(Goods::Fine),
            "empty" => Some(Goods::Empty),
            "error_page" => Some(Goods::ErrorPage { named: named.and_then(bare) }),
            "other_type" => Some(Goods::OtherType { named: named.and_then(bare)?, came: came.and_then(bare)? }),
            _ => None,
        }
    }

    /// What is wrong with it, in a sentence of ours.
    pub fn complaint(&self) -> Option<String> {
        match self {
            Goods::Fine => None,
            Goods::Empty => Some("what came for the money is empty".to_owned()),
            Goods::ErrorPage { named: None } => {
                Some("what came for the money reads as an error, and not as goods".to_owned())
            }
            Goods::ErrorPage { named: Some(named) } => {
                Some(format!("what came for the money reads as an error, where the offer named {named}"))
            }
            Goods::OtherType { named, came } => {
                Some(format!("what came for the money is {came}, and the offer named {named}"))
            }
        }
    }

    /// The same, for whoever asked for it.
    pub fn reason(&self) -> Option<Reason> {
        let message = self.complaint()?;
        Some(Reason::new(&format!("goods_{}", self.word()), "goods", message, Who::Agent))
    }
}

impl Delivery<'_> {
    /// Two that differ say nothing.
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?;
        first.to_str().ok().filter(|_| values.all(|other| other == first))
    }

    fn is_empty(&self) -> bool {
        self.is_whole && body::without_mark(self.body).trim_ascii().is_empty()
    }

    /// Where something is done rather than fetched, that it was done is the goods; and what is elsewhere, or not ready,
    /// says so without a body.
    fn may_be_empty(&self, named: Option<&str>) -> bool {
        let is_fetched = self.request.method == "GET";
        let is_promised = named.is_some() && self.status == 200 && self.request.method != "HEAD";
        let is_elsewhere = matches!(self.status, 201 | 202) || self.headers.contains_key(LOCATION);
        is_elsewhere || !(is_fetched || is_promised)
    }

    fn is_wrapped(&self) -> bool {
        let codings = self.headers.get_all(CONTENT_ENCODING).iter();
        codings.into_iter().any(|coding| !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
    }

    /// The agent's own `Accept` names what came: then the offer's type is not what it wanted.
    fn asked_for(&self, came: Option<&str>) -> bool {
        let Some(came) = came else { return false };
        let accepts = self.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.as_str()));
        accepts.flat_map(|(_, value)| value.split(',')).any(|one| bare(one).as_deref() == Some(came))
    }

    fn is_error(&self, named: Option<&str>, came: Option<&str>) -> bool {
        let (of_named, of_came) = (named.and_then(Kind::of), came.and_then(Kind::of));
        let is_problem = |kind: &str| kind == "application/problem+json" || kind == "application/problem+xml";
        if came.is_some_and(is_problem) {
            return named != came;
        }
        if of_named.is_some_and(Kind::is_never_a_page) && body::is_page(self.body) {
            return true;
        }
        let is_json = of_named == Some(Kind::Json) || of_came == Some(Kind::Json);
        is_json && self.is_whole && body::is_error_object(self.body)
    }
}

/// Both types are known, and the body does not show that its label is merely careless.
fn is_other(named: &str, came: &str, body: &[u8]) -> bool {
    match (Kind::of(named), Kind::of(came)) {
        (Some(named), Some(came)) if named == came => false,
        (Some(Kind::Json), Some(_)) => !body::may_be_json(body),
        // Any text may be called by the name of another; and JSON is what a request without an `Accept` of its own prefers.
        (Some(Kind::Text), Some(Kind::Json | Kind::Text)) => false,
        (Some(Kind::Text), Some(_)) => true,
        (Some(_), Some(Kind::Json | Kind::Text)) => body::is_text(body),
        (Some(_), Some(_)) => true,
        (None, _) | (_, None) => false,
    }
}

/// A media type without its parameters, in lower case.
fn bare(text: &str) -> Option<String> {
    let whole = media_type(text)?;
    Some(whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
