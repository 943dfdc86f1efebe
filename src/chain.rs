//! What the chains say: balances, evidence, and what left our accounts. One folder per rail.

pub mod evm;
mod gather;
pub mod json_rpc;
mod line;
mod rails;
pub mod svm;

use url::Url;

use crate::settlement::ChainError;

pub use self::evm::Rpc;
pub use self::rails::Rails;
pub use self::svm::SvmRpc;

/// The nodes of one chain, as the owner or the built-in table has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes {
    /// The nodes, all of which are asked.
    pub rpc: Vec<Url>,
    /// For chains without a finalized tag: how many blocks behind the head count as final.
    pub confirmations: Option<u64>,
}

/// The largest of what nodes answer; why there is none, where nobody does.
fn largest<T: Ord>(told: Vec<Result<T, ChainError>>) -> Option<Result<T, ChainError>> {
    told.into_iter().reduce(|a, b| match (a, b) {
        (Ok(a), Ok(b)) => Ok(a.max(b)),
        (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one),
        (Err(error), Err(_)) => Err(error),
    })
}
