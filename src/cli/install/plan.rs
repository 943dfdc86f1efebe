//! What is to become of one host's file. Pure: texts in, a decision out.

use crate::cli::hosts::launch::{Form, FoundEntry, Launch, LeftAlone, says_nothing};

/// What an install or an uninstall comes to for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is to be done.
    Nothing,
    /// The entry of our name is another program's, and stays.
    NotOurs(FoundEntry),
    /// The file says this from now on. The entry that was there is replaced.
    Write(String, Option<FoundEntry>),
    /// The file is as it was before bursar came, so the copy has no more use.
    Restore(String),
    /// The file had nothing but our entry, and goes.
    Remove,
}

impl Step {
    /// Whether the file is another one afterwards.
    pub fn is_change(&self) -> bool {
        !matches!(self, Step::Nothing | Step::NotOurs(_))
    }

    /// What the file says afterwards.
    pub fn text(&self) -> &str {
        match self {
            Step::Write(text, _) | Step::Restore(text) => text,
            Step::Nothing | Step::NotOurs(_) | Step::Remove => "",
        }
    }
}

/// The file with our entry in it.
pub fn install(form: Form, text: Option<&str>, launch: &Launch) -> Result<Step, LeftAlone> {
    let text = text.unwrap_or_default();
    let found = form.found(text, &launch.entry)?;
    if found.as_ref().is_some_and(|found| found.launch.as_ref() == Some(launch)) {
        return Ok(Step::Nothing);
    }
    Ok(Step::Write(form.put(text, launch)?, found))
}

/// The file without our entry: as its copy has it where nothing else was changed since, to the byte.
pub fn uninstall(form: Form, text: &str, entry: &str, backup: Option<&str>) -> Result<Step, LeftAlone> {
    let Some(found) = form.found(text, entry)? else { return Ok(Step::Nothing) };
    if let (Some(backup), Some(launch)) = (backup, &found.launch)
        && let Some(original) = original(form, text, backup, launch)
    {
        return Ok(Step::Restore(original));
    }
    if !found.launch.as_ref().is_some_and(Launch::is_ours) {
        return Ok(Step::NotOurs(found));
    }
    let left = form.take_out(text, entry)?;
    match backup.is_none() && says_nothing(&left) {
        true => Ok(Step::Remove),
        false => Ok(Step::Write(left, Some(found))),
    }
}

/// The copy, if the file is nothing but the copy with our entry put in. An older entry of ours goes from it too.
fn original(form: Form, text: &str, backup: &str, launch: &Launch) -> Option<String> {
    let is_ours = |found: &FoundEntry| found.launch.as_ref().is_some_and(Launch::is_ours);
    if form.put(backup, launch).ok()? != text {
        return None;
    }
    match form.found(backup, &launch.entry).ok()? {
        Some(found) if is_ours(&found) => form.take_out(backup, &launch.entry).ok(),
        _ => Some(backup.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::hosts::jsonc::EntryFields;

    const FORM: Form = Form::Json("mcpServers", EntryFields::Plain);

    fn bursar() -> Launch {
        let args = ["--home", "/home/me", "serve", "--agent", "x"];
        Launch { entry: "bursar".into(), program: "/opt/bursar".into(), args: args.map(str::to_owned).into() }
    }

    fn space() -> impl Strategy<Value = String> {
        let pieces = prop_oneof![Just(" "), Just("\n"), Just("\r\n"), Just("\t"), Just("/* } */"), Just("// , {\n")];
        prop::collection::vec(pieces, 0..3).prop_map(|pieces| pieces.concat())
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![Just("a"), Just("b\\\""), Just("ü"), Just("mcp"), Just("env")].prop_map(|key| format!("\"{key}\""))
    }

    /// An object with these members: some space, some comments, and perhaps a comma too many.
    fn object(members: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = String> {
        (members, space(), space(), any::<bool>()).prop_map(|(members, before, after, comma)| {
            let comma = if comma && !members.is_empty() { "," } else { "" };
            format!("{{{before}{}{comma}{after}}}", members.join(","))
        })
    }

    fn value() -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof![Just("1"), Just("-2.5e3"), Just("\"x // y\""), Just("null"), Just("[]"), Just("[1, {},]")];
        leaf.prop_map(str::to_owned).prop_recursive(3, 12, 3, |inner| object(named(inner)).boxed())
    }

    fn named(value: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
        let member = (space(), key(), space(), value, space());
        prop::collection::vec(member.prop_map(|(a, key, b, value, c)| format!("{a}{key}:{b}{value}{c}")), 0..4)
    }

    /// Anything, and in half of them servers, at any place.
    fn document() -> impl Strategy<Value = String> {
        let servers = (object(named(value())), any::<prop::sample::Index>(), any::<bool>());
        let members = (named(value()), servers).prop_map(|(mut members, (servers, index, has))| {
            if has {
                members.insert(index.index(members.len() + 1), format!(" \"mcpServers\" : {servers}"));
            }
            members
        });
        (space(), object(members), space()).prop_map(|(before, object, after)| format!("{before}{object}{after}"))
    }

    /// Without space and commas, and without servers where there are none.
    fn others_words(text: &str) -> String {
        let words: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
        words.replace("\"mcpServers\":{}", "")
    }

    proptest! {
        #[test]
        fn an_install_and_an_uninstall_give_back_every_byte(text in document()) {
            let Step::Write(with, None) = install(FORM, Some(&text), &bursar()).unwrap() else { panic!("{text}") };
            prop_assert_eq!(install(FORM, Some(&with), &bursar()).unwrap(), Step::Nothing);
            prop_assert_eq!(uninstall(FORM, &with, "bursar", Some(&text)).unwrap(), Step::Restore(text));
        }

        #[test]
        fn without_the_copy_all_that_others_wrote_stays(text in document()) {
            let with = FORM.put(&text, &bursar()).unwrap();
            let left = FORM.take_out(&with, "bursar").unwrap();
            prop_assert_eq!(FORM.found(&left, "bursar").unwrap(), None);
            prop_assert_eq!(others_words(&left), others_words(&text));
        }
    }

    #[test]
    fn an_older_entry_of_ours_is_not_given_back() {
        let old = Launch { entry: "bursar".into(), program: "/old/bursar".into(), args: vec!["serve".into()] };
        let before = FORM.block(&old);
        let with = FORM.put(&before, &bursar()).unwrap();
        assert_eq!(uninstall(FORM, &with, "bursar", Some(&before)).unwrap(), Step::Restore("{}\n".into()));
    }

    #[test]
    fn somebody_elses_entry_is_given_back_and_never_taken() {
        let other = Launch { entry: "bursar".into(), program: "/opt/other".into(), args: vec![] };
        let before = FORM.block(&other);
        let with = FORM.put(&before, &bursar()).unwrap();
        assert_eq!(uninstall(FORM, &with, "bursar", Some(&before)).unwrap(), Step::Restore(before.clone()));
        assert!(matches!(uninstall(FORM, &before, "bursar", None).unwrap(), Step::NotOurs(_)));
    }

    #[test]
    fn what_was_changed_since_stays_and_the_copy_is_not_put_over_it() {
        let with = FORM.put("{\"a\": 1}", &bursar()).unwrap().replace("\"a\": 1", "\"a\": 2");
        let Step::Write(left, Some(_)) = uninstall(FORM, &with, "bursar", Some("{\"a\": 1}")).unwrap() else {
            panic!("{with}")
        };
        assert_eq!(left, "{\"a\": 2}");
    }

    #[test]
    fn a_file_with_nothing_else_goes() {
        assert_eq!(uninstall(FORM, &FORM.block(&bursar()), "bursar", None).unwrap(), Step::Remove);
    }
}
