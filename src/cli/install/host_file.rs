//! One host's file: what is to be done to it, done, and said.

use std::io;
use std::path::{Path, PathBuf};

use crate::cli::exit::Failure;
use crate::cli::hosts::Host;
use crate::cli::hosts::launch::{FoundEntry, Launch, LeftAlone};
use crate::cli::install::plan::{self, Step};
use crate::cli::install::{diff, files};
use crate::cli::out::{self, Out};
use crate::text;

/// The file, and what stands in it now.
pub struct HostFile {
    host: Host,
    path: PathBuf,
    /// What ours is called there.
    entry: String,
    text: Option<String>,
}

impl HostFile {
    /// What is there now.
    pub fn read(host: Host, path: PathBuf, entry: &str) -> Result<HostFile, Failure> {
        match files::read(&path) {
            Ok(text) => Ok(HostFile { host, path, entry: entry.to_owned(), text }),
            Err(cause) => Err(unreadable(&path, &cause)),
        }
    }

    /// What it takes for this to be started.
    pub fn install(&self, launch: &Launch) -> Result<Step, Failure> {
        let step = plan::install(self.host.form(), self.text.as_deref(), launch);
        step.map_err(|wrong| not_understood(&self.path, &wrong))
    }

    /// What it takes for our entry to be gone.
    pub fn uninstall(&self) -> Result<Step, Failure> {
        let Some(text) = &self.text else { return Ok(Step::Nothing) };
        let step = plan::uninstall(self.host.form(), text, &self.entry, self.backup().as_deref());
        step.map_err(|wrong| not_understood(&self.path, &wrong))
    }

    /// Says what would be done.
    pub fn would(&self, step: &Step, out: &Out) {
        self.say(step, &self.intent(step), out);
        if step.is_change() {
            self.show(step, out);
        }
    }

    /// Does it, and says so. What somebody else wrote is shown before it is gone.
    pub fn take(&self, step: &Step, out: &Out) -> Result<(), Failure> {
        if let Step::Write(after, Some(_)) = step
            && !self.is_taken_out(after)
        {
            out.line(format_args!("{} has another entry `{}`:", self.path.display(), self.entry));
            self.show(step, out);
        }
        let note = self.carry_out(step).map_err(|cause| unwritten(&self.path, &cause))?;
        self.say(step, &note, out);
        Ok(())
    }

    fn say(&self, step: &Step, note: &str, out: &Out) {
        let sign = if matches!(step, Step::NotOurs(_)) { out::warn("--") } else { out::good("ok") };
        out.line(format_args!("{sign} {:<15} {} ({note})", self.host.name(), self.path.display()));
    }

    fn backup(&self) -> Option<String> {
        files::read(&files::backup_of(&self.path)).ok().flatten()
    }

    /// The lines that change.
    fn show(&self, step: &Step, out: &Out) {
        let lines = diff::changed_lines(self.text.as_deref().unwrap_or_default(), step.text());
        lines.iter().for_each(|line| out.line(format_args!("     {line}")));
    }

    /// What is about to be done, in words.
    fn intent(&self, step: &Step) -> String {
        match step {
            Step::Nothing | Step::NotOurs(_) => self.rest(step),
            Step::Write(_, Some(_)) if self.text.is_some() => "would be changed".to_owned(),
            Step::Write(..) if self.text.is_none() => "would be made".to_owned(),
            Step::Write(..) => "would be added to".to_owned(),
            Step::Restore(_) => "would be as it was before".to_owned(),
            Step::Remove => "would be removed: nothing else is in it".to_owned(),
        }
    }

    fn is_taken_out(&self, after: &str) -> bool {
        self.host.form().found(after, &self.entry).is_ok_and(|found| found.is_none())
    }

    fn rest(&self, step: &Step) -> String {
        match step {
            Step::NotOurs(FoundEntry { text, .. }) => {
                let written = text::quoted(text, 200);
                format!("left: its entry `{}` starts another program: {written}", self.entry)
            }
            _ if self.is_taken_out(self.text.as_deref().unwrap_or_default()) => "not there".to_owned(),
            _ => "already there".to_owned(),
        }
    }

    /// Does it, and says what was done.
    fn carry_out(&self, step: &Step) -> io::Result<String> {
        match step {
            Step::Nothing | Step::NotOurs(_) => Ok(self.rest(step)),
            Step::Write(after, old) => self.write(after, old.as_ref()),
            Step::Restore(after) => {
                files::replace(&self.path, self.text.as_deref(), after)?;
                files::remove(&files::backup_of(&self.path))?;
                Ok("as it was before".to_owned())
            }
            Step::Remove => {
                files::remove(&self.path)?;
                Ok("removed: nothing else was in it".to_owned())
            }
        }
    }

    fn write(&self, after: &str, old: Option<&FoundEntry>) -> io::Result<String> {
        let Some(before) = &self.text else {
            files::replace(&self.path, None, after)?;
            return Ok("made".to_owned());
        };
        let backup = files::backup_of(&self.path);
        if self.is_taken_out(after) {
            files::replace(&self.path, Some(before), after)?;
            let kept = format!("; it was changed since, so its copy stays: {}", backup.display());
            return Ok(format!("taken out{}", if backup.exists() { kept } else { String::new() }));
        }
        let is_new = files::keep(&self.path, before)?;
        files::replace(&self.path, Some(before), after).inspect_err(|_| _ = is_new.then(|| files::remove(&backup)))?;
        let what = if old.is_some() { "replaced" } else { "added" };
        let name = backup.file_name().unwrap_or_default().display();
        Ok(match is_new {
            true => format!("{what}; as it was: {name}"),
            false => format!("{what}; an older copy is there and stays: {name}"),
        })
    }
}

fn unreadable(path: &Path, cause: &io::Error) -> Failure {
    let what = format!("{} cannot be read: {cause}", path.display());
    Failure::new(
        "host_file_unreadable",
        what,
        "nothing was changed; make it a file that you can read, and run this again",
    )
}

fn not_understood(path: &Path, wrong: &LeftAlone) -> Failure {
    let line = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
    let what = format!("{}{line}: {}", path.display(), wrong.what);
    Failure::new(
        "host_file_not_understood",
        what,
        "nothing was changed; correct that line and run this again, or change the file by hand",
    )
}

fn unwritten(path: &Path, cause: &io::Error) -> Failure {
    let what = format!("{} could not be changed: {cause}", path.display());
    Failure::new(
        "host_file_unwritten",
        what,
        "it is as it was; see who may write to it and its folder, and run this again",
    )
}
