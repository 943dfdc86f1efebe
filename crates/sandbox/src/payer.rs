//! A payer for the sandbox's own tests.

use alloy_primitives::{Address, B256, Bytes, U256, address, b256, hex};

use crate::chain::{ASSET, CHAIN_ID, DOLLAR, EXACT_PROXY, PERMIT2, PlayChain, SETTLER, Transfer, UPTO_PROXY};
use crate::eip2612::{self, Permit, SignedPermit};
use crate::eip3009::signing_hash;
use crate::key::{Key, WELL_KNOWN};
use crate::permit2::{self, Permit2Transfer};
use crate::tx::Tx;

pub(crate) struct Payer {
    pub(crate) key: Key,
    pub(crate) address: Address,
}

impl Payer {
    /// The first account of every test node.
    pub(crate) fn well_known() -> Self {
        let key = Key::new(&WELL_KNOWN).expect("a valid key");
        let address = key.address;
        Self { key, address }
    }

    pub(crate) fn sign(&self, transfer: &Transfer) -> Vec<u8> {
        self.key.sign(signing_hash(transfer)).to_vec()
    }

    /// One cent to the spec's example payee, valid for a minute, with a nonce of the caller's choice.
    pub(crate) fn one_cent(&self, chain: &PlayChain, nonce: u8) -> Transfer {
        Transfer {
            from: self.address,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: U256::from(10_000),
            valid_after: U256::from(chain.now() - 600),
            valid_before: U256::from(chain.now() + 60),
            nonce: B256::repeat_byte(nonce),
        }
    }

    /// One cent to the same payee out of Permit2's allowance.
    pub(crate) fn one_cent_by_permit2(&self, chain: &PlayChain, nonce: u64) -> Permit2Transfer {
        let cent = self.one_cent(chain, 0);
        Permit2Transfer {
            asset: ASSET,
            from: cent.from,
            to: cent.to,
            amount: cent.value,
            spender: EXACT_PROXY,
            nonce: U256::from(nonce),
            deadline: cent.valid_before,
            valid_after: cent.valid_after,
            facilitator: None,
        }
    }

    /// The same as the most that the sandbox's facilitator can take.
    pub(crate) fn up_to_one_cent(&self, chain: &PlayChain, nonce: u64) -> Permit2Transfer {
        let facilitator = Some(SETTLER);
        Permit2Transfer { spender: UPTO_PROXY, facilitator, ..self.one_cent_by_permit2(chain, nonce) }
    }

    pub(crate) fn sign_permit2(&self, transfer: &Permit2Transfer) -> Vec<u8> {
        self.key.sign(permit2::signing_hash(transfer)).to_vec()
    }

    /// An allowance for Permit2, signed for the next nonce.
    pub(crate) fn permit(&self, chain: &PlayChain, value: u64) -> SignedPermit {
        let permit = Permit {
            owner: self.address,
            spender: PERMIT2,
            value: U256::from(value),
            nonce: chain.asset(ASSET).permit_nonce(self.address),
            deadline: U256::from(chain.now() + 60),
        };
        let signature = self.key.sign(eip2612::signing_hash(&DOLLAR, &permit));
        SignedPermit { permit, signature }
    }

    /// The same as a chain transaction, with the next nonce.
    pub(crate) fn approval(&self, chain: &PlayChain, value: u64) -> Bytes {
        let words = [PERMIT2.into_word(), B256::from(U256::from(value))].concat();
        let tx = Tx {
            chain_id: CHAIN_ID,
            nonce: chain.nonce_of(self.address),
            max_priority_fee_per_gas: U256::ZERO,
            max_fee_per_gas: U256::ZERO,
            gas_limit: 70_000,
            to: ASSET,
            value: U256::ZERO,
            data: [&hex!("095ea7b3"), words.as_slice()].concat().into(),
        };
        tx.signed_by(&self.key)
    }

    /// The message of the published signing vector.
    pub(crate) fn vector(&self) -> Transfer {
        Transfer {
            from: self.address,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: U256::from(10_000),
            valid_after: U256::from(1_740_672_089u64),
            valid_before: U256::from(1_740_672_154u64),
            nonce: b256!("f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"),
        }
    }
}
