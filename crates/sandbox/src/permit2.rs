//! What a payer signs for Permit2, as a facilitator sees it: the two forms x402 knows, `exact` and `upto`.
//!
//! Written apart from the wallet's signing code on purpose, as [`eip3009`](super::eip3009) is.

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, eip712_domain};

use super::chain::{CHAIN_ID, PERMIT2};

/// What the proxy of the `exact` scheme has signed.
mod exact {
    alloy_sol_types::sol! {
        struct TokenPermissions {
            address token;
            uint256 amount;
        }

        struct Witness {
            address to;
            uint256 validAfter;
        }

        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }
    }
}

/// What the proxy of the `upto` scheme has signed: the same, and who may settle it.
mod upto {
    alloy_sol_types::sol! {
        struct TokenPermissions {
            address token;
            uint256 amount;
        }

        struct Witness {
            address to;
            address facilitator;
            uint256 validAfter;
        }

        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }
    }
}

const DOMAIN: Eip712Domain = eip712_domain! {
    name: "Permit2",
    chain_id: CHAIN_ID,
    verifying_contract: PERMIT2,
};

/// A transfer out of the allowance that Permit2 has, as its payer signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permit2Transfer {
    pub asset: Address,
    pub from: Address,
    pub to: Address,
    /// All that is taken, or for `upto` the most that can be.
    pub amount: U256,
    pub spender: Address,
    pub nonce: U256,
    pub deadline: U256,
    pub valid_after: U256,
    /// Who alone may settle it: for `upto`, and for nothing else.
    pub facilitator: Option<Address>,
}

/// The 32 bytes a payer signs.
pub fn signing_hash(t: &Permit2Transfer) -> B256 {
    match t.facilitator {
        None => exact_hash(t),
        Some(facilitator) => upto_hash(t, facilitator),
    }
}

fn exact_hash(t: &Permit2Transfer) -> B256 {
    let message = exact::PermitWitnessTransferFrom {
        permitted: exact::TokenPermissions { token: t.asset, amount: t.amount },
        spender: t.spender,
        nonce: t.nonce,
        deadline: t.deadline,
        witness: exact::Witness { to: t.to, validAfter: t.valid_after },
    };
    message.eip712_signing_hash(&DOMAIN)
}

fn upto_hash(t: &Permit2Transfer, facilitator: Address) -> B256 {
    let message = upto::PermitWitnessTransferFrom {
        permitted: upto::TokenPermissions { token: t.asset, amount: t.amount },
        spender: t.spender,
        nonce: t.nonce,
        deadline: t.deadline,
        witness: upto::Witness { to: t.to, facilitator, validAfter: t.valid_after },
    };
    message.eip712_signing_hash(&DOMAIN)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256, hex};

    use super::*;
    use crate::chain::{ASSET, EXACT_PROXY, UPTO_PROXY};
    use crate::key::{Key, WELL_KNOWN};

    fn vector(key: &Key) -> Permit2Transfer {
        let nonce = "33247007178036348590600198031289925668252061821958005840077069883511451257277";
        Permit2Transfer {
            asset: ASSET,
            from: key.address,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            amount: U256::from(10_000),
            spender: EXACT_PROXY,
            nonce: nonce.parse().expect("a number"),
            deadline: U256::from(1_740_672_154u64),
            valid_after: U256::from(1_740_672_089u64),
            facilitator: None,
        }
    }

    #[test]
    fn the_published_exact_vector_hashes_and_signs_as_published() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let hash = signing_hash(&vector(&key));
        assert_eq!(hash, b256!("21528e1468aac114016416353e2309329f217dc180b21baa1d81cde941095685"));
        assert_eq!(
            hex::encode(key.sign(hash)),
            "3b029ad182a14cdb81c9eb44f935279e124e88afdc4043ed1183345aba6781b9\
             5cd297107e2808d8ea2722260e88856b5a13a6db23e38a30e2604dca9e1ce1da1b"
        );
    }

    #[test]
    fn the_published_upto_vector_hashes_and_signs_as_published() {
        let key = Key::new(&WELL_KNOWN).expect("a key");
        let facilitator = address!("70997970C51812dc3A010C7d01b50e0d17dc79C8");
        let upto = Permit2Transfer {
            amount: U256::from(5_000_000),
            spender: UPTO_PROXY,
            facilitator: Some(facilitator),
            ..vector(&key)
        };
        let hash = signing_hash(&upto);
        assert_eq!(hash, b256!("22340f12e045f90a2bdf0bb39dd61d8c4674579544873480e8af265f383d4837"));
        assert_eq!(
            hex::encode(key.sign(hash)),
            "95636daf74af6f82c3930e9d3baf3c1cacb37fb79e794b860ee5a2151274cd2e\
             120fbb1a9774ae2a604cd4aeae0696da0c05f0b14e242fd93d0bb0e22ce8f46f1b"
        );
    }
}
