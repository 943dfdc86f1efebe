//! Permit2 remembers which of its numbers are used, as bits of words, and logs only what an owner takes back. What moved
//! is found among the asset's own transfers: by the chain transaction that was called with our number.

use alloy_primitives::{B256, U256};
use alloy_sol_types::{SolCall, SolEvent};

use super::evm::{ChainTx, EvmQuestion, LogFilter, UseRecord, transfer_log, transfers};
use super::{Transfer, Use};
use crate::authorization::{PERMIT2, Permit2};

mod contract {
    alloy_sol_types::sol! {
        function nonceBitmap(address owner, uint256 word) external view returns (uint256);
        event UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask);
    }
}

/// The word a number is in, and its bit there.
fn place(nonce: B256) -> (U256, U256) {
    let number = U256::from_be_bytes(nonce.0);
    (number >> 8, U256::ONE << (number & U256::from(0xff)))
}

pub(super) fn question(signed: &Permit2) -> EvmQuestion {
    let (word, _) = place(signed.nonce);
    let taken_back = LogFilter {
        contract: PERMIT2,
        kinds: vec![contract::UnorderedNonceInvalidation::SIGNATURE_HASH],
        topics: vec![signed.from.into_word()],
    };
    let moved = LogFilter {
        contract: signed.asset,
        kinds: vec![transfer_log()],
        topics: vec![signed.from.into_word(), signed.to.into_word()],
    };
    EvmQuestion {
        memory: Some(UseRecord {
            contract: PERMIT2,
            call: contract::nonceBitmapCall { owner: signed.from, word }.abi_encode(),
        }),
        traces: vec![moved, taken_back],
        since_secs: signed.valid_after,
        until_secs: signed.deadline,
        reads_input: true,
    }
}

pub(super) fn is_used(signed: &Permit2, answer: U256) -> bool {
    let (_, bit) = place(signed.nonce);
    !(answer & bit).is_zero()
}

pub(super) fn fate_in(signed: &Permit2, tx: &ChainTx) -> Option<Use> {
    if tx.trace.address == PERMIT2 {
        return is_taken_back(signed, tx).then_some(Use::NeverAgain(tx.trace.block_number));
    }
    // Numbers are random: what was called with ours is about ours.
    let is_ours = tx.input.windows(32).any(|word| word == signed.nonce.as_slice());
    let from_us = transfers(tx, &signed.network, signed.asset, signed.from);
    let to_payee = |found: &Transfer| found.to.as_evm() == Some(signed.to);
    let is_whole = |found: &Transfer| to_payee(found) && found.amount.0 == signed.value;
    let find = |fits: &dyn Fn(&Transfer) -> bool| from_us.iter().map(|(_, found)| found).find(|found| fits(found));
    let found = find(&is_whole).or_else(|| find(&to_payee)).filter(|_| is_ours);
    found.map(|transfer| Use::Used(Some(transfer.clone())))
}

fn is_taken_back(signed: &Permit2, tx: &ChainTx) -> bool {
    let (word, bit) = place(signed.nonce);
    let topics = tx.trace.topics.iter().copied();
    contract::UnorderedNonceInvalidation::decode_raw_log(topics, &tx.trace.data)
        .is_ok_and(|taken_back| taken_back.word == word && !(taken_back.mask & bit).is_zero())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes};

    use super::*;
    use crate::authorization::Allowance;
    use crate::money::Network;
    use crate::settlement::EventLog;

    fn signed() -> Permit2 {
        Permit2 {
            network: Network::eip155(84532),
            asset: Address::repeat_byte(0xaa),
            from: Address::repeat_byte(1),
            to: Address::repeat_byte(2),
            value: U256::from(10_000),
            facilitator: None,
            valid_after: 0,
            deadline: 1_000,
            nonce: B256::repeat_byte(0x75),
            allowance: Allowance::Standing,
        }
    }

    fn log(address: Address, topics: Vec<B256>, data: &[u8]) -> EventLog {
        EventLog {
            address,
            topics,
            data: data.to_vec().into(),
            block_number: 90,
            log_index: 1,
            transaction_hash: B256::repeat_byte(9),
            removed: false,
        }
    }

    fn transfer(to: Address, amount: u64) -> EventLog {
        let topics = vec![transfer_log(), signed().from.into_word(), to.into_word()];
        log(signed().asset, topics, &U256::from(amount).to_be_bytes::<32>())
    }

    fn called_with(nonce: B256, logs: Vec<EventLog>) -> ChainTx {
        let input = [&[1, 2, 3, 4][..], &[0; 32], nonce.as_slice(), &[0; 32]].concat();
        ChainTx { trace: logs[0].clone(), logs, input: Bytes::from(input) }
    }

    fn moved(tx: &ChainTx) -> Option<U256> {
        match fate_in(&signed(), tx)? {
            Use::Used(transfer) => transfer.map(|transfer| transfer.amount.0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_number_is_one_bit_of_one_word() {
        let (word, bit) = place(B256::repeat_byte(0x75));
        assert_eq!((word, bit), (U256::from_be_bytes(B256::repeat_byte(0x75).0) >> 8, U256::ONE << 0x75));
        assert!(is_used(&signed(), bit) && is_used(&signed(), U256::MAX));
        assert!(!is_used(&signed(), !bit) && !is_used(&signed(), U256::ZERO));
    }

    #[test]
    fn what_moved_is_the_transfer_of_the_chain_transaction_that_names_our_number() {
        let to = signed().to;
        let ours = called_with(signed().nonce, vec![transfer(to, 7), transfer(to, 10_000)]);
        assert_eq!(moved(&ours), Some(U256::from(10_000)));
        let less = called_with(signed().nonce, vec![transfer(to, 7)]);
        assert_eq!(moved(&less), Some(U256::from(7)));
        let of_another = called_with(B256::repeat_byte(0x76), vec![transfer(to, 10_000)]);
        assert_eq!(moved(&of_another), None);
        let elsewhere = called_with(signed().nonce, vec![transfer(Address::repeat_byte(3), 10_000)]);
        assert_eq!(moved(&elsewhere), None);
    }

    #[test]
    fn what_its_owner_took_back_is_known_by_word_and_bit() {
        let (word, bit) = place(signed().nonce);
        let taken_back = |word: U256, mask: U256| {
            let topics = vec![contract::UnorderedNonceInvalidation::SIGNATURE_HASH, signed().from.into_word()];
            let data = [word.to_be_bytes::<32>(), mask.to_be_bytes::<32>()].concat();
            let trace = log(PERMIT2, topics, &data);
            fate_in(&signed(), &ChainTx { trace, logs: vec![], input: Bytes::new() })
        };
        assert_eq!(taken_back(word, bit), Some(Use::NeverAgain(90)));
        assert_eq!(taken_back(word, U256::MAX), Some(Use::NeverAgain(90)));
        assert_eq!(taken_back(word, !bit), None);
        assert_eq!(taken_back(word + U256::ONE, bit), None);
    }
}
