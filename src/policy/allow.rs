//! Pure: writing a `[[domain]]` rule into the owner's policy, for `bursar policy allow HOST`.
//!
//! The first rule that matches a host is the one that holds, so a new rule goes above a wildcard that would swallow it.
//! The new text is parsed before it is handed back: what is written is a policy.

use toml_edit::{Array, DocumentMut, TableLike};

use super::read::{self, FileError};
use super::{Policy, edit, hosts};

/// What the owner wants of a host. Values are written as the file writes them: `"2.00"`, `"none"`, `"GET"`.
#[derive(Clone, Debug, Default)]
pub struct NewRule {
    /// Which host.
    pub host: String,
    /// `allow` unless said otherwise.
    pub access: Option<String>,
    /// How much one payment may be.
    pub per_payment: Option<String>,
    /// How much a session may spend there.
    pub per_session: Option<String>,
    /// How much may be spent there in 24 hours.
    pub per_day: Option<String>,
    /// Which HTTP methods may be paid for.
    pub methods: Vec<String>,
    /// Which paths may be paid for.
    pub paths: Vec<String>,
    /// Which tools may be paid for.
    pub tools: Vec<String>,
    /// Who may be paid.
    pub payees: Vec<String>,
}

/// The policy with the rule in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The text.
    pub text: String,
    /// As the policy spells it.
    pub host: String,
    /// The host had a rule, and its keys were changed.
    pub changed: bool,
    /// A wider rule that matched the host so far; the new one stands above it.
    pub above: Option<String>,
}

/// `text` is the policy as it is; empty where the owner wrote none.
pub fn with_rule(file: &str, text: &str, rule: &NewRule) -> Result<Allowed, FileError> {
    let text = if text.trim().is_empty() { "version = 1\n" } else { text };
    let policy = Policy::parse(file, text)?;
    let host =
        hosts::pattern(&rule.host).map_err(|complaint| FileError::whole(file, complaint.what(), complaint.remedy()))?;
    let changed = policy.domains.iter().any(|known| known.host == host);
    let above = policy.domains.iter().position(|known| !changed && hosts::covers(&known.host, &host));
    let new = match (changed, above) {
        (true, _) => with_changed(file, text, &host, rule)?,
        (false, Some(index)) => insert(text, header(file, text, index)?, &block(&host, rule)),
        (false, None) => append(text, &block(&host, rule)),
    };
    Policy::parse(&format!("{file} with this rule"), &new)?;
    Ok(Allowed { text: new, host, changed, above: above.map(|index| policy.domains[index].host.clone()) })
}

/// The rule as a person would write it.
fn block(host: &str, rule: &NewRule) -> String {
    let mut document = DocumentMut::new();
    edit::set(document.as_table_mut(), "host", host);
    fill(document.as_table_mut(), rule);
    format!("[[domain]]\n{document}")
}

fn fill(table: &mut dyn TableLike, rule: &NewRule) {
    edit::set(table, "access", rule.access.as_deref().unwrap_or("allow"));
    let amounts = [("per_payment", &rule.per_payment), ("per_session", &rule.per_session), ("per_day", &rule.per_day)];
    for (key, amount) in amounts {
        if let Some(amount) = amount {
            edit::set(table, key, amount);
        }
    }
    let lists = [("methods", &rule.methods), ("paths", &rule.paths), ("tools", &rule.tools), ("payees", &rule.payees)];
    for (key, list) in lists {
        if !list.is_empty() {
            edit::set(table, key, Array::from_iter(list));
        }
    }
}

fn with_changed(file: &str, text: &str, host: &str, rule: &NewRule) -> Result<String, FileError> {
    let mut document = read::document(file, text)?.into_mut();
    let rules = document.get_mut("domain").and_then(|item| item.as_array_of_tables_mut());
    let is_it = |table: &&mut toml_edit::Table| {
        let text = table.get("host").and_then(|item| item.as_str()).unwrap_or_default();
        hosts::pattern(text).is_ok_and(|known| known == host)
    };
    if let Some(table) = rules.and_then(|rules| rules.iter_mut().find(is_it)) {
        fill(table, rule);
    }
    Ok(document.to_string())
}

/// Where the `index`th rule begins, with the comment lines right above it.
fn header(file: &str, text: &str, index: usize) -> Result<usize, FileError> {
    let document = read::document(file, text)?;
    let table = document.get("domain").and_then(|item| item.as_array_of_tables()).and_then(|rules| rules.get(index));
    let mut start = table.and_then(toml_edit::Table::span).map_or(text.len(), |span| span.start);
    let comments = text[..start].split_inclusive('\n').rev().take_while(|line| line.trim_start().starts_with('#'));
    start -= comments.map(str::len).sum::<usize>();
    Ok(start)
}

fn insert(text: &str, at: usize, block: &str) -> String {
    format!("{}{block}\n{}", &text[..at], &text[at..])
}

fn append(text: &str, block: &str) -> String {
    format!("{}\n\n{block}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"version = 1   # mine

# Everything of theirs.
[[domain]]
host = "*.example.com"
access = "ask"          # for now

[wallet]
per_day = "3.00"
"#;

    fn rule(host: &str, per_day: &str) -> NewRule {
        NewRule { host: host.into(), per_day: Some(per_day.into()), ..NewRule::default() }
    }

    fn allowed(rule: &NewRule) -> Allowed {
        with_rule("policy.toml", POLICY, rule).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_new_rule_goes_to_the_end_and_the_rest_stays_as_it_was() {
        let more =
            NewRule { methods: vec!["GET".into()], paths: vec!["/v1/*".into()], ..rule("Shop.Example.org", "2.00") };
        let allowed = allowed(&more);
        assert_eq!((allowed.changed, allowed.above), (false, None));
        assert!(allowed.text.starts_with(POLICY.trim_end()));
        insta::assert_snapshot!(&allowed.text[POLICY.len()..], @r#"
        [[domain]]
        host = "shop.example.org"
        access = "allow"
        per_day = "2.00"
        methods = ["GET"]
        paths = ["/v1/*"]
        "#);
    }

    #[test]
    fn a_rule_that_a_wildcard_would_swallow_goes_above_it() {
        let allowed = allowed(&rule("api.example.com", "2.00"));
        assert_eq!(allowed.above.as_deref(), Some("*.example.com"));
        insta::assert_snapshot!(allowed.text, @r#"
        version = 1   # mine

        [[domain]]
        host = "api.example.com"
        access = "allow"
        per_day = "2.00"

        # Everything of theirs.
        [[domain]]
        host = "*.example.com"
        access = "ask"          # for now

        [wallet]
        per_day = "3.00"
        "#);
    }

    #[test]
    fn a_rule_that_exists_is_changed_where_it_stands() {
        let allowed = allowed(&rule("*.example.com", "2.00"));
        assert!(allowed.changed);
        insta::assert_snapshot!(allowed.text, @r#"
        version = 1   # mine

        # Everything of theirs.
        [[domain]]
        host = "*.example.com"
        access = "allow"          # for now
        per_day = "2.00"

        [wallet]
        per_day = "3.00"
        "#);
    }

    #[test]
    fn without_a_policy_file_the_rule_begins_one() {
        let allowed = with_rule("policy.toml", "", &rule("api.example.com", "none")).unwrap();
        insta::assert_snapshot!(allowed.text, @r#"
        version = 1

        [[domain]]
        host = "api.example.com"
        access = "allow"
        per_day = "none"
        "#);
    }

    #[test]
    fn what_would_be_no_policy_is_not_written() {
        let refused = |text, rule: &NewRule| with_rule("policy.toml", text, rule).unwrap_err().to_string();
        insta::assert_snapshot!(refused(POLICY, &rule("*.com", "1")), @r#"
        policy.toml: `*.com` means the hosts of many owners: `com` is not a domain somebody registered
          name a domain in full: "*.example.com"
        "#);
        insta::assert_snapshot!(refused(POLICY, &rule("a.example", "lots")), @r#"
        policy.toml with this rule:14:11: `per_day` in [[domain]]: "lots" is not an amount of dollars: an amount is a decimal number such as "0.25"
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(refused("version = 3", &rule("a.example", "1")), @"
        policy.toml:1:11: `version` in the file: this bursar reads version 1, not 3
          write version = 1
        ");
    }
}
