//! A hostile seller as its file has it. README.md explains every key.

use std::path::Path;

use bursar::answer::{Charged, Outcome};
use sandbox::sellers::Way;
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
    /// What this seller does, in a sentence.
    pub about: String,
    /// Sections of a policy, beside the built-in one.
    #[serde(default)]
    pub rules: String,
    /// The way its honest challenges are paid; that of the run, where none is named.
    #[serde(default)]
    pub by: Option<String>,
    /// What Permit2 is allowed, in millionths of a dollar; all there is, where the seller is paid by it.
    #[serde(default)]
    pub allowance: Option<u64>,
    /// How many hosts the seller answers at: 127.0.0.1 and on.
    #[serde(default = "one")]
    pub hosts: u8,
    /// Its answers to requests without a payment, in order; the last one stays.
    #[serde(default)]
    pub unpaid: Vec<Act>,
    /// Its answers to requests with one.
    #[serde(default)]
    pub paid: Vec<Act>,
    /// A second seller at another origin.
    #[serde(default)]
    pub other: Other,
    /// What the agent does, and what must come of it.
    pub call: Vec<Step>,
    /// What must hold in the end. What is not there is nothing at all.
    #[serde(default)]
    pub holds: Holds,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Other {
    #[serde(default)]
    pub unpaid: Vec<Act>,
    #[serde(default)]
    pub paid: Vec<Act>,
}

/// One answer, down to how it goes over the line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Act {
    /// Only for this path.
    pub at: Option<String>,
    /// Takes the money first.
    pub settles: bool,
    /// Only so much of it, where it is paid by a ceiling.
    pub takes: Option<u64>,
    /// Takes the money of the first payment it ever saw.
    pub redeems: bool,
    pub status: Option<u16>,
    pub headers: Vec<String>,
    pub body: Option<String>,
    /// Changes to an honest challenge in the header, or several for as many headers.
    pub v2: Option<OneOrMore>,
    /// Changes to an honest challenge of MPP, or several for as many headers.
    pub mpp: Option<OneOrMore>,
    /// Changes to an honest challenge in the body.
    pub v1: Option<Value>,
    /// So many offers: the ones there are, over and over.
    pub offers: Option<usize>,
    /// Changes to an honest receipt, or several.
    pub receipt: Option<OneOrMore>,
    /// An additional header of so many bytes; so many additional headers; so many bytes after the body.
    pub big_header: usize,
    pub many_headers: usize,
    pub big_body: usize,
    /// What the header says of the body's length.
    pub says_length: Option<u64>,
    /// Hangs up, or falls silent, after so many bytes in all.
    pub cuts_at: Option<usize>,
    pub stalls_at: Option<usize>,
    /// Byte by byte, as slowly as it gets.
    pub drips: bool,
    /// These bytes and nothing else.
    pub raw: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    More(Vec<Value>),
    One(Value),
}

impl OneOrMore {
    pub fn all(&self) -> &[Value] {
        match self {
            OneOrMore::More(all) => all,
            OneOrMore::One(one) => std::slice::from_ref(one),
        }
    }
}

/// One call of the agent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Before it: so many seconds pass, the owner approves the call before, bursar reconciles, the node goes away.
    pub waits: u64,
    pub approved: bool,
    pub reconciled: bool,
    pub node_down: bool,
    /// `quote` instead of `fetch_paid`.
    pub quote: bool,
    pub url: Option<String>,
    pub max_price: Option<String>,
    /// Under the id of the call before.
    pub same_id: bool,
    /// `buy_again` of the call before.
    pub again: bool,
    /// Over and over; `{n}` in the URL counts from 1.
    pub times: Option<usize>,
    // What comes of it, each time.
    pub outcome: Option<Outcome>,
    pub charged: Option<Charged>,
    /// Exactly these codes.
    pub reasons: Option<Vec<String>>,
    pub status: Option<u16>,
    pub body: Option<String>,
    pub payable: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Holds {
    /// Authorizations in the ledger.
    pub signatures: usize,
    /// Requests with a payment that reached anybody.
    pub presents: usize,
    /// Requests that said which wallet asks.
    pub sign_ins: usize,
    /// All requests that reached anybody; not looked at if left out.
    pub requests: Option<usize>,
    /// Dollars that moved on the chain.
    pub moved: Option<String>,
    /// The other seller is the one that is paid.
    pub paid_elsewhere: bool,
    /// Codes of the breakers the owner was told of.
    pub breakers: Vec<String>,
    /// How many alarms stand in the log.
    pub alarms: usize,
    /// Words of the seller that bursar does not take into its own mouth.
    pub unsaid: Vec<String>,
    /// What nobody is sent, in any case of its letters.
    pub unsent: Vec<String>,
}

fn one() -> u8 {
    1
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

    pub fn way(&self) -> Way {
        match self.by.as_deref() {
            None => Way::of_this_run(),
            Some("eip3009") => Way::Eip3009,
            Some("permit2") => Way::Permit2,
            Some("upto") => Way::Upto,
            Some("mpp") => Way::Mpp,
            Some(other) => panic!("{}: no way is called `{other}`", self.name),
        }
    }

    pub fn class(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// A file that promises nothing would pass whatever happens.
    fn check(&self, name: &str) {
        assert!(self.about.ends_with('.'), "{name}: `about` is a sentence");
        assert!(!self.unpaid.is_empty() && !self.call.is_empty(), "{name}: a seller answers, and somebody calls");
        for step in self.call.iter().filter(|step| !step.quote) {
            let (outcome, charged) = (step.outcome.expect(name), step.charged.expect(name));
            let needs_reasons = outcome != Outcome::Answered && outcome != Outcome::Pending;
            assert!(!needs_reasons || step.reasons.is_some(), "{name}: {outcome:?}, {charged:?}: for which `reasons`?");
        }
    }
}
