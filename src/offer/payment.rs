//! The bytes that pay an offer: the seller's own words, and beside them what was signed. Each dialect writes its own.

use super::{Echo, Offer, mpp, x402_v1, x402_v2};

/// Name and value of the header that carries what was signed, as its scheme writes it. `id` goes to sellers that declare
/// `payment-identifier`: the same one for every showing of one purchase.
pub fn payment_header(offer: &Offer, payload: &str, id: Option<&str>) -> (String, String) {
    let (name, value) = match &offer.echo {
        Echo::X402V1 { accepted } => (x402_v1::PAYMENT, x402_v1::payment(offer, accepted, payload)),
        Echo::X402V2 { accepted, resource, extensions } => {
            let (resource, extensions) = (resource.as_deref(), extensions.as_deref());
            (x402_v2::PAYMENT, x402_v2::payment(accepted, resource, extensions, payload, id))
        }
        Echo::Mpp { challenge, header, .. } => (header.name(), mpp::payment(offer, challenge, payload)),
    };
    (name.to_owned(), value)
}
