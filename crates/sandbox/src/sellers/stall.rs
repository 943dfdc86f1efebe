//! A stall: one thing for sale at one path, and how its keeper behaves. Stalls are values; a test describes its own.

use std::sync::Arc;
use std::time::Duration;

use alloy_primitives::{Address, address};
use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Map, Value, json};

use super::sign_in::SignIn;
use super::signing::Signing;
use super::way::Way;
use super::x402::Version;
use crate::chain::{DOLLAR, PlayAsset};
use crate::http::{self as wire, Request};

/// Who is paid unless a stall says otherwise.
pub const PAYEE: Address = address!("5e11e50000000000000000000000000000000001");

/// The extension by which a seller takes a signed EIP-2612 permit along.
pub const EIP2612_GAS_SPONSORING: &str = "eip2612GasSponsoring";
/// The extension by which a seller sends a signed approval first.
pub const ERC20_APPROVAL_GAS_SPONSORING: &str = "erc20ApprovalGasSponsoring";

/// Which x402 a stall speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The challenge is the body.
    V1,
    /// The challenge is a header.
    V2,
    /// Header and body at once; either payment is taken.
    Both,
}

impl Dialect {
    /// A seller does not see a payment in the other version's header.
    pub fn speaks(self, version: Version) -> bool {
        match self {
            Self::V1 => version == Version::V1,
            Self::V2 => version == Version::V2,
            Self::Both => version != Version::Mpp,
        }
    }
}

/// What a keeper does once a payment is verified, and what that leaves on chain and on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Runs the handler, settles, answers with goods and receipt. A handler's status of 400 or more is not settled.
    Normal,
    /// Asks for nothing.
    Free,
    /// Takes its time before the handler; otherwise normal.
    Slow(Duration),
    /// Closes the connection without a word, and without settling.
    DropBeforeSettling,
    /// Takes the money and closes the connection without a word, every time.
    DropAfterSettling,
    /// Takes the money and drops the line, but hands over the goods when the byte-identical payment comes again.
    HonoursSameBytes,
    /// Keeps the connection open and silent, without settling.
    NeverAnswers,
    /// Takes the money and answers with this status and no receipt.
    SettleThenStatus(u16),
    /// Answers a failed settlement truthfully: 402, `success: false`, nothing on chain.
    FailsToSettle,
    /// Challenges again after every payment, without settling.
    RefuseAlways,
    /// Takes the money and says that settling failed.
    RefuseAfterSettling,
    /// Takes the money and hands over the goods without a receipt.
    NoReceipt,
    /// Hands over the goods with a receipt for money it did not take.
    LieAboutSettling,
    /// Takes the money, and names another chain transaction, payer and network in its receipt.
    MisstatesReceipt,
    /// Takes the money, and names another chain transaction in its receipts, and nothing else that is not so.
    MisnamesTransaction,
    /// Sends everyone elsewhere with a 302, to a path or a whole URL, before any challenge.
    Redirect(String),
    /// Asks another price at each request, these in order; the last one stays.
    PriceChanges(Vec<u64>),
}

/// Makes the goods from the request, after payment is verified and before it is settled.
pub type Handler = Arc<dyn Fn(&Request) -> Response<Bytes> + Send + Sync>;

#[derive(Clone)]
pub struct Stall {
    pub path: String,
    pub methods: Vec<Method>,
    pub dialect: Dialect,
    /// The ways it can be paid, in the order the challenge offers them.
    pub ways: Vec<Way>,
    /// What it is paid in.
    pub asset: PlayAsset,
    /// In millionths of a dollar; the most it can be where it is paid by `upto`.
    pub price_atomic: u64,
    /// Whether exact payments are settled before the handler runs, and the challenge says so. One that fails after it
    /// has been paid then.
    pub upfront: bool,
    /// What is taken of an `upto` payment; all of it unless said. More than its most fails to settle.
    pub takes: Option<u64>,
    /// What the receipt says was taken. Without it an `upto` receipt says the truth, and others say nothing.
    pub claims: Option<u64>,
    pub payee: Address,
    /// One line, for the index page and the challenge.
    pub description: String,
    pub max_timeout_s: u64,
    /// What the challenge declares beside the offer (v2 only); a payment must echo every key of it.
    pub extensions: Map<String, Value>,
    /// Whether it asks which wallet it is, and lets in who has paid (v2 only).
    pub sign_in: Option<SignIn>,
    /// How it signs its offers and receipts, if it does.
    pub signs: Option<Signing>,
    pub behaviour: Behaviour,
    pub handler: Handler,
}

impl Stall {
    /// Sells `{"goods": path}` to GET requests in v2; change the fields that should differ.
    pub fn get(path: &str, price_atomic: u64) -> Self {
        Self {
            path: path.to_owned(),
            methods: vec![Method::GET],
            dialect: Dialect::V2,
            ways: vec![Way::of_this_run()],
            asset: DOLLAR,
            price_atomic,
            upfront: false,
            takes: None,
            claims: None,
            payee: PAYEE,
            description: String::new(),
            max_timeout_s: 60,
            extensions: Map::new(),
            sign_in: None,
            signs: None,
            behaviour: Behaviour::Normal,
            handler: always_json(json!({"goods": path})),
        }
    }

    /// Sells back whatever is posted.
    pub fn post(path: &str, price_atomic: u64) -> Self {
        Self { methods: vec![Method::POST], handler: echo(), ..Self::get(path, price_atomic) }
    }

    /// Gives `{"goods": path}` away.
    pub fn free(path: &str) -> Self {
        Self { behaviour: Behaviour::Free, ..Self::get(path, 0) }
    }

    /// A stall whose keeper misbehaves.
    pub fn that(behaviour: Behaviour, path: &str, price_atomic: u64) -> Self {
        Self { behaviour, ..Self::get(path, price_atomic) }
    }

    /// A stall that is paid in one way only.
    pub fn paid(way: Way, path: &str, price_atomic: u64) -> Self {
        Self { ways: vec![way], ..Self::get(path, price_atomic) }
    }

    /// Lets whoever signs in have again what it has paid for.
    pub fn signing_in(self, sign_in: SignIn) -> Self {
        let ways = if sign_in.is_all { Vec::new() } else { self.ways };
        Self { ways, sign_in: Some(sign_in), ..self }
    }

    /// Signs its offers and receipts, as whoever is paid.
    pub fn signing(self, signs: Signing) -> Self {
        Self { payee: signs.address(), signs: Some(signs), ..self }
    }

    /// Offers to bring a signed EIP-2612 permit to the chain, for payers without an allowance for Permit2.
    pub fn sponsoring_permits(self) -> Self {
        self.declare(EIP2612_GAS_SPONSORING, gas_sponsoring("a signed permit for Permit2 is brought to the chain"))
    }

    /// Offers to send a signed approval, for the same payers where the asset knows no permits.
    pub fn sponsoring_approvals(self) -> Self {
        self.declare(ERC20_APPROVAL_GAS_SPONSORING, gas_sponsoring("a signed approval of Permit2 is sent first"))
    }

    pub fn describe(mut self, description: &str) -> Self {
        self.description = description.to_owned();
        self
    }

    /// Declares an extension; `bazaar` and `payment_identifier` below make the usual ones.
    pub fn declare(mut self, key: &str, value: Value) -> Self {
        self.extensions.insert(key.to_owned(), value);
        self
    }

    /// Whether it looks at a payment in this language.
    pub fn speaks(&self, version: Version) -> bool {
        match version {
            Version::V1 | Version::V2 => self.dialect.speaks(version),
            Version::Mpp => self.ways.contains(&Way::Mpp),
        }
    }

    /// The price of the `visit`th request, the first being 0.
    pub fn price_at(&self, visit: usize) -> u64 {
        match &self.behaviour {
            Behaviour::PriceChanges(prices) => {
                prices.get(visit).or(prices.last()).copied().unwrap_or(self.price_atomic)
            }
            _ => self.price_atomic,
        }
    }
}

/// The same JSON for everyone.
pub fn always_json(value: Value) -> Handler {
    Arc::new(move |_| wire::json(200, &value))
}

/// The same bytes for everyone.
pub fn always(content_type: &'static str, body: impl Into<Bytes>) -> Handler {
    let body = body.into();
    Arc::new(move |_| wire::response(200, content_type, body.clone()))
}

/// Fails with this status, so nothing is settled.
pub fn fails(status: u16) -> Handler {
    Arc::new(move |_| wire::json(status, &json!({"error": "the handler failed"})))
}

/// What was posted, as it was posted.
pub fn echo() -> Handler {
    Arc::new(|request| {
        let sent = request.headers.get(http::header::CONTENT_TYPE);
        let content_type = sent.and_then(|v| v.to_str().ok()).unwrap_or("text/plain");
        wire::response(200, content_type, request.body.clone())
    })
}

/// Bytes that are no text: every value of a byte, over and over.
pub fn binary(len: usize) -> Handler {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
    always("application/octet-stream", bytes)
}

/// A text this long.
pub fn big_body(len: usize) -> Handler {
    always("text/plain", "lorem ipsum ".bytes().cycle().take(len).collect::<Vec<u8>>())
}

/// The `bazaar` extension: how to call a stall that takes these query parameters.
pub fn bazaar(query: Value) -> Value {
    json!({
        "info": {
            "input": {"type": "http", "method": "GET", "queryParams": query},
            "output": {"type": "json"},
        },
        "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    })
}

/// Either of the gas sponsoring extensions; a payer adds to its `info` what it signed.
pub fn gas_sponsoring(description: &str) -> Value {
    json!({
        "info": {"description": description, "version": "1"},
        "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    })
}

/// The `payment-identifier` extension: the same id with the same payment gets the same answer.
pub fn payment_identifier(required: bool) -> Value {
    json!({
        "info": {"required": required},
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"id": {"type": "string", "minLength": 16, "maxLength": 128}},
        },
    })
}
