//! x402 v2: terms in the `PAYMENT-REQUIRED` header, networks in CAIP-2, `PAYMENT-SIGNATURE` in return.

use http::HeaderMap;

use super::x402::Wire;
use super::{Dialect, base64, refusal};
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
