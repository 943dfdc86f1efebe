//! Pure: what a policy may say, as a JSON Schema for editors. The parser is the judge; the schema says as much of it as a
//! schema can, and tests hold the two together.

use super::Policy;

impl Policy {
    /// JSON Schema, draft 7: the one that editors of TOML know.
    pub fn schema() -> &'static str {
        include_str!("../../policies/policy.schema.json")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;
    use toml_edit::{DocumentMut, Item};

    use super::*;

    fn schema() -> Value {
        serde_json::from_str(Policy::schema()).unwrap()
    }

    /// The keys the parser reads in a table, from what it says of one it does not know.
    fn known_to_the_parser(table: &str) -> BTreeSet<String> {
        let lines = match table {
            "" => "zzzzzzzzzzzzzzzzzzzz = 1\n".to_owned(),
            "domain" => "[[domain]]\nhost = \"a.example\"\nzzzzzzzzzzzzzzzzzzzz = 1\n".to_owned(),
            table => format!("[{table}]\nzzzzzzzzzzzzzzzzzzzz = 1\n"),
        };
        let wrong = Policy::parse("policy.toml", &format!("version = 1\n{lines}")).unwrap_err();
        let (_, list) = wrong.problems[0].remedy.split_once("what may stand here: ").expect("a list of keys");
        list.split(", ").map(str::to_owned).collect()
    }

    fn known_to_the_schema(of: &Value) -> BTreeSet<String> {
        of["properties"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn the_schema_knows_the_keys_the_parser_knows_and_no_others() {
        let schema = schema();
        assert_eq!(known_to_the_schema(&schema), known_to_the_parser(""));
        for (table, of) in schema["properties"].as_object().unwrap() {
            match table.as_str() {
                "version" => {}
                "domain" => assert_eq!(known_to_the_schema(&of["items"]), known_to_the_parser("domain")),
                table => assert_eq!(known_to_the_schema(of), known_to_the_parser(table), "[{table}]"),
            }
        }
    }

    /// `tests/peers/accounting` shows the same files to the schema.
    #[test]
    fn the_wrong_policies_are_wrong_to_the_parser() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/wrong");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() > 20);
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            assert!(Policy::parse("policy.toml", &text).is_err(), "{}", file.display());
        }
    }

    /// Files that people may have, as earlier versions shipped them: whatever they leave out has today's built-in value.
    #[test]
    fn the_policies_of_before_are_policies_and_those_that_were_built_in_say_what_the_built_in_one_says() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/before");
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 7);
        for file in files {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let before = Policy::parse(&name, &std::fs::read_to_string(&file).unwrap());
            let before = before.unwrap_or_else(|error| panic!("{error}"));
            if name.starts_with("default") {
                assert_eq!(crate::policy::changes(&before, &Policy::built_in()), [], "{name}");
            }
        }
    }

    #[test]
    fn the_schema_gives_each_key_the_built_in_value() {
        let built_in: DocumentMut = Policy::built_in_text().parse().unwrap();
        for (table, of) in schema()["properties"].as_object().unwrap() {
            for (key, is) in of["properties"].as_object().into_iter().flatten() {
                let value = match &built_in[table][key] {
                    Item::Value(value) => value.to_string(),
                    other => panic!("{table} {key}: {other:?}"),
                };
                assert_eq!(
                    serde_json::from_str::<Value>(value.split(" #").next().unwrap()).unwrap(),
                    is["default"],
                    "{table} {key}"
                );
            }
        }
    }
}
