//! `bursar policy`: is the file right, what would it say, and a rule for one seller.

mod replay;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::answer::OfferVerdict;
use crate::answer::PolicyChange;
use crate::cli::exit::{Exit, Failure};
use crate::cli::owner::Terminal;
use crate::cli::{Context, OWNER, out, story, words};
use crate::config::PolicyFile;
use crate::money::Usd;
use crate::policy::{self as rules, Allowed, Effect, NewRule, PolicyError, Problem};

/// Check the policy, ask it what it would say, or add a rule for one seller
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub struct PolicyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Check(Check),
    Explain(Explain),
    Allow(Allow),
    Apply(Apply),
    Replay(replay::ReplayCommand),
    Schema(schema::Schema),
}

/// Is the policy file right? Says every mistake with its line
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy check\n  bursar policy check draft.toml")]
struct Check {
    /// Another file than the one in force
    file: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// What would happen at this price, and why: every rule with its numbers
///
/// Nothing is asked of the seller and nothing is spent. What was already spent counts as it does now.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy explain https://api.example.com/report --price 0.25\n  \
                        bursar policy explain https://mcp.example.com/mcp --tool search --price 0.02")]
struct Explain {
    url: String,
    /// In US dollars
    #[arg(long, value_name = "USD", value_parser = dollars)]
    price: Usd,
    #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,
    /// Of the MCP server at the URL, or of the program of that name, this tool
    #[arg(long, value_name = "TOOL", conflicts_with = "method")]
    tool: Option<String>,
    /// Whose session counts
    #[arg(long, value_name = "NAME", default_value = OWNER)]
    agent: String,
    /// One JSON document
    #[arg(long)]
    json: bool,
}

/// Add a rule for one seller to the policy file
///
/// What you leave out is inherited from [each_domain]. Asks at the terminal that you type the host.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy allow api.example.com --per-day 3.00\n  \
                        bursar policy allow '*.example.com' --per-payment 0.05 --path '/v1/*'")]
struct Allow {
    /// A host, or *.example.com for its subdomains
    host: String,
    /// In US dollars; `none` is no limit
    #[arg(long, value_name = "USD")]
    per_payment: Option<String>,
    #[arg(long, value_name = "USD")]
    per_session: Option<String>,
    #[arg(long, value_name = "USD")]
    per_day: Option<String>,
    /// Only these paths, as often as needed
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// Only these tools of an MCP server, as often as needed
    #[arg(long = "tool", value_name = "TOOL")]
    tools: Vec<String>,
    /// Only these methods, as often as needed
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
}

/// Put a changed policy.toml into force, where a passphrase is set
///
/// Shows in plain words what becomes looser and what tighter, asks at the terminal that you type `apply`, and then for
/// the owner's passphrase. Without a passphrase a changed file counts at once, and there is nothing to apply.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy apply")]
struct Apply {}

impl PolicyCommand {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Check(check) => check.run(context),
            Action::Explain(explain) => explain.run(context).await,
            Action::Allow(allow) => allow.run(context).await,
            Action::Apply(Apply {}) => apply(context).await,
            Action::Replay(replay) => replay.run(context).await,
            Action::Schema(schema) => schema.run(context),
        }
    }
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    file: String,
    /// Where a passphrase is set, a changed file is not until it is applied. Not said of another file.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    problems: Vec<Mistake>,
}

#[derive(Serialize)]
struct Mistake {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    what: String,
    remedy: String,
}

impl Check {
    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let checked = self.checked(context)?;
        let exit = if checked.ok { Exit::Done } else { Exit::Failed };
        match self.json {
            true => context.out.json(&checked),
            false => told(&checked).iter().for_each(|line| context.out.line(line)),
        }
        Ok(exit)
    }

    fn checked(&self, context: &Context) -> Result<Checked, Failure> {
        let home = context.home()?;
        let rules = PolicyFile::new(&home);
        let written = home.policy_file();
        let (file, found) = match &self.file {
            Some(file) => (file.display().to_string(), read(file).and_then(|text| parsed(file, &text))),
            None if !written.exists() => ("the built-in policy".to_owned(), rules.written()),
            None => (written.display().to_string(), rules.written()),
        };
        let in_force = match self.file {
            None => Some(rules.is_applied()?),
            Some(_) => None,
        };
        Ok(match found {
            Ok(policy) => {
                let unread = policy.payee.deny_list_error.iter().map(|error| unread_list(error));
                let problems: Vec<_> = unread.chain(policy.unreachable().into_iter().map(unreached)).collect();
                Checked { ok: problems.is_empty(), file, in_force, hash: Some(policy.hash.clone()), problems }
            }
            Err(error) => {
                let problems = error.problems.into_iter().map(mistake).collect();
                Checked { ok: false, file, in_force, hash: None, problems }
            }
        })
    }
}

impl Explain {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let owner = context.bursar().await?;
        let explained = match &self.tool {
            Some(tool) => owner.explain_tool(&self.agent, &self.url, tool, self.price).await?,
            None => owner.explain(&self.agent, &self.method, &self.url, self.price).await?,
        };
        if self.json {
            context.out.json(&explained);
            return Ok(Exit::Done);
        }
        let verdict = match explained.verdict {
            OfferVerdict::Allow => out::good("it would be bought"),
            OfferVerdict::Ask => out::warn("you would be asked"),
            OfferVerdict::Refuse | OfferVerdict::Unpayable => out::bad("it would be refused"),
        };
        let what = self.tool.as_ref().map_or_else(|| self.method.clone(), |tool| format!("the tool {tool} of"));
        let (what, url) = (out::clean(&what), out::clean(&self.url));
        context.out.line(format_args!("{what} {url} for {}: {verdict}", out::bold(&words::dollars(self.price))));
        let rules = serde_json::to_value(&explained.rules).unwrap_or_default();
        story::rules(&rules).iter().for_each(|line| context.out.line(format_args!("  {line}")));
        let sign_in = match &explained.sign_in.message {
            None => format!("the wallet may sign in there to get again what it paid for [{}]", explained.sign_in.rule),
            Some(message) => format!("{message} [{}]", explained.sign_in.rule),
        };
        context.out.line(out::clean(&sign_in));
        Ok(Exit::Done)
    }
}

impl Allow {
    async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut owner = Terminal::at_the_terminal("bursar policy allow")?;
        let bursar = context.bursar().await?;
        let before = PolicyFile::new(&context.home()?).text()?;
        let text = before.as_deref().unwrap_or_default();
        let allowed = rules::with_rule("policy.toml", text, &self.rule())?;
        for line in changes(text, &allowed) {
            owner.tell(&line)?;
        }
        owner.must_type(&allowed.host, "put this into the policy")?;
        let passphrase = owner.passphrase(&bursar)?;
        bursar.write_policy(before.as_deref(), allowed.text, passphrase.as_deref().map(String::as_str)).await?;
        context.out.say(format_args!("{} In force from the next purchase on.", out::good("Written.")));
        Ok(Exit::Done)
    }

    fn rule(&self) -> NewRule {
        let amount = |text: &Option<String>| text.as_ref().map(|text| text.trim_start_matches('$').to_owned());
        NewRule {
            host: self.host.clone(),
            access: None,
            per_payment: amount(&self.per_payment),
            per_session: amount(&self.per_session),
            per_day: amount(&self.per_day),
            methods: self.methods.clone(),
            paths: self.paths.clone(),
            tools: self.tools.clone(),
            payees: Vec::new(),
        }
    }
}

async fn apply(context: &Context) -> Result<Exit, Failure> {
    let mut owner = Terminal::at_the_terminal("bursar policy apply")?;
    let bursar = context.bursar().await?;
    let Some(change) = bursar.policy_change().await? else {
        context.out.say(format_args!("policy.toml is in force as it stands: there is nothing to apply."));
        return Ok(Exit::Done);
    };
    if change.is_whole {
        owner.tell("What is in force is not what you put there, so this is everything that is not as built in.")?;
    }
    for line in would_change(&change) {
        owner.tell(&line)?;
    }
    owner.must_type("apply", "put this into force")?;
    let passphrase = owner.passphrase(&bursar)?;
    bursar.apply_policy(&change, passphrase.as_deref().map(String::as_str)).await?;
    context.out.say(format_args!("{} In force from the next purchase on.", out::good("Applied.")));
    Ok(Exit::Done)
}

/// What applying would do, the looser part first.
fn would_change(change: &PolicyChange) -> Vec<String> {
    if change.changes.is_empty() {
        return vec!["The file is written otherwise and says the same.".to_owned()];
    }
    let rows = change.changes.iter().map(|change| {
        let effect = match change.effect {
            Effect::Looser => "looser",
            Effect::Different => "different",
            Effect::Tighter => "tighter",
        };
        format!("  {effect:<9} {}: {}, was {}", change.key, change.after, change.before)
    });
    ["What changes for your agents:".to_owned()].into_iter().chain(rows.map(|row| out::clean(&row))).collect()
}

/// The lines the owner is asked to agree to.
fn changes(before: &str, allowed: &Allowed) -> Vec<String> {
    let known: Vec<&str> = before.lines().collect();
    let mut lines = vec![match (allowed.changed, &allowed.above) {
        (true, _) => format!("The rule for {} changes; it would then say:", allowed.host),
        (false, Some(wider)) => format!("A new rule, above the one for {}:", out::clean(wider)),
        (false, None) => "A new rule:".to_owned(),
    }];
    let new = allowed.text.lines().filter(|line| !line.trim().is_empty() && !known.contains(line));
    lines.extend(new.map(|line| format!("  {}", out::clean(line))));
    lines
}

fn told(checked: &Checked) -> Vec<String> {
    const HELD_BACK: &str = "`bursar policy apply` puts it into force; until then the policy before it counts.";
    let is_held_back = checked.in_force == Some(false);
    if checked.ok {
        let hash: String = checked.hash.iter().flat_map(|hash| hash.chars().take(12)).collect();
        let mut lines = vec![format!("{} {} (policy {hash})", out::good("ok"), out::clean(&checked.file))];
        lines.extend(is_held_back.then(|| format!("{} {HELD_BACK}", out::warn("not in force:"))));
        return lines;
    }
    let mut lines = Vec::new();
    for problem in &checked.problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", checked.file),
            _ => checked.file.clone(),
        };
        lines.push(format!("{} {}", out::bad(&format!("{place}:")), out::clean(&problem.what)));
        lines.push(format!("  {}", out::clean(&problem.remedy)));
    }
    lines.push(match is_held_back {
        true => "It is not in force: the policy before it counts.".to_owned(),
        false => "Nothing is paid until this is right.".to_owned(),
    });
    lines
}

fn mistake(problem: Problem) -> Mistake {
    let (line, column) = problem.at.unzip();
    Mistake { line, column, what: problem.what, remedy: problem.remedy }
}

fn unread_list(error: &str) -> Mistake {
    Mistake {
        line: None,
        column: None,
        what: error.to_owned(),
        remedy: "make the deny list readable, or take it out".to_owned(),
    }
}

fn unreached((narrow, wide): (&str, &str)) -> Mistake {
    Mistake {
        line: None,
        column: None,
        what: format!("the rule for `{narrow}` is never reached: `{wide}` above it matches first"),
        remedy: format!("move it above the rule for `{wide}`"),
    }
}

fn read(file: &Path) -> Result<String, PolicyError> {
    std::fs::read_to_string(file).map_err(|cause| {
        PolicyError::whole(file.display().to_string(), format!("it cannot be read: {cause}"), "name a file of TOML")
    })
}

fn parsed(file: &Path, text: &str) -> Result<Arc<rules::Policy>, PolicyError> {
    rules::Policy::parse(&file.display().to_string(), text).map(Arc::new)
}

fn dollars(text: &str) -> Result<Usd, String> {
    text.trim_start_matches('$').parse().map_err(|cause| format!("{cause}"))
}
