//! A hostile MCP server as its file has it. README.md explains every key.

use std::path::Path;

use bursar::answer::{Charged, Outcome};
use serde::Deserialize;
use serde_json::Value;
use toml_edit::DocumentMut;

use crate::table;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// `class/name`, from where the file lies.
    #[serde(skip)]
    pub name: String,
    /// What this server does, in a sentence.
    pub about: String,
    /// Sections of a policy, beside the built-in one.
    #[serde(default)]
    pub rules: String,
    /// What it answers; honestly, where nothing is written.
    #[serde(default)]
    pub server: Acts,
    /// A second server at another origin.
    #[serde(default)]
    pub other: Acts,
    /// What the agent does, and what must come of it.
    pub call: Vec<Step>,
    /// What must hold in the end. What is not there is nothing at all.
    #[serde(default)]
    pub holds: Holds,
}

/// Answers by what is asked, each in order; the last one stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Acts {
    pub discover: Vec<Act>,
    pub initialize: Vec<Act>,
    pub list: Vec<Act>,
    /// To calls of tools without a payment, and with one.
    pub unpaid: Vec<Act>,
    pub paid: Vec<Act>,
    /// To a GET, which is how the older transport begins.
    pub listen: Vec<Act>,
}

/// One answer, down to how it goes over the line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    /// Takes the money first.
    pub settles: bool,
    /// Changes to an honest challenge of x402, version 2 or 1.
    pub x402: Option<Value>,
    pub v1: Option<Value>,
    /// Where that stands: as the only text of a failed result, or by the extension, in place of `structuredContent`.
    pub in_text: bool,
    pub by_extension: bool,
    /// Changes to an honest challenge of MPP.
    pub mpp: Option<Value>,
    /// The only text of a result.
    pub goods: Option<String>,
    /// Changes to an honest receipt.
    pub receipt: Option<Value>,
    /// Changes to the result, or to the error, as it would be.
    pub result: Option<Value>,
    pub error: Option<Value>,
    /// Changes to an honest tool, for each that is listed.
    pub tools: Vec<Value>,
    /// So many tools: the ones there are, over and over, each with its number at its name's end.
    pub many: Option<usize>,
    /// The id it answers to, in place of the one it was asked under; `none` for none.
    pub id: Option<Value>,
    /// The message, in place of all that.
    pub text: Option<String>,
    /// A stream of events, as it is written; `{answer}` is the message.
    pub stream: Option<String>,
    pub status: Option<u16>,
    pub headers: Vec<String>,
    /// `{pad}` is so many letters, `{nest}` so many objects in one another.
    pub pads: usize,
    pub nests: usize,
    /// Each character is a byte of its own, so that what goes out is not UTF-8.
    pub latin1: bool,
    /// Hangs up after so many bytes, or falls silent after all of them.
    pub cuts_at: Option<usize>,
    pub stalls: bool,
    /// These bytes and nothing else.
    pub raw: Option<String>,
}

/// One call of the agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Before it: so many seconds pass for everybody, or for this machine's timers alone; the owner approves the call
    /// before.
    pub waits: u64,
    pub idles: u64,
    pub approved: bool,
    /// `list_paid_tools` instead of `call_paid_tool`.
    pub lists: bool,
    pub server: Option<String>,
    pub tool: Option<String>,
    pub max_price: Option<String>,
    /// Under the id of the call before.
    pub same_id: bool,
    pub times: Option<usize>,
    // What comes of it, each time.
    pub outcome: Option<Outcome>,
    pub charged: Option<Charged>,
    /// Exactly these codes.
    pub reasons: Option<Vec<String>>,
    pub status: Option<u16>,
    /// What the body has in it.
    pub body: Option<String>,
    /// The tools that are listed, or how many; what they claim to cost; and whether some are left out.
    pub names: Option<Vec<String>>,
    pub count: Option<usize>,
    pub prices: Option<Vec<String>>,
    pub omits: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Holds {
    /// Authorizations in the ledger.
    pub signatures: usize,
    /// Calls with a payment that reached anybody.
    pub presents: usize,
    /// Calls of tools in all; not looked at if left out.
    pub calls: Option<usize>,
    /// Requests of any kind in all, at the most; not looked at if left out.
    pub requests_at_most: Option<usize>,
    /// Dollars that moved on the chain.
    pub moved: Option<String>,
    /// The other server is the one that is paid.
    pub paid_elsewhere: bool,
    /// How many alarms stand in the log.
    pub alarms: usize,
    /// How often the owner is told that tools say something else of themselves.
    pub notices: usize,
    /// What bursar answered to what the server asked of it: the codes of errors, and `ok`.
    pub answered: Vec<String>,
    /// Words of the server that bursar does not take into its own mouth, beside the usual ones.
    pub unsaid: Vec<String>,
}

impl Script {
    pub fn read(root: &Path, file: &Path) -> Script {
        let shown = file.strip_prefix(root).unwrap().with_extension("");
        let name = shown.to_string_lossy().replace('\\', "/");
        let text = std::fs::read_to_string(file).unwrap();
        let document: DocumentMut = text.parse().unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let script: Script = serde_json::from_value(table::as_json(document.as_table()))
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        script.check(&name);
        Script { name, ..script }
    }

    pub fn class(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// A file that promises nothing would pass whatever happens.
    fn check(&self, name: &str) {
        assert!(self.about.ends_with('.'), "{name}: `about` is a sentence");
        assert!(!self.call.is_empty(), "{name}: somebody calls");
        for step in &self.call {
            match step.lists {
                true => assert!(
                    step.names.is_some() || step.count.is_some() || step.reasons.is_some(),
                    "{name}: lists what?"
                ),
                false => assert!(step.outcome.is_some() && step.charged.is_some(), "{name}: what comes of it?"),
            }
            let needs_reasons = step.outcome == Some(Outcome::Refused);
            assert!(!needs_reasons || step.reasons.is_some(), "{name}: for which `reasons`?");
        }
    }
}
