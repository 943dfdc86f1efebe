//! The only door a signature leaves by.
//!
//! An unpaid request goes to whatever URL an agent names, within the egress rules. A payment is presented as the ledger
//! recorded it, to the origin that asked for it, and to no other: [`Seller::present`](crate::ports::Seller::present) takes nothing but a `Recorded`.

pub mod egress;
pub mod http;
pub mod redirect;

pub use self::http::HttpSeller;
