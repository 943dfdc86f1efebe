//! The way to places the owner chose: nodes, and doors for news. Any address will do, so it is unguarded, and apart from
//! what goes to sellers.

use std::sync::OnceLock;

use reqwest::Client;
use url::Url;

use crate::{limits, text};

/// Made when it is first needed: that begins with reading every certificate of the system.
#[derive(Debug, Default)]
pub struct OutwardClient(OnceLock<Client>);

impl OutwardClient {
    pub fn get(&self) -> Result<&Client, String> {
        if self.0.get().is_none() {
            // Whoever comes second uses the first one's.
            let _ = self.0.set(build().map_err(|error| root(&error))?);
        }
        self.0.get().ok_or_else(|| "no client".to_owned())
    }
}

/// A redirect would take what is secret in a URL or a header to somebody else.
fn build() -> reqwest::Result<Client> {
    // The one provider of the whole process; whoever comes second finds it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("bursar/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .build()
}

/// A place goes by its host alone: what else is in its URL may be a secret.
pub fn name(url: &Url) -> String {
    let host = text::quoted(url.host_str().unwrap_or("a place without a host"), limits::QUOTED_CHARS);
    url.port().map_or(host.clone(), |port| format!("{host}:{port}"))
}

/// The root of an error. Those around it repeat the URL, and with it the secret.
pub fn root(error: &reqwest::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    let is_outermost = std::ptr::addr_eq(root, error);
    let said = if is_outermost { "the request failed".to_owned() } else { root.to_string() };
    text::quoted(&said, limits::QUOTED_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_by_its_host_alone() {
        let name = |url: &str| name(&Url::parse(url).unwrap());
        assert_eq!(name("https://user:pw@rpc.example/v2/KEY?k=KEY"), "rpc.example");
        assert_eq!(name("http://127.0.0.1:8545/"), "127.0.0.1:8545");
    }
}
