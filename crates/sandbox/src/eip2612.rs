//! The EIP-2612 message as a facilitator sees it: an allowance that its owner signed instead of sending it.
//!
//! Written apart from the wallet's signing code on purpose, as [`eip3009`](super::eip3009) is.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{SolStruct, sol};

use super::chain::PlayAsset;

mod message {
    use super::sol;

    sol! {
        struct Permit {
            address owner;
            address spender;
            uint256 value;
            uint256 nonce;
            uint256 deadline;
        }
    }
}

/// What an owner signs: that a spender may take up to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit {
    pub owner: Address,
    pub spender: Address,
    pub value: U256,
    pub nonce: U256,
    pub deadline: U256,
}

/// A permit with its owner's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPermit {
    pub permit: Permit,
    pub signature: [u8; 65],
}

/// The 32 bytes an owner signs.
pub fn signing_hash(asset: &PlayAsset, permit: &Permit) -> B256 {
    let message = message::Permit {
        owner: permit.owner,
        spender: permit.spender,
        value: permit.value,
        nonce: permit.nonce,
        deadline: permit.deadline,
    };
    message.eip712_signing_hash(&asset.domain())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{b256, hex};

    use super::*;
    use crate::chain::{DOLLAR, PERMIT2};
    use crate::key::{Key, WELL_KNOWN};

    #[test]
    fn the_published_vector_hashes_and_signs_as_published() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let permit = Permit {
            owner: key.address,
            spender: PERMIT2,
            value: U256::from(10_000),
            nonce: U256::ZERO,
            deadline: U256::from(1_740_672_154u64),
        };
        let hash = signing_hash(&DOLLAR, &permit);
        assert_eq!(hash, b256!("1c25b6b46b1ee22f6e14a51eba91506430a2c75c45c7910aa0f7e13b686b35a6"));
        assert_eq!(
            hex::encode(key.sign(hash)),
            "69baca18f0761582a372da88d9d0ff9b81123913755d3aa5f2d8eaa97315f5a5\
             3fe41fe1a9f546e105cbc3de0e0f5e1962207eda86ddee33eec0d57abaa1ac741b"
        );
    }
}
