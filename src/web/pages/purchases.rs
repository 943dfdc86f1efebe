//! The log: filtered, searched, sorted, and a page at a time, however long it is.

use super::PageView;
use super::frame::{Tab, framed};
use crate::answer::{LogQuery, Refusal};
use crate::answer::{Row, SpendQuery, Totals};
use crate::money::Usd;
use crate::owner::{Mark, Order, Search, SearchPage};
use crate::reason::{Reason, Who};
use crate::time::Time;
use crate::web::html::{Html, html};
use crate::web::request::FormFields;
use crate::web::words;

const ROWS: usize = 50;
const STATES: [&str; 9] =
    ["settled", "held", "authorized", "needs_approval", "refused", "denied", "expired", "lapsed", "free"];
const SPANS: [(&str, &str); 4] = [("1h", "hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days")];
const ORDERS: [(&str, &str); 3] = [("", "newest first"), ("oldest", "oldest first"), ("dearest", "dearest first")];

pub async fn purchases(view: &PageView<'_>, query: &FormFields) -> Result<Html, Refusal> {
    let asked = Asked::read(query);
    let found = view.bursar.search(&asked.search(query.get("after"))?).await?;
    let content = html!(
        "<h1>Purchases</h1>{}<section class=\"card\" data-live=\"purchases\">{}{}{}</section>",
        asked.form(),
        found.totals.as_ref().map(totals),
        table(&found.rows, view.now),
        turning(&asked, &found, query.get("after").is_some())
    );
    framed(view, Tab::Purchases, "Purchases", content).await
}

/// What the form above the table says.
struct Asked<'a> {
    text: &'a str,
    state: &'a str,
    agent: &'a str,
    domain: &'a str,
    since: &'a str,
    sort: &'a str,
}

impl<'a> Asked<'a> {
    fn read(query: &'a FormFields) -> Asked<'a> {
        let field = |name| query.get(name).map(str::trim).unwrap_or_default();
        Asked {
            text: field("q"),
            state: field("state"),
            agent: field("agent"),
            domain: field("domain"),
            since: field("since"),
            sort: field("sort"),
        }
    }

    fn search(&self, after: Option<&str>) -> Result<Search, Refusal> {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let spend = SpendQuery {
            since: some(self.since),
            domain: some(self.domain),
            state: some(self.state),
            limit: Some(ROWS),
            ..SpendQuery::default()
        };
        let order = match self.sort {
            "oldest" => Order::Oldest,
            "dearest" => Order::Dearest,
            _ => Order::Newest,
        };
        let log = LogQuery { spend, agent: some(self.agent), ..LogQuery::default() };
        Ok(Search { log, text: some(self.text), order, after: after.map(mark).transpose()? })
    }

    /// The address of this very search, from a mark on: it can be kept and shared with oneself.
    fn link(&self, after: &str) -> String {
        let fields = [
            ("q", self.text),
            ("state", self.state),
            ("agent", self.agent),
            ("domain", self.domain),
            ("since", self.since),
            ("sort", self.sort),
            ("after", after),
        ];
        words::query("purchases", &fields)
    }

    fn form(&self) -> Html {
        let states = STATES.map(|state| (state, state.replace('_', " ")));
        let states: Vec<(&str, &str)> = states.iter().map(|(state, name)| (*state, name.as_str())).collect();
        html!(
            "<form class=\"filters card\" role=\"search\" method=\"get\" action=\"purchases\">\
             <label class=\"wide\">Search<input type=\"search\" name=\"q\" value=\"{}\" placeholder=\"URL, ID, payee\" \
             autocomplete=\"off\"></label>\
             <label>State{}</label><label>Since{}</label>\
             <label>Agent<input name=\"agent\" value=\"{}\" autocomplete=\"off\"></label>\
             <label>Domain<input name=\"domain\" value=\"{}\" autocomplete=\"off\"></label>\
             <label>Order{}</label><button class=\"strong\">Show</button></form>",
            self.text,
            choice("state", "any", &states, self.state),
            choice("since", "ever", &SPANS, self.since),
            self.agent,
            self.domain,
            choice("sort", "", &ORDERS, self.sort)
        )
    }
}

/// A choice of words; `any` stands for none of them.
fn choice(name: &str, any: &str, of: &[(&str, &str)], chosen: &str) -> Html {
    let any = (!any.is_empty()).then(|| html!("<option value=\"\">{}</option>", any));
    let option = |(value, shown): &(&str, &str)| match *value == chosen {
        true => html!("<option value=\"{}\" selected>{}</option>", value, shown),
        false => html!("<option value=\"{}\">{}</option>", value, shown),
    };
    let options: Vec<Html> = of.iter().map(option).collect();
    html!("<select name=\"{}\">{}{}</select>", name, any, options)
}

fn mark(text: &str) -> Result<Mark, Refusal> {
    text.parse().map_err(|_| {
        let reason = Reason::new("bad_cursor", "arguments", "that is no place in the log", Who::Owner);
        Refusal { reasons: vec![reason], next: "begin at the first page".to_owned() }
    })
}

fn turning(asked: &Asked<'_>, found: &SearchPage, is_further: bool) -> Html {
    let first = is_further.then(|| html!("<a class=\"button\" href=\"{}\">First page</a>", asked.link("")));
    let name = if found.is_cut { "Look further back" } else { "Next page" };
    let next = found
        .next
        .map(|mark| html!("<a class=\"button\" rel=\"next\" href=\"{}\">{}</a>", asked.link(&mark.to_string()), name));
    let cut =
        found.is_cut.then(|| html!("<p class=\"dim\">A part of the log was looked through; there is more of it.</p>"));
    html!("{}<p class=\"turning\">{}{}</p>", cut, first, next)
}

fn totals(totals: &Totals) -> Html {
    let count = if totals.count == 1 { "1 purchase".to_owned() } else { format!("{} purchases", totals.count) };
    let held = (totals.held_usd > Usd::ZERO).then(|| format!(", ${} held", totals.held_usd));
    html!("<p class=\"dim\">{}: <strong>{}</strong> settled{}</p>", count, totals.settled_usd, held)
}

/// Rows of the log, as every page lists them.
pub fn table(rows: &[Row], now: Time) -> Html {
    if rows.is_empty() {
        return html!("<p class=\"dim\">Nothing.</p>");
    }
    let lines: Vec<Html> = rows.iter().map(|row| line(row, now)).collect();
    html!(
        "<table class=\"log\"><thead><tr><th scope=\"col\">When</th><th scope=\"col\">State</th>\
         <th scope=\"col\" class=\"num\">Amount</th><th scope=\"col\">Where</th><th scope=\"col\">Agent</th></tr></thead>\
         <tbody>{}</tbody></table>",
        lines
    )
}

fn line(row: &Row, now: Time) -> Html {
    let place = row.url.trim_start_matches("https://").trim_start_matches("http://");
    let place = if row.method == "GET" { place.to_owned() } else { format!("{} {place}", row.method) };
    let undelivered =
        (row.state == "settled" && !row.delivered).then(|| html!(" <span class=\"dim\">not delivered</span>"));
    html!(
        "<tr><td class=\"when\">{}</td><td class=\"is\">{}{}</td><td class=\"num\">{}</td>\
         <td class=\"where\"><a href=\"{}\">{}</a></td><td class=\"who\">{}</td></tr>",
        words::time(row.at, now),
        words::state(&row.state),
        undelivered,
        row.amount_usd,
        words::link_to(&row.agent, &row.purchase_id),
        words::line(&place),
        words::line(&row.who())
    )
}
