//! Challenges of MPP's method `tempo`, and what is made of them.

use alloy_primitives::{U256, b256};

use super::mpp::{listed, params, written};
use super::*;
use crate::money::Amount;

const PATH_USD: &str = "0x20c0000000000000000000000000000000000000";

fn charge() -> Value {
    json!({ "amount": "10000", "currency": PATH_USD, "recipient": PAYEE,
            "methodDetails": { "chainId": 42431, "feePayer": false, "supportedModes": ["pull", "push"] } })
}

fn of(request: &Value) -> Vec<Listed> {
    let mut params = params(request);
    params[2].1 = "tempo".to_owned();
    listed(&written(&params))
}

#[test]
fn a_charge_is_read_with_the_most_its_fee_can_be() {
    let listed = of(&charge());
    let offer = the_offer(&listed);
    assert_eq!(
        (offer.dialect(), offer.scheme.name(), offer.network().as_str()),
        (Dialect::Mpp, "tempo", "eip155:42431")
    );
    assert_eq!((offer.amount.to_string().as_str(), offer.usd), ("40000", Usd::micros(40_000)));
    assert_eq!(offer.scheme, Scheme::Tempo(Amount(U256::from(30_000))));
    assert_eq!((offer.payee.to_string().as_str(), offer.asset.symbol.as_str()), (PAYEE, "pathUSD"));
    assert_eq!(offer.prescribed().unwrap().valid_before, 1_795_223_640);
}

#[test]
fn where_the_seller_pays_the_fee_the_price_is_all() {
    let listed = of(&with(charge(), &[("/methodDetails/feePayer", json!(true))]));
    let offer = the_offer(&listed);
    assert_eq!((offer.amount.to_string().as_str(), &offer.scheme), ("10000", &Scheme::Tempo(Amount::default())));
}

/// As mppx 0.11.0 makes it (`Attribution.encode`).
#[test]
fn the_memo_is_that_of_the_reference_client() {
    let listed = of(&charge());
    let memo = the_offer(&listed).prescribed().unwrap().nonce;
    assert_eq!(memo, b256!("ef1ed712011ece072f76bd8b82350e00000000000000000000d2cada44e18dc1"));
}

#[test]
fn what_is_left_out_or_as_usual_can_be_paid() {
    let cases = [
        ("/methodDetails/feePayer", Value::Null),
        ("/methodDetails/supportedModes", Value::Null),
        ("/methodDetails/supportedModes", json!(["pull"])),
        ("/methodDetails/splits", json!([])),
        ("/methodDetails/machineTokenEnabled", json!(true)),
    ];
    for (place, value) in cases {
        let listed = of(&with(charge(), &[(place, value.clone())]));
        assert_eq!(codes(&listed), ["payable"], "{place}: {value}");
    }
    let usdc = "0x20C000000000000000000000b9537d11c60E8b50";
    let mainnet = with(charge(), &[("currency", json!(usdc)), ("/methodDetails/chainId", json!(4217))]);
    assert_eq!(the_offer(&of(&mainnet)).asset.symbol, "USDC.e");
}

#[test]
fn every_charge_bursar_must_not_pay_says_why() {
    let cases: Vec<(&str, &str, Value)> = vec![
        ("malformed_offer", "amount", json!(10000)),
        ("malformed_offer", "amount", json!("-1")),
        ("malformed_offer", "amount", json!("010000")),
        ("malformed_offer", "amount", Value::Null),
        ("amount_zero", "amount", json!("0")),
        ("amount_too_large", "amount", json!("9".repeat(77))),
        ("amount_too_large", "amount", json!(U256::MAX.to_string())),
        ("unknown_asset", "currency", json!("usd")),
        ("unknown_asset", "currency", json!(USDC)),
        ("unknown_asset", "currency", json!("0x20c0000000000000000000000000000000000001")),
        ("malformed_offer", "currency", Value::Null),
        ("bad_payee", "recipient", json!("0x0000000000000000000000000000000000000000")),
        ("bad_payee", "recipient", json!(PATH_USD)),
        ("bad_payee", "recipient", json!("0x20c0000000000000000000000000000000000009")),
        ("bad_payee", "recipient", json!("0xfeec000000000000000000000000000000000000")),
        ("bad_payee", "recipient", json!("merchant")),
        ("malformed_offer", "recipient", Value::Null),
        ("malformed_offer", "methodDetails", Value::Null),
        ("malformed_offer", "methodDetails", json!("tempo")),
        ("unknown_asset", "/methodDetails/chainId", json!(8453)),
        ("unknown_asset", "/methodDetails/chainId", json!(31337)),
        ("malformed_offer", "/methodDetails/chainId", Value::Null),
        ("malformed_offer", "/methodDetails/feePayer", json!("yes")),
        ("malformed_offer", "/methodDetails/supportedModes", json!("pull")),
        ("transfer_method_not_supported", "/methodDetails/supportedModes", json!(["push"])),
        ("transfer_method_not_supported", "/methodDetails/supportedModes", json!([])),
        ("memo_not_supported", "/methodDetails/memo", json!(B256_TEXT)),
        ("splits_not_supported", "/methodDetails/splits", json!([{ "recipient": PAYEE, "amount": "1" }])),
        ("splits_not_supported", "/methodDetails/splits", json!("some")),
    ];
    for (expected, place, value) in cases {
        let listed = of(&with(charge(), &[(place, value.clone())]));
        assert_eq!(codes(&listed), [expected], "{place}: {value}");
    }
    let usdc = [("currency", json!(USDC)), ("/methodDetails/chainId", json!(84532))];
    assert_eq!(codes(&of(&with(charge(), &usdc))), ["transfer_method_not_supported"]);
    let by_evm = with(charge(), &[("/methodDetails/credentialTypes", json!(["authorization"]))]);
    assert_eq!(codes(&listed(&written(&params(&by_evm)))), ["transfer_method_not_supported"]);
}

const B256_TEXT: &str = "0xef1ed712011ece072f76bd8b82350e00000000000000000000d2cada44e18dc1";

#[test]
fn a_payment_is_the_challenge_and_the_chain_transaction() {
    let listed = of(&charge());
    let offer = the_offer(&listed);
    let from = Account::evm(offer.network(), address!("3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"));
    let draft = Authorization::draft(offer, &from, Time::from_secs(1_795_223_340), [7; 32], &Ground::default());
    let (name, value) = draft.unwrap().payment_header(offer, &Signatures(vec![Signature::Evm([1; 65])]), Some("pay_1"));
    let text = base64::decode_text(value.strip_prefix("Payment ").unwrap()).unwrap();
    let credential: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(name, "Authorization");
    assert_eq!(credential["challenge"]["method"], "tempo");
    assert_eq!(credential["source"], "did:pkh:eip155:42431:0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC");
    assert_eq!(credential["payload"]["type"], "transaction");
    let signed = credential["payload"]["signature"].as_str().unwrap();
    assert!(signed.starts_with("0x76f9") && signed.ends_with(&"01".repeat(65)), "{signed}");
    assert_eq!(credential["payload"].as_object().unwrap().len(), 2);
}
