//! A note on the desktop of whoever sits here. Best effort: it never blocks, never fails, and nothing depends on it.
//!
//! Linux: `org.freedesktop.Notifications` over the session's D-Bus. macOS: `osascript` (untested). Elsewhere, and where
//! there is no desktop, nothing is shown.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::limits;
use crate::text::quoted;

/// Notes that a desktop has not taken yet. One that hangs must not gather threads.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
const UNDER_WAY_AT_MOST: usize = 4;

/// Shows a note, on a thread that nobody waits for. The words are ours; what is foreign in them is cleaned all the same.
pub fn desktop(title: &str, text: &str) {
    let (title, text) = (quoted(title, limits::QUOTED_CHARS), quoted(text, limits::NOTE_CHARS));
    if UNDER_WAY.fetch_add(1, Ordering::AcqRel) >= UNDER_WAY_AT_MOST {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let show = move || {
        if let Err(cause) = show(&title, &text) {
            tracing::debug!("no note on the desktop: {cause}");
        }
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    };
    if thread::Builder::new().name("note".to_owned()).spawn(show).is_err() {
        UNDER_WAY.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(target_os = "linux")]
fn show(title: &str, text: &str) -> Result<(), Box<dyn std::error::Error>> {
    use std::collections::HashMap;

    use zbus::blocking::Connection;
    use zbus::zvariant::Value;

    const NAME: &str = "org.freedesktop.Notifications";
    const REPLACES_NONE: u32 = 0;
    const AS_THE_DESKTOP_LIKES: i32 = -1;
    let (actions, hints) = (Vec::<&str>::new(), HashMap::<&str, Value<'_>>::new());
    let note = ("bursar", REPLACES_NONE, "", title, without_markup(text), actions, hints, AS_THE_DESKTOP_LIKES);
    Connection::session()?.call_method(Some(NAME), "/org/freedesktop/Notifications", Some(NAME), "Notify", &note)?;
    Ok(())
}

/// The words are arguments of the script and not part of it.
#[cfg(target_os = "macos")]
fn show(title: &str, text: &str) -> Result<(), Box<dyn std::error::Error>> {
    use std::process::{Command, Stdio};

    const SCRIPT: &str = "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend run";
    let mut command = Command::new("/usr/bin/osascript");
    command.args(["-e", SCRIPT, title, text]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(())
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn show(_: &str, _: &str) -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}

/// Desktops read a little HTML in the text of a note, links among it.
#[cfg(target_os = "linux")]
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_note_holds_no_markup() {
        let link = "<a href=\"https://evil.example\">approve</a> & more";
        assert_eq!(without_markup(link), "&lt;a href=\"https://evil.example\"&gt;approve&lt;/a&gt; &amp; more");
    }

    #[test]
    fn a_note_that_nobody_can_show_is_no_trouble() {
        for n in 0..100 {
            desktop("bursar", &format!("note {n}"));
        }
    }
}
