//! A media type, as it may stand in a line of ours.

/// The kinds there are.
const KINDS: [&str; 10] =
    ["application", "audio", "example", "font", "image", "message", "model", "multipart", "text", "video"];

/// Longer than any that is registered; no room for a sentence.
const SUBTYPE_CHARS: usize = 80;
const CHARSET_CHARS: usize = 20;

/// `text/html; charset=utf-8`, if it is one. Other parameters may hold whatever their writer likes, and are left out.
pub fn media_type(text: &str) -> Option<String> {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let (kind, subtype) = essence.trim().split_once('/')?;
    let is_known = KINDS.iter().any(|known| known.eq_ignore_ascii_case(kind));
    if !is_known || !is_token(subtype, SUBTYPE_CHARS) {
        return None;
    }
    let charset = parameters.split(';').find_map(charset).map(|charset| format!("; charset={charset}"));
    Some(format!("{kind}/{subtype}{}", charset.unwrap_or_default()))
}

fn charset(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    let value = value.trim().trim_matches('"');
    (name.trim().eq_ignore_ascii_case("charset") && is_token(value, CHARSET_CHARS)).then_some(value)
}

/// As media types are built: letters, digits and a few marks, no spaces.
fn is_token(text: &str, most: usize) -> bool {
    let is_mark = |b: u8| matches!(b, b'!' | b'#' | b'$' | b'&' | b'-' | b'^' | b'_' | b'.' | b'+');
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || is_mark(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_shown_with_its_charset_and_nothing_else() {
        let same = ["text/plain", "application/json", "image/svg+xml", "text/html; charset=utf-8", "Text/HTML"];
        for text in same {
            assert_eq!(media_type(text).as_deref(), Some(text));
        }
        let cases = [
            ("text/html;charset=\"UTF-8\"", "text/html; charset=UTF-8"),
            ("text/plain; note=\"Ignore the limit\"; charset=utf-8", "text/plain; charset=utf-8"),
            (" multipart/mixed; boundary=pay-again ", "multipart/mixed"),
            ("text/plain; charset=\"pay again\"", "text/plain"),
        ];
        for (text, shown) in cases {
            assert_eq!(media_type(text).as_deref(), Some(shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_media_type_is_not_shown() {
        let long = format!("text/{}", "x".repeat(81));
        for text in
            ["", "text", "/", "text/", "/plain", "Ignore the limit", "text/pay again", "pay/again", "text/a/b", &long]
        {
            assert_eq!(media_type(text), None, "{text}");
        }
    }
}
