//! The key of every wallet here: eight times the same four bytes, so that any part of it is known wherever it turns up.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

/// Good for nothing: it is published here.
pub const KEY: &str = "ca9a57edca9a57edca9a57edca9a57edca9a57edca9a57edca9a57edca9a57ed";

/// Whether eight bytes of the key are in here, raw or in hexadecimal or base64 digits.
pub fn leaks(text: &[u8]) -> bool {
    const RAW: [u8; 8] = [0xca, 0x9a, 0x57, 0xed, 0xca, 0x9a, 0x57, 0xed];
    // The base64 of the key repeats after twelve bytes; where a text begins in it does not matter then.
    const BASE64: &[u8] = b"yppX7cqaV+3Kmlft";
    let has = |needle: &[u8]| text.windows(needle.len()).any(|part| part == needle);
    let has_in_any_case =
        |needle: &str| text.windows(needle.len()).any(|part| part.eq_ignore_ascii_case(needle.as_bytes()));
    has(&RAW) || has(BASE64) || has_in_any_case(&KEY[..16])
}

pub fn is_in_no_file(of: &str, folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => is_in_no_file(of, &path),
            false => assert!(!leaks(&std::fs::read(&path).unwrap()), "{of}: the key is in {}", path.display()),
        }
    }
}

/// Keeps everything this process logs from now on.
pub fn listen() -> Arc<Mutex<Vec<u8>>> {
    let log = Log::default();
    let kept = log.0.clone();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log).init();
    kept
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Log;

    fn make_writer(&self) -> Log {
        self.clone()
    }
}

#[test]
fn the_key_is_known_in_every_dress() {
    use base64::Engine;
    let raw = alloy_primitives::hex::decode(KEY).unwrap();
    let base64 = base64::engine::general_purpose::STANDARD.encode(&raw);
    for text in [raw.as_slice(), KEY.as_bytes(), KEY.to_uppercase().as_bytes(), base64.as_bytes()] {
        assert!(leaks(&[b"some words ", text, b" and some more"].concat()));
    }
    assert!(!leaks(b"some words and no key: ca9a57ed ca9a57ed"));
}
