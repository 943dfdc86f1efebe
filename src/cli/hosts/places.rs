//! Where each host keeps its list of servers. Pure: what the machine is like comes in as a value.

use std::path::PathBuf;

use crate::cli::hosts::Host;
use crate::cli::hosts::jsonc::EntryFields;
use crate::cli::hosts::launch::Form;

/// The families of systems that hosts tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux, and what is like it.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

/// What the places of files depend on.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The system.
    pub platform: Platform,
    /// The user's own folder.
    pub user: PathBuf,
    /// The folder the command was given in.
    pub folder: PathBuf,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
    /// `APPDATA`.
    pub app_data: Option<PathBuf>,
    /// `CODEX_HOME`.
    pub codex: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`.
    pub claude: Option<PathBuf>,
    /// `COPILOT_HOME`.
    pub copilot: Option<PathBuf>,
}

impl Surroundings {
    fn user(&self, path: &str) -> PathBuf {
        self.user.join(path)
    }

    /// `~/.config`, or where it was moved to.
    fn config(&self) -> PathBuf {
        self.xdg_config.clone().unwrap_or_else(|| self.user(".config"))
    }

    /// Where programs with windows keep what they are told.
    fn programs(&self) -> PathBuf {
        match self.platform {
            Platform::Linux => self.config(),
            Platform::Mac => self.user("Library").join("Application Support"),
            Platform::Windows => self.app_data.clone().unwrap_or_else(|| self.user("AppData").join("Roaming")),
        }
    }

    fn is_windows(&self) -> bool {
        self.platform == Platform::Windows
    }
}

impl Host {
    /// Its list of servers. Where it reads more than one file, the one it would make stands first.
    pub fn files(self, around: &Surroundings) -> Vec<PathBuf> {
        let file = match self {
            Host::ClaudeCode => around.claude.as_ref().unwrap_or(&around.user).join(".claude.json"),
            Host::ClaudeDesktop => around.programs().join("Claude").join("claude_desktop_config.json"),
            Host::Cline => around.user(".cline").join("data").join("settings").join("cline_mcp_settings.json"),
            Host::Codex => around.codex.clone().unwrap_or_else(|| around.user(".codex")).join("config.toml"),
            Host::CopilotCli => {
                around.copilot.clone().unwrap_or_else(|| around.user(".copilot")).join("mcp-config.json")
            }
            Host::Cursor => around.user(".cursor").join("mcp.json"),
            Host::GeminiCli => around.user(".gemini").join("settings.json"),
            Host::Goose if around.is_windows() => {
                around.programs().join("Block").join("goose").join("config").join("config.yaml")
            }
            Host::Goose => around.config().join("goose").join("config.yaml"),
            Host::McpJson => around.folder.join(".mcp.json"),
            Host::Opencode => {
                let folder = around.config().join("opencode");
                return vec![folder.join("opencode.json"), folder.join("opencode.jsonc")];
            }
            Host::QwenCode => around.user(".qwen").join("settings.json"),
            Host::Vscode => around.programs().join("Code").join("User").join("mcp.json"),
            Host::Windsurf => around.user(".codeium").join("windsurf").join("mcp_config.json"),
            Host::Zed if around.is_windows() => around.programs().join("Zed").join("settings.json"),
            Host::Zed => around.config().join("zed").join("settings.json"),
        };
        vec![file]
    }

    /// What is there where this host is used: any of these. A plain `.mcp.json` belongs to no host.
    pub fn signs(self, around: &Surroundings) -> Vec<PathBuf> {
        let mut signs = self.files(around);
        match self {
            Host::McpJson => return Vec::new(),
            Host::ClaudeCode => signs.push(around.claude.clone().unwrap_or_else(|| around.user(".claude"))),
            Host::Cline => signs.push(around.user(".cline")),
            Host::Vscode => signs.push(around.programs().join("Code")),
            _ => {
                let folders: Vec<PathBuf> = signs.iter().filter_map(|file| file.parent()).map(PathBuf::from).collect();
                signs.extend(folders);
            }
        }
        signs
    }

    /// How it writes its servers down.
    pub fn form(self) -> Form {
        match self {
            Host::Codex => Form::Toml,
            Host::Goose => Form::Yaml,
            Host::ClaudeCode => Form::Json("mcpServers", EntryFields::Stdio),
            Host::CopilotCli => Form::Json("mcpServers", EntryFields::Tools),
            Host::Opencode => Form::Json("mcp", EntryFields::Words),
            Host::Vscode => Form::Json("servers", EntryFields::Stdio),
            Host::Zed => Form::Json("context_servers", EntryFields::Custom),
            Host::ClaudeDesktop
            | Host::Cline
            | Host::Cursor
            | Host::GeminiCli
            | Host::McpJson
            | Host::QwenCode
            | Host::Windsurf => Form::Json("mcpServers", EntryFields::Plain),
        }
    }
}

/// A machine on which nothing is anywhere else than usual.
#[cfg(test)]
pub fn on(platform: Platform) -> Surroundings {
    Surroundings {
        platform,
        user: "/u".into(),
        folder: "/project".into(),
        xdg_config: None,
        app_data: None,
        codex: None,
        claude: None,
        copilot: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_host_has_its_place_on_every_system() {
        let mut table = String::new();
        for platform in [Platform::Linux, Platform::Mac, Platform::Windows] {
            table.push_str(&format!("{platform:?}\n"));
            for host in Host::value_variants() {
                let files = host.files(&on(platform));
                let files: Vec<String> =
                    files.iter().map(|file| file.display().to_string().replace('\\', "/")).collect();
                table.push_str(&format!("  {:<15} {}\n", host.name(), files.join(" or ")));
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn places_that_were_moved_are_followed() {
        let moved = Surroundings {
            xdg_config: Some("/xdg".into()),
            codex: Some("/codex".into()),
            claude: Some("/claude".into()),
            ..on(Platform::Linux)
        };
        for (host, file) in [
            (Host::Zed, "/xdg/zed/settings.json"),
            (Host::Vscode, "/xdg/Code/User/mcp.json"),
            (Host::Codex, "/codex/config.toml"),
            (Host::ClaudeCode, "/claude/.claude.json"),
            (Host::Cursor, "/u/.cursor/mcp.json"),
        ] {
            assert_eq!(host.files(&moved)[0], PathBuf::from(file));
        }
    }
}
