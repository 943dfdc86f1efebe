//! Where the ledger lies: `[ledger]`. Without it, in one file of this machine's.

use std::path::PathBuf;

use toml_edit::Item;
use url::Url;

use crate::policy::read::{self, Complaint, Section};
use crate::text::quoted;

/// A database that the machines of a fleet share, as `[ledger]` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerServer {
    /// Its servers, the role that is used there, and the database. The password is none of it.
    pub url: String,
    /// The schema of this wallet.
    pub schema: String,
    /// A server has to prove by its certificate that it is the one that is meant.
    pub is_verified: bool,
    /// Who has signed that certificate; whoever this machine trusts, otherwise.
    pub ca: Option<PathBuf>,
    /// Where the password lies, if not in what the environment names, or the keyring.
    pub password_file: Option<PathBuf>,
    /// Nothing is signed before another server has it as well.
    pub needs_standby: bool,
}

const EXAMPLE: &str = "write it as \"postgresql://role@db.example/bursar\"";

impl LedgerServer {
    /// None: the ledger is a file.
    pub(super) fn read(section: &Section<'_>) -> Option<LedgerServer> {
        let engine = section.own("engine", |item| match item.as_str() {
            Some("sqlite") => Ok(false),
            Some("postgres") => Ok(true),
            _ => Err(Complaint::new("{value} is no engine of a ledger", "write \"sqlite\" or \"postgres\"")),
        });
        let is_server = engine.is_some_and(|engine| engine.value);
        let url = match is_server {
            true => section.value("url", url),
            false => section.own("url", url),
        };
        let schema = section.own("schema", schema).map(|placed| placed.value);
        let sslmode = section.own("sslmode", |item| match item.as_str() {
            Some("verify-full") => Ok(true),
            Some("disable") => Ok(false),
            _ => Err(Complaint::new("{value} is no `sslmode` of bursar's", "write \"verify-full\" or \"disable\"")),
        });
        let ca = section.own("ca", path).map(|placed| placed.value);
        let password_file = section.own("password_file", path).map(|placed| placed.value);
        let standby = section.own("standby", |item| match item.as_str() {
            Some("required") => Ok(true),
            Some("none") => Ok(false),
            _ => Err(Complaint::new("{value} says nothing of a standby", "write \"required\" or \"none\"")),
        });
        section.finish();
        if let Some(url) = url.as_ref().filter(|_| !is_server) {
            let what = "`url` in [ledger] is of a server, and the engine is a file";
            section.notes().say(url.span.clone(), what, "write engine = \"postgres\" above it, or leave it out");
        }
        let url = url.filter(|_| is_server)?.value;
        Some(LedgerServer {
            is_verified: sslmode.map_or(!is_local(&url), |placed| placed.value),
            url,
            schema: schema.unwrap_or_else(|| "bursar".to_owned()),
            ca,
            password_file,
            needs_standby: standby.is_some_and(|placed| placed.value),
        })
    }
}

/// Whether the connection does not leave this machine: its hosts are folders with sockets in them.
fn is_local(url: &str) -> bool {
    let hosts = hosts(url);
    let is_folder = |host: &str| host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    hosts.split(',').all(is_folder)
}

/// What stands between the role and the database, several with commas between them.
fn hosts(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts)
}

fn url(item: &Item) -> Result<String, Complaint> {
    let text = read::text(item)?;
    let rest = ["postgresql://", "postgres://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let Some(rest) = rest else {
        return Err(Complaint::new(format!("`{}` is no address of a PostgreSQL server", quoted(text, 60)), EXAMPLE));
    };
    if let Some((_, query)) = rest.split_once('?') {
        let what = format!("`url` in [ledger] has `?{}` in it", quoted(query, 60));
        return Err(Complaint::new(what, "leave that out: what is asked of a server has keys of its own here"));
    }
    let user = rest.split('/').next().and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    if user.is_some_and(|user| user.contains(':')) {
        return Err(Complaint::new(
            "`url` in [ledger] has a password in it",
            "take it out, and put it into a file that `password_file` names",
        ));
    }
    // Several servers have commas between them, which no other URL has.
    let first =
        format!("postgresql://{}", rest.replace(hosts(text), hosts(text).split(',').next().unwrap_or_default()));
    match (Url::parse(&first), user, hosts(text).is_empty()) {
        (Ok(url), Some(user), false) if !user.is_empty() && url.path().len() > 1 => Ok(text.to_owned()),
        _ => Err(Complaint::new("`url` in [ledger] does not name a role, a server and a database", EXAMPLE)),
    }
}

fn schema(item: &Item) -> Result<String, Complaint> {
    let text = read::text(item)?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    match text.chars().all(is_plain) && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 48 {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new("{value} is no name of a schema", "write it in a-z, 0-9 and _, 48 at the most")),
    }
}

fn path(item: &Item) -> Result<PathBuf, Complaint> {
    match read::text(item)? {
        "" => Err(Complaint::new("this names no file", "write its whole path")),
        text => Ok(PathBuf::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{complaint, parsed};

    #[test]
    fn a_ledger_is_a_file_unless_a_server_is_named() {
        assert_eq!(parsed("").ledger, None);
        assert_eq!(parsed("[ledger]\nengine = \"sqlite\"\n").ledger, None);
        let server =
            parsed("[ledger]\nengine = \"postgres\"\nurl = \"postgresql://me@one,two:5433/db\"\n").ledger.unwrap();
        assert_eq!((server.schema.as_str(), server.is_verified, server.needs_standby), ("bursar", true, false));
        let local =
            "[ledger]\nengine = \"postgres\"\nurl = \"postgresql://me@%2Frun%2Fpg/db\"\nstandby = \"required\"\n";
        let server = parsed(local).ledger.unwrap();
        assert_eq!((server.is_verified, server.needs_standby), (false, true));
        let off = "[ledger]\nengine = \"postgres\"\nurl = \"postgresql://me@one/db\"\nsslmode = \"disable\"\n";
        assert!(!parsed(off).ledger.unwrap().is_verified);
    }

    #[test]
    fn what_is_no_server_is_told_with_its_reason() {
        let of = |lines: &str| complaint(&format!("[ledger]\nengine = \"postgres\"\n{lines}\n"));
        for (lines, what) in [
            ("url = \"mysql://me@one/db\"", "is no address of a PostgreSQL server"),
            ("url = \"postgresql://me:secret@one/db\"", "has a password in it"),
            ("url = \"postgresql://one/db\"", "does not name a role"),
            ("url = \"postgresql://me@one\"", "does not name a role"),
            ("url = \"postgresql://me@one/db?sslmode=disable\"", "has `?sslmode=disable` in it"),
            ("url = \"postgresql://me@one/db\"\nsslmode = \"require\"", "is no `sslmode`"),
            ("url = \"postgresql://me@one/db\"\nschema = \"My Wallet\"", "is no name of a schema"),
            ("url = \"postgresql://me@one/db\"\nstandby = true", "says nothing of a standby"),
            ("", "url"),
        ] {
            let said = of(lines);
            assert!(said.contains(what), "{lines}: {said}");
            assert!(!said.contains("secret"), "{said}");
        }
        assert!(complaint("[ledger]\nurl = \"postgresql://me@one/db\"\n").contains("the engine is a file"));
        assert!(complaint("[ledger]\nengine = \"mysql\"\n").contains("is no engine"));
    }
}
