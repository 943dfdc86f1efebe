//! What an agent may write into a request.

use ::http::{HeaderName, HeaderValue};

use crate::{limits, text};

/// Methods an agent may use. CONNECT and TRACE are not for buying things.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

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
    Err(format!("the method `{}` is not one of {}", text::quoted(method, 20), METHODS.join(", ")))
}

/// Whether a header may hold what only its own seller should see: it stays behind when a redirect leaves the origin.
pub fn is_sensitive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let marks = ["auth", "cookie", "credential", "key", "password", "secret", "session", "signature", "token"];
    name.starts_with("proxy-") || marks.iter().any(|mark| name.contains(mark))
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
    if OURS.contains(&name) || OUR_FAMILIES.iter().any(|family| name.starts_with(family)) {
        return Err(format!("header `{shown}` is written by bursar itself: leave it out"));
    }
    Ok(())
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
        for method in ["", "get", "CONNECT", "TRACE", "GET ", "GET\r\n", "PROPFIND", "GÉT"] {
            assert!(check_method(method).is_err(), "{method:?}");
        }
    }

    #[test]
    fn a_refusal_quotes_no_line_breaks() {
        assert_eq!(check("a\r\nb", "x"), Err("`a  b` is not a header name".to_owned()));
    }

    #[test]
    fn what_only_its_own_seller_should_see_is_recognised() {
        for name in ["Authorization", "cookie", "Proxy-Authorization", "X-API-Key", "apikey", "X-Auth", "X-Csrf-Token"]
        {
            assert!(is_sensitive(name), "{name}");
        }
        for name in ["Accept", "Content-Type", "User-Agent", "Range", "X-Trace"] {
            assert!(!is_sensitive(name), "{name}");
        }
    }
}
