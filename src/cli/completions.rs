//! `bursar completions SHELL`: what the Tab key needs.

use clap::Args;
use clap_complete::Shell;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, command};

/// Print the completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar completions bash > ~/.local/share/bash-completion/completions/bursar\n  \
                        bursar completions zsh > ~/.zfunc/_bursar\n  \
                        bursar completions fish > ~/.config/fish/completions/bursar.fish")]
pub struct Completions {
    shell: Shell,
}

impl Completions {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "bursar", &mut script);
        context.out.line(String::from_utf8_lossy(&script).trim_end());
        Ok(Exit::Done)
    }
}
