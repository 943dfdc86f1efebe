//! Challenges of MPP, and what is made of them.

use alloy_primitives::{B256, b256};

use super::*;
use crate::request::Request;

/// As long before the golden challenge expires as its seller gave it.
const ASKED: i64 = 1_795_223_340;
const EXPIRES: &str = "2026-11-21T01:14:00.828Z";

pub(super) fn charge() -> Value {
    json!({ "amount": "10000", "currency": USDC, "recipient": PAYEE,
            "methodDetails": { "chainId": 84532, "credentialTypes": ["authorization"], "decimals": 6 } })
}

fn packed(value: &Value) -> String {
    base64::encode_for_urls(&value.to_string())
}

/// The parameters of a challenge that can be paid.
pub(super) fn params(request: &Value) -> Vec<(&'static str, String)> {
    vec![
        ("id", "qB3wErTyU7iOpAsDfGhJkL".to_owned()),
        ("realm", "api.example.com".to_owned()),
        ("method", "evm".to_owned()),
        ("intent", "charge".to_owned()),
        ("request", packed(request)),
        ("expires", EXPIRES.to_owned()),
    ]
}

pub(super) fn written(params: &[(&str, String)]) -> String {
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("Payment {}", params.join(", "))
}

/// The challenge with one parameter set to something else, or taken out.
fn with_param(name: &'static str, value: Option<&str>) -> String {
    let mut params = params(&charge());
    params.retain(|(key, _)| *key != name);
    params.extend(value.map(|value| (name, value.to_owned())));
    written(&params)
}

pub(super) fn listed(challenge: &str) -> Vec<Listed> {
    read(&header("www-authenticate", challenge), "")
}

fn of(request: &Value) -> Vec<Listed> {
    listed(&written(&params(request)))
}

fn asked_at(url: &str, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: "GET".to_owned(), url: url.parse().unwrap(), headers, body: vec![] }
}

/// What can be paid of it at its own host, so many seconds after it was asked for.
fn fitted(challenge: &str, after: i64) -> Vec<Listed> {
    fit(listed(challenge), &asked_at("https://api.example.com/a", &[]), Time::from_secs(ASKED + after))
}

fn nonce_of(offer: &Offer) -> B256 {
    offer.prescribed().unwrap().nonce
}

#[test]
fn a_charge_is_read_and_says_what_is_not_ours_to_choose() {
    let listed = of(&charge());
    let offer = the_offer(&listed);
    assert_eq!(
        (offer.dialect(), offer.scheme.name(), offer.network().as_str()),
        (Dialect::Mpp, "exact", "eip155:84532")
    );
    assert_eq!((offer.amount.to_string().as_str(), offer.usd), ("10000", Usd::micros(10_000)));
    assert_eq!((offer.payee.to_string().as_str(), offer.asset.symbol.as_str()), (PAYEE, "USDC"));
    let prescribed = offer.prescribed().unwrap();
    assert_eq!((prescribed.valid_after, prescribed.valid_before), (0, 1_795_223_640));
}

/// mppx 0.11.0 takes this signature, made by the first of anvil's accounts.
#[test]
fn the_signature_of_the_reference_client_is_ours() {
    let request = json!({ "amount": "10000", "currency": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
                          "recipient": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
                          "methodDetails": { "chainId": 8453, "credentialTypes": ["authorization"], "decimals": 6 } });
    let mut params = params(&request);
    params[0].1 = "JIXZ89jdq9oBNpn0jL7rCvy76TOBIOqkas9w_Axean8".to_owned();
    params[1].1 = "127.0.0.1".to_owned();
    let listed = listed(&written(&params));
    let offer = the_offer(&listed);
    let from = Account::evm(offer.network(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    let draft = Authorization::draft(offer, &from, Time::from_secs(ASKED), [7; 32], &Ground::default()).unwrap();
    assert_eq!(draft.facts().handle, b256!("adb61b75766fc66c9206d3e286e2f6cfb3db77205afdfbc307ab6c3562f331fd"));
    assert_eq!(draft.facts().ends.secs(), 1_795_223_640);
    let signature = "0x307f4a87ba7fc6485c4de96d6c535cc4c1c9e449532572964cd407a5df78aa97\
                     00e38995e2983def425584668ae36be1a21bc62316a3e18141293b44f30befd11c";
    assert!(draft.is_signed(&signature.parse().unwrap()));
}

/// Both are what pympp 0.16.0 wrote.
#[test]
fn the_marks_of_the_other_server_bring_its_nonce() {
    let opaque =
        "eyJfbXBwX25vbmNlIjoiMDU3OWFkOTMwNmY5ZTAzNjdlNTg3YWYwM2U1NjcxM2MxZWY4MTQxMDczNmJjM2ZhMmEwMWRjYzg4ODNkOTliNiJ9";
    let scope = with(charge(), &[("_mppx_scope", json!({ "http_method": "GET", "resource": "/thing" }))]);
    let expected = alloy_primitives::keccak256(r#"["qB3wErTyU7iOpAsDfGhJkL","api.example.com"]"#);
    for listed in [listed(&with_param("opaque", Some(opaque))), of(&scope)] {
        let offer = the_offer(&listed);
        assert_eq!(nonce_of(offer), expected);
        assert_eq!(offer.preference(), 0);
    }
    let joined = alloy_primitives::keccak256("qB3wErTyU7iOpAsDfGhJkLapi.example.com");
    for opaque in [None, Some("eyJhIjoiYiJ9"), Some("not base64!"), Some("W10"), Some("eyJfbXBwX25vbmNlIjoxfQ")] {
        let listed = listed(&with_param("opaque", opaque));
        assert_eq!((nonce_of(the_offer(&listed)), the_offer(&listed).preference()), (joined, 3), "{opaque:?}");
    }
}

#[test]
fn every_charge_bursar_must_not_pay_says_why() {
    let cases: Vec<(&str, &str, Value)> = vec![
        ("malformed_offer", "amount", json!(10000)),
        ("malformed_offer", "amount", json!("+10000")),
        ("malformed_offer", "amount", json!("-1")),
        ("malformed_offer", "amount", json!("010000")),
        ("malformed_offer", "amount", json!("0.01")),
        ("malformed_offer", "amount", json!("1e4")),
        ("malformed_offer", "amount", Value::Null),
        ("amount_zero", "amount", json!("0")),
        ("amount_too_large", "amount", json!("9".repeat(77))),
        ("unknown_asset", "currency", json!("usd")),
        ("unknown_asset", "currency", json!(PAYEE)),
        ("malformed_offer", "currency", Value::Null),
        ("bad_payee", "recipient", json!("0x0000000000000000000000000000000000000000")),
        ("bad_payee", "recipient", json!(USDC)),
        ("bad_payee", "recipient", json!("merchant")),
        ("malformed_offer", "recipient", Value::Null),
        ("malformed_offer", "methodDetails", json!("evm")),
        ("transfer_method_not_supported", "methodDetails", Value::Null),
        ("unknown_asset", "/methodDetails/chainId", json!(8453)),
        ("malformed_offer", "/methodDetails/chainId", Value::Null),
        ("malformed_offer", "/methodDetails/chainId", json!(-1)),
        ("transfer_method_not_supported", "/methodDetails/credentialTypes", Value::Null),
        ("transfer_method_not_supported", "/methodDetails/credentialTypes", json!([])),
        ("transfer_method_not_supported", "/methodDetails/credentialTypes", json!(["permit2", "transaction", "hash"])),
        ("transfer_method_not_supported", "/methodDetails/credentialTypes", json!(["Authorization"])),
        ("malformed_offer", "/methodDetails/credentialTypes", json!("authorization")),
        ("asset_mismatch", "/methodDetails/decimals", json!(18)),
        ("malformed_offer", "/methodDetails/decimals", json!("six")),
        ("splits_not_supported", "/methodDetails/splits", json!([{ "recipient": PAYEE, "amount": "1" }])),
        ("splits_not_supported", "/methodDetails/splits", json!("some")),
    ];
    for (expected, place, value) in cases {
        let listed = of(&with(charge(), &[(place, value.clone())]));
        assert_eq!(codes(&listed), [expected], "{place}: {value}");
    }
    let radius =
        [("currency", json!("0x33ad9e4BD16B69B5BFdED37D8B5D9fF9aba014Fb")), ("/methodDetails/chainId", json!(72344))];
    assert_eq!(codes(&of(&with(charge(), &radius))), ["transfer_method_not_supported"]);
}

#[test]
fn honest_oddities_of_a_charge_are_payable() {
    for changes in [
        ("/methodDetails/decimals", Value::Null),
        ("/methodDetails/credentialTypes", json!(["permit2", "authorization", "of tomorrow"])),
        ("/methodDetails/splits", json!([])),
        ("/methodDetails/permit2Address", json!("0x000000000022D473030F116dDEE9F6B43aC78BA3")),
        ("description", json!("a report")),
        ("externalId", json!("order 1")),
        ("currency", json!(USDC.to_lowercase())),
        ("somethingNew", json!({ "x": [1] })),
    ] {
        assert_eq!(codes(&of(&with(charge(), std::slice::from_ref(&changes)))), ["payable"], "{changes:?}");
    }
    for (name, value) in [("foo", "bar"), ("description", "caf\u{e9} \\u2014 \\\"x\\\""), ("digest", "sha-256=:x:")] {
        assert_eq!(codes(&listed(&with_param(name, Some(value)))), ["payable"], "{name}");
    }
    for realm in ["api", "My API", "MPP Payment", "localhost", "thing.internal", "x-1.vercel.app", "127.0.0.1"] {
        assert_eq!(codes(&fitted(&with_param("realm", Some(realm)), 0)), ["payable"], "{realm}");
    }
}

#[test]
fn a_challenge_that_is_not_whole_or_has_two_readings_is_refused() {
    let twice = format!("{}, ID=\"other\"", written(&params(&charge())));
    let unknown_twice = format!("{}, foo=a, Foo=b", written(&params(&charge())));
    let amount_twice = base64::encode_for_urls(&charge().to_string().replacen("{", "{\"amount\":\"1\",", 1));
    let long = "A".repeat(limits::MPP_PARAMETER_BYTES + 1);
    let cases = [
        ("malformed_challenge", "Payment".to_owned()),
        ("malformed_challenge", with_param("id", None)),
        ("malformed_challenge", with_param("id", Some(""))),
        ("malformed_challenge", with_param("id", Some("a\\b"))),
        ("malformed_challenge", with_param("realm", None)),
        ("malformed_challenge", with_param("realm", Some("caf\u{e9}"))),
        ("malformed_challenge", with_param("realm", Some("\\u0061pi"))),
        ("malformed_challenge", with_param("method", None)),
        ("malformed_challenge", with_param("intent", None)),
        ("malformed_challenge", with_param("request", None)),
        ("malformed_challenge", with_param("request", Some("not-valid!!!"))),
        ("malformed_challenge", with_param("request", Some("bm90IGpzb24"))),
        ("malformed_challenge", with_param("request", Some("W10"))),
        ("ambiguous", with_param("request", Some(&amount_twice))),
        ("challenge_too_large", with_param("opaque", Some(&long))),
        ("malformed_offer", with_param("expires", None)),
        ("malformed_offer", with_param("expires", Some("tomorrow"))),
        ("malformed_offer", with_param("expires", Some("1795223640"))),
        ("malformed_offer", with_param("expires", Some("2026-11-21T01:14:00"))),
        ("malformed_offer", with_param("expires", Some("1960-01-01T00:00:00Z"))),
        ("credential_header_not_supported", with_param("header", Some("X-Pay"))),
        ("credential_header_not_supported", with_param("header", Some("Authorization"))),
        ("credential_header_not_supported", with_param("header", Some("payment-authorization"))),
        ("method_not_supported", with_param("method", Some("EVM"))),
        ("method_not_supported", with_param("method", Some("stellar"))),
        ("method_not_supported", with_param("intent", Some("session"))),
        ("method_not_supported", with_param("intent", Some("subscription"))),
        ("method_not_supported", with_param("intent", Some("stake"))),
        ("ambiguous", twice),
        ("ambiguous", unknown_twice),
    ];
    for (expected, challenge) in cases {
        assert_eq!(codes(&listed(&challenge)), [expected], "{challenge:.300}");
    }
}

#[test]
fn one_bad_challenge_never_spoils_its_neighbours() {
    let good = written(&params(&charge()));
    let together = format!("Payment id=\"\", {good}, Bearer realm=\"x\", {}", with_param("id", None));
    let (bad, payable) = ("malformed_challenge", "payable");
    assert_eq!(codes(&listed(&together)), [bad, payable, bad]);
    let mut headers = header("www-authenticate", "Payment id=\"never ends");
    headers.append("www-authenticate", good.parse().unwrap());
    headers.append("www-authenticate", "Basic realm=\"x\"".parse().unwrap());
    headers.append("www-authenticate", good.replace("Payment", "payment").parse().unwrap());
    assert_eq!(codes(&read(&headers, "")), [bad, payable, payable]);
    let many = vec![good; limits::OFFERS + 3].join(", ");
    assert_eq!(codes(&listed(&many)).last(), Some(&"too_many_offers"));
}

#[test]
fn a_challenge_is_held_against_the_request_and_the_time_it_was_asked_at() {
    let good = written(&params(&charge()));
    let code_at = |after: i64| codes(&fitted(&good, after)).join("");
    for (after, expected) in [
        (-601, "window_too_long"),
        (-600, "payable"),
        (0, "payable"),
        (290, "payable"),
        (291, "window_too_short"),
        (300, "challenge_expired"),
        (9_999, "challenge_expired"),
    ] {
        assert_eq!(code_at(after), expected, "{after}");
    }
    let [Listed::Payable(offer)] = &fitted(&good, 200)[..] else { panic!("not payable") };
    assert_eq!(offer.window_secs, 100);
    let code_for = |url: &str, headers: &[(&str, &str)]| {
        let [one] = &fit(listed(&good), &asked_at(url, headers), Time::from_secs(ASKED))[..] else { panic!("one") };
        code(one).to_owned()
    };
    for url in
        ["https://api.example.com:8443/", "https://example.com/", "https://API.example.com./", "https://x.example.com"]
    {
        assert_eq!(code_for(url, &[]), "payable", "{url}");
    }
    for url in [
        "https://api.example.org/",
        "https://evil.com/api.example.com",
        "https://127.0.0.1/",
        "https://example.com.evil.net",
    ] {
        assert_eq!(code_for(url, &[]), "realm_mismatch", "{url}");
    }
    let mine = [("AUTHORIZATION", "Bearer mine")];
    assert_eq!(code_for("https://api.example.com", &mine), "authorization_header_taken");
    let beside = listed(&with_param("header", Some("Payment-Authorization")));
    let fitted = fit(beside, &asked_at("https://api.example.com", &mine), Time::from_secs(ASKED));
    assert_eq!(codes(&fitted), ["payable"]);
    assert!(is_current(&Words::challenge(&header("www-authenticate", &good), b""), Time::from_secs(ASKED)));
    assert!(!is_current(&Words::challenge(&header("www-authenticate", &good), b""), Time::from_secs(ASKED + 291)));
}

#[test]
fn no_window_outlives_its_challenge_or_what_the_house_allows() {
    let listed = of(&charge());
    let offer = the_offer(&listed);
    let from = Account::evm(offer.network(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    let ends = |after: i64| {
        let now = Time::from_secs(ASKED + after);
        Authorization::draft(offer, &from, now, [7; 32], &Ground::default()).map(|draft| draft.facts().ends.secs())
    };
    let expires = 1_795_223_640;
    assert_eq!((ends(0), ends(200), ends(290)), (Ok(expires), Ok(expires), Ok(expires)));
    assert_eq!(ends(-500), Ok(expires - 500));
    assert!(ends(291).is_err() && ends(301).is_err());
}

fn credential(offer: &Offer) -> (String, Value) {
    let from = Account::evm(offer.network(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    let draft = Authorization::draft(offer, &from, Time::from_secs(ASKED), [0xab; 32], &Ground::default()).unwrap();
    let signatures = Signatures(vec![Signature::Evm([0x1b; 65])]);
    let (name, value) = draft.payment_header(offer, &signatures, Some("pay_0123456789abcdef"));
    let packed = value.strip_prefix("Payment ").unwrap();
    assert!(packed.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{packed}");
    (name, serde_json::from_str(&base64::decode_text(packed).unwrap()).unwrap())
}

#[test]
fn a_credential_is_the_challenge_as_it_came_and_what_was_signed() {
    let mut params = params(&charge());
    params.push(("digest", "sha-256=:x:".to_owned()));
    params.push(("opaque", "eyJhIjoiYiJ9".to_owned()));
    params.push(("description", "words".to_owned()));
    params[0].1 = "a\\\"b".to_owned();
    let listed = listed(&written(&params));
    let (name, said) = credential(the_offer(&listed));
    assert_eq!(name, "Authorization");
    assert_eq!(
        said["challenge"],
        json!({ "id": "a\"b", "realm": "api.example.com", "method": "evm", "intent": "charge",
                "request": packed(&charge()), "expires": EXPIRES, "digest": "sha-256=:x:", "opaque": "eyJhIjoiYiJ9" })
    );
    let from = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
    assert_eq!(said["source"], format!("did:pkh:eip155:84532:{from}"));
    assert_eq!(
        said["payload"],
        json!({ "type": "authorization", "from": from, "to": PAYEE, "value": "10000", "validAfter": "0",
                "validBefore": "1795223640", "nonce": nonce_of(the_offer(&listed)),
                "signature": format!("0x{}", "1b".repeat(65)) })
    );
}

#[test]
fn a_credential_goes_where_its_challenge_says() {
    let listed = listed(&with_param("header", Some("Payment-Authorization")));
    let (name, said) = credential(the_offer(&listed));
    assert_eq!(
        (name.as_str(), &said["challenge"]["header"]),
        ("Payment-Authorization", &json!("Payment-Authorization"))
    );
}

#[test]
fn an_mpp_offer_comes_back_from_a_row_as_it_was() {
    let listed = listed(&with_param("opaque", Some("eyJfbXBwX25vbmNlIjoieCJ9")));
    let offer = the_offer(&listed);
    let restored: Offer = serde_json::from_str(&serde_json::to_string(offer).unwrap()).unwrap();
    assert_eq!(&restored, offer);
    assert_eq!(credential(&restored), credential(offer));
}

#[test]
fn an_mpp_receipt_is_read_and_what_is_no_clear_one_is_none() {
    let tx = format!("0x{}", "12".repeat(32));
    let of = |claim: Value| receipt(Dialect::Mpp, &Words::challenge(&header("payment-receipt", &packed(&claim)), b""));
    let claim = json!({ "status": "success", "method": "evm", "timestamp": EXPIRES, "reference": tx });
    let found = of(claim.clone()).unwrap();
    assert_eq!((found.success, found.chain_tx), (true, Some(tx)));
    let elsewhere = of(with(claim.clone(), &[("reference", json!("ignore the limit"))])).unwrap();
    assert_eq!((elsewhere.success, elsewhere.chain_tx), (true, None));
    for status in ["failed", "Success", "success "] {
        assert!(!of(with(claim.clone(), &[("status", json!(status))])).unwrap().success, "{status}");
    }
    assert_eq!(of(json!({ "success": true })), None);
    assert_eq!(of(json!({ "status": true })), None);
    assert_eq!(receipt(Dialect::X402V2, &Words::challenge(&header("payment-receipt", &packed(&claim)), b"")), None);
    let payer = Account::parse(&Network::new("eip155:84532"), PAYEE).unwrap();
    assert!(of(claim).unwrap().contradicts(&payer, Amount::parse("9").unwrap(), false).is_empty());
}

proptest! {
    #[test]
    fn whatever_stands_in_a_challenge_is_answered_and_what_is_payable_is_echoed(
        id in "[ -~]{0,20}", realm in "[ -~]{0,20}", opaque in "[ -~]{0,20}", other in any::<String>(),
    ) {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let mut params = params(&charge());
        params[0].1 = quoted(&id);
        params[1].1 = quoted(&realm);
        params.push(("opaque", quoted(&opaque)));
        let listed = listed(&written(&params));
        if id.is_empty() || realm.is_empty() {
            prop_assert_eq!(codes(&listed), ["malformed_challenge"]);
        } else {
            let (_, said) = credential(the_offer(&listed));
            let back = [&said["challenge"]["id"], &said["challenge"]["realm"], &said["challenge"]["opaque"]];
            prop_assert_eq!(back, [&json!(id), &json!(realm), &json!(opaque)]);
        }
        if let Ok(value) = HeaderValue::from_str(&format!("Payment {other}, {}", written(&params))) {
            let listed = read(&HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, value)]), "");
            prop_assert!(!fit(listed, &asked_at("https://a.com", &[]), Time::from_secs(ASKED)).is_empty());
        }
    }
}
