//! Pure: how a host is written in a policy, and which hosts it means.

use std::net::Ipv6Addr;

use url::Url;

use super::read::Complaint;
use crate::text::quoted;

/// The host a URL names, as rules and budgets know it: lower case, punycode, without the dot that may end it (the same
/// machine answers with and without it, so it must not be another budget).
pub(super) fn host_of(url: &Url) -> &str {
    let host = url.host_str().unwrap_or_default();
    host.strip_suffix('.').unwrap_or(host)
}

/// `pattern` is an exact host, or `*.` and the name whose subdomains it means.
pub(super) fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
        }
        None => pattern == host,
    }
}

/// Every host `later` means, `earlier` means too.
pub(super) fn covers(earlier: &str, later: &str) -> bool {
    match later.strip_prefix("*.") {
        Some(parent) => earlier == later || earlier.starts_with("*.") && matches(earlier, parent),
        None => matches(earlier, later),
    }
}

/// The domain somebody registered (private section of the public suffix list included), an IP address itself, or a host
/// that nobody registers (`localhost`) itself.
pub(crate) fn registrable(host: &str) -> &str {
    let is_ip = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if is_ip { host } else { psl::domain_str(host).unwrap_or(host) }
}

/// A host as a rule's `host` writes it, brought into the spelling URLs have.
pub(super) fn pattern(text: &str) -> Result<String, Complaint> {
    let shown = quoted(text, 100);
    if text == "*" || text == "*." {
        return Err(Complaint::new(
            format!("`{shown}` means every host"),
            "what holds for every host stands in [each_domain]; name a host here",
        ));
    }
    let Some(parent) = text.strip_prefix("*.") else {
        return exact(text);
    };
    let parent = exact(parent)?;
    let is_ip = parent.starts_with('[') || parent.parse::<std::net::Ipv4Addr>().is_ok();
    if is_ip || psl::domain_str(&parent).is_none() {
        let what = format!("`{shown}` means the hosts of many owners: `{parent}` is not a domain somebody registered");
        return Err(Complaint::new(what, "name a domain in full: \"*.example.com\""));
    }
    Ok(format!("*.{parent}"))
}

/// One exact host, without scheme, port or path.
fn exact(text: &str) -> Result<String, Complaint> {
    let shown = quoted(text, 100);
    let bare_v6 = text.parse::<Ipv6Addr>().is_ok();
    let stray = text.contains(['/', '@', '?', '#', '\\', '%', '*']) || text.contains(char::is_whitespace);
    let port = !text.starts_with('[') && text.contains(':') || text.starts_with('[') && !text.ends_with(']');
    if bare_v6 {
        return Err(Complaint::new(
            format!("`{shown}` is an IPv6 address without brackets"),
            format!("write \"[{shown}]\""),
        ));
    }
    if stray || port {
        let what = format!("`{shown}` is not a host");
        let remedy = match Url::parse(text).ok().filter(|url| !url.cannot_be_a_base()).as_ref().and_then(Url::host_str)
        {
            Some(host) => format!("write only the host: \"{host}\""),
            None => "write an exact host, or \"*.\" and a domain: no scheme, port or path".to_owned(),
        };
        return Err(Complaint::new(what, remedy));
    }
    let url = Url::parse(&format!("https://{text}/")).ok();
    match url.as_ref().map(host_of).filter(|host| !host.is_empty() && host.len() <= 253) {
        Some(host) => Ok(host.to_owned()),
        None => Err(Complaint::new(format!("`{shown}` is not a host"), "write an exact host, or \"*.\" and a domain")),
    }
}

/// An `[egress]` entry: one exact host and port.
pub(super) fn host_and_port(text: &str) -> Result<String, Complaint> {
    let shown = quoted(text, 100);
    let complain = |what: String| Complaint::new(what, "write host and port, as \"127.0.0.1:4021\" or \"[::1]:4021\"");
    let Some((host, port)) = text.rsplit_once(':').filter(|(host, _)| !host.is_empty() && !host.ends_with(':')) else {
        return Err(complain(format!("`{shown}` has no host and port")));
    };
    let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    let Some(port) = port.parse::<u16>().ok().filter(|_| digits) else {
        return Err(complain(format!("`{shown}` has no port from 1 to 65535")));
    };
    match exact(host) {
        Ok(host) => Ok(format!("{host}:{port}")),
        Err(_) => Err(complain(format!("`{shown}` is not an exact host and port"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_means_subdomains_and_nothing_that_only_ends_alike() {
        assert!(matches("*.example.com", "api.example.com"));
        assert!(matches("*.example.com", "a.b.example.com"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "badexample.com"));
        assert!(!matches("*.example.com", ".example.com"));
        assert!(!matches("example.com", "api.example.com"));
    }

    #[test]
    fn a_final_dot_is_the_same_host() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(host_of(&url("https://API.example.com./x")), "api.example.com");
        assert_eq!(host_of(&url("https://bücher.example/x")), "xn--bcher-kva.example");
    }

    #[test]
    fn an_earlier_wildcard_covers_what_lies_beneath_it() {
        assert!(covers("*.example.com", "api.example.com"));
        assert!(covers("*.example.com", "*.api.example.com"));
        assert!(!covers("*.api.example.com", "*.example.com"));
        assert!(!covers("*.example.com", "example.com"));
        assert!(!covers("api.example.com", "*.example.com"));
        assert!(!covers("example.com", "*.example.com"));
    }

    #[test]
    fn a_budget_belongs_to_whoever_registered_the_name() {
        assert_eq!(registrable("api.shop.example.co.uk"), "example.co.uk");
        assert_eq!(registrable("alice.github.io"), "alice.github.io");
        assert_eq!(registrable("localhost"), "localhost");
        assert_eq!(registrable("192.0.2.7"), "192.0.2.7");
        assert_eq!(registrable("[2001:db8::1]"), "[2001:db8::1]");
    }

    #[test]
    fn hosts_are_brought_into_the_spelling_of_urls() {
        let good = |text: &str| pattern(text).ok();
        assert_eq!(good("API.Example.com").as_deref(), Some("api.example.com"));
        assert_eq!(good("*.Bücher.example").as_deref(), Some("*.xn--bcher-kva.example"));
        assert_eq!(good("localhost").as_deref(), Some("localhost"));
        assert_eq!(good("127.0.0.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(good("[::1]").as_deref(), Some("[::1]"));
    }

    #[test]
    fn a_pattern_that_means_strangers_is_refused() {
        for text in
            ["*", "*.", "*.com", "*.co.uk", "*.github.io", "*.localhost", "*.127.0.0.1", "**.example.com", "a.*.com"]
        {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_host_is_not_a_url() {
        for text in [
            "https://example.com",
            "example.com:443",
            "example.com/x",
            "a@example.com",
            "",
            " ",
            "::1",
            "[::1]:80",
            "a b",
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_hole_in_the_wall_is_one_host_and_one_port() {
        let good = |text: &str| host_and_port(text).ok();
        assert_eq!(good("127.0.0.1:4021").as_deref(), Some("127.0.0.1:4021"));
        assert_eq!(good("LocalHost:80").as_deref(), Some("localhost:80"));
        assert_eq!(good("[::1]:4021").as_deref(), Some("[::1]:4021"));
        for text in [
            "127.0.0.1",
            "http://127.0.0.1:80",
            "127.0.0.1:0",
            "127.0.0.1:080",
            "127.0.0.1:65536",
            "::1:80",
            "*:80",
            ":80",
            "10.0.0.0/8:80",
        ] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
