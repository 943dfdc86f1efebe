//! What nodes say, read strictly: nothing a node answers is trusted to have a shape.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::chain::json_rpc::{NodeFailure, shaped};
use crate::settlement::{Block, EventLog};

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
    use crate::chain::json_rpc::result;

    #[test]
    fn quantities_are_read_strictly() {
        for (text, number) in [("0x0", 0), ("0x1a", 26), ("0xFFFFFFFFFFFFFFFF", u64::MAX), ("0x0001", 1)] {
            assert_eq!(parse_quantity(text), Some(number), "{text}");
        }
        for text in ["", "0x", "1", "0X1", "0x1g", "0x-1", "0x+1", " 0x1", "0x10000000000000000", "0xü"] {
            assert_eq!(parse_quantity(text), None, "{text}");
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
