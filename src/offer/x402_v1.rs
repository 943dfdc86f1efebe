//! x402 v1: terms in the body, networks by name, `X-PAYMENT` in return.

use super::x402::Wire;
use super::{Dialect, Offer, base64};
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
    base64::encode(&format!(r#"{{"x402Version":1,"scheme":"{scheme}","network":{network},"payload":{payload}}}"#))
}

/// A v1 seller compares the network's name with its own, so it gets back the text it wrote.
fn network_as_written(network: &Network, accepted: &str) -> String {
    let written = json::members(accepted).and_then(|entry| entry.member("network").ok().flatten());
    let ours = || format!("\"{}\"", name(network).unwrap_or(network.as_str()));
    written.map_or_else(ours, str::to_owned)
}

/// A v1 name in CAIP-2. Some sellers write CAIP-2 here already: that cannot be misread.
fn network(name: &str) -> Option<Network> {
    if name.contains(':') {
        return Some(Network::new(name));
    }
    if let Some((_, chain)) = NAMES.iter().find(|(known, _)| *known == name) {
        return Some(Network::eip155(*chain));
    }
    SOLANA.iter().find(|(known, _)| *known == name).map(|(_, caip2)| Network::new(*caip2))
}

/// The name a v1 seller knows a chain by.
pub(super) fn name(network: &Network) -> Option<&'static str> {
    let chain = network.chain_id()?;
    NAMES.iter().find(|(_, known)| *known == chain).map(|(name, _)| *name)
}

/// Whether a v1 seller means a network by this.
pub(super) fn is_name(text: &str) -> bool {
    NAMES.iter().any(|(known, _)| *known == text) || SOLANA.iter().any(|(known, _)| *known == text)
}

const NAMES: [(&str, u64); 21] = [
    ("ethereum", 1),
    ("sepolia", 11155111),
    ("abstract", 2741),
    ("abstract-testnet", 11124),
    ("base", 8453),
    ("base-sepolia", 84532),
    ("avalanche", 43114),
    ("avalanche-fuji", 43113),
    ("iotex", 4689),
    ("sei", 1329),
    ("sei-testnet", 1328),
    ("polygon", 137),
    ("polygon-amoy", 80002),
    ("peaq", 3338),
    ("story", 1514),
    ("educhain", 41923),
    ("skale-base-sepolia", 324705682),
    ("megaeth", 4326),
    ("monad", 143),
    ("stable", 988),
    ("stable-testnet", 2201),
];

const SOLANA: [(&str, &str); 3] = [
    ("solana", "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"),
    ("solana-devnet", "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"),
    ("solana-testnet", "solana:4uhcVJyU9pJkvQyS88uRDiswHXSCkY3z"),
];
