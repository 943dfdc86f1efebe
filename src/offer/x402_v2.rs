//! x402 v2: terms in the `PAYMENT-REQUIRED` header, networks in CAIP-2, `PAYMENT-SIGNATURE` in return.

use std::ops::RangeInclusive;

use http::HeaderMap;

use super::payment::Paid;
use super::x402::Wire;
use super::{Dialect, base64, refusal};
use crate::json;
use crate::limits;
use crate::money::Network;
use crate::reason::Reason;

pub(super) const WIRE: Wire = Wire {
    dialect: Dialect::X402V2,
    amount: "amount",
    rival: "maxAmountRequired",
    network: |caip2| Some(Network::new(caip2)),
};

/// The challenge in the header, if there is one. Two different ones mean nothing.
pub(super) fn header(headers: &HeaderMap) -> Option<Result<String, Reason>> {
    let mut values = headers.get_all("payment-required").iter();
    let first = values.next()?;
    if values.any(|other| other != first) {
        return Some(Err(refusal("ambiguous", "the seller sent two different challenges in one reply")));
    }
    if first.len() > limits::CHALLENGE_HEADER_BYTES {
        return Some(Err(refusal("challenge_too_large", "the challenge is larger than bursar reads")));
    }
    let text = first.to_str().ok().and_then(base64::decode_text);
    Some(text.ok_or_else(|| refusal("malformed_challenge", "the challenge header is not base64 of a JSON text")))
}

/// The header that carries a payment.
pub(super) const PAYMENT: &str = "PAYMENT-SIGNATURE";
/// The header that carries a receipt.
pub(super) const RECEIPT: &str = "payment-response";

/// Whether the seller declares an extension and left these members of its `info` to us.
pub(super) fn leaves_to_us(extensions: Option<&str>, name: &str, members: &[&str]) -> bool {
    let ours: Vec<String> = members.iter().map(|member| format!(r#""{member}":"""#)).collect();
    extensions.is_some_and(|extensions| place_in_info(extensions, name, &ours.join(",")).is_some())
}

/// What pays an entry: what the seller wrote of it and around it, and what was signed.
pub(super) fn payment(accepted: &str, resource: Option<&str>, extensions: Option<&str>, paid: &Paid<'_>) -> String {
    let Paid { payload, id, extension, .. } = paid;
    let resource = member("resource", resource);
    let extensions = extensions.map(|text| {
        let text = with_identifier(text, *id);
        match extension {
            Some((name, members)) => with_info(&text, name, members),
            None => text,
        }
    });
    let extensions = member("extensions", extensions.as_deref());
    format!(r#"{{"x402Version":2{resource},"accepted":{accepted},"payload":{payload}{extensions}}}"#)
}

fn member(key: &str, text: Option<&str>) -> String {
    text.map(|text| format!(r#","{key}":{text}"#)).unwrap_or_default()
}

/// Whether a payment names its purchase by an id of ours, so that its seller knows it again.
pub fn names_purchase(header_value: &str) -> bool {
    let named = |payment: &str| {
        let extensions = json::members(payment)?.member("extensions").ok()??;
        let declared = json::members(extensions)?.member(IDENTIFIER).ok()??;
        let info = json::members(declared)?.member("info").ok()??;
        Some(json::members(info)?.has("id"))
    };
    document(header_value).is_some_and(|payment| named(&payment) == Some(true))
}

/// Whether a payment says that the money is taken first, as its seller wrote.
pub(super) fn takes_first(header_value: &str) -> bool {
    let flow = |payment: &str| {
        let accepted = json::members(payment)?.member("accepted").ok()??;
        let extra = json::members(accepted)?.member("extra").ok()??;
        Some(json::members(extra)?.member("paymentFlow").ok()?? == "\"upfront\"")
    };
    document(header_value).is_some_and(|payment| flow(&payment) == Some(true))
}

/// What the challenge that a payment answers called what it sells.
pub fn resource_of_payment(header_value: &str) -> Option<String> {
    let payment = document(header_value)?;
    url_of(json::members(&payment)?.member("resource").ok()??)
}

/// A payment as it is in `_meta`; a header has it in Base64.
fn document(carried: &str) -> Option<String> {
    match carried.starts_with('{') {
        true => Some(carried.to_owned()),
        false => base64::decode(carried).and_then(|bytes| String::from_utf8(bytes).ok()),
    }
}

/// The URL in a description of a resource.
pub(super) fn url_of(resource: &str) -> Option<String> {
    serde_json::from_str(json::members(resource)?.member("url").ok()??).ok()
}

const IDENTIFIER: &str = "payment-identifier";
const IDENTIFIER_CHARS: RangeInclusive<usize> = 16..=128;

/// The seller's extensions with our id put into the one place where it belongs; every other byte stays.
fn with_identifier(extensions: &str, id: Option<&str>) -> String {
    let allowed = |id: &&str| {
        IDENTIFIER_CHARS.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match id.filter(allowed) {
        Some(id) => with_info(extensions, IDENTIFIER, &format!(r#""id":"{id}""#)),
        None => extensions.to_owned(),
    }
}

/// The seller's extensions with members of ours put into the `info` of one of them.
fn with_info(extensions: &str, name: &str, members: &str) -> String {
    match place_in_info(extensions, name, members) {
        Some(Place { at, comma }) => {
            format!(r#"{}{members}{}{}"#, &extensions[..at], if comma { "," } else { "" }, &extensions[at..])
        }
        None => extensions.to_owned(),
    }
}

struct Place {
    /// Right after the opening brace of `info`.
    at: usize,
    comma: bool,
}

/// Nowhere if the seller does not declare the extension, or already wrote one of our members: its values are never
/// replaced.
fn place_in_info(extensions: &str, name: &str, members: &str) -> Option<Place> {
    let declared = json::members(extensions)?.member(name).ok()??;
    let info = json::members(declared)?.member("info").ok()??;
    let written = json::members(info)?;
    let ours = format!("{{{members}}}");
    if json::members(&ours)?.iter().any(|(name, _)| written.has(name)) {
        return None;
    }
    // `info` is a part of the same text, so the distance of the two is where it begins.
    let begins = info.as_ptr() as usize - extensions.as_ptr() as usize;
    let comma = !info[1..].trim_start().starts_with('}');
    Some(Place { at: begins + 1, comma })
}
