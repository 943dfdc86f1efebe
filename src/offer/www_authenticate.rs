//! The challenges of `WWW-Authenticate`: several in one header, in any order, with commas inside quotes.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

use crate::limits;

pub(super) struct AuthChallenge {
    pub(super) scheme: String,
    params: Vec<(String, String)>,
}

impl AuthChallenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    pub(super) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

pub(super) fn challenges(headers: &HeaderMap) -> Vec<AuthChallenge> {
    let mut found: Vec<AuthChallenge> = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        if value.len() > limits::CHALLENGE_HEADER_BYTES {
            continue;
        }
        for piece in outside_quotes(&String::from_utf8_lossy(value.as_bytes())) {
            read(&piece, &mut found);
        }
    }
    found
}

/// A piece begins a challenge (`Scheme`, `Scheme key=value`) or goes on with the last one (`key=value`).
fn read(piece: &str, found: &mut Vec<AuthChallenge>) {
    let end = piece.find(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or(piece.len());
    let (word, rest) = piece.split_at(end);
    let rest = rest.trim_ascii_start();
    if word.is_empty() {
        return;
    }
    if !rest.starts_with('=') {
        found.push(AuthChallenge { scheme: word.to_owned(), params: param(rest).into_iter().collect() });
    } else if let Some(challenge) = found.last_mut() {
        challenge.params.extend(param(piece));
    }
}

fn param(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=')?;
    let value = value.trim_ascii();
    let value = match value.strip_prefix('"') {
        Some(quoted) => unescaped(quoted.strip_suffix('"').unwrap_or(quoted)),
        None => value.to_owned(),
    };
    Some((key.trim_ascii().to_owned(), value))
}

fn unescaped(text: &str) -> String {
    let mut chars = text.chars();
    std::iter::from_fn(|| chars.next().and_then(|c| if c == '\\' { chars.next() } else { Some(c) })).collect()
}

/// The text cut at every comma that is not inside quotes.
fn outside_quotes(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        if c == ',' && !quoted {
            pieces.push(String::new());
            continue;
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        if let Some(piece) = pieces.last_mut() {
            piece.push(c);
        }
    }
    pieces.into_iter().map(|piece| piece.trim_ascii().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<AuthChallenge> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, value.parse().unwrap());
        challenges(&headers)
    }

    #[test]
    fn several_challenges_stand_in_one_header() {
        let found = read(r#"Bearer realm="a, Payment b", error=x, Payment ID="1\"2", method = "evm", L402 token=t"#);
        let schemes: Vec<_> = found.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["Bearer", "Payment", "L402"]);
        assert_eq!(found[0].param("realm"), Some("a, Payment b"));
        assert_eq!(found[1].param("id"), Some("1\"2"));
        assert_eq!(found[1].param("method"), Some("evm"));
        assert_eq!(found[2].param("token"), Some("t"));
    }

    #[test]
    fn odd_headers_are_read_without_harm() {
        for value in ["", ",,,", "=", "a=b", "\"", "Payment \"", "Payment id=\"\\", "Negotiate", "Basic dGVzdA=="] {
            read(value);
        }
        assert_eq!(read("Negotiate, L402")[1].scheme, "L402");
    }
}
