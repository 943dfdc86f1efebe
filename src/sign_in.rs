//! Pure: a seller's wish to be told which wallet asks becomes exactly what is signed.
//!
//! What is signed is a text, so that its owner could read it; a text that a stranger chose could say anything. So it is
//! built here from a typed [`SignIn`] whose every field was checked, read back and compared, and the key signs nothing
//! else of the kind. It says who the wallet is, to the very origin that asked, and moves no money.

mod text;
mod wanted;

use alloy_primitives::{Address, B256, eip191_hash_message};
use serde::Serialize;
use url::Url;

pub use self::wanted::SignInWanted;
use crate::authorization::Signature;
use crate::limits;
use crate::money::Network;
use crate::reason::{Reason, Who};
use crate::text::base64;
use crate::time::Time;

/// The header that carries it.
pub const HEADER: &str = "SIGN-IN-WITH-X";

/// What is signed, field by field: EIP-4361, version 1. There is none whose fields were not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    domain: String,
    address: Address,
    statement: Option<String>,
    uri: String,
    network: Network,
    nonce: String,
    issued_at: String,
    expires: Option<String>,
    not_before: Option<String>,
    request_id: Option<String>,
    resources: Vec<String>,
}

/// Why a seller's wish for a sign-in is not signed. Nothing of what the seller wrote stands in it.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSound {
    #[error("the seller's words for a sign-in do not read as the extension has them")]
    Malformed,
    #[error("the seller wants a sign-in for another domain than its own, which is how logins are stolen")]
    OtherDomain,
    #[error("the seller wants a sign-in whose `{0}` is not of its own origin, which is how logins are stolen")]
    OtherOrigin(&'static str),
    #[error("the seller wants a sign-in whose `{0}` holds what may not stand there")]
    BadField(&'static str),
    #[error("the seller wants a sign-in that is older than this call, of the future, or over")]
    NotNow,
    #[error("the seller wants a sign-in by a key or on a chain that this wallet does not sign in with")]
    NoChain,
}

impl SignIn {
    /// What would be signed for a seller's wish, by the wallet of this address, to the seller that answers at `url`.
    pub fn draft(
        wanted: &SignInWanted,
        address: Address,
        url: &Url,
        networks: &[Network],
        now: Time,
    ) -> Result<SignIn, NotSound> {
        let network = wanted.chain(networks).ok_or(NotSound::NoChain)?;
        let drafted = SignIn { address, network, ..wanted.fields.clone() };
        drafted.check_fields()?;
        drafted.check_origin(url)?;
        drafted.check_times(now)?;
        // What was built is read as a verifier reads it: no field may say another's line.
        match SignIn::read(&drafted.text()) {
            Some(read) if read == drafted => Ok(drafted),
            _ => Err(NotSound::BadField("message")),
        }
    }

    /// Who says so.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The seller's word for this one sign-in.
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// On which chain the address is looked for.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Whether it is for the origin of this URL, and for no other.
    pub fn is_for(&self, url: &Url) -> bool {
        self.check_origin(url).is_ok()
    }

    /// What is signed, rebuilt from the fields each time, by EIP-191.
    pub fn digest(&self) -> B256 {
        eip191_hash_message(self.text())
    }

    /// Whether this very text was signed by whoever it names.
    pub fn is_signed(&self, signature: &Signature) -> bool {
        signature.recovers(self.digest()) == Some(self.address)
    }

    /// The value of the header that carries it.
    pub fn header(&self, signature: &Signature) -> String {
        let said = Said {
            domain: &self.domain,
            address: self.address.to_string(),
            statement: self.statement.as_deref(),
            uri: &self.uri,
            version: VERSION,
            chain_id: self.network.as_str(),
            kind: KIND,
            nonce: &self.nonce,
            issued_at: &self.issued_at,
            expiration_time: self.expires.as_deref(),
            not_before: self.not_before.as_deref(),
            request_id: self.request_id.as_deref(),
            resources: &self.resources,
            signature_scheme: KIND,
            signature: signature.to_string(),
        };
        base64(serde_json::to_string(&said).unwrap_or_default().as_bytes())
    }

    fn check_fields(&self) -> Result<(), NotSound> {
        let bad = |field| Err(NotSound::BadField(field));
        if !(8..=128).contains(&self.nonce.len()) || !self.nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return bad("nonce");
        }
        if self.statement.as_deref().is_some_and(|text| !is_statement(text)) {
            return bad("statement");
        }
        if self.request_id.as_deref().is_some_and(|id| !is_request_id(id)) {
            return bad("requestId");
        }
        if self.resources.len() > limits::SIGN_IN_RESOURCES {
            return bad("resources");
        }
        match self.text().len() > limits::SIGN_IN_BYTES {
            true => bad("message"),
            false => Ok(()),
        }
    }

    /// Domain, URI and whatever else it names are the seller's own.
    fn check_origin(&self, url: &Url) -> Result<(), NotSound> {
        if authority(url).as_deref() != Some(&self.domain) {
            return Err(NotSound::OtherDomain);
        }
        if !is_of(&self.uri, url) {
            return Err(NotSound::OtherOrigin("uri"));
        }
        match self.resources.iter().all(|resource| is_of(resource, url)) {
            true => Ok(()),
            false => Err(NotSound::OtherOrigin("resources")),
        }
    }

    /// Asked for just now, begun, and not over. Clocks differ a little.
    fn check_times(&self, now: Time) -> Result<(), NotSound> {
        let read = |text: &str, field| time(text).ok_or(NotSound::BadField(field));
        let issued = read(&self.issued_at, "issuedAt")?;
        let expires = self.expires.as_deref().map(|text| read(text, "expirationTime")).transpose()?;
        let begins = self.not_before.as_deref().map(|text| read(text, "notBefore")).transpose()?;
        let soon = now.plus(limits::CLOCK_SKEW);
        let is_fresh = issued <= soon && now.since(issued) <= limits::SIGN_IN_AGE;
        let is_begun = begins.is_none_or(|begins| begins <= soon);
        let is_not_over =
            expires.is_none_or(|end| end > now && end > issued && begins.is_none_or(|begins| begins < end));
        match is_fresh && is_begun && is_not_over {
            true => Ok(()),
            false => Err(NotSound::NotNow),
        }
    }
}

const VERSION: &str = "1";
/// By a key of an EVM chain, over a text.
const KIND: &str = "eip191";

/// As the extension writes it: the verifier builds the text anew from these.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    domain: &'a str,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    uri: &'a str,
    version: &'a str,
    chain_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    nonce: &'a str,
    issued_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    resources: &'a [String],
    signature_scheme: &'a str,
    signature: String,
}

/// Host and port as they stand in a URL; the port only where it is not the scheme's own.
fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether a URI is spelled as one of this origin, in the one spelling of it, and is one however it is read.
fn is_of(uri: &str, url: &Url) -> bool {
    let origin = url.origin();
    let Some(rest) = uri.strip_prefix(&origin.ascii_serialization()) else { return false };
    let is_apart = rest.is_empty() || rest.starts_with(['/', '?', '#']);
    let parsed = Url::parse(uri).ok().filter(|parsed| parsed.username().is_empty() && parsed.password().is_none());
    is_apart && origin.is_tuple() && is_in_uris(uri) && parsed.is_some_and(|parsed| parsed.origin() == origin)
}

/// What RFC 3986 lets stand in a URI.
fn is_in_uris(text: &str) -> bool {
    text.bytes().all(|b| is_plain(b) || b == b'%')
}

fn is_request_id(text: &str) -> bool {
    const IN_A_PATH: &[u8] = b"-._~!$&'()*+,;=:@%";
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || IN_A_PATH.contains(&b))
}

/// One line of what EIP-4361 lets stand there, and none that reads as another line of the text.
fn is_statement(text: &str) -> bool {
    let is_in_bounds = (1..=limits::SIGN_IN_STATEMENT_BYTES).contains(&text.len());
    let is_line = text.bytes().all(|b| is_plain(b) || b == b' ');
    let beginning = text.trim_start_matches(' ').to_ascii_lowercase();
    let is_a_field = text::FIELDS.iter().any(|field| beginning.starts_with(&field.trim_end().to_ascii_lowercase()));
    is_in_bounds && is_line && !is_a_field && !beginning.contains(&text::GREETING.trim().to_ascii_lowercase())
}

/// `reserved` and `unreserved` of RFC 3986.
fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&b)
}

/// RFC 3339 in the one shape that every reader takes: `2026-11-28T12:00:00.000Z`, or with an offset.
fn time(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = |(have, want): (&u8, &u8)| if *want == b'd' { have.is_ascii_digit() } else { have == want };
    let (date, rest) = bytes.split_at_checked(shape.len())?;
    let fraction =
        rest.strip_prefix(b".").map_or(0, |digits| 1 + digits.iter().take_while(|b| b.is_ascii_digit()).count());
    let zone = rest.get(fraction..)?;
    let is_zone = match zone {
        b"Z" => true,
        [b'+' | b'-', offset @ ..] => offset.len() == 5 && offset.iter().zip(b"dd:dd").all(fits),
        _ => false,
    };
    let is_fraction = fraction != 1 && fraction <= 10;
    (date.iter().zip(shape).all(fits) && is_fraction && is_zone).then(|| Time::parse(text)).flatten()
}

impl From<NotSound> for Reason {
    fn from(not: NotSound) -> Reason {
        Reason::new("sign_in_not_sound", "seller", not.to_string(), Who::Agent)
    }
}

#[cfg(test)]
mod tests;
