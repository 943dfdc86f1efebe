//! Pure: what an agent asked for, checked, and its identity.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::json::Written;
use crate::limits;
use crate::money::Usd;
use crate::reason::{Reason, Who};
use crate::request::{self, MaxPrice, Request, SetBy};
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

impl Wish {
    /// Everything that is wrong with a call, at once.
    pub fn parse(agent: &str, call: &Call) -> Result<Wish, Vec<Reason>> {
        let mut wrong = Vec::new();
        let mut keep = |code: &str, message: String| wrong.push(Reason::new(code, "arguments", message, Who::Agent));
        let url = parse_url(&call.url).map_err(|message| keep("bad_url", message)).ok();
        let body = parse_body(call).map_err(|message| keep("bad_body", message)).ok();
        let method = parse_method(call).map_err(|message| keep("bad_method", message)).ok();
        let headers = parse_headers(call).map_err(|message| keep("bad_headers", message)).ok();
        let max_price = parse_price(call).map_err(|message| keep("bad_max_price", message)).ok();
        for (name, id) in [("purchase_id", &call.purchase_id), ("buy_again", &call.buy_again)] {
            if let Err(message) = check_id(name, id) {
                keep("bad_purchase_id", message);
            }
        }
        let (Some(url), Some(body), Some(method), Some(headers), Some(max_price)) =
            (url, body, method, headers, max_price)
        else {
            return Err(wrong);
        };
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Wish {
            agent: agent.to_owned(),
            request: Request { method, url, headers, body },
            max_price,
            purchase_id: call.purchase_id.clone(),
            buy_again: call.buy_again.clone(),
            max_chars: call.max_chars.unwrap_or(limits::ANSWER_CHARS).min(limits::ANSWER_CHARS_AT_MOST),
        })
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

/// `https://api.example.com/v1/search?q=…`: what logs and answers show instead of query values.
pub fn masked(url: &Url) -> String {
    let Some(query) = url.query() else { return url.as_str().to_owned() };
    let masked: Vec<String> = query.split('&').map(mask_pair).collect();
    let mut shown = url.clone();
    shown.set_query(None);
    format!("{shown}?{}", masked.join("&"))
}

/// `https://api.example.com`: scheme, host and port, which is what a payment belongs to.
pub fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Origin and path: where prices are compared.
pub fn place(url: &Url) -> String {
    format!("{}{}", origin(url), url.path())
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

fn parse_url(text: &str) -> Result<Url, String> {
    if text.len() > limits::URL_CHARS {
        return Err(format!("`url` is longer than {} characters", limits::URL_CHARS));
    }
    let mut url = Url::parse(text).map_err(|cause| format!("`url` is not a whole URL: {cause}"))?;
    if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
        return Err("`url` must begin with https://".to_owned());
    }
    if url.host_str().is_some_and(|host| host.bytes().all(|byte| byte == b'.')) {
        return Err("`url` names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`url` must not carry a user name or password".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

fn parse_body(call: &Call) -> Result<Vec<u8>, String> {
    let body = match (&call.body, &call.json) {
        (Some(_), Some(_)) => return Err("give `body` or `json`, not both".to_owned()),
        (Some(text), None) => text.clone().into_bytes(),
        (None, Some(json)) => canonical(json)?.into_bytes(),
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
fn canonical(json: &Written) -> Result<String, String> {
    json.canonical().map_err(|cause| {
        let cause = text::quoted(&cause.to_string(), limits::QUOTED_CHARS);
        format!("`json` cannot be sent: {cause}; what is meant as it is can go as `body`")
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
fn parse_price(call: &Call) -> Result<Option<MaxPrice>, String> {
    let read = |text: &String| text.trim().parse().map_err(|cause| format!("`max_price` is in US dollars: {cause}"));
    let by_call = call.max_price.as_ref().map(read).transpose()?.map(|usd| MaxPrice { usd, set_by: SetBy::Call });
    let by_host = call.host_ceiling.map(|usd| MaxPrice { usd, set_by: SetBy::Host });
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
