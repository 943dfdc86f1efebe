//! The only writer of money.

/// Proof that an authorization is in the ledger, durably. Only the ledger makes one, and only one can be presented.
#[derive(Debug)]
pub struct Recorded {
    pub(in crate::ledger) request: crate::seller::Request,
    pub(in crate::ledger) payment_header: (String, String),
}

impl Recorded {
    /// The request the payment goes with, to the origin that asked for it.
    pub fn request(&self) -> &crate::seller::Request {
        &self.request
    }

    /// Name and value of the header that carries the payment.
    pub fn payment_header(&self) -> (&str, &str) {
        (&self.payment_header.0, &self.payment_header.1)
    }
}
