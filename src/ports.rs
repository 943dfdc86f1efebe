//! The ports: what a simulation replaces. Sellers, chains, the screen, whoever waits for an answer; and the values that
//! go through them. The clock's is in `time`, the key store's in `wallet`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::http::HeaderMap;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use url::Url;

use crate::answer::{Notice, Pending};
use crate::authorization::{Authorization, Fact, Handle, Known};
pub use crate::ledger::{Recorded, RecordedSignIn};
use crate::listing::Directory;
use crate::money::{Account, Amount, Network};
use crate::offer::Words;
use crate::request::Request;
use crate::settlement::{Block, ChainError, Testimony};
use crate::spill::Spill;

/// A reply that came in whole, or as much of it as is kept.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or the beginning of a long one.
    pub body: Vec<u8>,
    /// All of a long one.
    pub rest: Rest,
    /// Why this is not the whole body, if it is not.
    pub cut: Option<Cut>,
    /// The request that was answered: after redirects, not the one that was asked for.
    pub request: Request,
    /// Of a tool's answer, its `_meta` as it was written: then the body is the result or the error, without it.
    pub meta: Option<String>,
}

/// Where what a body has beyond its beginning is.
#[derive(Clone, Debug, Default)]
pub enum Rest {
    /// There is none.
    #[default]
    None,
    /// In a file, all of it.
    Filed(Arc<Spill>),
    /// It came, this long in all, and could not be written.
    Lost(u64),
}

impl Reply {
    /// What it says, as far as payment goes.
    pub fn said(&self) -> Words<'_> {
        Words { status: self.status, headers: &self.headers, body: &self.body, meta: self.meta.as_deref() }
    }

    /// How long the body is.
    pub fn body_len(&self) -> u64 {
        match &self.rest {
            Rest::None => self.body.len() as u64,
            Rest::Filed(file) => file.len(),
            Rest::Lost(len) => *len,
        }
    }
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// It is longer than is kept.
    TooLong,
    /// It went on for longer than is waited.
    TooSlow,
}

/// `host:port` pairs the owner opened in `[egress] allow`.
#[derive(Clone, Copy, Debug)]
pub struct Egress<'a> {
    /// What the owner opened.
    pub allow: &'a [String],
}

/// What became of presenting a payment.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one per purchase, and it is taken apart at once")]
pub enum Presented {
    /// No byte of the payment left: it can be presented later.
    NeverConnected(SellerError),
    /// The reply is complete.
    Answered(Reply),
    /// Some of it may have arrived; nobody knows what came of it.
    Lost(SellerError),
}

#[expect(missing_docs, reason = "each text says what it means")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SellerError {
    /// Not an address bursar goes to: private, not https, unspeakable. The text names which and the way to open it.
    #[error("{0}")]
    Forbidden(String),
    #[error("`{host}` has no address: {cause}")]
    NoSuchHost { host: String, cause: String },
    #[error("could not connect to `{host}`: {cause}")]
    Unreachable { host: String, cause: String },
    #[error("`{host}` did not answer within {seconds} s")]
    TooSlow { host: String, seconds: u64 },
    #[error("the reply of `{host}` broke off: {cause}")]
    Broken { host: String, cause: String },
    #[error("`{host}` redirected more than {0} times", crate::limits::REDIRECTS)]
    TooManyRedirects { host: String },
    #[error("`{host}` sent something that is not HTTP as it should be: {cause}")]
    Misbehaved { host: String, cause: String },
}

/// What a seller says of how far it is, for whoever waits: the latest of it.
#[derive(Clone, Debug)]
pub struct Progress(watch::Sender<String>);

impl Progress {
    /// With an end where it is heard.
    pub fn new() -> (Progress, watch::Receiver<String>) {
        let (says, hears) = watch::channel(String::new());
        (Progress(says), hears)
    }

    /// Nobody hears it.
    pub fn unheard() -> Progress {
        Progress::new().0
    }

    /// In words of ours, with the seller's quoted in them.
    pub fn says(&self, words: String) {
        self.0.send_replace(words);
    }
}

/// What an MCP server is asked, that no tool hears: `tools/list`, say.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The method.
    pub method: String,
    /// The members of its `params`, as text.
    pub params: String,
    /// What it is about, where it is about one thing: a resource, a prompt.
    pub name: Option<String>,
}

impl Inquiry {
    /// The method that lists tools.
    pub const TOOLS: &str = "tools/list";

    /// A page of a server's tools: the first, or the one that the page before named.
    pub fn tools(page: Option<String>) -> Inquiry {
        let params = page.map(|page| format!("\"cursor\":{}", serde_json::Value::from(page))).unwrap_or_default();
        Inquiry { method: Inquiry::TOOLS.to_owned(), params, name: None }
    }
}

/// The wire: one request, one answer.
#[async_trait]
pub trait Seller: Send + Sync {
    /// The unpaid leg: redirects are followed by hand, each hop checked like the first.
    async fn ask(&self, request: &Request, egress: Egress<'_>, progress: &Progress) -> Result<Reply, SellerError>;

    /// Asks an MCP server something that no tool hears. The result, as it was written.
    async fn inquire(&self, server: &Url, inquiry: &Inquiry, egress: Egress<'_>) -> Result<String, SellerError>;

    /// What an MCP server says of itself, as it was written.
    async fn meet(&self, server: &Url, egress: Egress<'_>) -> Result<String, SellerError>;

    /// The same request once more, with a sign-in: one request, no redirects, no retries.
    async fn enter(&self, signed_in: &RecordedSignIn, egress: Egress<'_>) -> Result<Reply, SellerError>;

    /// The paid leg: one request, no redirects, no retries.
    async fn present(&self, recorded: &Recorded, egress: Egress<'_>, progress: &Progress) -> Presented;
}

/// Whoever called and waits: it is told that the purchase goes on, and may have a person to put a question to.
pub trait Caller: Send + Sync {
    /// Says that the purchase goes on.
    fn step(&self, message: &str);

    /// Whether the answer will still be heard: what nobody hears is handed over at the next call.
    fn is_heard(&self) -> bool {
        true
    }

    /// Puts a question before the person there, if it can.
    fn ask(&self, _: &Pending, _: &Ways) -> Asked {
        Asked::Nowhere
    }
}

/// How a host may ask.
#[derive(Clone, Debug)]
pub struct Ways {
    /// With a form, since a yes given there would count.
    pub form: bool,
    /// By showing the way to the owner's own page.
    pub page: Option<String>,
}

/// Where a question is put, if anywhere.
pub enum Asked {
    /// There is nobody, or no way to ask.
    Nowhere,
    /// It is being asked now.
    Here(Shut),
    /// The answer to this very call carries the question.
    InTheAnswer,
}

/// Ends when nobody can answer there any more.
pub type Shut = BoxFuture<'static, ()>;

/// Nobody listens.
pub struct Quiet;

impl Caller for Quiet {
    fn step(&self, _: &str) {}
}

/// What reaches the owner beside the terminal: notes on the desktop, the review page, doors that the owner named.
pub trait Screen: Send + Sync {
    /// News that asks for nothing.
    fn note(&self, notice: &Notice);

    /// Says elsewhere that a question waits, however it can be answered here.
    fn tell(&self, question: &Pending);

    /// Shows a question. Whether it can be answered where it is shown, so that it is worth waiting for.
    fn ask(&self, question: &Pending) -> bool;

    /// Where a question can be answered by an owner who is logged in there. It logs nobody in.
    fn address(&self, _: &Pending) -> Option<String> {
        None
    }
}

/// What a directory answered.
#[derive(Clone, Debug)]
pub struct DirectoryReply {
    /// The HTTP status.
    pub status: u16,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Asks directories what is for sale: places that the owner named, and nobody else.
#[async_trait]
pub trait Directories: Send + Sync {
    /// Those there are.
    fn all(&self) -> &[Directory];

    /// What one of them has at this URL, or why there is nothing. Too long an answer is none. How long it may take is the
    /// caller's to say.
    async fn fetch(&self, url: &Url) -> Result<DirectoryReply, String>;
}

/// There are none.
pub struct NoDirectories;

#[async_trait]
impl Directories for NoDirectories {
    fn all(&self) -> &[Directory] {
        &[]
    }

    async fn fetch(&self, _: &Url) -> Result<DirectoryReply, String> {
        Err("there are no directories".to_owned())
    }
}

/// By which way money left.
#[expect(missing_docs, reason = "the fields are what their names say")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departed {
    /// By this authorization, as the chain itself names it.
    By(Handle),
    /// In a way that names none. One of ours may stand in what the chain transaction was called with, where that is known.
    Unnamed { to: Option<Account>, called_with: Option<Vec<u8>> },
}

/// Money that left our account, as nodes show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which asset.
    pub asset: Account,
    /// By which way.
    pub how: Departed,
    /// In which chain transaction.
    pub chain_tx: String,
    /// In which block.
    pub block: u64,
    /// Which nodes show it.
    pub seen_by: Vec<String>,
    /// A second node shows it, or the receipt of the chain transaction does: one log of one node may be made up.
    pub is_confirmed: bool,
}

/// Up to which block each node was searched, by its name.
pub type SearchedTo = BTreeMap<String, u64>;

/// Asks the nodes of the chains.
#[async_trait]
pub trait Chains: Send + Sync {
    /// What `owner` holds.
    async fn balance(&self, asset: &Account, owner: &Account) -> Result<Amount, ChainError>;

    /// What a scheme must know before it signs.
    async fn know(&self, fact: &Fact) -> Result<Known, ChainError>;

    /// Sends a signed chain transaction, as its rail writes it. Answers with its name.
    async fn push(&self, network: &Network, signed: &[u8]) -> Result<String, ChainError>;

    /// Every configured node's word on each of these, one result a node: agreement is for [`crate::settlement`] to judge.
    async fn testimonies(&self, signed: &[Authorization]) -> Vec<Vec<Result<Testimony, ChainError>>>;

    /// Everything that left `owner` since then, by whatever way, to compare with the ledger, as any of the nodes has
    /// seen it; and how far each that answered was read. A node that was never read is read from its newest block on.
    async fn sightings(
        &self,
        asset: &Account,
        owner: &Account,
        since: &SearchedTo,
    ) -> Result<(Vec<Sighting>, SearchedTo), ChainError>;

    /// The newest block of every node that answers: what time it is, by as many witnesses.
    async fn heads(&self, network: &Network) -> Vec<Result<Block, ChainError>>;
}
