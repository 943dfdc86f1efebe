//! The command line, handed over.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar::cli::run()
}
