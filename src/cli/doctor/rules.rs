//! The policy: which one is in force, and what of it cannot be right.

use super::check::{Check, fail, ok, warn};
use crate::config::{Home, OwnerFile, PolicyFile};
use crate::policy::Policy;

pub fn examine(home: &Home, policy: &Policy) -> Vec<Check> {
    let hash: String = policy.hash.chars().take(12).collect();
    let is_guarded = OwnerFile::new(home).read().is_ok_and(|guarded| guarded.is_some());
    let mut checks = vec![match (home.policy_file().exists(), is_guarded) {
        (true, _) => ok("policy", format!("policy.toml is right ({hash})")),
        (false, true) => ok("policy", format!("no policy.toml: the one its owner put into force counts ({hash})")),
        (false, false) => warn(
            "policy",
            format!("no policy.toml: the built-in one is in force, for real money on Base ({hash})"),
            "bring yours back, or make one with `bursar init`",
        ),
    }];
    match PolicyFile::new(home).waiting() {
        Ok(None) => {}
        Ok(Some(what)) => {
            checks.push(warn("policy", format!("{what} was changed and is not in force"), "bursar policy apply"));
        }
        Err(error) => checks.push(fail("policy", error, "correct it")),
    }
    if let Some(error) = &policy.payee.deny_list_error {
        checks.push(fail(
            "policy",
            format!("a deny list cannot be read in full: {error}"),
            "make it readable; nothing is paid until then",
        ));
    }
    let tests = policy.networks.iter().filter(|network| network.is_test()).count();
    if tests > 0 && tests < policy.networks.len() {
        checks.push(warn("policy", "real and test money are both allowed", "keep one of them in [networks] allow"));
    }
    checks
}
