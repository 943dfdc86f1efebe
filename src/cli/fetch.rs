//! `bursar fetch URL`: the agent's flow, from a shell, as the agent `owner`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::agent::Agent;
use crate::answer::{Answer, Body, Charged, Encoding, Outcome};
use crate::cli::exit::{self, Exit, Failure};
use crate::cli::{Context, OWNER, out, story, words};
use crate::json::Written;
use crate::limits;
use crate::ports::Caller;
use crate::reason::Who;
use crate::wish::Call;

/// Get a URL, and pay for it if the limits allow
///
/// The same flow an agent has, with the same limits, as the agent `owner`. The body goes to stdout, what it cost to
/// stderr. Run the same command again after a lost reply: it resumes, and never pays twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar fetch https://api.example.com/v1/report
  bursar fetch https://api.example.com/v1/ask --json-body '{\"q\": \"why\"}' --max-price 0.05
  bursar fetch https://api.example.com/photo.png -o photo.png

Exit codes: 0 answered, 2 usage, 3 refused by policy, 4 needs approval,
5 payment failed, 6 held (unknown whether money moved), 7 frozen, 1 anything else.")]
pub struct Fetch {
    /// What to get
    url: String,
    /// GET unless there is a body, else POST
    #[arg(short = 'X', long, value_name = "METHOD")]
    method: Option<String>,
    /// `Name: value`, as often as needed
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// A text body; @FILE reads it from a file, @- from stdin
    #[arg(short = 'd', long = "data", value_name = "BODY")]
    data: Option<String>,
    /// A JSON body, instead of --data
    #[arg(long, value_name = "JSON", conflicts_with = "data")]
    json_body: Option<String>,
    /// Refuse if dearer, in US dollars; never raises a limit
    #[arg(long, value_name = "USD")]
    max_price: Option<String>,
    /// Resume this purchase
    #[arg(long, value_name = "ID")]
    purchase_id: Option<String>,
    /// Buy once more what this purchase bought
    #[arg(long, value_name = "ID")]
    buy_again: Option<String>,
    /// Write the body here instead of to stdout
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// The whole answer as one JSON document
    #[arg(long)]
    json: bool,
}

/// A seller may take two minutes to settle and each call answers within 45 s: so many calls see it through.
const CALLS: usize = 5;

impl Fetch {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let call = self.call()?;
        let house = context.house().await?;
        let bursar = house.agent(OWNER);
        let answer = until_settled_down(&bursar, call, context).await;
        if self.json {
            context.out.json(&answer);
        } else {
            self.tell(&bursar, &answer, context).await?;
        }
        // Notes beside the key how far the ledger has come.
        house.keeper().drain().await;
        Ok(Exit::of(&answer))
    }

    async fn tell(&self, bursar: &Agent, answer: &Answer, context: &Context) -> Result<(), Failure> {
        if answer.outcome == Outcome::Answered {
            let body = whole_body(bursar, answer).await?;
            deliver(&body, self.output.as_deref(), context)?;
        }
        summary(answer).iter().for_each(|line| context.out.say(format_args!("{line}")));
        Ok(())
    }

    fn call(&self) -> Result<Call, Failure> {
        let json = self.json_body.as_ref().map(Written::new);
        if let Some(Err(cause)) = json.as_ref().map(Written::canonical) {
            return Err(Failure::usage(format!("--json-body cannot be sent: {}", out::clean(&cause.to_string())), ""));
        }
        Ok(Call {
            url: self.url.clone(),
            method: self.method.clone(),
            headers: headers(&self.headers)?,
            body: self.data.as_deref().map(data).transpose()?,
            json,
            max_price: self.max_price.as_ref().map(|price| price.trim_start_matches('$').to_owned()),
            purchase_id: self.purchase_id.clone(),
            buy_again: self.buy_again.clone(),
            max_chars: (!self.json).then_some(limits::ANSWER_CHARS_AT_MOST),
            host_ceiling: None,
        })
    }
}

/// Calls again while the purchase is under way. Ctrl-C once waits for what cannot be undone; twice leaves it to
/// reconciliation.
async fn until_settled_down(bursar: &Agent, mut call: Call, context: &Context) -> Answer {
    let progress = Watching { context };
    let mut calls = pin!(async {
        for _ in 1..CALLS {
            let answer = bursar.fetch_paid(None, call.clone(), &progress).await;
            if answer.outcome != Outcome::Pending {
                return answer;
            }
            call.purchase_id = answer.purchase_id.or(call.purchase_id.take());
            call.buy_again = None;
        }
        bursar.fetch_paid(None, call, &progress).await
    });
    tokio::select! {
        answer = &mut calls => return answer,
        _ = tokio::signal::ctrl_c() => {}
    }
    context
        .out
        .say(format_args!("Waiting for what was begun, so that nothing is left unknown; Ctrl-C again leaves it."));
    tokio::select! {
        answer = &mut calls => answer,
        _ = tokio::signal::ctrl_c() => std::process::exit(Exit::Held as i32),
    }
}

struct Watching<'a> {
    context: &'a Context,
}

impl Caller for Watching<'_> {
    fn step(&self, message: &str) {
        self.context.out.progress(format_args!("{}", out::dim(message)));
    }
}

/// The body as the seller sent it, also where one answer holds only its beginning.
async fn whole_body(bursar: &Agent, answer: &Answer) -> Result<Vec<u8>, Failure> {
    let Some(body) = &answer.body else { return Ok(Vec::new()) };
    match &answer.purchase_id {
        Some(id) if body.truncated || (body.encoding_is_none() && body.body_bytes > 0) => stored_body(bursar, id).await,
        _ => decoded(body),
    }
}

async fn stored_body(bursar: &Agent, id: &str) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::new();
    let mut offset = Some(0);
    while let Some(from) = offset {
        let page = bursar.purchase(id, from, Some(limits::ANSWER_CHARS_AT_MOST)).await?;
        whole.extend(page.body.as_ref().map(decoded).transpose()?.unwrap_or_default());
        offset = page.next_offset.filter(|next| *next > from);
    }
    Ok(whole)
}

fn decoded(body: &Body) -> Result<Vec<u8>, Failure> {
    match body.body_encoding {
        Encoding::Text => Ok(body.body.clone().into_bytes()),
        Encoding::Base64 => STANDARD
            .decode(&body.body)
            .map_err(|cause| Failure::new("bad_body", format!("the stored body cannot be read: {cause}"), "")),
        Encoding::None => Ok(Vec::new()),
    }
}

impl Body {
    fn encoding_is_none(&self) -> bool {
        self.body_encoding == Encoding::None
    }
}

fn deliver(body: &[u8], file: Option<&Path>, context: &Context) -> Result<(), Failure> {
    let Some(file) = file else {
        context.out.body(body);
        return Ok(());
    };
    std::fs::write(file, body).map_err(|cause| {
        let what = format!("could not write {}: {cause}", file.display());
        Failure::new("not_written", what, "what was bought is kept: the same command serves it again")
    })
}

/// What happened, what it cost, what is left, what to do.
fn summary(answer: &Answer) -> Vec<String> {
    let mut lines = vec![headline(answer)];
    lines.extend(answer.reasons.iter().map(story::reason));
    if answer.outcome != Outcome::Answered {
        lines.push(format!("{} {}", out::dim("next:"), next(answer)));
    }
    lines
}

/// What an answer tells an agent to do is for agents; here reads the owner.
fn next(answer: &Answer) -> String {
    let id = answer.purchase_id.as_deref().map(out::clean).unwrap_or_default();
    let owners = answer.reasons.iter().any(|reason| reason.who_can_fix == Who::Owner);
    match answer.outcome {
        Outcome::NeedsApproval => format!("bursar approve {id}, then the same command again"),
        Outcome::Held | Outcome::Pending => "the same command again resumes it, and never pays twice".to_owned(),
        Outcome::Failed if answer.charged == Charged::Yes => format!("to pay once more: --buy-again {id}"),
        Outcome::Refused if exit::is_frozen(&answer.reasons) => "bursar thaw lets spending go on".to_owned(),
        Outcome::Refused if owners => {
            "yours to change, in policy.toml or with bursar policy allow HOST; bursar doctor checks the rest".to_owned()
        }
        _ => out::clean(&answer.next),
    }
}

fn headline(answer: &Answer) -> String {
    let id = answer.purchase_id.as_deref().map(|id| format!("  {}", out::dim(id))).unwrap_or_default();
    let price = answer.payment.as_ref().map(|payment| words::dollars(payment.amount_usd)).unwrap_or_default();
    let said = match (answer.outcome, answer.charged) {
        (Outcome::Answered, _) if answer.served_from_store => {
            let age = words::lasting(std::time::Duration::from_secs(answer.age_s));
            out::good(&format!("From the store, bought {age} ago: nothing charged"))
        }
        (Outcome::Answered, Charged::No) => out::good("Free: nothing charged"),
        (Outcome::Answered, Charged::Yes) => out::good(&format!("Paid {price}{}", left(answer))),
        (Outcome::Answered, Charged::Unknown) => {
            out::warn(&format!("Answered; whether {price} moved is not known yet"))
        }
        (Outcome::Pending, _) => out::warn("Still under way"),
        (Outcome::NeedsApproval, _) => out::warn("Needs your approval: nothing charged"),
        (Outcome::Refused, _) => out::bad("Refused: nothing charged"),
        (Outcome::Held, _) => out::warn(&format!("Held: whether {price} moved is not known; it counts as spent")),
        (Outcome::Failed, Charged::No) => out::bad("Failed: nothing charged"),
        (Outcome::Failed, Charged::Yes) => out::bad(&format!("Paid {price}, and nothing was delivered")),
        (Outcome::Failed, Charged::Unknown) => out::bad(&format!("Failed; whether {price} moved is not known")),
    };
    format!("{said}{id}")
}

fn left(answer: &Answer) -> String {
    let day = answer.budget_left_usd.and_then(|left| left.day);
    day.map(|day| format!(", {} left today", words::dollars(day))).unwrap_or_default()
}

fn headers(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let split = |header: &String| match header.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(Failure::usage(format!("`{}` is not a header", out::clean(header)), "write it as 'Name: value'")),
    };
    given.iter().map(split).collect()
}

/// Curl's way: @FILE, @- or the text itself.
fn data(given: &str) -> Result<String, Failure> {
    let read = match given.strip_prefix('@') {
        None => return Ok(given.to_owned()),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map(|_| text)
        }
        Some(file) => std::fs::read_to_string(file),
    };
    read.map_err(|cause| Failure::usage(format!("could not read the body from {given}: {cause}"), ""))
}
