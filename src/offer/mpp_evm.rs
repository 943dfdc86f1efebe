//! MPP's `evm/charge`, paid by a credential of the type `authorization`: EIP-3009, with a nonce that binds it to the
//! challenge.

use alloy_primitives::{B256, keccak256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::mpp::PaymentChallenge;
use super::x402::{self, Fields, malformed};
use super::{Scheme, refusal};
use crate::money::{Account, Amount, Asset, Assets, Network, TransferMethod, Usd};
use crate::reason::Reason;

/// What a dialect leaves no choice about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prescribed {
    /// The number that makes the authorization usable once.
    pub nonce: B256,
    /// From when on the chain takes it.
    pub valid_after: u64,
    /// When its challenge expires: later than this it is good for nothing, and sooner is as well.
    pub valid_before: u64,
    /// The challenge says by itself which software will check the nonce.
    pub is_certain: bool,
}

/// What a charge says, once all of it has been checked.
pub(super) struct ChargeTerms<'a> {
    pub(super) scheme: Scheme,
    pub(super) asset: &'a Asset,
    pub(super) amount: Amount,
    pub(super) usd: Usd,
    pub(super) payee: Account,
}

/// The same checks as an entry of x402 goes through, of the same things under other names.
pub(super) fn terms<'a>(said: &PaymentChallenge, assets: &'a Assets) -> Result<(ChargeTerms<'a>, Prescribed), Reason> {
    let request = &said.request;
    let details = request.object("methodDetails")?;
    takes_authorizations(&details)?;
    let network = details.number("chainId")?.ok_or_else(|| malformed("`chainId` is missing"))?;
    let network = Network::eip155(network);
    let renamed = Fields(Map::from_iter([
        ("asset".to_owned(), json!(request.required("currency")?)),
        ("payTo".to_owned(), json!(request.required("recipient")?)),
        ("decimals".to_owned(), json!(details.number("decimals")?)),
    ]));
    let asset = x402::asset(&network, &renamed, assets)?;
    if asset.transfer != TransferMethod::Eip3009 {
        let message = "the seller wants an EIP-3009 authorization, which this asset does not have";
        return Err(refusal("transfer_method_not_supported", message));
    }
    x402::is_the_asset_we_know(&renamed, asset)?;
    let amount = amount(request.required("amount")?)?;
    if amount.is_zero() {
        return Err(refusal("amount_zero", "the challenge asks for nothing, which is not a price"));
    }
    let usd = asset
        .usd(amount)
        .ok_or_else(|| refusal("amount_too_large", "the amount is more than bursar can count in dollars"))?;
    let payee = x402::payee(&renamed, &network, assets)?;
    Ok((ChargeTerms { scheme: Scheme::Eip3009, asset, amount, usd, payee }, prescribed(said)?))
}

/// All of it.
pub(super) fn goes_to_one(details: &Fields) -> Result<(), Reason> {
    if !matches!(details.0.get("splits"), None | Some(Value::Null)) && details.0["splits"] != json!([]) {
        let message = "the seller wants the payment split among several payees; bursar pays one";
        return Err(refusal("splits_not_supported", message));
    }
    Ok(())
}

/// In full, to one payee, by a signature that the seller takes to the chain itself.
fn takes_authorizations(details: &Fields) -> Result<(), Reason> {
    goes_to_one(details)?;
    let types = match details.0.get("credentialTypes") {
        None | Some(Value::Null) => &[],
        Some(Value::Array(types)) => types.as_slice(),
        Some(_) => return Err(malformed("`credentialTypes` is not a list")),
    };
    if types.iter().any(|one| one == "authorization") {
        return Ok(());
    }
    let message = "the seller takes no EIP-3009 authorization, only transfers that bursar would have to pay fees for or \
                   allow in advance";
    Err(refusal("transfer_method_not_supported", message))
}

/// As the seller will compare it: digits, and no zero before them.
pub(super) fn amount(text: &str) -> Result<Amount, Reason> {
    let amount = Amount::parse(text).filter(|amount| amount.to_string() == text);
    amount.ok_or_else(|| malformed("an amount is a string of digits"))
}

fn prescribed(said: &PaymentChallenge) -> Result<Prescribed, Reason> {
    let is_certain = names_its_software(said);
    Ok(Prescribed { nonce: nonce(said, is_certain), valid_after: 0, valid_before: said.expires()?, is_certain })
}

/// Two forms are in use. That of the specification, unless the challenge has the marks of software that has the other:
/// `docs/decisions/one-nonce-per-challenge.md`.
fn nonce(said: &PaymentChallenge, is_of_json: bool) -> B256 {
    let PaymentChallenge { id, realm, .. } = said;
    match is_of_json {
        true => keccak256(json!([id, realm]).to_string()),
        false => keccak256(format!("{id}{realm}")),
    }
}

/// pympp puts a number of its own into every challenge, and the place it is for into every request.
fn names_its_software(said: &PaymentChallenge) -> bool {
    said.opaque.as_ref().and_then(|opaque| opaque.get("_mpp_nonce")).is_some_and(Value::is_string)
        || said.request.0.get("_mppx_scope").is_some_and(Value::is_object)
}
