//! The way out: whether names resolve, nodes are reached, and anything stands between.

use std::time::Duration;

use url::{Host, Url};

use super::chains::{AskedNode, was_reached};
use super::check::{Check, fail, ok, warn};
use crate::cli::out;
use crate::limits;
use crate::policy::Policy;

/// What programs take for the name of a proxy. Bursar takes none: whoever stands there would see every payment.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

pub async fn examine<'a>(policy: &Policy, nodes: impl Iterator<Item = &'a AskedNode>) -> Vec<Check> {
    let nodes: Vec<&AskedNode> = nodes.collect();
    let mut checks: Vec<Check> = Vec::new();
    let reached = nodes.iter().filter(|node| was_reached(node)).count();
    let proxy = PROXIES.into_iter().find(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    for node in nodes.iter().filter(|node| !was_reached(node)) {
        checks.extend(unresolved(node).await);
    }
    checks.extend(nodes.iter().filter_map(|node| in_the_clear(node)));
    checks.push(match (reached, nodes.first().and_then(|node| node.silence())) {
        (0, Some(cause)) => fail(
            "egress",
            format!("no node of any chain was reached: {}", out::clean(cause)),
            "see whether this machine is online and whether a firewall lets bursar out",
        ),
        _ => ok("egress", ways_out(policy, reached, nodes.len())),
    });
    checks.extend(proxy.map(|name| {
        warn(
            "egress",
            format!("{name} is set, and bursar goes through no proxy: it connects to sellers and nodes itself"),
            "let this machine connect directly; what is bought is seen to come from its own address",
        )
    }));
    checks
}

fn ways_out(policy: &Policy, reached: usize, nodes: usize) -> String {
    let opened = match policy.egress.as_slice() {
        [] => "sellers are asked over public https only".to_owned(),
        some => format!("beside public https, [egress] opens {}", out::clean(&some.join(", "))),
    };
    format!("{reached} of {nodes} nodes were reached; {opened}")
}

/// A name without an address, told apart from a node that is down.
async fn unresolved(node: &AskedNode) -> Option<Check> {
    const WAIT: Duration = limits::RPC_WAIT;
    let Some(Host::Domain(name)) = node.url.host() else { return None };
    let port = node.url.port_or_known_default().unwrap_or(443);
    let looked_up = tokio::time::timeout(WAIT, tokio::net::lookup_host((name, port))).await;
    let why = match looked_up {
        Ok(Ok(_)) => return None,
        Ok(Err(cause)) => cause.to_string(),
        Err(_) => format!("nothing within {} s", WAIT.as_secs()),
    };
    let found = format!("{} has no address: {}", out::clean(&node.name), out::clean(&why));
    Some(warn("egress", found, "correct the name under [chains] in config.toml, or this machine's DNS"))
}

/// On this machine nobody stands between.
pub fn is_in_the_clear(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.scheme() == "http" && !is_here
}

fn in_the_clear(node: &AskedNode) -> Option<Check> {
    is_in_the_clear(&node.url).then(|| {
        let found =
            format!("{} is asked over plain http: whoever stands between can answer for it", out::clean(&node.name));
        warn("egress", found, "write its address with https:// under [chains] in config.toml")
    })
}
