//! Answers of JSON-RPC, read strictly: nothing a node answers is trusted to have a shape.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::Value;

use crate::settlement::ChainError;
use crate::{limits, text};

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFailure {
    /// It did not answer.
    Silent(String),
    /// The node is there, and does not want this question: too wide a range, a block it does not have.
    Refused(String),
    /// It answered what is no answer.
    Nonsense(String),
}

impl NodeFailure {
    /// Said of the node whose it is.
    pub fn of(self, node: &str) -> ChainError {
        let node = node.to_owned();
        match self {
            NodeFailure::Silent(cause) | NodeFailure::Refused(cause) => ChainError::Silent { node, cause },
            NodeFailure::Nonsense(cause) => ChainError::Nonsense { node, cause },
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    id: Option<u64>,
    #[serde(default)]
    result: Value,
    error: Option<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    message: String,
}

/// The result of one JSON-RPC answer.
pub fn result(body: &[u8], id: u64) -> Result<Value, NodeFailure> {
    let answer: Answer =
        serde_json::from_slice(body).map_err(|_| NodeFailure::Nonsense("that is not a JSON-RPC answer".to_owned()))?;
    if let Some(Complaint { code, message }) = answer.error {
        return Err(NodeFailure::Refused(format!("{code}: {}", text::quoted(&message, limits::QUOTED_CHARS))));
    }
    if answer.id != Some(id) {
        return Err(NodeFailure::Nonsense("an answer to another question".to_owned()));
    }
    Ok(answer.result)
}

/// The results in an answer to many questions, by their ids; what was refused or said twice is not among them. None: that
/// is no such answer.
pub fn results(body: &[u8]) -> Option<HashMap<u64, Value>> {
    let answers: Vec<Answer> = serde_json::from_slice(body).ok()?;
    let mut results = HashMap::new();
    let mut twice = HashSet::new();
    for Answer { id, result, error } in answers {
        if let (Some(id), None) = (id, error)
            && results.insert(id, result).is_some()
        {
            twice.insert(id);
        }
    }
    results.retain(|id, _| !twice.contains(id));
    Some(results)
}

/// A result in the shape it must have; none where it is `null`.
pub fn shaped<T: for<'de> Deserialize<'de>>(said: Value) -> Result<Option<T>, NodeFailure> {
    serde_json::from_value(said)
        .map_err(|error| NodeFailure::Nonsense(text::quoted(&error.to_string(), limits::QUOTED_CHARS)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_a_result_or_a_refusal() {
        let read = |text: &str| result(text.as_bytes(), 1);
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":1,"result":"0x1"}"#), Ok(json!("0x1")));
        assert_eq!(read(r#"{"id":1,"result":null}"#), Ok(Value::Null));
        for id in ["1", "null"] {
            let refused = read(&format!(r#"{{"id":{id},"error":{{"code":-32000,"message":"too\nmany"}}}}"#));
            assert_eq!(refused, Err(NodeFailure::Refused("-32000: too many".to_owned())));
        }
        for text in ["", "null", "[]", "<html>", r#"{"id":2,"result":1}"#, r#"{"result":1}"#, "{\"id\":1,\"result\":"] {
            assert!(matches!(read(text), Err(NodeFailure::Nonsense(_))), "{text}");
        }
    }
}
