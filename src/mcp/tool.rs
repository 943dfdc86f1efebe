//! A tool is a value: what a host is told about it, and what it does.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use rmcp::model::{CallToolResponse, CallToolResult, JsonObject, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::arguments;
use super::asking::Asking;
use super::tell::Trouble;
use crate::agent::Agent;
use crate::answer::Charged;
use crate::ports::Caller;

pub struct Tool {
    pub name: &'static str,
    pub title: &'static str,
    /// The first sentence says when to use it.
    pub description: &'static str,
    pub hints: Hints,
    /// Plain on purpose: it is read by models, and calls are checked against it.
    pub input: JsonObject,
    /// Large, and so shared with every list.
    pub output: Arc<JsonObject>,
    pub run: fn(Ask) -> Running,
    /// What went wrong, in this tool's own kind of answer.
    pub trouble: fn(Trouble) -> CallToolResult,
}

/// A call under way. Its answer may be a question back to the host, which the newer era returns as a result.
pub type Running = BoxFuture<'static, Result<CallToolResponse, Trouble>>;

/// What hosts are told about a tool's effects. Hosts may ask their user by it; limits never depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// Reads what bursar itself knows.
pub const READS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: false };

/// One call of a tool, with arguments that fit its schema.
pub struct Ask {
    pub agent: Agent,
    /// What the host says of itself.
    pub client: Option<String>,
    pub arguments: JsonObject,
    pub caller: Box<dyn Caller>,
    pub asking: Arc<Asking>,
}

impl Tool {
    pub fn listed(&self) -> rmcp::model::Tool {
        rmcp::model::Tool::new(self.name, self.description, self.input.clone())
            .with_title(self.title)
            .with_annotations(self.hints.annotations())
            .with_raw_output_schema(self.output.clone())
    }

    /// What can be said about money when the tool broke and cannot say it itself.
    pub fn charged_if_broken(&self) -> Charged {
        if self.hints.destructive { Charged::Unknown } else { Charged::No }
    }
}

impl Hints {
    fn annotations(self) -> ToolAnnotations {
        ToolAnnotations::new()
            .read_only(self.read_only)
            .destructive(self.destructive)
            .idempotent(self.idempotent)
            .open_world(self.open_world)
    }
}

impl Ask {
    pub fn parse<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        arguments::read(std::mem::take(&mut self.arguments)).map_err(Trouble::misfit)
    }
}

/// A schema written by hand with `json!`.
pub fn schema(written: Value) -> JsonObject {
    match written {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}
