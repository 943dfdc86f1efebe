//! A program of the owner's: it gets the news as JSON on its stdin, and half a minute.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::word::Word;

/// What says where secrets lie is not for other programs.
const NOT_HANDED_ON: [&str; 5] = [
    "BURSAR_PASSPHRASE_FD",
    "BURSAR_PASSPHRASE_FILE",
    "BURSAR_BACKUP_PASSPHRASE_FD",
    "BURSAR_BACKUP_PASSPHRASE_FILE",
    "CREDENTIALS_DIRECTORY",
];

#[cfg(unix)]
fn is_executable(found: &std::fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

pub struct OwnProgram {
    program: String,
    arguments: Vec<String>,
}

impl OwnProgram {
    /// None: there are no words.
    pub fn of(words: &[String]) -> Option<OwnProgram> {
        let (program, arguments) = words.split_first()?;
        Some(OwnProgram { program: program.clone(), arguments: arguments.to_vec() })
    }

    pub fn name(&self) -> String {
        format!("the command {}", self.program)
    }

    pub fn is_there(&self) -> Result<(), String> {
        match std::fs::metadata(&self.program) {
            Ok(found) if found.is_file() && is_executable(&found) => Ok(()),
            Ok(_) => Err("it is not a program".to_owned()),
            Err(cause) => Err(cause.to_string()),
        }
    }

    /// Whoever stops waiting for it has it stopped.
    pub async fn run(&self, word: &Word) -> Result<(), String> {
        let mut command = Command::new(&self.program);
        NOT_HANDED_ON.iter().for_each(|name| _ = command.env_remove(name));
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut running = command.kill_on_drop(true).spawn().map_err(|cause| cause.to_string())?;
        if let Some(mut stdin) = running.stdin.take() {
            // A program that does not want to know the details has done nothing wrong.
            let _ = stdin.write_all(format!("{}\n", word.whole()).as_bytes()).await;
        }
        let ended = running.wait().await.map_err(|cause| cause.to_string())?;
        if ended.success() { Ok(()) } else { Err(format!("it ended with {ended}")) }
    }
}
