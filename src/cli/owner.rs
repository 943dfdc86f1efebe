//! Who is asking: proof that the owner sits at a real terminal.
//!
//! The terminal is opened by name, not taken from stdin: a program that pipes its answers in has none. What stands to
//! be changed is shown there, and the owner types it. This does not stop a program that makes itself a terminal;
//! `docs/threats.md` says so.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};

use zeroize::Zeroizing;

use crate::cli::exit::Failure;
use crate::cli::out;
use crate::owner::Owner;

/// The owner, at a real terminal.
pub struct Terminal {
    reader: BufReader<File>,
    writer: File,
}

impl Terminal {
    /// `what` is the command as a person would name it: `bursar approve`.
    pub fn at_the_terminal(what: &str) -> Result<Terminal, Failure> {
        let terminal = open_terminal().map_err(|_| no_terminal(what))?;
        Ok(Terminal { reader: BufReader::new(terminal.0), writer: terminal.1 })
    }

    /// A line only the owner sees, also when stdout and stderr go elsewhere. The text is ours; what is foreign in it
    /// has been cleaned.
    pub fn tell(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.writer, "{}", anstream::adapter::strip_str(line)).map_err(terminal_gone)
    }

    /// A secret goes here and nowhere else.
    pub fn tell_secret(&mut self, secret: &str) -> Result<(), Failure> {
        let written = self.writer.write_all(secret.as_bytes()).and_then(|()| self.writer.write_all(b"\n"));
        written.map_err(terminal_gone)
    }

    /// Goes on only when the owner types `expected`.
    pub fn must_type(&mut self, expected: &str, so_that: &str) -> Result<(), Failure> {
        let expected = out::clean(expected);
        write!(self.writer, "Type {expected} to {so_that}: ").map_err(terminal_gone)?;
        let typed = self.read_line()?;
        match same(&typed, &expected) {
            true => Ok(()),
            false => Err(Failure::new("not_confirmed", format!("that is not {expected}"), "nothing was changed")),
        }
    }

    /// Yes, unless the owner says otherwise.
    pub fn agrees(&mut self, question: &str) -> Result<bool, Failure> {
        let typed = self.answer(&format!("{question} [Y/n]: "))?;
        Ok(matches!(typed.as_str(), "" | "y" | "yes"))
    }

    /// No, unless the owner says otherwise.
    pub fn wants(&mut self, question: &str) -> Result<bool, Failure> {
        let typed = self.answer(&format!("{question} [y/N]: "))?;
        Ok(matches!(typed.as_str(), "y" | "yes"))
    }

    /// Whatever the owner types, in small letters.
    pub fn answer(&mut self, question: &str) -> Result<String, Failure> {
        write!(self.writer, "{question}").map_err(terminal_gone)?;
        Ok(self.read_line()?.trim().to_lowercase())
    }

    /// The owner's passphrase, asked for where one is set.
    pub fn passphrase(&mut self, bursar: &Owner) -> Result<Option<Zeroizing<String>>, Failure> {
        self.passphrase_if(bursar.has_passphrase()?)
    }

    /// The same, where it is known whether one is set.
    pub fn passphrase_if(&mut self, is_set: bool) -> Result<Option<Zeroizing<String>>, Failure> {
        match is_set {
            true => self.secret("Owner's passphrase: ").map(Some),
            false => Ok(None),
        }
    }

    /// Typed twice, not shown.
    pub fn new_passphrase(&mut self) -> Result<Zeroizing<String>, Failure> {
        let first = self.secret("New passphrase: ")?;
        match self.secret("Once more: ")? == first {
            true => Ok(first),
            false => Err(Failure::new("passphrases_differ", "the two passphrases differ", "nothing was changed")),
        }
    }

    fn secret(&mut self, words: &str) -> Result<Zeroizing<String>, Failure> {
        self.writer.flush().map_err(terminal_gone)?;
        // Opens the terminal by name as well, and switches its echo off.
        rpassword::prompt_password(words).map(Zeroizing::new).map_err(terminal_gone)
    }

    fn read_line(&mut self) -> Result<String, Failure> {
        self.writer.flush().map_err(terminal_gone)?;
        let mut line = String::new();
        self.reader.read_line(&mut line).map_err(terminal_gone)?;
        Ok(line)
    }
}

/// The dollar sign is shown, and need not be typed.
fn same(typed: &str, expected: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches('$').to_owned();
    bare(typed) == bare(expected)
}

#[cfg(unix)]
fn open_terminal() -> io::Result<(File, File)> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    Ok((terminal.try_clone()?, terminal))
}

#[cfg(windows)]
fn open_terminal() -> io::Result<(File, File)> {
    let open = |name| OpenOptions::new().read(true).write(true).open(name);
    Ok((open("CONIN$")?, open("CONOUT$")?))
}

fn no_terminal(what: &str) -> Failure {
    Failure::new(
        "no_terminal",
        format!("`{what}` is for the owner at a terminal, and there is none here"),
        "run it yourself in a terminal window; no program or agent can run it for you",
    )
}

fn terminal_gone(cause: io::Error) -> Failure {
    Failure::new("no_terminal", format!("the terminal went away: {cause}"), "nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_must_be_what_is_shown() {
        assert!(same("0.25\n", "$0.25"));
        assert!(same(" $0.25 ", "$0.25"));
        assert!(!same("", "$0.25"));
        assert!(!same("y", "thaw"));
        assert!(!same("0.250", "$0.25"));
    }
}
