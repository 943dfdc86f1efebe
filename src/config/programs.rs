//! Pure: MCP servers that are programs of the owner's: `[[tools]]`.

use std::path::Path;

use crate::policy::read::{self, Complaint, Section};
use crate::text::quoted;
use crate::wish;

/// By the name that agents call it by, each as it is started: the program, and its arguments.
pub(super) type Named = std::collections::BTreeMap<String, (String, Vec<String>)>;

pub(super) fn read(root: &Section<'_>) -> Named {
    let mut programs = Named::new();
    for section in root.list("tools", None) {
        let called = section.value("name", |item| name(read::text(item)?));
        let command = section.value("command", |item| command(read::text(item)?));
        let arguments = section.own_texts("args", |word| Ok(word.to_owned()));
        let arguments = arguments.into_iter().map(|placed| placed.value).collect();
        section.finish();
        let (Some(called), Some(command)) = (called, command) else { continue };
        if programs.insert(called.value.clone(), (command.value, arguments)).is_some() {
            let what = format!("the name `{}` stands in two of [[tools]]", quoted(&called.value, 60));
            section.notes().say(called.span, what, "give each program a name of its own");
        }
    }
    programs
}

fn name(text: &str) -> Result<String, Complaint> {
    match wish::is_program(text) {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new(
            format!("`{}` is no name for a program here", quoted(text, 60)),
            "write small letters, digits and `-`, beginning with a letter: no point, so that it is no host",
        )),
    }
}

fn command(text: &str) -> Result<String, Complaint> {
    match Path::new(text).is_absolute() {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new(
            format!("`{}` is looked for in no path", quoted(text, 60)),
            "write where the program lies, from the root on",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn complaint(text: &str) -> String {
        Config::parse("config.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn programs_are_read_with_their_arguments() {
        let text = "[[tools]]\nname = \"weather\"\ncommand = \"/usr/bin/python3\"\nargs = [\"-m\", \"weather\", \"-v\", \"-v\"]\n\
                    [[tools]]\nname = \"notes-2\"\ncommand = \"/opt/notes\"\n";
        let programs = Config::parse("config.toml", text).unwrap().programs;
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(programs["weather"], ("/usr/bin/python3".to_owned(), words(&["-m", "weather", "-v", "-v"])));
        assert_eq!(programs["notes-2"], ("/opt/notes".to_owned(), vec![]));
    }

    #[test]
    fn what_is_wrong_with_a_program_is_said_where_it_stands() {
        insta::assert_snapshot!(complaint("[[tools]]\nname = \"api.example.com\"\ncommand = \"npx\"\n[[tools]]\n"), @"
        config.toml:2:8: `name` in [[tools]]: `api.example.com` is no name for a program here
          write small letters, digits and `-`, beginning with a letter: no point, so that it is no host
        config.toml:3:11: `command` in [[tools]]: `npx` is looked for in no path
          write where the program lies, from the root on
        config.toml:4:1: `name` is missing in [[tools]]
          add a line name = ...
        config.toml:4:1: `command` is missing in [[tools]]
          add a line command = ...
        ");
        let twice = "[[tools]]\nname = \"a\"\ncommand = \"/b\"\n[[tools]]\nname = \"a\"\ncommand = \"/c\"\n";
        assert!(
            complaint(twice).starts_with("config.toml:5:8: the name `a` stands in two of [[tools]]"),
            "{}",
            complaint(twice)
        );
    }
}
