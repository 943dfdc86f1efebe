//! The ledger's statements as PostgreSQL reads them: parameters by number, and the few words it has another meaning for.

use std::fmt::Write as _;

use super::super::LedgerError;
use super::super::engine::{Given, Value};

/// A statement as it is sent, and which of what is given goes where.
#[derive(Debug, PartialEq, Eq)]
pub struct Translated {
    pub text: String,
    slots: Vec<Slot>,
}

/// Where the value of a parameter is found.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Slot {
    Named(String),
    Nth(usize),
}

/// Columns of ours whose names are words of PostgreSQL's.
const RESERVED: [&str; 2] = ["window", "authorization"];

impl Translated {
    pub fn of(sql: &str) -> Translated {
        let mut to = Translated { text: String::with_capacity(sql.len()), slots: Vec::new() };
        let mut nameless = 0;
        let mut rest = sql;
        while let Some(c) = rest.chars().next() {
            let word = match c {
                ':' if rest.starts_with("::") => &rest[..2],
                '\'' => &rest[..1 + rest[1..].find('\'').map_or(rest.len() - 1, |end| end + 1)],
                ':' if rest[1..].starts_with(|c: char| c.is_ascii_lowercase()) => &rest[..1 + ident(&rest[1..]).len()],
                '?' => &rest[..1 + rest[1..].bytes().take_while(u8::is_ascii_digit).count()],
                c if c.is_ascii_alphabetic() || c == '_' => ident(rest),
                c => &rest[..c.len_utf8()],
            };
            rest = &rest[word.len()..];
            match word {
                // Which index is used, PostgreSQL decides.
                "INDEXED" => {
                    rest = rest.trim_start().strip_prefix("BY").map_or(rest, after_a_word);
                    to.text.truncate(to.text.trim_end().len());
                }
                // SQLite takes this for the order of a join, and lets it have a condition.
                "CROSS" if has_condition(rest) => {}
                word if RESERVED.contains(&word) => _ = write!(to.text, "\"{word}\""),
                word => match slot(word, &mut nameless) {
                    Some(slot) => to.parameter(slot),
                    None => to.text.push_str(word),
                },
            }
        }
        to
    }

    fn parameter(&mut self, slot: Slot) {
        let known = self.slots.iter().position(|known| *known == slot);
        let nth = known.unwrap_or_else(|| {
            self.slots.push(slot);
            self.slots.len() - 1
        });
        _ = write!(self.text, "${}", nth + 1);
    }

    /// What is given, in the order of the parameters.
    pub fn values<'g>(&self, given: &'g Given<'g>) -> Result<Vec<Value<'g>>, LedgerError> {
        let find = |slot: &Slot| match slot {
            Slot::Named(name) => given.iter().find(|(known, _)| known == name),
            Slot::Nth(nth) => given.get(*nth),
        };
        let missing = |slot: &Slot| LedgerError::Io(format!("nothing is given for {slot:?}"));
        self.slots.iter().map(|slot| find(slot).map(|(_, value)| *value).ok_or_else(|| missing(slot))).collect()
    }
}

fn slot(word: &str, nameless: &mut usize) -> Option<Slot> {
    if word.len() > 1 && word.starts_with(':') && word != "::" {
        return Some(Slot::Named(word.to_owned()));
    }
    let number = word.strip_prefix('?')?;
    let nth = number.parse().unwrap_or_else(|_| {
        *nameless += 1;
        *nameless
    });
    Some(Slot::Nth(nth - 1))
}

fn ident(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

fn after_a_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[ident(text).len()..]
}

/// Whether what comes after `CROSS` is a join with a condition: its table, an alias maybe, and then that.
fn has_condition(text: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || c == '(').filter(|word| !word.is_empty());
    let join = words.next();
    join == Some("JOIN") && words.skip(1).take(2).any(|word| word == "ON" || word == "USING")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> String {
        Translated::of(sql).text
    }

    #[test]
    fn parameters_have_numbers_and_what_is_given_follows_them() {
        let named =
            Translated::of("SELECT 1 FROM t WHERE a = :b AND c = :a AND d > :b AND e = '12:30 :a?' AND f::text = 'x'");
        assert_eq!(
            named.text,
            "SELECT 1 FROM t WHERE a = $1 AND c = $2 AND d > $1 AND e = '12:30 :a?' AND f::text = 'x'"
        );
        let given = [(":a", Value::Number(1)), (":b", Value::Text("two"))];
        assert_eq!(named.values(&given).unwrap(), [Value::Text("two"), Value::Number(1)]);
        assert!(named.values(&given[..1]).is_err());
        let by_number = Translated::of("UPDATE t SET a = ?2 WHERE b = ?1 AND c = ?2");
        assert_eq!(by_number.text, "UPDATE t SET a = $1 WHERE b = $2 AND c = $1");
        let given = [("", Value::Number(1)), ("", Value::Number(2))];
        assert_eq!(by_number.values(&given).unwrap(), [Value::Number(2), Value::Number(1)]);
        let in_turn = Translated::of("SELECT a FROM t WHERE (a, b) > (?, ?)");
        assert_eq!(
            (in_turn.text.as_str(), in_turn.values(&given).unwrap()),
            ("SELECT a FROM t WHERE (a, b) > ($1, $2)", vec![Value::Number(1), Value::Number(2)],)
        );
    }

    #[test]
    fn words_with_another_meaning_are_put_otherwise() {
        assert_eq!(
            of("SELECT s.authorization, window FROM bucket"),
            "SELECT s.\"authorization\", \"window\" FROM bucket"
        );
        assert_eq!(of("SELECT row FROM listed INDEXED BY by_at WHERE x"), "SELECT row FROM listed WHERE x");
        assert_eq!(of("FROM a CROSS JOIN b p ON p.row = a.row"), "FROM a  JOIN b p ON p.row = a.row");
        assert_eq!(of("FROM a CROSS JOIN b USING (row)"), "FROM a  JOIN b USING (row)");
        assert_eq!(
            of("FROM known CROSS JOIN purchase\n WHERE agent = who"),
            "FROM known CROSS JOIN purchase\n WHERE agent = who"
        );
        assert_eq!(of("SELECT 'authorization''s window'"), "SELECT 'authorization''s window'");
    }
}
