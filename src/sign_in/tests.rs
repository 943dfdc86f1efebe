//! A sign-in is signed as the reference signs it, for the origin that asked and no other, and says one thing only.

use alloy_primitives::address;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::wallet::{Key, WalletError};

/// The first account of every development chain.
const ANVIL: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: Address = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

fn now() -> Time {
    Time::parse("2026-11-28T12:00:02Z").unwrap()
}

fn url() -> Url {
    Url::parse("https://api.example.com/premium-data?x=1").unwrap()
}

fn bare() -> Value {
    json!({
        "info": {
            "domain": "api.example.com",
            "uri": "https://api.example.com/premium-data?x=1",
            "version": "1",
            "nonce": "a1b2c3d4e5f67890a1b2c3d4e5f67890",
            "issuedAt": "2026-11-28T12:00:00.000Z",
        },
        "supportedChains": [{ "chainId": "eip155:8453", "type": "eip191" }],
        "schema": {},
    })
}

fn full() -> Value {
    with(|info| {
        info["statement"] = json!("Sign in to access premium data");
        info["expirationTime"] = json!("2026-11-28T12:05:00.000Z");
        info["notBefore"] = json!("2026-11-28T12:00:00.000Z");
        info["requestId"] = json!("req-7");
        info["resources"] = json!(["https://api.example.com/premium-data?x=1", "https://api.example.com/other"]);
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut asked = bare();
    change(&mut asked["info"]);
    asked
}

fn draft_for(url: &Url, asked: &Value) -> Result<SignIn, NotSound> {
    let networks = [Network::eip155(8453), Network::eip155(137)];
    SignIn::draft(&SignInWanted::read(&asked.to_string())?, ADDRESS, url, &networks, now())
}

fn draft(asked: &Value) -> Result<SignIn, NotSound> {
    draft_for(&url(), asked)
}

fn with_field(field: &'static str, value: impl Into<Value>) -> Result<SignIn, NotSound> {
    draft(&with(|info| info[field] = value.into()))
}

fn key() -> Key {
    Key::read(ANVIL.as_bytes()).unwrap()
}

/// Made with `@x402/extensions` 2.27.0 and viem 2.57.1.
#[test]
fn text_and_signature_are_those_of_the_reference() {
    let vectors = [
        (
            bare(),
            "api.example.com wants you to sign in with your Ethereum account:\n0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\n\nURI: https://api.example.com/premium-data?x=1\nVersion: 1\nChain ID: 8453\nNonce: a1b2c3d4e5f67890a1b2c3d4e5f67890\nIssued At: 2026-11-28T12:00:00.000Z",
            "0x6d796966293025c620b4102efed7d19b9ddbdcad425a63d1a43f160d7fe4d35152f4b41b074c89d03d67e553a11be5e40240eba916cfaecf793e68403ecbdf551b",
        ),
        (
            full(),
            "api.example.com wants you to sign in with your Ethereum account:\n0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266\n\nSign in to access premium data\n\nURI: https://api.example.com/premium-data?x=1\nVersion: 1\nChain ID: 8453\nNonce: a1b2c3d4e5f67890a1b2c3d4e5f67890\nIssued At: 2026-11-28T12:00:00.000Z\nExpiration Time: 2026-11-28T12:05:00.000Z\nNot Before: 2026-11-28T12:00:00.000Z\nRequest ID: req-7\nResources:\n- https://api.example.com/premium-data?x=1\n- https://api.example.com/other",
            "0x2bf5dc94eac8f2f24c336cae4afe50666eb4355a67b5495505c5b08159ca59bd5ed3b7a5bfb54d3983a126c481160dfbafed205f035ecebe608644080298a5f61b",
        ),
    ];
    for (asked, text, signature) in vectors {
        let drafted = draft(&asked).unwrap();
        assert_eq!(drafted.text(), text);
        let signed = key().sign_in(&drafted).unwrap();
        assert_eq!(signed.to_string(), signature);
        assert!(drafted.is_signed(&signed));
    }
}

#[test]
fn the_header_says_what_was_signed_and_nothing_else() {
    let drafted = draft(&full()).unwrap();
    let signed = key().sign_in(&drafted).unwrap();
    let header = alloy_primitives::hex::encode(drafted.header(&signed));
    assert!(header.len() / 2 < 8 * 1024);
    let mut expected = full()["info"].clone();
    expected["address"] = json!(ADDRESS.to_string());
    expected["chainId"] = json!("eip155:8453");
    (expected["type"], expected["signatureScheme"]) = (json!("eip191"), json!("eip191"));
    expected["signature"] = json!(signed.to_string());
    use base64::{Engine, engine::general_purpose::STANDARD};
    let said: Value = serde_json::from_slice(&STANDARD.decode(drafted.header(&signed)).unwrap()).unwrap();
    assert_eq!(said, expected);
}

#[test]
fn a_key_signs_in_for_its_own_address_only() {
    let foreign = SignIn { address: Address::repeat_byte(1), ..draft(&bare()).unwrap() };
    assert_eq!(key().sign_in(&foreign), Err(WalletError::NotOurs { ours: ADDRESS.into() }));
    let drafted = draft(&bare()).unwrap();
    let signed = key().sign_in(&drafted).unwrap();
    assert!(!SignIn { nonce: "another1".into(), ..drafted }.is_signed(&signed));
}

#[test]
fn no_domain_but_the_one_that_asked_is_signed_in_to() {
    let others = [
        "evil.example",
        "example.com",
        "www.api.example.com",
        "api.example.com.",
        "API.example.com",
        "api.example.com:443",
        "api.example.com:8443",
        "api.example.com@evil.example",
        "user@api.example.com",
        "https://api.example.com",
        "api.example.com/",
        "api.example.com\n",
        " api.example.com",
        "api.exampl\u{0435}.com",
        "api.example.com%00",
        "",
        "*",
    ];
    for domain in others {
        assert_eq!(with_field("domain", domain), Err(NotSound::OtherDomain), "{domain}");
    }
}

#[test]
fn a_port_is_part_of_the_origin() {
    let at = Url::parse("http://127.0.0.1:4021/x").unwrap();
    let asked = |domain: &str, uri: &str| with(|info| (info["domain"], info["uri"]) = (json!(domain), json!(uri)));
    assert!(draft_for(&at, &asked("127.0.0.1:4021", "http://127.0.0.1:4021/x")).is_ok());
    assert_eq!(draft_for(&at, &asked("127.0.0.1", "http://127.0.0.1:4021/x")), Err(NotSound::OtherDomain));
    let apart = ["http://127.0.0.1/x", "http://127.0.0.1:40211/x", "https://127.0.0.1:4021/x", "http://127.1:4021/x"];
    for uri in apart {
        assert_eq!(draft_for(&at, &asked("127.0.0.1:4021", uri)), Err(NotSound::OtherOrigin("uri")), "{uri}");
    }
    let idn = Url::parse("https://b\u{fc}cher.example/").unwrap();
    assert!(draft_for(&idn, &asked("xn--bcher-kva.example", "https://xn--bcher-kva.example/")).is_ok());
    assert_eq!(
        draft_for(&idn, &asked("b\u{fc}cher.example", "https://xn--bcher-kva.example/")),
        Err(NotSound::OtherDomain)
    );
}

#[test]
fn no_uri_but_one_of_the_origin_that_asked_is_signed() {
    let others = [
        "https://evil.example/",
        "https://api.example.com.evil.example/",
        "https://api.example.com@evil.example/",
        "https://user@api.example.com/",
        "https://api.example.com:8443/",
        "http://api.example.com/",
        "https://API.EXAMPLE.COM/",
        "https:api.example.com/x",
        "https:\\\\api.example.com\\x",
        "//api.example.com/",
        "/premium-data",
        "https://api.example.com\\@evil.example/",
        "https://api.example.com/a b",
        "https://api.example.com/\nVersion: 2",
        "https://api.example.com/\u{202e}",
        "https://api.example.com:443/",
        "",
        "urn:recap:eyJhdHQiOnt9fQ",
        "javascript:alert(1)",
    ];
    for uri in others {
        assert_eq!(with_field("uri", uri), Err(NotSound::OtherOrigin("uri")), "{uri}");
        assert_eq!(with_field("resources", json!([uri])), Err(NotSound::OtherOrigin("resources")), "{uri}");
    }
    for uri in ["https://api.example.com", "https://api.example.com/other?q=%20#part"] {
        assert!(with_field("uri", uri).is_ok(), "{uri}");
    }
}

#[test]
fn a_statement_is_one_plain_line_that_reads_as_no_other() {
    let long = "x".repeat(limits::SIGN_IN_STATEMENT_BYTES + 1);
    let spoofs = [
        "",
        "a\nb",
        "a\rb",
        "a\tb",
        "a\u{0}b",
        "Gr\u{fc}\u{df}e",
        "\u{202e}evil",
        "\u{200b}",
        "say \"x\"",
        "<b>",
        &long,
        "URI: https://evil.example",
        " uri: https://evil.example",
        "Version: 2",
        "Nonce: 12345678",
        "Resources:",
        "Chain ID: 1",
        "Request ID: x",
        "Expiration Time: 2099-01-01T00:00:00Z",
        "evil.example wants you to sign in with your Ethereum account:",
    ];
    for statement in spoofs {
        assert_eq!(with_field("statement", statement), Err(NotSound::BadField("statement")), "{statement:?}");
    }
    assert!(with_field("statement", "Sign in to read it again (it's free): see https://api.example.com/terms").is_ok());
}

#[test]
fn what_is_out_of_form_is_not_signed() {
    let bad: [(&str, Value); 15] = [
        ("version", json!("2")),
        ("version", json!(1)),
        ("nonce", json!("short")),
        ("nonce", json!("a-b-c-d-e-f-g")),
        ("nonce", json!("x".repeat(129))),
        ("nonce", Value::Null),
        ("requestId", json!("")),
        ("requestId", json!("a b")),
        ("requestId", json!("a\nb")),
        ("statement", json!(["x"])),
        ("resources", json!([])),
        ("resources", json!("x")),
        ("resources", json!([1])),
        ("issuedAt", json!("yesterday")),
        ("expirationTime", json!("2026-11-28")),
    ];
    for (field, value) in bad {
        assert_eq!(with_field(field, value.clone()), Err(NotSound::BadField(field)), "{field} {value}");
    }
    let many = vec!["https://api.example.com/"; limits::SIGN_IN_RESOURCES + 1];
    assert_eq!(with_field("resources", json!(many)), Err(NotSound::BadField("resources")));
    let long = format!("https://api.example.com/{}", "x".repeat(limits::SIGN_IN_BYTES));
    assert_eq!(with_field("uri", long), Err(NotSound::BadField("message")));
}

#[test]
fn it_is_asked_for_now_and_not_over() {
    let cases = [
        ("issuedAt", "2026-11-28T11:54:00.000Z"),
        ("issuedAt", "2026-11-28T12:02:00.000Z"),
        ("expirationTime", "2026-11-28T12:00:01.000Z"),
        ("expirationTime", "2026-11-28T11:00:00.000Z"),
        ("notBefore", "2026-11-28T12:02:00.000Z"),
        ("notBefore", "2099-01-01T00:00:00Z"),
    ];
    for (field, value) in cases {
        assert_eq!(with_field(field, value), Err(NotSound::NotNow), "{field} {value}");
    }
    let backwards = with(|info| {
        info["notBefore"] = json!("2026-11-28T12:00:30Z");
        info["expirationTime"] = json!("2026-11-28T12:00:20Z");
    });
    assert_eq!(draft(&backwards), Err(NotSound::NotNow));
    for issued in ["2026-11-28T12:00:00Z", "2026-11-28T14:00:00.123456789+02:00", "2026-11-28T12:00:30Z"] {
        assert!(with_field("issuedAt", issued).is_ok(), "{issued}");
    }
    let shapes = [
        "2026-11-28T12:00:00",
        "2026-11-28t12:00:00z",
        "2026-11-28 12:00:00Z",
        "20261128T120000Z",
        "2026-11-28T12:00:00.Z",
        "2026-11-28T12:00:00+0200",
        "2026-11-28T12:00:00Z[UTC]",
        "2026-13-28T12:00:00Z",
    ];
    for issued in shapes {
        assert_eq!(with_field("issuedAt", issued), Err(NotSound::BadField("issuedAt")), "{issued}");
    }
}

#[test]
fn only_a_chain_of_the_owners_networks_and_a_plain_key_will_do() {
    let on = |chains: Value| {
        let mut asked = bare();
        asked["supportedChains"] = chains;
        draft(&asked).map(|drafted| drafted.network.to_string())
    };
    let taken = json!([
        { "chainId": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "type": "ed25519" },
        { "chainId": "eip155:1", "type": "eip191" },
        { "chainId": "eip155:08453", "type": "eip191" },
        { "chainId": "eip155:8453", "type": "eip191", "signatureScheme": "eip1271" },
        { "chainId": "eip155:8453", "type": "ed25519" },
        { "chainId": "eip155:137", "type": "eip191", "signatureScheme": "eip191" },
    ]);
    assert_eq!(on(taken), Ok("eip155:137".to_owned()));
    assert_eq!(on(json!([{ "chainId": "eip155:1", "type": "eip191" }])), Err(NotSound::NoChain));
    assert_eq!(on(json!([])), Err(NotSound::NoChain));
    assert_eq!(on(json!({})), Err(NotSound::Malformed));
}

#[test]
fn what_has_two_readings_has_none() {
    let twice = bare().to_string().replacen("\"nonce\":", "\"domain\":\"evil.example\",\"nonce\":", 1);
    assert_eq!(SignInWanted::read(&twice), Err(NotSound::Malformed));
    for text in ["", "[]", "{}", "{\"info\":[]}", "null", "\"x\""] {
        assert_eq!(SignInWanted::read(text), Err(NotSound::Malformed), "{text}");
    }
}

#[test]
fn a_text_that_would_not_be_written_so_is_not_read() {
    let text = draft(&full()).unwrap().text();
    assert!(SignIn::read(&text).is_some());
    let changed = [
        text.replace("Version: 1", "Version: 2"),
        text.replace("0xf39F", "0xf39f"),
        text.replace("\nNonce", "\n\nNonce"),
        text.replace("Chain ID: 8453", "Chain ID: 08453"),
        format!("{text}\n"),
        format!("https://{text}"),
        text.replace("\n- https://api.example.com/other", "\nhttps://api.example.com/other"),
    ];
    for text in changed {
        assert_eq!(SignIn::read(&text), None, "{text}");
    }
}

proptest! {
    // A failure prints what was asked for, smallest first.
    #[test]
    fn whatever_a_seller_writes_is_signed_as_one_text_of_its_own_origin_or_not_at_all(
        field in prop::sample::select(vec!["domain", "uri", "statement", "nonce", "issuedAt", "expirationTime", "notBefore", "requestId"]),
        value in "\\PC{0,40}|[ -~\\n]{0,60}|(https://api\\.example\\.com[/?#@:.]?)[ -~]{0,30}",
    ) {
        if let Ok(drafted) = with_field(field, value) {
            let text = drafted.text();
            prop_assert!(text.starts_with("api.example.com wants you to sign in with your Ethereum account:\n"));
            prop_assert_eq!(text.lines().filter(|line| line.starts_with("URI: https://api.example.com")).count(), 1);
            prop_assert_eq!(SignIn::read(&text), Some(drafted));
        }
    }
}
