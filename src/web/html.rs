//! Markup that cannot carry anything it was not meant to.
//!
//! [`Html`] is only made by [`html!`], from a template that stands in the source and from parts that are escaped on their
//! way in, unless they are [`Html`] themselves. What cannot be seen is taken out of them as well, so text of others
//! neither becomes markup nor reads as something else. A template with a bare `{name}`, or with a part outside quotes
//! in an attribute, does not compile.

use crate::money::Usd;
use crate::text;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

/// What may be a part of markup.
pub trait Part {
    fn put(&self, into: &mut String);
}

/// Markup from a template, each `{}` in it filled with a part.
macro_rules! html {
    ($template:literal $(, $part:expr)* $(,)?) => {{
        const PARTS: &[&str] = &[$(stringify!($part)),*];
        const _: () = assert!($crate::web::html::fits($template, PARTS.len()), "not a template, or not its parts");
        $crate::web::html::Html::filled($template, &[$(&$part as &dyn $crate::web::html::Part),*])
    }};
}
pub(crate) use html;

impl Html {
    pub fn none() -> Html {
        Html::default()
    }

    pub fn into_text(self) -> String {
        self.0
    }

    /// For [`html!`], which has made sure that the parts are as many as the gaps.
    pub fn filled(template: &'static str, parts: &[&dyn Part]) -> Html {
        let mut filled = String::with_capacity(template.len() + 64 * parts.len());
        let mut parts = parts.iter();
        for (index, piece) in template.split("{}").enumerate() {
            if let Some(part) = if index > 0 { parts.next() } else { None } {
                part.put(&mut filled);
            }
            filled.push_str(piece);
        }
        Html(filled)
    }
}

/// Whether a template has that many gaps, each of them `{}`, and none as the bare value of an attribute.
pub const fn fits(template: &str, parts: usize) -> bool {
    let bytes = template.as_bytes();
    let (mut at, mut gaps) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'}' => return false,
            b'{' if at + 1 == bytes.len() || bytes[at + 1] != b'}' => return false,
            b'{' if at > 0 && bytes[at - 1] == b'=' => return false,
            b'{' => {
                gaps += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    gaps == parts
}

impl Part for Html {
    fn put(&self, into: &mut String) {
        into.push_str(&self.0);
    }
}

impl Part for str {
    fn put(&self, into: &mut String) {
        for c in text::visible(self).chars() {
            match c {
                '&' => into.push_str("&amp;"),
                '<' => into.push_str("&lt;"),
                '>' => into.push_str("&gt;"),
                '"' => into.push_str("&quot;"),
                '\'' => into.push_str("&#39;"),
                c => into.push(c),
            }
        }
    }
}

impl Part for String {
    fn put(&self, into: &mut String) {
        self.as_str().put(into);
    }
}

impl<T: Part + ?Sized> Part for &T {
    fn put(&self, into: &mut String) {
        (**self).put(into);
    }
}

impl<T: Part> Part for Option<T> {
    fn put(&self, into: &mut String) {
        self.iter().for_each(|part| part.put(into));
    }
}

impl<T: Part> Part for Vec<T> {
    fn put(&self, into: &mut String) {
        self.iter().for_each(|part| part.put(into));
    }
}

/// As people read it: `$0.25`.
impl Part for Usd {
    fn put(&self, into: &mut String) {
        into.push_str(&format!("${self}"));
    }
}

impl Part for u64 {
    fn put(&self, into: &mut String) {
        into.push_str(&self.to_string());
    }
}

impl Part for usize {
    fn put(&self, into: &mut String) {
        into.push_str(&self.to_string());
    }
}

impl Part for u16 {
    fn put(&self, into: &mut String) {
        into.push_str(&self.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: Html) -> String {
        html.into_text()
    }

    #[test]
    fn text_of_others_is_never_markup() {
        let hostile = "<script>alert('1')</script> & \" {} {0}";
        assert_eq!(
            text(html!("<p title=\"{}\">{}</p>", "\" onload=\"x", hostile)),
            "<p title=\"&quot; onload=&quot;x\">&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot; {} {0}</p>"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_left_out() {
        assert_eq!(text(html!("<b>{}</b>", "a\u{202e}b\u{0}\u{1b}[2J\u{200b}c")), "<b>ab[2Jc</b>");
    }

    #[test]
    fn markup_in_markup_is_markup() {
        let rows: Vec<Html> = ["a", "<b>"].iter().map(|cell| html!("<td>{}</td>", cell)).collect();
        assert_eq!(text(html!("<tr>{}</tr>", rows)), "<tr><td>a</td><td>&lt;b&gt;</td></tr>");
    }

    #[test]
    fn a_template_with_anything_but_plain_gaps_is_none() {
        assert!(fits("<p>{}</p>", 1));
        for wrong in ["{name}", "{", "}", "{:?}", "{{}}", "<a href={}>", "{}{}"] {
            assert!(!fits(wrong, 1), "{wrong}");
        }
    }
}
