//! The doors by which the owner is told things elsewhere, and by which the owner may answer from there.

use super::check::{Check, fail, ok, warn};
use crate::config::{Config, Home, OwnerFile};
use crate::notify::Doors;

/// Whether each door would open. Nobody is told anything.
pub fn examine(home: &Home, config: &Config) -> Vec<Check> {
    let looked = Doors::look(home, &config.notices).into_iter();
    let mut checks: Vec<Check> = looked
        .map(|door| match door {
            Ok(name) => ok("notices", format!("what is new is also told to {name}")),
            Err(wrong) => warn("notices", wrong, "correct it under [notices] in config.toml"),
        })
        .collect();
    let notices = &config.notices;
    let places = [notices.webhook.as_ref().map(|hook| &hook.url), notices.ntfy.as_ref().map(|ntfy| &ntfy.server)];
    checks.extend(places.into_iter().flatten().filter(|url| super::egress::is_in_the_clear(url)).map(|url| {
        let found = format!("{} is told what is new over plain http: others can read along", crate::outward::name(url));
        warn("notices", found, "write its address with https:// under [notices] in config.toml")
    }));
    checks.extend(config.tunnel.as_ref().map(|tunnel| far(home, tunnel.origin.as_str())));
    checks
}

/// Answering from elsewhere takes both.
fn far(home: &Home, origin: &str) -> Check {
    let origin = origin.trim_end_matches('/');
    match OwnerFile::new(home).read() {
        Ok(Some(guarded)) if guarded.second_factor.is_some() => {
            ok("review", format!("the page may be reached at {origin}, with the passphrase and a code"))
        }
        Ok(Some(_)) => warn("review", format!("nobody is let in at {origin} without a code"), "bursar owner code"),
        Ok(None) => {
            warn("review", format!("nobody is let in at {origin} without an owner's passphrase"), "bursar owner set")
        }
        Err(error) => fail("review", error, "bring owner.json back from a copy"),
    }
}
