//! The first page: how the wallet stands, at a glance.

use super::PageView;
use super::frame::{Tab, framed};
use crate::answer::{Budget, SpendQuery};
use crate::answer::{Pending, Refusal};
use crate::money::Usd;
use crate::owner::{Holdings, NewsItem, Open, Overview, Search, named};
use crate::time::Time;
use crate::web::charts;
use crate::web::html::{Html, html};
use crate::web::pages::purchases;
use crate::web::words;

const RECENT: usize = 8;
const NEWS: usize = 5;
const DOMAINS: usize = 8;

pub async fn overview(view: &PageView<'_>) -> Result<Html, Refusal> {
    let overview = view.bursar.overview().await?;
    let pending = view.bursar.pending().await?;
    let mut search = Search::default();
    search.log.spend = SpendQuery { limit: Some(RECENT), ..SpendQuery::default() };
    let recent = view.bursar.search(&search).await?;
    let content = html!(
        "<h1>Overview</h1><div data-live=\"overview\">{}{}{}<div class=\"columns\">{}<div>{}{}{}</div></div>{}{}</div>",
        news(&overview.news, view.now),
        waiting(&pending, view.now),
        tiles(&overview, pending.len()),
        budgets(&overview.budgets, view.now),
        days(&overview),
        domains(&overview),
        holdings(&overview.holdings, view.now),
        open(&overview.open, view.now),
        html!(
            "<section class=\"card\"><h2>Latest purchases</h2>{}<p><a href=\"purchases\">All purchases</a></p></section>",
            purchases::table(&recent.rows, view.now)
        )
    );
    framed(view, Tab::Overview, "Overview", content).await
}

fn tiles(overview: &Overview, waiting: usize) -> Html {
    let of = |window: &str, read: fn(&Budget) -> Usd| {
        overview.budgets.iter().find(|cap| cap.scope == "wallet" && cap.window == window).map(read)
    };
    let sum = |usd: Vec<Usd>| usd.into_iter().fold(Usd::ZERO, Usd::saturating_add);
    let today = sum(overview.domains.iter().map(|domain| domain.counted_usd).collect());
    let month = sum(overview.days.iter().map(|day| day.counted_usd).collect());
    let held = sum(overview.days.iter().map(|day| day.held_usd).collect());
    let holds = sum(overview.holdings.balances.iter().map(|balance| balance.usd).collect());
    let known = overview.holdings.as_of.is_some();
    let left = |window| of(window, |cap| cap.left_usd).map(|left| format!("${left} left"));
    html!(
        "<dl class=\"tiles\">{}{}{}{}{}</dl>",
        tile("Last 24 hours", &format!("${today}"), &left("day").unwrap_or_default()),
        tile("Last 30 days", &format!("${month}"), &left("month").unwrap_or_default()),
        tile("Held", &format!("${held}"), "counts as spent until its fate is known"),
        match known {
            true => tile("In the wallet", &format!("${holds}"), "as its nodes last said"),
            false => tile("In the wallet", "unknown", "no node has answered yet"),
        },
        tile("Waiting for you", &waiting.to_string(), if waiting == 1 { "question" } else { "questions" })
    )
}

fn tile(name: &str, value: &str, note: &str) -> Html {
    html!("<div><dt>{}</dt><dd class=\"big\">{}</dd><dd class=\"dim\">{}</dd></div>", name, value, note)
}

/// Alarms stand out; a breaker or a budget that is nearly used up is told more quietly.
fn news(news: &[NewsItem], now: Time) -> Html {
    if news.is_empty() {
        return Html::none();
    }
    let items: Vec<Html> = news.iter().take(NEWS).map(|one| html!("<li>{}</li>", told(one, now))).collect();
    let more = news.len().saturating_sub(NEWS);
    let more = (more > 0)
        .then(|| html!("<p class=\"dim\">and {} more of the last 30 days: <code>bursar log</code></p>", more));
    let is_alarm = news.iter().any(|one| one.event.kind == "alarm");
    let (class, title) = if is_alarm { ("card alarm", "Alarms") } else { ("card notice", "Notices") };
    html!("<section class=\"{}\"><h2>{}</h2><ul>{}</ul>{}</section>", class, title, items, more)
}

fn told(news: &NewsItem, now: Time) -> Html {
    let detail = &news.event.detail;
    let message = detail["message"].as_str().or(detail["why"].as_str()).unwrap_or(&news.event.kind);
    let of = news.purchase.as_deref().and_then(|purchase| purchase.split_once('/'));
    let of = of.map(|(agent, id)| html!(" <a href=\"{}\">{}</a>", words::link_to(agent, id), words::short(id)));
    html!("{}{} <span class=\"dim\">{}</span>", words::line(message), of, words::time(news.event.at, now))
}

fn waiting(pending: &[Pending], now: Time) -> Html {
    let unanswered: Vec<&Pending> = pending.iter().filter(|question| question.approved_until.is_none()).collect();
    let Some(first) = unanswered.first() else { return Html::none() };
    let more = match unanswered.len() {
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    html!(
        "<section class=\"card ask\"><h2>An agent asks</h2><p><strong>{}</strong> for {} ({}), asked {}{}.</p>\
         <p><a class=\"button strong\" href=\"pending\">Look and decide</a></p></section>",
        first.amount_usd,
        words::line(&first.domain),
        words::line(&first.agent),
        words::time(first.asked_at, now),
        more
    )
}

fn budgets(budgets: &[Budget], now: Time) -> Html {
    let bars: Vec<Html> = budgets.iter().map(|cap| budget(cap, now)).collect();
    html!(
        "<section class=\"card\"><h2>Budgets</h2><ul class=\"lines\">{}</ul>\
         <p class=\"key dim\"><span class=\"swatch settled\"></span>settled <svg class=\"swatch\" aria-hidden=\"true\"><rect \
         fill=\"url(#held)\" width=\"100%\" height=\"100%\"/></svg>held: nobody knows yet whether the money moved</p></section>",
        bars
    )
}

fn budget(cap: &Budget, now: Time) -> Html {
    let name = name_of(cap);
    let says = format!("{name}: ${} of ${} used, ${} of it held", cap.used_usd, cap.limit_usd, cap.held_usd);
    let fullness = cap.used_usd.as_micros().saturating_mul(100) / cap.limit_usd.as_micros().max(1);
    let class = match fullness {
        100.. => "full",
        80.. => "nearly",
        _ => "fine",
    };
    let held = (cap.held_usd > Usd::ZERO).then(|| format!(", ${} held", cap.held_usd));
    let frees = cap.frees_at.filter(|_| cap.used_usd > Usd::ZERO).map(|at| html!("; frees {}", words::time(at, now)));
    html!(
        "<li class=\"{}\"><div class=\"pair\"><span>{}</span><span class=\"num\"><strong>{}</strong> left of {}</span></div>{}\
         <div class=\"dim small\">{} used{}{}</div></li>",
        class,
        name,
        cap.left_usd,
        cap.limit_usd,
        charts::bar(cap.used_usd, cap.held_usd, cap.limit_usd, &says),
        cap.used_usd,
        held,
        frees
    )
}

/// `Wallet per day`, `Session of claude-code`, `api.example.com per day`.
fn name_of(cap: &Budget) -> String {
    let whose = match cap.scope.as_str() {
        "wallet" => "Wallet".to_owned(),
        other => other.strip_prefix("domain ").map_or_else(|| other.replacen("session", "Session", 1), str::to_owned),
    };
    match cap.window.as_str() {
        "session" => words::line(&whose),
        window => format!("{} per {window}", words::line(&whose)),
    }
}

fn days(overview: &Overview) -> Html {
    html!("<section class=\"card\"><h2>Spent per day</h2>{}</section>", charts::days(&overview.days))
}

fn domains(overview: &Overview) -> Html {
    let body = match overview.domains.is_empty() {
        true => html!("<p class=\"dim\">Nothing in the last 24 hours.</p>"),
        false => charts::domains(&overview.domains[..overview.domains.len().min(DOMAINS)]),
    };
    let more = overview.domains.len().saturating_sub(DOMAINS);
    let more = (more > 0).then(|| html!("<p class=\"dim\">and {} more</p>", more));
    html!("<section class=\"card\"><h2>Spent per domain, last 24 hours</h2>{}{}</section>", body, more)
}

fn open(open: &[Open], now: Time) -> Html {
    if open.is_empty() {
        return Html::none();
    }
    let rows: Vec<Html> = open.iter().map(|open| open_row(open, now)).collect();
    html!(
        "<section class=\"card\"><h2>Still open</h2>\
         <p class=\"dim\">Signed and not yet settled, or paid for and not delivered. Their money counts as spent.</p>\
         <div class=\"scroll\"><table><thead><tr><th scope=\"col\">When</th><th scope=\"col\">State</th>\
         <th scope=\"col\" class=\"num\">Amount</th><th scope=\"col\">Where</th><th scope=\"col\">Window ends</th></tr></thead>\
         <tbody>{}</tbody></table></div></section>",
        rows
    )
}

fn open_row(open: &Open, now: Time) -> Html {
    let row = &open.row;
    html!(
        "<tr><td>{}</td><td>{}</td><td class=\"num\">{}</td><td><a href=\"{}\" title=\"{}\">{}</a></td><td>{}</td></tr>",
        words::time(row.at, now),
        words::state(&row.state),
        row.amount_usd,
        words::link_to(&row.agent, &row.purchase_id),
        named(row),
        words::line(&row.domain),
        open.window_ends.map(|at| words::time(at, now))
    )
}

fn holdings(holdings: &Holdings, now: Time) -> Html {
    if holdings.addresses.is_empty() {
        return html!(
            "<section class=\"card\"><h2>Wallet</h2><p>There is no wallet yet: <code>bursar init</code> makes one.</p></section>"
        );
    }
    let addresses: Vec<Html> =
        holdings.addresses.iter().map(|address| html!("<p class=\"mono\">{}</p>", address)).collect();
    let balances: Vec<Html> = holdings
        .balances
        .iter()
        .map(|of| {
            html!(
                "<li class=\"pair\"><span>{} on {}</span><span class=\"num\">{}</span></li>",
                of.asset,
                words::network(&of.network),
                of.amount
            )
        })
        .collect();
    let problems: Vec<Html> =
        holdings.problems.iter().map(|problem| html!("<p class=\"dim small\">{}</p>", words::line(problem))).collect();
    html!(
        "<section class=\"card\"><h2>Wallet</h2>{}<ul class=\"lines\">{}</ul>{}{}</section>",
        addresses,
        balances,
        holdings.as_of.map(|at| html!("<p class=\"dim small\">As of {}.</p>", words::time(at, now))),
        problems
    )
}
