//! What the owner sees at a glance, and the pages of the log as the owner turns them. Nothing here moves money.

use serde::Serialize;

use super::Owner;
use crate::account;
use crate::account::{Shown, added_up, event, row};
use crate::answer::{Balance, Body, Budget, Event, Row, Totals};
use crate::answer::{LogQuery, PolicyChange, Refusal};
use crate::ledger::{self, Browse, Entry, Filter, Spent};
pub use crate::ledger::{Mark, Order};
use crate::limits;
use crate::money::Usd;
use crate::policy::{DomainRules, Policy};
use crate::time::Time;

/// How the wallet stands.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// The time it was decided at.
    pub now: Time,
    /// Of the wallet, then of every running session, then of the domains that were paid in the last 24 hours.
    pub budgets: Vec<Budget>,
    /// The last 30 days, oldest first.
    pub days: Vec<DaySpent>,
    /// The last 24 hours by what the budget is kept under, dearest first.
    pub domains: Vec<DomainSpent>,
    /// Authorized, held, or paid for with nothing delivered: newest first.
    pub open: Vec<Open>,
    /// What the owner must hear about: newest first.
    pub news: Vec<NewsItem>,
    /// What the wallet holds.
    pub holdings: Holdings,
}

/// What one day came to.
#[derive(Clone, Debug, Serialize)]
pub struct DaySpent {
    /// When it begins.
    pub begins: Time,
    /// What counts as spent.
    pub counted_usd: Usd,
    /// What counts and whose outcome is not known.
    pub held_usd: Usd,
}

/// What one domain came to.
#[derive(Clone, Debug, Serialize)]
pub struct DomainSpent {
    /// Of which domain.
    pub domain: String,
    /// What counts as spent.
    pub counted_usd: Usd,
    /// What counts and whose outcome is not known.
    pub held_usd: Usd,
}

/// A payment whose end is not known, or that brought nothing.
#[derive(Clone, Debug, Serialize)]
pub struct Open {
    /// Its row.
    pub row: Row,
    /// When the seller cannot take it any more.
    pub window_ends: Option<Time>,
}

/// Something the owner must hear about.
#[derive(Clone, Debug, Serialize)]
pub struct NewsItem {
    /// What it is.
    pub event: Event,
    /// `agent/id`, if it is about one purchase.
    pub purchase: Option<String>,
}

/// What the wallet held when its nodes were last asked.
#[derive(Clone, Debug, Serialize)]
pub struct Holdings {
    /// The wallet's addresses, one for each kind of chain; none where there is no wallet yet.
    pub addresses: Vec<String>,
    /// What the wallet holds, by network and asset.
    pub balances: Vec<Balance>,
    /// None: no node has answered yet.
    pub as_of: Option<Time>,
    /// What went wrong.
    pub problems: Vec<String>,
}

/// The owner's rules, for reading.
#[derive(Clone, Debug, Serialize)]
pub struct Rules {
    /// The text.
    pub text: String,
    /// The text is the owner's file, and not what is built in.
    pub is_own: bool,
    /// The hash of the policy in force.
    pub hash: Option<String>,
    /// What is wrong with them, or with the file that would change them.
    pub problem: Option<String>,
    /// What the file says otherwise, where it is not in force.
    pub change: Option<PolicyChange>,
}

/// What the owner looks for in the log.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What of the log.
    pub log: LogQuery,
    /// The text.
    pub text: Option<String>,
    /// In which order.
    pub order: Order,
    /// Where the page before this one ended.
    pub after: Option<Mark>,
}

/// A page of what was found.
#[derive(Clone, Debug)]
pub struct SearchPage {
    /// The purchases.
    pub rows: Vec<Row>,
    /// Where the next page begins; none at the end.
    pub next: Option<Mark>,
    /// Only a part of the log was looked at; `next` looks on.
    pub is_cut: bool,
    /// Of everything that was looked for, unless that was a text.
    pub totals: Option<Totals>,
}

const OPEN_ROWS: usize = 50;
/// Domains whose budgets are shown: those that were paid most.
const DOMAIN_ROWS: usize = 8;

impl Owner {
    /// How everything stands.
    pub async fn overview(&self) -> Result<Overview, Refusal> {
        let policy =
            self.parts.policy().map_err(|reason| Refusal::of("policy_invalid", reason.message, "correct it"))?;
        let now = self.parts.now();
        let glance = self.parts.ledger.overview(policy.session.idle, OPEN_ROWS, now).await?;
        Ok(Overview {
            now,
            budgets: self.all_budgets(&policy, &glance).await?,
            days: glance.days.iter().map(|(begins, spent)| day(*begins, *spent)).collect(),
            domains: glance.domains.iter().map(|(domain, spent)| at_domain(domain, *spent)).collect(),
            open: glance.open.iter().map(open).collect(),
            news: glance
                .news
                .iter()
                .map(|(stored, of)| NewsItem { event: event(stored), purchase: of.clone() })
                .collect(),
            holdings: self.holdings(),
        })
    }

    /// The caps of the wallet are every agent's; those of sessions and domains are shown where something counts.
    async fn all_budgets(&self, policy: &Policy, glance: &ledger::LedgerOverview) -> Result<Vec<Budget>, Refusal> {
        let nobody = account::budgets(&self.parts, "", None).await?.budgets;
        let mut budgets: Vec<Budget> =
            nobody.into_iter().filter(|cap| cap.scope == "wallet" && cap.window != "payment").collect();
        for agent in &glance.agents {
            let of_session = account::budgets(&self.parts, agent, None)
                .await?
                .budgets
                .into_iter()
                .filter(|cap| cap.scope == "session");
            budgets.extend(of_session.map(|cap| Budget { scope: format!("session of {agent}"), ..cap }));
        }
        let dearest = glance.domains.iter().take(DOMAIN_ROWS);
        budgets.extend(dearest.filter_map(|(domain, spent)| domain_day(policy, domain, *spent)));
        Ok(budgets)
    }

    /// What is known without asking anybody now.
    fn holdings(&self) -> Holdings {
        let (reading, wallet) = (self.parts.funds.last(), &self.parts.wallet);
        Holdings {
            addresses: wallet.iter().flat_map(|wallet| wallet.addresses().iter()).map(|of| of.to_string()).collect(),
            balances: account::all_held(&self.parts, &reading),
            as_of: reading.at,
            problems: reading.problems,
        }
    }

    /// A page of what the owner looks for.
    pub async fn search(&self, wanted: &Search) -> Result<SearchPage, Refusal> {
        let filter = Filter { agent: wanted.log.agent.clone(), ..account::filter(&self.parts, &wanted.log.spend)? };
        let shown = if wanted.log.unmasked { Shown::Whole } else { Shown::Masked };
        let (text, order, after) = (wanted.text.clone(), wanted.order, wanted.after);
        let browse = Browse { filter, text, order, after };
        let found = self.parts.ledger.browse(browse).await?;
        let rows = found.entries.iter().map(|entry| row(entry, shown)).collect();
        Ok(SearchPage { rows, next: found.next, is_cut: found.is_cut, totals: found.totals.map(added_up) })
    }

    /// A page of what was bought, for its owner's eyes.
    pub async fn goods(
        &self,
        agent: &str,
        purchase_id: &str,
        offset: u64,
    ) -> Result<Option<(Body, Option<u64>)>, Refusal> {
        let entry = self.parts.ledger.entry_of(agent.to_owned(), purchase_id.to_owned()).await?;
        match entry {
            Some(entry) => Ok(account::stored_page(&self.parts, &entry, offset, limits::ANSWER_CHARS).await),
            None => Ok(None),
        }
    }

    /// The rules in force, and what the file says otherwise.
    pub async fn rules(&self) -> Rules {
        let (hash, problem) = match self.parts.policy() {
            Ok(policy) => (Some(policy.hash.clone()), policy.payee.deny_list_error.clone()),
            Err(reason) => (None, Some(reason.message)),
        };
        let (change, unread) = match self.policy_change().await {
            Ok(change) => (change, None),
            Err(refusal) => (None, refusal.reasons.first().map(|reason| reason.message.clone())),
        };
        let text = self.parts.rules.in_force().unwrap_or(Some(String::new()));
        let is_own = text.is_some();
        let text = text.unwrap_or_else(|| Policy::built_in_text().to_owned());
        Rules { text, is_own, hash, problem: problem.or(unread), change }
    }

    /// Something else whenever what a page of ours shows may have changed.
    pub async fn pulse(&self) -> Result<String, Refusal> {
        let written = self.parts.ledger.version().await?;
        let policy = self.parts.policy().map_or_else(|reason| reason.message, |policy| policy.hash.clone());
        let read = self.parts.funds.last().at.map_or(0, Time::millis);
        Ok(format!("{written} {read} {policy}"))
    }
}

fn day(begins: Time, spent: Spent) -> DaySpent {
    DaySpent { begins, counted_usd: spent.counted, held_usd: spent.held }
}

fn at_domain(domain: &str, spent: Spent) -> DomainSpent {
    DomainSpent { domain: domain.to_owned(), counted_usd: spent.counted, held_usd: spent.held }
}

fn open(entry: &Entry) -> Open {
    let window_ends = entry.money.as_ref().map(|money| Time::from_secs(money.ends));
    Open { row: row(entry, Shown::Masked), window_ends }
}

/// What is kept under the text of a rule has that rule's limit; any other domain has everyone's.
fn domain_day(policy: &Policy, domain: &str, spent: Spent) -> Option<Budget> {
    let named = policy.domains.iter().find(|rule| rule.host == domain);
    let rules: &DomainRules = named.map_or(&policy.each_domain, |rule| &rule.rules);
    let limit = rules.per_day?;
    Some(Budget {
        scope: format!("domain {domain}"),
        window: "day".to_owned(),
        limit_usd: limit,
        used_usd: spent.counted,
        held_usd: spent.held,
        left_usd: limit.saturating_sub(spent.counted),
        frees_at: None,
    })
}

/// `agent/id` names a purchase among those of all agents.
pub fn named(row: &Row) -> String {
    format!("{}/{}", row.agent, row.purchase_id)
}
