//! Nodes on real sockets that answer as they are told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use alloy_primitives::{B256, b256, hex};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use url::Url;

use super::*;
use crate::authorization::{Eip3009, Facts, Tempo};
use crate::offer::TEMPO_FEES;
use crate::settlement::Transfer;

const CANCELED: B256 = b256!("1cdd46ff242716cdaa72d159d339a485b3438398348d68f09d7c8c0a59353d81");
const CHAIN: u64 = 84532;
const HEAD: u64 = 50_000;
const FINAL: u64 = 49_900;

/// One node: what it is asked, and its URL, with a key that must never be shown.
struct Fake {
    url: Url,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    requests: Arc<AtomicUsize>,
}

/// What a node says to one question: a result, a refusal, or these bytes instead of either.
enum Say {
    Result(Value),
    Refuse(&'static str),
    Raw(String),
    Nothing,
}

impl Fake {
    async fn open(script: impl Fn(&str, &Value) -> Say + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v2/SECRET?key=SECRET", listener.local_addr().unwrap()).parse().unwrap();
        let asked: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let requests: Arc<AtomicUsize> = Arc::default();
        let (heard, counted, script) = (asked.clone(), requests.clone(), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, heard.clone(), counted.clone(), script.clone()));
            }
        });
        Fake { url, asked, requests }
    }

    /// An honest node; `special` goes first.
    async fn honest(special: impl Fn(&str, &Value) -> Option<Say> + Send + Sync + 'static) -> Fake {
        Fake::open(move |method, params| special(method, params).unwrap_or_else(|| honestly(method, params))).await
    }

    fn questions(&self, method: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|(name, _)| name == method).map(|(_, params)| params.clone()).collect()
    }
}

/// Two seconds a block; the head at 100,000 s; nothing used.
fn honestly(method: &str, params: &Value) -> Say {
    Say::Result(match method {
        "eth_chainId" => json!(format!("{CHAIN:#x}")),
        "eth_getBlockByNumber" => header(match params[0].as_str().unwrap() {
            "latest" => HEAD,
            "finalized" => FINAL,
            number => parsed(number),
        }),
        "eth_call" => json!(B256::ZERO),
        "eth_getLogs" => json!([]),
        _ => Value::Null,
    })
}

fn header(number: u64) -> Value {
    json!({ "number": format!("{number:#x}"), "timestamp": format!("{:#x}", number * 2), "hash": "ignored" })
}

fn parsed(number: &str) -> u64 {
    u64::from_str_radix(number.trim_start_matches("0x"), 16).unwrap()
}

fn block(number: u64) -> Block {
    Block { number, time_secs: number * 2 }
}

async fn serve(
    mut stream: TcpStream,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
    counted: Arc<AtomicUsize>,
    script: Arc<impl Fn(&str, &Value) -> Say + Send + Sync + 'static>,
) {
    while let Some(asked) = hear(&mut stream).await {
        counted.fetch_add(1, Ordering::Relaxed);
        if asked.is_array() && matches!(script("a batch", &asked), Say::Refuse(_)) {
            let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no batches"}}"#;
            let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            stream.write_all(reply.as_bytes()).await.unwrap();
            continue;
        }
        let mut said = Vec::new();
        for question in asked.as_array().unwrap_or(&vec![asked.clone()]) {
            let (method, params) = (question["method"].as_str().unwrap().to_owned(), question["params"].clone());
            heard.lock().unwrap().push((method.clone(), params.clone()));
            said.push(match script(&method, &params) {
                Say::Result(result) => json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }).to_string(),
                Say::Refuse(why) => {
                    json!({ "jsonrpc": "2.0", "id": question["id"], "error": { "code": -32000, "message": why } })
                        .to_string()
                }
                Say::Raw(body) => body,
                Say::Nothing => return std::future::pending().await,
            });
        }
        let body = if asked.is_array() { format!("[{}]", said.join(",")) } else { said.remove(0) };
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn hear(stream: &mut TcpStream) -> Option<Value> {
    let mut text = String::new();
    loop {
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(question) = serde_json::from_str(body)
        {
            return Some(question);
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
}

fn network() -> Network {
    Network::eip155(CHAIN)
}

fn rpc(nodes: &[&Fake]) -> Rpc {
    confirmed_after(None, nodes)
}

fn confirmed_after(confirmations: Option<u64>, nodes: &[&Fake]) -> Rpc {
    let rpc = nodes.iter().map(|node| node.url.clone()).collect();
    Rpc::new([(network(), Nodes { rpc, confirmations })])
}

/// Signed for a window around block 49,700.
fn signed() -> Eip3009 {
    Eip3009 {
        network: network(),
        asset: Address::repeat_byte(0xaa),
        asset_name: "USDC".into(),
        asset_version: "2".into(),
        from: Address::repeat_byte(1),
        to: Address::repeat_byte(2),
        value: U256::from(10_000),
        valid_after: 99_000,
        valid_before: 99_600,
        nonce: B256::repeat_byte(7),
    }
}

fn document() -> Authorization {
    Authorization::Eip3009(signed())
}

fn asset() -> Account {
    document().facts().asset
}

fn owner() -> Account {
    document().facts().from
}

/// The node's name, and how far it was searched.
fn searched(node: &Fake, block: u64) -> SearchedTo {
    [(node.url.authority().to_owned(), block)].into()
}

fn tx() -> B256 {
    B256::repeat_byte(9)
}

fn used_log(block: u64) -> Value {
    let topics = [eip3009_use(), signed().from.into_word(), signed().nonce];
    log(block, 4, &topics, "0x")
}

fn transfer_log(index: u64, from: Address, to: Address, value: u64) -> Value {
    let topics = [token::Transfer::SIGNATURE_HASH, from.into_word(), to.into_word()];
    log(49_700, index, &topics, &hex::encode_prefixed(U256::from(value).to_be_bytes::<32>()))
}

fn log(block: u64, index: u64, topics: &[B256], data: &str) -> Value {
    json!({
        "address": signed().asset, "topics": topics, "data": data, "blockNumber": format!("{block:#x}"),
        "transactionHash": tx(), "logIndex": format!("{index:#x}"), "removed": false,
    })
}

/// A node that saw it used in block 49,700, with these logs in the receipt.
async fn that_saw_it_used(receipt: Vec<Value>) -> Fake {
    Fake::honest(move |method, params| {
        let filter = &params[0];
        Some(Say::Result(match method {
            "eth_call" => json!(B256::with_last_byte(1)),
            "eth_getLogs" => {
                let within = |log: &Value| {
                    let number = parsed(log["blockNumber"].as_str().unwrap());
                    let edge = |name: &str| parsed(filter[name].as_str().unwrap());
                    (edge("fromBlock")..=edge("toBlock")).contains(&number)
                };
                json!([used_log(49_700)].into_iter().filter(within).collect::<Vec<_>>())
            }
            "eth_getTransactionReceipt" => json!({ "status": "0x1", "logs": receipt }),
            _ => return None,
        }))
    })
    .await
}

async fn word_of(node: &Fake) -> Result<Testimony, ChainError> {
    rpc(&[node]).testimonies(&[document()]).await.remove(0).remove(0)
}

/// As many authorizations as that, of one moment.
fn many(count: u8) -> Vec<Authorization> {
    let signed = |nth| Authorization::Eip3009(Eip3009 { nonce: B256::repeat_byte(nth), ..signed() });
    (0..count).map(signed).collect()
}

#[tokio::test]
async fn many_payments_are_asked_about_in_few_requests_and_what_is_asked_alike_once() {
    let node = Fake::honest(|_, _| None).await;
    let told = rpc(&[&node]).testimonies(&many(40)).await;
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|told| told[0].as_ref().unwrap().fate == Use::Unused), "{told:?}");
    assert_eq!(node.questions("eth_call").len(), 40);
    assert_eq!(node.questions("eth_getBlockByNumber").len(), 2, "the final block and the newest");
    assert!(node.requests.load(Ordering::Relaxed) <= 4, "{:?}", node.requests);
}

#[tokio::test]
async fn each_is_told_of_its_own_though_all_were_asked_together() {
    let used = |params: &Value| params[0]["data"].as_str().unwrap().ends_with("05");
    let node = Fake::honest(move |method, params| {
        (method == "eth_call" && used(params)).then(|| Say::Result(json!(B256::with_last_byte(1))))
    })
    .await;
    let told = rpc(&[&node]).testimonies(&many(60)).await;
    let fates: Vec<_> = told.iter().map(|told| told[0].as_ref().unwrap().fate.clone()).collect();
    let used: Vec<_> = (0..60).filter(|nth| fates[*nth] == Use::Used(None)).collect();
    assert_eq!(used, [5]);
}

#[tokio::test]
async fn a_node_that_takes_one_question_at_a_time_is_asked_one_by_one() {
    let node = Fake::honest(|method, _| (method == "a batch").then_some(Say::Refuse("no"))).await;
    let chains = rpc(&[&node]);
    for refused in [1, 0] {
        let before = node.requests.load(Ordering::Relaxed);
        let told = chains.testimonies(&many(3)).await;
        assert!(told.iter().all(|told| told[0].as_ref().unwrap().fate == Use::Unused), "{told:?}");
        let questions = node.asked.lock().unwrap().len();
        node.asked.lock().unwrap().clear();
        let requests = node.requests.load(Ordering::Relaxed) - before;
        assert_eq!(requests - questions, refused, "it is remembered");
    }
}

#[tokio::test]
async fn what_was_refused_in_company_is_asked_again_alone() {
    let first = Mutex::new(true);
    let node = Fake::honest(move |method, _| {
        let is_first = method == "eth_call" && std::mem::take(&mut *first.lock().unwrap());
        is_first.then_some(Say::Refuse("too many at once"))
    })
    .await;
    let told = rpc(&[&node]).testimonies(&many(3)).await;
    assert!(told.iter().all(|told| told[0].as_ref().unwrap().fate == Use::Unused), "{told:?}");
    assert_eq!(node.questions("eth_call").len(), 4);
}

#[tokio::test]
async fn a_testimony_is_of_one_block_of_one_node() {
    let node = Fake::honest(|_, _| None).await;
    let name = node.url.authority().to_owned();
    let expected = Testimony { node: name, fate: Use::Unused, at: block(HEAD), finalized: Some(block(FINAL)) };
    let chains = rpc(&[&node]);
    assert_eq!(chains.testimonies(&[document()]).await.remove(0), [Ok(expected.clone())]);
    assert_eq!(chains.testimonies(&[document()]).await.remove(0), [Ok(expected)]);

    assert_eq!(node.questions("eth_chainId").len(), 1, "asked once");
    assert!(node.questions("eth_getLogs").is_empty());
    let calls = node.questions("eth_call");
    assert_eq!(calls[0][1], json!(format!("{HEAD:#x}")), "at a certain block");
    let data = hex::decode(calls[0][0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(hex::encode(&data[..4]), "e94a0102");
    assert_eq!((&data[16..36], &data[36..]), (signed().from.as_slice(), signed().nonce.as_slice()));
}

#[tokio::test]
async fn a_used_authorization_comes_with_its_transfer() {
    let (from, to) = (signed().from, signed().to);
    let stranger = Address::repeat_byte(3);
    let receipts = [
        vec![used_log(49_700), transfer_log(5, from, to, 10_000)],
        // Settled together with others of ours and of strangers, in any order.
        vec![
            transfer_log(1, from, to, 7),
            transfer_log(2, stranger, to, 10_000),
            transfer_log(3, from, to, 10_000),
            used_log(49_700),
            transfer_log(5, from, to, 8),
        ],
    ];
    for receipt in receipts {
        let node = that_saw_it_used(receipt).await;
        let told = word_of(&node).await.unwrap();
        let Facts { from, to, most: amount, .. } = document().facts();
        let moved = Transfer { chain_tx: tx().to_string(), block: 49_700, from, to, amount };
        assert_eq!(told.fate, Use::Used(Some(moved)));
        let topics = json!([[eip3009_use(), CANCELED], signed().from.into_word(), signed().nonce]);
        assert_eq!(node.questions("eth_getLogs")[0][0]["topics"], topics);
    }
}

#[tokio::test]
async fn a_transfer_that_is_not_what_was_signed_is_told_as_it_is() {
    let (from, to) = (signed().from, signed().to);
    let receipt = vec![transfer_log(1, from, to, 3), used_log(49_700), transfer_log(5, from, to, 999_999)];
    let told = word_of(&that_saw_it_used(receipt).await).await.unwrap();
    assert_eq!(told.transfer().unwrap().amount, Amount(U256::from(999_999)));
}

#[tokio::test]
async fn logs_that_fail_do_not_spoil_what_the_state_said() {
    for failing in ["eth_getLogs", "eth_getTransactionReceipt"] {
        let node = Fake::honest(move |method, _| match method {
            "eth_call" => Some(Say::Result(json!(B256::with_last_byte(1)))),
            "eth_getLogs" if failing != method => Some(Say::Result(json!([used_log(49_700)]))),
            _ if failing == method => Some(Say::Refuse("not on this plan")),
            _ => None,
        })
        .await;
        let told = word_of(&node).await.unwrap();
        assert_eq!(told.fate, Use::Used(None), "{failing}");
    }
}

#[tokio::test]
async fn a_log_that_was_not_asked_for_is_no_evidence() {
    let other = B256::repeat_byte(8);
    let mut removed = used_log(49_700);
    removed["removed"] = json!(true);
    let mut elsewhere = used_log(49_700);
    elsewhere["address"] = json!(Address::repeat_byte(0xbb));
    let mut of_another = used_log(49_700);
    of_another["topics"][2] = json!(other);
    let node = Fake::honest(move |method, _| match method {
        "eth_call" => Some(Say::Result(json!(B256::with_last_byte(1)))),
        "eth_getLogs" => Some(Say::Result(json!([removed, elsewhere, of_another, used_log(1)]))),
        _ => None,
    })
    .await;
    assert_eq!(word_of(&node).await.unwrap().fate, Use::Used(None));
    assert!(node.questions("eth_getTransactionReceipt").is_empty());
}

#[tokio::test]
async fn a_machine_without_the_newest_block_is_asked_about_one_a_little_older() {
    let node = Fake::honest(|method, params| {
        let is_head = params[1] == json!(format!("{HEAD:#x}"));
        (method == "eth_call" && is_head).then_some(Say::Refuse("header not found"))
    })
    .await;
    let told = word_of(&node).await.unwrap();
    assert_eq!((told.fate, told.at), (Use::Unused, block(HEAD - BEHIND_HEAD)));
}

#[tokio::test]
async fn without_a_finalized_tag_the_owners_confirmations_count_or_nothing_is_final() {
    let node = Fake::honest(|_, params| (params[0] == "finalized").then_some(Say::Refuse("unknown tag"))).await;
    let finalized = async |confirmations| {
        let told = confirmed_after(confirmations, &[&node]).testimonies(&[document()]).await.remove(0);
        told[0].as_ref().unwrap().finalized
    };
    assert_eq!(finalized(Some(64)).await, Some(block(HEAD - 64)));
    assert_eq!(finalized(None).await, None);
}

#[tokio::test]
async fn a_node_on_another_chain_is_not_believed() {
    let node = Fake::honest(|method, _| (method == "eth_chainId").then_some(Say::Result(json!("0x1")))).await;
    let name = node.url.authority().to_owned();
    let other = ChainError::OtherChain { node: name, found: "1".to_owned(), expected: CHAIN.to_string() };
    assert_eq!(word_of(&node).await, Err(other.clone()));
    let chains = rpc(&[&node]);
    assert_eq!(chains.balance(&asset(), &owner()).await, Err(other.clone()));
    assert_eq!(chains.heads(&network()).await, [Err(other.clone())]);
    assert_eq!(chains.sightings(&asset(), &owner(), &SearchedTo::new()).await, Err(other));
}

#[tokio::test]
async fn nonsense_is_an_error_with_the_nodes_name_and_without_its_key() {
    type Case = (&'static str, fn() -> Say);
    let nonsense: [Case; 15] = [
        ("eth_chainId", || Say::Result(json!(84532))),
        ("eth_chainId", || Say::Result(json!("0x"))),
        ("eth_chainId", || Say::Raw("<html>Too Many Requests</html>".to_owned())),
        ("eth_chainId", || Say::Raw("".to_owned())),
        ("eth_chainId", || Say::Raw(r#"{"jsonrpc":"2.0","id":7,"result":"0x14a34"}"#.to_owned())),
        ("eth_getBlockByNumber", || Say::Result(Value::Null)),
        ("eth_getBlockByNumber", || Say::Result(json!({ "number": "0x1" }))),
        ("eth_getBlockByNumber", || Say::Result(json!({ "number": "0x1", "timestamp": -1 }))),
        ("eth_call", || Say::Result(json!("0x"))),
        ("eth_call", || Say::Result(Value::Null)),
        ("eth_call", || Say::Result(json!("0x01"))),
        ("eth_call", || Say::Result(json!("0xzz"))),
        ("eth_call", || Say::Result(json!(B256::with_last_byte(2)))),
        ("eth_call", || Say::Result(json!(B256::repeat_byte(0xff)))),
        ("eth_call", || Say::Result(json!(format!("0x{}", "00".repeat(64))))),
    ];
    for (number, (question, answer)) in nonsense.into_iter().enumerate() {
        let node = Fake::honest(move |method, _| (method == question).then(answer)).await;
        let error = word_of(&node).await.unwrap_err();
        assert!(matches!(error, ChainError::Nonsense { .. }), "{number}: {error:?}");
        assert!(!error.to_string().contains("SECRET"));
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_silent_and_its_key_is_not_shown() {
    // Bound, so that nobody else gets the port, and not listening.
    let unheard = TcpSocket::new_v4().unwrap();
    unheard.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = unheard.local_addr().unwrap();
    let url = format!("http://{closed}/SECRET?k=SECRET").parse().unwrap();
    let gone = Fake { url, asked: Arc::default(), requests: Arc::default() };
    let hanging = Fake::open(|_, _| Say::Nothing).await;
    let refusing = Fake::open(|_, _| Say::Refuse("rate limit\nexceeded")).await;
    let pouring = Fake::open(|_, _| Say::Raw("x".repeat(3 * 1024 * 1024))).await;
    for node in [gone, hanging, refusing, pouring] {
        let nodes = Nodes { rpc: vec![node.url.clone()], confirmations: None };
        let chains = Rpc::waiting(Duration::from_millis(300), [(network(), nodes)]);
        let error = chains.testimonies(&[document()]).await.remove(0).remove(0).unwrap_err();
        assert!(matches!(error, ChainError::Silent { .. }), "{error:?}");
        assert!(error.to_string().starts_with(node.url.authority()), "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[tokio::test]
async fn every_node_is_heard_and_each_only_once() {
    let honest = Fake::honest(|_, _| None).await;
    let refusing = Fake::open(|_, _| Say::Refuse("no")).await;
    let told = rpc(&[&honest, &refusing, &honest]).testimonies(&[document()]).await.remove(0);
    assert_eq!(told.len(), 2);
    assert!(told[0].is_ok() && told[1].is_err());
}

#[tokio::test]
async fn without_a_node_the_owner_is_told_where_to_add_one() {
    let nowhere = [Rpc::new([]), Rpc::new([(network(), Nodes::default())]), {
        let solana = Network::new("solana:mainnet");
        Rpc::new([(solana, Nodes { rpc: vec!["http://127.0.0.1:1".parse().unwrap()], confirmations: None })])
    }];
    for chains in nowhere {
        let none = ChainError::NoNode(network());
        assert_eq!(chains.testimonies(&[document()]).await.remove(0), [Err(none.clone())]);
        assert_eq!(chains.balance(&asset(), &owner()).await, Err(none.clone()));
        assert_eq!(chains.heads(&network()).await, [Err(none)]);
    }
}

#[tokio::test]
async fn a_balance_is_what_the_first_node_that_answers_says() {
    let dead = Fake::open(|_, _| Say::Refuse("no")).await;
    let full = B256::repeat_byte(0xff);
    let node = Fake::honest(move |method, _| (method == "eth_call").then(|| Say::Result(json!(full)))).await;
    let balance = rpc(&[&dead, &node]).balance(&asset(), &owner()).await;
    assert_eq!(balance, Ok(Amount(U256::MAX)));
    let data = node.questions("eth_call")[0][0]["data"].as_str().unwrap().to_owned();
    assert_eq!(data, format!("0x70a08231{}", hex::encode(signed().from.into_word())));
}

#[tokio::test]
async fn every_node_tells_its_newest_block() {
    let behind = Fake::honest(|_, params| (params[0] == "latest").then(|| Say::Result(header(7)))).await;
    let dead = Fake::open(|_, _| Say::Refuse("no")).await;
    let ahead = Fake::honest(|_, _| None).await;
    let heads = rpc(&[&behind, &ahead, &dead]).heads(&network()).await;
    assert_eq!((&heads[0], &heads[1], heads[2].is_err()), (&Ok(block(7)), &Ok(block(HEAD)), true));
}

#[tokio::test]
async fn sightings_are_read_in_ranges_that_the_node_allows() {
    let node = Fake::honest(|method, params| {
        let edge = |name: &str| parsed(params[0][name].as_str().unwrap_or("0x0"));
        let (from, to) = (edge("fromBlock"), edge("toBlock"));
        match method {
            "eth_getLogs" if to - from >= 600 => Some(Say::Refuse("range too wide")),
            "eth_getLogs" if (from..=to).contains(&49_700) => Some(Say::Result(json!([used_log(49_700)]))),
            _ => None,
        }
    })
    .await;
    let chains = rpc(&[&node]);
    let (seen, read_to) = chains.sightings(&asset(), &owner(), &searched(&node, 47_000)).await.unwrap();
    assert_eq!(
        seen,
        [Sighting {
            asset: asset(),
            how: Departed::By(signed().nonce),
            chain_tx: tx().to_string(),
            block: 49_700,
            seen_by: vec![node.url.authority().to_owned()],
            is_confirmed: false
        }]
    );
    assert_eq!(read_to, searched(&node, FINAL), "what is not final is read again");

    let asked: Vec<(u64, u64)> = node.questions("eth_getLogs").iter().map(|asked| range_of(&asked[0])).collect();
    let allowed: Vec<_> = asked.into_iter().filter(|(from, to)| to - from < 600).collect();
    assert_eq!((allowed[0].0, allowed.last().unwrap().1), (47_000, HEAD));
    assert!(allowed.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "no gap and no overlap");
}

fn range_of(filter: &Value) -> (u64, u64) {
    let edge = |name: &str| parsed(filter[name].as_str().unwrap());
    (edge("fromBlock"), edge("toBlock"))
}

#[tokio::test]
async fn one_look_for_sightings_is_bounded_and_says_how_far_it_came() {
    let node = Fake::honest(|_, params| (params[0] == "latest").then(|| Say::Result(header(10_000_000)))).await;
    let late = Fake::honest(|_, params| {
        let is_last = matches!(params[0].as_str(), Some("latest" | "finalized"));
        is_last.then(|| Say::Result(header(10_000_000)))
    })
    .await;
    let (_, read_to) = rpc(&[&late]).sightings(&asset(), &owner(), &searched(&late, 1_000)).await.unwrap();
    assert_eq!(read_to, searched(&late, 999 + LOG_BLOCKS * LOG_QUESTIONS as u64));
    assert_eq!(late.questions("eth_getLogs").len(), LOG_QUESTIONS);
    // With nothing known from before it begins at the head.
    let (_, read_to) = rpc(&[&node]).sightings(&asset(), &owner(), &SearchedTo::new()).await.unwrap();
    assert_eq!(read_to, searched(&node, 10_000_000));
}

#[tokio::test]
async fn the_next_node_is_asked_for_sightings_when_one_cannot() {
    let refusing = Fake::honest(|method, _| (method == "eth_getLogs").then_some(Say::Refuse("not on this plan"))).await;
    let node = Fake::honest(|_, _| None).await;
    let since = [searched(&refusing, HEAD - 300), searched(&node, HEAD - 10)].into_iter().flatten().collect();
    let seen = rpc(&[&refusing, &node]).sightings(&asset(), &owner(), &since).await;
    assert_eq!(seen, Ok((vec![], searched(&node, HEAD - 10))), "who did not answer keeps nobody back");
    assert!(refusing.questions("eth_getLogs").len() < 10);
}

#[tokio::test]
async fn an_old_use_is_looked_for_where_its_window_was() {
    let node = Fake::honest(|method, _| match method {
        "eth_call" => Some(Say::Result(json!(B256::with_last_byte(1)))),
        _ => None,
    })
    .await;
    let old = Authorization::Eip3009(Eip3009 { valid_after: 50_000, valid_before: 50_600, ..signed() });
    rpc(&[&node]).testimonies(&[old]).await.remove(0).remove(0).unwrap();
    let ranges: Vec<(u64, u64)> = node.questions("eth_getLogs").iter().map(|asked| range_of(&asked[0])).collect();
    let (first, last) = (ranges[0].0, ranges.last().unwrap().1);
    assert!(first < 25_000 && 25_300 < last, "{ranges:?}");
    assert!(last - first < 4 * LOG_BLOCKS, "{ranges:?}");
}

fn inventing(times: usize, receipt: bool) -> impl Fn(&str, &Value) -> Option<Say> {
    move |method, params| match method {
        "eth_getLogs" => {
            let (from, to) = range_of(&params[0]);
            let hit = (from..=to).contains(&49_700);
            Some(Say::Result(json!(vec![used_log(49_700); if hit { times } else { 0 }])))
        }
        "eth_getTransactionReceipt" if receipt => {
            Some(Say::Result(json!({ "status": "0x1", "logs": [used_log(49_700)] })))
        }
        _ => None,
    }
}

async fn is_confirmed_by_one(times: usize, receipt: bool) -> bool {
    let liar = Fake::honest(inventing(times, receipt)).await;
    let honest = Fake::honest(|_, _| None).await;
    let since = [searched(&honest, 49_000), searched(&liar, 49_000)].into_iter().flatten().collect();
    let (seen, _) = rpc(&[&honest, &liar]).sightings(&asset(), &owner(), &since).await.unwrap();
    assert_eq!(seen.len(), 1);
    seen[0].is_confirmed
}

#[tokio::test]
async fn one_node_that_says_it_twice_is_not_two() {
    assert!(!is_confirmed_by_one(2, false).await);
}

#[tokio::test]
async fn one_node_that_says_zero_does_not_empty_the_wallet() {
    let liar = Fake::honest(|_, _| None).await;
    let full =
        Fake::honest(|method, _| (method == "eth_call").then(|| Say::Result(json!(B256::with_last_byte(9))))).await;
    let balance = rpc(&[&liar, &full]).balance(&asset(), &owner()).await;
    assert_eq!(balance, Ok(Amount(U256::from(9))));
}

/// A transfer out of our account that no authorization is named beside, in a chain transaction that was called with this.
async fn that_saw_a_transfer(input: Option<&'static str>) -> Fake {
    let log = transfer_log(5, signed().from, signed().to, 10_000);
    Fake::honest(move |method, params| match method {
        "eth_getLogs" => {
            let (from, to) = range_of(&params[0]);
            Some(Say::Result(json!(vec![log.clone(); usize::from((from..=to).contains(&49_700))])))
        }
        "eth_getTransactionByHash" => match input {
            Some(input) => Some(Say::Result(json!({ "input": input }))),
            None => Some(Say::Refuse("not on this plan")),
        },
        _ => None,
    })
    .await
}

#[tokio::test]
async fn what_left_without_a_name_is_told_with_what_the_chain_transaction_was_called_with() {
    let node = that_saw_a_transfer(Some("0xabcd")).await;
    let (seen, _) = rpc(&[&node]).sightings(&asset(), &owner(), &searched(&node, 49_000)).await.unwrap();
    let to = Some(document().facts().to);
    assert_eq!(seen[0].how, Departed::Unnamed { to, called_with: Some(vec![0xab, 0xcd]) });
}

#[tokio::test]
async fn what_cannot_be_read_is_not_known() {
    let node = that_saw_a_transfer(None).await;
    let (seen, _) = rpc(&[&node]).sightings(&asset(), &owner(), &searched(&node, 49_000)).await.unwrap();
    assert_eq!(seen[0].how, Departed::Unnamed { to: Some(document().facts().to), called_with: None });
}

#[tokio::test]
async fn what_its_owner_took_back_is_told_as_that() {
    let canceled = log(49_700, 4, &[CANCELED, signed().from.into_word(), signed().nonce], "0x");
    let node = Fake::honest(move |method, params| match method {
        "eth_call" => Some(Say::Result(json!(B256::with_last_byte(1)))),
        "eth_getLogs" => {
            let (from, to) = range_of(&params[0]);
            Some(Say::Result(json!(vec![canceled.clone(); usize::from((from..=to).contains(&49_700))])))
        }
        _ => None,
    })
    .await;
    assert_eq!(word_of(&node).await.unwrap().fate, Use::NeverAgain(49_700));
}

/// A payment that only logs tell of, signed for the blocks from 49,500 to 49,550.
fn by_memo() -> Tempo {
    Tempo {
        network: network(),
        asset: signed().asset,
        from: signed().from,
        to: signed().to,
        value: U256::from(10_000),
        memo: B256::repeat_byte(7),
        valid_after: 99_000,
        valid_before: 99_100,
        gas: 400_000,
        max_fee: 50_000_000_000,
        tip: 1,
        is_sponsored: false,
    }
}

fn memo_log(memo: B256) -> Value {
    let topics = [tempo_memo(), signed().from.into_word(), signed().to.into_word(), memo];
    log(49_700, 2, &topics, &hex::encode_prefixed(U256::from(10_000).to_be_bytes::<32>()))
}

fn fee_log(fee: u64) -> Value {
    transfer_log(3, signed().from, TEMPO_FEES, fee)
}

async fn word_of_logs(node: &Fake, signed: Tempo) -> Result<Testimony, ChainError> {
    let all = rpc(&[node]).testimonies(&[Authorization::Tempo(signed)]).await;
    all.into_iter().flatten().next().unwrap()
}

#[tokio::test]
async fn silence_of_the_logs_of_a_whole_window_counts_up_to_a_minute_ago() {
    let node = Fake::honest(|_, _| None).await;
    let testimony = word_of_logs(&node, by_memo()).await.unwrap();
    assert_eq!((testimony.fate, testimony.at), (Use::Unused, block(HEAD - 30)));
    assert_eq!(testimony.finalized, Some(block(FINAL)));
    let asked: Vec<_> = node.questions("eth_getLogs").iter().map(|params| range_of(&params[0])).collect();
    assert_eq!(asked, [(49_500, 49_551); 2]);
    assert!(node.questions("eth_call").is_empty());
}

#[tokio::test]
async fn what_is_final_later_than_the_silence_counts_is_no_proof_of_it() {
    let node = Fake::honest(|_, params| (params[0] == "finalized").then(|| Say::Result(header(HEAD - 1)))).await;
    let testimony = word_of_logs(&node, by_memo()).await.unwrap();
    assert_eq!(testimony.finalized, Some(block(HEAD - 30)));
}

#[tokio::test]
async fn a_node_without_logs_says_nothing() {
    let node = Fake::honest(|method, _| (method == "eth_getLogs").then_some(Say::Refuse("pruned"))).await;
    assert!(matches!(word_of_logs(&node, by_memo()).await, Err(ChainError::Silent { .. })));
    let without_old_blocks =
        Fake::honest(|_, params| (params[0] == "0xc15c").then_some(Say::Result(Value::Null))).await;
    assert!(matches!(word_of_logs(&without_old_blocks, by_memo()).await, Err(ChainError::Nonsense { .. })));
}

#[tokio::test]
async fn logs_that_were_not_read_to_the_end_of_a_window_say_nothing() {
    let narrow = Fake::honest(|method, params| {
        let is_wide = || range_of(&params[0]).1 - range_of(&params[0]).0 >= LOG_BLOCKS_AT_LEAST;
        (method == "eth_getLogs" && is_wide()).then_some(Say::Refuse("too wide"))
    })
    .await;
    assert!(word_of_logs(&narrow, by_memo()).await.is_ok());
    let long = Tempo { valid_after: 60_000, ..by_memo() };
    assert!(matches!(word_of_logs(&narrow, long).await, Err(ChainError::Silent { .. })));
}

/// A node with these logs in its receipt, all of which it also finds.
async fn that_has(logs: Vec<Value>, input: &'static str) -> Fake {
    Fake::honest(move |method, params| {
        Some(Say::Result(match method {
            "eth_getLogs" => {
                let (from, to) = range_of(&params[0]);
                json!(if (from..=to).contains(&49_700) { logs.clone() } else { vec![] })
            }
            "eth_getTransactionReceipt" => json!({ "status": "0x1", "logs": logs }),
            "eth_getTransactionByHash" => json!({ "calls": [{ "input": "0xff" }, { "input": input }] }),
            _ => return None,
        }))
    })
    .await
}

#[tokio::test]
async fn a_use_that_only_a_log_tells_of_comes_with_its_price_and_its_fee() {
    let late = Tempo { valid_before: 99_600, ..by_memo() };
    let paid = vec![transfer_log(1, signed().from, signed().to, 10_000), memo_log(late.memo), fee_log(22)];
    let testimony = word_of_logs(&that_has(paid, "0x").await, late.clone()).await.unwrap();
    let Use::Used(Some(found)) = testimony.fate else { panic!("{testimony:?}") };
    assert_eq!((found.amount, testimony.at), (Amount(U256::from(10_022)), block(HEAD)));
    let of_another = vec![memo_log(B256::repeat_byte(8)), fee_log(22)];
    assert_eq!(word_of_logs(&that_has(of_another, "0x").await, late).await.unwrap().fate, Use::Unused);
}

#[tokio::test]
async fn a_payment_by_memo_leaves_once_and_takes_its_fee_along() {
    let paid = vec![transfer_log(1, signed().from, signed().to, 10_000), memo_log(by_memo().memo), fee_log(22)];
    let node = that_has(paid, "0x").await;
    let (seen, _) = rpc(&[&node]).sightings(&asset(), &owner(), &searched(&node, 49_000)).await.unwrap();
    let how: Vec<_> = seen.iter().map(|sighting| sighting.how.clone()).collect();
    assert_eq!(how, [Departed::By(by_memo().memo)]);
}

#[tokio::test]
async fn what_leaves_beside_a_payment_by_memo_is_seen() {
    let stranger = Address::repeat_byte(5);
    let beside = transfer_log(4, signed().from, stranger, 1);
    let paid = vec![transfer_log(1, signed().from, signed().to, 10_000), memo_log(by_memo().memo), fee_log(22), beside];
    let node = that_has(paid, "0xabcd").await;
    let (seen, _) = rpc(&[&node]).sightings(&asset(), &owner(), &searched(&node, 49_000)).await.unwrap();
    assert!(seen.iter().any(
        |sighting| matches!(&sighting.how, Departed::Unnamed { to: Some(to), .. } if to.as_evm() == Some(stranger))
    ));
}

#[tokio::test]
async fn a_fee_alone_is_told_with_what_was_called() {
    let node = that_has(vec![fee_log(35)], "0xabcd").await;
    let (seen, _) = rpc(&[&node]).sightings(&asset(), &owner(), &searched(&node, 49_000)).await.unwrap();
    let called_with = Some(vec![0xff, 0xab, 0xcd]);
    assert_eq!(seen[0].how, Departed::Unnamed { to: None, called_with });
}
