//! What x402 says of a payment on Solana beside whom it is paid and how much: who completes it, a memo, and a block.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::refusal;
use super::x402::{Fields, malformed};
use crate::limits;
use crate::money::{Account, Asset, Assets, Network, solana_key};
use crate::reason::Reason;

/// A seller's own terms for a payment on Solana. How high the chain is, no seller is believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SolanaTerms {
    /// Who completes the chain transaction, and pays for it.
    pub fee_payer: Account,
    /// What is to be written beside the payment, for ever and for everybody; one of ours where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
    /// A recent block, in base58: of use where no node of ours tells one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blockhash: Option<String>,
}

impl SolanaTerms {
    /// Of an offer that is only imagined.
    pub(super) fn imagined(network: &Network) -> SolanaTerms {
        SolanaTerms { fee_payer: Account::anybody(network), memo: None, blockhash: None }
    }

    pub(super) fn read(extra: &Fields, asset: &Asset, assets: &Assets) -> Result<SolanaTerms, Reason> {
        if extra.text("assetTransferMethod")?.is_some() {
            let message = "the seller wants the asset moved in a way bursar does not know";
            return Err(refusal("transfer_method_not_supported", message));
        }
        takes_version_0(extra)?;
        Ok(SolanaTerms {
            fee_payer: fee_payer(extra, asset.network())?,
            memo: memo(extra)?,
            blockhash: blockhash(extra)?.filter(|_| is_of_one_cluster(asset, assets)).map(str::to_owned),
        })
    }
}

fn fee_payer(extra: &Fields, network: &Network) -> Result<Account, Reason> {
    let bad =
        || refusal("bad_fee_payer", "the seller names nobody who could complete the payment and pay the chain for it");
    let named = extra.text("feePayer")?.ok_or_else(bad)?;
    let named = Account::parse(network, named).map_err(|_| bad())?;
    if named.is_nobodys() { Err(bad()) } else { Ok(named) }
}

/// An empty one is none, as others read it.
fn memo(extra: &Fields) -> Result<Option<String>, Reason> {
    match extra.text("memo")? {
        None | Some("") => Ok(None),
        Some(memo) if memo.len() > limits::SOLANA_MEMO_BYTES => {
            let message = format!("the seller's memo is longer than {} bytes", limits::SOLANA_MEMO_BYTES);
            Err(refusal("memo_too_long", message))
        }
        Some(memo) => Ok(Some(memo.to_owned())),
    }
}

fn blockhash(extra: &Fields) -> Result<Option<&str>, Reason> {
    match extra.text("recentBlockhash")? {
        Some(text) if solana_key(text).is_none() => Err(malformed("`recentBlockhash` is not the hash of a block")),
        hint => Ok(hint),
    }
}

/// Nothing that is signed names the cluster but the block. A seller's may be of another one, where an asset that is of this
/// one only can move nothing.
fn is_of_one_cluster(asset: &Asset, assets: &Assets) -> bool {
    let is_elsewhere = |network: &Network| {
        network != asset.network() && assets.on(network).any(|other| other.account.address() == asset.account.address())
    };
    !assets.networks().iter().any(is_elsewhere)
}

/// Sellers that take another form of transaction only say so.
fn takes_version_0(extra: &Fields) -> Result<(), Reason> {
    match extra.0.get("transactionVersions") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(versions)) if versions.iter().any(|version| version == 0) => Ok(()),
        Some(Value::Array(_)) => {
            let message = "the seller takes a form of chain transaction only that bursar does not sign";
            Err(refusal("transaction_version_not_supported", message))
        }
        Some(_) => Err(malformed("`transactionVersions` is not a list")),
    }
}
