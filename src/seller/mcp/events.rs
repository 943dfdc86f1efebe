//! Pure: server-sent events, a chunk at a time.

/// One event, as far as MCP uses them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerEvent {
    /// What kind it is; `message` where it does not say.
    pub kind: String,
    pub data: String,
}

/// A stream as it is read.
#[derive(Debug, Default)]
pub struct EventReader {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The last byte was a CR, whose LF may still come.
    after_cr: bool,
    kind: Option<String>,
    data: Option<String>,
}

impl EventReader {
    /// Every event that ends in this chunk.
    pub fn read(&mut self, chunk: &[u8]) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        for byte in chunk {
            let is_lf_of_cr = self.after_cr && *byte == b'\n';
            self.after_cr = *byte == b'\r';
            match byte {
                _ if is_lf_of_cr => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                byte => self.line.push(*byte),
            }
        }
        events
    }

    /// How much is kept of what has not ended.
    pub fn kept(&self) -> usize {
        self.line.len() + self.data.as_ref().map_or(0, String::len)
    }

    fn end_line(&mut self) -> Option<ServerEvent> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_prefix('\u{FEFF}').unwrap_or(&line);
        if line.is_empty() {
            let kind = self.kind.take().unwrap_or_else(|| "message".to_owned());
            return self.data.take().map(|data| ServerEvent { kind, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.kind = Some(value.to_owned()),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            // Comments, and what is for coming back to a stream.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&str]) -> Vec<(String, String)> {
        let mut reader = EventReader::default();
        let events = chunks.iter().flat_map(|chunk| reader.read(chunk.as_bytes())).collect::<Vec<_>>();
        events.into_iter().map(|event| (event.kind, event.data)).collect()
    }

    #[test]
    fn events_are_read_however_they_are_cut_and_ended() {
        let message = |data: &str| ("message".to_owned(), data.to_owned());
        for end in ["\n", "\r\n", "\r"] {
            let text = format!(
                ": hello{end}id: 1{end}data: {{\"a\":{end}data:1}}{end}{end}event: endpoint{end}data: /x{end}{end}"
            );
            let whole = read(&[&text]);
            assert_eq!(whole, [message("{\"a\":\n1}"), ("endpoint".to_owned(), "/x".to_owned())], "{end:?}");
            let bytes: Vec<String> = text.chars().map(String::from).collect();
            assert_eq!(read(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), whole, "{end:?}");
        }
        assert_eq!(read(&["event: x\n\n", "data: unfinished\n"]), []);
    }
}
