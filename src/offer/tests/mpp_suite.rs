//! The public conformance suite of MPP, as far as it concerns a payer: its headers, each with terms that can be paid in
//! place of its own. (`tempoxyz/mpp-tools`, `conformance/vectors/www-authenticate.json`, 2.0.0.)
//!
//! What it says of a payer's conversation is tested where whole conversations are:
//!
//! | flow | here |
//! |---|---|
//! | `success_charge`, `same_origin_payment_request` | `purchase::mpp::a_purchase_moves_exactly_its_price_by_either_form_of_the_nonce` |
//! | `no_receipt_header`, `verification_error`, `invalid_payload`, `problem_details_*` | `sellers`, classes `mpp` and `fake-receipts` |
//! | `expired_challenge`, `missing_challenge_expires_rejected`, `invalid_www_authenticate` | the tests beside this file |
//! | `post_body_charge`, `post_body_preserved_on_retry`, `body_digest_*` | `tests/honest/mpp-body-with-digest.http`, `purchase::buying` |
//! | `plain_payment_request`, `free_endpoint`, `non_402_error` | `purchase::buying`: without a challenge nothing is paid |
//! | `cross_origin_redirect_before_402_rejected` | `purchase::redirects`: where it leads is a seller of its own, under its own rules |
//! | `concurrent_replay_rejected` | `purchase::mpp::one_challenge_for_two_purchases_pays_for_one` |
//!
//! Nothing is told of Stripe, of proofs for no money, of fees that are signed for, or of servers: no payer of our kind does
//! that.

use super::mpp::{charge, listed, params, written};
use super::*;

const PAYABLE: &[&str] = &["payable"];
const MALFORMED: &[&str] = &["malformed_challenge"];
/// A 402 that says nothing of MPP.
const NOT_OURS: &[&str] = &["challenge_not_understood"];

/// A challenge that can be paid, with more behind it.
fn and(more: &str) -> String {
    format!("{}, {more}", written(&params(&charge())))
}

/// The same without one of its parameters, or with another value of it.
fn but(name: &str, value: Option<&str>) -> String {
    let mut params = params(&charge());
    match value {
        Some(value) => params.iter_mut().filter(|(key, _)| *key == name).for_each(|(_, old)| *old = value.to_owned()),
        None => params.retain(|(key, _)| *key != name),
    }
    written(&params)
}

#[test]
fn every_header_of_the_public_suite_is_read_as_it_says() {
    let whole = written(&params(&charge()));
    let backwards: Vec<(&str, String)> = params(&charge()).into_iter().rev().collect();
    let cases: [(&str, String, &[&str]); 26] = [
        ("basic_challenge", whole.clone(), PAYABLE),
        ("full_challenge", and("description=\"API access payment required\""), PAYABLE),
        ("empty_request", but("request", Some("e30")), &["transfer_method_not_supported"]),
        ("nested_request", but("intent", Some("stream")), &["method_not_supported"]),
        ("escaped_quotes_in_description", and(r#"description="Pay \"premium\" API""#), PAYABLE),
        ("escaped_backslashes_in_description", and(r#"description="Path C:\\tempo\\api""#), PAYABLE),
        ("payment_keyword_in_quoted_realm", but("realm", Some("contact Payment support")), PAYABLE),
        ("payment_keyword_in_quoted_description", and("description=\"Pay with the Payment scheme\""), PAYABLE),
        ("adversarial_unclosed_quoted_extension", and(&format!("fuzz=\"{}", "\\".repeat(12_000))), PAYABLE),
        ("error_missing_payment_prefix", "Bearer token123".to_owned(), NOT_OURS),
        ("error_missing_id", but("id", None), MALFORMED),
        ("error_missing_realm", but("realm", None), MALFORMED),
        ("error_missing_method", but("method", None), MALFORMED),
        ("error_missing_intent", but("intent", None), MALFORMED),
        ("error_missing_request", but("request", None), MALFORMED),
        ("error_invalid_base64url", but("request", Some("not-valid!!!")), MALFORMED),
        ("error_invalid_json", but("request", Some("bm90IGpzb24")), MALFORMED),
        ("whitespace_tolerance", whole.replace(", ", " ,  ").replacen(' ', "  ", 1), PAYABLE),
        ("parameter_order_independence", written(&backwards), PAYABLE),
        ("unknown_extension_parameter", and("foo=\"bar\", baz=\"qux\""), PAYABLE),
        ("case_insensitive_scheme", whole.replacen("Payment", "payment", 1), PAYABLE),
        ("error_empty_id", but("id", Some("")), MALFORMED),
        ("error_duplicate_parameters", and("id=\"b\""), &["ambiguous"]),
        ("error_empty_header", String::new(), NOT_OURS),
        ("error_scheme_only", "Payment".to_owned(), MALFORMED),
        ("unescaped_quotes_in_description", and(r#"description="Payment for "Premium" service"#), PAYABLE),
    ];
    for (name, header, expected) in cases {
        assert_eq!(codes(&listed(&header)), expected, "{name}");
    }
}
