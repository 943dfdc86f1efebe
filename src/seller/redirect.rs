//! Pure: where a redirect leads, and what goes along.

use ::http::header::LOCATION;
use ::http::{HeaderMap, StatusCode};

use crate::ports::SellerError;
use crate::request::Request;
use crate::request::may_cross;
use crate::{limits, text};

/// The request a redirect asks for; none when the reply is an answer.
pub fn next(asked: &Request, status: StatusCode, headers: &HeaderMap) -> Result<Option<Request>, SellerError> {
    let Some(location) = headers.get(LOCATION).filter(|_| is_redirect(status)) else { return Ok(None) };
    let written = location.to_str().map_err(|_| bad_location(asked, "is not text"))?;
    let mut url = asked.url.join(written).map_err(|error| bad_location(asked, &error.to_string()))?;
    url.set_fragment(None);
    let mut follow = Request { url, ..asked.clone() };
    if becomes_get(status, &asked.method) {
        follow.method = "GET".to_owned();
        follow.body.clear();
        follow.headers.retain(|(name, _)| !is_about_the_body(name));
    }
    // Another origin is another seller: it gets what anyone may see.
    if follow.url.origin() != asked.url.origin() {
        follow.headers.retain(|(name, _)| may_cross(name));
    }
    Ok(Some(follow))
}

/// 300 offers a choice and 304 to 306 lead nowhere: those are answers.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// As browsers do it, and as sellers have come to expect.
fn becomes_get(status: StatusCode, method: &str) -> bool {
    match status.as_u16() {
        303 => true,
        301 | 302 => method == "POST",
        _ => false,
    }
}

fn is_about_the_body(name: &str) -> bool {
    name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"))
}

fn bad_location(asked: &Request, why: &str) -> SellerError {
    let host = text::quoted(asked.url.host_str().unwrap_or_default(), limits::QUOTED_CHARS);
    SellerError::Misbehaved { host, cause: format!("its redirect leads nowhere: {why}") }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn post(url: &str) -> Request {
        let header = |name: &str| (name.to_owned(), "x".to_owned());
        Request {
            method: "POST".to_owned(),
            url: Url::parse(url).unwrap(),
            headers: vec![header("Accept"), header("Authorization"), header("X-Api-Key"), header("Content-Type")],
            body: b"body".to_vec(),
        }
    }

    fn follow(asked: &Request, status: u16, location: &str) -> Option<Request> {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        next(asked, StatusCode::from_u16(status).unwrap(), &headers).unwrap()
    }

    fn names(request: &Request) -> Vec<&str> {
        request.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn only_five_statuses_lead_on_and_only_with_a_location() {
        let asked = post("https://a.example/x");
        for status in 100..600 {
            let led = follow(&asked, status, "/y").is_some();
            assert_eq!(led, [301, 302, 303, 307, 308].contains(&status), "{status}");
        }
        assert_eq!(next(&asked, StatusCode::FOUND, &HeaderMap::new()), Ok(None));
    }

    #[test]
    fn the_method_and_body_change_as_browsers_change_them() {
        let asked = post("https://a.example/x");
        for status in [301, 302, 303] {
            let led = follow(&asked, status, "/y").unwrap();
            assert_eq!((led.method.as_str(), led.body.len()), ("GET", 0));
            assert_eq!(names(&led), ["Accept", "Authorization", "X-Api-Key"]);
        }
        for status in [307, 308] {
            let led = follow(&asked, status, "/y").unwrap();
            assert_eq!(led, Request { url: Url::parse("https://a.example/y").unwrap(), ..asked.clone() });
        }
        let with = |method: &str| Request { method: method.to_owned(), ..asked.clone() };
        assert_eq!(follow(&with("PUT"), 302, "/y").unwrap().method, "PUT");
        assert_eq!(follow(&with("PUT"), 303, "/y").unwrap().method, "GET");
    }

    #[test]
    fn sensitive_headers_stay_with_their_origin() {
        let asked = post("https://a.example/x");
        let others = ["https://b.example/x", "https://a.example:8443/x", "http://a.example/x", "//sub.a.example/x"];
        for location in others {
            assert_eq!(names(&follow(&asked, 307, location).unwrap()), ["Accept", "Content-Type"], "{location}");
        }
        for location in ["/y", "https://A.example:443/z", "?q", "https://a.example"] {
            assert_eq!(follow(&asked, 307, location).unwrap().headers, asked.headers, "{location}");
        }
    }

    #[test]
    fn a_location_is_read_as_a_url_without_fragment() {
        let asked = post("https://a.example/x/y?z=1");
        assert_eq!(follow(&asked, 307, "../w#frag").unwrap().url.as_str(), "https://a.example/w");
        let broken = HeaderMap::from_iter([(LOCATION, "https://[broken".parse().unwrap())]);
        assert!(matches!(next(&asked, StatusCode::FOUND, &broken), Err(SellerError::Misbehaved { .. })));
    }
}
