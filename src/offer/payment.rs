//! The bytes that pay an offer: the seller's own words, and beside them what was signed. Each dialect writes its own.

use super::{Carrier, Echo, Offer, base64, mcp, mpp, x402_v1, x402_v2};
use crate::money::Account;

/// What was signed, as its scheme writes it for a dialect.
#[derive(Clone, Copy, Debug)]
pub struct Paid<'a> {
    /// The authorization with its signature.
    pub payload: &'a str,
    /// Who pays.
    pub payer: &'a Account,
    /// For sellers that declare `payment-identifier`: the same one for every showing of one purchase.
    pub id: Option<&'a str>,
    /// What goes into an extension that the seller declares: its name, and the members of its `info`.
    pub extension: Option<(&'a str, &'a str)>,
}

/// Name and value of what carries a payment: a header, or a member of `_meta`.
pub fn payment_header(offer: &Offer, paid: &Paid<'_>) -> (String, String) {
    let header = |name: &'static str, document: &str| (name, base64::encode(document));
    let (name, value) = match (&offer.echo, offer.carrier) {
        (Echo::X402V1 { accepted }, carrier) => {
            let document = x402_v1::payment(offer, accepted, paid.payload);
            match carrier {
                Carrier::Headers => header(x402_v1::PAYMENT, &document),
                Carrier::Meta => (mcp::X402_PAYMENT, document),
            }
        }
        (Echo::X402V2 { accepted, resource, extensions }, carrier) => {
            let document = x402_v2::payment(accepted, resource.as_deref(), extensions.as_deref(), paid);
            match carrier {
                Carrier::Headers => header(x402_v2::PAYMENT, &document),
                Carrier::Meta => (mcp::X402_PAYMENT, document),
            }
        }
        (Echo::Mpp { challenge, header, .. }, Carrier::Headers) => (header.name(), mpp::payment(challenge, paid)),
        (Echo::Mpp { challenge, .. }, Carrier::Meta) => (mcp::MPP_PAYMENT, mpp::credential(challenge, paid)),
    };
    (name.to_owned(), value)
}
