//! What is looked for, checked; and whether a thing is that.

use url::Url;

use crate::answer::{FindQuery, FoundKind, Refusal};
use crate::limits;
use crate::listing::ListedThing;
use crate::money::Usd;
use crate::reason::{Reason, Who};

/// A query in the shape in which it is asked and compared.
pub struct Sought {
    /// As a directory is asked.
    pub words: String,
    /// What a thing may match, in lower case, each once.
    wanted: Vec<String>,
    /// The query is the address of a server: only what is there.
    pub server: Option<Url>,
    kind: Option<FoundKind>,
    max_price: Option<Usd>,
    /// How many results at the most.
    pub limit: usize,
}

/// What stands in everything, and so tells nothing apart.
const COMMON: [&str; 12] = ["a", "an", "and", "for", "from", "in", "of", "on", "or", "the", "to", "with"];
const WORDS: usize = 16;

impl Sought {
    pub fn read(query: &FindQuery) -> Result<Sought, Refusal> {
        let words = query.query.split_whitespace().collect::<Vec<_>>().join(" ");
        if words.chars().count() > limits::QUERY_CHARS {
            return Err(wrong("bad_query", format!("`query` is longer than {} characters", limits::QUERY_CHARS)));
        }
        let server = Url::parse(&words).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        let wanted = if server.is_some() { Vec::new() } else { wanted(&words) };
        if wanted.is_empty() && server.is_none() {
            return Err(wrong("bad_query", "`query` has no word that could be looked for".to_owned()));
        }
        let max_price = query.max_price.as_ref().map(|text| text.trim().parse::<Usd>()).transpose();
        let max_price =
            max_price.map_err(|cause| wrong("bad_max_price", format!("`max_price` is in US dollars: {cause}")))?;
        let limit = query.limit.unwrap_or(limits::FOUND);
        if !(1..=limits::FOUND_AT_MOST).contains(&limit) {
            return Err(wrong("bad_limit", format!("`limit` is from 1 to {}", limits::FOUND_AT_MOST)));
        }
        // A directory is told the host, and nothing else of an address.
        let words = server.as_ref().and_then(Url::host_str).map_or(words, str::to_owned);
        Ok(Sought { words, wanted, server, kind: query.kind, max_price, limit })
    }

    /// How many of the words stand anywhere in it; none where it is not what is looked for.
    pub fn matches(&self, thing: &ListedThing) -> Option<usize> {
        let kind = if thing.tool.is_some() { FoundKind::Tool } else { FoundKind::Http };
        if self.kind.is_some_and(|wanted| wanted != kind) {
            return None;
        }
        if let Some(server) = &self.server {
            return (server.host() == thing.url.host()).then_some(0);
        }
        let tool = thing.tool.as_deref().unwrap_or_default();
        let told = [&thing.name, &thing.description, thing.url.as_str(), tool, &thing.tags.join(" ")].join(" ");
        let told = told.to_lowercase();
        let matched = self.wanted.iter().filter(|word| told.contains(*word)).count();
        (matched > 0).then_some(matched)
    }

    /// What names no price is not known to be cheap enough.
    pub fn is_cheap_enough(&self, price: Option<Usd>) -> bool {
        self.max_price.is_none_or(|most| price.is_some_and(|price| price <= most))
    }
}

fn wanted(words: &str) -> Vec<String> {
    let lower = words.to_lowercase();
    let all: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let telling: Vec<&str> = all.iter().copied().filter(|word| !COMMON.contains(word)).collect();
    let mut wanted: Vec<String> = Vec::new();
    for word in if telling.is_empty() { all } else { telling } {
        if wanted.len() < WORDS && !wanted.iter().any(|known| known == word) {
            wanted.push(word.to_owned());
        }
    }
    wanted
}

fn wrong(code: &str, message: String) -> Refusal {
    let reasons = vec![Reason::new(code, "arguments", message, Who::Agent)];
    Refusal { reasons, next: "correct the arguments and call again".to_owned() }
}
