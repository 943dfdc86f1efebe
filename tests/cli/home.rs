//! A home that vanishes, and the program run over it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// An address everybody knows, of a key everybody knows.
pub const KEY: &str = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a";
pub const ADDRESS: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
/// Another one, on Solana: its seed is 32 times the byte 1.
pub const SOLANA_ADDRESS: &str = "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9";

/// Its key, as wallets of Solana's hand one over: the seed, and the address behind it.
pub fn solana_pair() -> [u8; 64] {
    let mut pair = [1; 64];
    pair[32..].copy_from_slice(&bs58::decode(SOLANA_ADDRESS).into_vec().expect("base58"));
    pair
}

pub struct Home {
    user: TempDir,
}

impl Home {
    /// A user who never ran bursar.
    pub fn empty() -> Home {
        let user = tempfile::tempdir().expect("a folder");
        let home = Home { user };
        home.write_private("passphrase", "correct horse battery staple\n");
        home
    }

    /// A user with a wallet and a policy for play money.
    pub fn ready() -> Home {
        let home = Home::empty();
        assert_eq!(code(&home.run(&["init", "--network", "testnet", "--store", "file"])), 0);
        home
    }

    /// The program, with nothing of this machine's environment but where to look for a passphrase.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bursar"));
        command.args(args).env_clear().current_dir(self.user.path());
        command.env("HOME", self.user.path()).env("USERPROFILE", self.user.path());
        command.env("BURSAR_PASSPHRASE_FILE", self.user.path().join("passphrase"));
        for kept in ["PATH", "SystemRoot", "TEMP", "TMPDIR"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("started")
    }

    pub fn run_with(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = self.command(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let mut pipe = child.stdin.take().expect("a pipe");
        // A program that does not want to hear it all is a finding of the test, not of this helper.
        let _ = pipe.write_all(stdin.as_bytes());
        drop(pipe);
        child.wait_with_output().expect("ended")
    }

    /// A path beneath the user's own folder.
    pub fn user(&self, path: &str) -> PathBuf {
        self.user.path().join(path)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.user.path().join(".bursar").join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).expect("readable")
    }

    /// Its texts without what differs from run to run.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&self.user.path().display().to_string(), "~")
            .replace(env!("CARGO_BIN_EXE_bursar"), "/path/to/bursar")
    }

    /// A file of the home, which nobody else may read.
    pub fn write(&self, name: &str, text: &str) {
        self.write_private(&format!(".bursar/{name}"), text);
    }

    /// A file of the user's, which nobody else may read.
    pub fn write_private(&self, name: &str, text: &str) {
        let path = self.user.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("closed");
        }
    }
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("it ended by itself")
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
