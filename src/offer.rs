//! Pure: a challenge becomes offers.
//!
//! One file per dialect. Every entry is parsed on its own: one bad offer never spoils its neighbours, and what cannot
//! be paid is an offer with a reason, not an error. What the seller wrote is kept as it wrote it, because it compares
//! what comes back.

mod base64;
mod cashu;
mod l402;
mod mcp;
mod mpp;
mod mpp_evm;
mod mpp_tempo;
mod needs;
mod pay_per_crawl;
mod payment;
mod receipt;
pub(crate) mod shown;
mod signed;
mod words;
mod www_authenticate;
mod x402;
mod x402_svm;
mod x402_v1;
mod x402_v2;

use serde::{Deserialize, Serialize};
use url::Url;

pub use self::mcp::{is_member, status as tool_status};
pub use self::mpp::CredentialHeader;
pub use self::mpp_evm::Prescribed;
pub use self::mpp_tempo::{TEMPO_FEES, tempo_fee};
pub use self::needs::Needs;
pub use self::payment::{Paid, payment_header};
pub use self::receipt::{Receipt, receipt};
pub use self::signed::{Attestation, Attested, Paying};
pub use self::words::{Carrier, Words};
pub use self::x402_svm::SolanaTerms;
pub use self::x402_v2::{names_purchase, resource_of_payment};
use crate::limits;
use crate::money::{Account, Amount, Asset, Assets, Network, TransferMethod, Usd};
use crate::reason::{Reason, Who};
use crate::request::Request;
use crate::text;
use crate::time::Time;

/// The language of a 402.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// x402, version 1.
    #[serde(rename = "x402v1")]
    X402V1,
    /// x402, version 2.
    #[serde(rename = "x402v2")]
    X402V2,
    /// MPP.
    #[serde(rename = "mpp")]
    Mpp,
    /// L402.
    #[serde(rename = "l402")]
    L402,
    /// Cashu.
    #[serde(rename = "cashu")]
    Cashu,
    /// Pay per crawl.
    #[serde(rename = "pay-per-crawl")]
    PayPerCrawl,
    /// Not known.
    #[serde(rename = "unknown")]
    Unknown,
}

/// One way to pay, parsed and checked. It is the one object that is shown, budgeted, hashed and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// What would be signed.
    pub scheme: Scheme,
    /// Which asset.
    pub asset: Asset,
    /// How much, or how much at the most, in atomic units.
    pub amount: Amount,
    /// What `amount` counts for, rounded up.
    pub usd: Usd,
    /// Who is paid.
    pub payee: Account,
    /// How long the seller wants the authorization to be good for, as it said; clamped when signing.
    pub window_secs: u64,
    /// The seller takes the money before it does the work.
    pub takes_first: bool,
    /// Where what pays it goes.
    #[serde(default, skip_serializing_if = "Carrier::is_headers")]
    pub carrier: Carrier,
    /// What goes back to the seller as it wrote it.
    pub echo: Echo,
}

/// What is signed for an offer. Each has its file in `authorization/` and one in `settlement/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// A transfer of exactly the amount, by EIP-3009.
    Eip3009,
    /// A transfer of exactly the amount, by Permit2.
    Permit2,
    /// A transfer of as much as the seller likes and no more than the amount, by Permit2: this account says how much.
    Upto(Account),
    /// A chain transaction of Tempo's with a transfer of the amount less this, which is the most its fee can be; nothing
    /// where the seller pays the fee.
    Tempo(Amount),
    /// Our half of a chain transaction of Solana's with a transfer of exactly the amount.
    Solana(SolanaTerms),
}

/// What a seller puts on the chain for whoever pays by Permit2 and has not allowed it to move the asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sponsoring {
    /// An EIP-2612 permit.
    pub permits: bool,
    /// A chain transaction that approves.
    pub approvals: bool,
}

impl Sponsoring {
    /// The extension of x402 that offers the first.
    pub const PERMITS: &'static str = "eip2612GasSponsoring";
    /// The extension of x402 that offers the other.
    pub const APPROVALS: &'static str = "erc20ApprovalGasSponsoring";
}

/// What the seller wrote, byte for byte: texts, never rebuilt from values. Each dialect that can be paid keeps its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Echo {
    /// Of x402, version 1.
    X402V1 {
        /// The chosen entry of `accepts`.
        accepted: String,
    },
    /// Of x402, version 2.
    X402V2 {
        /// The chosen entry of `accepts`.
        accepted: String,
        /// The top-level `resource`.
        resource: Option<String>,
        /// The whole `extensions` object.
        extensions: Option<String>,
    },
    /// Of MPP.
    Mpp {
        /// The parameters of the challenge that go back, as an object.
        challenge: String,
        /// Where they go.
        header: CredentialHeader,
        /// What was read from them, and is not ours to choose.
        prescribed: Prescribed,
    },
}

/// One entry of a challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a few of them a call, and never kept")]
pub enum Listed {
    /// Read, checked, and payable.
    Payable(Box<Offer>),
    /// Cannot be paid, and why.
    Unpayable(Unpayable),
}

/// An entry bursar recognises and cannot pay. The texts are the seller's, where they are what they should be, and else
/// empty: they stand in lines of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpayable {
    /// The language of the challenge.
    pub dialect: Dialect,
    /// The scheme it names, if it reads as one.
    pub scheme: String,
    /// The network it names, if it reads as one.
    pub network: String,
    /// The asset it names, if it reads as one.
    pub asset: String,
    /// The price in atomic units, if it reads as one.
    pub amount: String,
    /// Who would be paid, if it reads as an address.
    pub payee: String,
    /// Why it cannot be paid.
    pub reason: Reason,
}

/// A seller's wish to be told which wallet asks, as it wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignInAsked {
    /// The extension, byte for byte.
    pub extension: String,
    /// It is all the seller wants: there is nothing to pay.
    pub is_all: bool,
}

/// Whether a 402 asks for a sign-in with a wallet. Only x402 v2 has one.
pub fn sign_in_asked(said: &Words<'_>) -> Option<SignInAsked> {
    x402::sign_in_asked(said)
}

/// Everything a 402 offers, in the seller's order within each dialect; what can be paid first comes from x402.
pub fn parse(said: &Words<'_>, assets: &Assets) -> Vec<Listed> {
    let mut listed = x402::offers(said, assets);
    listed.extend(mpp::offers(said, assets));
    if said.meta.is_none() {
        listed.extend(l402::offers(said.headers));
        listed.extend(cashu::offers(said.headers));
        listed.extend(pay_per_crawl::offers(said.headers));
    }
    if listed.is_empty() {
        listed.push(nothing_understood());
    }
    if listed.len() > limits::OFFERS {
        listed.truncate(limits::OFFERS);
        listed.push(more_than_are_read());
    }
    listed.into_iter().map(Listed::explained).collect()
}

/// Of what a 402 offers, what can be paid with the request it was the answer to, at the time it arrived. The rest says
/// why not.
pub fn fit(listed: Vec<Listed>, request: &Request, at: Time) -> Vec<Listed> {
    let fitted = |entry| match entry {
        Listed::Payable(offer) => offer.fit(request, at),
        Listed::Unpayable(_) => entry,
    };
    let fitted = listed.into_iter().map(fitted).collect();
    signed::without_contradicted(fitted, &request.url, at)
}

/// A network by the name that either version of x402 has for it.
pub(crate) fn network_named(text: &str) -> Option<Network> {
    let is_one = |network: &Network| {
        let is_odd = network.as_str().starts_with("eip155:") && network.chain_id().is_none();
        !is_odd && !shown::network(network.as_str()).is_empty()
    };
    x402_v1::network(text).filter(is_one)
}

/// Whether a challenge that was kept can still be answered; one that has expired is asked for anew.
pub fn is_current(said: &Words<'_>, at: Time) -> bool {
    !mpp::is_over(said, at) && !signed::are_over(said, at)
}

/// The receipt that a seller put its name to, held against the payment it is for.
pub fn signed_receipt(dialect: Dialect, said: &Words<'_>, paying: &Paying<'_>) -> Option<Attested> {
    match dialect {
        Dialect::X402V2 => signed::receipt(said, paying),
        Dialect::X402V1 | Dialect::Mpp | Dialect::L402 | Dialect::Cashu | Dialect::PayPerCrawl | Dialect::Unknown => {
            None
        }
    }
}

/// Whether a payment was made to a seller that takes the money before it does the work.
pub fn takes_first(payment: &str) -> bool {
    x402_v2::takes_first(payment)
}

/// Why a reply to a payment is a challenge once more, although its status is not 402: what the scheme stands on is not
/// as it was.
pub fn asks_again(said: &Words<'_>) -> Option<Reason> {
    let message = "the seller says that Permit2 may not move so much of this asset out of the wallet, which is also so \
                   where the payment was taken already";
    let is_challenge = said.status == 412 && x402_v2::header(said.headers).is_some();
    is_challenge.then(|| Reason::new("permit2_allowance_required", "seller", message, Who::Owner))
}

fn nothing_understood() -> Listed {
    let message = "the seller asks to be paid in a way bursar does not know";
    Unpayable::bare(Dialect::Unknown, refusal("challenge_not_understood", message)).into()
}

fn more_than_are_read() -> Listed {
    let message = format!("the seller lists more offers than the {} that are read", limits::OFFERS);
    Unpayable::bare(Dialect::Unknown, refusal("too_many_offers", message)).into()
}

/// Why an entry cannot be paid. The words are ours alone; what the seller wrote stands in the fields beside them.
fn refusal(code: &str, message: impl Into<String>) -> Reason {
    Reason::new(code, "offer", message, Who::Agent)
}

/// A dialect that is recognised by name and spoken by nobody here.
fn not_spoken(name: &str) -> Reason {
    refusal("dialect_not_supported", format!("the seller speaks {name}, which bursar recognises and does not pay"))
}

/// A seller's own words, to be shown as such.
fn in_its_words(text: &str) -> String {
    text::quoted(text, limits::QUOTED_CHARS)
}

impl Offer {
    /// The network it is on.
    pub fn network(&self) -> &Network {
        self.asset.network()
    }

    /// What the seller would put on the chain for us.
    pub fn sponsoring(&self) -> Sponsoring {
        match &self.echo {
            Echo::X402V1 { .. } | Echo::Mpp { .. } => Sponsoring::default(),
            Echo::X402V2 { extensions, .. } => {
                let takes = |name, signed: &[&str]| {
                    let members = [&["from", "asset", "spender", "amount"], signed].concat();
                    x402_v2::leaves_to_us(extensions.as_deref(), name, &members)
                };
                Sponsoring {
                    permits: takes(Sponsoring::PERMITS, &["nonce", "deadline", "signature"]),
                    approvals: takes(Sponsoring::APPROVALS, &["signedTransaction"]),
                }
            }
        }
    }

    /// The language it was made in.
    pub fn dialect(&self) -> Dialect {
        match self.echo {
            Echo::X402V1 { .. } => Dialect::X402V1,
            Echo::X402V2 { .. } => Dialect::X402V2,
            Echo::Mpp { .. } => Dialect::Mpp,
        }
    }

    /// What its seller signed of it, asked for at this URL, if it signed anything.
    pub fn attested(&self, asked: &Url, at: Time) -> Option<Attested> {
        signed::of(self, asked, at)
    }

    /// What its dialect leaves no choice about, where it does not.
    pub fn prescribed(&self) -> Option<&Prescribed> {
        match &self.echo {
            Echo::X402V1 { .. } | Echo::X402V2 { .. } => None,
            Echo::Mpp { prescribed, .. } => Some(prescribed),
        }
    }

    /// Among offers that cost the same on the same network, the lowest is taken: x402, whose nonces are ours, before MPP.
    /// Where an MPP challenge says what software checks it, that one comes first: the x402 beside it turns away whoever
    /// does not bind a payment to MPP's challenge.
    pub fn preference(&self) -> u8 {
        match &self.echo {
            Echo::Mpp { prescribed, .. } if prescribed.is_certain => 0,
            Echo::X402V2 { .. } => 1,
            Echo::X402V1 { .. } => 2,
            Echo::Mpp { .. } => 3,
        }
    }

    fn fit(mut self: Box<Offer>, request: &Request, at: Time) -> Listed {
        let is_for_this = match self.carrier {
            Carrier::Headers => Ok(()),
            Carrier::Meta => mcp::fits(&self, request),
        };
        let window = match &self.echo {
            Echo::X402V1 { .. } | Echo::X402V2 { .. } => Ok(self.window_secs),
            Echo::Mpp { challenge, prescribed, .. } => {
                mpp::fits(&self, challenge, prescribed.valid_before, request, at)
            }
        };
        match is_for_this.and(window) {
            Ok(window_secs) => {
                self.window_secs = window_secs;
                Listed::Payable(self)
            }
            Err(reason) => self.unpayable(reason).into(),
        }
    }

    /// The same as an entry that cannot be paid, for this reason.
    pub fn unpayable(&self, reason: Reason) -> Unpayable {
        Unpayable {
            dialect: self.dialect(),
            scheme: self.scheme.name().to_owned(),
            network: self.network().to_string(),
            asset: self.asset.symbol.clone(),
            amount: self.amount.to_string(),
            payee: self.payee.to_string(),
            reason,
        }
        .explained()
    }
}

impl Scheme {
    /// As policies and records name it: by what it may take.
    pub fn name(&self) -> &'static str {
        match self {
            Scheme::Eip3009 | Scheme::Permit2 | Scheme::Solana(_) => "exact",
            Scheme::Upto(_) => "upto",
            Scheme::Tempo(_) => "tempo",
        }
    }

    /// A transfer of exactly the amount, as an asset moves by itself.
    pub fn exact(asset: &Asset) -> Scheme {
        match asset.transfer {
            TransferMethod::Eip3009 => Scheme::Eip3009,
            TransferMethod::Permit2 => Scheme::Permit2,
            TransferMethod::Tip20 => Scheme::Tempo(Amount::default()),
            TransferMethod::Spl | TransferMethod::Token2022 => Scheme::Solana(SolanaTerms::imagined(asset.network())),
        }
    }

    /// By the name a row has it under.
    pub fn named(name: &str, asset: &Asset) -> Option<Scheme> {
        match name {
            "exact" => Some(Scheme::exact(asset)),
            "upto" => Some(Scheme::Upto(Account::anybody(asset.network()))),
            "tempo" => Some(Scheme::Tempo(Amount::default())),
            _ => None,
        }
    }
}

impl Echo {
    /// Of nothing that anybody wrote: an offer that is only imagined has its dialect all the same.
    pub fn imagined(dialect: Dialect) -> Option<Echo> {
        let accepted = "{}".to_owned();
        match dialect {
            Dialect::X402V1 => Some(Echo::X402V1 { accepted }),
            Dialect::X402V2 => Some(Echo::X402V2 { accepted, resource: None, extensions: None }),
            Dialect::Mpp => {
                let header = CredentialHeader::Authorization;
                Some(Echo::Mpp { challenge: accepted, header, prescribed: Prescribed::default() })
            }
            Dialect::L402 | Dialect::Cashu | Dialect::PayPerCrawl | Dialect::Unknown => None,
        }
    }
}

impl Unpayable {
    /// An entry of which nothing but its dialect can be told.
    fn bare(dialect: Dialect, reason: Reason) -> Unpayable {
        let empty = String::new;
        let (scheme, network, asset, amount, payee) = (empty(), empty(), empty(), empty(), empty());
        Unpayable { dialect, scheme, network, asset, amount, payee, reason }
    }
}

impl From<Unpayable> for Listed {
    fn from(unpayable: Unpayable) -> Listed {
        Listed::Unpayable(unpayable)
    }
}

/// What is shown of an entry, whichever kind it is.
impl Listed {
    /// The offer, where it can be paid.
    pub fn offer(&self) -> Option<&Offer> {
        match self {
            Listed::Payable(offer) => Some(offer),
            Listed::Unpayable(_) => None,
        }
    }

    /// Why it cannot be paid, where it cannot.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Listed::Payable(_) => None,
            Listed::Unpayable(entry) => Some(&entry.reason),
        }
    }

    /// What it would take to pay it, where it cannot be paid.
    pub fn needs(&self) -> Option<Needs> {
        match self {
            Listed::Payable(_) => None,
            Listed::Unpayable(entry) => Some(entry.needs()),
        }
    }

    fn explained(self) -> Listed {
        match self {
            Listed::Payable(_) => self,
            Listed::Unpayable(entry) => entry.explained().into(),
        }
    }

    /// The language it was offered in.
    pub fn dialect(&self) -> Dialect {
        match self {
            Listed::Payable(offer) => offer.dialect(),
            Listed::Unpayable(entry) => entry.dialect,
        }
    }

    /// What would be signed, as the seller wrote it.
    pub fn scheme(&self) -> &str {
        match self {
            Listed::Payable(offer) => offer.scheme.name(),
            Listed::Unpayable(entry) => &entry.scheme,
        }
    }

    /// The network it is on.
    pub fn network(&self) -> &str {
        match self {
            Listed::Payable(offer) => offer.network().as_str(),
            Listed::Unpayable(entry) => &entry.network,
        }
    }

    /// The symbol of an asset bursar knows, or what the seller called it.
    pub fn asset(&self) -> &str {
        match self {
            Listed::Payable(offer) => &offer.asset.symbol,
            Listed::Unpayable(entry) => &entry.asset,
        }
    }

    /// The price in atomic units, as it was offered.
    pub fn amount_atomic(&self) -> String {
        match self {
            Listed::Payable(offer) => offer.amount.to_string(),
            Listed::Unpayable(entry) => entry.amount.clone(),
        }
    }

    /// Only what can be paid has a price bursar vouches for.
    pub fn amount_usd(&self) -> Option<Usd> {
        self.offer().map(|offer| offer.usd)
    }

    /// Who would be paid, as the seller wrote it.
    pub fn payee(&self) -> String {
        match self {
            Listed::Payable(offer) => offer.payee.to_string(),
            Listed::Unpayable(entry) => entry.payee.clone(),
        }
    }
}

impl Dialect {
    /// By the name a row has it under.
    pub fn named(name: &str) -> Dialect {
        use Dialect::{Cashu, L402, Mpp, PayPerCrawl, X402V1, X402V2};
        let all = [X402V1, X402V2, Mpp, L402, Cashu, PayPerCrawl];
        all.into_iter().find(|dialect| dialect.name() == name).unwrap_or(Dialect::Unknown)
    }

    /// As records and answers write it.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::X402V1 => "x402v1",
            Dialect::X402V2 => "x402v2",
            Dialect::Mpp => "mpp",
            Dialect::L402 => "l402",
            Dialect::Cashu => "cashu",
            Dialect::PayPerCrawl => "pay-per-crawl",
            Dialect::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests;
