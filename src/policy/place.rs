//! Pure: where a question is asked. The rule that holds for a URL, and the name its budget goes by.

use std::time::Duration;

use url::Url;

use super::{DomainRule, DomainRules, Policy, hosts};

/// Whose place a URL is, whatever the rules say of it: its registrable domain.
pub fn site(url: &Url) -> &str {
    hosts::registrable(hosts::host_of(url))
}

/// A URL as the policy sees it.
#[derive(Clone, Debug)]
pub struct Place<'a> {
    /// The URL.
    pub url: &'a Url,
    /// What the budget is kept under: the text of the rule that matched, or the registrable domain.
    pub domain: String,
    /// What may be spent there.
    pub rules: &'a DomainRules,
    /// The owner's rule that matched, if one did.
    pub rule: Option<&'a DomainRule>,
}

impl Policy {
    /// What the policy says of a URL.
    pub fn place<'a>(&'a self, url: &'a Url) -> Place<'a> {
        let host = hosts::host_of(url);
        let rule = self.domains.iter().find(|rule| hosts::matches(&rule.host, host));
        match rule {
            Some(found) => Place { url, domain: found.host.clone(), rules: &found.rules, rule },
            None => Place { url, domain: hosts::registrable(host).to_owned(), rules: &self.each_domain, rule },
        }
    }

    /// What holds for a URL: the first `[[domain]]` rule whose host matches, or `[each_domain]`.
    pub fn rules_for(&self, url: &Url) -> (&DomainRules, Option<&DomainRule>) {
        let host = hosts::host_of(url);
        let rule = self.domains.iter().find(|rule| hosts::matches(&rule.host, host));
        (rule.map_or(&self.each_domain, |rule| &rule.rules), rule)
    }

    /// What the budget of a URL's domain is kept under.
    pub fn domain_key(&self, url: &Url) -> String {
        self.place(url).domain
    }

    /// Rules that are never reached, each with the wider one above it that matches first: surely not what was meant.
    pub fn unreachable(&self) -> Vec<(&str, &str)> {
        let wider = |(index, rule): (usize, &'_ DomainRule)| {
            self.domains[..index].iter().position(|other| hosts::covers(&other.host, &rule.host)).map(|at| (index, at))
        };
        let found = self.domains.iter().enumerate().filter_map(wider);
        found.map(|(rule, wider)| (self.domains[rule].host.as_str(), self.domains[wider].host.as_str())).collect()
    }

    /// How long the same request is answered from the store.
    pub fn repeat_window(&self, url: &Url) -> Duration {
        self.rules_for(url).0.repeat_window
    }
}

impl Place<'_> {
    /// Whether it is a tool's.
    pub fn is_tool(&self) -> bool {
        self.url.fragment().is_some()
    }

    /// A key as a person would point at it in the file.
    pub fn rule_text(&self, key: &str) -> String {
        match self.rule {
            Some(rule) => format!("domain {} {key}", rule.host),
            None => format!("each_domain {key} ({})", self.domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> Policy {
        Policy::parse("policy.toml", &format!("version = 1\n{rules}")).unwrap()
    }

    fn key(policy: &Policy, url: &str) -> String {
        policy.domain_key(&Url::parse(url).unwrap())
    }

    #[test]
    fn a_rule_keeps_its_budget_under_its_own_text() {
        let policy = policy("[[domain]]\nhost = \"*.example.com\"\n");
        assert_eq!(key(&policy, "https://a.example.com/x"), "*.example.com");
        assert_eq!(key(&policy, "https://b.c.example.com:8443/x"), "*.example.com");
        assert_eq!(key(&policy, "https://a.example.com./x"), "*.example.com");
    }

    #[test]
    fn a_host_without_a_rule_shares_its_registered_domains_budget() {
        let policy = policy("[[domain]]\nhost = \"*.example.com\"\n");
        assert_eq!(key(&policy, "https://example.com/"), "example.com");
        assert_eq!(key(&policy, "https://a.shop.example.co.uk/"), "example.co.uk");
        assert_eq!(key(&policy, "https://alice.github.io/"), "alice.github.io");
        assert_eq!(key(&policy, "http://localhost:4021/"), "localhost");
        assert_eq!(key(&policy, "http://127.0.0.1:4021/"), "127.0.0.1");
        assert_eq!(key(&policy, "http://[::1]:4021/"), "[::1]");
    }

    #[test]
    fn a_narrow_rule_below_a_wide_one_is_noticed_and_does_not_hold() {
        let policy = policy("[[domain]]\nhost = \"*.example.com\"\n[[domain]]\nhost = \"api.example.com\"\n");
        assert_eq!(policy.unreachable(), [("api.example.com", "*.example.com")]);
        assert_eq!(key(&policy, "https://api.example.com/"), "*.example.com");
    }

    #[test]
    fn the_first_rule_that_matches_holds() {
        let policy = policy(
            "[[domain]]\nhost = \"api.example.com\"\nper_day = \"3\"\n[[domain]]\nhost = \"*.example.com\"\nper_day = \"1\"\n",
        );
        let url = Url::parse("https://api.example.com/").unwrap();
        assert_eq!(policy.rules_for(&url).1.map(|rule| rule.host.as_str()), Some("api.example.com"));
    }

    #[test]
    fn a_rule_is_named_as_it_stands_in_the_file() {
        let policy = policy("[[domain]]\nhost = \"*.example.com\"\n");
        let (inside, outside) = (Url::parse("https://a.example.com/").unwrap(), Url::parse("https://b.org/").unwrap());
        assert_eq!(policy.place(&inside).rule_text("per_day"), "domain *.example.com per_day");
        assert_eq!(policy.place(&outside).rule_text("per_day"), "each_domain per_day (b.org)");
    }
}
