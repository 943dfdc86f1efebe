//! Words and addresses of a directory's, bounded and cleaned before anybody sees them.

use serde_json::Value;
use url::Url;

use crate::request;
use crate::{limits, text};

/// A name for a person: more of it is no name.
const NAME_CHARS: usize = 80;
/// A sentence or two.
const DESCRIPTION_CHARS: usize = 240;
/// The specification of the Bazaar has five.
const TAGS: usize = 5;
const TAG_CHARS: usize = 32;
/// More than these are no small thing to call.
const ARGUMENTS: usize = 12;
/// As MCP bounds the names of tools.
const TOOL_CHARS: usize = 128;

/// A text of one line; none where there is none.
fn line(value: Option<&Value>, chars: usize) -> Option<String> {
    let said = text::quoted(value?.as_str()?, chars).trim().to_owned();
    (!said.is_empty()).then_some(said)
}

/// The first of these that is a name, or the host.
pub(super) fn name(candidates: &[Option<&Value>], url: &Url) -> String {
    let named = candidates.iter().find_map(|value| line(*value, NAME_CHARS));
    named.unwrap_or_else(|| text::quoted(url.host_str().unwrap_or_default(), NAME_CHARS))
}

/// The first of these that says anything.
pub(super) fn description(candidates: &[Option<&Value>]) -> String {
    candidates.iter().find_map(|value| line(*value, DESCRIPTION_CHARS)).unwrap_or_default()
}

pub(super) fn tags(lists: &[Option<&Value>]) -> Vec<String> {
    let all = lists.iter().filter_map(|list| list.and_then(Value::as_array)).flatten();
    all.filter_map(|tag| line(Some(tag), TAG_CHARS)).take(TAGS).collect()
}

/// A method that a call may have.
pub(super) fn method(value: Option<&Value>) -> Option<String> {
    let method = value?.as_str().filter(|text| text.len() <= 10)?.to_ascii_uppercase();
    request::check_method(&method).ok().map(|()| method)
}

/// A tool's name, in the letters that MCP has for them: anything else could be a sentence.
pub(super) fn tool(value: Option<&Value>) -> Option<String> {
    let name = value?.as_str()?;
    let is_name = (1..=TOOL_CHARS).contains(&name.len()) && name.bytes().all(is_plain);
    is_name.then(|| name.to_owned())
}

/// The names of what these take, where they are names.
pub(super) fn arguments(objects: &[Option<&Value>]) -> Vec<String> {
    let members =
        objects.iter().filter_map(|object| object.and_then(Value::as_object)).flat_map(|object| object.keys());
    members.filter(|name| name.len() <= TAG_CHARS && name.bytes().all(is_plain)).take(ARGUMENTS).cloned().collect()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

/// An address on the web as a call may name it, without what a browser would not send.
pub(super) fn address(text: &str) -> Option<Url> {
    let is_odd = |c: char| c.is_whitespace() || text::is_unseen(c);
    if text.len() > limits::LISTED_URL_BYTES || text.contains(is_odd) {
        return None;
    }
    let mut url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let is_whole = matches!(url.scheme(), "https" | "http") && !host.is_empty() && !host.ends_with('.');
    let is_nobodys = url.username().is_empty() && url.password().is_none();
    url.set_fragment(None);
    (is_whole && is_nobodys && url.as_str().len() <= limits::LISTED_URL_BYTES).then_some(url)
}

/// A path put after what an address has already. It cannot leave the host.
pub(super) fn under(base: &Url, path: &str) -> Option<Url> {
    let path = path.strip_prefix('/')?;
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    (url.as_str().len() <= limits::LISTED_URL_BYTES).then_some(url)
}
