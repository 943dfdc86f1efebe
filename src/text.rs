//! Text of others: bounded, and cleaned of what could make it read as ours.

mod media;

pub use self::media::media_type;

use crate::limits;

/// Bytes as base64 text, for rows that are JSON.
pub mod base64_bytes {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes bytes as Base64.
    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    /// Reads bytes from Base64.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(d)?).map_err(serde::de::Error::custom)
    }
}

/// Bytes as Base64, in the alphabet and with the padding that every reader takes.
pub fn base64(bytes: &[u8]) -> String {
    use ::base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.encode(bytes)
}

/// A stranger's text as it may stand inside a sentence of ours: at most `chars` characters, no control, bidi, tag or
/// invisible ones, one line.
pub fn quoted(text: &str, chars: usize) -> String {
    let mut kept: String = text.chars().filter(|c| !is_unseen(*c)).map(as_one_line).take(chars + 1).collect();
    if kept.chars().count() > chars {
        kept.pop();
        kept.push('…');
    }
    kept
}

/// A stranger's text that is handed over whole: line breaks and tabs stay, what cannot be seen goes.
pub fn visible(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !(is_unseen(*c) || c.is_control())).collect()
}

/// A stranger's words in quotes, which they cannot close. They are cleaned already.
pub fn in_quotes(words: &str) -> String {
    format!("\u{201c}{}\u{201d}", closing_none(words))
}

/// A stranger's words as they may stand in quotes of ours. They are cleaned already.
pub fn closing_none(words: &str) -> String {
    words.replace(['"', '\u{201c}', '\u{201d}'], "'")
}

/// Whose words an answer hands on.
pub fn source(host: &str) -> String {
    format!("{} (untrusted)", quoted(host, limits::QUOTED_CHARS))
}

/// A field of a receipt: the seller's own words stand in quotes.
pub fn receipt_field(name: &str, words: String) -> String {
    match name {
        "error_reason" => in_quotes(&words),
        _ => words,
    }
}

fn as_one_line(c: char) -> char {
    if c.is_whitespace() { ' ' } else { c }
}

/// Characters that change how a line looks or reads without being seen themselves.
pub fn is_unseen(c: char) -> bool {
    if c.is_whitespace() && c.is_control() {
        return !matches!(c, '\n' | '\t' | '\r');
    }
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{13430}'..='\u{1343F}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
            | '\u{E0000}'..='\u{E0FFF}')
        || is_nobodys(c)
}

/// Private use, and what is no character at all: every font shows something else, or nothing.
fn is_nobodys(c: char) -> bool {
    matches!(c, '\u{2800}' | '\u{E000}'..='\u{F8FF}' | '\u{FDD0}'..='\u{FDEF}' | '\u{F0000}'..)
        || (c as u32) & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_one_bounded_line_when_quoted() {
        assert_eq!(quoted("a\nb\tc", 10), "a b c");
        assert_eq!(quoted("abcdef", 3), "abc…");
        assert_eq!(quoted("abc", 3), "abc");
    }

    #[test]
    fn what_cannot_be_seen_is_taken_out() {
        assert_eq!(quoted("\u{1b}[31mred\u{202e}\u{200b}\u{e0041}\u{7f}", 50), "[31mred");
        assert_eq!(visible("a\nb\u{1b}\u{202e}\tc\r"), "a\nb\tc");
        assert_eq!(quoted("a\u{fe0f}\u{e0101}\u{2800}\u{f8ff}\u{10fffd}\u{fffe}\u{13430}b", 50), "ab");
    }

    #[test]
    fn every_script_stays_readable() {
        for text in ["Grüße", "हिन्दी", "עברית", "ภาษาไทย", "日本語", "👍🏽", "×÷€"]
        {
            assert_eq!(quoted(text, 50), text);
        }
    }
}
