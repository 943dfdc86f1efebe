//! Pure: what may be spent. The policy, what was already spent, and an offer come in; a decision comes out.
//!
//! [`decide`] is asked twice for every purchase: once for advice, and once inside the commit that records the money,
//! over a snapshot read there. Only the second answer counts.

mod allow;
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

pub use allow::{Allowed, NewRule, with_rule};
pub use budget::{BudgetLeft, budget_left, caps, meters};
pub use changes::{Change, Effect, changes};
pub use decide::{RuleReport, Word, decide, explain, is_no_to, terms};
pub(crate) use hosts::registrable;
pub use place::{Place, site};
pub use read::{FileError as PolicyError, Problem};

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use alloy_primitives::Address;
use url::Url;

use crate::money::{Amount, Network, Usd};
use crate::offer::Offer;
use crate::reason::Reason;
use crate::time::Time;

/// The owner's rules, complete: what the file left out has its built-in value. `None` is an explicit `"none"`.
#[derive(Clone, Debug)]
pub struct Policy {
    /// SHA-256 of the file's bytes (and of its deny lists, where it names any), in hex: stored beside every decision.
    pub hash: String,
    pub wallet: WalletRules,
    pub session: SessionRules,
    pub each_domain: DomainRules,
    /// First rule whose host matches.
    pub domains: Vec<DomainRule>,
    pub payee: PayeeRules,
    pub approval: ApprovalRules,
    /// Percent above the lowest settled price at the same place that asks.
    pub price_rise: Option<u32>,
    pub breakers: BreakerRules,
    /// In the owner's order of preference.
    pub networks: Vec<Network>,
    pub schemes: Vec<String>,
    /// `host:port`, exactly, that may be private or plain http.
    pub egress: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct WalletRules {
    pub per_payment: Option<Usd>,
    pub per_hour: Option<Usd>,
    pub per_day: Option<Usd>,
    pub per_month: Option<Usd>,
    /// Until the owner has looked at the log again.
    pub since_review: Option<Usd>,
    pub payments_per_minute: Option<u32>,
}

#[derive(Clone, Debug)]
pub struct SessionRules {
    pub total: Option<Usd>,
    pub idle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Allow,
    Ask,
    Refuse,
}

/// What holds for a host: `[each_domain]`, or a `[[domain]]` rule with what it inherits filled in.
#[derive(Clone, Debug)]
pub struct DomainRules {
    pub access: Access,
    pub per_payment: Option<Usd>,
    pub per_session: Option<Usd>,
    pub per_day: Option<Usd>,
    pub repeat_window: Duration,
}

#[derive(Clone, Debug)]
pub struct DomainRule {
    /// `api.example.com`, or `*.example.com` for its subdomains.
    pub host: String,
    pub rules: DomainRules,
    /// Empty: any.
    pub methods: Vec<String>,
    pub paths: Vec<String>,
    pub payees: Vec<Address>,
    /// Overrides `payee.on_change` for this rule.
    pub payee_changes: Option<Access>,
}

#[derive(Clone, Debug)]
pub struct PayeeRules {
    pub per_day: Option<Usd>,
    pub on_change: Access,
    /// Never paid: the policy's own addresses, and those of its deny lists once they are read.
    pub deny: BTreeSet<Address>,
    /// Files the policy names; the loader reads them and hands them to [`Policy::with_deny_lists`].
    pub deny_lists: Vec<String>,
    /// A deny list that could not be read: nothing is paid until it can.
    pub deny_list_error: Option<String>,
}

#[derive(Clone, Debug)]
pub struct ApprovalRules {
    pub above: Option<Usd>,
    pub host_up_to: Option<Usd>,
    pub pending_for: Duration,
    pub valid_for: Duration,
}

/// How much may go wrong before it is stopped. `None`: any.
#[derive(Clone, Copy, Debug)]
pub struct BreakerRules {
    pub undelivered: Option<u32>,
    pub refusals_per_minute: Option<u32>,
}

/// What is asked of the policy: one wish, its caller's own ceiling, and what the wallet is known to hold.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub method: &'a str,
    pub url: &'a Url,
    pub max_price: Option<Usd>,
    pub funds: &'a Funds,
}

/// Known balances less what is open, per (network, asset). What was never read is not here and refuses nothing.
#[derive(Clone, Debug, Default)]
pub struct Funds {
    /// The wallet's own address: where to send money when it is short.
    pub address: Option<Address>,
    pub known: BTreeMap<(Network, Address), Amount>,
}

/// Everything the rules look at beside the offer, read at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The ledger's time: never behind its newest row.
    pub now: Time,
    pub frozen: bool,
    pub used: BTreeMap<Meter, Used>,
    /// Payments of the whole wallet that began in the last minute.
    pub payments_last_minute: u32,
    /// Payees this origin has been paid at before. Empty: never paid here.
    pub payees_before: BTreeSet<Address>,
    /// The lowest settled price in 30 days at the same origin and path.
    pub lowest_price: Option<Usd>,
    /// What was paid at this place's domain within [`limits::UNDELIVERED_MEMORY`], or may have been, and never delivered.
    ///
    /// [`limits::UNDELIVERED_MEMORY`]: crate::limits::UNDELIVERED_MEMORY
    pub undelivered: Tally,
    /// What the calling agent was refused within a minute.
    pub refusals: Tally,
    /// A yes of the owner that stands for this wish, with the terms it is for.
    pub approval: Option<Approval>,
    /// Terms the owner has said no to for this wish.
    pub denied: BTreeSet<Terms>,
    /// A restored ledger was adopted: every window that began before this counts as full.
    pub full_until: BTreeMap<Window, Time>,
}

/// How often something went wrong lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub count: u32,
    /// When it is fewer than the policy stops at; none while it is.
    pub frees_at: Option<Time>,
}

/// What one payment counts in. The same list is read before a decision and written after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    pub scope: Scope,
    pub window: Window,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    Wallet,
    /// The calling agent's running session; which one that is, the ledger knows.
    Session,
    /// A `[[domain]]` rule's text, or a registrable domain.
    Domain(String),
    Payee(Address),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    Payment,
    Hour,
    Day,
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

/// The exact terms a yes or a no is for. Text, so that it can be stored, shown and compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms(pub String);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub terms: Terms,
    pub by: ApprovedBy,
}

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
    Allow,
    Ask(Vec<Reason>),
    Refuse(Vec<Reason>),
    Unpayable(Vec<Reason>),
}

/// What the policy says of a wish.
#[derive(Clone, Debug)]
pub enum Decision {
    Allow(Offer),
    Ask(Offer, Vec<Reason>),
    Refuse(Vec<Reason>),
}

/// The decision, and how each offer fared.
#[derive(Clone, Debug)]
pub struct Decided {
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
    pub meter: Meter,
    pub limit: Usd,
    pub code: &'static str,
    /// As a person would point at it in the file: `domain *.example.com per_day`.
    pub rule: String,
}
