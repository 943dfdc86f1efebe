//! What this build says where it was asked for play money and has none.

use clap::Args;

use crate::cli::Context;
use crate::cli::exit::{Exit, Failure};
use crate::money::Usd;

/// Watch it work with play money (this build has none)
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar demo")]
pub struct NoDemo {}

impl NoDemo {
    /// Says where play money is to be had.
    pub async fn run(self, _: &Context) -> Result<Exit, Failure> {
        Err(no_sandbox())
    }
}

/// Where `bursar serve --sandbox` would serve.
pub async fn serve(_: &Context, _: &str, _: Option<Usd>) -> Result<Exit, Failure> {
    Err(no_sandbox())
}

/// Nothing was opened and nothing was spent.
fn no_sandbox() -> Failure {
    Failure::new(
        "no_sandbox",
        "this bursar was built without play money",
        "build it with the `sandbox` feature, which is on by default; real wallets work without it",
    )
}
