//! Tempo forgets its numbers once they have expired, and has nobody to ask about them: what became of a payment stands in
//! logs alone. Each transfer leaves one with our memo. One that failed has cost its fee all the same, and leaves that.

use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;

use super::evm::{ChainTx, EventLog, EvmQuestion, LogFilter, transfer_log, transfers};
use super::{Transfer, Use};
use crate::authorization::Tempo;
use crate::money::{Account, Amount};
use crate::offer::TEMPO_FEES;

mod token {
    alloy_sol_types::sol! {
        event TransferWithMemo(address indexed from, address indexed to, uint256 amount, bytes32 indexed memo);
    }
}

/// The log of a transfer that has a memo.
pub fn memo_log() -> B256 {
    token::TransferWithMemo::SIGNATURE_HASH
}

/// Whether a log says that a fee was taken.
pub fn is_fee(log: &EventLog) -> bool {
    log.topics.first() == Some(&transfer_log()) && log.topics.get(2) == Some(&TEMPO_FEES.into_word())
}

pub(super) fn question(signed: &Tempo) -> EvmQuestion {
    let filter = |kind, topics| LogFilter { contract: signed.asset, kinds: vec![kind], topics };
    let from = signed.from.into_word();
    EvmQuestion {
        memory: None,
        traces: vec![
            filter(memo_log(), vec![from, signed.to.into_word(), signed.memo]),
            filter(transfer_log(), vec![from, TEMPO_FEES.into_word()]),
        ],
        since_secs: signed.valid_after,
        until_secs: signed.valid_before,
        reads_input: true,
    }
}

pub(super) fn fate_in(signed: &Tempo, tx: &ChainTx) -> Option<Use> {
    match is_fee(&tx.trace) {
        true => fee_alone(signed, tx),
        false => moved(signed, tx),
    }
}

/// Only our signature over this memo can have left it. Without the fee beside it nobody can say how much it took.
fn moved(signed: &Tempo, tx: &ChainTx) -> Option<Use> {
    let topics = || tx.trace.topics.iter().copied();
    let found = token::TransferWithMemo::decode_raw_log(topics(), &tx.trace.data).ok()?;
    if found.memo != signed.memo || found.from != signed.from || tx.trace.address != signed.asset {
        return None;
    }
    let is_told = found.amount == signed.value && (signed.is_sponsored || has(tx, &tx.trace));
    Some(Use::Used(is_told.then(|| transfer(signed, &tx.trace, found.amount.saturating_add(fee_in(signed, tx))))))
}

/// The payee got nothing, and the fee is gone.
fn fee_alone(signed: &Tempo, tx: &ChainTx) -> Option<Use> {
    let is_ours = tx.input.windows(32).any(|word| word == signed.memo.as_slice());
    let fee = U256::from_be_slice(tx.trace.data.get(..32).filter(|_| is_ours)?);
    Some(Use::Used(Some(transfer(signed, &tx.trace, fee))))
}

fn fee_in(signed: &Tempo, tx: &ChainTx) -> U256 {
    let from_us = transfers(tx, &signed.network, signed.asset, signed.from);
    let fees = from_us.iter().filter(|(_, found)| found.to.as_evm() == Some(TEMPO_FEES));
    fees.fold(U256::ZERO, |sum, (_, found)| sum.saturating_add(found.amount.0))
}

fn has(tx: &ChainTx, log: &EventLog) -> bool {
    tx.logs.iter().any(|found| found.address == log.address && found.topics == log.topics)
}

fn transfer(signed: &Tempo, log: &EventLog, amount: U256) -> Transfer {
    let account = |address| Account::evm(&signed.network, address);
    Transfer {
        chain_tx: log.transaction_hash.to_string(),
        block: log.block_number,
        from: account(signed.from),
        to: account(signed.to),
        amount: Amount(amount),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Bytes, address, b256};

    use super::*;
    use crate::money::Network;

    fn signed() -> Tempo {
        Tempo {
            network: Network::eip155(42431),
            asset: address!("20c0000000000000000000000000000000000000"),
            from: Address::repeat_byte(1),
            to: Address::repeat_byte(2),
            value: U256::from(10_000),
            memo: B256::repeat_byte(0x75),
            valid_after: 900,
            valid_before: 1_000,
            gas: 400_000,
            max_fee: 50_000_000_000,
            tip: 0,
            is_sponsored: false,
        }
    }

    fn log(kind: B256, about: &[B256], amount: u64) -> EventLog {
        EventLog {
            address: signed().asset,
            topics: [&[kind, signed().from.into_word()], about].concat(),
            data: U256::from(amount).to_be_bytes_vec().into(),
            block_number: 90,
            log_index: 1,
            transaction_hash: B256::repeat_byte(9),
            removed: false,
        }
    }

    fn with_memo(memo: B256, amount: u64) -> EventLog {
        log(memo_log(), &[signed().to.into_word(), memo], amount)
    }

    fn paid(to: Address, amount: u64) -> EventLog {
        log(transfer_log(), &[to.into_word()], amount)
    }

    fn fate(trace: &EventLog, logs: Vec<EventLog>, input: &[u8]) -> Option<Use> {
        fate_in(&signed(), &ChainTx { trace: trace.clone(), logs, input: Bytes::copy_from_slice(input) })
    }

    fn took(fate: Option<Use>) -> Option<u64> {
        match fate {
            Some(Use::Used(Some(found))) => {
                assert_eq!((found.from.as_evm(), found.to.as_evm()), (Some(signed().from), Some(signed().to)));
                Some(found.amount.0.to())
            }
            _ => None,
        }
    }

    #[test]
    fn the_log_of_a_memo_is_the_one_on_chain() {
        assert_eq!(memo_log(), b256!("57bc7354aa85aed339e000bccffabbc529466af35f0772c8f8ee1145927de7f0"));
    }

    #[test]
    fn what_was_taken_is_the_price_and_the_fee_that_was() {
        let ours = with_memo(signed().memo, 10_000);
        let logs = || vec![paid(signed().to, 10_000), ours.clone(), paid(TEMPO_FEES, 22)];
        assert_eq!(took(fate(&ours, logs(), &[])), Some(10_022));
        let without_logs = fate(&ours, vec![], &[]);
        assert_eq!(without_logs, Some(Use::Used(None)), "used, and nobody can say how much the fee was");
        let sponsored = Tempo { is_sponsored: true, ..signed() };
        let tx = ChainTx { trace: ours.clone(), logs: vec![], input: Bytes::new() };
        assert_eq!(took(fate_in(&sponsored, &tx)), Some(10_000));
    }

    #[test]
    fn another_memo_is_another_payment_and_another_amount_is_a_lie() {
        let other = with_memo(B256::repeat_byte(0x76), 10_000);
        assert_eq!(fate(&other, vec![other.clone()], &[]), None);
        let less = with_memo(signed().memo, 9_999);
        assert_eq!(fate(&less, vec![less.clone()], &[]), Some(Use::Used(None)));
    }

    #[test]
    fn one_that_failed_took_its_fee() {
        let fee = paid(TEMPO_FEES, 35);
        let called_with = [&[1, 2, 3, 4][..], &[0; 64], signed().memo.as_slice()].concat();
        assert_eq!(took(fate(&fee, vec![], &called_with)), Some(35));
        assert_eq!(fate(&fee, vec![], &[0; 200]), None, "the fee of another payment");
    }

    #[test]
    fn it_is_asked_for_by_its_memo_and_by_fees_of_its_window() {
        let EvmQuestion { memory, traces, since_secs, until_secs, .. } = question(&signed());
        assert_eq!((memory, since_secs, until_secs), (None, 900, 1_000));
        assert!(traces[0].matches(&with_memo(signed().memo, 1)) && !traces[0].matches(&paid(TEMPO_FEES, 1)));
        assert!(!traces[0].matches(&with_memo(B256::ZERO, 1)));
        assert!(traces[1].matches(&paid(TEMPO_FEES, 1)) && !traces[1].matches(&paid(signed().to, 1)));
    }
}
