//! Everything bursar reads that a stranger wrote, one function each. A target panics when something is not as it must
//! be: libFuzzer looks for inputs that do it, and `tests/fuzz.rs` runs those that are stored.

use std::str::from_utf8;
use std::sync::LazyLock;

use alloy_primitives::Address;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bursar::authorization::{
    Authorization, CannotDraft, Fact, Ground, Known, Message, RecentBlock, Signature, Signatures,
};
use bursar::chain::evm::reply;
use bursar::chain::json_rpc;
use bursar::chain::svm::reply as of_solana;
use bursar::config::Config;
use bursar::limits;
use bursar::listing::{self, Directory, DirectoryKind};
use bursar::mcp::arguments::{self, JsonObject};
use bursar::money::{Account, Amount, Asset, Assets, Network, Rail, Rate, Usd};
use bursar::offer::{self, Attested, Carrier, Dialect, Echo, Listed, Offer, Paying, Words};
use bursar::policy::{self, Decision, Funds, Policy, Question, Snapshot};
use bursar::request::Request;
use bursar::text;
use bursar::time::Time;
use bursar::wish::{self, Call, Wish};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;

pub type Target = fn(&[u8]);

pub const TARGETS: [(&str, Target); 11] = [
    ("amount", amount),
    ("arguments", tool_arguments),
    ("body", challenge_body),
    ("config", config),
    ("directory", directory),
    ("header", challenge_header),
    ("policy", policy_file),
    ("receipt", receipt),
    ("rpc", rpc_reply),
    ("tool", tool_answer),
    ("url", url),
];

static ASSETS: LazyLock<Assets> = LazyLock::new(Assets::default);
/// One of six decimals, and one of eighteen.
static COINS: LazyLock<[Asset; 2]> =
    LazyLock::new(|| [8453, 31611].map(|chain| ASSETS.on(&Network::eip155(chain)).next().expect("a coin").clone()));
static POLICY: LazyLock<Policy> = LazyLock::new(Policy::built_in);
static HERE: LazyLock<Url> = LazyLock::new(|| "https://api.example.com/thing".parse().expect("a URL"));
const US: Address = Address::repeat_byte(0x11);
const NOW: Time = Time::from_secs(1_800_000_000);

/// A challenge in headers: JSON is put into base64 first, so that one flipped bit is not all it takes to end it.
fn challenge_header(data: &[u8]) {
    let is_json = data.starts_with(b"{");
    let packed = if is_json { STANDARD.encode(data).into_bytes() } else { data.to_vec() };
    let charge = if is_json { charge_for(data).into_bytes() } else { data.to_vec() };
    let (Ok(value), Ok(charge)) = (HeaderValue::from_bytes(&packed), HeaderValue::from_bytes(&charge)) else { return };
    let names = ["payment-required", "x-cashu", "crawler-price"];
    let mut headers = HeaderMap::from_iter(names.map(|name| (name.parse().expect("a name"), value.clone())));
    headers.insert("www-authenticate", charge);
    holds(&Words::challenge(&headers, b""), &asked_for("GET"));
}

/// A challenge of MPP whose request is this.
fn charge_for(request: &[u8]) -> String {
    let request = URL_SAFE_NO_PAD.encode(request);
    format!(
        "Payment id=\"x\", realm=\"api.example.com\", method=\"evm\", intent=\"charge\", request=\"{request}\", \
         expires=\"2027-01-15T08:05:00Z\""
    )
}

fn challenge_body(data: &[u8]) {
    holds(&Words::challenge(&HeaderMap::new(), data), &asked_for("GET"));
}

/// What an MCP server answers to a call of a tool: what it amounts to, what is asked for in it, and what it says of a payment.
fn tool_answer(data: &[u8]) {
    let Ok(answer) = from_utf8(data) else { return };
    let status = offer::tool_status(answer, answer.contains("\"code\""));
    assert!((200..600).contains(&status), "{status}");
    let (headers, meta) = (HeaderMap::new(), Some(answer));
    let words = Words { status, headers: &headers, body: data, meta };
    if status == 402 {
        holds(&words, &Request::of_tool(&HERE, "weather", b"{}".to_vec()));
    }
    for dialect in [Dialect::X402V1, Dialect::X402V2, Dialect::Mpp] {
        let _ = offer::receipt(dialect, &words);
    }
}

fn asked_for(method: &str) -> Request {
    Request { method: method.to_owned(), url: HERE.clone(), headers: vec![], body: vec![] }
}

/// What is true of every challenge: it is answered in bounds, what can be paid is sound, and what is shown is clean.
fn holds(words: &Words<'_>, request: &Request) {
    let listed = offer::parse(words, &ASSETS);
    assert!(!listed.is_empty() && listed.len() <= limits::OFFERS + 1, "{} entries", listed.len());
    let listed = offer::fit(listed, request, NOW);
    listed.iter().for_each(shown_is_clean);
    listed.iter().filter_map(Listed::offer).for_each(offer_is_sound);
    let attested = listed.iter().filter_map(Listed::offer).filter_map(|offer| offer.attested(&HERE, NOW));
    attested.for_each(|attested| attested_is_clean(&attested));
    let funds = Funds::default();
    let question = Question { request, max_price: None, funds: &funds };
    let decided = policy::decide(&POLICY, &question, &listed, &Snapshot::default());
    if let Decision::Allow(offer) = decided.decision {
        assert!(Some(offer.usd) <= POLICY.wallet.per_payment, "{}", offer.usd);
    }
}

fn shown_is_clean(entry: &Listed) {
    let (amount, payee) = (entry.amount_atomic(), entry.payee());
    for shown in [entry.scheme(), entry.network(), entry.asset(), &amount, &payee] {
        assert!(shown.chars().count() <= limits::QUOTED_CHARS + 1, "{shown:?}");
        assert!(!shown.contains(text::is_unseen) && !shown.contains('\n'), "{shown:?}");
    }
}

fn offer_is_sound(offer: &Offer) {
    assert!(!offer.amount.is_zero() && Some(offer.usd) == offer.asset.usd(offer.amount), "{offer:?}");
    assert!(!offer.payee.is_nobodys() && offer.payee != offer.asset.account, "{offer:?}");
    assert_eq!(ASSETS.known(&offer.asset.account), Some(&offer.asset));
    assert!((10..=900).contains(&offer.window_secs) && offer.scheme.name() == "exact", "{offer:?}");
    let us = us_on(offer.network());
    let draft = match Authorization::draft(offer, &us, NOW, [0; 32], &ground(offer.network())) {
        Ok(draft) => draft,
        Err(cannot) => return assert!(offer.payee == us || is_of_its_accounts(cannot), "{cannot}: {offer:?}"),
    };
    let facts = draft.facts();
    assert_eq!((&facts.to, facts.most, &facts.asset), (&offer.payee, offer.amount, &offer.asset.account));
    assert!(facts.ends.secs() <= 1_800_000_300);
    payment_is_json(offer, &draft);
}

fn us_on(network: &Network) -> Account {
    match network.rail() {
        Some(Rail::Solana) => Account::solana(network, [0x12; 32]),
        Some(Rail::Evm) | None => Account::evm(network, US),
    }
}

/// A block is known where one is needed.
fn ground(network: &Network) -> Ground {
    let block = Known::Block(RecentBlock { hash: [9; 32], slot: 291_470_000, last_height: 291_470_150 });
    [(Fact::RecentBlock(network.clone()), NOW, block)].into_iter().collect()
}

/// What only shows where all accounts of a payment are known.
fn is_of_its_accounts(cannot: CannotDraft) -> bool {
    use CannotDraft::{AccountsCoincide, NobodyPaysTheChain, OursPaysTheChain, PayeeIsProgram};
    matches!(cannot, AccountsCoincide | NobodyPaysTheChain | OursPaysTheChain | PayeeIsProgram)
}

/// What the seller wrote stands in our answer, and the whole is still JSON in a header.
fn payment_is_json(offer: &Offer, draft: &Authorization) {
    let signed = |message: &Message| match message {
        Message::Evm(_) => Signature::Evm([0x1b; 65]),
        Message::Solana(_) => Signature::Ed25519([0x1b; 64]),
    };
    let signatures = Signatures(draft.messages().iter().map(signed).collect());
    let (_, header) = draft.payment_header(offer, &signatures, Some("pay_0123456789abcdef"));
    assert!(offer.carrier == Carrier::Meta || HeaderValue::from_str(&header).is_ok());
    let payment = match (offer.carrier, header.strip_prefix("Payment ")) {
        (Carrier::Meta, _) => Ok(header.into_bytes()),
        (Carrier::Headers, Some(credential)) => URL_SAFE_NO_PAD.decode(credential),
        (Carrier::Headers, None) => STANDARD.decode(header),
    };
    let payment = payment.expect("base64");
    // Numbers that no reader holds are JSON all the same.
    let payment: Result<Box<serde_json::value::RawValue>, _> = serde_json::from_slice(&payment);
    let written = payment.expect("JSON").to_string();
    match &offer.echo {
        Echo::X402V1 { .. } => {}
        Echo::X402V2 { accepted, .. } => assert!(written.contains(accepted)),
        Echo::Mpp { challenge, prescribed, .. } => {
            assert!(written.contains(challenge) && draft.facts().handle == prescribed.nonce);
        }
    }
}

/// What is told of a signed document is short and clean, and what it is known by is what it was.
fn attested_is_clean(attested: &Attested) {
    for sentence in [attested.sentence("offer"), attested.sentence("receipt")] {
        assert!(
            sentence.chars().count() <= 2 * limits::QUOTED_CHARS && !sentence.contains(text::is_unseen),
            "{sentence:?}"
        );
    }
    assert!(attested.document.len() <= limits::SIGNED_DOCUMENT_BYTES);
    assert_eq!(attested.is_false(), attested.complaint().is_some());
}

fn receipt(data: &[u8]) {
    let packed = if data.starts_with(b"{") { STANDARD.encode(data).into_bytes() } else { data.to_vec() };
    let Ok(value) = HeaderValue::from_bytes(&packed) else { return };
    let names = [
        (Dialect::X402V1, "x-payment-response"),
        (Dialect::X402V2, "payment-response"),
        (Dialect::Mpp, "payment-receipt"),
    ];
    for (dialect, name) in names {
        let headers = HeaderMap::from_iter([(name.parse().expect("a name"), value.clone())]);
        let us = Account::evm(&Network::eip155(84532), US);
        let paying =
            Paying { payee: &us, payer: &us, asked: &HERE, named: None, since: NOW, now: NOW, claimed_tx: None };
        offer::signed_receipt(dialect, &Words::challenge(&headers, b""), &paying).iter().for_each(attested_is_clean);
        let Some(receipt) = offer::receipt(dialect, &Words::challenge(&headers, b"")) else { continue };
        for shown in [Some(receipt.network), receipt.error_reason].into_iter().flatten() {
            assert!(shown.chars().count() <= limits::QUOTED_CHARS + 1 && !shown.contains(text::is_unseen));
        }
    }
}

fn policy_file(data: &[u8]) {
    let Ok(written) = from_utf8(data) else { return };
    match Policy::parse("policy.toml", written) {
        Ok(policy) => {
            let place = policy.place(&HERE);
            assert!(!place.domain.is_empty());
            policy::caps(&policy, Some(&HERE), Some(&US.to_checksum(None)));
        }
        Err(error) => assert!(error.to_string().contains("policy.toml")),
    }
}

fn config(data: &[u8]) {
    let Ok(written) = from_utf8(data) else { return };
    match Config::parse("config.toml", written) {
        Ok(config) => assert!(config.chains().all(|network| network.rail().is_some())),
        Err(error) => assert!(error.to_string().contains("config.toml")),
    }
}

/// What a directory answers; the first byte says what kind of directory it is. All of it is bounded and clean, and a price
/// is what our table makes of it.
fn directory(data: &[u8]) {
    let Some((kind, answer)) = data.split_first() else { return };
    let kind = match kind {
        b'b' => DirectoryKind::Bazaar,
        b'm' => DirectoryKind::Mpp,
        b'i' => DirectoryKind::Index402,
        b'o' => DirectoryKind::Openapi,
        _ => return,
    };
    let Ok(listing) = listing::read(&Directory { kind, base: HERE.clone() }, answer, &ASSETS) else { return };
    assert!(listing.things.len() <= limits::LISTED_THINGS);
    for thing in &listing.things {
        assert!(matches!(thing.url.scheme(), "https" | "http") && thing.url.as_str().len() <= limits::LISTED_URL_BYTES);
        assert!(thing.url.username().is_empty() && thing.url.password().is_none() && thing.url.fragment().is_none());
        let words = [&thing.name, &thing.description].into_iter().chain(&thing.tags).chain(&thing.arguments);
        let claims = thing.prices.iter().flat_map(|price| [&price.scheme, &price.network, &price.asset]);
        for shown in words.chain(&thing.tool).chain(&thing.method).chain(claims) {
            assert!(!shown.contains(text::is_unseen) && !shown.contains('\n'), "{shown:?}");
            assert!(shown.chars().count() <= 241, "{shown:?}");
        }
        for price in &thing.prices {
            let by_our_table = price.known.as_ref().zip(price.amount).and_then(|(asset, amount)| asset.usd(amount));
            assert!(price.amount.is_none() || price.known.is_none() || by_our_table == price.usd, "{price:?}");
        }
    }
}

/// What is read is written as it was meant.
fn amount(data: &[u8]) {
    let Ok(written) = from_utf8(data) else { return };
    if let Some(amount) = Amount::parse(written) {
        assert_eq!(Amount::parse(&amount.to_string()), Some(amount));
        assert_eq!(amount.to_string(), canonical_digits(written));
        for asset in COINS.iter() {
            assert_eq!(Amount::parse(&unscaled(&asset.units(amount), asset.decimals)), Some(amount));
        }
    }
    if let Ok(usd) = written.parse::<Usd>() {
        assert_eq!(usd.to_string().parse(), Ok(usd));
    }
    let _ = Rate::parse(written);
}

fn canonical_digits(digits: &str) -> &str {
    let trimmed = digits.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

/// `0.01` with six decimals is `10000`.
fn unscaled(units: &str, decimals: u8) -> String {
    let (whole, fraction) = units.split_once('.').unwrap_or((units, ""));
    format!("{whole}{fraction:0<width$}", width = usize::from(decimals))
}

/// A URL an agent names: what it is normalized to stays what it is, and belongs to one origin and one budget.
fn url(data: &[u8]) {
    let Ok(written) = from_utf8(data) else { return };
    let Ok(wish) = Wish::parse("agent", &Call { url: written.to_owned(), ..Call::default() }) else { return };
    let url = &wish.request.url;
    if url.as_str().len() > limits::URL_CHARS {
        return; // The door to the sellers is closed to it.
    }
    let again = Wish::parse("agent", &Call { url: url.to_string(), ..Call::default() }).expect("the same URL");
    assert_eq!(wish.identity(), again.identity(), "{url}");
    assert!(matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.fragment().is_none());
    assert!(url.as_str().starts_with(&wish::origin(url)), "{url}");
    assert!(wish::place(url).starts_with(&wish::origin(url)));
    assert!(!wish::masked(url).contains(text::is_unseen), "{url}");
    assert!(!POLICY.domain_key(url).is_empty(), "{url}");
    let _ = HERE.join(written);
}

/// The tools as hosts are told of them: their stored snapshot, so that nothing is said here twice.
static SCHEMAS: LazyLock<Vec<(String, JsonObject)>> = LazyLock::new(|| {
    let stored = include_str!(
        "../../src/mcp/tests/snapshots/bursar__mcp__tests__listing__the_list_of_tools_changes_only_when_someone_looks.snap"
    );
    let listed = &stored[stored.find("\n[").expect("a list")..];
    let tools: Vec<Value> = serde_json::from_str(listed).expect("tools");
    let input = |tool: &Value| tool["inputSchema"].as_object().expect("a schema").clone();
    tools.iter().map(|tool| (tool["name"].as_str().expect("a name").to_owned(), input(tool))).collect()
});

fn tool_arguments(data: &[u8]) {
    let Ok(Value::Object(given)) = serde_json::from_slice(data) else { return };
    for (name, schema) in SCHEMAS.iter() {
        let checked = match arguments::check(schema, given.clone()) {
            Ok(checked) => checked,
            Err(reasons) => {
                assert!((1..=10).contains(&reasons.len()));
                continue;
            }
        };
        if name == "fetch_paid"
            && let Ok(call) = arguments::read::<Call>(checked)
        {
            call_is_sound(&call);
        }
    }
}

fn call_is_sound(call: &Call) {
    match Wish::parse("agent", call) {
        Ok(wish) => {
            assert!(wish.request.body.len() <= limits::REQUEST_BODY_BYTES);
            assert!(wish.max_chars <= limits::ANSWER_CHARS_AT_MOST);
            for (name, value) in &wish.request.headers {
                assert!(name.parse::<http::HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok());
                let is_ours = name == "x-payment"
                    || ["payment-", "x-payment-", "proxy-"].iter().any(|ours| name.starts_with(ours));
                assert!(!is_ours, "{name}");
            }
        }
        Err(reasons) => assert!(!reasons.is_empty()),
    }
}

/// Every shape a node's answer is read in.
fn rpc_reply(data: &[u8]) {
    let Ok(said) = json_rpc::result(data, 1) else { return };
    let _ = of_solana::tip(said.clone());
    let _ = of_solana::recent_block(said.clone());
    let _ = of_solana::history(said.clone());
    let _ = of_solana::account(said.clone());
    let _ = of_solana::block_height(said.clone());
    if let Ok(Some(landed)) = of_solana::transaction(said.clone()) {
        let _ = of_solana::signers(&landed.message);
    }
    let _ = reply::quantity(&said);
    let _ = reply::block(said.clone());
    let _ = reply::word(said.clone());
    let _ = reply::logs_of_success(said.clone());
    let _ = reply::logs(said);
}
