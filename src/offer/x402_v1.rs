//! x402 v1: terms in the body, networks by name, `X-PAYMENT` in return.

use super::x402::Wire;
use super::{Dialect, Offer};
use crate::json;
use crate::money::Network;

pub(super) const WIRE: Wire = Wire { dialect: Dialect::X402V1, amount: "maxAmountRequired", rival: "amount", network };

/// The header that carries a payment.
pub(super) const PAYMENT: &str = "X-PAYMENT";
/// The header that carries a receipt.
pub(super) const RECEIPT: &str = "x-payment-response";

/// What pays an entry.
pub(super) fn payment(offer: &Offer, accepted: &str, payload: &str) -> String {
    let (scheme, network) = (offer.scheme.name(), network_as_written(offer.network(), accepted));
    format!(r#"{{"x402Version":1,"scheme":"{scheme}","network":{network},"payload":{payload}}}"#)
}

/// A v1 seller compares the network's name with its own, so it gets back the text it wrote.
fn network_as_written(network: &Network, accepted: &str) -> String {
    let written = json::members(accepted).and_then(|entry| entry.member("network").ok().flatten());
    let ours = || format!("\"{}\"", network.v1_name().unwrap_or(network.as_str()));
    written.map_or_else(ours, str::to_owned)
}

/// A v1 name in CAIP-2. Some sellers write CAIP-2 here already: that cannot be misread.
pub(super) fn network(name: &str) -> Option<Network> {
    if name.contains(':') {
        return Some(Network::new(name));
    }
    Network::of_v1(name)
}

/// Whether a v1 seller means a network by this.
pub(super) fn is_name(text: &str) -> bool {
    Network::of_v1(text).is_some()
}
