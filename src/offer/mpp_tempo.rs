//! MPP's `tempo/charge`, paid in its form `transaction`: a chain transaction of Tempo's own kind, which the seller puts on
//! the chain. Its memo binds it to the challenge.

use alloy_primitives::{Address, B256, U256, address, b256, keccak256};
use serde_json::{Map, Value, json};

use super::mpp::PaymentChallenge;
use super::mpp_evm::{self, ChargeTerms, Prescribed};
use super::x402::{self, Fields, malformed};
use super::{Scheme, refusal};
use crate::limits;
use crate::money::{Account, Amount, Assets, Network, TransferMethod};
use crate::reason::Reason;

/// What every asset of this kind counts by, and fees with it.
const DECIMALS: u8 = 6;
/// How the address of every asset of this kind begins.
const TIP20: [u8; 12] = [0x20, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Where Tempo's fees go: what is transferred there is a fee and nothing else.
pub const TEMPO_FEES: Address = address!("feec000000000000000000000000000000000000");

/// What so much gas costs on Tempo at this price in 10^-18 dollars, in units of an asset of this kind: rounded up.
pub fn tempo_fee(gas: u64, price: u64) -> Amount {
    const OF_A_UNIT: u64 = 1_000_000_000_000;
    Amount((U256::from(gas) * U256::from(price)).div_ceil(U256::from(OF_A_UNIT)))
}

/// The same checks as an entry of x402 goes through, of the same things under other names.
pub(super) fn terms<'a>(said: &PaymentChallenge, assets: &'a Assets) -> Result<(ChargeTerms<'a>, Prescribed), Reason> {
    let request = &said.request;
    let details = request.object("methodDetails")?;
    mpp_evm::goes_to_one(&details)?;
    takes_transactions(&details)?;
    let network = details.number("chainId")?.ok_or_else(|| malformed("`chainId` is missing"))?;
    let network = Network::eip155(network);
    let renamed = Fields(Map::from_iter([
        ("asset".to_owned(), json!(request.required("currency")?)),
        ("payTo".to_owned(), json!(request.required("recipient")?)),
    ]));
    let asset = x402::asset(&network, &renamed, assets)?;
    if asset.transfer != TransferMethod::Tip20 || asset.decimals != DECIMALS {
        let message = "the seller wants a transfer as Tempo makes them, which this asset does not have";
        return Err(refusal("transfer_method_not_supported", message));
    }
    let price = price(request)?;
    let fee =
        if is_sponsored(&details)? { Amount::default() } else { tempo_fee(limits::TEMPO_GAS, limits::TEMPO_MAX_FEE) };
    let too_large = || refusal("amount_too_large", "the amount is more than bursar can count in dollars");
    let amount = price.0.checked_add(fee.0).map(Amount).ok_or_else(too_large)?;
    let usd = asset.usd(amount).ok_or_else(too_large)?;
    let payee = payee(&renamed, &network, assets)?;
    let prescribed = Prescribed { nonce: memo(said), valid_after: 0, valid_before: said.expires()?, is_certain: false };
    Ok((ChargeTerms { scheme: Scheme::Tempo(fee), asset, amount, usd, payee }, prescribed))
}

/// What the payee is to get.
fn price(request: &Fields) -> Result<Amount, Reason> {
    let price = mpp_evm::amount(request.required("amount")?)?;
    if price.is_zero() {
        let message =
            "the challenge asks for no money, but for a proof of who this wallet is, which bursar does not give";
        return Err(refusal("amount_zero", message));
    }
    Ok(price)
}

/// By a transaction that the seller puts on the chain, with the memo that every payment has.
fn takes_transactions(details: &Fields) -> Result<(), Reason> {
    let modes = match details.0.get("supportedModes") {
        None | Some(Value::Null) => None,
        Some(Value::Array(modes)) => Some(modes),
        Some(_) => return Err(malformed("`supportedModes` is not a list")),
    };
    if modes.is_some_and(|modes| !modes.iter().any(|mode| mode == "pull")) {
        let message =
            "the seller wants the payment on the chain before it is asked; bursar signs, and sellers bring it there";
        return Err(refusal("transfer_method_not_supported", message));
    }
    if !matches!(details.0.get("memo"), None | Some(Value::Null)) {
        let message = "the seller prescribes the payment's memo, where bursar puts its own name for the payment";
        return Err(refusal("memo_not_supported", message));
    }
    Ok(())
}

/// Whether the seller pays the chain's fee.
fn is_sponsored(details: &Fields) -> Result<bool, Reason> {
    match details.0.get("feePayer") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(is_sponsored)) => Ok(*is_sponsored),
        Some(_) => Err(malformed("`feePayer` is neither true nor false")),
    }
}

/// No asset can be paid to another, nor to where fees go: the chain takes its fee and moves nothing.
fn payee(fields: &Fields, network: &Network, assets: &Assets) -> Result<Account, Reason> {
    let payee = x402::payee(fields, network, assets)?;
    let is_the_chains = |address: Address| address == TEMPO_FEES || address[..12] == TIP20;
    match payee.as_evm().is_some_and(is_the_chains) {
        true => Err(refusal("bad_payee", "the payee is an address that nobody can spend from")),
        false => Ok(payee),
    }
}

/// MPP's own mark and its version, the realm, ten bytes for whoever pays, and the challenge.
fn memo(said: &PaymentChallenge) -> B256 {
    let mut memo = b256!("ef1ed71201000000000000000000000000000000000000000000000000000000");
    memo[5..15].copy_from_slice(&keccak256(&said.realm)[..10]);
    memo[25..].copy_from_slice(&keccak256(&said.id)[..7]);
    memo
}
