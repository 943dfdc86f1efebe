//! How the owner is told of what waits or went wrong, and where the owner may answer: `[notices]` and `[review]`.

use std::path::PathBuf;

use toml_edit::Item;
use url::{Host, Url};

use crate::policy::read::{self, Complaint, Section};
use crate::text::quoted;

/// How the owner is told of what waits or went wrong, beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// Notes on the desktop.
    pub desktop: bool,
    /// The review page opens by itself at a question. None: nobody was asked yet, which is a no.
    pub browser: Option<bool>,
    /// A program of the owner's with its arguments. None: it has no words.
    pub command: Vec<String>,
    /// A receiver of the owner's.
    pub webhook: Option<Webhook>,
    /// A topic of ntfy.
    pub ntfy: Option<Ntfy>,
}

/// Where news is posted, signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its whole address may be a secret: only the host is ever shown.
    pub url: Url,
    /// Where the secret lies that signs what is posted; beside the other files unless it says otherwise.
    pub secret_file: PathBuf,
}

/// Where a link and an amount are published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ntfy {
    /// The owner's own, or the public one.
    pub server: Url,
    /// Whoever knows it may read along, on the public server.
    pub topic: String,
    /// Where the access token lies, if the server wants one.
    pub token_file: Option<PathBuf>,
}

/// Where the review page is reached from elsewhere, through a tunnel of the owner's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// By which origin.
    pub origin: Url,
    /// To which port of 127.0.0.1 the tunnel leads.
    pub port: u16,
}

impl Default for Notices {
    fn default() -> Notices {
        Notices { desktop: true, browser: None, command: Vec::new(), webhook: None, ntfy: None }
    }
}

impl Notices {
    pub(super) fn read(section: &Section<'_>) -> Notices {
        let [desktop, browser] =
            ["desktop", "browser"].map(|key| section.own(key, yes_or_no).map(|placed| placed.value));
        let command: Vec<String> =
            section.own_texts("command", |word| Ok(word.to_owned())).into_iter().map(|placed| placed.value).collect();
        if let Some(program) = command.first().filter(|program| !PathBuf::from(program).is_absolute()) {
            let what = format!("`command` in [notices]: `{}` is looked for in no path", quoted(program, 60));
            section.notes().say(section.span(), what, "write where the program lies, from the root on");
        }
        let notices = Notices {
            desktop: desktop.unwrap_or(true),
            browser,
            command,
            webhook: section.optional("webhook").and_then(|section| webhook(&section)),
            ntfy: section.optional("ntfy").and_then(|section| ntfy(&section)),
        };
        section.finish();
        notices
    }
}

impl Tunnel {
    pub(super) fn read(section: &Section<'_>) -> Option<Tunnel> {
        let origin = section.value("origin", |item| origin(read::text(item)?));
        let port = section.value("port", port);
        section.finish();
        Some(Tunnel { origin: origin?.value, port: port?.value })
    }
}

/// All keys are read before any is missed, so that all complaints are heard.
fn webhook(section: &Section<'_>) -> Option<Webhook> {
    let url = section.value("url", |item| address(read::text(item)?, "a receiver", "https://example.com/hook"));
    let secret_file = section.value("secret_file", path);
    section.finish();
    Some(Webhook { url: url?.value, secret_file: secret_file?.value })
}

fn ntfy(section: &Section<'_>) -> Option<Ntfy> {
    let server = section.value("server", |item| address(read::text(item)?, "a server", "https://ntfy.sh"));
    let topic = section.value("topic", topic);
    let token_file = section.own("token_file", path).map(|placed| placed.value);
    section.finish();
    Some(Ntfy { server: server?.value, topic: topic?.value, token_file })
}

/// A URL one can ask over HTTP.
pub(super) fn address(text: &str, what: &str, example: &str) -> Result<Url, Complaint> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    url.ok_or_else(|| {
        let what = format!("`{}` is not the http(s) address of {what}", quoted(text, 60));
        Complaint::new(what, format!("write it as \"{example}\""))
    })
}

/// What goes over it is a passphrase and a code, so nobody may stand between.
fn origin(text: &str) -> Result<Url, Complaint> {
    let is_origin = |url: &Url| {
        let named = matches!(url.host(), Some(Host::Domain(name)) if name != "localhost" && !name.ends_with('.'));
        url.scheme() == "https" && named && url.as_str() == format!("{}/", url.origin().ascii_serialization())
    };
    Url::parse(text).ok().filter(is_origin).ok_or_else(|| {
        let what = format!("`{}` is not an origin with a name that is reached by https", quoted(text, 60));
        Complaint::new(
            what,
            "write what stands in the browser before the first path, as \"https://bursar.example.com\"",
        )
    })
}

fn port(item: &Item) -> Result<u16, Complaint> {
    match item.as_integer() {
        Some(port @ 1..=65_535) => Ok(port as u16),
        _ => Err(Complaint::new("{value} is not a port", "write {key} = 4800")),
    }
}

/// As ntfy takes them.
fn topic(item: &Item) -> Result<String, Complaint> {
    let text = read::text(item)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    match (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => Err(Complaint::new(
            "{value} is not a topic of ntfy",
            "write 1 to 64 letters, digits, - or _ that nobody guesses",
        )),
    }
}

fn path(item: &Item) -> Result<PathBuf, Complaint> {
    match read::text(item)? {
        "" => Err(Complaint::new("this names no file", "write the name of a file beside this one, or its whole path")),
        text => Ok(PathBuf::from(text)),
    }
}

fn yes_or_no(item: &Item) -> Result<bool, Complaint> {
    item.as_bool().ok_or_else(|| Complaint::new("{value} is neither yes nor no", "write {key} = true, or false"))
}

#[cfg(test)]
mod tests {
    use crate::config::tests::{complaint, parsed};

    const DOORS: &str = r#"[notices]
command = ["/usr/local/bin/tell", "me"]
[notices.webhook]
url = "https://example.com/in/TOKEN"
secret_file = "hook.secret"
[notices.ntfy]
server = "https://ntfy.sh"
topic = "bursar-7f3a"
[review]
origin = "https://bursar.example.com"
port = 4800
"#;

    #[test]
    fn doors_are_as_the_owner_wrote_them_and_none_is_built_in() {
        let config = parsed(DOORS);
        assert_eq!(config.notices.command, ["/usr/local/bin/tell", "me"]);
        assert_eq!(config.notices.webhook.unwrap().secret_file.to_str(), Some("hook.secret"));
        let ntfy = config.notices.ntfy.unwrap();
        assert_eq!((ntfy.topic.as_str(), ntfy.token_file), ("bursar-7f3a", None));
        assert_eq!(config.tunnel.unwrap().origin.as_str(), "https://bursar.example.com/");
        let built_in = parsed("").notices;
        assert!(built_in.command.is_empty() && built_in.webhook.is_none() && built_in.ntfy.is_none());
    }

    #[test]
    fn whatever_is_wrong_with_a_door_is_said_with_its_line() {
        let wrong = "[notices]\ncommand = [\"tell\"]\n[notices.webhook]\nurl = \"ftp://x\"\nsecret = \"s\"\n\
                     [notices.ntfy]\ntopic = \"a b\"\n";
        insta::assert_snapshot!(complaint(wrong), @r#"
        config.toml:1:1: `command` in [notices]: `tell` is looked for in no path
          write where the program lies, from the root on
        config.toml:3:1: `secret_file` is missing in [notices.webhook]
          add a line secret_file = ...
        config.toml:4:7: `url` in [notices.webhook]: `ftp://x` is not the http(s) address of a receiver
          write it as "https://example.com/hook"
        config.toml:5:1: unknown key `secret` in [notices.webhook]; did you mean `secret_file`?
          write `secret_file`, or remove the line
        config.toml:6:1: `server` is missing in [notices.ntfy]
          add a line server = ...
        config.toml:7:9: `topic` in [notices.ntfy]: "a b" is not a topic of ntfy
          write 1 to 64 letters, digits, - or _ that nobody guesses
        "#);
    }

    #[test]
    fn an_origin_is_reached_by_https_and_by_a_name_and_a_tunnel_leads_to_one_port() {
        for wrong in [
            "http://bursar.example.com",
            "https://127.0.0.1",
            "https://localhost",
            "https://bursar.example.com/review",
            "https://me@bursar.example.com",
            "bursar.example.com",
        ] {
            let complaint = complaint(&format!("[review]\norigin = \"{wrong}\"\nport = 4800\n"));
            assert!(complaint.contains("is not an origin"), "{wrong}: {complaint}");
        }
        assert!(complaint("[review]\norigin = \"https://bursar.example.com\"\n").contains("`port` is missing"));
        assert!(complaint("[review]\norigin = \"https://bursar.example.com\"\nport = 0\n").contains("is not a port"));
    }
}
