//! Pure: `policy.toml` becomes a [`Policy`], or a list of what is wrong with it.
//!
//! A key that is left out has its value in `policies/default.toml`, which is built in; a `[[domain]]` rule takes what
//! it leaves out from `[each_domain]`. Nothing is ever unlimited unless the file says `"none"`.

use std::rc::Rc;
use std::sync::LazyLock;
use std::time::Duration;

use sha2::{Digest, Sha256};
use toml_edit::Item;

use super::read::{self, Complaint, FileError, Notes, Placed, Section};
use super::{
    Access, ApprovalRules, BreakerRules, DomainRule, DomainRules, PayeeRules, Policy, SessionRules, WalletRules, hosts,
};
use crate::limits;
use crate::money::{Network, Usd};
use crate::text::quoted;

/// The policy of a wallet whose owner wrote none.
const BUILT_IN: &str = include_str!("../../policies/default.toml");

/// Schemes bursar can pay, and the flow that its owner has to open. Another word in `[schemes] allow` is a mistake that would read like a permission.
const SCHEMES: [&str; 4] = ["exact", "upto", "tempo", "upfront"];

const DAY: u64 = 24 * 3600;
/// No span in a policy is longer: what is meant to last for ever should not be a number.
const LONGEST: Duration = Duration::from_secs(366 * DAY);

static DEFAULT: LazyLock<Policy> = LazyLock::new(|| match parse("policies/default.toml", BUILT_IN, None) {
    Ok(policy) => policy,
    Err(error) => panic!("the built-in policy does not parse, which a test rules out:\n{error}"),
});

impl Policy {
    /// `policies/default.toml`, which is in force where the owner wrote no policy.
    pub fn built_in() -> Policy {
        DEFAULT.clone()
    }

    /// The text of the built-in policy, to be read and to start from.
    pub fn built_in_text() -> &'static str {
        BUILT_IN
    }

    /// A policy from its text; `file` is what complaints call it. If it names deny lists, nothing is paid until
    /// [`Policy::with_deny_lists`] has been given them.
    pub fn parse(file: &str, text: &str) -> Result<Policy, FileError> {
        parse(file, text, Some(BUILT_IN))
    }
}

fn parse(file: &str, text: &str, fallback: Option<&str>) -> Result<Policy, FileError> {
    let hash = hex(&Sha256::digest(text));
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let document = read::document(file, text)?;
    let notes = Notes::new(text);
    let fallback_text = fallback.unwrap_or_default();
    let fallback_document = read::document("policies/default.toml", fallback_text)?;
    let fallback_notes = Notes::new(fallback_text);
    let beneath = fallback.map(|_| Rc::new(Section::root(&fallback_document, &fallback_notes, None)));
    let policy = whole(&Section::root(&document, &notes, beneath), hash);
    notes.conclude(file, policy)
}

/// The file from top to bottom. Where a value is bad there is a complaint and a stand-in that nobody gets to see.
fn whole(root: &Section<'_>, hash: String) -> Policy {
    version(root);
    let each_domain = root.section("each_domain");
    let policy = Policy {
        text_hash: hash.clone(),
        hash,
        wallet: wallet(&root.section("wallet")),
        session: session(&root.section("session")),
        each_domain: domain_rules(&each_domain),
        domains: domains(root, &each_domain),
        payee: payee(&root.section("payee")),
        tool_changes: tools(&root.section("tools")),
        approval: approval(&root.section("approval")),
        price_rise: price(&root.section("price")),
        breakers: breakers(&root.section("breakers")),
        networks: networks(&root.section("networks")),
        schemes: schemes(&root.section("schemes")),
        egress: egress(&root.section("egress")),
    };
    each_domain.finish();
    root.finish();
    policy
}

/// May be left out, like every key. A file with nothing in it was cut short while it was written, and is not mistaken
/// for one that leaves all to the built-in values.
fn version(root: &Section<'_>) {
    let is_one = |item: &Item| match item.as_integer() {
        Some(1) => Ok(()),
        _ => Err(Complaint::new("this bursar reads version 1, not {value}", "write version = 1")),
    };
    root.own("version", is_one);
    if root.is_empty() {
        let remedy = "begin it with version = 1; or remove it, and the built-in policy holds";
        root.notes().say(Some(0..0), "the file is empty", remedy);
    }
}

fn wallet(section: &Section<'_>) -> WalletRules {
    let rules = WalletRules {
        per_payment: usd(section, "per_payment"),
        per_hour: usd(section, "per_hour"),
        per_day: usd(section, "per_day"),
        per_month: usd(section, "per_month"),
        since_review: usd(section, "since_review"),
        payments_per_minute: value(section, "payments_per_minute", count_or_none).flatten(),
    };
    section.finish();
    rules
}

fn session(section: &Section<'_>) -> SessionRules {
    let rules = SessionRules { total: usd(section, "total"), idle: span(section, "idle", at_least_a_second) };
    section.finish();
    rules
}

fn domain_rules(section: &Section<'_>) -> DomainRules {
    DomainRules {
        access: access(section, "access"),
        per_payment: usd(section, "per_payment"),
        per_session: usd(section, "per_session"),
        per_day: usd(section, "per_day"),
        repeat_window: span(section, "repeat_window", any_span),
        sign_in: value(section, "sign_in", allow_or_refuse).unwrap_or(false),
    }
}

fn domains<'a>(root: &Section<'a>, each_domain: &Rc<Section<'a>>) -> Vec<DomainRule> {
    let mut seen: Vec<Placed<String>> = Vec::new();
    let mut rules = Vec::new();
    for section in root.list("domain", Some(Rc::clone(each_domain))) {
        if let Some(host) = host(&section, &seen) {
            seen.push(host.clone());
            rules.push(domain(&section, host.value));
        } else {
            domain(&section, String::new());
        }
        section.finish();
    }
    rules
}

fn domain(section: &Section<'_>, host: String) -> DomainRule {
    let plain = |list: Vec<Placed<String>>| list.into_iter().map(|entry| entry.value).collect();
    DomainRule {
        host,
        rules: domain_rules(section),
        methods: plain(section.own_texts("methods", method)),
        paths: plain(section.own_texts("paths", path)),
        tools: plain(section.own_texts("tools", tool)),
        payees: section.own_texts("payees", read::address).into_iter().map(|entry| entry.value).collect(),
        payee_changes: section.own("payee_changes", access_word).map(|word| word.value),
        tool_changes: section.own("tool_changes", access_word).map(|word| word.value),
    }
}

/// The host of a rule, if it is one that can match: the first rule that matches is the one that holds.
fn host(section: &Section<'_>, seen: &[Placed<String>]) -> Option<Placed<String>> {
    if !section.has("host") {
        let remedy = "add a line host = \"api.example.com\", or \"*.example.com\" for its subdomains";
        section.notes().say(section.span(), "this [[domain]] names no `host`", remedy);
    }
    let host = section.own("host", |item| hosts::pattern(read::text(item)?))?;
    let notes = section.notes();
    let line_of = |other: &Placed<String>| notes.line_and_column(other.span.clone().unwrap_or_default().start).0;
    if let Some(same) = seen.iter().find(|other| other.value == host.value) {
        let what = format!("`{}` has a rule already, on line {}", host.value, line_of(same));
        notes.say(host.span.clone(), what, "put everything about one host into one [[domain]]");
    }
    Some(host)
}

fn payee(section: &Section<'_>) -> PayeeRules {
    let deny_lists: Vec<_> = section.texts("deny_lists", file_name).into_iter().map(|entry| entry.value).collect();
    let rules = PayeeRules {
        per_day: usd(section, "per_day"),
        on_change: access(section, "on_change"),
        deny: section.texts("deny", read::address).into_iter().map(|entry| entry.value).collect(),
        deny_list_error: (!deny_lists.is_empty()).then(|| "the deny lists were not read yet".to_owned()),
        deny_lists,
    };
    section.finish();
    rules
}

fn tools(section: &Section<'_>) -> Access {
    let on_change = access(section, "on_change");
    section.finish();
    on_change
}

fn approval(section: &Section<'_>) -> ApprovalRules {
    let rules = ApprovalRules {
        above: usd(section, "above"),
        host_up_to: usd(section, "host_up_to"),
        pending_for: span(section, "pending_for", at_least_a_second),
        valid_for: span(section, "valid_for", at_least_a_second),
    };
    section.finish();
    rules
}

fn price(section: &Section<'_>) -> Option<u32> {
    let rise = value(section, "rise", percent_or_none).flatten();
    section.finish();
    rise
}

fn breakers(section: &Section<'_>) -> BreakerRules {
    let rules = BreakerRules {
        undelivered: value(section, "undelivered", count_or_none).flatten(),
        refusals_per_minute: value(section, "refusals_per_minute", count_or_none).flatten(),
    };
    section.finish();
    rules
}

fn networks(section: &Section<'_>) -> Vec<Network> {
    let mut allowed = Vec::new();
    for network in section.texts("allow", read::network) {
        if allowed.contains(&network.value) {
            let what = format!("`{}` stands in [networks] allow twice", network.value);
            section.notes().say(network.span, what, "keep it once: the order is your preference");
        } else {
            allowed.push(network.value);
        }
    }
    section.finish();
    allowed
}

fn schemes(section: &Section<'_>) -> Vec<String> {
    let allowed = section.texts("allow", scheme).into_iter().map(|entry| entry.value).collect();
    section.finish();
    allowed
}

fn egress(section: &Section<'_>) -> Vec<String> {
    let allowed = section.texts("allow", hosts::host_and_port).into_iter().map(|entry| entry.value).collect();
    section.finish();
    allowed
}

fn value<T>(section: &Section<'_>, key: &'static str, read: impl Fn(&Item) -> Result<T, Complaint>) -> Option<T> {
    section.value(key, read).map(|placed| placed.value)
}

fn usd(section: &Section<'_>, key: &'static str) -> Option<Usd> {
    value(section, key, read::usd_or_none).flatten()
}

fn span(section: &Section<'_>, key: &'static str, read: fn(&Item) -> Result<Duration, Complaint>) -> Duration {
    value(section, key, read).unwrap_or_default()
}

fn access(section: &Section<'_>, key: &'static str) -> Access {
    value(section, key, access_word).unwrap_or(Access::Refuse)
}

fn access_word(item: &Item) -> Result<Access, Complaint> {
    match item.as_str() {
        Some("allow") => Ok(Access::Allow),
        Some("ask") => Ok(Access::Ask),
        Some("refuse") => Ok(Access::Refuse),
        Some("deny") => Err(Complaint::new("{value} is not a word for this", "write {key} = \"refuse\"")),
        _ => Err(Complaint::new("{value} is not a word for this", "write \"allow\", \"ask\" or \"refuse\"")),
    }
}

fn allow_or_refuse(item: &Item) -> Result<bool, Complaint> {
    match item.as_str() {
        Some("allow") => Ok(true),
        Some("refuse") => Ok(false),
        _ => Err(Complaint::new("{value} is not a word for this", "write \"allow\" or \"refuse\"")),
    }
}

fn at_least_a_second(item: &Item) -> Result<Duration, Complaint> {
    match any_span(item)? {
        Duration::ZERO => Err(Complaint::new("this cannot be no time at all", "write a span such as \"30m\"")),
        span => Ok(span),
    }
}

/// A whole number and a unit: `30s`, `10m`, `24h`, `30d`.
fn any_span(item: &Item) -> Result<Duration, Complaint> {
    const REMEDY: &str = "write a whole number and s, m, h or d: \"30s\", \"10m\", \"24h\", \"30d\"";
    let complain = || Complaint::new("{value} is not a span of time", REMEDY);
    let text = item.as_str().ok_or_else(complain)?;
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => DAY,
        _ => return Err(complain()),
    };
    let number = &text[..text.len() - 1];
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| digits).ok_or_else(complain)?;
    match number.checked_mul(unit).map(Duration::from_secs).filter(|span| *span <= LONGEST) {
        Some(span) => Ok(span),
        None => Err(Complaint::new("{value} is longer than a year", REMEDY)),
    }
}

fn percent_or_none(item: &Item) -> Result<Option<u32>, Complaint> {
    const REMEDY: &str = "write {key} = \"50%\", or \"none\" to never ask";
    let complain = || Complaint::new("{value} is not a percentage", REMEDY);
    let text = item.as_str().ok_or_else(complain)?;
    if text == "none" {
        return Ok(None);
    }
    let number = text.strip_suffix('%').ok_or_else(complain)?;
    let digits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    let percent = number.parse().ok().filter(|percent| digits && *percent <= 100_000);
    percent.map(Some).ok_or_else(complain)
}

fn count_or_none(item: &Item) -> Result<Option<u32>, Complaint> {
    match (item.as_integer(), item.as_str()) {
        (_, Some("none")) => Ok(None),
        (Some(count @ 1..=1_000_000), _) => Ok(Some(count as u32)),
        (Some(0), _) => Err(Complaint::new("0 would stop every payment", "to stop everything, run `bursar freeze`")),
        _ => Err(Complaint::new("{value} is not a count", "write {key} = 30, or \"none\" for no limit")),
    }
}

/// An HTTP method, in the one spelling requests have.
fn method(text: &str) -> Result<String, Complaint> {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let shown = quoted(text, 40);
    let upper = text.to_ascii_uppercase();
    let token = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if token && (KNOWN.contains(&text) || read::nearest(text, &KNOWN).is_none()) {
        return Ok(text.to_owned());
    }
    let remedy = match KNOWN.contains(&upper.as_str()) {
        true => format!("write it in capitals: \"{upper}\""),
        false => format!("write one in capitals: \"{}\"", read::nearest(text, &KNOWN).unwrap_or("GET")),
    };
    Err(Complaint::new(format!("`{shown}` is not an HTTP method"), remedy))
}

/// An exact path, or one that ends in `/*` for everything beneath it.
fn path(text: &str) -> Result<String, Complaint> {
    let shown = quoted(text, 100);
    let fixed = text.strip_suffix("/*").unwrap_or(text);
    if !text.starts_with('/') {
        let remedy = format!("write \"/{}\"", shown.trim_start_matches('/'));
        return Err(Complaint::new(format!("the path `{shown}` does not begin with /"), remedy));
    }
    if fixed.contains('*') {
        let what = format!("in the path `{shown}` a * stands elsewhere than alone at the end");
        return Err(Complaint::new(what, "write \"/v1/*\" for everything beneath /v1/"));
    }
    let as_sent = url::Url::parse("https://x.invalid").and_then(|base| base.join(text));
    if text.contains(['?', '#']) || !as_sent.is_ok_and(|url| url.path() == text) {
        let what = format!("`{shown}` is not how a path stands in a request");
        return Err(Complaint::new(what, "write it percent-encoded, without query, fragment, `.` or `..`"));
    }
    Ok(text.to_owned())
}

fn tool(text: &str) -> Result<String, Complaint> {
    let fixed = text.strip_suffix('*').unwrap_or(text);
    let what = match (text.chars().count(), fixed.contains('*')) {
        (0, _) => "this is not the name of a tool".to_owned(),
        (1..=limits::TOOL_NAME_CHARS, false) => return Ok(text.to_owned()),
        (_, true) => format!("in the tool `{}` a * stands elsewhere than at the end", quoted(text, 100)),
        _ => format!("no tool's name is longer than {} characters", limits::TOOL_NAME_CHARS),
    };
    Err(Complaint::new(what, "write a tool as its server lists it, or \"search_*\" for all that begin so"))
}

fn scheme(text: &str) -> Result<String, Complaint> {
    if SCHEMES.contains(&text) {
        return Ok(text.to_owned());
    }
    let what = format!("bursar cannot pay by the scheme `{}`", quoted(text, 40));
    Err(Complaint::new(what, format!("what it can pay: {}", SCHEMES.join(", "))))
}

fn file_name(text: &str) -> Result<String, Complaint> {
    match text.trim().is_empty() || text.contains(char::is_control) {
        true => Err(Complaint::new("this is not the name of a file", "name a file of addresses, one a line")),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a policy with these lines after `version = 1`.
    fn complaint(lines: &str) -> String {
        match Policy::parse("policy.toml", &format!("version = 1\n{lines}")) {
            Ok(policy) => panic!("this was taken: {policy:#?}"),
            Err(error) => error.to_string(),
        }
    }

    fn parsed(lines: &str) -> Policy {
        Policy::parse("policy.toml", &format!("version = 1\n{lines}")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn usd(text: &str) -> Option<Usd> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_built_in_policy_is_what_the_design_says() {
        let spoken = |line: &'static str| line.split('#').next().unwrap_or_default().trim();
        let lines: Vec<_> = BUILT_IN.lines().map(spoken).filter(|line| !line.is_empty()).collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        version = 1
        [wallet]
        per_payment = "1.00"
        per_hour = "1.00"
        per_day = "2.00"
        per_month = "20.00"
        since_review = "none"
        payments_per_minute = 30
        [session]
        total = "1.00"
        idle = "30m"
        [each_domain]
        access = "allow"
        per_payment = "0.50"
        per_session = "0.50"
        per_day = "1.00"
        repeat_window = "2m"
        sign_in = "refuse"
        [payee]
        per_day = "2.00"
        on_change = "ask"
        deny = []
        deny_lists = []
        [tools]
        on_change = "ask"
        [approval]
        above = "0.10"
        host_up_to = "0.25"
        pending_for = "24h"
        valid_for = "10m"
        [price]
        rise = "50%"
        [breakers]
        undelivered = 3
        refusals_per_minute = 30
        [networks]
        allow = ["eip155:8453"]
        [schemes]
        allow = ["exact"]
        [egress]
        allow = []
        "#);
    }

    #[test]
    fn every_policy_in_the_box_parses() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/policies")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        for path in paths.filter(|path| path.extension().is_some_and(|kind| kind == "toml")) {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.starts_with("# For "), "{}: says at its top whom it is for", path.display());
            Policy::parse(&path.display().to_string(), &text).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    #[test]
    fn a_key_that_is_left_out_has_its_built_in_value() {
        let policy = parsed("[wallet]\nper_day = \"5\"\n");
        assert_eq!(policy.wallet.per_day, usd("5"));
        assert_eq!(policy.wallet.per_month, Policy::built_in().wallet.per_month);
        assert_eq!(policy.session.total, Policy::built_in().session.total);
    }

    #[test]
    fn only_the_word_none_is_unlimited() {
        assert_eq!(parsed("[wallet]\nper_day = \"none\"\n").wallet.per_day, None);
        assert_eq!(parsed("[price]\nrise = \"none\"\n").price_rise, None);
        assert_eq!(parsed("[wallet]\npayments_per_minute = \"none\"\n").wallet.payments_per_minute, None);
    }

    #[test]
    fn a_domain_takes_what_it_leaves_out_from_each_domain_and_then_from_the_built_in() {
        let policy =
            parsed("[[domain]]\nhost = \"a.example\"\nper_day = \"3\"\n[each_domain]\nper_session = \"0.7\"\n");
        let rules = &policy.domains[0].rules;
        assert_eq!((rules.per_day, rules.per_session, rules.per_payment), (usd("3"), usd("0.7"), usd("0.50")));
        assert_eq!(rules.access, Access::Allow);
    }

    #[test]
    fn the_hash_is_of_the_files_bytes() {
        let policy = Policy::parse("policy.toml", "version = 1\n").unwrap();
        assert_eq!(policy.hash, "dbab12665d98aef021ba64953c61b0ed8a908cfb56a1c01e2fcb4b052b71a2a1");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_its_neighbour() {
        insta::assert_snapshot!(complaint("[wallet]\nperday = \"1\"\n"), @"
        policy.toml:3:1: unknown key `perday` in [wallet]; did you mean `per_day`?
          write `per_day`, or remove the line
        ");
        insta::assert_snapshot!(complaint("[walet]\nper_day = \"1\"\n"), @"
        policy.toml:2:2: unknown key `walet` in the file; did you mean `wallet`?
          write `wallet`, or remove the line
        ");
        insta::assert_snapshot!(complaint("[each_domain]\ncolour = \"red\"\n"), @"
        policy.toml:3:1: unknown key `colour` in [each_domain]
          remove it; what may stand here: access, per_payment, per_session, per_day, repeat_window, sign_in
        ");
        insta::assert_snapshot!(complaint("per_day = \"1\"\n"), @"
        policy.toml:2:1: unknown key `per_day` in the file
          remove it; what may stand here: version, each_domain, wallet, session, domain, payee, tools, approval, price, breakers, networks, schemes, egress
        ");
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\nmethod = [\"GET\"]\n"), @"
        policy.toml:4:1: unknown key `method` in [[domain]]; did you mean `methods`?
          write `methods`, or remove the line
        ");
        insta::assert_snapshot!(complaint("[each_domain]\npaths = [\"/x\"]\n"), @"
        policy.toml:3:1: unknown key `paths` in [each_domain]
          remove it; what may stand here: access, per_payment, per_session, per_day, repeat_window, sign_in
        ");
    }

    #[test]
    fn an_amount_is_a_decimal_in_quotes() {
        insta::assert_snapshot!(complaint("[wallet]\nper_day = 2\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: amounts are written in quotes, not as the bare number 2
          write per_day = "2"
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = 2.5\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: amounts are written in quotes, not as the bare number 2.5
          write per_day = "2.5"
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = -1\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: amounts are written in quotes, not as the bare number -1
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"-1\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "-1" is not an amount of dollars: an amount is a decimal number such as "0.25"
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"1e3\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "1e3" is not an amount of dollars: an amount is a decimal number such as "0.25"
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"$1\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "$1" is not an amount of dollars: an amount is a decimal number such as "0.25"
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"0.0000001\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "0.0000001" is not an amount of dollars: an amount has at most 6 digits after the point
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"unlimited\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "unlimited" is not an amount of dollars: an amount is a decimal number such as "0.25"
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = []\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: [] is not an amount of dollars in quotes
          write per_day = "1.00", or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"99999999999999\"\n"), @r#"
        policy.toml:3:11: `per_day` in [wallet]: "99999999999999" is not an amount of dollars: that amount is too large
          write per_day = "1.00", or "none" for no limit
        "#);
    }

    #[test]
    fn a_span_is_a_whole_number_and_a_unit() {
        insta::assert_snapshot!(complaint("[session]\nidle = 30\n"), @r#"
        policy.toml:3:8: `idle` in [session]: 30 is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"30\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: "30" is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"0s\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: this cannot be no time at all
          write a span such as "30m"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"1.5h\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: "1.5h" is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"2 weeks\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: "2 weeks" is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"9000d\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: "9000d" is longer than a year
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
        insta::assert_snapshot!(complaint("[session]\nidle = \"\"\n"), @r#"
        policy.toml:3:8: `idle` in [session]: "" is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        "#);
    }

    #[test]
    fn a_rise_is_a_percentage_and_a_count_is_a_number() {
        insta::assert_snapshot!(complaint("[price]\nrise = 50\n"), @r#"
        policy.toml:3:8: `rise` in [price]: 50 is not a percentage
          write rise = "50%", or "none" to never ask
        "#);
        insta::assert_snapshot!(complaint("[price]\nrise = \"-5%\"\n"), @r#"
        policy.toml:3:8: `rise` in [price]: "-5%" is not a percentage
          write rise = "50%", or "none" to never ask
        "#);
        insta::assert_snapshot!(complaint("[wallet]\npayments_per_minute = \"30\"\n"), @r#"
        policy.toml:3:23: `payments_per_minute` in [wallet]: "30" is not a count
          write payments_per_minute = 30, or "none" for no limit
        "#);
        insta::assert_snapshot!(complaint("[wallet]\npayments_per_minute = 0\n"), @"
        policy.toml:3:23: `payments_per_minute` in [wallet]: 0 would stop every payment
          to stop everything, run `bursar freeze`
        ");
    }

    #[test]
    fn an_access_is_one_of_three_words() {
        insta::assert_snapshot!(complaint("[each_domain]\naccess = \"deny\"\n"), @r#"
        policy.toml:3:10: `access` in [each_domain]: "deny" is not a word for this
          write access = "refuse"
        "#);
        insta::assert_snapshot!(complaint("[payee]\non_change = true\n"), @r#"
        policy.toml:3:13: `on_change` in [payee]: true is not a word for this
          write "allow", "ask" or "refuse"
        "#);
    }

    #[test]
    fn a_network_has_its_caip_2_name() {
        insta::assert_snapshot!(complaint("[networks]\nallow = [\"base\"]\n"), @r#"
        policy.toml:3:10: `allow` in [networks]: `base` is not a network's CAIP-2 name
          write "eip155:8453"
        "#);
        insta::assert_snapshot!(complaint("[networks]\nallow = [\"eip155:08453\"]\n"), @r#"
        policy.toml:3:10: `allow` in [networks]: `eip155:08453` is not a network's CAIP-2 name
          write it as "eip155:" and the chain id: "eip155:8453" is Base
        "#);
        insta::assert_snapshot!(complaint("[networks]\nallow = \"eip155:8453\"\n"), @r#"
        policy.toml:3:9: `allow` in [networks]: this is a list of quoted texts, not "eip155:8453"
          write allow = ["eip155:8453"]
        "#);
        insta::assert_snapshot!(complaint("[networks]\nallow = [8453]\n"), @"
        policy.toml:3:10: `allow` in [networks]: each entry is a text in quotes
          put the entry in quotes
        ");
        insta::assert_snapshot!(complaint("[networks]\nallow = [\"eip155:1\", \"eip155:1\"]\n"), @"
        policy.toml:3:22: `eip155:1` stands in [networks] allow twice
          keep it once: the order is your preference
        ");
    }

    #[test]
    fn a_scheme_is_one_that_can_be_paid() {
        insta::assert_snapshot!(complaint("[schemes]\nallow = [\"batch-settlement\"]\n"), @"
        policy.toml:3:10: `allow` in [schemes]: bursar cannot pay by the scheme `batch-settlement`
          what it can pay: exact, upto, tempo, upfront
        ");
    }

    #[test]
    fn a_host_is_exact_or_the_subdomains_of_a_registered_domain() {
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"*\"\n"), @"
        policy.toml:3:8: `host` in [[domain]]: `*` means every host
          what holds for every host stands in [each_domain]; name a host here
        ");
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"*.com\"\n"), @r#"
        policy.toml:3:8: `host` in [[domain]]: `*.com` means the hosts of many owners: `com` is not a domain somebody registered
          name a domain in full: "*.example.com"
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"https://example.com/x\"\n"), @r#"
        policy.toml:3:8: `host` in [[domain]]: `https://example.com/x` is not a host
          write only the host: "example.com"
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"example.com:443\"\n"), @r#"
        policy.toml:3:8: `host` in [[domain]]: `example.com:443` is not a host
          write an exact host, or "*." and a domain: no scheme, port or path
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"::1\"\n"), @r#"
        policy.toml:3:8: `host` in [[domain]]: `::1` is an IPv6 address without brackets
          write "[::1]"
        "#);
    }

    #[test]
    fn a_rule_without_a_host_or_a_second_one_for_it_is_a_mistake() {
        insta::assert_snapshot!(complaint("[[domain]]\nper_day = \"1\"\n"), @r#"
        policy.toml:2:1: this [[domain]] names no `host`
          add a line host = "api.example.com", or "*.example.com" for its subdomains
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\n[[domain]]\nhost = \"A.example\"\n"), @"
        policy.toml:5:8: `a.example` has a rule already, on line 3
          put everything about one host into one [[domain]]
        ");
        insta::assert_snapshot!(complaint("[domain]\nhost = \"a.example\"\n"), @"
        policy.toml:2:1: `domain` is a list of tables
          begin each one with a line [[domain]]
        ");
    }

    #[test]
    fn a_method_is_in_capitals_and_a_path_as_requests_have_it() {
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\nmethods = [\"get\"]\n"), @r#"
        policy.toml:4:12: `methods` in [[domain]]: `get` is not an HTTP method
          write it in capitals: "GET"
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\nmethods = [\"PSOT\"]\n"), @r#"
        policy.toml:4:12: `methods` in [[domain]]: `PSOT` is not an HTTP method
          write one in capitals: "POST"
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\nmethods = []\n"), @"
        policy.toml:4:11: `methods` in [[domain]]: this list is empty
          leave methods out, or list at least one
        ");
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\npaths = [\"v1\"]\n"), @r#"
        policy.toml:4:10: `paths` in [[domain]]: the path `v1` does not begin with /
          write "/v1"
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\npaths = [\"/v1*\"]\n"), @r#"
        policy.toml:4:10: `paths` in [[domain]]: in the path `/v1*` a * stands elsewhere than alone at the end
          write "/v1/*" for everything beneath /v1/
        "#);
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\npaths = [\"/a/../b\"]\n"), @"
        policy.toml:4:10: `paths` in [[domain]]: `/a/../b` is not how a path stands in a request
          write it percent-encoded, without query, fragment, `.` or `..`
        ");
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\npaths = [\"/a?b\"]\n"), @"
        policy.toml:4:10: `paths` in [[domain]]: `/a?b` is not how a path stands in a request
          write it percent-encoded, without query, fragment, `.` or `..`
        ");
        insta::assert_snapshot!(complaint("[[domain]]\nhost = \"a.example\"\npaths = [\"/a b\"]\n"), @"
        policy.toml:4:10: `paths` in [[domain]]: `/a b` is not how a path stands in a request
          write it percent-encoded, without query, fragment, `.` or `..`
        ");
    }

    #[test]
    fn an_address_is_complete_and_its_checksum_holds() {
        insta::assert_snapshot!(complaint("[payee]\ndeny = [\"0x12\"]\n"), @"
        policy.toml:3:9: `deny` in [payee]: `0x12` is not an address
          an address is 0x and 40 hexadecimal digits, or on Solana 32 bytes in base58
        ");
        insta::assert_snapshot!(complaint("[payee]\ndeny = [\"0x833589fcD6eDb6E08f4c7C32D4f71b54bdA02913\"]\n"), @"
        policy.toml:3:9: `deny` in [payee]: the checksum of the address `0x833589fcD6eDb6E08f4c7C32D4f71b54bdA02913` does not hold: a digit or a letter's case is wrong
          copy it again from where it comes from
        ");
    }

    #[test]
    fn a_hole_for_private_addresses_is_one_host_and_port() {
        insta::assert_snapshot!(complaint("[egress]\nallow = [\"127.0.0.1\"]\n"), @r#"
        policy.toml:3:10: `allow` in [egress]: `127.0.0.1` has no host and port
          write host and port, as "127.0.0.1:4021" or "[::1]:4021"
        "#);
        insta::assert_snapshot!(complaint("[egress]\nallow = [\"http://127.0.0.1:80\"]\n"), @r#"
        policy.toml:3:10: `allow` in [egress]: `http://127.0.0.1:80` is not an exact host and port
          write host and port, as "127.0.0.1:4021" or "[::1]:4021"
        "#);
    }

    #[test]
    fn what_is_no_toml_has_its_line_too() {
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \n"), @"
        policy.toml:3:11: string values must be quoted, expected literal string
          correct the line; strings are quoted, tables are [in brackets], comments begin with #
        ");
        insta::assert_snapshot!(complaint("[wallet]\nper_day = \"1\"\nper_day = \"2\"\n"), @"
        policy.toml:4:1: duplicate key
          correct the line; strings are quoted, tables are [in brackets], comments begin with #
        ");
        insta::assert_snapshot!(complaint("wallet = 3\n"), @"
        policy.toml:2:10: `wallet` is a table, not a value
          write it as [wallet], with its keys on the lines below
        ");
    }

    #[test]
    fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
        insta::assert_snapshot!(complaint("[session]\nidle = 5\n[wallet]\nper_day = 1\nperhour = \"1\"\n[networks]\nallow = [\"base\", \"nowhere\"]\n"), @r#"
        policy.toml:3:8: `idle` in [session]: 5 is not a span of time
          write a whole number and s, m, h or d: "30s", "10m", "24h", "30d"
        policy.toml:5:11: `per_day` in [wallet]: amounts are written in quotes, not as the bare number 1
          write per_day = "1"
        policy.toml:6:1: unknown key `perhour` in [wallet]; did you mean `per_hour`?
          write `per_hour`, or remove the line
        policy.toml:8:10: `allow` in [networks]: `base` is not a network's CAIP-2 name
          write "eip155:8453"
        policy.toml:8:18: `allow` in [networks]: `nowhere` is not a network's CAIP-2 name
          write it as "eip155:" and the chain id: "eip155:8453" is Base
        "#);
    }

    #[test]
    fn a_mistake_many_rules_inherit_is_told_once() {
        insta::assert_snapshot!(complaint("[each_domain]\nper_day = 1\n[[domain]]\nhost = \"a.example\"\n[[domain]]\nhost = \"b.example\"\n"), @r#"
        policy.toml:3:11: `per_day` in [each_domain]: amounts are written in quotes, not as the bare number 1
          write per_day = "1"
        "#);
    }

    #[test]
    fn a_file_cut_short_is_not_taken_for_one_that_leaves_all_to_the_built_in() {
        let complaint = |text: &str| Policy::parse("policy.toml", text).unwrap_err().to_string();
        insta::assert_snapshot!(complaint("# nothing\n"), @"
        policy.toml:1:1: the file is empty
          begin it with version = 1; or remove it, and the built-in policy holds
        ");
        assert!(Policy::parse("policy.toml", "[wallet]\nper_day = \"1\"\n").is_ok());
        insta::assert_snapshot!(complaint("version = 2\n"), @"
        policy.toml:1:11: `version` in the file: this bursar reads version 1, not 2
          write version = 1
        ");
        insta::assert_snapshot!(complaint("version = \"1\"\n"), @r#"
        policy.toml:1:11: `version` in the file: this bursar reads version 1, not "1"
          write version = 1
        "#);
    }

    #[test]
    fn rules_of_the_design_are_read_as_they_stand_there() {
        let policy = parsed(
            r#"
            [[domain]]
            host = "*.example.com"
            access = "allow"
            per_day = "2.00"
            methods = ["GET", "POST"]
            paths = ["/v1/*"]
            payees = ["0x00000000000000000000000000000000000000aa"]
            payee_changes = "allow"
            tool_changes = "refuse"
            repeat_window = "0s"
            [egress]
            allow = ["127.0.0.1:4021"]
            "#,
        );
        let rule = &policy.domains[0];
        assert_eq!((rule.host.as_str(), rule.rules.per_day), ("*.example.com", usd("2")));
        assert_eq!((rule.methods.len(), rule.paths.len(), rule.payees.len()), (2, 1, 1));
        assert_eq!((rule.payee_changes, rule.tool_changes), (Some(Access::Allow), Some(Access::Refuse)));
        assert_eq!(rule.rules.repeat_window, Duration::ZERO);
        assert_eq!(policy.egress, ["127.0.0.1:4021"]);
    }

    proptest::proptest! {
        // Whatever the file holds, the answer is a policy or a complaint, never a panic.
        #[test]
        fn no_file_makes_the_parser_panic(text in "(\\PC|\n|\\[|\\]|=|\"){0,200}") {
            let _ = Policy::parse("policy.toml", &format!("version = 1\n{text}"));
        }
    }
}
