//! The bytes that pay an offer: the seller's own words, and beside them what was signed. Each dialect writes its own.

use super::{Echo, Offer, mpp, x402_v1, x402_v2};
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

/// Name and value of the header that carries a payment.
pub fn payment_header(offer: &Offer, paid: &Paid<'_>) -> (String, String) {
    let (name, value) = match &offer.echo {
        Echo::X402V1 { accepted } => (x402_v1::PAYMENT, x402_v1::payment(offer, accepted, paid.payload)),
        Echo::X402V2 { accepted, resource, extensions } => {
            let (resource, extensions) = (resource.as_deref(), extensions.as_deref());
            (x402_v2::PAYMENT, x402_v2::payment(accepted, resource, extensions, paid))
        }
        Echo::Mpp { challenge, header, .. } => (header.name(), mpp::payment(challenge, paid)),
    };
    (name.to_owned(), value)
}
