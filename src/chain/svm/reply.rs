//! What nodes of Solana's say, read strictly: nothing a node answers is trusted to have a shape.

#![expect(missing_docs, reason = "each reads what its name says, and the fields are what theirs say")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::authorization::RecentBlock;
use crate::chain::json_rpc::{NodeFailure, shaped};
use crate::money::{is_solana_signature, solana_key};

/// How far a cluster has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    pub slot: u64,
    pub height: u64,
}

/// One chain transaction in the history of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its name.
    pub signature: String,
    pub slot: u64,
    /// When its block was made, where the node knows.
    pub time_secs: Option<u64>,
    /// Everything that was written beside it, as the node tells it.
    pub memo: Option<String>,
    pub has_failed: bool,
}

/// A chain transaction, as it is in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub slot: u64,
    pub signatures: Vec<[u8; 64]>,
    pub message: Vec<u8>,
    pub has_failed: bool,
    pub before: Vec<Holding>,
    pub after: Vec<Holding>,
}

/// What an account held of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub mint: String,
    pub owner: Option<String>,
    pub amount: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Epoch {
    absolute_slot: u64,
    block_height: u64,
}

#[derive(Deserialize)]
struct Told<T> {
    context: Context,
    value: T,
}

#[derive(Deserialize)]
struct Context {
    slot: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Latest {
    blockhash: String,
    last_valid_block_height: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryLine {
    signature: String,
    slot: u64,
    #[serde(default)]
    block_time: Option<u64>,
    #[serde(default)]
    err: Value,
    #[serde(default)]
    memo: Option<String>,
}

#[derive(Deserialize)]
struct Landed {
    slot: u64,
    transaction: (String, String),
    meta: Option<Meta>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    err: Value,
    #[serde(default)]
    pre_token_balances: Option<Vec<TokenBalance>>,
    #[serde(default)]
    post_token_balances: Option<Vec<TokenBalance>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenBalance {
    mint: String,
    #[serde(default)]
    owner: Option<String>,
    ui_token_amount: TokenAmount,
}

#[derive(Deserialize)]
struct TokenAmount {
    amount: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockHead {
    block_height: Option<u64>,
}

#[derive(Deserialize)]
struct AccountInfo {
    owner: String,
    data: (String, String),
}

/// An account of the chain's: which program's it is, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountData {
    pub program: String,
    pub data: Vec<u8>,
}

pub fn text(said: &Value) -> Result<&str, NodeFailure> {
    said.as_str().ok_or_else(|| nonsense("that is no text"))
}

pub fn number(said: &Value) -> Result<u64, NodeFailure> {
    said.as_u64().ok_or_else(|| nonsense("that is no number"))
}

/// None where the node does not know.
pub fn time(said: &Value) -> Result<Option<u64>, NodeFailure> {
    if said.is_null() { Ok(None) } else { number(said).map(Some) }
}

pub fn tip(said: Value) -> Result<Tip, NodeFailure> {
    let Epoch { absolute_slot, block_height } = whole(said)?;
    Ok(Tip { slot: absolute_slot, height: block_height })
}

pub fn recent_block(said: Value) -> Result<RecentBlock, NodeFailure> {
    let Told { context, value: Latest { blockhash, last_valid_block_height } } = whole(said)?;
    let hash = solana_key(&blockhash).ok_or_else(|| nonsense("that is not the hash of a block"))?;
    Ok(RecentBlock { hash, slot: context.slot, last_height: last_valid_block_height })
}

pub fn history(said: Value) -> Result<Vec<HistoryEntry>, NodeFailure> {
    let lines: Vec<HistoryLine> = whole(said)?;
    let read = |HistoryLine { signature, slot, block_time, err, memo }| match is_solana_signature(&signature) {
        true => Ok(HistoryEntry { signature, slot, time_secs: block_time, memo, has_failed: !err.is_null() }),
        false => Err(nonsense("that is not the name of a chain transaction")),
    };
    lines.into_iter().map(read).collect()
}

/// None where the node has no such one.
pub fn transaction(said: Value) -> Result<Option<Transaction>, NodeFailure> {
    let Some(Landed { slot, transaction: (written, encoding), meta }) = shaped(said)? else { return Ok(None) };
    // Without it nobody can tell what came of it.
    let Some(Meta { err, pre_token_balances, post_token_balances }) = meta else {
        return Err(NodeFailure::Refused("it does not keep what came of chain transactions".to_owned()));
    };
    let bytes = in_base64(&written, &encoding)?;
    let (signatures, message) = parts(&bytes).ok_or_else(|| nonsense("that is not a chain transaction"))?;
    let holdings = |of: Option<Vec<TokenBalance>>| {
        let held = |TokenBalance { mint, owner, ui_token_amount }| {
            let amount = ui_token_amount.amount.parse().map_err(|_| nonsense("that is not an amount"))?;
            Ok(Holding { mint, owner, amount })
        };
        of.unwrap_or_default().into_iter().map(held).collect::<Result<Vec<_>, NodeFailure>>()
    };
    Ok(Some(Transaction {
        slot,
        signatures,
        message: message.to_vec(),
        has_failed: !err.is_null(),
        before: holdings(pre_token_balances)?,
        after: holdings(post_token_balances)?,
    }))
}

pub fn block_height(said: Value) -> Result<u64, NodeFailure> {
    let BlockHead { block_height } = whole(said)?;
    block_height.ok_or_else(|| NodeFailure::Refused("it does not say how high a block is".to_owned()))
}

/// None where there is no such account.
pub fn account(said: Value) -> Result<Option<AccountData>, NodeFailure> {
    let Told { value, .. }: Told<Option<AccountInfo>> = whole(said)?;
    let read = |AccountInfo { owner, data: (written, encoding) }| {
        Ok(AccountData { program: owner, data: in_base64(&written, &encoding)? })
    };
    value.map(read).transpose()
}

/// A number with the slot it was read at.
pub fn number_told(said: Value) -> Result<u64, NodeFailure> {
    let Told { value, .. }: Told<u64> = whole(said)?;
    Ok(value)
}

/// How much an account of an asset holds, and whether it is of this asset and this owner.
pub fn held(data: &[u8], mint: &[u8; 32], owner: &[u8; 32]) -> Option<u64> {
    let is_the_one = data.get(..32)? == mint && data.get(32..64)? == owner;
    let amount: [u8; 8] = data.get(64..72)?.try_into().ok()?;
    is_the_one.then(|| u64::from_le_bytes(amount))
}

/// Who has to sign a message: the accounts at its beginning.
pub fn signers(message: &[u8]) -> Option<Vec<[u8; 32]>> {
    // What is not of a version begins with how many they are.
    let rest = match message.first()? {
        version if version & 0x80 != 0 => &message[1..],
        _ => message,
    };
    let count = usize::from(*rest.first()?);
    let (keys, after) = length(rest.get(3..)?)?;
    let bytes = after.get(..32 * count.min(keys))?;
    Some(bytes.chunks_exact(32).filter_map(|key| key.try_into().ok()).collect())
}

/// The signatures of a chain transaction, and what is behind them.
fn parts(transaction: &[u8]) -> Option<(Vec<[u8; 64]>, &[u8])> {
    let (count, rest) = length(transaction)?;
    let (signatures, message) = rest.split_at_checked(64_usize.checked_mul(count)?)?;
    let signatures = signatures.chunks_exact(64).filter_map(|signature| signature.try_into().ok()).collect();
    (!message.is_empty()).then_some((signatures, message))
}

/// As Solana writes how many there are, and what is behind that.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut count = 0_usize;
    for (at, byte) in bytes.iter().take(3).enumerate() {
        count |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((count, &bytes[at + 1..]));
        }
    }
    None
}

fn in_base64(text: &str, encoding: &str) -> Result<Vec<u8>, NodeFailure> {
    let read = STANDARD.decode(text).ok().filter(|_| encoding == "base64");
    read.ok_or_else(|| nonsense("that is not in base64"))
}

/// A result that has to be there.
fn whole<T: for<'de> Deserialize<'de>>(said: Value) -> Result<T, NodeFailure> {
    shaped(said)?.ok_or_else(|| nonsense("nothing"))
}

fn nonsense(what: &str) -> NodeFailure {
    NodeFailure::Nonsense(what.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn lengths_are_read_as_they_are_written() {
        for (bytes, count) in [(&[0][..], 0), (&[0x7f], 127), (&[0x80, 1], 128), (&[0xff, 0xff, 3], 0xffff)] {
            assert_eq!(length(bytes), Some((count, &[][..])), "{bytes:?}");
        }
        for bytes in [&[][..], &[0x80], &[0x80, 0x80, 0x80, 1]] {
            assert_eq!(length(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_chain_transaction_is_its_message_and_what_came_of_it() {
        let written = STANDARD.encode([&[2][..], &[7; 128], b"the message"].concat());
        let held = |amount: &str| json!([{ "mint": "m", "owner": "o", "uiTokenAmount": { "amount": amount } }]);
        let said = json!({
            "slot": 9, "transaction": [written, "base64"],
            "meta": { "err": null, "preTokenBalances": held("5"), "postTokenBalances": held("3") },
        });
        let read = transaction(said.clone()).unwrap().unwrap();
        assert_eq!((read.slot, read.message.as_slice(), read.has_failed), (9, &b"the message"[..], false));
        assert_eq!(read.signatures, [[7; 64]; 2]);
        assert_eq!((read.before[0].amount, read.after[0].amount), (5, 3));
        let mut failed = said.clone();
        failed["meta"]["err"] = json!({ "InstructionError": [2, { "Custom": 1 }] });
        assert!(transaction(failed).unwrap().unwrap().has_failed);
        assert_eq!(transaction(Value::Null), Ok(None));
        for (place, odd) in [
            ("/meta", Value::Null),
            ("/transaction/0", json!("!")),
            ("/transaction/0", json!(STANDARD.encode([2, 7]))),
            ("/transaction/1", json!("base58")),
            ("/slot", json!("9")),
            ("/meta/preTokenBalances/0/uiTokenAmount/amount", json!("5.0")),
        ] {
            let mut other = said.clone();
            *other.pointer_mut(place).unwrap() = odd.clone();
            assert!(transaction(other).is_err(), "{place} {odd}");
        }
    }

    #[test]
    fn whoever_has_to_sign_stands_at_the_beginning() {
        let keys = [[1; 32], [2; 32], [3; 32]];
        let body = [&[2, 1, 0, 3][..], &keys.concat(), &[0; 40]].concat();
        for message in [body.clone(), [&[0x80][..], &body].concat()] {
            assert_eq!(signers(&message), Some(keys[..2].to_vec()));
        }
        assert_eq!(signers(&body[..60]), None);
        assert_eq!(signers(&[]), None);
    }

    #[test]
    fn what_is_held_is_read_of_the_right_account_only() {
        let data = [&[1; 32][..], &[2; 32], &7_u64.to_le_bytes(), &[0; 93]].concat();
        assert_eq!(held(&data, &[1; 32], &[2; 32]), Some(7));
        assert_eq!(held(&data, &[1; 32], &[3; 32]), None);
        assert_eq!(held(&data, &[3; 32], &[2; 32]), None);
        assert_eq!(held(&data[..70], &[1; 32], &[2; 32]), None);
    }

    proptest! {
        #[test]
        fn nothing_a_node_says_is_too_much_for_the_readers(bytes: Vec<u8>, words in "\\PC*", count: i64) {
            let _ = (parts(&bytes), signers(&bytes), held(&bytes, &[0; 32], &[0; 32]));
            for odd in [
                json!(words), json!(count), json!([words]), json!({ "slot": count, "transaction": [words, "base64"] }),
                json!({ "context": { "slot": 1 }, "value": { "blockhash": words, "lastValidBlockHeight": count } }),
                json!({ "context": { "slot": 1 }, "value": { "owner": words, "data": [words, "base64"] } }),
                json!([{ "signature": words, "slot": count }]),
            ] {
                let _ = (tip(odd.clone()), recent_block(odd.clone()), history(odd.clone()), account(odd.clone()));
                let _ = (transaction(odd.clone()), block_height(odd.clone()), number_told(odd.clone()), time(&odd));
            }
        }
    }
}
