//! Pure: what an agent asked for, checked, and its identity.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::json::Written;
use crate::limits;
use crate::money::Usd;
use crate::reason::{Reason, Who};
pub use crate::request::origin;
use crate::request::{self, MaxPrice, PROGRAM, Request, SetBy};
use crate::text;

/// What an agent sends to `fetch_paid` and `quote`, as it sent it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What to get. https only, unless the owner allowed the host.
    pub url: String,
    /// GET unless there is a body, else POST.
    #[serde(default)]
    pub method: Option<String>,
    /// The headers.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// A text body.
    #[serde(default)]
    pub body: Option<String>,
    /// A JSON body, instead of `body`.
    #[serde(default)]
    pub json: Option<Written>,
    /// Refuse if dearer, in US dollars ("0.05"). Never raises a limit.
    #[serde(default)]
    pub max_price: Option<String>,
    /// Reuse the same value when you retry the same purchase; leave it out otherwise.
    #[serde(default)]
    pub purchase_id: Option<String>,
    /// Buy once more what this purchase bought.
    #[serde(default)]
    pub buy_again: Option<String>,
    /// How much of the body to answer with.
    #[serde(default)]
    pub max_chars: Option<usize>,
    /// What the host's owner lets this agent pay at a time. No argument: an agent does not say it.
    #[serde(skip)]
    pub host_ceiling: Option<Usd>,
}

/// What an agent sends to `call_paid_tool`, as it sent it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The MCP server: its URL, or the name that the owner gave a program in config.toml.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// The arguments: an object.
    #[serde(default)]
    pub arguments: Option<Written>,
    /// Refuse if dearer, in US dollars ("0.05"). Never raises a limit.
    #[serde(default)]
    pub max_price: Option<String>,
    /// Reuse the same value when you retry the same purchase; leave it out otherwise.
    #[serde(default)]
    pub purchase_id: Option<String>,
    /// Buy once more what this purchase bought.
    #[serde(default)]
    pub buy_again: Option<String>,
    /// How much of the result to answer with.
    #[serde(default)]
    pub max_chars: Option<usize>,
    /// What the host's owner lets this agent pay at a time. No argument: an agent does not say it.
    #[serde(skip)]
    pub host_ceiling: Option<Usd>,
}

/// One wish of an agent to get one thing, checked.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whose purchase it is.
    pub agent: String,
    /// What goes out.
    pub request: Request,
    /// Dearer than this is refused.
    pub max_price: Option<MaxPrice>,
    /// The purchase's id.
    pub purchase_id: Option<String>,
    /// Which purchase to buy once more.
    pub buy_again: Option<String>,
    /// How much of the body to answer with.
    pub max_chars: usize,
}

/// What makes two wishes the same purchase: agent, method, normalized URL, body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 32]);

/// What an agent may say of any wish, beside what it is for.
struct Beside<'a> {
    max_price: &'a Option<String>,
    host_ceiling: Option<Usd>,
    purchase_id: &'a Option<String>,
    buy_again: &'a Option<String>,
    max_chars: Option<usize>,
}

/// Everything that is wrong with a call, as it is found.
#[derive(Default)]
struct Faults(Vec<Reason>);

impl Faults {
    /// What is right goes on; of what is not, the fault is kept.
    fn keep<T>(&mut self, code: &str, read: Result<T, String>) -> Option<T> {
        let fault = |message| self.0.push(Reason::new(code, "arguments", message, Who::Agent));
        read.map_err(fault).ok()
    }
}

impl Wish {
    /// Everything that is wrong with a call, at once.
    pub fn parse(agent: &str, call: &Call) -> Result<Wish, Vec<Reason>> {
        let mut faults = Faults::default();
        let url = faults.keep("bad_url", parse_url("url", &call.url));
        let body = faults.keep("bad_body", parse_body(call));
        let method = faults.keep("bad_method", parse_method(call));
        let headers = faults.keep("bad_headers", parse_headers(call));
        let request = || Some(Request { url: url?, body: body?, method: method?, headers: headers? });
        let Call { max_price, host_ceiling, purchase_id, buy_again, max_chars, .. } = call;
        let (host_ceiling, max_chars) = (*host_ceiling, *max_chars);
        Beside { max_price, host_ceiling, purchase_id, buy_again, max_chars }.of(agent, request(), faults)
    }

    /// The same of a call of a tool.
    pub fn of_tool(agent: &str, call: &ToolCall) -> Result<Wish, Vec<Reason>> {
        let mut faults = Faults::default();
        let server = faults.keep("bad_server", parse_server(&call.server));
        let tool = faults.keep("bad_tool", parse_tool(&call.tool));
        let arguments = faults.keep("bad_arguments", parse_arguments(call));
        let request = || Some(Request::of_tool(&server?, tool?, arguments?));
        let ToolCall { max_price, host_ceiling, purchase_id, buy_again, max_chars, .. } = call;
        let (host_ceiling, max_chars) = (*host_ceiling, *max_chars);
        Beside { max_price, host_ceiling, purchase_id, buy_again, max_chars }.of(agent, request(), faults)
    }

    /// What makes two calls the same wish.
    pub fn identity(&self) -> Identity {
        let Request { method, url, body, .. } = &self.request;
        Identity(fingerprint(&[self.agent.as_bytes(), method.as_bytes(), url.as_str().as_bytes(), body]))
    }

    /// A repeat is served from the store only when the headers are the same too.
    pub fn headers_fingerprint(&self) -> [u8; 32] {
        let mut headers = self.request.headers.clone();
        headers.sort();
        let parts: Vec<&[u8]> = headers.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).collect();
        fingerprint(&parts)
    }
}

impl Beside<'_> {
    fn of(self, agent: &str, request: Option<Request>, mut faults: Faults) -> Result<Wish, Vec<Reason>> {
        let max_price = faults.keep("bad_max_price", parse_price(self.max_price, self.host_ceiling));
        for (name, id) in [("purchase_id", self.purchase_id), ("buy_again", self.buy_again)] {
            faults.keep("bad_purchase_id", check_id(name, id));
        }
        match (request, max_price, faults.0.is_empty()) {
            (Some(request), Some(max_price), true) => Ok(Wish {
                agent: agent.to_owned(),
                request,
                max_price,
                purchase_id: self.purchase_id.clone(),
                buy_again: self.buy_again.clone(),
                max_chars: self.max_chars.unwrap_or(limits::ANSWER_CHARS).min(limits::ANSWER_CHARS_AT_MOST),
            }),
            _ => Err(faults.0),
        }
    }
}

/// `https://api.example.com/v1/search?q=…`: what logs and answers show instead of query values.
pub fn masked(url: &Url) -> String {
    if let Some(tool) = shown_tool(url) {
        return tool;
    }
    let Some(query) = url.query() else { return url.as_str().to_owned() };
    let masked: Vec<String> = query.split('&').map(mask_pair).collect();
    let mut shown = url.clone();
    shown.set_query(None);
    format!("{shown}?{}", masked.join("&"))
}

/// Origin and path, and the tool where it is one's: where prices are compared.
pub fn place(url: &Url) -> String {
    let tool = url.fragment().map(|tool| format!("#{tool}")).unwrap_or_default();
    format!("{}{}{tool}", origin(url), url.path())
}

/// What the owner is shown of where a purchase is: all of it, and of a tool its place.
pub fn whole(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| shown_tool(&url)).unwrap_or_else(|| url.to_owned())
}

/// The server of a tool, where this is one's place.
pub fn server(url: &str) -> Option<String> {
    let url = Url::parse(url).ok().filter(|url| url.fragment().is_some())?;
    Some(request::server_at(&url).to_string())
}

/// `mcp://api.example.com/search`: the place of a tool, as it is shown. Whatever a tool calls itself, it stands behind the
/// host.
fn shown_tool(url: &Url) -> Option<String> {
    let (tool, host) = (url.fragment()?, url.host_str().unwrap_or_default());
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("mcp://{host}{port}/{tool}"))
}

/// Without a `=` there is no name: it may be the secret itself.
fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() => format!("{name}=…"),
        Some(_) => pair.to_owned(),
        None if pair.is_empty() => String::new(),
        None => "…".to_owned(),
    }
}

fn fingerprint(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn parse_url(what: &str, text: &str) -> Result<Url, String> {
    if text.len() > limits::URL_CHARS {
        return Err(format!("`{what}` is longer than {} characters", limits::URL_CHARS));
    }
    let mut url = Url::parse(text).map_err(|cause| format!("`{what}` is not a whole URL: {cause}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err(format!("`{what}` must begin with https://"));
    }
    if url.host_str().is_some_and(|host| host.bytes().all(|byte| byte == b'.')) {
        return Err(format!("`{what}` names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("`{what}` must not carry a user name or password"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// A URL, or the name of a program: which has no point in it, so that it cannot be taken for a host.
pub fn parse_server(text: &str) -> Result<Url, String> {
    if is_program(text) {
        return Url::parse(&format!("{PROGRAM}://{text}")).map_err(|cause| format!("`server` is no name: {cause}"));
    }
    match text.contains("://") {
        true => parse_url("server", text),
        false => Err("`server` is a URL that begins with https://, or a name that the owner gave a program".to_owned()),
    }
}

/// What an owner may call a program in config.toml.
pub fn is_program(name: &str) -> bool {
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    plain
        && (1..=limits::PROGRAM_NAME_CHARS).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
}

fn parse_tool(name: &str) -> Result<&str, String> {
    match name.chars().count() {
        0 => Err("`tool` is empty".to_owned()),
        1..=limits::TOOL_NAME_CHARS => Ok(name),
        _ => Err(format!("`tool` is longer than {} characters", limits::TOOL_NAME_CHARS)),
    }
}

fn parse_arguments(call: &ToolCall) -> Result<Vec<u8>, String> {
    let Some(arguments) = &call.arguments else { return Ok(b"{}".to_vec()) };
    let text = canonical("arguments", arguments)?;
    match text.starts_with('{') {
        true if text.len() > limits::REQUEST_BODY_BYTES => {
            Err(format!("`arguments` are longer than {} bytes", limits::REQUEST_BODY_BYTES))
        }
        true => Ok(text.into_bytes()),
        false => Err("`arguments` must be an object".to_owned()),
    }
}

fn parse_body(call: &Call) -> Result<Vec<u8>, String> {
    let body = match (&call.body, &call.json) {
        (Some(_), Some(_)) => return Err("give `body` or `json`, not both".to_owned()),
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(json)) => canonical("json", json)
            .map_err(|message| format!("{message}; what is meant as it is can go as `body`"))?
            .into_bytes(),
        (None, None) => Vec::new(),
    };
    match body.len() {
        len if len > limits::REQUEST_BODY_BYTES => {
            Err(format!("the body is longer than {} bytes", limits::REQUEST_BODY_BYTES))
        }
        _ => Ok(body),
    }
}

/// The same value is the same purchase however it was written, except that a number is what its digits are.
fn canonical(what: &str, json: &Written) -> Result<String, String> {
    json.canonical().map_err(|cause| {
        let cause = text::quoted(&cause.to_string(), limits::QUOTED_CHARS);
        format!("`{what}` cannot be sent: {cause}")
    })
}

fn parse_method(call: &Call) -> Result<String, String> {
    let has_body = call.body.is_some() || call.json.is_some();
    let method = match &call.method {
        Some(method) => method.to_ascii_uppercase(),
        None if has_body => "POST".to_owned(),
        None => "GET".to_owned(),
    };
    request::check_method(&method)?;
    match has_body && method == "GET" {
        true => Err("GET carries no body: leave out `body` and `json`, or use POST".to_owned()),
        false => Ok(method),
    }
}

fn parse_headers(call: &Call) -> Result<Vec<(String, String)>, String> {
    let mut headers: Vec<(String, String)> =
        call.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    request::check_headers(&headers)?;
    if call.json.is_some() && !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    Ok(headers)
}

/// The lower one of what the call says and what the host does.
fn parse_price(max_price: &Option<String>, host_ceiling: Option<Usd>) -> Result<Option<MaxPrice>, String> {
    let read = |text: &String| text.trim().parse().map_err(|cause| format!("`max_price` is in US dollars: {cause}"));
    let by_call = max_price.as_ref().map(read).transpose()?.map(|usd| MaxPrice { usd, set_by: SetBy::Call });
    let by_host = host_ceiling.map(|usd| MaxPrice { usd, set_by: SetBy::Host });
    Ok(by_call.into_iter().chain(by_host).min_by_key(|max| max.usd))
}

fn check_id(name: &str, id: &Option<String>) -> Result<(), String> {
    let Some(id) = id else { return Ok(()) };
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':'));
    match plain && (1..=128).contains(&id.len()) {
        true => Ok(()),
        false => Err(format!("`{name}` is 1 to 128 letters, digits, or any of _ - . :")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wish(call: Call) -> Wish {
        Wish::parse("a", &call).unwrap()
    }

    fn to(url: &str) -> Call {
        Call { url: url.into(), ..Call::default() }
    }

    #[test]
    fn the_same_wish_has_the_same_identity_however_it_is_written() {
        let one = wish(to("https://EXAMPLE.com:443/a/../b?q=1#frag"));
        let two = wish(Call { method: Some("get".into()), ..to("https://example.com/b?q=1") });
        assert_eq!(one.identity(), two.identity());
        let keys = |json: serde_json::Value| wish(with_json(&json.to_string())).identity();
        assert_eq!(keys(json!({"a": {"c": 1, "b": 2}})), keys(json!({"a": {"b": 2, "c": 1}})));
    }

    fn with_json(text: &str) -> Call {
        Call { json: Some(Written::new(text)), ..to("https://example.com/") }
    }

    #[test]
    fn numbers_go_out_as_they_were_written_and_make_the_identity() {
        let numbers =
            ["100000000000000000001", "100000000000000000002", "1", "1.0", "1.00", "1e0", "1E+0", "-0", "0", "-0.0"];
        let wishes = numbers.map(|number| wish(with_json(&format!("{{ \"order\": [{number}] }}"))));
        for (number, wish) in numbers.iter().zip(&wishes) {
            assert_eq!(wish.request.body, format!("{{\"order\":[{number}]}}").into_bytes());
        }
        let distinct: std::collections::HashSet<_> = wishes.iter().map(Wish::identity).collect();
        assert_eq!(distinct.len(), numbers.len());
    }

    #[test]
    fn json_that_can_be_read_in_two_ways_is_refused() {
        let message = |text| Wish::parse("a", &with_json(text)).unwrap_err()[0].message.clone();
        assert!(message(r#"{"a":1,"a":2}"#).contains("the key `a` stands twice"));
        assert!(message(&"[".repeat(200_000)).contains("not JSON"));
    }

    #[test]
    fn another_agent_method_url_or_body_is_another_purchase() {
        let base = to("https://example.com/");
        let mut seen = vec![wish(base.clone()).identity(), Wish::parse("b", &base).unwrap().identity()];
        seen.push(wish(to("https://example.com/?")).identity());
        seen.push(wish(Call { method: Some("DELETE".into()), ..base.clone() }).identity());
        seen.push(wish(Call { body: Some("x".into()), ..base.clone() }).identity());
        seen.push(wish(Call { body: Some("y".into()), ..base }).identity());
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    #[test]
    fn price_ceilings_headers_and_answer_sizes_are_not_part_of_the_identity() {
        let plain = wish(to("https://example.com/"));
        let dressed = wish(Call {
            headers: [("X-Trace".to_owned(), "1".to_owned())].into(),
            max_price: Some("0.5".into()),
            max_chars: Some(9),
            ..to("https://example.com/")
        });
        assert_eq!(plain.identity(), dressed.identity());
        assert_ne!(plain.headers_fingerprint(), dressed.headers_fingerprint());
    }

    #[test]
    fn everything_wrong_with_a_call_is_said_at_once() {
        let call = Call {
            url: "ftp://example.com/".into(),
            method: Some("BREW".into()),
            body: Some("a".into()),
            json: Some(Written::new("1")),
            max_price: Some("1e9".into()),
            purchase_id: Some("a b".into()),
            ..Call::default()
        };
        let codes: Vec<String> = Wish::parse("a", &call).unwrap_err().into_iter().map(|r| r.code).collect();
        assert_eq!(codes, ["bad_url", "bad_body", "bad_method", "bad_max_price", "bad_purchase_id"]);
    }

    fn tool(server: &str, tool: &str, arguments: &str) -> Result<Wish, Vec<Reason>> {
        let arguments = Some(Written::new(arguments));
        let (server, tool) = (server.to_owned(), tool.to_owned());
        Wish::of_tool("a", &ToolCall { server, tool, arguments, ..ToolCall::default() })
    }

    #[test]
    fn another_server_tool_or_arguments_are_another_purchase_and_no_request_of_http_is() {
        let server = "https://api.example.com/mcp";
        let same =
            [tool(server, "t", r#"{"a":1,"b":2}"#), tool("https://API.example.com:443/mcp#x", "t", r#"{"b":2,"a":1}"#)];
        let same = same.map(|wish| wish.unwrap().identity());
        assert_eq!(same[0], same[1]);
        let mut seen = vec![same[0]];
        for (server, name, arguments) in [
            ("https://api.example.com/mcp2", "t", r#"{"a":1,"b":2}"#),
            ("http://api.example.com/mcp", "t", r#"{"a":1,"b":2}"#),
            (server, "T", r#"{"a":1,"b":2}"#),
            (server, "t", r#"{"a":1.0,"b":2}"#),
            ("weather", "t", r#"{"a":1,"b":2}"#),
        ] {
            seen.push(tool(server, name, arguments).unwrap().identity());
        }
        let posted = Call { json: Some(Written::new(r#"{"a":1,"b":2}"#)), ..to(server) };
        seen.push(wish(posted).identity());
        let distinct: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), seen.len());
    }

    #[test]
    fn everything_wrong_with_a_call_of_a_tool_is_said_at_once() {
        let codes = |server, name, arguments| -> Vec<String> {
            tool(server, name, arguments).unwrap_err().into_iter().map(|reason| reason.code).collect()
        };
        assert_eq!(codes("api.example.com", "", "[]"), ["bad_server", "bad_tool", "bad_arguments"]);
        for server in ["mcp://api.example.com/x", "stdio://weather", "Weather", "-a", "", "https://u@e.com/", "a.b"] {
            assert_eq!(codes(server, "t", "{}"), ["bad_server"], "{server}");
        }
        assert_eq!(codes("https://e.com/", &"t".repeat(129), "{\"a\":1,\"a\":2}"), ["bad_tool", "bad_arguments"]);
    }

    #[test]
    fn a_tool_is_shown_behind_its_host_whatever_it_calls_itself() {
        let shown = |server, name| masked(&tool(server, name, "{}").unwrap().request.url);
        assert_eq!(shown("https://api.example.com/mcp?key=secret", "search"), "mcp://api.example.com/search");
        assert_eq!(shown("http://127.0.0.1:4021/mcp", "search"), "mcp://127.0.0.1:4021/search");
        assert_eq!(shown("weather", "now"), "mcp://weather/now");
        assert_eq!(shown("https://e.com/", "@bank.com/../pay"), "mcp://e.com/%40bank.com%2F..%2Fpay");
        let at = |server| tool(server, "t", "{}").unwrap().request.url;
        assert_eq!(place(&at("https://e.com/mcp")), "https://e.com/mcp#t");
        assert_eq!(
            (place(&at("weather")), origin(&at("weather"))),
            ("stdio://weather#t".into(), "stdio://weather".into())
        );
    }

    #[test]
    fn a_host_of_dots_is_no_host() {
        for url in ["https://./", "http:/./a", "https://.../a"] {
            let reasons = Wish::parse("a", &to(url)).unwrap_err();
            assert_eq!(reasons[0].code, "bad_url", "{url}");
        }
    }

    #[test]
    fn query_values_are_masked_and_names_are_kept() {
        let url = Url::parse("https://e.com/p?key=secret&empty=&=secret").unwrap();
        assert_eq!(masked(&url), "https://e.com/p?key=…&empty=&=…");
    }

    #[test]
    fn a_query_without_a_name_is_masked_whole() {
        let masked = |url: &str| masked(&Url::parse(url).unwrap());
        assert_eq!(masked("https://e.com/p?SECRET"), "https://e.com/p?…");
        assert_eq!(masked("https://e.com/p?a=1&SECRET&&b="), "https://e.com/p?a=…&…&&b=");
        assert_eq!(masked("https://e.com/p?"), "https://e.com/p?");
    }
}
