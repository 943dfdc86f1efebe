//! EIP-3009 `TransferWithAuthorization`: drafted from an offer, hashed as EIP-712, checked by recovery.

use std::borrow::Cow;

use alloy_primitives::{Address, B256, U256};
use alloy_sol_types::{Eip712Domain, SolStruct, sol};
use serde::{Deserialize, Serialize};

use super::{CannotDraft, Ends, Facts, Signatures, window};
use crate::money::{Account, Amount, Network};
use crate::offer::Offer;
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

/// A transfer the payee may take once, between two moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Eip3009 {
    /// On which network.
    pub network: Network,
    /// The asset's contract, with the name and version its signing domain has.
    pub asset: Address,
    /// The name its signing domain has.
    pub asset_name: String,
    /// The version its signing domain has.
    pub asset_version: String,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, in atomic units.
    pub value: U256,
    /// From when on the chain takes it.
    pub valid_after: u64,
    /// From here on the chain refuses it.
    pub valid_before: u64,
    /// The number that makes it usable once.
    pub nonce: B256,
}

/// A nonce that every known token accepts: some keep the last bytes for a purpose of their own, and want them zero.
fn nonce(random: [u8; 32]) -> B256 {
    let mut nonce = random;
    nonce[24..].fill(0);
    B256::new(nonce)
}

impl Eip3009 {
    /// What would be signed for an offer now.
    pub fn draft(offer: &Offer, from: &Account, now: Time, random: [u8; 32]) -> Result<Eip3009, CannotDraft> {
        let evm = |account: &Account| account.as_evm().ok_or(CannotDraft::NotEvm);
        let prescribed = offer.prescribed();
        let left = |ends: u64| ends.saturating_sub(u64::try_from(now.secs()).unwrap_or_default());
        let asked = prescribed.map_or(offer.window_secs, |prescribed| left(prescribed.valid_before));
        let (valid_after, valid_before) = window(asked, now)?;
        Ok(Eip3009 {
            network: offer.network().clone(),
            asset: evm(&offer.asset.account)?,
            asset_name: offer.asset.eip712_name.clone(),
            asset_version: offer.asset.eip712_version.clone(),
            from: evm(from)?,
            to: evm(&offer.payee)?,
            value: offer.amount.0,
            valid_after: prescribed.map_or(valid_after, |prescribed| prescribed.valid_after),
            valid_before,
            nonce: prescribed.map_or_else(|| nonce(random), |prescribed| prescribed.nonce),
        })
    }

    pub(super) fn facts(&self) -> Facts {
        let account = |address| Account::evm(&self.network, address);
        Facts {
            asset: account(self.asset),
            from: account(self.from),
            to: account(self.to),
            most: Amount(self.value),
            is_ceiling: false,
            handle: self.nonce,
            ends: Ends::At(Time::from_secs(i64::try_from(self.valid_before).unwrap_or(i64::MAX))),
        }
    }

    /// What is signed, rebuilt from the fields each time.
    pub fn digest(&self) -> B256 {
        self.message().eip712_signing_hash(&self.domain())
    }

    pub(super) fn x402_payload(&self, signatures: &Signatures) -> String {
        let Eip3009 { from, to, value, valid_after, valid_before, nonce, .. } = self;
        let signature = signatures.of_authorization();
        format!(
            r#"{{"signature":"{signature}","authorization":{{"from":"{from}","to":"{to}","value":"{value}","validAfter":"{valid_after}","validBefore":"{valid_before}","nonce":"{nonce}"}}}}"#
        )
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

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;
    use crate::authorization::{Authorization, Ground, Signature};
    use crate::money::{Assets, Usd};
    use crate::offer::{Carrier, Echo, Scheme};

    /// The example of the x402 specification.
    fn spec_example(from: Address) -> Eip3009 {
        Eip3009 {
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

    /// Whether this is the payer's signature over these very fields.
    fn is_signed(signed: &Eip3009, signature: &str) -> bool {
        Authorization::Eip3009(signed.clone()).is_signed(&Signatures(vec![signature.parse::<Signature>().unwrap()]))
    }

    #[test]
    fn a_nonce_is_24_random_bytes_and_8_zeros() {
        let nonce = nonce([0xab; 32]);
        assert_eq!((&nonce[..24], &nonce[24..]), (&[0xab; 24][..], &[0; 8][..]));
    }

    #[test]
    fn the_specifications_example_recovers_to_its_payer() {
        let example = spec_example(SPEC_PAYER);
        assert_eq!(example.digest(), b256!("f256992871671abcb27ff92885a7afa46218724e5fc0bac35d050115aa1d22e6"));
        assert!(is_signed(&example, SPEC_SIGNATURE));
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
        assert!(is_signed(&example, ANVIL_SIGNATURE));
    }

    #[test]
    fn the_domain_of_usdc_on_base_is_the_one_on_chain() {
        let network = Network::eip155(8453);
        let usdc = address!("833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
        let assets = Assets::default();
        let asset = assets.known(&Account::evm(&network, usdc)).unwrap();
        let on_base = Eip3009 {
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
        let good = spec_example(SPEC_PAYER);
        let others = [
            Eip3009 { network: Network::eip155(8453), ..good.clone() },
            Eip3009 { asset: ANVIL, ..good.clone() },
            Eip3009 { asset_name: "USD Coin".into(), ..good.clone() },
            Eip3009 { asset_version: "1".into(), ..good.clone() },
            Eip3009 { from: ANVIL, ..good.clone() },
            Eip3009 { to: ANVIL, ..good.clone() },
            Eip3009 { value: U256::from(10_001), ..good.clone() },
            Eip3009 { valid_after: 0, ..good.clone() },
            Eip3009 { valid_before: u64::MAX, ..good.clone() },
            Eip3009 { nonce: B256::ZERO, ..good.clone() },
        ];
        for other in others {
            assert!(!is_signed(&other, SPEC_SIGNATURE), "{other:?}");
        }
    }

    fn offer(window_secs: u64) -> Offer {
        let network = Network::new("eip155:84532");
        let asset = Assets::default().on(&network).next().unwrap().clone();
        Offer {
            scheme: Scheme::Eip3009,
            amount: Amount(U256::from(10_000)),
            usd: Usd::micros(10_000),
            payee: Account::evm(&network, address!("209693Bc6afc0C5328bA36FaF03C514EF312287C")),
            window_secs,
            takes_first: false,
            carrier: Carrier::Headers,
            asset,
            echo: Echo::X402V2 { accepted: "{}".into(), resource: None, extensions: None },
        }
    }

    fn draft(offer: &Offer, now: i64) -> Result<Eip3009, CannotDraft> {
        let from = Account::evm(offer.network(), ANVIL);
        match Authorization::draft(offer, &from, Time::from_secs(now), [7; 32], &Ground::default())? {
            Authorization::Eip3009(drafted) => Ok(drafted),
            other => panic!("{other:?}"),
        }
    }

    fn drafted(window_secs: u64) -> Result<Eip3009, CannotDraft> {
        draft(&offer(window_secs), 1_740_672_100)
    }

    #[test]
    fn a_draft_says_what_the_offer_says() {
        let draft = drafted(60).unwrap();
        let offer = offer(60);
        let facts = draft.facts();
        assert_eq!((facts.asset, facts.to, facts.most), (offer.asset.account, offer.payee, offer.amount));
        assert_eq!((draft.from, draft.value), (ANVIL, offer.amount.0));
        assert_eq!((draft.asset_name.as_str(), draft.asset_version.as_str()), ("USDC", "2"));
        assert_eq!((draft.valid_after, draft.valid_before), (1_740_671_500, 1_740_672_160));
        assert_eq!((facts.handle, facts.ends), (draft.nonce, Ends::At(Time::from_secs(1_740_672_160))));
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
        let ourselves = Offer { payee: Account::evm(offer(60).network(), ANVIL), ..offer(60) };
        assert_eq!(draft(&ourselves, 1_740_672_100), Err(CannotDraft::PaysItself));
        assert_eq!(draft(&offer(60), 599), Err(CannotDraft::ClockWrong));
        assert_eq!(draft(&offer(60), -1), Err(CannotDraft::ClockWrong));
    }

    #[test]
    fn an_authorization_comes_back_from_a_row_as_it_was() {
        let draft = Authorization::Eip3009(drafted(60).unwrap());
        let row = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<Authorization>(&row).unwrap(), draft);
    }
}
