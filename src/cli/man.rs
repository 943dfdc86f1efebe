//! `bursar man`: the manual page, or a folder of them.

use std::path::PathBuf;

use clap::Args;

use crate::cli::exit::{Exit, Failure};
use crate::cli::{Context, command};

/// Print the manual page, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar man | man -l -\n  bursar man --to ~/.local/share/man/man1")]
pub struct Man {
    /// Write one page per command here
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

impl Man {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let mut page = Vec::new();
        let written = match &self.to {
            Some(dir) => std::fs::create_dir_all(dir).and_then(|()| clap_mangen::generate_to(command(), dir)),
            None => clap_mangen::Man::new(command()).render(&mut page),
        };
        written.map_err(|cause| Failure::new("not_written", format!("could not write the manual: {cause}"), ""))?;
        if self.to.is_none() {
            context.out.line(String::from_utf8_lossy(&page).trim_end());
        }
        Ok(Exit::Done)
    }
}
