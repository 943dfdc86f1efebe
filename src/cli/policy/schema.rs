//! `bursar policy schema`: what a policy may say, for editors.

use clap::Args;

use crate::cli::Context;
use crate::cli::exit::{Exit, Failure};
use crate::policy::Policy;

/// Print the JSON Schema of policy.toml
///
/// Editors that know TOML complete and check the file by it: put the schema beside the policy, and the line
/// `#:schema ./policy.schema.json` at its top.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  bursar policy schema > ~/.bursar/policy.schema.json")]
pub struct Schema {}

impl Schema {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        context.out.line(Policy::schema().trim_end());
        Ok(Exit::Done)
    }
}
