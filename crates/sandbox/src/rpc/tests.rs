//! A wallet's questions, asked over the wire.

use alloy_primitives::{U256, keccak256};

use super::*;
use crate::chain::{ASSET, ChainOptions, PERMIT2};
use crate::client;
use crate::payer::Payer;
use crate::tx::{SignedTx, Tx};

const AUTHORIZATION_USED: &str = "0x98de503528ee59b575ef0c0a2576a82497bfc029a5685b209e9ec333479b10a5";

struct Scene {
    chain: Arc<PlayChain>,
    rpc: Rpc,
    payer: Payer,
}

impl Scene {
    async fn new() -> Self {
        let chain = Arc::new(PlayChain::new(ChainOptions { idle_blocks: false, ..ChainOptions::default() }));
        let payer = Payer::well_known();
        chain.mint(payer.address, U256::from(1_000_000)).expect("minted");
        let rpc = Rpc::start(chain.clone(), 0).await.expect("listening");
        Self { chain, rpc, payer }
    }

    fn settle(&self, nonce: u8) -> B256 {
        let cent = self.payer.one_cent(&self.chain, nonce);
        self.chain.transfer_with_authorization(&cent, &self.payer.sign(&cent)).expect("settled")
    }

    async fn post(&self, body: &Value) -> Value {
        let reply = client::post(&self.rpc.url(), &[], body.to_string()).await.expect("a reply");
        serde_json::from_slice(&reply.body).expect("JSON")
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let answer = self.post(&call).await;
        assert_eq!(answer["id"], 7);
        answer["result"].clone()
    }

    fn authorization_state(&self, nonce: u8) -> Value {
        let nonce = B256::repeat_byte(nonce);
        let data = format!("0xe94a0102{}{}", self.payer.address.into_word(), nonce);
        json!({"to": ASSET.to_string(), "data": data.replace("0x", "").replacen("", "0x", 1)})
    }
}

#[tokio::test]
async fn a_node_says_which_chain_it_is_and_where_it_stands() {
    let s = Scene::new().await;
    assert_eq!(s.ask("eth_chainId", json!([])).await, "0x14a34");
    assert_eq!(s.ask("net_version", json!([])).await, "84532");
    assert_eq!(s.ask("eth_blockNumber", json!([])).await, "0x1");
    let code = s.ask("eth_getCode", json!([ASSET.to_string(), "latest"])).await;
    assert!(code.as_str().expect("hex").len() > 1_000);
}

#[tokio::test]
async fn finalized_lags_behind_latest_and_unknown_blocks_are_null() {
    let s = Scene::new().await;
    s.chain.mine(4);
    for (tag, number) in [
        ("latest", "0x5"),
        ("pending", "0x5"),
        ("safe", "0x3"),
        ("finalized", "0x3"),
        ("earliest", "0x0"),
        ("0x2", "0x2"),
    ] {
        let block = s.ask("eth_getBlockByNumber", json!([tag, false])).await;
        assert_eq!(block["number"], number, "{tag}");
    }
    let unknown = s.ask("eth_getBlockByNumber", json!(["0x99", false])).await;
    assert_eq!(unknown, Value::Null);
}

#[tokio::test]
async fn an_authorization_is_used_at_latest_before_it_is_used_at_finalized() {
    let s = Scene::new().await;
    s.settle(1);
    let call = s.authorization_state(1);
    let used = |answer: Value| answer.as_str().expect("hex").ends_with('1');
    assert!(used(s.ask("eth_call", json!([call, "latest"])).await));
    assert!(!used(s.ask("eth_call", json!([call, "finalized"])).await));
    s.chain.mine(2);
    assert!(used(s.ask("eth_call", json!([call, "finalized"])).await));
    let hash = json!({"blockHash": bytes(s.chain.head().hash)});
    assert!(used(s.ask("eth_call", json!([call, hash])).await));
}

#[tokio::test]
async fn an_exact_filter_finds_the_one_log_and_its_receipt() {
    let s = Scene::new().await;
    s.settle(1);
    let tx = s.settle(2);
    let who = s.payer.address.into_word();
    let filter = json!({"address": ASSET.to_string(), "fromBlock": "0x0", "toBlock": "latest",
        "topics": [AUTHORIZATION_USED, bytes(who), bytes(B256::repeat_byte(2))]});
    let logs = s.ask("eth_getLogs", json!([filter])).await;
    assert_eq!(logs.as_array().expect("a list").len(), 1);
    assert_eq!(logs[0]["transactionHash"], bytes(tx));
    let receipt = s.ask("eth_getTransactionReceipt", json!([bytes(tx)])).await;
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["logs"].as_array().expect("a list").len(), 2);
}

#[tokio::test]
async fn topics_may_be_lists_or_holes() {
    let s = Scene::new().await;
    s.settle(1);
    s.settle(2);
    let nonces = [1, 2].map(|n| bytes(B256::repeat_byte(n)));
    let count = async |topics: Value| {
        let filter = json!({"fromBlock": "earliest", "topics": topics});
        let logs = s.ask("eth_getLogs", json!([filter])).await;
        logs.as_array().expect("a list").len()
    };
    assert_eq!(count(json!([AUTHORIZATION_USED, null, nonces])).await, 2);
    assert_eq!(count(json!([AUTHORIZATION_USED, null, nonces[0]])).await, 1);
    assert_eq!(count(json!([])).await, 5);
}

#[tokio::test]
async fn a_batch_is_answered_in_order_with_errors_in_their_places() {
    let s = Scene::new().await;
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": 2, "method": "eth_accounts", "params": []},
        {"jsonrpc": "2.0", "id": 3, "method": "eth_call", "params": [{"to": "nowhere"}]},
        "nonsense",
    ]);
    let answers = s.post(&batch).await;
    assert_eq!(answers[0]["result"], "0x14a34");
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[2]["error"]["code"], -32602);
    assert_eq!(answers[3]["error"]["code"], -32600);
}

#[tokio::test]
async fn a_revert_carries_the_contract_s_reason() {
    let s = Scene::new().await;
    let call = json!({"to": ASSET.to_string(), "data": "0xdeadbeef"});
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [call]});
    assert_eq!(s.post(&request).await["error"]["code"], 3);
}

#[tokio::test]
async fn a_node_that_is_down_hangs_up_and_comes_back() {
    let s = Scene::new().await;
    s.rpc.set_down(true);
    assert!(client::post(&s.rpc.url(), &[], "{}").await.is_err());
    s.rpc.set_down(false);
    assert_eq!(s.ask("eth_chainId", json!([])).await, "0x14a34");
}

#[tokio::test]
async fn a_node_lies_as_it_is_told() {
    let s = Scene::new().await;
    s.settle(1);
    s.rpc.set_mood(Mood::WrongChain(1));
    assert_eq!(s.ask("eth_chainId", json!([])).await, "0x1");
    s.rpc.set_mood(Mood::StaleSince(1));
    assert_eq!(s.ask("eth_blockNumber", json!([])).await, "0x1");
    let unused = B256::ZERO;
    let call = s.authorization_state(1);
    assert_eq!(s.ask("eth_call", json!([call, "latest"])).await, bytes(unused));
    s.rpc.set_mood(Mood::Blind);
    assert_eq!(s.ask("eth_call", json!([call, "latest"])).await, bytes(unused));
    assert_eq!(s.ask("eth_getLogs", json!([{"fromBlock": "0x0"}])).await, json!([]));
    s.rpc.set_mood(Mood::Failing);
    assert_eq!(s.ask("eth_chainId", json!([])).await, Value::Null);
}

fn approval(payer: &Payer, nonce: u64, value: u64, gas_limit: u64) -> Bytes {
    let (spender, value) = (PERMIT2.into_word(), B256::from(U256::from(value)));
    let data = [&hex!("095ea7b3"), spender.as_slice(), value.as_slice()].concat().into();
    let (fee, chain_id) = (U256::from(1), CHAIN_ID);
    let tx = Tx {
        chain_id,
        nonce,
        max_priority_fee_per_gas: fee,
        max_fee_per_gas: fee,
        gas_limit,
        to: ASSET,
        value: U256::ZERO,
        data,
    };
    tx.signed_by(&payer.key)
}

#[tokio::test]
async fn anybody_s_signed_chain_transaction_is_taken_and_shown() {
    let s = Scene::new().await;
    assert_eq!(s.ask("eth_gasPrice", json!([])).await, "0x0");
    assert_eq!(s.ask("eth_maxPriorityFeePerGas", json!([])).await, "0x0");
    let raw = approval(&s.payer, 0, 5_000, 70_000);
    let hash = s.ask("eth_sendRawTransaction", json!([bytes(&raw)])).await;
    assert_eq!(hash, bytes(keccak256(&raw)));
    assert_eq!(s.chain.asset(ASSET).allowance(s.payer.address, PERMIT2), U256::from(5_000));
    let tx = s.ask("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(tx["hash"], hash);
    assert_eq!(tx["from"], bytes(s.payer.address));
    assert_eq!(tx["to"], bytes(ASSET));
    assert_eq!(tx["blockNumber"], "0x2");
    assert!(tx["input"].as_str().expect("hex").starts_with("0x095ea7b3"));
    assert_eq!(s.ask("eth_getTransactionByHash", json!([bytes(B256::ZERO)])).await, Value::Null);
}

#[tokio::test]
async fn an_account_s_chain_transactions_are_counted_block_by_block() {
    let s = Scene::new().await;
    let count = async |block: &str| s.ask("eth_getTransactionCount", json!([bytes(s.payer.address), block])).await;
    for nonce in 0..2 {
        s.chain.send_raw(&approval(&s.payer, nonce, 1, 70_000)).expect("taken");
    }
    assert_eq!(count("latest").await, "0x2");
    assert_eq!(count("0x2").await, "0x1");
    assert_eq!(count("0x1").await, "0x0");
    s.chain.reorganize(1);
    assert_eq!(count("latest").await, "0x1");
}

#[tokio::test]
async fn what_no_node_would_take_leaves_nothing() {
    let s = Scene::new().await;
    let good = approval(&s.payer, 0, 1, 70_000);
    let signed = SignedTx::read(&good).expect("read").tx;
    let with = |change: fn(&mut Tx)| {
        let mut tx = signed.clone();
        change(&mut tx);
        tx.signed_by(&s.payer.key)
    };
    for (raw, reason) in [
        (with(|tx| tx.nonce = 1), "nonce too high"),
        (with(|tx| tx.chain_id = 1), "invalid chain id for signer"),
        (with(|tx| tx.value = U256::ONE), "insufficient funds for gas * price + value"),
        (with(|tx| tx.max_fee_per_gas = U256::ZERO), "max priority fee per gas higher than max fee per gas"),
        (Bytes::from(vec![2, 0xc0]), "this is not a signed chain transaction of type 2"),
    ] {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [bytes(raw)]});
        let error = &s.post(&call).await["error"];
        assert_eq!((&error["code"], &error["message"]), (&json!(-32000), &json!(reason)));
    }
    assert_eq!(s.chain.head().number, 1);
    s.chain.send_raw(&good).expect("taken");
    assert_eq!(s.chain.send_raw(&good).expect_err("taken once").reason, "nonce too low");
}

#[tokio::test]
async fn one_that_fails_in_its_block_uses_its_nonce_and_says_so() {
    let s = Scene::new().await;
    let tx = s.chain.send_raw(&approval(&s.payer, 0, 5_000, 25_000)).expect("taken");
    let receipt = s.ask("eth_getTransactionReceipt", json!([bytes(tx)])).await;
    assert_eq!(receipt["status"], "0x0");
    assert_eq!(receipt["logs"], json!([]));
    assert_eq!(s.chain.nonce_of(s.payer.address), 1);
    assert_eq!(s.chain.asset(ASSET).allowance(s.payer.address, PERMIT2), U256::ZERO);
}

#[tokio::test]
async fn allowances_permit_nonces_and_nonces_of_permit2_can_be_asked_for() {
    let s = Scene::new().await;
    let (owner, spender) = (s.payer.address.into_word(), PERMIT2.into_word());
    s.chain.asset(ASSET).approve_permit2(s.payer.address, U256::from(7)).expect("approved");
    s.chain.invalidate_permit2_nonce(s.payer.address, U256::from(0x102)).expect("invalidated");
    let word = B256::with_last_byte(1);
    for (to, data, answer) in [
        (ASSET, [&hex!("dd62ed3e"), owner.as_slice(), spender.as_slice()].concat(), 7),
        (ASSET, [&hex!("7ecebe00"), owner.as_slice()].concat(), 0),
        (PERMIT2, [&hex!("4fe02b44"), owner.as_slice(), word.as_slice()].concat(), 4),
    ] {
        let call = json!({"to": bytes(to), "data": bytes(data)});
        let said = s.ask("eth_call", json!([call, "latest"])).await;
        assert_eq!(said, bytes(B256::with_last_byte(answer)));
    }
}

#[tokio::test]
async fn a_node_lies_about_nonces_of_permit2_as_it_does_about_others() {
    let s = Scene::new().await;
    s.chain.invalidate_permit2_nonce(s.payer.address, U256::ZERO).expect("invalidated");
    let data = [&hex!("4fe02b44"), s.payer.address.into_word().as_slice(), B256::ZERO.as_slice()].concat();
    let call = json!({"to": bytes(PERMIT2), "data": bytes(data)});
    for (mood, answer) in
        [(Mood::Honest, B256::with_last_byte(1)), (Mood::Blind, B256::ZERO), (Mood::Lying, B256::repeat_byte(0xff))]
    {
        s.rpc.set_mood(mood);
        assert_eq!(s.ask("eth_call", json!([call, "latest"])).await, bytes(answer), "{mood:?}");
    }
}
