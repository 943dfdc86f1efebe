//! Which paths a domain's rule opens.

use super::{Case, Check, Place, Rule, Said};
use crate::reason::Who;

pub const RULE: Rule = Rule {
    code: "path_not_allowed",
    sentence: "At a domain whose rule names paths, only those are paid for; one that names tools alone opens no path.",
    key: "domain paths",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    if opens(&case.place) {
        return Said::Pass;
    }
    let message = format!("At {} the policy does not pay for this path.", case.place.domain);
    case.refuse(RULE.code, case.place.rule_text("paths"), message, Who::Owner)
}

/// Whether the rule for a place names its path, or nothing at all. A tool has no path.
pub(super) fn opens(place: &Place<'_>) -> bool {
    let Some(rule) = place.rule.filter(|_| !place.is_tool()) else { return true };
    match rule.paths.is_empty() {
        true => rule.tools.is_empty(),
        false => rule.paths.iter().any(|pattern| matches(pattern, place.url.path())),
    }
}

/// An exact path, or `/*` at the end for everything beneath it.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(above) => path.strip_prefix(above).is_some_and(stays_beneath),
        None => pattern == path,
    }
}

/// A seller may decode `%2f`, `%5c` or `%2e` and walk out of the path the owner meant, or cut a segment at its `;`.
fn stays_beneath(rest: &str) -> bool {
    let lower = rest.to_ascii_lowercase();
    let hidden = ["%2f", "%5c", "%2e", "%25"].iter().any(|code| lower.contains(code));
    !hidden && !lower.split('/').any(|segment| segment.starts_with(".."))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;

    fn at(path: &str) -> String {
        let rule = "[[domain]]\nhost = \"api.example.com\"\npaths = [\"/v1/*\", \"/exact\"]\n";
        scene().policy(rule).at(&format!("https://api.example.com{path}")).says()
    }

    #[test]
    fn a_path_the_rule_does_not_name_is_refused() {
        for path in ["/v1/", "/v1/data?x=1", "/v1/a/b", "/exact", "/v2/../v1/x"] {
            assert_eq!(at(path), "allow", "{path}");
        }
        for path in ["/", "/v1", "/v10/x", "/V1/x", "/exact/", "/exactly", "/v1/../v2/x", "/v1/%2e%2e/v2"] {
            assert_eq!(at(path), "refuse path_not_allowed", "{path}");
        }
    }

    #[test]
    fn a_seller_that_decodes_more_than_we_do_does_not_lead_out_of_the_path() {
        for path in
            ["/v1/..%2fadmin", "/v1/..%5Cadmin", "/v1/%252e%252e/admin", "/v1/..;/admin", "/v1/x%2F..%2F..%2Fadmin"]
        {
            assert_eq!(at(path), "refuse path_not_allowed", "{path}");
        }
    }
}
