//! Kinds of media types, as coarse as they can be told apart for certain.

/// What a body of a type is, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One JSON text.
    Json,
    /// Text for people, or marked up: pages, XML, CSV, Markdown.
    Text,
    /// A picture.
    Image,
    /// Sound or film: one container holds either.
    Media,
    /// A font.
    Font,
    /// A PDF document.
    Pdf,
}

impl Kind {
    /// The kind of a bare type in lower case; none where it says little: bytes, streams, archives, anything rare.
    pub fn of(media_type: &str) -> Option<Kind> {
        let (top, sub) = media_type.split_once('/')?;
        match (top, sub) {
            // A stream of events carries anything, and a drawing in XML is called by several names.
            ("text", "event-stream") | ("image", "svg+xml") => None,
            (_, sub) if sub.ends_with("+json") => Some(Kind::Json),
            ("application" | "text", "json") => Some(Kind::Json),
            ("application", "pdf") => Some(Kind::Pdf),
            ("application", "xml" | "xhtml+xml" | "rss+xml" | "atom+xml") | ("text", _) => Some(Kind::Text),
            ("image", _) => Some(Kind::Image),
            ("audio" | "video", _) => Some(Kind::Media),
            ("font", _) => Some(Kind::Font),
            _ => None,
        }
    }

    /// What is of this kind never begins as a web page does.
    pub fn is_never_a_page(self) -> bool {
        self != Kind::Text
    }
}
