//! `bursar find WORDS`: what is for sale, as directories list it, and what the limits would say.

use clap::Args;

use crate::answer::{DirectoryTold, FindQuery, Found, FoundKind, FoundThing};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Table, cell};
use crate::cli::{Context, OWNER, out, words};
use crate::time::Time;

/// Find paid APIs and tools, and what the limits would say
///
/// Asks the directories in config.toml, and pays nothing. Names, addresses and prices are claims of strangers: what is
/// paid, and to whom, is what the seller itself asks for. VERDICT is what the policy would say at that price now, for
/// the agent `owner`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  bursar find weather
  bursar find company news --max-price 0.05
  bursar find translate --kind tool --limit 30
  bursar find https://api.example.com
  bursar find weather --json | jq -r '.results[] | select(.verdict == \"allow\") | .url'")]
pub struct Find {
    /// What to look for; or a server's address, for what it says of itself
    #[arg(required = true, value_name = "WORDS")]
    words: Vec<String>,
    /// Only URLs, or only tools of MCP servers
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// Only what is said to cost no more, in US dollars
    #[arg(long, value_name = "USD")]
    max_price: Option<String>,
    /// How many at the most, up to 50
    #[arg(long, value_name = "N", default_value_t = crate::limits::FOUND)]
    limit: usize,
    /// The whole answer as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Http,
    Tool,
}

impl Find {
    pub async fn run(self, context: &Context) -> Result<Exit, Failure> {
        let query = FindQuery {
            query: self.words.join(" "),
            kind: self.kind.map(|kind| match kind {
                Kind::Http => FoundKind::Http,
                Kind::Tool => FoundKind::Tool,
            }),
            max_price: self.max_price.map(|price| price.trim_start_matches('$').to_owned()),
            limit: Some(self.limit),
        };
        let house = context.house().await?;
        let found = house.agent(OWNER).find(query).await?;
        if self.json {
            context.out.json(&found);
        } else {
            tell(&found, context);
        }
        Ok(Exit::Done)
    }
}

fn tell(found: &Found, context: &Context) {
    for directory in &found.directories {
        if let Some(line) = problem(directory) {
            context.out.say(format_args!("{line}"));
        }
    }
    match found.results.is_empty() {
        true => context.out.say(format_args!("Nothing that fits.")),
        false => {
            lines(&found.results, words::now(), context.out.width()).iter().for_each(|line| context.out.line(line))
        }
    }
}

fn problem(told: &DirectoryTold) -> Option<String> {
    let problem = out::clean(told.problem.as_deref()?);
    let mark = if told.ok { out::dim("note:") } else { out::warn("warning:") };
    let age = told.age_s.map(|age| words::lasting(std::time::Duration::from_secs(age)));
    let age = age.map(|age| format!("; what it said {age} ago is used")).filter(|_| !told.ok).unwrap_or_default();
    Some(format!("{mark} {}: {problem}{age}", out::clean(&told.name)))
}

/// The table; below it what each is said to be.
fn lines(results: &[FoundThing], now: Time, width: usize) -> Vec<String> {
    const WHERE: usize = 4;
    let mut table = Table::headed(&["VERDICT", "CLAIMS", "ON", "LAST PAID", "WHERE"]);
    for thing in results {
        let verdict = spelt(thing.verdict);
        table.push(vec![
            cell(&verdict).styled(words::verdict(&verdict)),
            cell(&thing.price_usd.map(words::dollars).unwrap_or_else(|| "?".to_owned())).right(),
            cell(&thing.network.as_deref().map(words::network).unwrap_or_default()),
            cell(&thing.last_paid_at.map(|at| words::when(at, now)).unwrap_or_default()),
            cell(&place(thing)),
        ]);
    }
    let mut lines = table.lines(width, WHERE);
    lines.push(String::new());
    lines.extend(results.iter().flat_map(claim));
    lines.push(out::dim("All of this is claimed by strangers; the seller's own 402 decides price and payee."));
    lines
}

/// `GET https://api.example.com/weather`, `tool forecast at https://mcp.example.com/`
fn place(thing: &FoundThing) -> String {
    let url = thing.url.as_deref().or(thing.server.as_deref()).unwrap_or_default();
    match (&thing.tool, &thing.method) {
        (Some(tool), _) => format!("tool {tool} at {url}"),
        (None, Some(method)) => format!("{method} {url}"),
        (None, None) => url.to_owned(),
    }
}

/// The place whole, and what is said to be there.
fn claim(thing: &FoundThing) -> [String; 2] {
    let said = [out::clean(&thing.name), out::clean(&thing.description)];
    let said: Vec<String> = said.into_iter().filter(|words| !words.is_empty()).collect();
    let by: Vec<String> = thing.claimed_by.iter().map(|name| out::clean(name)).collect();
    [out::bold(&place(thing)), format!("  {} {}", said.join(": "), out::dim(&format!("({})", by.join(", "))))]
}

/// As the structured answer spells it.
fn spelt(verdict: impl serde::Serialize) -> String {
    serde_json::to_value(verdict).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::FindVerdict;
    use crate::money::Usd;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn thing(url: &str, verdict: FindVerdict, usd: Option<u64>) -> FoundThing {
        FoundThing {
            kind: FoundKind::Http,
            name: "Weather".to_owned(),
            description: "Weather\u{1b}[31m now\nVERDICT".to_owned(),
            url: Some(url.to_owned()),
            server: None,
            tool: None,
            method: Some("GET".to_owned()),
            arguments: Vec::new(),
            price_usd: usd.map(Usd::micros),
            amount_atomic: None,
            asset: None,
            network: Some("eip155:84532".to_owned()),
            scheme: None,
            price_note: None,
            payable: true,
            verdict,
            reasons: Vec::new(),
            known: None,
            last_paid_usd: None,
            last_paid_at: Some(NOW.minus(std::time::Duration::from_secs(90))),
            health: None,
            claimed_by: vec!["mpp.dev".to_owned(), "402index.io".to_owned()],
        }
    }

    #[test]
    fn results_line_up_and_what_they_claim_is_told_below() {
        let url = "https://api.weather.example/a/path/that/goes/on/and/on/and/on/and/on";
        let tool = FoundThing {
            kind: FoundKind::Tool,
            url: None,
            server: Some("https://mcp.weather.example/".to_owned()),
            tool: Some("forecast".to_owned()),
            last_paid_at: None,
            ..thing("", FindVerdict::Unknown, None)
        };
        let lines = lines(&[thing(url, FindVerdict::Allow, Some(10_000)), tool], NOW, 80);
        let plain: Vec<String> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(plain[..3].iter().all(|line| line.chars().count() <= 80), "{plain:#?}");
        insta::assert_snapshot!(plain.join("\n"));
    }

    #[test]
    fn what_is_wrong_with_a_directory_is_told_and_what_was_used_instead() {
        let told = |ok, age_s, problem: Option<&str>| DirectoryTold {
            name: "mpp.dev".to_owned(),
            ok,
            results: 0,
            age_s,
            problem: problem.map(str::to_owned),
        };
        let plain = |told| problem(&told).map(|line| anstream::adapter::strip_str(&line).to_string());
        assert_eq!(plain(told(true, Some(3), None)), None);
        let note = plain(told(true, None, Some("2 of its entries lead nowhere")));
        assert_eq!(note.as_deref(), Some("note: mpp.dev: 2 of its entries lead nowhere"));
        let stale = plain(told(false, Some(7_200), Some("it answered with HTTP 503")));
        assert_eq!(stale.as_deref(), Some("warning: mpp.dev: it answered with HTTP 503; what it said 2 h ago is used"));
    }
}
