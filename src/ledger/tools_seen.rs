//! What tools of MCP servers say of themselves: a server may sell one thing under the words of another, once it is trusted.
//!
//! A tool is known by the words it had when it was first listed. With others it is a changed one, until it says the old
//! ones again or is paid for: then its owner, or the policy, took it as it is.

use std::collections::BTreeMap;

use serde_json::json;
use url::Url;

use super::authorize::ledger_time;
use super::engine::{Conn, in_order, named};
use super::notices::was_noticed;
use super::{Ledger, LedgerError, Sync, events};
use crate::limits;
use crate::policy::ToolChange;
use crate::request;
use crate::text;
use crate::time::Time;

/// How what such news is about begins.
pub const OF_TOOLS: &str = "tools of ";

/// A tool as its server lists it; or a prompt or a resource, of which a change is told and no more.
#[derive(Clone, Debug)]
pub struct ListedTool {
    /// Its server's URL, with its name.
    pub place: Url,
    /// What it is: a tool, say.
    pub what: &'static str,
    /// What it is called.
    pub name: String,
    /// A fingerprint of all it says of itself.
    pub words: [u8; 32],
    /// What it is for, as it says.
    pub description: String,
}

impl Ledger {
    /// Notes what a server lists, and answers which of it says something else of itself than it did: since when, by its
    /// place.
    pub async fn note_tools(&self, tools: Vec<ListedTool>, now: Time) -> Result<BTreeMap<String, Time>, LedgerError> {
        let known = tools.clone();
        if let Some(changed) = self.peek(move |conn| nothing_new(conn, &known)).await? {
            return Ok(changed);
        }
        self.writer
            .write(Sync::Lazy, move |conn| {
                let now = ledger_time(conn, now)?;
                let (mut changed, mut news) = (BTreeMap::new(), Vec::new());
                for tool in &tools {
                    let before = known_as(conn, &tool.place)?;
                    if let Some(at) = note(conn, tool, before.as_ref(), now)? {
                        changed.insert(tool.place.to_string(), at);
                        news.extend(before.filter(|_| at == now).map(|before| (tool, before)));
                    }
                }
                tell(conn, &news, now)?;
                Ok(changed)
            })
            .await
    }
}

/// What is known of a tool.
struct Known {
    words: Vec<u8>,
    description: String,
    since: Time,
    other: Option<(Vec<u8>, Time)>,
}

fn known_as(conn: &dyn Conn, place: &Url) -> Result<Option<Known>, LedgerError> {
    let known = conn.find(
        "SELECT words, description, since, other_words, changed_at FROM tool_seen WHERE place = ?1",
        in_order![place.as_str()],
        |row| {
            let (words, at): (Option<Vec<u8>>, Option<i64>) = (row.get(3)?, row.get(4)?);
            Ok(Known {
                words: row.get(0)?,
                description: row.get(1)?,
                since: Time::from_millis(row.get(2)?),
                other: words.zip(at.map(Time::from_millis)),
            })
        },
    )?;
    Ok(known)
}

/// Which of them have changed, if that is all known already.
fn nothing_new(conn: &dyn Conn, tools: &[ListedTool]) -> Result<Option<BTreeMap<String, Time>>, LedgerError> {
    let mut changed = BTreeMap::new();
    for tool in tools {
        match known_as(conn, &tool.place)? {
            Some(Known { words, other: None, .. }) if words == tool.words => {}
            Some(Known { other: Some((other, at)), .. }) if other == tool.words => {
                changed.insert(tool.place.to_string(), at);
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(changed))
}

/// Since when it says something else, if it does.
fn note(conn: &dyn Conn, tool: &ListedTool, before: Option<&Known>, now: Time) -> Result<Option<Time>, LedgerError> {
    let place = tool.place.as_str();
    match before {
        None => {
            let server = request::server_at(&tool.place);
            conn.note(
                "INSERT INTO tool_seen (place, server, words, description, since)
                 SELECT :place, :server, :words, :description, :now
                  WHERE (SELECT count(*) FROM tool_seen WHERE server = :server) < :most",
                named! {
                    ":place": place, ":server": server.as_str(), ":words": tool.words, ":description": tool.description,
                    ":now": now.millis(), ":most": limits::TOOLS_KNOWN as i64,
                },
            )?;
            Ok(None)
        }
        Some(Known { words, .. }) if *words == tool.words => {
            conn.note(
                "UPDATE tool_seen SET other_words = NULL, other_description = NULL, changed_at = NULL WHERE place = ?1",
                in_order![place],
            )?;
            Ok(None)
        }
        Some(Known { other: Some((other, at)), .. }) if *other == tool.words => Ok(Some(*at)),
        Some(_) => {
            conn.note(
                "UPDATE tool_seen SET other_words = ?2, other_description = ?3, changed_at = ?4 WHERE place = ?1",
                in_order![place, tool.words, tool.description, now.millis()],
            )?;
            Ok(Some(now))
        }
    }
}

/// Tells the owner of a server's tools that have just changed: of one in full, of the others how many they are.
fn tell(conn: &dyn Conn, news: &[(&ListedTool, Known)], now: Time) -> Result<(), LedgerError> {
    let Some(((tool, before), others)) = news.split_first() else { return Ok(()) };
    let server = request::server_at(&tool.place);
    let about = format!("{OF_TOOLS}{}{}", server.host_str().unwrap_or_default(), server.path());
    if was_noticed(conn, &about, Some(limits::BREAKER_QUIET), now)? {
        return Ok(());
    }
    let words = |words: &str| text::in_quotes(&text::quoted(words, limits::QUOTED_CHARS));
    let what = match before.description == tool.description {
        true => "it takes other arguments".to_owned(),
        false => format!("it said {}, and says {}", words(&before.description), words(&tool.description)),
    };
    let more = match others.len() {
        0 => String::new(),
        more => format!("; {more} more of what it lists changed too"),
    };
    let message = format!(
        "the {} {} of {} says something else of itself than on {}: {what}{more}",
        tool.what,
        words(&tool.name),
        text::quoted(server.host_str().unwrap_or_default(), limits::QUOTED_CHARS),
        before.since
    );
    events::append(conn, None, now, "notice", &json!({ "about": about, "message": message }))
}

/// The change of a tool that nobody has taken yet, where this is one's place.
pub(super) fn change_at(conn: &dyn Conn, place: &Url) -> Result<Option<ToolChange>, LedgerError> {
    if request::tool_at(place).is_none() {
        return Ok(None);
    }
    let change = conn.find(
        "SELECT since, changed_at, other_words FROM tool_seen WHERE place = ?1 AND changed_at IS NOT NULL",
        in_order![place.as_str()],
        |row| {
            let time = |nth| row.get(nth).map(Time::from_millis);
            Ok(ToolChange { since: time(0)?, at: time(1)?, words: row.get(2)? })
        },
    )?;
    Ok(change)
}

/// A tool that is paid for is one that was taken as it is.
pub(super) fn accept(conn: &dyn Conn, places: &[&Url], now: Time) -> Result<(), LedgerError> {
    for place in places.iter().filter(|place| request::tool_at(place).is_some()) {
        conn.note(
            "UPDATE tool_seen SET words = other_words, description = other_description, since = ?2, other_words = NULL,
                    other_description = NULL, changed_at = NULL
              WHERE place = ?1 AND changed_at IS NOT NULL",
            in_order![place.as_str(), now.millis()],
        )?;
    }
    Ok(())
}
