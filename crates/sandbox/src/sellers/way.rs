//! The ways a stall can be paid, and what an x402 challenge says of each.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::chain::{PlayAsset, SETTLER};

/// One way to pay. Only the first is spoken in x402 v1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `exact`, by an authorization that the asset itself takes.
    Eip3009,
    /// `exact`, by a transfer out of the allowance that Permit2 has.
    Permit2,
    /// `upto`: the same, and the seller says afterwards how much of it to take.
    Upto,
    /// MPP's `evm/charge`, by an authorization that the asset itself takes. Spoken beside whatever x402 a stall speaks.
    Mpp,
}

impl Way {
    /// How stalls are paid that say nothing of it: by what the asset itself takes, unless `PLAY_WAY` says otherwise, so
    /// that whole suites run over another way.
    pub fn of_this_run() -> Self {
        static WAY: LazyLock<Way> = LazyLock::new(|| match std::env::var("PLAY_WAY").as_deref() {
            // Solana has no stalls here: it is paid where a suite has a chain of its own for it.
            Err(_) | Ok("eip3009" | "solana") => Way::Eip3009,
            Ok("permit2") => Way::Permit2,
            Ok("upto") => Way::Upto,
            Ok("mpp") => Way::Mpp,
            Ok(other) => panic!("PLAY_WAY={other}: there are eip3009, permit2, upto, mpp and solana"),
        });
        *WAY
    }

    /// The scheme as the challenge names it.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Eip3009 | Self::Permit2 | Self::Mpp => "exact",
            Self::Upto => "upto",
        }
    }

    /// Whether it moves what the payer allowed Permit2.
    pub fn is_by_permit2(self) -> bool {
        match self {
            Self::Permit2 | Self::Upto => true,
            Self::Eip3009 | Self::Mpp => false,
        }
    }

    /// Only exact payments can be settled before the goods are made.
    pub fn can_be_upfront(self) -> bool {
        self != Self::Upto
    }

    /// The `extra` of its entry in a v2 challenge.
    pub(super) fn extra(self, asset: &PlayAsset, upfront: bool) -> Value {
        let mut extra = json!({"name": asset.name, "version": asset.version});
        if self.is_by_permit2() {
            extra["assetTransferMethod"] = json!("permit2");
        }
        if self == Self::Upto {
            extra["facilitatorAddress"] = json!(SETTLER.to_string());
        }
        if upfront && self.can_be_upfront() {
            extra["paymentFlow"] = json!("upfront");
        }
        extra
    }
}
