//! A chain transaction of Tempo's own kind (0x76) with one call in it: `transferWithMemo` of a TIP-20 asset. The seller
//! puts it on the chain. It has a number nobody counts (an expiring one), so it is good for half a minute and once.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

use super::rlp::{list, number, string};
use super::{CannotDraft, Ends, Fact, Facts, Ground, Need, Signature, Signatures, window};
use crate::limits;
use crate::money::{Account, Amount, Network};
use crate::offer::{Offer, tempo_fee};
use crate::time::Time;

sol! {
    function transferWithMemo(address to, uint256 amount, bytes32 memo) external;
}

/// What the block's maker gets for a unit of gas.
const TIP: u64 = 1_000_000_000;

/// The payee's money with the name of this payment in its memo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tempo {
    /// On which network.
    pub network: Network,
    /// The asset's contract.
    pub asset: Address,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much the payee gets, in atomic units.
    pub value: U256,
    /// Which challenge it answers, and which payment it is.
    pub memo: B256,
    /// From when on the chain takes it.
    pub valid_after: u64,
    /// From here on the chain refuses it.
    pub valid_before: u64,
    /// How much gas it may use.
    pub gas: u64,
    /// What a unit of gas may cost, in 10^-18 dollars.
    pub max_fee: u64,
    /// What the block's maker gets of that.
    pub tip: u64,
    /// Somebody else signs for the fee.
    pub is_sponsored: bool,
}

impl Tempo {
    /// What must be known before an offer is signed for.
    pub fn needs(offer: &Offer) -> Vec<Need> {
        vec![Need::steady(Fact::GasPrice(offer.network().clone()))]
    }

    /// Whether the chain would take what would be signed. Where its price is not known, that is found out by trying.
    pub fn stands(offer: &Offer, ground: &Ground) -> Result<(), CannotDraft> {
        match ground.number(&Fact::GasPrice(offer.network().clone())) {
            Some(price) if price > U256::from(limits::TEMPO_MAX_FEE) => Err(CannotDraft::FeeTooHigh),
            Some(_) | None => Ok(()),
        }
    }

    /// What would be signed for an offer now.
    pub fn draft(
        offer: &Offer,
        fee: Amount,
        from: &Account,
        now: Time,
        random: [u8; 32],
        ground: &Ground,
    ) -> Result<Tempo, CannotDraft> {
        let evm = |account: &Account| account.as_evm().ok_or(CannotDraft::NotEvm);
        Tempo::stands(offer, ground)?;
        let asked = offer.window_secs.min(limits::TEMPO_WINDOW.as_secs());
        let (_, valid_before) = window(asked, now)?;
        let clocks_apart = limits::CLOCK_SKEW.as_secs();
        Ok(Tempo {
            network: offer.network().clone(),
            asset: evm(&offer.asset.account)?,
            from: evm(from)?,
            to: evm(&offer.payee)?,
            value: offer.amount.0.checked_sub(fee.0).ok_or(CannotDraft::NotEvm)?,
            memo: memo(offer.prescribed().map(|prescribed| prescribed.nonce).unwrap_or_default(), random),
            valid_after: valid_before.saturating_sub(asked.saturating_add(clocks_apart)),
            valid_before,
            gas: limits::TEMPO_GAS,
            max_fee: limits::TEMPO_MAX_FEE,
            tip: TIP,
            is_sponsored: fee.is_zero(),
        })
    }

    /// The fee is ours unless somebody else signs for it: then as much as it can be may be taken, and seldom is.
    pub(super) fn facts(&self) -> Facts {
        let account = |address| Account::evm(&self.network, address);
        let fee = if self.is_sponsored { U256::ZERO } else { tempo_fee(self.gas, self.max_fee).0 };
        Facts {
            asset: account(self.asset),
            from: account(self.from),
            to: account(self.to),
            most: Amount(self.value.saturating_add(fee)),
            is_ceiling: !self.is_sponsored,
            handle: self.memo,
            ends: Ends::At(Time::from_secs(i64::try_from(self.valid_before).unwrap_or(i64::MAX))),
        }
    }

    /// What is signed, rebuilt from the fields each time.
    pub fn digest(&self) -> B256 {
        keccak256(self.written(None))
    }

    /// As a node takes it, or whoever pays the fee.
    pub fn signed(&self, signature: &Signature) -> Bytes {
        self.written(Some(signature)).into()
    }

    /// As MPP writes it.
    pub(super) fn payload(&self, signatures: &Signatures) -> String {
        format!(r#"{{"signature":"{}","type":"transaction"}}"#, self.signed(&signatures.of_authorization()))
    }

    /// Everything by its place: a list of calls, accesses, the number's key and number, when, in what the fee is paid, who
    /// signs for it, and whom else the account obeys.
    fn written(&self, signature: Option<&Signature>) -> Vec<u8> {
        // No chain has the id 0: what is signed for a network that is not an EVM chain is good nowhere.
        let chain = self.network.chain_id().unwrap_or(0);
        let mut fields = Vec::new();
        for amount in [chain, self.tip, self.max_fee, self.gas] {
            number(&mut fields, U256::from(amount));
        }
        list(&mut fields, &self.call());
        list(&mut fields, &[]);
        for amount in [U256::MAX, U256::ZERO, U256::from(self.valid_before), U256::from(self.valid_after)] {
            number(&mut fields, amount);
        }
        match self.is_sponsored {
            true => {
                string(&mut fields, &[]);
                string(&mut fields, &[0]);
            }
            false => {
                string(&mut fields, self.asset.as_slice());
                string(&mut fields, &[]);
            }
        }
        list(&mut fields, &[]);
        if let Some(Signature::Evm(bytes)) = signature {
            string(&mut fields, bytes);
        }
        let mut written = vec![0x76];
        list(&mut written, &fields);
        written
    }

    fn call(&self) -> Vec<u8> {
        let mut call = Vec::new();
        string(&mut call, self.asset.as_slice());
        number(&mut call, U256::ZERO);
        string(&mut call, &transferWithMemoCall { to: self.to, amount: self.value, memo: self.memo }.abi_encode());
        let mut calls = Vec::new();
        list(&mut calls, &call);
        calls
    }
}

/// Where MPP has ten bytes for the name of a client stand ten that nobody has chosen: they make it the name of this very
/// payment, and nobody's of the same wallet.
fn memo(of_challenge: B256, random: [u8; 32]) -> B256 {
    let mut memo = of_challenge;
    memo[15..25].copy_from_slice(&random[..10]);
    memo
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;
    use crate::authorization::Authorization;
    use crate::money::{Assets, Usd};
    use crate::offer::{Carrier, CredentialHeader, Echo, Prescribed, Scheme};

    const GAS: u64 = 400_000;
    const MAX_FEE: u64 = 50_000_000_000;
    const PAYER: Address = address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");

    /// As ox 0.14 (`TxEnvelopeTempo`) writes and signs it, with the third of anvil's keys.
    fn example(is_sponsored: bool) -> Tempo {
        Tempo {
            network: Network::eip155(42431),
            asset: address!("20c0000000000000000000000000000000000000"),
            from: PAYER,
            to: address!("70997970C51812dc3A010C7d01b50e0d17dc79C8"),
            value: U256::from(10_000),
            memo: b256!("ef1ed7120134b0aeb03b48916345410102030405060708090a04be08891826eb"),
            valid_after: 1_795_223_555,
            valid_before: 1_795_223_640,
            gas: GAS,
            max_fee: MAX_FEE,
            tip: TIP,
            is_sponsored,
        }
    }

    const SIGNED: [(&str, &str, &str); 2] = [
        (
            "d410bda146c7c04ae5f04e47a920080ccd0b6c9375d58433fa033e01189b3d62",
            "0x5a8099b58aca17c908dbea42c1ba117e19b5c7958070df65daeb182db719a575\
             7c7897a3321db65144b4a41ffaf3557fb89895f006afd52be920a32455d00a871c",
            "0x76f9011982a5bf843b9aca00850ba43b740083061a80f87ef87c9420c000000000000000000000000000000000000080b864\
             95777d5900000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8\
             0000000000000000000000000000000000000000000000000000000000002710\
             ef1ed7120134b0aeb03b48916345410102030405060708090a04be08891826eb\
             c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846b00f058846b00f003\
             9420c000000000000000000000000000000000000080c0b841\
             5a8099b58aca17c908dbea42c1ba117e19b5c7958070df65daeb182db719a575\
             7c7897a3321db65144b4a41ffaf3557fb89895f006afd52be920a32455d00a871c",
        ),
        (
            "2ac01ce6b753a7ff743f1dcc0c784840c471a51ef2a5cc7dd56285317ac4df9e",
            "0x9f34ad34999c20dcce262af556ab10bbfaff51de82bae4cedc8f9cb8551728cb\
             5ac437bf74a147e9aa12370136107815af201d62093bb4cd6dbe95d00526a8411c",
            "0x76f9010582a5bf843b9aca00850ba43b740083061a80f87ef87c9420c000000000000000000000000000000000000080b864\
             95777d5900000000000000000000000070997970c51812dc3a010c7d01b50e0d17dc79c8\
             0000000000000000000000000000000000000000000000000000000000002710\
             ef1ed7120134b0aeb03b48916345410102030405060708090a04be08891826eb\
             c0a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff80846b00f058846b00f0038000c0b841\
             9f34ad34999c20dcce262af556ab10bbfaff51de82bae4cedc8f9cb8551728cb\
             5ac437bf74a147e9aa12370136107815af201d62093bb4cd6dbe95d00526a8411c",
        ),
    ];

    #[test]
    fn it_is_written_and_hashed_as_an_independent_implementation_does() {
        for (is_sponsored, (digest, signature, sent)) in [false, true].into_iter().zip(SIGNED) {
            let signature: Signature = signature.parse().unwrap();
            assert_eq!(example(is_sponsored).digest().to_string(), format!("0x{digest}"));
            assert_eq!(example(is_sponsored).signed(&signature).to_string(), sent);
            let signed = Authorization::Tempo(example(is_sponsored));
            assert!(signed.is_signed(&Signatures(vec![signature])));
        }
    }

    #[test]
    fn a_signature_over_any_other_field_is_somebody_elses() {
        let good = example(false);
        let others = [
            Tempo { network: Network::eip155(4217), ..good.clone() },
            Tempo { asset: PAYER, ..good.clone() },
            Tempo { from: Address::repeat_byte(1), ..good.clone() },
            Tempo { to: PAYER, ..good.clone() },
            Tempo { value: U256::from(10_001), ..good.clone() },
            Tempo { memo: B256::ZERO, ..good.clone() },
            Tempo { valid_after: 0, ..good.clone() },
            Tempo { valid_before: u64::MAX, ..good.clone() },
            Tempo { gas: GAS + 1, ..good.clone() },
            Tempo { max_fee: MAX_FEE + 1, ..good.clone() },
            Tempo { tip: TIP + 1, ..good.clone() },
            Tempo { is_sponsored: true, ..good.clone() },
        ];
        for other in others {
            let other = Authorization::Tempo(other);
            assert!(!other.is_signed(&Signatures(vec![SIGNED[0].1.parse().unwrap()])), "{other:?}");
        }
    }

    #[test]
    fn the_most_has_the_fee_in_it_where_the_fee_is_ours() {
        let facts = example(false).facts();
        assert_eq!((facts.most, facts.is_ceiling), (Amount(U256::from(30_000)), true));
        assert_eq!(facts.most.0, example(false).value + tempo_fee(GAS, MAX_FEE).0);
        let facts = example(true).facts();
        assert_eq!((facts.most, facts.is_ceiling), (Amount(U256::from(10_000)), false));
        assert_eq!(tempo_fee(1, 1).0, U256::from(1), "rounded up, as the chain does");
    }

    fn fee_at_most() -> Amount {
        tempo_fee(limits::TEMPO_GAS, limits::TEMPO_MAX_FEE)
    }

    fn offer(window_secs: u64, fee: Amount) -> Offer {
        let network = Network::eip155(42431);
        let assets = Assets::default();
        Offer {
            scheme: Scheme::Tempo(fee),
            asset: assets.on(&network).next().unwrap().clone(),
            amount: Amount(U256::from(10_000) + fee.0),
            usd: Usd::micros(10_000),
            payee: Account::evm(&network, address!("70997970C51812dc3A010C7d01b50e0d17dc79C8")),
            window_secs,
            takes_first: false,
            carrier: Carrier::Headers,
            echo: Echo::Mpp {
                challenge: "{}".into(),
                header: CredentialHeader::Authorization,
                prescribed: Prescribed { nonce: B256::repeat_byte(0xaa), ..Prescribed::default() },
            },
        }
    }

    fn draft(offer: &Offer, price: Option<u64>) -> Result<Tempo, CannotDraft> {
        let now = Time::from_secs(1_000_000);
        let fact = |price| (Fact::GasPrice(offer.network().clone()), now, B256::from(U256::from(price)).into());
        let ground: Ground = price.map(fact).into_iter().collect();
        let from = Account::evm(offer.network(), PAYER);
        match Authorization::draft(offer, &from, now, [7; 32], &ground)? {
            Authorization::Tempo(drafted) => Ok(drafted),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_draft_says_what_the_offer_says_and_is_named_by_its_memo() {
        for fee in [fee_at_most(), Amount::default()] {
            let offer = offer(300, fee);
            let drafted = draft(&offer, None).unwrap();
            let facts = drafted.facts();
            assert_eq!((&facts.asset, &facts.to, facts.most), (&offer.asset.account, &offer.payee, offer.amount));
            assert_eq!((drafted.from, drafted.value), (PAYER, U256::from(10_000)));
            assert_eq!(facts.handle, drafted.memo);
            assert_eq!((&drafted.memo[..15], &drafted.memo[25..]), (&[0xaa; 15][..], &[0xaa; 7][..]));
            assert_eq!(drafted.memo[15..25], [7; 10]);
        }
    }

    #[test]
    fn it_is_good_for_less_than_half_a_minute() {
        for (asked, length) in [(10, 10), (25, 25), (26, 25), (900, 25)] {
            let drafted = draft(&offer(asked, Amount::default()), None).unwrap();
            assert_eq!(drafted.valid_before, 1_000_000 + length, "{asked}");
            assert_eq!(drafted.valid_after, 1_000_000 - 60, "{asked}");
        }
        assert_eq!(draft(&offer(9, Amount::default()), None), Err(CannotDraft::WindowTooShort));
    }

    #[test]
    fn a_chain_that_is_dearer_than_the_most_is_not_signed_for() {
        let offer = offer(60, fee_at_most());
        assert!(draft(&offer, Some(limits::TEMPO_MAX_FEE)).is_ok());
        assert_eq!(draft(&offer, Some(limits::TEMPO_MAX_FEE + 1)), Err(CannotDraft::FeeTooHigh));
    }

    #[test]
    fn it_comes_back_from_a_row_as_it_was() {
        let signed = Authorization::Tempo(example(false));
        let row = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<Authorization>(&row).unwrap(), signed);
    }
}
