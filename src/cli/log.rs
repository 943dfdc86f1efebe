//! `bursar log`: what was bought, asked and refused, newest first.

mod follow;
mod sums;
mod unmet;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use clap::Args;

use crate::answer::{LogQuery, Notice};
use crate::answer::{Row, Spend, SpendQuery, Totals};
use crate::cli::books::{self, Beancount, Books, Hledger};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Cell, Table, cell};
use crate::cli::{Context, csv, out, words};
use crate::owner::By;
use crate::owner::Owner;
use crate::request::CALL;
use crate::time::Time;

/// Show what was bought, asked and refused, newest first
///
/// Agents that are connected and those that are not, sessions past and present: everything is here. Values in the
/// query of a URL are masked unless you say --unmasked. `bursar why ID` tells the story of one line.
///
/// --beancount and --hledger write a journal for these programs, oldest first: what may have moved and is not known to
/// have is marked pending (!), what moved is not. Refusals, questions and what lapsed cost nothing and are left out.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar log --since 24h
  bursar log --follow
  bursar log --by domain --since 30d
  bursar log --unreviewed
  bursar log --unpayable --since 30d
  bursar log --domain api.example.com --csv > spend.csv
  bursar log --hledger | hledger -f- balance
  bursar log --json | jq -r 'select(.state == \"refused\") | .reasons[].message'")]
pub struct LogCommand {
    /// From when: RFC 3339, or a span back from now (24h, 7d)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Until when, likewise
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only this registrable domain, or this rule's host
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// Only this agent (`owner` is `bursar fetch`)
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Only this session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Only this state
    #[arg(long, value_name = "STATE", value_parser = STATES)]
    state: Option<String>,
    /// Only what came after your last `bursar reviewed`
    #[arg(long)]
    unreviewed: bool,
    /// What it adds up to, by one of these, instead of single purchases
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["follow", "csv", "beancount", "hledger", "limit"])]
    by: Option<Grouping>,
    /// What could not be bought because bursar cannot pay it, added up by what was missing
    #[arg(long, conflicts_with_all = ["by", "follow", "csv", "beancount", "hledger", "limit", "state", "unmasked"])]
    unpayable: bool,
    /// Go on showing what is new and what changes, until Ctrl-C
    #[arg(long, short, conflicts_with_all = ["until", "csv", "beancount", "hledger"])]
    follow: bool,
    /// At most so many lines [default: 50 in the table, 10 before --follow goes on, else all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show the values in the query of URLs
    #[arg(long)]
    unmasked: bool,
    /// JSON Lines: one purchase a line
    #[arg(long, group = "form")]
    json: bool,
    /// Comma-separated values, with a header
    #[arg(long, group = "form")]
    csv: bool,
    /// A journal for beancount
    #[arg(long, group = "form")]
    beancount: bool,
    /// A journal for hledger
    #[arg(long, group = "form")]
    hledger: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Grouping {
    Day,
    Domain,
    Session,
    Agent,
}

const STATES: [&str; 9] =
    ["free", "needs_approval", "denied", "expired", "refused", "authorized", "settled", "held", "lapsed"];
/// What a screen holds with its totals still in sight.
const TABLE_ROWS: usize = 50;
/// One read of the ledger while everything is printed.
const PAGE_ROWS: usize = 1_000;
/// Enough of an ID to tell two apart at a glance.
const ID_CHARS: usize = 9;
/// Notices among the purchases of one screen; `--since` and `--follow` have the others.
const NOTICES: usize = 20;

impl LogCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let bursar = context.bursar().await?;
        match (self.by, self.follow) {
            _ if self.unpayable => self.unmet(&bursar, context).await?,
            (Some(by), _) => self.sums(&bursar, by.into(), context).await?,
            (None, true) => follow::until_ctrl_c(&self, &bursar, context).await?,
            (None, false) => self.list(&bursar, context).await?,
        }
        Ok(Exit::Done)
    }

    async fn sums(&self, bursar: &Owner, by: By, context: &Context) -> Result<(), Failure> {
        let sums = bursar.log_by(&self.query(1, None), by).await?;
        match self.json {
            true => sums.iter().for_each(|sum| context.out.json_line(sum)),
            false => sums::lines(&sums, by, context.out.width()).iter().for_each(|line| context.out.line(line)),
        }
        Ok(())
    }

    async fn unmet(&self, bursar: &Owner, context: &Context) -> Result<(), Failure> {
        let demand = bursar.unmet(&self.query(1, None)).await?;
        match self.json {
            true => demand.lines.iter().for_each(|line| context.out.json_line(line)),
            false => unmet::lines(&demand, context.out.width()).iter().for_each(|line| context.out.line(line)),
        }
        Ok(())
    }

    async fn list(&self, bursar: &Owner, context: &Context) -> Result<(), Failure> {
        match (self.json, self.csv, self.beancount, self.hledger) {
            (true, ..) => self.each(bursar, |row| context.out.json_line(row)).await,
            (_, true, ..) => {
                context.out.line(csv::header());
                self.each(bursar, |row| context.out.line(csv::line(row))).await
            }
            (.., true, _) => self.book(bursar, Beancount, context).await,
            (.., true) => self.book(bursar, Hledger, context).await,
            _ => self.table(bursar, context).await,
        }
    }

    async fn table(&self, bursar: &Owner, context: &Context) -> Result<(), Failure> {
        let spend = bursar.log(self.query(self.limit.unwrap_or(TABLE_ROWS), None)).await?;
        let notices = self.notices(bursar, &spend).await?;
        if spend.purchases.is_empty() && notices.is_empty() {
            let nothing = match (self.unreviewed, self.is_of_some() || self.since.is_some()) {
                (true, _) => "Nothing new.",
                (false, true) => "Nothing that fits.",
                (false, false) => "Nothing yet.",
            };
            context.out.say(format_args!("{nothing}"));
            return Ok(());
        }
        lines(&spend, &notices, words::now(), context.out.width()).iter().for_each(|line| context.out.line(line));
        Ok(())
    }

    /// What is about no single purchase, from the time that is shown.
    async fn notices(&self, bursar: &Owner, shown: &Spend) -> Result<Vec<Notice>, Failure> {
        let is_from_the_beginning = shown.next_cursor.is_none() && self.since.is_none() && !self.unreviewed;
        let since = match shown.purchases.last() {
            _ if self.is_of_some() => return Ok(Vec::new()),
            _ if is_from_the_beginning => None,
            Some(oldest) => Some(oldest.at),
            None => return Ok(Vec::new()),
        };
        Ok(bursar.notices(since, NOTICES).await?)
    }

    /// A journal: the accounts and commodities as they first occur, each before its first use.
    async fn book(&self, bursar: &Owner, program: impl books::Program, context: &Context) -> Result<(), Failure> {
        let mut books = Books::of(program);
        context.out.line(books.opening());
        self.each(bursar, |row| books.entry(row, bursar.units(row)).iter().for_each(|line| context.out.line(line)))
            .await
    }

    /// Every row there is, or as many as were asked for, page by page.
    async fn each(&self, bursar: &Owner, mut print: impl FnMut(&Row)) -> Result<(), Failure> {
        let mut left = self.limit.unwrap_or(usize::MAX);
        let mut cursor = None;
        loop {
            let page = bursar.log(self.query(left.min(PAGE_ROWS), cursor)).await?;
            page.purchases.iter().take(left).for_each(&mut print);
            left = left.saturating_sub(page.purchases.len());
            cursor = page.next_cursor;
            if cursor.is_none() || left == 0 {
                return Ok(());
            }
        }
    }

    fn query(&self, limit: usize, cursor: Option<String>) -> LogQuery {
        let (since, until, domain, state) =
            (self.since.clone(), self.until.clone(), self.domain.clone(), self.state.clone());
        LogQuery {
            spend: SpendQuery { since, until, domain, state, limit: Some(limit), cursor },
            agent: self.agent.clone(),
            session: self.session.clone(),
            unmasked: self.unmasked,
            unreviewed: self.unreviewed,
            oldest_first: self.beancount || self.hledger,
        }
    }

    /// Whether only some purchases of a time are asked for: notices are of all of them.
    fn is_of_some(&self) -> bool {
        [&self.domain, &self.agent, &self.session, &self.state, &self.until].into_iter().any(Option::is_some)
    }
}

impl From<Grouping> for By {
    fn from(grouping: Grouping) -> By {
        match grouping {
            Grouping::Day => By::Day,
            Grouping::Domain => By::Domain,
            Grouping::Session => By::Session,
            Grouping::Agent => By::Agent,
        }
    }
}

/// The table, its totals, and what deserves a second look. Notices stand among the purchases, at their time.
pub fn lines(spend: &Spend, notices: &[Notice], now: Time, width: usize) -> Vec<String> {
    const WHERE: usize = 4;
    let id_chars = telling_apart(&spend.purchases);
    let mut rows: Vec<(Time, Vec<Cell>)> =
        spend.purchases.iter().map(|row| (row.at, cells(row, now, id_chars))).collect();
    rows.extend(notices.iter().map(|notice| (notice.at, noticed(notice, words::when(notice.at, now)))));
    rows.sort_by_key(|(at, _)| Reverse(*at));
    let mut table = Table::headed(&["WHEN", "STATE", "USD", "AGENT", "WHERE", "ID"]);
    rows.into_iter().for_each(|(_, cells)| table.push(cells));
    let mut lines = table.lines(width, WHERE);
    lines.push(String::new());
    lines.push(totals(&spend.totals, spend.next_cursor.is_some()));
    lines.extend(notes(&spend.purchases));
    lines
}

/// A line that is about no single purchase.
fn noticed(notice: &Notice, when: String) -> Vec<Cell> {
    let style = words::state(&notice.kind);
    vec![cell(&when), cell(&notice.kind).styled(style), cell(&notice.message).styled(style).spanning()]
}

fn cells(row: &Row, now: Time, id_chars: usize) -> Vec<Cell> {
    let amount = row.amount_usd.map(words::dollars).unwrap_or_default();
    vec![
        cell(&words::when(row.at, now)),
        cell(&row.state).styled(words::state(&row.state)),
        cell(&amount).right(),
        cell(&row.who()),
        cell(&place(row)),
        cell(&row.purchase_id.chars().take(id_chars).collect::<String>()),
    ]
}

/// `GET api.example.com/v1/search`: the scheme says nothing, the host always stands.
fn place(row: &Row) -> String {
    let bare = row.url.trim_start_matches("https://").trim_start_matches("http://");
    match row.method.as_str() {
        // A tool's place says by itself what it is.
        "GET" | CALL => bare.to_owned(),
        method => format!("{method} {bare}"),
    }
}

fn totals(totals: &Totals, more: bool) -> String {
    let count = if totals.count == 1 { "1 purchase".to_owned() } else { format!("{} purchases", totals.count) };
    let held = match totals.held_usd.as_micros() {
        0 => String::new(),
        _ => format!(", {} held", out::warn(&words::dollars(totals.held_usd))),
    };
    let more = if more { out::dim("  (older ones: --limit, --until)") } else { String::new() };
    format!("{count}: {} settled{held}{more}", out::bold(&words::dollars(totals.settled_usd)))
}

fn notes(rows: &[Row]) -> Vec<String> {
    let mut notes = Vec::new();
    for row in rows.iter().filter(|row| row.state == "settled" && !row.delivered) {
        notes.push(format!(
            "{} was paid and not delivered; the same call does not pay it again",
            out::clean(&row.purchase_id)
        ));
    }
    for (row, what) in rows.iter().filter_map(|row| Some((row, ill(row)?))) {
        notes.push(format!("{} was delivered, and what came is {what}", out::clean(&row.purchase_id)));
    }
    if rows.iter().any(|row| row.state == "held") {
        notes.push("held: nobody knows yet whether the money moved; `bursar reconcile` asks the chains".to_owned());
    }
    if rows.iter().any(|row| row.state == "needs_approval") {
        notes.push("needs_approval: `bursar pending` shows the questions".to_owned());
    }
    notes.into_iter().map(|note| out::dim(&note)).collect()
}

/// What is wrong with what came, in a word or two.
fn ill(row: &Row) -> Option<&'static str> {
    match row.goods.as_deref()? {
        "empty" => Some("empty"),
        "error_page" => Some("an error"),
        "other_type" => Some("of another type than was offered"),
        _ => None,
    }
}

/// As few characters of the IDs as tell these rows apart.
fn telling_apart(rows: &[Row]) -> usize {
    let distinct = |chars: usize| {
        let begins: BTreeSet<String> = rows.iter().map(|row| row.purchase_id.chars().take(chars).collect()).collect();
        begins.len() == rows.iter().map(|row| &row.purchase_id).collect::<BTreeSet<_>>().len()
    };
    (ID_CHARS..128).find(|chars| distinct(*chars)).unwrap_or(128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;
    use std::time::Duration;

    fn now() -> Time {
        Time::from_secs(1_800_000_000)
    }

    fn row(id: &str, state: &str, cents: u64, url: &str, ago: u64) -> Row {
        Row {
            purchase_id: id.to_owned(),
            at: now().minus(Duration::from_secs(ago)),
            agent: "claude-desktop".to_owned(),
            machine: None,
            session: None,
            method: "GET".to_owned(),
            url: url.to_owned(),
            domain: "example.com".to_owned(),
            state: state.to_owned(),
            delivered: state == "settled",
            http_status: Some(200),
            goods: None,
            amount_usd: Some(Usd::micros(cents * 10_000)),
            amount_atomic: None,
            asset: None,
            network: None,
            payee: None,
            dialect: None,
            scheme: None,
            chain_tx: None,
            proof: None,
            reasons: vec![],
        }
    }

    fn spend(purchases: Vec<Row>) -> Spend {
        let totals = Totals { count: 3, settled_usd: Usd::micros(10_000), held_usd: Usd::micros(250_000) };
        Spend { purchases, totals, next_cursor: None }
    }

    #[test]
    fn a_log_fits_eighty_columns_and_reads_aloud() {
        let rows = vec![
            row("pu_7f3a9c2d41", "settled", 1, "https://api.example.com/v1/search?q=…&page=…&more=…", 30),
            row("pu_7f3a9c77aa", "held", 25, "https://slow.example.com/report", 7200),
            row("pu_000000aaaa", "needs_approval", 500, "https://api.example.com/dear", 90_000),
        ];
        let notice = Notice {
            at: now().minus(Duration::from_secs(60)),
            kind: "notice".to_owned(),
            message: "80% of the wallet's day is spent".to_owned(),
            usd: None,
            is_of_tools: false,
        };
        let lines = lines(&spend(rows), &[notice], now(), 80);
        let plain: Vec<String> = lines.iter().map(|l| anstream::adapter::strip_str(l).to_string()).collect();
        assert!(plain.iter().take(5).all(|line| line.chars().count() <= 80), "{plain:#?}");
        insta::assert_snapshot!(plain.join("\n"));
    }

    #[test]
    fn a_sellers_url_cannot_break_the_table() {
        let rows = vec![row("pu_1", "settled", 1, "https://e.com/\u{1b}[2J\n\u{202e}x", 1)];
        let text = lines(&spend(rows), &[], now(), 80).join("\n");
        assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{202e}'), "{text:?}");
    }
}
