//! The hosts on this machine: whether each that starts bursar starts one that is there, over this home.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use clap::ValueEnum;
use tokio::process::Command;

use super::check::{Check, ok, warn};
use super::homes::is_same;
use crate::cli::hosts::Host;
use crate::cli::hosts::launch::{ENTRY, FoundEntry, Launch};
use crate::cli::hosts::places::Surroundings;
use crate::cli::install::{files, surroundings, usual_file};
use crate::cli::out;
use crate::config::Home;
use crate::text;

/// A program that only says its version is at once done.
const VERSION_WAIT: Duration = Duration::from_secs(5);

pub async fn examine(home: &Home) -> Vec<Check> {
    let Ok(around) = surroundings() else { return Vec::new() };
    let mut checks = Vec::new();
    for host in Host::value_variants() {
        checks.extend(one(*host, &around, home).await);
    }
    if checks.is_empty() {
        let none = ok("hosts", "no host that bursar knows starts it");
        checks.push(none.hint("bursar install --all plugs it into every host that is here"));
    }
    checks
}

/// Nothing, where the host is not here or has no entry of ours.
async fn one(host: Host, around: &Surroundings, home: &Home) -> Option<Check> {
    let path = usual_file(host, around);
    let (name, shown) = (host.name(), path.display());
    let written = match files::read(&path) {
        Ok(written) => written?,
        Err(cause) => {
            return Some(warn("hosts", format!("{name}: {shown} cannot be read: {cause}"), "make it readable"));
        }
    };
    match host.form().found(&written, ENTRY) {
        Ok(found) => Some(started(host, &found?, around, home).await),
        Err(wrong) => {
            let line = wrong.line.map(|line| format!(":{line}")).unwrap_or_default();
            let found = format!("{name}: {shown}{line} does not read as what {} writes: {}", host.title(), wrong.what);
            Some(warn("hosts", found, format!("correct that line, then {}", repair(&name, home))))
        }
    }
}

/// What the host's entry starts.
async fn started(host: Host, found: &FoundEntry, around: &Surroundings, home: &Home) -> Check {
    let (name, repair) = (host.name(), repair(&host.name(), home));
    let Some(launch) = &found.launch else {
        let found = format!("{name} has an entry `bursar` that starts nothing that can be read");
        return warn("hosts", found, repair);
    };
    let program = Path::new(&launch.program);
    let shown = out::clean(&launch.program);
    if !launch.is_ours() {
        return warn("hosts", format!("{name} has an entry `bursar` that starts another program: {shown}"), repair);
    }
    if !program.is_absolute() {
        return warn(
            "hosts",
            format!("{name} starts `{shown}`, wherever that may be for it: not by its whole path"),
            repair,
        );
    }
    if !program.is_file() {
        return warn("hosts", format!("{name} starts {shown}, which is not there"), repair);
    }
    if launch.args.iter().any(|arg| arg == "--sandbox") {
        return ok("hosts", format!("{name} starts {shown} with play money"));
    }
    let its_home = home_of(launch, found, around);
    if !is_same(&its_home, home.dir()) {
        let its_home = text::quoted(&its_home.display().to_string(), 200);
        return warn(
            "hosts",
            format!("{name} has another home: {its_home}, with a wallet and budgets of its own"),
            repair,
        );
    }
    if host == Host::McpJson && !is_this(program) {
        // Whoever wrote the folder wrote that line, and nobody has said yet that its programs may run.
        return warn("hosts", format!("{name} starts another bursar than this: {shown}"), repair);
    }
    match version_of(program).await {
        Some(version) if version == env!("CARGO_PKG_VERSION") => {
            ok("hosts", format!("{name} starts bursar {version} over this home"))
        }
        Some(version) => {
            warn("hosts", format!("{name} starts bursar {version}, and this is {}", env!("CARGO_PKG_VERSION")), repair)
        }
        None => {
            warn("hosts", format!("{name} starts {shown}, which does not say what version of bursar it is"), repair)
        }
    }
}

/// What it takes to set a host right.
fn repair(name: &str, home: &Home) -> String {
    let is_usual = std::env::home_dir().is_some_and(|user| is_same(&user.join(".bursar"), home.dir()));
    match is_usual {
        true => format!("bursar install --host {name}"),
        false => format!("bursar --home '{}' install --host {name}", home.dir().display()),
    }
}

/// The home the entry names, or the usual one. An environment that the host's file sets is read as text only: what is not
/// found there counts as not set.
fn home_of(launch: &Launch, found: &FoundEntry, around: &Surroundings) -> PathBuf {
    let mut args = launch.args.iter();
    while let Some(arg) = args.next() {
        let named = match arg.strip_prefix("--home=") {
            Some(named) => Some(named),
            None if arg == "--home" => args.next().map(String::as_str),
            None => None,
        };
        if let Some(named) = named {
            return around.user.join(named);
        }
    }
    let variable = found.text.split_once("BURSAR_HOME").and_then(|(_, rest)| first_quoted(rest));
    variable.map_or_else(|| around.user.join(".bursar"), |named| around.user.join(named))
}

/// The value that follows a name, in JSON as in TOML and YAML: what stands in the next pair of quotes after `:` or `=`.
fn first_quoted(text: &str) -> Option<&str> {
    let (_, value) = text.split_once([':', '='])?;
    let value = value.split_once('"')?.1;
    Some(value.split_once('"')?.0)
}

/// The very program that runs now.
fn is_this(program: &Path) -> bool {
    std::env::current_exe().is_ok_and(|own| is_same(&own, program))
}

/// Our own version is known; another program is asked. It gets nothing of ours: no terminal input, no environment.
async fn version_of(program: &Path) -> Option<String> {
    if is_this(program) {
        return Some(env!("CARGO_PKG_VERSION").to_owned());
    }
    let mut command = Command::new(program);
    command.arg("--version").env_clear().stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    #[cfg(unix)]
    // In the background of the terminal, from where it can read nothing that is typed.
    command.process_group(0);
    let said = tokio::time::timeout(VERSION_WAIT, command.output()).await.ok()?.ok()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.lines().next()?.strip_prefix("bursar ")?.trim();
    let is_plain = version.len() <= 32 && version.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
    is_plain.then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::hosts::places::{Platform, on};

    fn home_of(args: &[&str], text: &str) -> PathBuf {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let launch = Launch { entry: "bursar".into(), program: "/opt/bursar".into(), args };
        let found = FoundEntry { launch: None, text: text.to_owned() };
        super::home_of(&launch, &found, &on(Platform::Linux))
    }

    #[test]
    fn a_home_is_named_by_flag_or_variable_or_is_the_usual_one() {
        assert_eq!(home_of(&["--home", "/a", "serve"], ""), PathBuf::from("/a"));
        assert_eq!(home_of(&["serve", "--home=/b"], ""), PathBuf::from("/b"));
        assert_eq!(home_of(&["serve"], r#""env": { "BURSAR_HOME": "/c", "X": "y" }"#), PathBuf::from("/c"));
        assert_eq!(home_of(&["serve"], "env = { BURSAR_HOME = \"/d\" }"), PathBuf::from("/d"));
        assert_eq!(home_of(&["serve"], "{}"), PathBuf::from("/u/.bursar"));
    }
}
