//! Pure: an offer becomes exactly what gets signed. One file per scheme.
//!
//! Nothing here is a digest somebody else made: the signer takes an [`Authorization`], and whoever wants to know what
//! was signed rebuilds it from the same fields.

mod eip3009;
mod signature;

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};

pub use self::eip3009::{CannotDraft, nonce};
pub use self::signature::{NotASignature, Signature, address_of};
use crate::money::Network;

/// A transfer the payee may take once, between two moments: EIP-3009 `TransferWithAuthorization`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorization {
    /// On which network.
    pub network: Network,
    /// The asset's contract, with the name and version its signing domain has.
    pub asset: Address,
    /// The name its signing domain has.
    pub asset_name: String,
    /// The version its signing domain has.
    pub asset_version: String,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, in atomic units.
    pub value: U256,
    /// From when on the chain takes it.
    pub valid_after: u64,
    /// From here on the chain refuses it.
    pub valid_before: u64,
    /// The number that makes it usable once.
    pub nonce: B256,
}
