//! What every test of bursar uses: scenes over the real parts, ports that fail where they are told to, processes of the
//! real program, and somebody at a terminal or at the review page.

pub mod authenticator;
pub mod house;
pub mod keys;
pub mod mpp;
pub mod processes;
#[cfg(unix)]
pub mod rate;
pub mod room;
pub mod scene;
pub mod solana;
#[cfg(unix)]
pub mod terminal;
pub mod visitor;
pub mod world;
pub mod years;

use std::path::PathBuf;

/// The tools an agent is given, in the order in which they are listed.
pub const TOOLS: [&str; 9] = [
    "fetch_paid",
    "quote",
    "get_balance",
    "get_budget",
    "list_spend",
    "get_purchase",
    "find_paid",
    "list_paid_tools",
    "call_paid_tool",
];

/// The program under test: it is built beside the tests. `BURSAR_PROGRAM` names another one.
pub fn program() -> PathBuf {
    if let Some(other) = std::env::var_os("BURSAR_PROGRAM") {
        return other.into();
    }
    let test = std::env::current_exe().expect("a test has a file");
    let folder = test.ancestors().find(|folder| folder.ends_with("deps")).and_then(|deps| deps.parent());
    let program =
        folder.expect("tests lie in a folder of their own").join(format!("bursar{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "build the program first: cargo build");
    program
}
