//! What nodes say, read strictly: nothing a node answers is trusted to have a shape.

use std::collections::{HashMap, HashSet};

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::settlement::{Block, EventLog};
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

/// A log as `eth_getLogs` and receipts have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    #[serde(deserialize_with = "read_quantity")]
    block_number: u64,
    #[serde(deserialize_with = "read_quantity")]
    log_index: u64,
    transaction_hash: B256,
    #[serde(default)]
    removed: bool,
}

impl From<Log> for EventLog {
    fn from(log: Log) -> EventLog {
        let Log { address, topics, data, block_number, log_index, transaction_hash, removed } = log;
        EventLog { address, topics, data, block_number, log_index, transaction_hash, removed }
    }
}

/// One call, or several: Tempo has both kinds.
#[derive(Deserialize)]
struct Sent {
    input: Option<Bytes>,
    calls: Option<Vec<OneCall>>,
}

#[derive(Deserialize)]
struct OneCall {
    #[serde(default)]
    input: Bytes,
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

#[derive(Deserialize)]
struct Header {
    #[serde(deserialize_with = "read_quantity")]
    number: u64,
    #[serde(deserialize_with = "read_quantity")]
    timestamp: u64,
}

#[derive(Deserialize)]
struct Receipt {
    #[serde(deserialize_with = "read_quantity")]
    status: u64,
    logs: Vec<Log>,
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

/// A number as chains write it.
pub fn quantity(said: &Value) -> Result<u64, NodeFailure> {
    let read = said.as_str().and_then(parse_quantity);
    read.ok_or_else(|| NodeFailure::Nonsense("that is not a number as chains write it".to_owned()))
}

/// A block; none where the node has no such block.
pub fn block(said: Value) -> Result<Option<Block>, NodeFailure> {
    let header: Option<Header> = shaped(said)?;
    Ok(header.map(|Header { number, timestamp }| Block { number, time_secs: timestamp }))
}

/// The 32 bytes a contract answered with; none where there is no contract.
pub fn word(said: Value) -> Result<Option<B256>, NodeFailure> {
    let bytes: Bytes = shaped(said)?.unwrap_or_default();
    if bytes.is_empty() {
        return Ok(None);
    }
    let word = B256::try_from(&bytes[..]);
    word.map(Some).map_err(|_| NodeFailure::Nonsense(format!("{} bytes where 32 belong", bytes.len())))
}

/// The logs of an answer.
pub fn logs(said: Value) -> Result<Vec<EventLog>, NodeFailure> {
    let logs: Vec<Log> = shaped(said)?.unwrap_or_default();
    Ok(logs.into_iter().map(EventLog::from).collect())
}

/// What a chain transaction was called with; none where there is no such one.
pub fn input(said: Value) -> Result<Option<Bytes>, NodeFailure> {
    let sent: Option<Sent> = shaped(said)?;
    let called = |Sent { input, calls }: Sent| match (input, calls) {
        (Some(input), _) => Ok(input),
        (None, Some(calls)) => Ok(calls.iter().flat_map(|call| call.input.to_vec()).collect::<Vec<u8>>().into()),
        (None, None) => Err(NodeFailure::Nonsense("a chain transaction without what it was called with".to_owned())),
    };
    sent.map(called).transpose()
}

/// The logs in a receipt; none where the chain transaction failed, or is not there.
pub fn logs_of_success(said: Value) -> Result<Vec<EventLog>, NodeFailure> {
    let receipt: Option<Receipt> = shaped(said)?;
    let logs = receipt.filter(|receipt| receipt.status == 1).map_or_else(Vec::new, |receipt| receipt.logs);
    Ok(logs.into_iter().map(EventLog::from).collect())
}

/// A result in the shape it must have; none where it is `null`.
fn shaped<T: for<'de> Deserialize<'de>>(said: Value) -> Result<Option<T>, NodeFailure> {
    serde_json::from_value(said)
        .map_err(|error| NodeFailure::Nonsense(text::quoted(&error.to_string(), limits::QUOTED_CHARS)))
}

/// `0x` and up to 16 digits.
fn parse_quantity(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x")?;
    let proper = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    proper.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

fn read_quantity<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    let text = String::deserialize(d)?;
    parse_quantity(&text).ok_or_else(|| serde::de::Error::custom("not a number as chains write it"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_strictly() {
        for (text, number) in [("0x0", 0), ("0x1a", 26), ("0xFFFFFFFFFFFFFFFF", u64::MAX), ("0x0001", 1)] {
            assert_eq!(parse_quantity(text), Some(number), "{text}");
        }
        for text in ["", "0x", "1", "0X1", "0x1g", "0x-1", "0x+1", " 0x1", "0x10000000000000000", "0xü"] {
            assert_eq!(parse_quantity(text), None, "{text}");
        }
    }

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

    proptest! {
        #[test]
        fn no_bytes_of_a_node_are_too_much_for_the_reader(bytes: Vec<u8>, text in "\\PC*", number: i64) {
            let _ = result(&bytes, 1);
            let answer = json!({ "id": 1, "result": text, "error": null });
            let said = result(answer.to_string().as_bytes(), 1).unwrap();
            let _ = quantity(&said);
            for odd in [said, json!(number), json!([text]), json!({ "number": text, "timestamp": number })] {
                let _ = shaped::<Header>(odd.clone());
                let _ = shaped::<Vec<Log>>(odd.clone());
                let _ = shaped::<Bytes>(odd);
            }
        }
    }
}
