//! Pure: what becomes looser and what tighter when one policy follows another, key by key.
//!
//! Every struct of the policy is taken apart whole, so that a new key does not compile before it is told here.

use std::time::Duration;

use serde::Serialize;

use super::{
    Access, ApprovalRules, BreakerRules, DomainRule, DomainRules, PayeeRules, Policy, SessionRules, WalletRules, hosts,
};
use crate::money::Usd;

/// One key that says something else than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// As a person would point at it in the file: `domain *.example.com per_day`.
    pub key: String,
    /// What it is in the policy in force.
    pub before: String,
    /// What it would be.
    pub after: String,
    /// Whether agents have more room by it.
    pub effect: Effect,
}

/// Whether a change gives agents more room or less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Agents may do more.
    Looser,
    /// More here and less there, or neither.
    Different,
    /// Agents may do less.
    Tighter,
}

/// All changes, the looser ones first. Nothing is the same policy, whatever its file looks like.
pub fn changes(before: &Policy, after: &Policy) -> Vec<Change> {
    let mut told = Told(Vec::new());
    told.policy(before, after);
    told.0.sort_by_key(|change| change.effect);
    told.0
}

struct Told(Vec<Change>);

impl Told {
    /// What is left out here is no rule: the hashes of the text, and what deny lists held when they were read.
    fn policy(&mut self, before: &Policy, after: &Policy) {
        let Policy {
            hash: _,
            text_hash: _,
            wallet,
            session,
            each_domain,
            domains,
            payee,
            tool_changes,
            approval,
            price_rise,
            breakers,
            networks,
            schemes,
            egress,
        } = after;
        self.wallet(&before.wallet, wallet);
        self.session(&before.session, session);
        self.domain_rules("each_domain", &before.each_domain, each_domain);
        self.domains(before, after, domains);
        self.payee(&before.payee, payee);
        self.access("tools on_change", before.tool_changes, *tool_changes);
        self.approval(&before.approval, approval);
        let rise = |rise: Option<u32>| rise.map_or("none".to_owned(), |percent| format!("{percent}%"));
        self.rank("price rise", ranked(before.price_rise, rise), ranked(*price_rise, rise), Effect::Looser);
        self.breakers(&before.breakers, breakers);
        self.list("networks allow", &before.networks, networks, Empty::Nothing);
        self.list("schemes allow", &before.schemes, schemes, Empty::Nothing);
        self.list("egress allow", &before.egress, egress, Empty::Nothing);
    }

    fn wallet(&mut self, before: &WalletRules, after: &WalletRules) {
        let WalletRules { per_payment, per_hour, per_day, per_month, payments_per_minute, since_review } = after;
        self.cap("wallet per_payment", before.per_payment, *per_payment);
        self.cap("wallet per_hour", before.per_hour, *per_hour);
        self.cap("wallet per_day", before.per_day, *per_day);
        self.cap("wallet per_month", before.per_month, *per_month);
        self.cap("wallet since_review", before.since_review, *since_review);
        self.count("wallet payments_per_minute", before.payments_per_minute, *payments_per_minute);
    }

    fn breakers(&mut self, before: &BreakerRules, after: &BreakerRules) {
        let BreakerRules { undelivered, refusals_per_minute } = after;
        self.count("breakers undelivered", before.undelivered, *undelivered);
        self.count("breakers refusals_per_minute", before.refusals_per_minute, *refusals_per_minute);
    }

    /// A session that ends sooner makes room for the next one sooner.
    fn session(&mut self, before: &SessionRules, after: &SessionRules) {
        let SessionRules { total, idle } = after;
        self.cap("session total", before.total, *total);
        self.span("session idle", before.idle, *idle, Effect::Tighter);
    }

    fn domain_rules(&mut self, name: &str, before: &DomainRules, after: &DomainRules) {
        let DomainRules { access, per_payment, per_session, per_day, repeat_window, sign_in } = after;
        self.access(&format!("{name} access"), before.access, *access);
        self.cap(&format!("{name} per_payment"), before.per_payment, *per_payment);
        self.cap(&format!("{name} per_session"), before.per_session, *per_session);
        self.cap(&format!("{name} per_day"), before.per_day, *per_day);
        self.span(&format!("{name} repeat_window"), before.repeat_window, *repeat_window, Effect::Tighter);
        let word = |sign_in: bool| if sign_in { Access::Allow } else { Access::Refuse };
        self.access(&format!("{name} sign_in"), word(before.sign_in), word(*sign_in));
    }

    /// Each host that either policy names, by the rule that reaches it there.
    fn domains(&mut self, before: &Policy, after: &Policy, rules: &[DomainRule]) {
        let gone = before.domains.iter().filter(|rule| rules.iter().all(|kept| kept.host != rule.host));
        for host in rules.iter().chain(gone).map(|rule| rule.host.as_str()) {
            self.domain(host, &Reached::by(before, host), &Reached::by(after, host));
        }
    }

    fn domain(&mut self, host: &str, before: &Reached<'_>, after: &Reached<'_>) {
        let name = format!("domain {host}");
        if before.budget != after.budget {
            // What was spent so far counts under another name.
            self.tell(&name, before.budget.clone(), after.budget.clone(), Effect::Looser);
        }
        self.domain_rules(&name, before.rules, after.rules);
        self.list(&format!("{name} methods"), before.methods, after.methods, Empty::Any);
        self.narrowed(&format!("{name} paths"), before.opened_paths(), after.opened_paths());
        self.narrowed(&format!("{name} tools"), before.opened_tools(), after.opened_tools());
        self.list(&format!("{name} payees"), before.payees, after.payees, Empty::Any);
        self.access(&format!("{name} payee_changes"), before.payee_changes, after.payee_changes);
        self.access(&format!("{name} tool_changes"), before.tool_changes, after.tool_changes);
    }

    fn payee(&mut self, before: &PayeeRules, after: &PayeeRules) {
        let PayeeRules { per_day, on_change, deny, deny_lists, deny_list_error: _ } = after;
        self.cap("payee per_day", before.per_day, *per_day);
        self.access("payee on_change", before.on_change, *on_change);
        let addresses = |set: &std::collections::BTreeSet<String>| set.iter().cloned().collect::<Vec<String>>();
        self.list("payee deny", &addresses(&before.deny), &addresses(deny), Empty::Denies);
        self.list("payee deny_lists", &before.deny_lists, deny_lists, Empty::Denies);
    }

    /// How long a question stands is also how long a no does.
    fn approval(&mut self, before: &ApprovalRules, after: &ApprovalRules) {
        let ApprovalRules { above, host_up_to, pending_for, valid_for } = after;
        self.cap("approval above", before.above, *above);
        self.cap("approval host_up_to", before.host_up_to, *host_up_to);
        if before.pending_for != *pending_for {
            self.tell("approval pending_for", span(before.pending_for), span(*pending_for), Effect::Different);
        }
        self.span("approval valid_for", before.valid_for, *valid_for, Effect::Looser);
    }

    fn cap(&mut self, key: &str, before: Option<Usd>, after: Option<Usd>) {
        let dollars = |usd: Option<Usd>| usd.map_or("none".to_owned(), |usd| format!("${usd}"));
        self.rank(key, ranked(before, dollars), ranked(after, dollars), Effect::Looser);
    }

    fn count(&mut self, key: &str, before: Option<u32>, after: Option<u32>) {
        let count = |count: Option<u32>| count.map_or("none".to_owned(), |count| count.to_string());
        self.rank(key, ranked(before, count), ranked(after, count), Effect::Looser);
    }

    fn span(&mut self, key: &str, before: Duration, after: Duration, longer: Effect) {
        self.rank(key, (before, span(before)), (after, span(after)), longer);
    }

    fn access(&mut self, key: &str, before: Access, after: Access) {
        let ranked = |access| match access {
            Access::Refuse => (0, "refuse".to_owned()),
            Access::Ask => (1, "ask".to_owned()),
            Access::Allow => (2, "allow".to_owned()),
        };
        self.rank(key, ranked(before), ranked(after), Effect::Looser);
    }

    /// `more` is what a higher rank means.
    fn rank<T: Ord>(&mut self, key: &str, before: (T, String), after: (T, String), more: Effect) {
        let effect = match after.0.cmp(&before.0) {
            std::cmp::Ordering::Equal => return,
            std::cmp::Ordering::Greater => more,
            std::cmp::Ordering::Less => more.opposite(),
        };
        self.tell(key, before.1, after.1, effect);
    }

    fn list<T: PartialEq + ToString>(&mut self, key: &str, before: &[T], after: &[T], empty: Empty) {
        self.narrowed(key, (before, empty), (after, empty));
    }

    /// What a list means where it is empty may have changed too.
    fn narrowed<T: PartialEq + ToString>(&mut self, key: &str, before: (&[T], Empty), after: (&[T], Empty)) {
        let shown = |(list, empty): (&[T], Empty)| empty.shown(list);
        if before.0 == after.0 && shown(before) == shown(after) {
            return;
        }
        let within = |one: &[T], other: &[T]| one.iter().all(|entry| other.contains(entry));
        let is_any = |(list, empty): (&[T], Empty)| matches!(empty, Empty::Any) && list.is_empty();
        let no_less = is_any(after) || (within(before.0, after.0) && !is_any(before));
        let no_more = is_any(before) || (within(after.0, before.0) && !is_any(after));
        let effect = match (no_less, no_more) {
            (true, false) => after.1.longer(),
            (false, true) => after.1.longer().opposite(),
            _ => Effect::Different,
        };
        self.tell(key, shown(before), shown(after), effect);
    }

    fn tell(&mut self, key: &str, before: String, after: String, effect: Effect) {
        self.0.push(Change { key: key.to_owned(), before, after, effect });
    }
}

/// The rule that holds for a host, or for all hosts of a wildcard.
struct Reached<'a> {
    /// What its spending counts under.
    budget: String,
    rules: &'a DomainRules,
    methods: &'a [String],
    paths: &'a [String],
    tools: &'a [String],
    payees: &'a [String],
    payee_changes: Access,
    tool_changes: Access,
}

impl Reached<'_> {
    /// A rule that names tools alone opens no path.
    fn opened_paths(&self) -> (&[String], Empty) {
        (self.paths, if self.tools.is_empty() { Empty::Any } else { Empty::Nothing })
    }

    /// One that names paths or methods alone opens no tool.
    fn opened_tools(&self) -> (&[String], Empty) {
        let is_for_urls = !self.paths.is_empty() || !self.methods.is_empty();
        (self.tools, if is_for_urls { Empty::Nothing } else { Empty::Any })
    }

    fn by<'a>(policy: &'a Policy, host: &str) -> Reached<'a> {
        let (of_payees, of_tools) = (policy.payee.on_change, policy.tool_changes);
        match policy.domains.iter().find(|rule| hosts::covers(&rule.host, host)) {
            Some(DomainRule { host, rules, methods, paths, tools, payees, payee_changes, tool_changes }) => Reached {
                budget: format!("the budget of the rule for {host}"),
                rules,
                methods,
                paths,
                tools,
                payees,
                payee_changes: payee_changes.unwrap_or(of_payees),
                tool_changes: tool_changes.unwrap_or(of_tools),
            },
            None => Reached {
                budget: "the budget of its domain".to_owned(),
                rules: &policy.each_domain,
                methods: &[],
                paths: &[],
                tools: &[],
                payees: &[],
                payee_changes: of_payees,
                tool_changes: of_tools,
            },
        }
    }
}

/// What an empty list means, and with it what a longer one does.
#[derive(Clone, Copy)]
enum Empty {
    /// It names what is allowed: nothing.
    Nothing,
    /// It narrows down, and so does not: anything.
    Any,
    /// It names what is refused: nothing.
    Denies,
}

impl Empty {
    fn longer(self) -> Effect {
        match self {
            Empty::Nothing | Empty::Any => Effect::Looser,
            Empty::Denies => Effect::Tighter,
        }
    }

    fn shown<T: ToString>(self, list: &[T]) -> String {
        match (self, list.is_empty()) {
            (Empty::Any, true) => "any".to_owned(),
            (_, true) => "nothing".to_owned(),
            _ => list.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

impl Effect {
    fn opposite(self) -> Effect {
        match self {
            Effect::Looser => Effect::Tighter,
            Effect::Different => Effect::Different,
            Effect::Tighter => Effect::Looser,
        }
    }
}

/// No limit is above every limit.
fn ranked<T: Copy + Ord>(limit: Option<T>, shown: impl Fn(Option<T>) -> String) -> ((bool, Option<T>), String) {
    ((limit.is_none(), limit), shown(limit))
}

/// As the file writes it: `30m`.
fn span(span: Duration) -> String {
    let secs = span.as_secs();
    let unit =
        [(24 * 3600, "d"), (3600, "h"), (60, "m")].into_iter().find(|(unit, _)| secs > 0 && secs.is_multiple_of(*unit));
    unit.map_or(format!("{secs}s"), |(unit, name)| format!("{}{name}", secs / unit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scene::*;
    use super::*;

    fn policy(lines: &str) -> Policy {
        Policy::parse("policy.toml", &format!("version = 1\n{lines}")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn told(before: &str, after: &str) -> String {
        let line = |Change { key, before, after, effect }| format!("{effect:?} {key}: {before} -> {after}");
        changes(&policy(before), &policy(after)).into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_file_that_only_looks_different_changes_nothing() {
        assert_eq!(told("", "# mine\n[wallet]\nper_day = \"2\"\n"), "");
    }

    #[test]
    fn every_key_is_told_with_what_it_does() {
        insta::assert_snapshot!(told("", r#"
            [wallet]
            per_payment = "none"
            per_hour = "0.5"
            per_day = "5"
            per_month = "10"
            payments_per_minute = 31
            since_review = "3"
            [session]
            total = "2"
            idle = "45m"
            [each_domain]
            access = "ask"
            per_payment = "0.1"
            per_session = "1"
            per_day = "2"
            repeat_window = "0s"
            [payee]
            per_day = "1"
            on_change = "allow"
            deny = ["0x00000000000000000000000000000000000000aa"]
            deny_lists = ["list.txt"]
            [tools]
            on_change = "refuse"
            [approval]
            above = "none"
            host_up_to = "0"
            pending_for = "90s"
            valid_for = "5m"
            [price]
            rise = "none"
            [breakers]
            undelivered = "none"
            refusals_per_minute = 10
            [networks]
            allow = ["eip155:137"]
            [schemes]
            allow = []
            [egress]
            allow = ["127.0.0.1:4021"]
        "#), @r"
        Looser wallet per_payment: $1.00 -> none
        Looser wallet per_day: $2.00 -> $5.00
        Looser wallet payments_per_minute: 30 -> 31
        Looser session total: $1.00 -> $2.00
        Looser each_domain per_session: $0.50 -> $1.00
        Looser each_domain per_day: $1.00 -> $2.00
        Looser each_domain repeat_window: 2m -> 0s
        Looser payee on_change: ask -> allow
        Looser approval above: $0.10 -> none
        Looser price rise: 50% -> none
        Looser breakers undelivered: 3 -> none
        Looser egress allow: nothing -> 127.0.0.1:4021
        Different approval pending_for: 1d -> 90s
        Different networks allow: eip155:8453 -> eip155:137
        Tighter wallet per_hour: $1.00 -> $0.50
        Tighter wallet per_month: $20.00 -> $10.00
        Tighter wallet since_review: none -> $3.00
        Tighter session idle: 30m -> 45m
        Tighter each_domain access: allow -> ask
        Tighter each_domain per_payment: $0.50 -> $0.10
        Tighter payee per_day: $2.00 -> $1.00
        Tighter payee deny: nothing -> 0x00000000000000000000000000000000000000AA
        Tighter payee deny_lists: nothing -> list.txt
        Tighter tools on_change: ask -> refuse
        Tighter approval host_up_to: $0.25 -> $0.00
        Tighter approval valid_for: 10m -> 5m
        Tighter breakers refusals_per_minute: 30 -> 10
        Tighter schemes allow: exact -> nothing
        ");
    }

    #[test]
    fn a_rule_for_a_host_is_held_against_what_held_there_before() {
        insta::assert_snapshot!(told("", "[[domain]]\nhost = \"api.example.com\"\nper_day = \"3\"\nmethods = [\"GET\"]\n"), @r"
        Looser domain api.example.com: the budget of its domain -> the budget of the rule for api.example.com
        Looser domain api.example.com per_day: $1.00 -> $3.00
        Tighter domain api.example.com methods: any -> GET
        Tighter domain api.example.com tools: any -> nothing
        ");
        insta::assert_snapshot!(told("[[domain]]\nhost = \"*.example.com\"\naccess = \"refuse\"\n", ""), @r"
        Looser domain *.example.com: the budget of the rule for *.example.com -> the budget of its domain
        Looser domain *.example.com access: refuse -> allow
        ");
    }

    #[test]
    fn tools_that_a_rule_names_close_its_paths_and_open_what_paths_had_closed() {
        let host = "[[domain]]\nhost = \"api.example.com\"\n";
        insta::assert_snapshot!(told(host, &format!("{host}tools = [\"search\"]\n")), @r"
        Tighter domain api.example.com paths: any -> nothing
        Tighter domain api.example.com tools: any -> search
        ");
        let paths = format!("{host}paths = [\"/v1/*\"]\n");
        insta::assert_snapshot!(told(&paths, &format!("{paths}tools = [\"search\"]\n")), @"Looser domain api.example.com tools: nothing -> search");
    }

    #[test]
    fn a_wider_rule_put_above_a_narrow_one_is_told_where_it_swallows_it() {
        let narrow = "[[domain]]\nhost = \"api.example.com\"\naccess = \"refuse\"\n";
        let wide = "[[domain]]\nhost = \"*.example.com\"\n";
        insta::assert_snapshot!(told(&format!("{narrow}{wide}"), &format!("{wide}{narrow}")), @r"
        Looser domain api.example.com: the budget of the rule for api.example.com -> the budget of the rule for *.example.com
        Looser domain api.example.com access: refuse -> allow
        ");
    }

    #[test]
    fn a_payee_rule_that_is_inherited_is_told_for_the_hosts_that_inherit_it() {
        let host = "[[domain]]\nhost = \"a.example\"\n";
        let told = told(host, &format!("{host}[payee]\non_change = \"refuse\"\n"));
        insta::assert_snapshot!(told, @r"
        Tighter domain a.example payee_changes: ask -> refuse
        Tighter payee on_change: ask -> refuse
        ");
    }

    fn amount() -> impl Strategy<Value = String> {
        prop_oneof![Just("none".to_owned()), (0u32..4).prop_map(|cents| format!("0.0{cents}"))]
    }

    fn lines() -> impl Strategy<Value = String> {
        let word = prop_oneof![Just("allow"), Just("ask"), Just("refuse")];
        let list = proptest::collection::vec(prop_oneof![Just("\"GET\""), Just("\"POST\"")], 1..3);
        (proptest::collection::vec(amount(), 6), word, proptest::option::of(list), any::<bool>()).prop_map(
            |(amounts, word, methods, has_rule)| {
                let [payment, day, total, domain, payee, above] = &amounts[..] else { unreachable!() };
                let methods = methods.map(|list| format!("methods = [{}]\n", list.join(", "))).unwrap_or_default();
                let rule = format!("[[domain]]\nhost = \"api.example.com\"\nper_day = \"{domain}\"\n{methods}");
                format!(
                    "[wallet]\nper_payment = \"{payment}\"\nper_day = \"{day}\"\n[session]\ntotal = \"{total}\"\n\
                     [each_domain]\naccess = \"{word}\"\n[payee]\nper_day = \"{payee}\"\n[approval]\nabove = \
                     \"{above}\"\n{}",
                    if has_rule { rule } else { String::new() }
                )
            },
        )
    }

    proptest! {
        #[test]
        fn where_nothing_is_called_looser_nothing_more_is_allowed(
            before in lines(), after in lines(), cents in 1u32..4, post in any::<bool>(),
        ) {
            let found = changes(&policy(&before), &policy(&after));
            let more_room = |says: &str| match says.split(' ').next() { Some("refuse") => 0, Some("ask") => 1, _ => 2 };
            let asked = |lines: &str| {
                let mut scene = scene().policy(lines).price(&format!("0.0{cents}"));
                if post { scene.request.method = "POST".to_owned(); }
                more_room(&scene.says())
            };
            if found.iter().all(|change| change.effect == Effect::Tighter) {
                prop_assert!(asked(&after) <= asked(&before), "{found:#?}");
            }
        }
    }
}
