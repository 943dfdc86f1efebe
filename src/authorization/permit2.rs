//! Permit2 `PermitWitnessTransferFrom` to the spender of x402: exactly an amount, or (`upto`) as much as the seller's
//! facilitator says, up to a ceiling. The witness binds whom it goes to.
//!
//! Permit2 moves what the asset's contract allows it to. Where that is too little, the payment brings an allowance of
//! exactly the amount along, signed as well, for sellers that pay for putting it on the chain.

use alloy_primitives::{Address, B256, U256, address};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, eip712_domain, sol};
use serde::{Deserialize, Serialize};

use super::erc20_approval::Erc20Approval;
use super::{CannotDraft, Ends, Fact, Facts, Ground, Message, Need, Signatures, window};
use crate::money::{Account, Amount, Asset, Network};
use crate::offer::{Offer, Sponsoring};
use crate::time::Time;

/// Permit2, at the same address on every chain.
pub const PERMIT2: Address = address!("000000000022D473030F116dDEE9F6B43aC78BA3");
/// Who may move exactly what was signed.
const EXACT_SPENDER: Address = address!("402085c248EeA27D92E8b30b2C58ed07f9E20001");
/// Who may move as much as it is told, up to what was signed.
const UPTO_SPENDER: Address = address!("4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");

mod exact {
    alloy_sol_types::sol! {
        struct TokenPermissions { address token; uint256 amount; }
        struct Witness { address to; uint256 validAfter; }
        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }
    }
}

mod upto {
    alloy_sol_types::sol! {
        struct TokenPermissions { address token; uint256 amount; }
        struct Witness { address to; address facilitator; uint256 validAfter; }
        struct PermitWitnessTransferFrom {
            TokenPermissions permitted;
            address spender;
            uint256 nonce;
            uint256 deadline;
            Witness witness;
        }
    }
}

sol! {
    struct Permit {
        address owner;
        address spender;
        uint256 value;
        uint256 nonce;
        uint256 deadline;
    }
    function allowance(address owner, address spender) external view returns (uint256);
    function nonces(address owner) external view returns (uint256);
}

/// What the payee may have moved to it once, between two moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permit2 {
    /// On which network.
    pub network: Network,
    /// The asset's contract.
    pub asset: Address,
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, or how much at the most, in atomic units.
    pub value: U256,
    /// Who says how much is taken; none: all of it is.
    pub facilitator: Option<Address>,
    /// From when on the chain takes it.
    pub valid_after: u64,
    /// Up to when the chain takes it.
    pub deadline: u64,
    /// The number that makes it usable once.
    pub nonce: B256,
    /// What else is signed, so that Permit2 may move it at all.
    pub allowance: Allowance,
}

/// How Permit2 comes to be allowed to move the amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowance {
    /// It is allowed already.
    Standing,
    /// By an EIP-2612 permit of exactly the amount.
    Permit {
        /// The name the asset's signing domain has.
        asset_name: String,
        /// The version the asset's signing domain has.
        asset_version: String,
        /// The number the asset's contract expects next.
        nonce: U256,
    },
    /// By a chain transaction of ours that approves exactly the amount.
    Approve(Erc20Approval),
}

/// What Permit2 is allowed to move of an asset.
pub fn allowance_of(asset: &Asset, from: &Account) -> Option<Fact> {
    let data = allowanceCall { owner: from.as_evm()?, spender: PERMIT2 }.abi_encode();
    Some(Fact::Call { to: asset.account.clone(), data })
}

fn next_permit(asset: &Asset, from: &Account) -> Option<Fact> {
    Some(Fact::Call { to: asset.account.clone(), data: noncesCall { owner: from.as_evm()? }.abi_encode() })
}

impl Permit2 {
    /// What must be known before an offer is signed for.
    pub fn needs(offer: &Offer, from: &Account) -> Vec<Need> {
        let Sponsoring { permits, approvals } = offer.sponsoring();
        let of_sponsor = |fact: Option<Fact>| fact.map(Need::fresh);
        let mut needs: Vec<Need> = allowance_of(&offer.asset, from).map(Need::steady).into_iter().collect();
        if permits {
            needs.extend(of_sponsor(next_permit(&offer.asset, from)));
        }
        if approvals {
            needs.extend(Erc20Approval::needs(from).into_iter().map(Need::fresh));
        }
        needs
    }

    /// Whether Permit2 may move the amount, or can be allowed to.
    pub fn stands(offer: &Offer, from: &Account, ground: &Ground) -> Result<(), CannotDraft> {
        allowance(offer, from, ground).map(|_| ())
    }

    /// What would be signed for an offer now.
    pub fn draft(
        offer: &Offer,
        facilitator: Option<&Account>,
        from: &Account,
        now: Time,
        random: [u8; 32],
        ground: &Ground,
    ) -> Result<Permit2, CannotDraft> {
        let evm = |account: &Account| account.as_evm().ok_or(CannotDraft::NotEvm);
        let (valid_after, deadline) = window(offer.window_secs, now)?;
        Ok(Permit2 {
            network: offer.network().clone(),
            asset: evm(&offer.asset.account)?,
            from: evm(from)?,
            to: evm(&offer.payee)?,
            value: offer.amount.0,
            facilitator: facilitator.map(evm).transpose()?,
            valid_after,
            deadline,
            nonce: B256::new(random),
            allowance: allowance(offer, from, ground)?,
        })
    }

    pub(super) fn facts(&self) -> Facts {
        let account = |address| Account::evm(&self.network, address);
        Facts {
            asset: account(self.asset),
            from: account(self.from),
            to: account(self.to),
            most: Amount(self.value),
            is_ceiling: self.facilitator.is_some(),
            handle: self.nonce,
            // The chain takes it in the very second of the deadline, too.
            ends: Ends::At(Time::from_secs(i64::try_from(self.deadline).unwrap_or(i64::MAX).saturating_add(1))),
        }
    }

    /// The authorization, and what allows Permit2 to follow it.
    pub(super) fn messages(&self) -> Vec<Message> {
        let besides = match &self.allowance {
            Allowance::Standing => None,
            Allowance::Permit { asset_name, asset_version, nonce } => {
                let permit = Permit {
                    owner: self.from,
                    spender: PERMIT2,
                    value: self.value,
                    nonce: *nonce,
                    deadline: U256::from(self.deadline),
                };
                let domain = Eip712Domain::new(
                    Some(asset_name.clone().into()),
                    Some(asset_version.clone().into()),
                    Some(U256::from(self.chain())),
                    Some(self.asset),
                    None,
                );
                Some(permit.eip712_signing_hash(&domain))
            }
            Allowance::Approve(approval) => Some(approval.digest()),
        };
        [Some(self.digest()), besides].into_iter().flatten().map(Message::Evm).collect()
    }

    /// The one that moves the money, rebuilt from the fields each time.
    pub fn digest(&self) -> B256 {
        let domain = eip712_domain! { name: "Permit2", chain_id: self.chain(), verifying_contract: PERMIT2, };
        let (token, amount, to) = (self.asset, self.value, self.to);
        let (nonce, deadline) = (U256::from_be_bytes(self.nonce.0), U256::from(self.deadline));
        let (spender, valid_after) = (self.spender(), U256::from(self.valid_after));
        match self.facilitator {
            None => exact::PermitWitnessTransferFrom {
                permitted: exact::TokenPermissions { token, amount },
                spender,
                nonce,
                deadline,
                witness: exact::Witness { to, validAfter: valid_after },
            }
            .eip712_signing_hash(&domain),
            Some(facilitator) => upto::PermitWitnessTransferFrom {
                permitted: upto::TokenPermissions { token, amount },
                spender,
                nonce,
                deadline,
                witness: upto::Witness { to, facilitator, validAfter: valid_after },
            }
            .eip712_signing_hash(&domain),
        }
    }

    /// As x402 writes it.
    pub(super) fn x402_payload(&self, signatures: &Signatures) -> String {
        let Permit2 { asset, from, to, value, valid_after, deadline, nonce, .. } = self;
        let (signature, spender, nonce) = (signatures.of_authorization(), self.spender(), U256::from_be_bytes(nonce.0));
        let facilitator = self.facilitator.map(|account| format!(r#","facilitator":"{account}""#)).unwrap_or_default();
        format!(
            r#"{{"signature":"{signature}","permit2Authorization":{{"from":"{from}","permitted":{{"token":"{asset}","amount":"{value}"}},"spender":"{spender}","nonce":"{nonce}","deadline":"{deadline}","witness":{{"to":"{to}"{facilitator},"validAfter":"{valid_after}"}}}}}}"#
        )
    }

    /// What goes into the extension by which the seller offered to put the allowance on the chain: its name, and what it
    /// is to say.
    pub(super) fn x402_extension(&self, signatures: &Signatures) -> Option<(&'static str, String)> {
        let Permit2 { asset, from, value, deadline, .. } = self;
        let signature = signatures.0.get(1)?;
        let of_allowance = format!(r#""from":"{from}","asset":"{asset}","spender":"{PERMIT2}","amount":"{value}""#);
        match &self.allowance {
            Allowance::Standing => None,
            Allowance::Permit { nonce, .. } => Some((
                Sponsoring::PERMITS,
                format!(r#"{of_allowance},"nonce":"{nonce}","deadline":"{deadline}","signature":"{signature}""#),
            )),
            Allowance::Approve(approval) => Some((
                Sponsoring::APPROVALS,
                format!(r#"{of_allowance},"signedTransaction":"{}""#, approval.signed(signature)),
            )),
        }
    }

    fn spender(&self) -> Address {
        if self.facilitator.is_some() { UPTO_SPENDER } else { EXACT_SPENDER }
    }

    fn chain(&self) -> u64 {
        // No chain has the id 0: what is signed for a network that is not an EVM chain is good nowhere.
        self.network.chain_id().unwrap_or(0)
    }
}

/// How Permit2 comes to be allowed: it is, or the seller pays for our saying so. Never for more than the amount.
fn allowance(offer: &Offer, from: &Account, ground: &Ground) -> Result<Allowance, CannotDraft> {
    let known = |fact: Option<Fact>| fact.and_then(|fact| ground.number(&fact));
    let Some(allowed) = known(allowance_of(&offer.asset, from)) else { return Err(CannotDraft::AllowanceUnknown) };
    if allowed >= offer.amount.0 {
        return Ok(Allowance::Standing);
    }
    let Sponsoring { permits, approvals } = offer.sponsoring();
    if let Some(nonce) = known(next_permit(&offer.asset, from)).filter(|_| permits) {
        let Asset { eip712_name, eip712_version, .. } = &offer.asset;
        let (asset_name, asset_version) = (eip712_name.clone(), eip712_version.clone());
        return Ok(Allowance::Permit { asset_name, asset_version, nonce });
    }
    if let Some(approval) =
        Erc20Approval::draft(&offer.asset, PERMIT2, offer.amount, from, ground).filter(|_| approvals)
    {
        return Ok(Allowance::Approve(approval));
    }
    Err(CannotDraft::NoAllowance)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, b256};

    use super::*;
    use crate::authorization::{Authorization, Signature};

    const ANVIL: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

    /// The example of the x402 specification, by the first account of every development chain.
    fn example() -> Permit2 {
        let nonce = "33247007178036348590600198031289925668252061821958005840077069883511451257277";
        Permit2 {
            network: Network::eip155(84532),
            asset: address!("036CbD53842c5426634e7929541eC2318f3dCF7e"),
            from: ANVIL,
            to: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"),
            value: U256::from(10_000),
            facilitator: None,
            valid_after: 1740672089,
            deadline: 1740672154,
            nonce: B256::from(U256::from_str_radix(nonce, 10).unwrap()),
            allowance: Allowance::Standing,
        }
    }

    fn is_signed(signed: Permit2, signatures: &[&str]) -> bool {
        let signatures = signatures.iter().map(|text| text.parse::<Signature>().unwrap()).collect();
        Authorization::Permit2(signed).is_signed(&Signatures(signatures))
    }

    const EXACT: &str = "0x3b029ad182a14cdb81c9eb44f935279e124e88afdc4043ed1183345aba6781b95cd297107e2808d8ea2722260e88856b5a13a6db23e38a30e2604dca9e1ce1da1b";
    const UPTO: &str = "0x95636daf74af6f82c3930e9d3baf3c1cacb37fb79e794b860ee5a2151274cd2e120fbb1a9774ae2a604cd4aeae0696da0c05f0b14e242fd93d0bb0e22ce8f46f1b";
    const PERMIT: &str = "0x69baca18f0761582a372da88d9d0ff9b81123913755d3aa5f2d8eaa97315f5a53fe41fe1a9f546e105cbc3de0e0f5e1962207eda86ddee33eec0d57abaa1ac741b";

    #[test]
    fn the_hashes_are_those_of_an_independent_implementation() {
        assert_eq!(example().digest(), b256!("21528e1468aac114016416353e2309329f217dc180b21baa1d81cde941095685"));
        assert!(is_signed(example(), &[EXACT]));
        let upto = Permit2 {
            value: U256::from(5_000_000),
            facilitator: Some(address!("70997970C51812dc3A010C7d01b50e0d17dc79C8")),
            ..example()
        };
        assert_eq!(upto.digest(), b256!("22340f12e045f90a2bdf0bb39dd61d8c4674579544873480e8af265f383d4837"));
        assert!(is_signed(upto, &[UPTO]));
    }

    fn permitted() -> Permit2 {
        let allowance = Allowance::Permit { asset_name: "USDC".into(), asset_version: "2".into(), nonce: U256::ZERO };
        Permit2 { allowance, ..example() }
    }

    #[test]
    fn a_permit_goes_with_it_for_exactly_the_amount() {
        assert!(is_signed(permitted(), &[EXACT, PERMIT]));
        assert!(!is_signed(permitted(), &[EXACT]), "one signature for each message");
        assert!(!is_signed(example(), &[EXACT, PERMIT]));
        assert!(!is_signed(Permit2 { value: U256::from(10_001), ..permitted() }, &[EXACT, PERMIT]));
    }

    #[test]
    fn a_signature_over_any_other_field_is_not_the_payers() {
        let good = example();
        let others = [
            Permit2 { network: Network::eip155(8453), ..good.clone() },
            Permit2 { asset: ANVIL, ..good.clone() },
            Permit2 { to: ANVIL, ..good.clone() },
            Permit2 { value: U256::from(10_001), ..good.clone() },
            Permit2 { facilitator: Some(ANVIL), ..good.clone() },
            Permit2 { valid_after: 0, ..good.clone() },
            Permit2 { deadline: u64::MAX, ..good.clone() },
            Permit2 { nonce: B256::ZERO, ..good.clone() },
            Permit2 { from: address!("209693Bc6afc0C5328bA36FaF03C514EF312287C"), ..good },
        ];
        for other in others {
            assert!(!is_signed(other.clone(), &[EXACT]), "{other:?}");
        }
    }

    #[test]
    fn it_comes_back_from_a_row_as_it_was() {
        let approval = Erc20Approval {
            chain: 84532,
            nth: 7,
            max_fee: u64::MAX,
            asset: ANVIL,
            spender: PERMIT2,
            amount: U256::MAX,
        };
        let approved = Permit2 { allowance: Allowance::Approve(approval), ..example() };
        for signed in [example(), permitted(), approved].map(Authorization::Permit2) {
            let row = serde_json::to_string(&signed).unwrap();
            assert_eq!(serde_json::from_str::<Authorization>(&row).unwrap(), signed);
        }
    }
}
