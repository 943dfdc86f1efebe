//! The log, live: what is new and what changes, as it happens.

use std::time::Duration;

use super::{LogCommand, place};
use crate::answer::Notice;
use crate::answer::Row;
use crate::cli::exit::Failure;
use crate::cli::table::{cell, fixed};
use crate::cli::{Context, out, words};
use crate::owner::Owner;
use crate::time::Time;

/// Between two looks at whether the ledger was written to. One look is one number, read from memory.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// What stands there before anything happens.
const ROWS_BEFORE: usize = 10;

pub async fn until_ctrl_c(log: &LogCommand, bursar: &Owner, context: &Context) -> Result<(), Failure> {
    let mut printer = Printer { context, json: log.json, day: String::new() };
    // First, so that whatever is missed below is told after it.
    let (mut event, mut seen) = (bursar.history().await?, bursar.version().await?);
    let before = bursar.log(log.query(log.limit.unwrap_or(ROWS_BEFORE), None)).await?;
    before.purchases.iter().rev().for_each(|row| printer.purchase(row));
    // One for the whole time: a Ctrl-C while the ledger is read must not be missed.
    let end = tokio::signal::ctrl_c();
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = &mut end => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let version = bursar.version().await?;
        if version != seen {
            seen = version;
            event = tell_news(log, bursar, event, &mut printer).await?;
        }
    }
}

/// Everything since an event; answers with the latest that is told now.
async fn tell_news(log: &LogCommand, bursar: &Owner, since: i64, printer: &mut Printer<'_>) -> Result<i64, Failure> {
    let query = log.query(usize::MAX, None);
    let mut event = since;
    loop {
        let news = bursar.news(&query, event).await?;
        news.purchases.iter().for_each(|row| printer.purchase(row));
        if !log.is_of_some() {
            news.notices.iter().for_each(|notice| printer.notice(notice));
        }
        if news.event == event {
            return Ok(event);
        }
        event = news.event;
    }
}

struct Printer<'a> {
    context: &'a Context,
    json: bool,
    day: String,
}

impl Printer<'_> {
    fn purchase(&mut self, row: &Row) {
        if self.json {
            return self.context.out.json_line(row);
        }
        let id: String = row.purchase_id.chars().take(super::ID_CHARS).collect();
        let amount = row.amount_usd.map(words::dollars).unwrap_or_default();
        self.line(row.at, &row.state, &amount, &row.who(), &place(row), &id);
    }

    /// JSON Lines are purchases and nothing else.
    fn notice(&mut self, notice: &Notice) {
        if !self.json {
            self.line(notice.at, &notice.kind, "", "", &notice.message, "");
        }
    }

    /// Columns stay where they are, whatever comes later.
    fn line(&mut self, at: Time, state: &str, amount: &str, agent: &str, place: &str, id: &str) {
        const FIXED: [usize; 5] = [8, 14, 9, 14, super::ID_CHARS];
        const GAPS: usize = 5 * 2;
        let (day, clock) = words::local(at);
        if day != self.day {
            self.context.out.line(out::dim(&day));
            self.day = day;
        }
        let rest = self.context.out.width().saturating_sub(FIXED.iter().sum::<usize>() + GAPS).max(12);
        let [when, states, amounts, agents, ids] = FIXED;
        let cells = [
            cell(&clock),
            cell(state).styled(words::state(state)),
            cell(amount).right(),
            cell(agent),
            cell(place),
            cell(id),
        ];
        self.context.out.line(fixed(&cells, &[when, states, amounts, agents, rest, ids]));
    }
}
