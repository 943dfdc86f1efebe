//! What is asked of a request before anybody looks at what it wants: that it came to us by our own name, and that
//! whatever changes something was sent by a page of ours.
//!
//! A name that was rebound to this machine brings its own `Host`; a page of another site, or of another port here, brings
//! its own `Origin`. Browsers let no page write either.

use http::Method;

use super::request::PageRequest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It asks for another host.
    ForeignHost,
    /// It would change something, and comes from somewhere else or does not say from where.
    ForeignOrigin,
    /// Neither a look nor a form.
    OtherMethod,
}

/// Lets a request pass that came to `origin` by its own name, and from there if it is a form.
pub fn check(request: &PageRequest, origin: &str) -> Result<(), Stopped> {
    let host = origin.split_once("://").map(|(_, host)| host);
    // A whole URL in the request line is for proxies, and could name another host than the header does.
    if request.header("host") != host || request.uri.authority().is_some() {
        return Err(Stopped::ForeignHost);
    }
    match request.method {
        Method::GET => Ok(()),
        Method::POST if is_from(request, origin) => Ok(()),
        Method::POST => Err(Stopped::ForeignOrigin),
        _ => Err(Stopped::OtherMethod),
    }
}

/// Every browser says the origin of a form; those that also say how far away it is must not contradict that.
fn is_from(request: &PageRequest, origin: &str) -> bool {
    let is_ours = request.header("origin") == Some(origin);
    let is_near = match request.headers.contains_key("sec-fetch-site") {
        true => request.header("sec-fetch-site") == Some("same-origin"),
        false => true,
    };
    is_ours && is_near
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{HeaderName, HeaderValue};

    use super::super::request::FormFields;
    use super::*;

    const HOST: &str = "127.0.0.1:4242";
    const ORIGIN: &str = "http://127.0.0.1:4242";

    fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> PageRequest {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        }
        PageRequest { method, uri: uri.parse().unwrap(), headers: map, form: FormFields::default() }
    }

    fn check_all(method: Method, headers: &[(&str, &str)]) -> Result<(), Stopped> {
        check(&request(method, "/", headers), ORIGIN)
    }

    #[test]
    fn only_our_own_name_is_answered_to() {
        assert_eq!(check_all(Method::GET, &[("host", HOST)]), Ok(()));
        for foreign in [
            "",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost:4242",
            "[::1]:4242",
            "evil.example:4242",
            "127.0.0.1:4242.",
            "127.0.0.1:42420",
        ] {
            assert_eq!(check_all(Method::GET, &[("host", foreign)]), Err(Stopped::ForeignHost), "{foreign}");
        }
        assert_eq!(check_all(Method::GET, &[]), Err(Stopped::ForeignHost));
    }

    #[test]
    fn an_origin_of_the_owners_is_another_name_with_its_own_forms() {
        let far = |method, host, origin| {
            check(&request(method, "/", &[("host", host), ("origin", origin)]), "https://bursar.example.com")
        };
        assert_eq!(far(Method::POST, "bursar.example.com", "https://bursar.example.com"), Ok(()));
        for host in [HOST, "bursar.example.com:443", "evil.example.com"] {
            assert_eq!(far(Method::GET, host, ORIGIN), Err(Stopped::ForeignHost), "{host}");
        }
        for origin in [ORIGIN, "http://bursar.example.com", "https://bursar.example.com:8443"] {
            assert_eq!(far(Method::POST, "bursar.example.com", origin), Err(Stopped::ForeignOrigin), "{origin}");
        }
    }

    #[test]
    fn two_names_are_no_name() {
        let twice = [("host", HOST), ("host", "evil.example")];
        assert_eq!(check_all(Method::GET, &twice), Err(Stopped::ForeignHost));
        let whole = request(Method::GET, "http://evil.example/", &[("host", HOST)]);
        assert_eq!(check(&whole, ORIGIN), Err(Stopped::ForeignHost));
    }

    #[test]
    fn a_form_says_that_it_comes_from_us() {
        let post = |more: &[(&str, &str)]| check_all(Method::POST, &[&[("host", HOST)], more].concat());
        assert_eq!(post(&[("origin", ORIGIN)]), Ok(()));
        assert_eq!(post(&[("origin", ORIGIN), ("sec-fetch-site", "same-origin")]), Ok(()));
        for foreign in
            ["null", "http://evil.example", "http://127.0.0.1:4243", "http://localhost:4242", "https://127.0.0.1:4242"]
        {
            assert_eq!(post(&[("origin", foreign)]), Err(Stopped::ForeignOrigin), "{foreign}");
        }
        assert_eq!(post(&[]), Err(Stopped::ForeignOrigin));
        assert_eq!(post(&[("origin", ORIGIN), ("origin", ORIGIN)]), Err(Stopped::ForeignOrigin));
    }

    #[test]
    fn a_form_from_another_site_or_port_is_stopped_whatever_origin_it_says() {
        for far in ["cross-site", "same-site", "none", ""] {
            let headers = [("host", HOST), ("origin", ORIGIN), ("sec-fetch-site", far)];
            assert_eq!(check_all(Method::POST, &headers), Err(Stopped::ForeignOrigin), "{far}");
        }
    }

    #[test]
    fn nothing_but_looks_and_forms_is_known() {
        for method in [Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::CONNECT, Method::TRACE] {
            assert_eq!(check_all(method, &[("host", HOST), ("origin", ORIGIN)]), Err(Stopped::OtherMethod));
        }
    }
}
