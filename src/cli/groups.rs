//! The list of commands, sorted by what they are for instead of by name.

use std::fmt::Write;

use clap::Command;

/// Every command stands in one of these; a test holds it.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Begin", &["demo", "init", "install", "uninstall", "doctor"]),
    ("Serve and spend", &["serve", "proxy", "find", "fetch", "balance"]),
    ("See what was spent", &["review", "log", "why", "sellers", "reviewed", "statusline", "audit"]),
    ("Decide", &["pending", "approve", "deny", "freeze", "thaw", "policy", "owner"]),
    ("Put right", &["reconcile", "release", "backup", "restore", "ledger", "wallet"]),
    ("Shell", &["completions", "man"]),
];

const AFTER: &str = "\
`bursar COMMAND --help` says more about each, with an example.
Exit codes: 0 done, 1 failed, 2 usage, 3 refused by policy, 4 needs approval,
5 payment failed, 6 held (unknown whether money moved), 7 frozen.";

/// The command with its own list in its help.
pub fn grouped(command: Command) -> Command {
    let template =
        format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{{options}}{{after-help}}", list(&command));
    command.help_template(template).after_help(AFTER)
}

fn list(command: &Command) -> String {
    let styles = command.get_styles().clone();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut list = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(list, "{header}{title}:{header:#}");
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about).cloned().unwrap_or_default();
            let _ = writeln!(list, "  {literal}{name:<12}{literal:#} {about}");
        }
        list.push('\n');
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_is_in_exactly_one_group() {
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = crate::cli::Cli::command();
        let mut all: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }
}
