use crate::cli::Context;
use crate::cli::exit::{Exit, Failure};
use clap::Args;
/// Stub
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar init")]
pub struct Init {}
impl Init {
    pub async fn run(self, _: &Context) -> Result<Exit, Failure> {
        todo!()
    }
}
