//! Which tools of an MCP server a domain's rule opens.

use super::{Case, Check, Place, Rule, Said};
use crate::reason::Who;
use crate::request::tool_at;

pub const RULE: Rule = Rule {
    code: "tool_not_allowed",
    sentence: "At a domain whose rule names tools, only those are paid for; one that names paths or methods alone opens no \
               tool.",
    key: "domain tools",
    check: Check::Offer(check),
};

fn check(case: &Case<'_>) -> Said {
    if opens(&case.place) {
        return Said::Pass;
    }
    let message = format!("At {} the policy does not pay for this tool.", case.place.domain);
    case.refuse(RULE.code, case.place.rule_text("tools"), message, Who::Owner)
}

/// What is no tool is none of this rule's.
fn opens(place: &Place<'_>) -> bool {
    let (Some(tool), Some(rule)) = (tool_at(place.url), place.rule) else { return true };
    match rule.tools.is_empty() {
        true => rule.paths.is_empty() && rule.methods.is_empty(),
        false => rule.tools.iter().any(|pattern| matches(pattern, &tool)),
    }
}

/// An exact name, or `*` at the end for all that begin so.
fn matches(pattern: &str, tool: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == tool, |beginning| tool.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use crate::policy::scene::*;
    use crate::request::Request;

    fn says(rule: &str, tool: Option<&str>) -> String {
        let mut scene = scene().policy(&format!("[[domain]]\nhost = \"api.example.com\"\n{rule}"));
        if let Some(tool) = tool {
            scene.request = Request::of_tool(&scene.request.url, tool, b"{}".to_vec());
        }
        scene.says()
    }

    #[test]
    fn a_tool_the_rule_does_not_name_is_refused() {
        let rule = "tools = [\"search_*\", \"weather\"]\n";
        for tool in ["weather", "search_", "search_news"] {
            assert_eq!(says(rule, Some(tool)), "allow", "{tool}");
        }
        for tool in ["Weather", "weather2", "search", "", "*", "x/weather"] {
            assert_eq!(says(rule, Some(tool)), "refuse tool_not_allowed", "{tool}");
        }
    }

    #[test]
    fn what_was_written_for_urls_opens_no_tool_and_the_other_way_round() {
        for rule in ["paths = [\"/v1/*\"]\n", "methods = [\"GET\"]\n"] {
            assert_eq!(says(rule, Some("weather")), "refuse tool_not_allowed", "{rule}");
            assert_eq!(says(rule, None), "allow", "{rule}");
        }
        assert_eq!(says("tools = [\"*\"]\n", None), "refuse path_not_allowed");
        let both = "tools = [\"*\"]\npaths = [\"/v1/*\"]\nmethods = [\"GET\"]\n";
        assert_eq!((says(both, Some("weather")), says(both, None)), ("allow".to_owned(), "allow".to_owned()));
        assert_eq!((says("", Some("weather")), says("", None)), ("allow".to_owned(), "allow".to_owned()));
    }
}
