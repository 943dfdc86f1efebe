//! Solana remembers no payment by a name of its own. What became of one stands in the history of the account that the money
//! was to leave: there it is the chain transaction whose message is the one that was signed, whoever completed it.

use alloy_primitives::U256;

use super::{Transfer, Use};
use crate::authorization::{Authorization, SolanaKey, SolanaTransfer};
use crate::limits;
use crate::money::{Account, Amount};

/// What a witness of Solana's is asked about an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SolanaQuestion {
    /// In whose history a use stands.
    pub account: SolanaKey,
    /// What stands beside a use in that history.
    pub memo: String,
    /// No earlier block holds a use, in seconds since 1970.
    pub since_secs: u64,
    /// Nor any from this time on.
    pub until_secs: u64,
}

/// A chain transaction that is in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LandedTx {
    /// Its name: whoever completed it gave it that.
    pub chain_tx: String,
    /// What was signed.
    pub message: Vec<u8>,
    /// The block that holds it.
    pub height: u64,
    /// It moved nothing, and never will.
    pub has_failed: bool,
}

impl Authorization {
    /// What a witness is asked about it; none where it is on another rail.
    pub fn solana_question(&self) -> Option<SolanaQuestion> {
        match self {
            Authorization::Solana(signed) => Some(SolanaQuestion {
                account: signed.source(),
                memo: signed.memo.clone(),
                since_secs: signed.since,
                until_secs: signed.about.saturating_add(limits::LOOKED_FOR_AFTER.as_secs()),
            }),
            Authorization::Eip3009(_) | Authorization::Permit2(_) | Authorization::Tempo(_) => None,
        }
    }

    /// What a chain transaction did with it; none where it is another one's.
    pub fn fate_on_solana(&self, landed: &LandedTx) -> Option<Use> {
        match self {
            Authorization::Solana(signed) => fate_in(signed, landed),
            Authorization::Eip3009(_) | Authorization::Permit2(_) | Authorization::Tempo(_) => None,
        }
    }
}

/// The chain takes a message once, and whether it moved what it says or failed, that was all of it.
fn fate_in(signed: &SolanaTransfer, landed: &LandedTx) -> Option<Use> {
    if landed.message != signed.message() {
        return None;
    }
    if landed.has_failed {
        return Some(Use::NeverAgain(landed.height));
    }
    let account = |key: SolanaKey| Account::solana(&signed.network, key.0);
    Some(Use::Used(Some(Transfer {
        chain_tx: landed.chain_tx.clone(),
        block: landed.height,
        from: account(signed.from),
        to: account(signed.to),
        amount: Amount(U256::from(signed.value)),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authorization::TokenProgram;
    use crate::money::Network;

    fn signed() -> SolanaTransfer {
        let key = |byte| SolanaKey([byte; 32]);
        SolanaTransfer {
            network: Network::of_v1("solana-devnet").unwrap(),
            mint: key(10),
            program: TokenProgram::Spl,
            decimals: 6,
            from: key(1),
            to: key(2),
            value: 10_000,
            fee_payer: key(3),
            memo: "a memo".to_owned(),
            compute_units: 20_000,
            unit_price: 1,
            blockhash: key(9),
            since: 700,
            last_height: 882,
            about: 1_000,
        }
    }

    fn landed(message: Vec<u8>, has_failed: bool) -> LandedTx {
        LandedTx { chain_tx: "a name".to_owned(), message, height: 800, has_failed }
    }

    #[test]
    fn what_moved_is_what_was_signed_where_the_message_is_the_same() {
        let fate = fate_in(&signed(), &landed(signed().message(), false));
        let Some(Use::Used(Some(found))) = fate else { panic!("{fate:?}") };
        assert_eq!((found.block, found.chain_tx.as_str()), (800, "a name"));
        let facts = Authorization::Solana(signed()).facts();
        assert_eq!((found.from, found.to, found.amount), (facts.from, facts.to, facts.most));
    }

    #[test]
    fn what_failed_is_over_and_moved_nothing() {
        assert_eq!(fate_in(&signed(), &landed(signed().message(), true)), Some(Use::NeverAgain(800)));
    }

    #[test]
    fn another_message_is_another_payment_however_alike() {
        for other in [
            SolanaTransfer { unit_price: 2, ..signed() },
            SolanaTransfer { blockhash: SolanaKey([8; 32]), ..signed() },
            SolanaTransfer { memo: "another".to_owned(), ..signed() },
        ] {
            assert_eq!(fate_in(&signed(), &landed(other.message(), false)), None);
        }
        let longer = [signed().message(), vec![0]].concat();
        assert_eq!(fate_in(&signed(), &landed(longer, false)), None);
    }

    #[test]
    fn a_witness_is_asked_for_the_history_of_the_account_that_pays() {
        let question = Authorization::Solana(signed()).solana_question().unwrap();
        assert_eq!((question.account, question.since_secs, question.until_secs), (signed().source(), 700, 1_900));
        assert_eq!(question.memo, "a memo");
    }
}
