//! Which directories are asked what is for sale: `[find]`. The owner's word, so any address will do; an empty list
//! switches a kind off.

use toml_edit::{Array, Item};
use url::Url;

use super::told;
use crate::listing::{Directory, DirectoryKind};
use crate::policy::read::{Complaint, Section};

/// Every kind, the key it is listed under, and who is asked where the owner lists none.
const KINDS: [(DirectoryKind, &str, &[&str]); 4] = [
    (
        DirectoryKind::Bazaar,
        "bazaar",
        &["https://api.cdp.coinbase.com/platform/v2/x402", "https://x402.org/facilitator"],
    ),
    (DirectoryKind::Mpp, "mpp", &["https://mpp.dev"]),
    (DirectoryKind::Index402, "index402", &["https://402index.io"]),
    (DirectoryKind::Openapi, "openapi", &[]),
];

/// All of them, in the order in which they are told.
pub(super) fn directories(section: &Section<'_>) -> Vec<Directory> {
    let directories = KINDS.iter().flat_map(|(kind, key, built_in)| of_kind(section, *kind, key, built_in)).collect();
    section.finish();
    directories
}

/// Those of an empty file.
pub(super) fn built_in() -> Vec<Directory> {
    let of =
        |(kind, _, bases): &(DirectoryKind, _, &[&str])| at(*kind, bases.iter().filter_map(|base| base.parse().ok()));
    KINDS.iter().flat_map(of).collect()
}

fn of_kind(section: &Section<'_>, kind: DirectoryKind, key: &'static str, built_in: &[&str]) -> Vec<Directory> {
    if section.own(key, is_empty).is_some_and(|placed| placed.value) {
        return Vec::new();
    }
    let own = section.own_texts(key, |text| told::address(text, "a directory", "https://example.com"));
    match section.has(key) {
        true => at(kind, own.into_iter().map(|placed| placed.value)),
        false => at(kind, built_in.iter().filter_map(|base| base.parse().ok())),
    }
}

/// What is no list is complained about where it is read as one.
fn is_empty(item: &Item) -> Result<bool, Complaint> {
    Ok(item.as_array().is_some_and(Array::is_empty))
}

fn at(kind: DirectoryKind, bases: impl Iterator<Item = Url>) -> Vec<Directory> {
    bases.map(|base| Directory { kind, base }).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use crate::config::tests::{complaint, parsed};

    fn listed(config: &Config) -> Vec<String> {
        config.directories.iter().map(|directory| format!("{:?} {}", directory.kind, directory.base)).collect()
    }

    #[test]
    fn directories_are_built_in_and_each_kind_can_be_changed_or_switched_off() {
        let built_in = listed(&parsed(""));
        assert_eq!(built_in, listed(&Config::default()), "no file is an empty one");
        insta::assert_snapshot!(built_in.join("\n"), @r"
        Bazaar https://api.cdp.coinbase.com/platform/v2/x402
        Bazaar https://x402.org/facilitator
        Mpp https://mpp.dev/
        Index402 https://402index.io/
        ");
        let own =
            parsed("[find]\nbazaar = []\nmpp = [\"http://127.0.0.1:4021\"]\nopenapi = [\"https://api.example.com\"]\n");
        insta::assert_snapshot!(listed(&own).join("\n"), @r"
        Mpp http://127.0.0.1:4021/
        Index402 https://402index.io/
        Openapi https://api.example.com/
        ");
        assert!(listed(&parsed("[find]\nbazaar = []\nmpp = []\nindex402 = []\n")).is_empty());
    }

    #[test]
    fn whatever_is_wrong_with_a_directory_is_said_with_its_line() {
        let wrong = "[find]\nbazar = []\nmpp = [\"mpp.dev\"]\nindex402 = \"https://402index.io\"\n";
        insta::assert_snapshot!(complaint(wrong), @r#"
        config.toml:2:1: unknown key `bazar` in [find]; did you mean `bazaar`?
          write `bazaar`, or remove the line
        config.toml:3:8: `mpp` in [find]: `mpp.dev` is not the http(s) address of a directory
          write it as "https://example.com"
        config.toml:4:12: `index402` in [find]: this is a list of quoted texts, not "https://402index.io"
          write index402 = ["https://402index.io"]
        "#);
    }
}
