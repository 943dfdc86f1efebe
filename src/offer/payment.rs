//! The bytes that pay an offer: the seller's own words, and beside them what was signed.

use std::ops::RangeInclusive;

use super::{Dialect, Offer, base64, json, x402_v1};

/// Name and value of the header that carries what was signed, as its scheme writes it. `id` goes to sellers that declare `payment-identifier`: the
/// same one for every showing of one purchase.
pub fn payment_header(offer: &Offer, payload: &str, id: Option<&str>) -> (String, String) {
    let (name, payment) = match offer.dialect {
        Dialect::X402V1 => ("X-PAYMENT", v1(offer, payload)),
        _ => ("PAYMENT-SIGNATURE", v2(offer, payload, id)),
    };
    (name.to_owned(), base64::encode(&payment))
}

fn v2(offer: &Offer, payload: &str, id: Option<&str>) -> String {
    let echo = &offer.echo;
    let resource = member("resource", echo.resource.as_deref());
    let extensions = echo.extensions.as_deref().map(|text| with_identifier(text, id));
    let extensions = member("extensions", extensions.as_deref());
    format!(r#"{{"x402Version":2{resource},"accepted":{},"payload":{payload}{extensions}}}"#, echo.accepted)
}

fn v1(offer: &Offer, payload: &str) -> String {
    let network = network_as_written(offer);
    format!(r#"{{"x402Version":1,"scheme":"{}","network":{network},"payload":{payload}}}"#, offer.scheme)
}

fn member(key: &str, text: Option<&str>) -> String {
    text.map(|text| format!(r#","{key}":{text}"#)).unwrap_or_default()
}

/// A v1 seller compares the network's name with its own, so it gets back the text it wrote.
fn network_as_written(offer: &Offer) -> String {
    let written = json::members(&offer.echo.accepted).and_then(|entry| entry.member("network").ok().flatten());
    let ours = || format!("\"{}\"", x402_v1::name(offer.network()).unwrap_or(offer.network().as_str()));
    written.map_or_else(ours, str::to_owned)
}

/// Whether a payment names its purchase by an id of ours, so that its seller knows it again.
pub fn names_purchase(header_value: &str) -> bool {
    let named = |payment: &str| {
        let extensions = json::members(payment)?.member("extensions").ok()??;
        let declared = json::members(extensions)?.member("payment-identifier").ok()??;
        let info = json::members(declared)?.member("info").ok()??;
        Some(json::members(info)?.has("id"))
    };
    let payment = base64::decode(header_value).and_then(|bytes| String::from_utf8(bytes).ok());
    payment.is_some_and(|payment| named(&payment) == Some(true))
}

const IDENTIFIER_CHARS: RangeInclusive<usize> = 16..=128;

/// The seller's extensions with our id put into the one place where it belongs; every other byte stays.
fn with_identifier(extensions: &str, id: Option<&str>) -> String {
    let allowed = |id: &&str| {
        IDENTIFIER_CHARS.contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    match (id.filter(allowed), place_for_id(extensions)) {
        (Some(id), Some(Place { at, comma })) => {
            format!(r#"{}"id":"{id}"{}{}"#, &extensions[..at], if comma { "," } else { "" }, &extensions[at..])
        }
        _ => extensions.to_owned(),
    }
}

struct Place {
    /// Right after the opening brace of `info`.
    at: usize,
    comma: bool,
}

/// Nowhere if the seller does not declare the extension, or already wrote an id: its values are never replaced.
fn place_for_id(extensions: &str) -> Option<Place> {
    let declared = json::members(extensions)?.member("payment-identifier").ok()??;
    let info = json::members(declared)?.member("info").ok()??;
    if json::members(info)?.has("id") {
        return None;
    }
    // `info` is a part of the same text, so the distance of the two is where it begins.
    let begins = info.as_ptr() as usize - extensions.as_ptr() as usize;
    let comma = !info[1..].trim_start().starts_with('}');
    Some(Place { at: begins + 1, comma })
}
