//! The text of EIP-4361: written from the fields, and read back into them.

use alloy_primitives::Address;

use super::{SignIn, VERSION, is_in_uris, is_request_id, is_statement, time};
use crate::money::Network;

/// What follows the domain in the first line.
pub(super) const GREETING: &str = " wants you to sign in with your Ethereum account:";

const URI: &str = "URI: ";
const VERSION_LINE: &str = "Version: ";
const CHAIN: &str = "Chain ID: ";
const NONCE: &str = "Nonce: ";
const ISSUED: &str = "Issued At: ";
const EXPIRES: &str = "Expiration Time: ";
const BEGINS: &str = "Not Before: ";
const REQUEST: &str = "Request ID: ";
const RESOURCES: &str = "Resources:";

/// How the lines of the fields begin, in their order.
pub(super) const FIELDS: [&str; 9] = [URI, VERSION_LINE, CHAIN, NONCE, ISSUED, EXPIRES, BEGINS, REQUEST, RESOURCES];

impl SignIn {
    /// What a person would read, byte for byte what is signed.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("{}{GREETING}", self.domain), self.address.to_string(), String::new()];
        lines.extend(self.statement.clone());
        lines.push(String::new());
        let chain = self.network.chain_id().unwrap_or_default().to_string();
        let fields = [
            (URI, Some(self.uri.as_str())),
            (VERSION_LINE, Some(VERSION)),
            (CHAIN, Some(chain.as_str())),
            (NONCE, Some(self.nonce.as_str())),
            (ISSUED, Some(self.issued_at.as_str())),
            (EXPIRES, self.expires.as_deref()),
            (BEGINS, self.not_before.as_deref()),
            (REQUEST, self.request_id.as_deref()),
        ];
        lines.extend(fields.into_iter().filter_map(|(name, value)| Some(format!("{name}{}", value?))));
        if !self.resources.is_empty() {
            lines.push(RESOURCES.to_owned());
            lines.extend(self.resources.iter().map(|resource| format!("- {resource}")));
        }
        lines.join("\n")
    }

    /// The fields of a text, if it is one in every line, and would be written so again.
    pub fn read(text: &str) -> Option<SignIn> {
        let mut lines = Lines(text.split('\n').peekable());
        let domain = lines.next()?.strip_suffix(GREETING)?.to_owned();
        let address = Address::parse_checksummed(lines.next()?, None).ok()?;
        lines.blank()?;
        let statement = lines.next().filter(|line| !line.is_empty()).map(str::to_owned);
        if statement.is_some() {
            lines.blank()?;
        }
        let uri = lines.field(URI)?;
        lines.field(VERSION_LINE).filter(|version| version == VERSION)?;
        let network = Network::eip155(lines.field(CHAIN)?.parse().ok()?);
        let read = SignIn {
            domain,
            address,
            statement,
            uri,
            network,
            nonce: lines.field(NONCE)?,
            issued_at: lines.field(ISSUED)?,
            expires: lines.field(EXPIRES),
            not_before: lines.field(BEGINS),
            request_id: lines.field(REQUEST),
            resources: lines.resources()?,
        };
        (read.is_in_form() && read.text() == text).then_some(read)
    }

    fn is_in_form(&self) -> bool {
        let times = [Some(&self.issued_at), self.expires.as_ref(), self.not_before.as_ref()];
        let is_domain = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        self.domain.bytes().all(is_domain)
            && self.statement.as_deref().is_none_or(is_statement)
            && self.request_id.as_deref().is_none_or(is_request_id)
            && self.resources.iter().chain([&self.uri]).all(|uri| is_in_uris(uri))
            && times.into_iter().flatten().all(|text| time(text).is_some())
    }
}

struct Lines<'a>(std::iter::Peekable<std::str::Split<'a, char>>);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn blank(&mut self) -> Option<()> {
        self.next().filter(|line| line.is_empty()).map(drop)
    }

    /// The rest of the next line, where it is this field's.
    fn field(&mut self, name: &str) -> Option<String> {
        let rest = self.0.peek()?.strip_prefix(name)?.to_owned();
        self.next();
        Some(rest)
    }

    /// Down to the end of the text.
    fn resources(&mut self) -> Option<Vec<String>> {
        let Some(title) = self.next() else { return Some(Vec::new()) };
        let is_title = title == RESOURCES && self.0.peek().is_some();
        is_title.then(|| self.0.by_ref().map(|line| Some(line.strip_prefix("- ")?.to_owned())).collect()).flatten()
    }
}
