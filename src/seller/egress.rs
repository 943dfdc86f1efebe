//! Where bursar goes: public https addresses, and what the owner opened by exact host and port.
//!
//! Two checks make one rule, because the HTTP library asks a resolver for names only: [`door`] looks at the URL and at
//! addresses written in it, and [`Guard`] looks at what a name resolved to, at the connection itself, so that there is
//! no moment between check and use. A reused connection was checked when it was made.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::ports::Egress;
use crate::{limits, text};

/// Which way a request leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Public addresses over https only.
    Guarded,
    /// The owner listed this host and port: any address, plain http too.
    Opened,
}

/// What names lead to: the system says, or a test.
#[async_trait]
pub trait Names: Debug + Send + Sync {
    /// Every address a name has.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Clone, Copy, Debug)]
pub struct SystemNames;

/// The resolver of a door: what it leaves out cannot be connected to. It knows no ports, so what the owner opened has a
/// door of its own.
#[derive(Clone, Debug)]
pub struct Guard {
    /// What the owner opened.
    pub door: Door,
    /// Who knows the addresses of names.
    pub names: Arc<dyn Names>,
}

/// Why a name was not connected to, as it travels through the HTTP library's errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Closed(pub String);

/// Whether a request may go to this URL, and how; otherwise the sentence that says why not.
pub fn door(url: &Url, egress: Egress<'_>) -> Result<Door, Closed> {
    let host = speakable(url)?;
    let port = url.port_or_known_default().ok_or_else(|| Closed("the URL has no port".to_owned()))?;
    if egress.allow.iter().any(|entry| is_entry(entry, &host, port)) {
        return Ok(Door::Opened);
    }
    if url.scheme() != "https" {
        return Err(closed(format!("{} is not https", named(&host, port))));
    }
    let literal = match host {
        Host::Domain(_) => return Ok(Door::Guarded),
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
    };
    verdict(literal).map_err(|what| closed(format!("{} is {what}", named(&host, port))))?;
    Ok(Door::Guarded)
}

/// What kind of special address this is; fine when it is none. IANA's special-purpose registries, and what carries an
/// IPv4 address inside an IPv6 one.
pub fn verdict(ip: IpAddr) -> Result<(), &'static str> {
    let special = match ip {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    };
    special.map_or(Ok(()), Err)
}

/// The host of a URL bursar can go to at all. What fails here cannot be opened, only written differently.
fn speakable(url: &Url) -> Result<Host<&str>, Closed> {
    let refuse = |why: &str| Err(Closed(why.to_owned()));
    if !matches!(url.scheme(), "https" | "http") {
        return refuse("only https URLs can be fetched");
    }
    if url.as_str().len() > limits::URL_CHARS {
        return Err(Closed(format!("a URL of more than {} characters is not fetched", limits::URL_CHARS)));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a URL with a user name or password in it is not fetched");
    }
    match url.host() {
        None => refuse("the URL has no host"),
        Some(Host::Domain(name)) if name.ends_with('.') => refuse("a host name that ends in a dot is not fetched"),
        Some(host) => Ok(host),
    }
}

/// Exactly this host and this port, in any notation of either.
fn is_entry(entry: &str, host: &Host<&str>, port: u16) -> bool {
    let Some((listed, listed_port)) = entry.rsplit_once(':') else { return false };
    let digits = listed_port.bytes().all(|b| b.is_ascii_digit());
    let same_port = digits && listed_port.parse() == Ok(port);
    same_port && Host::parse(listed).is_ok_and(|listed| listed == *host)
}

/// Said to an agent: what the rule is and whose it is, with nothing to try next.
fn closed(what: String) -> Closed {
    Closed(format!(
        "{what}: bursar goes only to public https addresses, and to what its owner lists as exact host:port under \
         [egress] allow in policy.toml"
    ))
}

fn named(host: &Host<impl AsRef<str>>, port: u16) -> String {
    let host = match host {
        Host::Domain(name) => text::quoted(name.as_ref(), limits::QUOTED_CHARS),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => format!("[{ip}]"),
    };
    format!("`{host}:{port}`")
}

fn special_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let what = match ip.octets() {
        [0, ..] => "an unspecified address",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "a private address",
        [100, 64..=127, ..] => "a shared (carrier) address",
        [127, ..] => "a loopback address",
        [169, 254, 169, 254] | [169, 254, 170, 2] | [168, 63, 129, 16] => "a cloud metadata address",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] => "a protocol address",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "a documentation address",
        [192, 88, 99, _] => "a 6to4 relay address",
        // Whoever is nearest answers there: a sink for stray queries, or a tunnel.
        [192, 31, 196, _] | [192, 175, 48, _] => "an AS112 address",
        [192, 52, 193, _] => "a multicast tunnel address",
        [198, 18..=19, ..] => "a benchmarking address",
        [224..=239, ..] => "a multicast address",
        [255, 255, 255, 255] => "the broadcast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    };
    Some(what)
}

fn special_v6(ip: Ipv6Addr) -> Option<&'static str> {
    let what = match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => "an unspecified address",
        [0, 0, 0, 0, 0, 0, 0, 1] => "a loopback address",
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => "a mapped IPv4 address",
        [0, 0, 0, 0, 0, 0, ..] => "an IPv4-compatible address",
        [0x64, 0xff9b, ..] => "a NAT64 address",
        [0x100, 0, 0, ..] => "a discard address",
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => "a cloud metadata address",
        [0xfc00..=0xfdff, ..] => "a unique-local address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfec0..=0xfeff, ..] => "a site-local address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0x2001, 0, ..] => "a Teredo address",
        [0x2001, 2, 0, ..] => "a benchmarking address",
        [0x2001, 0..=0x1ff, ..] => "a protocol address",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "a documentation address",
        [0x2002, ..] => "a 6to4 address",
        [0x2620, 0x4f, 0x8000, ..] => "an AS112 address",
        [_, _, _, _, 0 | 0x200 | 0x100 | 0x300, 0x5efe, ..] => "an ISATAP address",
        // All public addresses given out so far begin with the bits 001.
        [0x2000..=0x3fff, ..] => return None,
        _ => "not a public address",
    };
    Some(what)
}

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let Guard { door, names } = self.clone();
        Box::pin(async move {
            let found = names.addresses(name.as_str()).await?;
            let open = match door {
                Door::Guarded => open_ones(name.as_str(), found)?,
                Door::Opened => found,
            };
            Ok(Box::new(open.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// Public addresses of a name. A name with some special ones keeps the others; one with nothing else is closed.
fn open_ones(name: &str, found: Vec<IpAddr>) -> Result<Vec<IpAddr>, Closed> {
    let special = found.iter().find_map(|ip| verdict(*ip).err());
    let open: Vec<IpAddr> = found.into_iter().filter(|ip| verdict(*ip).is_ok()).collect();
    match special {
        Some(what) if open.is_empty() => {
            Err(closed(format!("`{}` leads to {what}", text::quoted(name, limits::QUOTED_CHARS))))
        }
        _ => Ok(open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door_of(url: &str, allow: &[&str]) -> Result<Door, Closed> {
        let allow: Vec<String> = allow.iter().map(|entry| entry.to_string()).collect();
        door(&Url::parse(url).unwrap(), Egress { allow: &allow })
    }

    #[test]
    fn special_addresses_have_their_kind() {
        let table = [
            ("0.0.0.0", "unspecified"),
            ("0.255.255.255", "unspecified"),
            ("10.0.0.0", "private"),
            ("10.255.255.255", "private"),
            ("100.64.0.0", "shared"),
            ("100.127.255.255", "shared"),
            ("100.100.100.200", "shared"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("168.63.129.16", "metadata"),
            ("169.254.0.1", "link-local"),
            ("169.254.169.254", "metadata"),
            ("169.254.170.2", "metadata"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("192.0.0.1", "protocol"),
            ("192.0.0.192", "protocol"),
            ("192.0.2.1", "documentation"),
            ("192.88.99.1", "6to4"),
            ("192.31.196.0", "AS112"),
            ("192.175.48.255", "AS112"),
            ("192.52.193.1", "multicast tunnel"),
            ("192.168.0.1", "private"),
            ("198.18.0.0", "benchmarking"),
            ("198.19.255.255", "benchmarking"),
            ("198.51.100.7", "documentation"),
            ("203.0.113.255", "documentation"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.254", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "IPv4-compatible"),
            ("::127.0.0.1", "IPv4-compatible"),
            ("::ffff:127.0.0.1", "mapped"),
            ("::ffff:8.8.8.8", "mapped"),
            ("::ffff:0:10.0.0.1", "mapped"),
            ("64:ff9b::7f00:1", "NAT64"),
            ("64:ff9b:1::a00:1", "NAT64"),
            ("100::1", "discard"),
            ("2001::1", "Teredo"),
            ("2001:0:4136:e378::1", "Teredo"),
            ("2001:1::1", "protocol"),
            ("2001:2::1", "benchmarking"),
            ("2001:2:1::1", "protocol"),
            ("2001:3::1", "protocol"),
            ("2001:10::1", "protocol"),
            ("2001:20::1", "protocol"),
            ("2001:1ff:ffff::1", "protocol"),
            ("2001:db8::1", "documentation"),
            ("2002:7f00:1::1", "6to4"),
            ("2002:808:808::1", "6to4"),
            ("2620:4f:8000::1", "AS112"),
            ("3fff::1", "documentation"),
            ("3fff:fff:ffff::1", "documentation"),
            ("2a00:1::5efe:a00:1", "ISATAP"),
            ("2a00:1::200:5efe:a00:1", "ISATAP"),
            ("4000::1", "not a public"),
            ("5f00::1", "not a public"),
            ("1::1", "not a public"),
            ("200::1", "not a public"),
            ("fc00::1", "unique-local"),
            ("fd12:3456::1", "unique-local"),
            ("fd00:ec2::254", "metadata"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("ffff::1", "multicast"),
        ];
        for (ip, kind) in table {
            let found = verdict(ip.parse().unwrap()).expect_err(ip);
            assert!(found.contains(kind), "{ip} is {found}, not {kind}");
        }
    }

    #[test]
    fn public_addresses_and_the_edges_of_special_ranges_are_open() {
        let open = [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.15",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.31.195.255",
            "192.31.197.0",
            "192.52.192.255",
            "192.52.194.0",
            "192.175.47.255",
            "192.175.49.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:4860:4860::8888",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2620:4f:7fff::1",
            "2620:4f:8001::1",
            "3ffe::1",
            "3fff:1000::1",
            "2a00:1450:4001:80b::200e",
        ];
        for ip in open {
            assert_eq!(verdict(ip.parse().unwrap()), Ok(()), "{ip}");
        }
    }

    #[test]
    fn addresses_are_recognised_in_every_notation() {
        let forms = [
            "127.0.0.1",
            "2130706433",
            "0x7f000001",
            "0x7F.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "127.1",
            "127.0.1",
            "0x7f.1",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
            "127\u{3002}0\u{3002}0\u{3002}1",
            "0",
            "10.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
        ];
        for form in forms {
            let url = format!("https://{form}/");
            assert!(door_of(&url, &[]).is_err(), "{url}");
        }
    }

    #[test]
    fn names_and_public_literals_leave_by_the_guarded_door() {
        for url in
            ["https://api.example.com/x", "https://1.1.1.1/", "https://[2606:4700::1111]:8443/", "https://localhost/"]
        {
            assert_eq!(door_of(url, &["127.0.0.1:443"]), Ok(Door::Guarded), "{url}");
        }
    }

    #[test]
    fn only_https_is_spoken_unless_exactly_this_host_and_port_are_open() {
        let allow = ["127.0.0.1:4021", "Shop.Example:80", "[::1]:9000"];
        for url in ["http://127.0.0.1:4021/x", "https://127.0.0.1:4021/", "http://0x7f.1:4021/", "http://shop.example/"]
        {
            assert_eq!(door_of(url, &allow), Ok(Door::Opened), "{url}");
        }
        assert_eq!(door_of("http://[0::1]:9000/", &allow), Ok(Door::Opened));
        let closed = [
            "http://127.0.0.1:4022/",
            "http://127.0.0.2:4021/",
            "http://localhost:4021/",
            "http://[::ffff:127.0.0.1]:4021/",
            "http://a.shop.example/",
            "http://shop.example:8080/",
            "http://api.example.com/",
        ];
        for url in closed {
            assert!(door_of(url, &allow).is_err(), "{url}");
        }
        for entry in ["127.0.0.1", "*:4021", "127.0.0.1:", "127.0.0.1:+4021", "http://127.0.0.1:4021", ":4021", ""] {
            assert!(door_of("http://127.0.0.1:4021/", &[entry]).is_err(), "{entry}");
        }
    }

    #[test]
    fn what_cannot_be_spoken_is_refused_even_where_the_owner_opened_the_port() {
        let long = format!("https://example.com/{}", "a".repeat(limits::URL_CHARS));
        let urls = [
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:text/plain,x",
            "https://user@example.com/",
            "https://:secret@example.com/",
            "https://example.com./",
            "https://example.com.:443/",
            &long,
        ];
        for url in urls {
            assert!(door_of(url, &["example.com:443", "example.com.:443"]).is_err(), "{url}");
        }
    }

    #[test]
    fn a_refusal_names_the_rule_and_whose_it_is() {
        let said = door_of("https://10.0.0.7/x?key=secret", &[]).unwrap_err().0;
        assert_eq!(
            said,
            "`10.0.0.7:443` is a private address: bursar goes only to public https addresses, and to what its owner \
             lists as exact host:port under [egress] allow in policy.toml"
        );
    }

    #[test]
    fn a_name_keeps_its_public_addresses_and_is_closed_without_any() {
        let at = |ips: &[&str]| ips.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        let open = open_ones("a.example", at(&["10.0.0.1", "1.1.1.1", "::1"]));
        assert_eq!(open, Ok(at(&["1.1.1.1"])));
        let closed = open_ones("a.example", at(&["127.0.0.1", "::1"])).unwrap_err();
        assert!(closed.0.starts_with("`a.example` leads to a loopback address: "));
        assert_eq!(open_ones("a.example", vec![]), Ok(vec![]));
    }
}
