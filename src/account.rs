//! What an agent may know of its own account: balances, budgets, its log, its purchases. Nothing here moves money.

use std::time::Duration;

use url::Url;

use crate::answer::Refusal;
use crate::answer::{Balance, Balances, Budget, Budgets, Event, Notice, Purchase, Row, Spend, SpendQuery, Totals};
use crate::funds;
use crate::ledger::{self, Entry, Filter, View};
use crate::limits;
use crate::money::{Network, Usd};
use crate::parts::{Parts, Reading};
use crate::policy::{self, Cap, Scope, Window};
use crate::purchase::{Binary, StoredBody, page};
use crate::reason::{Reason, Who};
use crate::text::{self, quoted};
use crate::time::Time;
use crate::wish::{self, masked};

pub(crate) async fn balances(house: &Parts, agent: &str, network: Option<&str>) -> Result<Balances, Refusal> {
    let Some(wallet) = &house.wallet else {
        let reason = Reason::new("no_wallet", "wallet", "this bursar has no wallet yet", Who::Owner);
        return Err(Refusal {
            reasons: vec![reason],
            next: "its owner makes one with `bursar init`: say so".to_owned(),
        });
    };
    let wanted = network.map(Network::new);
    let policy = house.policy().map_err(one)?;
    if let Some(unknown) = wanted.as_ref().filter(|wanted| !policy.networks.contains(wanted)) {
        let known: Vec<String> = policy.networks.iter().map(Network::to_string).collect();
        let message = format!(
            "`{}` is none of the networks this wallet pays on ({})",
            quoted(&unknown.to_string(), limits::QUOTED_CHARS),
            known.join(", ")
        );
        return Err(agents("unknown_network", message, "name one of them, or none to see all"));
    }
    let reading = funds::read(house).await;
    let is_wanted = |on: &str| wanted.as_ref().is_none_or(|wanted| wanted.as_str() == on);
    let mut balances = all_held(house, &reading);
    balances.retain(|balance| is_wanted(&balance.network));
    if balances.is_empty() && !reading.problems.is_empty() {
        let message = format!("what the wallet holds is not known now: {}", reading.problems.join("; "));
        let reason = Reason::new("balance_unknown", "chain", message, Who::Time);
        return Err(Refusal { reasons: vec![reason], next: "try again later; unknown is not zero".to_owned() });
    }
    let held = balances.iter().fold(Usd::ZERO, |sum, balance| sum.saturating_add(balance.usd));
    let free = budgets(house, agent, None).await?;
    let left = free.budgets.iter().filter(|cap| cap.window != "payment").map(|cap| cap.left_usd).min();
    let spendable = if free.frozen { Usd::ZERO } else { left.unwrap_or(Usd::MAX).min(held) };
    Ok(Balances {
        address: wallet.addresses().first.to_string(),
        also: wallet.addresses().also.map(|also| also.to_string()),
        balances,
        spendable_usd: spendable,
        as_of: reading.at.unwrap_or(house.now()),
        problems: reading.problems.into_iter().chain(house.not_applied().map(|reason| reason.message)).collect(),
    })
}

/// What a reading found, of the assets that are known.
pub(crate) fn all_held(house: &Parts, reading: &Reading) -> Vec<Balance> {
    let held = reading.balances.iter().filter_map(|(account, amount)| {
        let asset = house.assets.known(account)?;
        Some(Balance {
            network: account.network().to_string(),
            asset: asset.symbol.clone(),
            amount: asset.units(*amount),
            amount_atomic: amount.to_string(),
            usd: asset.usd(*amount).unwrap_or(Usd::MAX),
        })
    });
    held.collect()
}

/// Every cap that applies, here or in general.
pub(crate) async fn budgets(house: &Parts, agent: &str, url: Option<&str>) -> Result<Budgets, Refusal> {
    let url = match url.map(Url::parse).transpose() {
        Ok(url) => url,
        Err(cause) => return Err(agents("bad_url", format!("`url` is not a whole URL: {cause}"), "correct it")),
    };
    let policy = house.policy().map_err(one)?;
    let view = View {
        agent: agent.to_owned(),
        identity: None,
        led_from: None,
        policy: policy.clone(),
        url: url.clone(),
        payees: Vec::new(),
        now: house.now(),
    };
    let snapshot = house.ledger.snapshot(view).await?;
    let budgets = policy::caps(&policy, url.as_ref(), None).iter().map(|cap| budget(cap, &snapshot)).collect();
    Ok(Budgets { budgets, frozen: snapshot.frozen, change_not_applied: house.is_held_back() })
}

/// The calling agent's own log.
pub(crate) async fn spend(house: &Parts, agent: &str, query: SpendQuery) -> Result<Spend, Refusal> {
    let filter = Filter { agent: Some(agent.to_owned()), ..filter(house, &query)? };
    let page = house.ledger.page(filter).await?;
    Ok(log_page(page, Shown::Masked))
}

/// One purchase of this agent, with a page of its stored body.
pub(crate) async fn purchase(
    house: &Parts,
    agent: &str,
    purchase_id: &str,
    offset: u64,
    max_chars: Option<usize>,
) -> Result<Purchase, Refusal> {
    let entry = house.ledger.entry_of(agent.to_owned(), purchase_id.to_owned()).await?;
    let Some(entry) = entry else {
        return Err(agents(
            "no_such_purchase",
            "this agent has no purchase with that id",
            "list_spend lists the ones it has",
        ));
    };
    let Some(story) = house.ledger.story(entry.row).await? else {
        return Err(agents("no_such_purchase", "that purchase is gone", "look at list_spend"));
    };
    let chars = max_chars.unwrap_or(limits::ANSWER_CHARS).clamp(8, limits::ANSWER_CHARS_AT_MOST) / 2;
    let body = stored_page(house, &entry, offset, chars).await;
    let (body, next_offset) = body.map_or((None, None), |(body, next)| (Some(body), next));
    let receipt = story.receipt.and_then(|text| serde_json::from_str(&text).ok()).map(without_document);
    let events = story.events.iter().map(event).map(|event| Event { detail: without_documents(event.detail), ..event });
    let events = events.collect();
    Ok(Purchase { row: row(&entry, Shown::Masked), body, next_offset, receipt, events })
}

pub(crate) async fn stored_page(
    house: &Parts,
    entry: &Entry,
    offset: u64,
    chars: usize,
) -> Option<(crate::answer::Body, Option<u64>)> {
    let total = entry.body_bytes.unwrap_or_default();
    let bytes = house.stored_bytes(entry, offset, (chars as u64).saturating_mul(4).saturating_add(4)).await?;
    let stored = StoredBody { total, content_type: entry.content_type.as_deref() };
    let source = text::source(&entry.domain);
    Some(page(&bytes, &stored, offset, chars, &source, Binary::Base64))
}

/// Reads what a person or a model wrote into a filter.
pub(crate) fn filter(house: &Parts, query: &SpendQuery) -> Result<Filter, Refusal> {
    const STATES: [&str; 9] =
        ["free", "needs_approval", "denied", "expired", "refused", "authorized", "settled", "held", "lapsed"];
    const PAGE: usize = 50;
    const PAGE_AT_MOST: usize = 1_000;
    if let Some(state) = query.state.as_deref().filter(|state| !STATES.contains(state)) {
        let message = format!("`{}` is no state; they are {}", quoted(state, 40), STATES.join(", "));
        return Err(agents("bad_state", message, "use one of those"));
    }
    let cursor = match query.cursor.as_deref().map(str::parse) {
        Some(Err(_)) => return Err(agents("bad_cursor", "`cursor` is not one of ours", "leave it out")),
        Some(Ok(row)) => Some(row),
        None => None,
    };
    Ok(Filter {
        domain: query.domain.clone(),
        state: query.state.clone(),
        since: moment(house, "since", query.since.as_deref())?,
        until: moment(house, "until", query.until.as_deref())?,
        after: cursor,
        limit: query.limit.unwrap_or(PAGE).clamp(1, PAGE_AT_MOST),
        ..Filter::default()
    })
}

/// A moment as RFC 3339, or a span back from now: `24h`.
pub(crate) fn moment(house: &Parts, name: &str, text: Option<&str>) -> Result<Option<Time>, Refusal> {
    let Some(text) = text.map(str::trim) else { return Ok(None) };
    if let Some(span) = span(text) {
        return Ok(Some(house.now().minus(span)));
    }
    let date = format!("{text}T00:00:00Z");
    let at = [text, date.as_str()].iter().find_map(|text| text.parse::<jiff::Timestamp>().ok());
    match at {
        Some(at) => Ok(Some(Time::from_millis(at.as_millisecond()))),
        None => {
            let message = format!("`{name}` is a time such as 2026-11-21T08:00:00Z, a day, or a span such as 24h");
            Err(agents("bad_time", message, "correct it"))
        }
    }
}
/// Whether query values of URLs are shown: to the owner only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    Masked,
    Whole,
}

pub fn log_page(page: ledger::LogPage, shown: Shown) -> Spend {
    Spend {
        purchases: page.entries.iter().map(|entry| row(entry, shown)).collect(),
        totals: added_up(page.totals),
        next_cursor: page.next.map(|cursor| cursor.to_string()),
    }
}

pub fn added_up(totals: ledger::LogTotals) -> Totals {
    Totals { count: totals.count, settled_usd: totals.settled, held_usd: totals.held }
}

pub fn row(entry: &Entry, shown: Shown) -> Row {
    let terms = entry.terms.as_ref();
    let url = match shown {
        Shown::Whole => wish::whole(&entry.url),
        Shown::Masked => Url::parse(&entry.url).map(|url| masked(&url)).unwrap_or_default(),
    };
    Row {
        purchase_id: entry.purchase_id.clone(),
        at: entry.at,
        agent: entry.agent.clone(),
        machine: entry.machine.clone().filter(|_| matches!(shown, Shown::Whole)),
        session: entry.session.map(|id| format!("se_{id}")),
        method: entry.method.clone(),
        url,
        domain: entry.domain.clone(),
        state: entry.state.clone(),
        delivered: entry.delivered,
        http_status: entry.http_status,
        goods: entry.goods.as_ref().map(|goods| goods.word().to_owned()),
        amount_usd: terms.map(|terms| terms.usd),
        amount_atomic: terms.map(|terms| terms.moves().to_owned()),
        asset: terms.map(|terms| terms.asset.clone()),
        network: terms.map(|terms| terms.network.clone()),
        payee: terms.map(|terms| terms.payee.clone()),
        dialect: terms.map(|terms| terms.dialect.clone()),
        scheme: terms.map(|terms| terms.scheme.clone()),
        chain_tx: entry.money.as_ref().and_then(|money| money.chain_tx.clone()),
        proof: entry.money.as_ref().map(|money| money.standing.proof.to_string()),
        reasons: entry.reasons.clone(),
    }
}

/// News as the owner reads it.
pub fn notice(event: &ledger::StoredEvent) -> Notice {
    let detail: serde_json::Value = serde_json::from_str(&event.detail).unwrap_or_default();
    let sentence = [&detail["message"], &detail["why"]].into_iter().find_map(serde_json::Value::as_str);
    let message = sentence.map_or_else(|| detail.to_string(), str::to_owned);
    let usd = detail["used_usd"].as_str().and_then(|usd| usd.parse().ok());
    let is_of_tools = detail["about"].as_str().is_some_and(|about| about.starts_with(ledger::OF_TOOLS));
    Notice { at: event.at, kind: event.kind.clone(), message, usd, is_of_tools }
}

/// Who signed it is for an agent to know; the document itself is for its owner to show around.
fn without_document(mut receipt: serde_json::Value) -> serde_json::Value {
    if let Some(signed) = receipt.get_mut("signed").and_then(serde_json::Value::as_object_mut) {
        signed.remove("document");
    }
    receipt
}

fn without_documents(mut detail: serde_json::Value) -> serde_json::Value {
    if let Some(receipt) = detail.get_mut("receipt") {
        *receipt = without_document(receipt.take());
    }
    detail
}

pub fn event(stored: &ledger::StoredEvent) -> Event {
    Event { at: stored.at, kind: stored.kind.clone(), detail: serde_json::from_str(&stored.detail).unwrap_or_default() }
}

fn budget(cap: &Cap, snapshot: &policy::Snapshot) -> Budget {
    let used = cap.used(snapshot);
    let scope = match &cap.meter.scope {
        Scope::Wallet => "wallet".to_owned(),
        Scope::Session => "session".to_owned(),
        Scope::Domain(key) => format!("domain {key}"),
        Scope::Payee(payee) => format!("payee {payee}"),
    };
    let window = match cap.meter.window {
        Window::Payment => "payment",
        Window::Hour => "hour",
        Window::Day => "day",
        Window::Month => "month",
        Window::Session => "session",
        Window::Review => "review",
    };
    Budget {
        scope,
        window: window.to_owned(),
        limit_usd: cap.limit,
        used_usd: used.counted,
        held_usd: used.held,
        left_usd: cap.left(snapshot),
        frees_at: used.frees_at,
    }
}

/// `90s`, `30m`, `24h`, `7d`.
fn span(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    count.checked_mul(secs).map(Duration::from_secs)
}

fn agents(code: &str, message: impl Into<String>, next: &str) -> Refusal {
    Refusal { reasons: vec![Reason::new(code, "arguments", message, Who::Agent)], next: next.to_owned() }
}

fn one(reason: Reason) -> Refusal {
    Refusal { reasons: vec![reason], next: "its owner must correct the policy".to_owned() }
}
