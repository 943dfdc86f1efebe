//! Pure: what may be spent. The policy, what was already spent, and an offer come in; a decision comes out.
//!
//! [`decide`] is asked twice for every purchase: once for advice, and once inside the commit that records the money,
//! over a snapshot read there. Only the second answer counts.

mod allow;
mod assets;
mod budget;
mod changes;
mod decide;
mod deny_list;
pub(crate) mod edit;
mod hosts;
mod parse;
mod place;
pub(crate) mod read;
pub mod rules;
#[cfg(test)]
mod scene;
mod schema;
mod terms;

pub use allow::{Allowed, NewRule, with_rule};
pub use assets::asset_changes;
pub use budget::{Remaining, budget_left, caps, meters};
pub use changes::{Change, Effect, changes};
pub use decide::{RuleReport, Ruling, decide, explain, for_the_record, from_the_record};
pub(crate) use hosts::registrable;
pub use place::{Place, site};
pub use read::{FileError as PolicyError, Problem};
pub use rules::{SigningIn, may_sign_in, sign_in_report};
pub use terms::{Denial, Terms, TermsText};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::money::{Account, Addresses, Amount, Network, Usd};
use crate::offer::Offer;
use crate::reason::Reason;
use crate::request::{MaxPrice, Request};
use crate::time::Time;

/// The owner's rules, complete: what the file left out has its built-in value. `None` is an explicit `"none"`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// SHA-256 of the file's bytes (and of its deny lists, where it names any), in hex: stored beside every decision.
    pub hash: String,
    /// SHA-256 of the file's bytes alone: what its owner puts into force and what is sealed. Lists change every day.
    pub text_hash: String,
    /// What the whole wallet may spend.
    pub wallet: WalletRules,
    /// What one session may spend.
    pub session: SessionRules,
    /// What a host may be paid that no rule names.
    pub each_domain: DomainRules,
    /// First rule whose host matches.
    pub domains: Vec<DomainRule>,
    /// What one payee may get, and who is never paid.
    pub payee: PayeeRules,
    /// What a tool leads to that says something else of itself than it did.
    pub tool_changes: Access,
    /// When a human is asked.
    pub approval: ApprovalRules,
    /// Percent above the lowest settled price at the same place that asks.
    pub price_rise: Option<u32>,
    /// What stops a run of bad luck.
    pub breakers: BreakerRules,
    /// In the owner's order of preference.
    pub networks: Vec<Network>,
    /// Which schemes may be paid.
    pub schemes: Vec<String>,
    /// `host:port`, exactly, that may be private or plain http.
    pub egress: Vec<String>,
}

/// What the whole wallet may spend.
#[derive(Clone, Debug)]
pub struct WalletRules {
    /// How much one payment may be.
    pub per_payment: Option<Usd>,
    /// How much in an hour.
    pub per_hour: Option<Usd>,
    /// How much in 24 hours.
    pub per_day: Option<Usd>,
    /// How much in 30 days.
    pub per_month: Option<Usd>,
    /// Until the owner has looked at the log again.
    pub since_review: Option<Usd>,
    /// How many payments a minute.
    pub payments_per_minute: Option<u32>,
}

/// What one run of an agent's activity may spend.
#[derive(Clone, Debug)]
pub struct SessionRules {
    /// How much in all.
    pub total: Option<Usd>,
    /// After this long without an authorization a session ends.
    pub idle: Duration,
}

/// What a rule says of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It may be paid.
    Allow,
    /// The owner is asked first.
    Ask,
    /// It is never paid.
    Refuse,
}

/// What holds for a host: `[each_domain]`, or a `[[domain]]` rule with what it inherits filled in.
#[derive(Clone, Debug)]
pub struct DomainRules {
    /// Whether the host may be paid at all.
    pub access: Access,
    /// How much one payment may be.
    pub per_payment: Option<Usd>,
    /// How much a session may spend there.
    pub per_session: Option<Usd>,
    /// How much in 24 hours.
    pub per_day: Option<Usd>,
    /// How long the same call is served from the store.
    pub repeat_window: Duration,
    /// Whether the wallet may say who it is there, to get again what it paid for.
    pub sign_in: bool,
}

/// What one host may be paid, and for what.
#[derive(Clone, Debug)]
pub struct DomainRule {
    /// `api.example.com`, or `*.example.com` for its subdomains.
    pub host: String,
    /// What it may be paid.
    pub rules: DomainRules,
    /// Empty: any.
    pub methods: Vec<String>,
    /// Which paths may be paid for.
    pub paths: Vec<String>,
    /// Which tools may be paid for, where it is an MCP server.
    pub tools: Vec<String>,
    /// Who may be paid.
    pub payees: Vec<String>,
    /// Overrides `payee.on_change` for this rule.
    pub payee_changes: Option<Access>,
    /// Overrides `tools.on_change` for this rule.
    pub tool_changes: Option<Access>,
}

/// What one payee may get behind all domains, and who is never paid.
#[derive(Clone, Debug)]
pub struct PayeeRules {
    /// How much in 24 hours.
    pub per_day: Option<Usd>,
    /// What a payee that changed leads to.
    pub on_change: Access,
    /// Never paid: the policy's own addresses, and those of its deny lists once they are read.
    pub deny: BTreeSet<String>,
    /// Files the policy names; the loader reads them and hands them to [`Policy::with_deny_lists`].
    pub deny_lists: Vec<String>,
    /// A deny list that could not be read: nothing is paid until it can.
    pub deny_list_error: Option<String>,
}

/// When a human is asked, and how long a yes stands.
#[derive(Clone, Debug)]
pub struct ApprovalRules {
    /// Above this the owner is asked.
    pub above: Option<Usd>,
    /// A yes given inside the host counts up to here.
    pub host_up_to: Option<Usd>,
    /// How long a question stands.
    pub pending_for: Duration,
    /// How long a yes stands.
    pub valid_for: Duration,
}

/// How much may go wrong before it is stopped. `None`: any.
#[derive(Clone, Copy, Debug)]
pub struct BreakerRules {
    /// So many payments that brought nothing in a day, and the owner is asked.
    pub undelivered: Option<u32>,
    /// How many refusals a minute stop an agent.
    pub refusals_per_minute: Option<u32>,
}

/// What is asked of the policy: one wish, its caller's own ceiling, and what the wallet is known to hold.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// What a payment would go with: where redirects led.
    pub request: &'a Request,
    /// Dearer than this is refused.
    pub max_price: Option<MaxPrice>,
    /// What the wallet is known to hold.
    pub funds: &'a Funds,
}

/// Known balances less what is open, by asset. What was never read is not here and refuses nothing.
#[derive(Clone, Debug, Default)]
pub struct Funds {
    /// The wallet's own addresses: where to send money when it is short.
    pub wallet: Option<Addresses>,
    /// What is known.
    pub known: BTreeMap<Account, Amount>,
}

/// Everything the rules look at beside the offer, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The ledger's time: never behind its newest row.
    pub now: Time,
    /// All spending is stopped.
    pub frozen: bool,
    /// What counts already.
    pub used: BTreeMap<Meter, Used>,
    /// Payments of the whole wallet that began in the last minute.
    pub payments_last_minute: u32,
    /// Payees that were paid before, at the site that was asked and at the one it led to: of those that are named now,
    /// and one more. Empty: never paid there.
    pub payees_before: Vec<BTreeSet<String>>,
    /// The lowest settled price in 30 days at the origin and path that was asked, or at those it led to.
    pub lowest_price: Option<Usd>,
    /// The tool that is called, where it says something else of itself than when it was first listed.
    pub tool_change: Option<ToolChange>,
    /// What was paid at this place's domain within [`limits::UNDELIVERED_MEMORY`], or may have been, and never delivered.
    ///
    /// [`limits::UNDELIVERED_MEMORY`]: crate::limits::UNDELIVERED_MEMORY
    pub undelivered: Tally,
    /// What the calling agent was refused within a minute.
    pub refusals: Tally,
    /// Each yes that stands for this wish, with the terms it is for.
    pub approvals: Vec<Approval>,
    /// What the owner has said no to for this wish.
    pub denied: Vec<Denial>,
    /// A restored ledger was adopted: every window that began before this counts as full.
    pub full_until: BTreeMap<Window, Time>,
}

/// A tool that was listed, and then listed with other words: another description, or other arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolChange {
    /// Since when its first words were known.
    pub since: Time,
    /// When it was first seen with others.
    pub at: Time,
    /// A fingerprint of what it says of itself now.
    pub words: [u8; 32],
}

/// How often something went wrong lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u32,
    /// When it is fewer than the policy stops at; none while it is.
    pub frees_at: Option<Time>,
}

/// What one payment counts in. The same list is read before a decision and written after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// What it is about.
    pub scope: Scope,
    /// Over which time.
    pub window: Window,
}

/// What a cap is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything.
    Wallet,
    /// The calling agent's running session; which one that is, the ledger knows.
    Session,
    /// A `[[domain]]` rule's text, or a registrable domain.
    Domain(String),
    /// One payee, behind whatever domains and on whatever networks: its address.
    Payee(String),
}

/// The time a cap is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// One payment.
    Payment,
    /// An hour.
    Hour,
    /// 24 hours.
    Day,
    /// 30 days.
    Month,
    /// As long as the scope lives. `Scope::Domain` with this window is the domain within the running session.
    Session,
    /// Since the owner last looked at the log.
    Review,
}

/// What counts against one meter now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Everything that counts: settled, held and authorized.
    pub counted: Usd,
    /// The part of it whose outcome is not known.
    pub held: Usd,
    /// When the oldest part of it leaves the window.
    pub frees_at: Option<Time>,
}

/// A yes that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// What it is for, exactly.
    pub terms: TermsText,
    /// Who said so.
    pub by: ApprovedBy,
}

/// Who said yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovedBy {
    /// At a real terminal or the review page.
    Owner,
    /// Inside the MCP host: weaker, counts up to `approval.host_up_to`.
    Host,
}

/// What the policy says of one offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes on.
    Allow,
    /// Asks the owner first.
    Ask(Vec<Reason>),
    /// Refuses.
    Refuse(Vec<Reason>),
    /// Cannot be paid, and why.
    Unpayable(Vec<Reason>),
}

/// What the policy says of a wish.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Goes on.
    Allow(Offer),
    /// Asks the owner first.
    Ask(Offer, Vec<Reason>),
    /// Refuses.
    Refuse(Vec<Reason>),
}

/// The decision, and how each offer fared.
#[derive(Clone, Debug)]
pub struct Decided {
    /// What is decided.
    pub decision: Decision,
    /// In the order of the offers.
    pub verdicts: Vec<Verdict>,
    /// Which offer the decision is about; none when it is a refusal.
    pub chosen: Option<usize>,
    /// The offer that is chosen, or that came closest to it: what a log names beside a refusal.
    pub nearest: Option<usize>,
}

/// One cap that applies to a question, for `get_budget` and the rules alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cap {
    /// What it counts.
    pub meter: Meter,
    /// How much at the most.
    pub limit: Usd,
    /// Stable, for programs.
    pub code: &'static str,
    /// As a person would point at it in the file: `domain *.example.com per_day`.
    pub rule: String,
}
