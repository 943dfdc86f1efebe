//! EIP-3009 `TransferWithAuthorization`: drafted from an offer, hashed as EIP-712, checked by recovery.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};

use super::{Authorization, Signature};
use crate::limits;
use crate::money::TransferMethod;
use crate::offer::Offer;
use crate::reason::{Reason, Who};
use crate::time::Time;

sol! {
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }
}

/// Why an offer cannot be signed for, although it was listed as payable.
#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotDraft {
    #[error("the seller leaves too little time for a payment to arrive")]
    WindowTooShort,
    #[error("the payee is this wallet itself")]
    PaysItself,
    #[error("the offer is not one that an EIP-3009 authorization pays")]
    NotEip3009,
    #[error("the clock of this machine is wrong")]
    ClockWrong,
}

/// A nonce that every known token accepts: some keep the last bytes for a purpose of their own, and want them zero.
pub fn nonce(random: [u8; 24]) -> B256 {
    let mut nonce = [0; 32];
    nonce[..24].copy_from_slice(&random);
    B256::new(nonce)
}

impl Authorization {
    /// What would be signed for an offer now. The nonce comes from outside: it is recorded before it is used.
    pub fn draft(offer: &Offer, from: Address, now: Time, nonce: B256) -> Result<Authorization, CannotDraft> {
        if offer.asset.transfer != TransferMethod::Eip3009 || offer.network().chain_id().is_none() {
            return Err(CannotDraft::NotEip3009);
        }
        if offer.payee == from {
            return Err(CannotDraft::PaysItself);
        }
        let (valid_after, valid_before) = window(offer.window_secs, now)?;
        Ok(Authorization {
            network: offer.network().clone(),
            asset: offer.asset.address,
            asset_name: offer.asset.eip712_name.clone(),
            asset_version: offer.asset.eip712_version.clone(),
            from,
            to: offer.payee,
            value: offer.amount.0,
            valid_after,
            valid_before,
            nonce,
        })
    }

    /// What is signed, rebuilt from the fields each time.
    pub fn digest(&self) -> B256 {
        self.message().eip712_signing_hash(&self.domain())
    }

    /// Whose signature this is over these very fields; `None` if it is nobody's, or not in the one form we make.
    pub fn recovers(&self, signature: &Signature) -> Option<Address> {
        signature.recovers(self.digest())
    }

    /// How x402 writes what was signed: the `payload` of a payment.
    pub fn payload(&self, signature: &Signature) -> String {
        let Authorization { from, to, value, valid_after, valid_before, nonce, .. } = self;
        format!(
            r#"{{"signature":"{signature}","authorization":{{"from":"{from}","to":"{to}","value":"{value}","validAfter":"{valid_after}","validBefore":"{valid_before}","nonce":"{nonce}"}}}}"#
        )
    }

    /// From here on the chain refuses it.
    pub fn ends(&self) -> Time {
        Time::from_secs(i64::try_from(self.valid_before).unwrap_or(i64::MAX))
    }

    fn message(&self) -> TransferWithAuthorization {
        TransferWithAuthorization {
            from: self.from,
            to: self.to,
            value: self.value,
            validAfter: U256::from(self.valid_after),
            validBefore: U256::from(self.valid_before),
            nonce: self.nonce,
        }
    }

    fn domain(&self) -> Eip712Domain {
        // No chain has the id 0: what is signed for a network that is not an EVM chain is good nowhere.
        let chain = self.network.chain_id().unwrap_or(0);
        Eip712Domain::new(
            Some(Cow::Owned(self.asset_name.clone())),
            Some(Cow::Owned(self.asset_version.clone())),
            Some(U256::from(chain)),
            Some(self.asset),
            None,
        )
    }
}

/// As long as the seller asks, and never of use to anyone for longer than [`limits::WINDOW_ENDS_WITHIN`].
fn window(asked_secs: u64, now: Time) -> Result<(u64, u64), CannotDraft> {
    if asked_secs < limits::WINDOW_AT_LEAST.as_secs() {
        return Err(CannotDraft::WindowTooShort);
    }
    let now = u64::try_from(now.secs()).map_err(|_| CannotDraft::ClockWrong)?;
    let before = now.checked_sub(limits::WINDOW_STARTS_BEFORE.as_secs()).ok_or(CannotDraft::ClockWrong)?;
    let length = asked_secs.min(limits::WINDOW_ENDS_WITHIN.as_secs());
    Ok((before, now.saturating_add(length)))
}

impl CannotDraft {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            CannotDraft::WindowTooShort => "window_too_short",
            CannotDraft::PaysItself => "bad_payee",
            CannotDraft::NotEip3009 => "transfer_method_not_supported",
            CannotDraft::ClockWrong => "clock_skew",
        }
    }
}

impl From<CannotDraft> for Reason {
    fn from(cannot: CannotDraft) -> Reason {
        let who = if cannot == CannotDraft::ClockWrong { Who::Owner } else { Who::Agent };
        Reason::new(cannot.code(), "offer", cannot.to_string(), who)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;
    use crate::money::{Assets, Network};

    /// The example of the x402 specification.
    fn spec_example(from: Address) -> Authorization {
        Authorization {
            network: Network::new("eip155:84532"),
            asset: address!("036CbD53842c5426634e7929541eC2318f3dCF7e"),
            asset_name: "USDC".into(),
            asset_version: "2".into(),
            from,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: U256::from(10_000),
            valid_after: 1740672089,
            valid_before: 1740672154,
            nonce: b256!("f3746613c2d920b5fdabc0856f2aeb2d4f88ee6037b8cc5d04a71a4462f13480"),
        }
    }

    const SPEC_PAYER: Address = address!("857b06519E91e3A54538791bDbb0E22373e36b66");
    const ANVIL: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    const SPEC_SIGNATURE: &str = "0x2d6a7588d6acca505cbf0d9a4a227e0c52c6c34008c8e8986a1283259764173608a2ce6496642e377d6da8dbbf5836e9bd15092f9ecab05ded3d6293af148b571c";
    const ANVIL_SIGNATURE: &str = "0xdc53a4a579de989368a0fae2ef2172ff2f474b4297013f865d171239f17ef4c3157b4b4030f1bebc53d55ace15c2377dff501a60e1e56c291f1000d6e78f082f1b";

    #[test]
    fn a_nonce_is_24_random_bytes_and_8_zeros() {
        let nonce = nonce([0xab; 24]);
        assert_eq!((&nonce[..24], &nonce[24..]), (&[0xab; 24][..], &[0; 8][..]));
    }

    #[test]
    fn the_specifications_example_recovers_to_its_payer() {
        let example = spec_example(SPEC_PAYER);
        assert_eq!(example.digest(), b256!("f256992871671abcb27ff92885a7afa46218724e5fc0bac35d050115aa1d22e6"));
        assert_eq!(example.recovers(&SPEC_SIGNATURE.parse().unwrap()), Some(SPEC_PAYER));
    }

    #[test]
    fn the_hashes_are_those_of_an_independent_implementation() {
        let example = spec_example(ANVIL);
        let message = example.message();
        let type_hash = b256!("7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267");
        let domain = b256!("71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818");
        let structure = b256!("b2438b1b8298f6129feb7c6a96cb5bee12d7e8ba27c7c27cde803071ebdc42e8");
        assert_eq!(message.eip712_type_hash(), type_hash);
        assert_eq!(example.domain().separator(), domain);
        assert_eq!(message.eip712_hash_struct(), structure);
        assert_eq!(example.digest(), b256!("50708d3bf7216e1aeabe7bf22081b9f36c7c287530f92510318f13a03d89dc86"));
        assert_eq!(example.recovers(&ANVIL_SIGNATURE.parse().unwrap()), Some(ANVIL));
    }

    #[test]
    fn the_domain_of_usdc_on_base_is_the_one_on_chain() {
        let network = Network::eip155(8453);
        let usdc = address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
        let assets = Assets::default();
        let asset = assets.known(&network, usdc).unwrap();
        let on_base = Authorization {
            network: network.clone(),
            asset: usdc,
            asset_name: asset.eip712_name.clone(),
            asset_version: asset.eip712_version.clone(),
            ..spec_example(ANVIL)
        };
        let separator = b256!("02fa7265e7c5d81118673727957699e4d68f74cd74b7db77da710fe8a2c7834f");
        assert_eq!(on_base.domain().separator(), separator);
    }

    #[test]
    fn a_signature_over_any_other_field_recovers_to_someone_else() {
        let signature: Signature = SPEC_SIGNATURE.parse().unwrap();
        let good = spec_example(SPEC_PAYER);
        let others = [
            Authorization { network: Network::eip155(8453), ..good.clone() },
            Authorization { asset: ANVIL, ..good.clone() },
            Authorization { asset_name: "USD Coin".into(), ..good.clone() },
            Authorization { asset_version: "1".into(), ..good.clone() },
            Authorization { from: ANVIL, ..good.clone() },
            Authorization { to: ANVIL, ..good.clone() },
            Authorization { value: U256::from(10_001), ..good.clone() },
            Authorization { valid_after: 0, ..good.clone() },
            Authorization { valid_before: u64::MAX, ..good.clone() },
            Authorization { nonce: B256::ZERO, ..good.clone() },
        ];
        for other in others {
            assert_ne!(other.recovers(&signature), Some(SPEC_PAYER), "{other:?}");
        }
    }

    fn offer(window_secs: u64) -> Offer {
        let network = Network::new("eip155:84532");
        let asset = Assets::default().on(&network).next().unwrap().clone();
        Offer {
            dialect: crate::offer::Dialect::X402V2,
            scheme: "exact".into(),
            amount: crate::money::Amount(U256::from(10_000)),
            usd: crate::money::Usd::micros(10_000),
            payee: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            window_secs,
            asset,
            echo: crate::offer::Echo { accepted: "{}".into(), resource: None, extensions: None },
        }
    }

    fn drafted(window_secs: u64) -> Result<Authorization, CannotDraft> {
        Authorization::draft(&offer(window_secs), ANVIL, Time::from_secs(1_740_672_100), B256::repeat_byte(7))
    }

    #[test]
    fn a_draft_says_what_the_offer_says() {
        let draft = drafted(60).unwrap();
        let offer = offer(60);
        assert_eq!((&draft.network, draft.asset), (offer.network(), offer.asset.address));
        assert_eq!((draft.from, draft.to, draft.value), (ANVIL, offer.payee, offer.amount.0));
        assert_eq!((draft.asset_name.as_str(), draft.asset_version.as_str()), ("USDC", "2"));
        assert_eq!((draft.valid_after, draft.valid_before), (1_740_671_500, 1_740_672_160));
        assert_eq!(draft.nonce, B256::repeat_byte(7));
        assert_eq!(draft.ends(), Time::from_secs(1_740_672_160));
    }

    #[test]
    fn a_window_is_clamped_and_a_short_one_is_not_signed() {
        for (asked, length) in [(10, 10), (300, 300), (301, 300), (u64::MAX, 300)] {
            assert_eq!(drafted(asked).unwrap().valid_before, 1_740_672_100 + length, "{asked}");
        }
        assert_eq!(drafted(9), Err(CannotDraft::WindowTooShort));
    }

    #[test]
    fn nothing_is_drafted_to_ourselves_or_by_a_clock_before_its_time() {
        let ourselves = Offer { payee: ANVIL, ..offer(60) };
        let draft = |offer: &Offer, now| Authorization::draft(offer, ANVIL, Time::from_secs(now), B256::ZERO);
        assert_eq!(draft(&ourselves, 1_740_672_100), Err(CannotDraft::PaysItself));
        assert_eq!(draft(&offer(60), 599), Err(CannotDraft::ClockWrong));
        assert_eq!(draft(&offer(60), -1), Err(CannotDraft::ClockWrong));
    }

    #[test]
    fn an_authorization_comes_back_from_a_row_as_it_was() {
        let draft = drafted(60).unwrap();
        let row = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Authorization>(&row).unwrap(), draft);
    }
}
