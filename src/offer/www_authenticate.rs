//! The challenges of `WWW-Authenticate`: several in one header, in any order, with commas inside quotes.

use std::collections::BTreeSet;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};

use crate::limits;

pub(super) struct AuthChallenge {
    scheme: String,
    params: Vec<Param>,
}

struct Param {
    name: String,
    /// As it came, quotes and all.
    raw: String,
}

/// Why a parameter is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// It stands there twice.
    Twice,
    /// It is not text that everybody reads alike.
    Spelling,
}

impl AuthChallenge {
    pub(super) fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// As anybody would read it: to be shown, not to be decided on.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        self.named(name).next().map(|param| leniently(&param.raw))
    }

    /// What is decided on and echoed: there once, in a spelling that has one reading.
    pub(super) fn clear(&self, name: &str) -> Result<Option<String>, Unclear> {
        let mut all = self.named(name);
        let Some(first) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(Unclear::Twice);
        }
        strictly(&first.raw).map(Some).ok_or(Unclear::Spelling)
    }

    /// Whether a name stands there twice, whichever: its readers take the one or the other.
    pub(super) fn repeats(&self) -> bool {
        let names: BTreeSet<String> = self.params.iter().map(|param| param.name.to_ascii_lowercase()).collect();
        names.len() < self.params.len()
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Param> {
        self.params.iter().filter(move |param| param.name.eq_ignore_ascii_case(name))
    }
}

pub(super) fn challenges(headers: &HeaderMap) -> Vec<AuthChallenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter();
    values.filter(|value| value.len() <= limits::CHALLENGE_HEADER_BYTES).flat_map(in_one_header).collect()
}

/// What one header begins does not go on in the next: so none spoils another.
fn in_one_header(value: &HeaderValue) -> Vec<AuthChallenge> {
    let mut found = Vec::new();
    for piece in outside_quotes(&String::from_utf8_lossy(value.as_bytes())) {
        read(piece, &mut found);
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

fn param(text: &str) -> Option<Param> {
    let (name, raw) = text.split_once('=')?;
    Some(Param { name: name.trim_ascii().to_owned(), raw: raw.trim_ascii().to_owned() })
}

/// The value up to the quote that ends it, if one does.
fn leniently(raw: &str) -> String {
    let Some(quoted) = raw.strip_prefix('"') else { return raw.to_owned() };
    let mut chars = quoted.chars();
    let next = || match chars.next()? {
        '"' => None,
        '\\' => chars.next(),
        c => Some(c),
    };
    std::iter::from_fn(next).collect()
}

/// A token, or a quoted text in visible ASCII with nothing behind it. A backslash before anything but itself and a quote
/// means one character to some and another to others.
fn strictly(raw: &str) -> Option<String> {
    let is_visible = raw.bytes().all(|b| (b' '..=b'~').contains(&b));
    let Some(quoted) = raw.strip_prefix('"').filter(|_| is_visible) else {
        let is_token = !raw.is_empty() && raw.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\,;()<>".contains(&b));
        return is_token.then(|| raw.to_owned());
    };
    let (mut value, mut chars) = (String::new(), quoted.chars());
    loop {
        match chars.next()? {
            '"' => return chars.next().is_none().then_some(value),
            '\\' => value.push(chars.next().filter(|c| matches!(c, '\\' | '"'))?),
            c => value.push(c),
        }
    }
}

/// The text cut at every comma that is not inside quotes.
fn outside_quotes(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let pieces = text.split(move |c: char| {
        let is_end = c == ',' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
        is_end
    });
    pieces.map(str::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, HeaderValue::from_bytes(value.as_bytes()).unwrap())).collect()
    }

    fn read(value: &str) -> Vec<AuthChallenge> {
        challenges(&headers(&[value]))
    }

    fn schemes(found: &[AuthChallenge]) -> Vec<&str> {
        found.iter().map(|challenge| challenge.scheme.as_str()).collect()
    }

    fn clear(challenge: &AuthChallenge, name: &str) -> String {
        challenge.clear(name).unwrap().unwrap()
    }

    #[test]
    fn several_challenges_stand_in_one_header() {
        let found = read(r#"Bearer realm="a, Payment b", error=x, Payment ID="1\"2", method = "evm", L402 token=t"#);
        assert_eq!(schemes(&found), ["Bearer", "Payment", "L402"]);
        assert_eq!(clear(&found[0], "realm"), "a, Payment b");
        assert_eq!(clear(&found[1], "id"), "1\"2");
        assert_eq!(clear(&found[1], "method"), "evm");
        assert_eq!(clear(&found[2], "token"), "t");
    }

    #[test]
    fn several_headers_are_read_each_on_its_own() {
        let found = challenges(&headers(&[r#"Payment id="a"#, r#"id="b", Payment id="c""#, r#"payment id="d""#]));
        assert_eq!(schemes(&found), ["Payment", "Payment", "payment"]);
        assert_eq!(found[0].clear("id"), Err(Unclear::Spelling));
        assert_eq!((clear(&found[1], "id"), clear(&found[2], "id")), ("c".to_owned(), "d".to_owned()));
    }

    #[test]
    fn blanks_order_and_case_of_names_make_no_difference() {
        for value in [
            r#"Payment  id="x" ,  realm="a b" ,  method="evm""#,
            r#"PAYMENT Realm="a b", METHOD=evm, iD="x""#,
            "Payment\tid=x,realm=\"a b\",,method=\"evm\",",
        ] {
            let found = read(value);
            assert_eq!(found.len(), 1, "{value}");
            assert_eq!(["id", "realm", "method"].map(|name| clear(&found[0], name)), ["x", "a b", "evm"], "{value}");
        }
    }

    #[test]
    fn a_word_inside_quotes_begins_no_challenge() {
        let found =
            read(r#"Payment realm="contact Payment support", description="Pay \"x\", Payment id=\"y\"", id="z""#);
        assert_eq!(schemes(&found), ["Payment"]);
        assert_eq!(clear(&found[0], "id"), "z");
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_not_clear() {
        for raw in [
            r#""a" b"#,
            r#""a"b"#,
            r#""a"#,
            "\"",
            "",
            "a b",
            r#"a"b"#,
            r#""\u0041""#,
            r#""\a""#,
            "\"caf\u{e9}\"",
            "\"tab\t\"",
        ] {
            let found = read(&format!("Payment id={raw}"));
            assert_eq!(found[0].clear("id"), Err(Unclear::Spelling), "{raw}");
        }
        for (raw, read_as) in [(r#""C:\\x""#, r"C:\x"), (r#""""#, ""), ("eyJ9==", "eyJ9=="), ("\"a,b\"", "a,b")] {
            assert_eq!(clear(&read(&format!("Payment id={raw}"))[0], "id"), read_as);
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_noticed_in_any_case() {
        let found = read(r#"Payment id="a", ID="b", realm="r""#);
        assert_eq!(found[0].clear("id"), Err(Unclear::Twice));
        assert!(found[0].repeats() && !read("Payment id=a, realm=a")[0].repeats());
    }

    #[test]
    fn what_nobody_needs_does_not_spoil_the_rest() {
        let many = format!("Payment id=\"x\", fuzz=\"{}", "\\".repeat(12_000));
        assert_eq!(clear(&read(&many)[0], "id"), "x");
        let found = read(r#"Payment id="x", description="Payment for "Premium" service", realm="r""#);
        assert_eq!(
            (clear(&found[0], "realm"), found[0].param("description").unwrap()),
            ("r".into(), "Payment for ".into())
        );
    }

    #[test]
    fn odd_headers_are_read_without_harm() {
        for value in ["", ",,,", "=", "a=b", "\"", "Payment \"", "Payment id=\"\\", "Negotiate", "Basic dGVzdA=="] {
            read(value);
        }
        assert_eq!(schemes(&read("Negotiate, L402")), ["Negotiate", "L402"]);
    }
}
