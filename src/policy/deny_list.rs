//! Pure: files of addresses that are never paid, one a line. Reading them is the loader's; a list that cannot be read
//! in full stops everything, because nobody knows what was on it.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Policy, read};

impl Policy {
    /// The policy with the lists it names, each as `(name, its text or why it could not be read)`.
    pub fn with_deny_lists(mut self, lists: &[(String, Result<Arc<str>, String>)]) -> Policy {
        if self.payee.deny_lists.is_empty() {
            return self;
        }
        let mut hash = Sha256::new().chain_update(&self.hash);
        self.payee.deny_list_error = None;
        for wanted in &self.payee.deny_lists {
            let found = lists.iter().find(|(name, _)| name == wanted).map(|(_, text)| text);
            let read = match found {
                Some(Ok(text)) => {
                    hash.update(Sha256::digest(text.as_bytes()));
                    addresses(wanted, text)
                }
                Some(Err(cause)) => Err(format!("{wanted}: {cause}")),
                None => Err(format!("{wanted}: not read")),
            };
            match read {
                Ok(addresses) => self.payee.deny.extend(addresses),
                Err(cause) => self.payee.deny_list_error = self.payee.deny_list_error.or(Some(cause)),
            }
        }
        self.hash = super::parse::hex(&hash.finalize());
        self
    }
}

/// One address a line; blank lines and what follows a `#` are for people.
fn addresses(name: &str, text: &str) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if !entry.is_empty() {
            found.push(read::address(entry).map_err(|complaint| format!("{name}:{}: {}", i + 1, complaint.what()))?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "0x00000000000000000000000000000000000000AA";

    fn policy() -> Policy {
        Policy::parse("policy.toml", "version = 1\n[payee]\ndeny_lists = [\"bad.txt\"]\n").unwrap()
    }

    fn read(text: Result<&str, &str>) -> Policy {
        let text = text.map(Arc::from).map_err(str::to_owned);
        policy().with_deny_lists(&[("bad.txt".to_owned(), text)])
    }

    #[test]
    fn a_list_is_addresses_with_comments() {
        let policy = read(Ok("# sanctions\n\n0x00000000000000000000000000000000000000AA # someone\r\n"));
        assert_eq!(policy.payee.deny_list_error, None);
        assert!(policy.payee.deny.contains(LISTED));
    }

    #[test]
    fn a_list_that_was_not_read_stops_everything() {
        assert!(policy().payee.deny_list_error.is_some());
        assert!(policy().with_deny_lists(&[]).payee.deny_list_error.is_some());
        assert_eq!(read(Err("no such file")).payee.deny_list_error.as_deref(), Some("bad.txt: no such file"));
    }

    #[test]
    fn one_bad_line_spoils_the_list() {
        let error = read(Ok("0x00000000000000000000000000000000000000aa\nnot an address\n")).payee.deny_list_error;
        assert_eq!(error.as_deref(), Some("bad.txt:2: `not an address` is not an address"));
    }

    #[test]
    fn the_hash_of_the_policy_covers_its_lists_and_that_of_its_text_does_not() {
        let [one, other] = ["", "0x00000000000000000000000000000000000000aa"].map(|list| read(Ok(list)));
        assert_ne!(one.hash, other.hash);
        assert_eq!((&one.text_hash, &one.text_hash), (&other.text_hash, &policy().text_hash));
    }
}
