//! The hosts we know, and how to plug bursar into them. The same stands in `docs/hosts.md`, for people without this
//! machine. Pure: nothing in here reads or writes a file.

pub mod jsonc;
pub mod launch;
pub mod places;
mod toml;
mod yaml;

use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::hosts::launch::{ENTRY, Launch};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Host {
    ClaudeCode,
    ClaudeDesktop,
    Cline,
    Codex,
    CopilotCli,
    Cursor,
    GeminiCli,
    Goose,
    McpJson,
    Opencode,
    QwenCode,
    Vscode,
    Windsurf,
    Zed,
}

/// The server as a host starts it.
pub struct ServerEntry<'a> {
    pub program: &'a Path,
    /// Where it is not `~/.bursar`.
    pub home: Option<&'a Path>,
    /// The server whose tools it shows, where it is a proxy.
    pub proxy: Option<&'a str>,
}

/// What hosts call an entry; the fields in the order people write them.
#[derive(Serialize)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    command: String,
    args: Vec<String>,
}

#[derive(Serialize)]
struct OpencodeEntry {
    r#type: &'static str,
    command: Vec<String>,
    enabled: bool,
}

impl Host {
    /// The name its agent goes by.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// The name people call it by.
    pub fn title(self) -> &'static str {
        match self {
            Host::ClaudeCode => "Claude Code",
            Host::ClaudeDesktop => "Claude Desktop",
            Host::Cline => "Cline",
            Host::Codex => "Codex",
            Host::CopilotCli => "Copilot CLI",
            Host::Cursor => "Cursor",
            Host::GeminiCli => "Gemini CLI",
            Host::Goose => "Goose",
            Host::McpJson => "the host that reads it",
            Host::Opencode => "opencode",
            Host::QwenCode => "Qwen Code",
            Host::Vscode => "VS Code",
            Host::Windsurf => "Windsurf",
            Host::Zed => "Zed",
        }
    }

    /// Its agents can run commands.
    pub fn has_shell(self) -> bool {
        self != Host::ClaudeDesktop
    }

    /// What its owner types, or writes where.
    pub fn how(self, server: &ServerEntry<'_>) -> Vec<String> {
        let name = self.name();
        let shell = server.in_a_shell(&name);
        match self {
            Host::ClaudeCode => vec![format!("claude mcp add bursar --scope user -- {shell}")],
            Host::Cline => vec![format!("cline mcp install bursar --yes -- {shell}")],
            Host::Codex => vec![format!("codex mcp add bursar -- {shell}")],
            Host::CopilotCli => vec![format!("copilot mcp add bursar -- {shell}")],
            Host::GeminiCli => vec![format!("gemini mcp add -s user bursar {shell}")],
            Host::QwenCode => vec![format!("qwen mcp add -s user bursar {shell}")],
            Host::Vscode => vec![format!("code --add-mcp {}", quoted(&json(&server.entry(&name, Some("bursar")))))],
            Host::ClaudeDesktop => file("claude_desktop_config.json (Settings, Developer)", server.block(&name)),
            Host::Cursor => file("~/.cursor/mcp.json", server.block(&name)),
            Host::Opencode => file("~/.config/opencode/opencode.json", block("mcp", &json(&server.opencode(&name)))),
            Host::Goose => file("~/.config/goose/config.yaml", self.whole(server)),
            Host::McpJson => file(".mcp.json", self.whole(server)),
            Host::Windsurf => file("~/.codeium/windsurf/mcp_config.json", self.whole(server)),
            Host::Zed => file("~/.config/zed/settings.json", self.whole(server)),
        }
    }
}

impl Host {
    /// What a file of its own would say.
    fn whole(self, server: &ServerEntry<'_>) -> Vec<String> {
        self.form().block(&server.launch(&self.name())).lines().map(str::to_owned).collect()
    }
}

impl ServerEntry<'_> {
    /// What this host starts.
    pub fn launch(&self, agent: &str) -> Launch {
        let entry = self.proxy.map_or_else(|| ENTRY.to_owned(), entry_of);
        Launch { entry, program: self.program.display().to_string(), args: self.args(agent) }
    }

    /// The block most hosts take.
    pub fn block(&self, agent: &str) -> Vec<String> {
        block("mcpServers", &json(&self.entry(agent, None)))
    }

    fn args(&self, agent: &str) -> Vec<String> {
        let home = self.home.map(|home| ["--home".to_owned(), home.display().to_string()]);
        let command = match self.proxy {
            Some(server) => vec!["proxy", server],
            None => vec!["serve"],
        };
        let command = command.into_iter().chain(["--agent", agent]).map(str::to_owned);
        home.into_iter().flatten().chain(command).collect()
    }

    /// Program and arguments.
    fn words(&self, agent: &str) -> Vec<String> {
        std::iter::once(self.program.display().to_string()).chain(self.args(agent)).collect()
    }

    fn in_a_shell(&self, agent: &str) -> String {
        self.words(agent).iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    fn entry(&self, agent: &str, name: Option<&'static str>) -> Entry {
        Entry { name, command: self.program.display().to_string(), args: self.args(agent) }
    }

    fn opencode(&self, agent: &str) -> OpencodeEntry {
        OpencodeEntry { r#type: "local", command: self.words(agent), enabled: true }
    }
}

/// `bursar-mcp-example-com`: what hosts call the proxy of a server, beside bursar itself.
pub fn entry_of(server: &str) -> String {
    let bare = server.split_once("://").map_or(server, |(_, rest)| rest);
    let bare = bare.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let bare = bare.trim_end_matches("/mcp").trim_end_matches("/sse").to_ascii_lowercase();
    let plain: String = bare.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    format!("{ENTRY}-{}", words.join("-"))
}

fn json(entry: &impl Serialize) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

fn block(servers: &str, entry: &str) -> Vec<String> {
    vec!["{".into(), format!("  \"{servers}\": {{"), format!("    \"bursar\": {entry}"), "  }".into(), "}".into()]
}

fn file(path: &str, content: Vec<String>) -> Vec<String> {
    let mut lines = vec![format!("add to {path}, and restart it:")];
    lines.extend(content);
    lines
}

/// As a POSIX shell takes it for one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=+,@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_is_told_the_whole_path_and_its_own_name() {
        let server = ServerEntry { program: Path::new("/opt/my tools/bursar"), home: None, proxy: None };
        for host in Host::value_variants() {
            let told = host.how(&server).join("\n");
            assert!(told.contains("/opt/my tools/bursar") && told.contains(&host.name()), "{told}");
        }
    }

    #[test]
    fn a_proxy_has_an_entry_of_its_own_that_says_whose_it_is() {
        let server = ServerEntry { program: Path::new("/b"), home: None, proxy: Some("https://mcp.example.com/mcp") };
        let launch = server.launch("codex");
        assert_eq!(launch.entry, "bursar-mcp-example-com");
        assert_eq!(launch.args, ["proxy", "https://mcp.example.com/mcp", "--agent", "codex"]);
        let names = ["weather", "http://127.0.0.1:4021/mcp", "https://e.com/a/b?key=secret"].map(entry_of);
        assert_eq!(names, ["bursar-weather", "bursar-127-0-0-1-4021", "bursar-e-com-a-b"]);
    }

    #[test]
    fn a_home_elsewhere_goes_into_the_arguments_because_hosts_drop_variables() {
        let server = ServerEntry { program: Path::new("/b"), home: Some(Path::new("/data/it's")), proxy: None };
        let told = Host::Codex.how(&server).join("\n");
        assert_eq!(told, r"codex mcp add bursar -- /b --home '/data/it'\''s' serve --agent codex");
    }
}
