//! What an agent may write into a request.

use ::http::{HeaderName, HeaderValue};

use crate::{limits, text};

/// Methods an agent may use. CONNECT, TRACE and OPTIONS are not for buying things, and a HEAD would be paid for like a
/// GET and bring nothing.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// Headers that belong to the connection, to the payment, or to how bursar reads replies.
const OURS: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-payment",
];

/// Families of the same.
const OUR_FAMILIES: [&str; 3] = ["proxy-", "payment-", "x-payment-"];

/// Ways to pay, to agree to a price, or to sign in with a wallet, past the owner's limits and the ledger.
const CREDENTIALS: [&str; 6] =
    ["crawler-exact-price", "crawler-max-price", "sign-in-with-ethereum", "sign-in-with-x", "x-cashu", "x-wallet-key"];

/// Schemes of `Authorization` that are payments.
const PAYMENT_SCHEMES: [&str; 3] = ["payment", "l402", "lsat"];

/// Some servers obey these over the request line. They would make it another request than the one the owner's rules
/// about methods, paths and hosts were asked about.
const OVERRIDES: [&str; 9] = [
    "forwarded",
    "x-forwarded-host",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];

/// Headers that tell nothing about who asks.
const ANYBODYS: [&str; 10] = [
    "accept",
    "accept-charset",
    "accept-language",
    "cache-control",
    "content-language",
    "content-type",
    "pragma",
    "prefer",
    "range",
    "user-agent",
];

/// Whether an agent's headers can go out as they are; otherwise the sentence that says which cannot, and why.
pub fn check_headers(headers: &[(String, String)]) -> Result<(), String> {
    if headers.len() > limits::REQUEST_HEADERS {
        return Err(format!("a request has at most {} headers", limits::REQUEST_HEADERS));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > limits::REQUEST_HEADER_BYTES {
        return Err(format!("the headers of a request have at most {} bytes", limits::REQUEST_HEADER_BYTES));
    }
    headers.iter().try_for_each(|(name, value)| check_header(name, value))
}

/// Whether an agent's method is one bursar sends.
pub fn check_method(method: &str) -> Result<(), String> {
    if METHODS.contains(&method) {
        return Ok(());
    }
    if method == "HEAD" {
        return Err("the method HEAD brings no goods, and a seller may take money for it all the same: use GET, or \
                    quote to see the price"
            .to_owned());
    }
    Err(format!("the method `{}` is not one of {}", text::quoted(method, 20), METHODS.join(", ")))
}

/// Whether a header goes along when a redirect leaves the origin it was given for. Secrets have too many names to list,
/// so only what is known to be none does.
pub fn may_cross(name: &str) -> bool {
    ANYBODYS.iter().any(|anybodys| name.eq_ignore_ascii_case(anybodys))
}

fn check_header(name: &str, value: &str) -> Result<(), String> {
    let shown = text::quoted(name, 60);
    let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(format!("`{shown}` is not a header name"));
    };
    // Visible ASCII, spaces and tabs: no CR, LF or NUL can begin a header of its own.
    if !value.is_ascii() || HeaderValue::from_str(value).is_err() {
        return Err(format!("the value of header `{shown}` has characters a header cannot hold"));
    }
    // The parsed name is in lower case.
    let name = parsed.as_str();
    if is_credential(name, value) {
        return Err(format!(
            "header `{shown}` carries a payment or a wallet's signature of your own, and only bursar pays here, inside \
             its owner's limits: leave it out"
        ));
    }
    if OURS.contains(&name) || OUR_FAMILIES.iter().any(|family| name.starts_with(family)) {
        return Err(format!("header `{shown}` is written by bursar itself: leave it out"));
    }
    if OVERRIDES.contains(&name) {
        return Err(format!(
            "header `{shown}` could make this another request than its method and URL say: leave it out"
        ));
    }
    Ok(())
}

/// Several challenges may be answered in one header, one after the other.
fn is_credential(name: &str, value: &str) -> bool {
    let pays = |answer: &str| {
        let scheme = answer.split_ascii_whitespace().next().unwrap_or_default();
        PAYMENT_SCHEMES.iter().any(|paying| scheme.eq_ignore_ascii_case(paying))
    };
    let is_ours = ["payment-authorization", "payment-signature", "x-payment"].contains(&name);
    is_ours || CREDENTIALS.contains(&name) || (name == "authorization" && value.split(',').any(pays))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str) -> Result<(), String> {
        check_headers(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn ordinary_headers_pass() {
        let ordinary = [
            ("Accept", "application/json"),
            ("Authorization", "Bearer abc"),
            ("Cookie", "a=b; c=d"),
            ("X-Api-Key", "k"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("User-Agent", "research"),
            ("Range", "bytes=0-9"),
            ("X-Empty", ""),
            ("X-Tab", "a\tb"),
        ];
        for (name, value) in ordinary {
            assert_eq!(check(name, value), Ok(()), "{name}");
        }
    }

    #[test]
    fn headers_of_the_connection_and_the_payment_are_refused_in_any_case() {
        let ours = [
            "Host",
            "CONTENT-LENGTH",
            "Transfer-Encoding",
            "connection",
            "TE",
            "Trailer",
            "Upgrade",
            "Keep-Alive",
            "Proxy-Authorization",
            "Proxy-Connection",
            "PAYMENT-SIGNATURE",
            "Payment-Required",
            "payment-response",
            "X-PAYMENT",
            "x-payment-response",
            "Accept-Encoding",
            "Expect",
        ];
        for name in ours {
            assert!(check(name, "x").is_err(), "{name}");
        }
    }

    #[test]
    fn a_payment_credential_of_the_agents_own_is_refused_by_name() {
        let own = [
            ("Authorization", "Payment abc"),
            ("authorization", "l402 a:b"),
            ("Authorization", "LSAT a:b"),
            ("Authorization", "Bearer a, Payment abc"),
            ("SIGN-IN-WITH-X", "e30="),
            ("X-Cashu", "cashuB"),
            ("Crawler-Max-Price", "USD 1"),
            ("X-PAYMENT", "e30="),
            ("Payment-Signature", "e30="),
        ];
        for (name, value) in own {
            let said = check(name, value).unwrap_err();
            assert!(said.contains(&format!("`{name}` carries a payment")) && !said.contains(value), "{said}");
        }
        for value in ["Bearer Payment", "Basic cGF5bWVudA==", "Payments abc", "Bearer payment, x"] {
            assert_eq!(check("Authorization", value), Ok(()), "{value}");
        }
    }

    #[test]
    fn nothing_can_begin_a_header_of_its_own() {
        for value in ["a\r\nX-PAYMENT: x", "a\nb", "a\rb", "a\0b", "\u{7f}", "ü", "a\u{2028}b"] {
            assert!(check("X-A", value).is_err(), "{value:?}");
        }
        for name in ["", " ", "X A", "X-A:", ":authority", "X\r\nY", "X\0", "Xü", "(x)"] {
            assert!(check(name, "x").is_err(), "{name:?}");
        }
    }

    #[test]
    fn how_many_and_how_much_is_bounded() {
        let many = |count: usize, value: &str| vec![("X-A".to_owned(), value.to_owned()); count];
        assert_eq!(check_headers(&many(limits::REQUEST_HEADERS, "x")), Ok(()));
        assert!(check_headers(&many(limits::REQUEST_HEADERS + 1, "x")).is_err());
        assert_eq!(check_headers(&many(1, &"x".repeat(limits::REQUEST_HEADER_BYTES - 3))), Ok(()));
        assert!(check_headers(&many(1, &"x".repeat(limits::REQUEST_HEADER_BYTES - 2))).is_err());
    }

    #[test]
    fn methods_are_the_known_ones_in_capitals() {
        assert!(METHODS.iter().all(|method| check_method(method).is_ok()));
        for method in ["", "get", "HEAD", "CONNECT", "TRACE", "GET ", "GET\r\n", "PROPFIND", "GÉT"] {
            assert!(check_method(method).is_err(), "{method:?}");
        }
    }

    #[test]
    fn a_refusal_quotes_no_line_breaks() {
        assert_eq!(check("a\r\nb", "x"), Err("`a  b` is not a header name".to_owned()));
    }

    #[test]
    fn what_could_make_it_another_request_is_refused() {
        for name in ["X-HTTP-Method-Override", "x-original-url", "X-Forwarded-Host", "Forwarded"] {
            let said = check(name, "DELETE").unwrap_err();
            assert!(said.contains("another request"), "{said}");
        }
    }

    #[test]
    fn nothing_that_may_be_a_secret_crosses_whatever_it_is_called() {
        let secrets = [
            "Authorization",
            "cookie",
            "Proxy-Authorization",
            "X-API-Key",
            "apikey",
            "X-Auth",
            "X-Csrf-Token",
            "Idempotency-Key",
            "If-None-Match",
            "Referer",
            "X-Pin",
            "X-Never-Heard-Of",
        ];
        for name in secrets {
            assert!(!may_cross(name), "{name}");
        }
        for name in ["Accept", "content-type", "USER-AGENT", "Range"] {
            assert!(may_cross(name), "{name}");
        }
    }
}
