//! `bursar pending`: the questions that wait for the owner.

use clap::Args;

use crate::answer;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, out, story, words};
use crate::time::Time;

/// List the purchases that wait for your yes
///
/// Each with its exact terms. A yes is for those terms only, is used once, and never lifts a limit.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar pending\n  bursar approve pu_7f3a")]
pub struct PendingCommand {
    /// One JSON document
    #[arg(long)]
    json: bool,
}

impl PendingCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let questions = context.bursar().await?.pending().await?;
        if self.json {
            context.out.json(&questions);
            return Ok(Exit::Done);
        }
        if questions.is_empty() {
            context.out.say(format_args!("Nothing waits for you."));
        }
        for question in &questions {
            lines(question, words::now()).iter().for_each(|line| context.out.line(line));
        }
        Ok(Exit::Done)
    }
}

/// One question, as it stands before the owner.
pub fn lines(question: &answer::Pending, now: Time) -> Vec<String> {
    let heading = format!(
        "{}  {}  asked {} by {}",
        out::bold(&question.purchase_id),
        out::bold(&words::dollars(question.amount_usd)),
        words::when(question.asked_at, now),
        out::clean(&question.agent)
    );
    let mut lines = vec![heading, format!("  {} {}", out::clean(&question.method), out::clean(&question.url))];
    lines.extend(question.led_from.as_ref().map(|from| format!("  where {} led", out::clean(from))));
    lines.push(format!(
        "  {} {} on {} to {}",
        out::clean(&question.amount),
        out::clean(&question.asset),
        out::clean(&words::network(&question.network)),
        out::clean(&question.payee)
    ));
    lines.extend(question.reasons.iter().map(|reason| format!("  {}", story::reason(reason))));
    lines.push(match question.approved_until {
        Some(until) => format!("  {} stands {}", out::good("your yes"), until_when(until, now)),
        None => format!("  {}", out::dim(&format!("the question stands {}", until_when(question.expires_at, now)))),
    });
    lines
}

fn until_when(at: Time, now: Time) -> String {
    match at > now {
        true => format!("for {} more", words::lasting(at.since(now))),
        false => "no longer".to_owned(),
    }
}
