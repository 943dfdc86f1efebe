//! What a seller puts its name to, by the `offer-receipt` extension of x402: its offers before they are paid, and a
//! receipt after it.
//!
//! A document is bound to an offer by its fields, never by its place in a list. Whose key it is, is found out without a
//! network: a key that only a web site knows is one that bursar cannot look up, and is told as that. What is wrong here
//! moves no money: it is told, and a receipt that is not true counts against its seller.

mod did;
mod eip712;
mod jws;
mod paper;

use http::HeaderMap;
use serde::{Deserialize, Serialize};
use url::Url;

use self::paper::{Paper, SaidOffer, SaidReceipt, Signer};
use super::{Dialect, Echo, Listed, Offer, Words, base64, mcp, refusal, x402_v1, x402_v2};
use crate::json;
use crate::limits;
use crate::money::{Account, address_in_any_case};
use crate::reason::{Reason, Who};
use crate::time::Time;

const EXTENSION: &str = "offer-receipt";

/// How a signed document stands. Of several about one offer, the first of these is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attestation {
    /// Signed by whoever is paid.
    ByPayee,
    /// Signed by whoever is paid, and its time is over.
    Expired,
    /// It says what is not so.
    Differs,
    /// Signed by another key, which is named.
    ByAnotherKey,
    /// Nobody here can tell whose signature it is.
    CannotVerify,
    /// The key that it names did not sign it.
    WrongSignature,
}

/// A signed document, as its seller wrote it, and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// How it stands.
    pub verdict: Attestation,
    /// Whose key it is or is said to be: an address, or a DID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Why it cannot be verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it says that is not so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differs: Vec<String>,
    /// The chain transaction that a receipt names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<String>,
    /// As it was written.
    pub document: String,
}

/// What a signed receipt is held against.
#[derive(Clone, Copy, Debug)]
pub struct Paying<'a> {
    /// Who was paid.
    pub payee: &'a Account,
    /// Who paid.
    pub payer: &'a Account,
    /// The URL that was asked for.
    pub asked: &'a Url,
    /// What the challenge called it.
    pub named: Option<&'a str>,
    /// When the payment was authorized.
    pub since: Time,
    /// When the receipt came.
    pub now: Time,
    /// The chain transaction that the unsigned receipt beside it names.
    pub claimed_tx: Option<&'a str>,
}

impl Attested {
    /// It was checked, and is not as it should be: not only that nobody here can tell.
    pub fn is_false(&self) -> bool {
        matches!(self.verdict, Attestation::Differs | Attestation::WrongSignature)
    }

    /// In a sentence of ours that begins with what it is.
    pub fn sentence(&self, what: &str) -> String {
        let signer = self.signer.as_deref().unwrap_or("a key that it does not name");
        match self.verdict {
            Attestation::ByPayee => format!("the {what} is signed by the payee"),
            Attestation::Expired => format!("the {what} is signed by the payee, and its time is over"),
            Attestation::ByAnotherKey => format!("the {what} is signed by another key than the payee's: {signer}"),
            Attestation::CannotVerify => {
                let why = self.why.as_deref().unwrap_or("it does not read");
                format!("the {what} is signed, and that cannot be verified: {why}")
            }
            Attestation::WrongSignature => format!("the signature of the {what} is wrong: it is not that of {signer}"),
            Attestation::Differs => {
                let wrong = self.differs.join(" and another ");
                format!("the {what} is signed ({signer}) and names another {wrong} than this payment has")
            }
        }
    }

    /// What the owner hears of a receipt that is not true, and what the agent is told.
    pub fn complaint(&self) -> Option<Reason> {
        let sentence = self.sentence("seller's receipt");
        let code = match self.verdict {
            Attestation::Differs => "receipt_differs",
            Attestation::WrongSignature => "receipt_signature_wrong",
            Attestation::ByPayee | Attestation::Expired | Attestation::ByAnotherKey | Attestation::CannotVerify => {
                return None;
            }
        };
        let message = format!("{sentence}; what the payment came to is not changed by that, and the chain is asked");
        Some(Reason::new(code, "seller", message, Who::Owner))
    }
}

/// What an offer says of itself with a signature, if anything.
pub(super) fn of(offer: &Offer, asked: &Url, at: Time) -> Option<Attested> {
    let papers = papers(offer);
    let about = papers.iter().filter(|paper| SaidOffer::read(paper).is_some_and(|said| said.is_for(offer)));
    about.map(|paper| held(paper, offer, asked, at)).min_by_key(|attested| attested.verdict)
}

fn held(paper: &Paper, offer: &Offer, asked: &Url, at: Time) -> Attested {
    let signer = paper.signer(eip712::Document::Offer);
    let said = SaidOffer::read(paper);
    let is_here = said.as_ref().is_some_and(|said| is_same(&said.resource_url, asked, named(offer).as_deref()));
    let is_over = said.as_ref().is_some_and(|said| said.is_over(at));
    let differs = if is_here { Vec::new() } else { vec!["resource"] };
    let mut attested = told(paper, signer, &offer.payee, &differs);
    if attested.verdict == Attestation::ByPayee && is_over {
        attested.verdict = Attestation::Expired;
    }
    attested
}

/// What its own payee's signature speaks against is not paid: an offer whose signed terms are over, and one that nobody
/// signed beside signed terms that nobody lists. A signature that cannot be verified, or is another's, stops nothing.
pub(super) fn without_contradicted(listed: Vec<Listed>, asked: &Url, at: Time) -> Vec<Listed> {
    let Some(first) = listed.iter().filter_map(Listed::offer).find(|offer| !papers(offer).is_empty()) else {
        return listed;
    };
    let is_stray = is_any_stray(first, &listed, asked, at);
    let judged = |entry: Listed| match entry {
        Listed::Payable(offer) => match contradiction(&offer, is_stray, asked, at) {
            Some(reason) => offer.unpayable(reason).into(),
            None => Listed::Payable(offer),
        },
        Listed::Unpayable(_) => entry,
    };
    listed.into_iter().map(judged).collect()
}

fn contradiction(offer: &Offer, is_stray: bool, asked: &Url, at: Time) -> Option<Reason> {
    if !matches!(offer.echo, Echo::X402V2 { .. }) {
        return None;
    }
    match of(offer, asked, at).map(|attested| attested.verdict) {
        Some(Attestation::ByPayee) => None,
        Some(Attestation::Expired) => {
            Some(refusal("signed_offer_expired", "the payee signed this offer, and its signed time is over"))
        }
        Some(
            Attestation::Differs | Attestation::ByAnotherKey | Attestation::CannotVerify | Attestation::WrongSignature,
        )
        | None => is_stray.then(|| {
            let message = "a payee signed other terms for this resource than those that are listed: somebody may have \
                           changed them on the way";
            refusal("signed_offer_differs", message)
        }),
    }
}

/// Signed by the payee that it names, for this very resource, still good; and for nothing that is listed.
fn is_any_stray(first: &Offer, listed: &[Listed], asked: &Url, at: Time) -> bool {
    let named = named(first);
    papers(first).iter().any(|paper| {
        let Some(said) = SaidOffer::read(paper) else { return false };
        let is_listed = listed.iter().any(|entry| match entry {
            Listed::Payable(offer) => said.is_for(offer),
            Listed::Unpayable(entry) => said.is_for_unpayable(entry),
        });
        let is_here = is_same(&said.resource_url, asked, named.as_deref()) && !said.is_over(at);
        !is_listed && is_here && paper.signer(eip712::Document::Offer).is_account(&said.pay_to)
    })
}

/// Whether signed terms in a challenge are over, so that it is asked for anew.
pub(super) fn are_over(said: &Words<'_>, at: Time) -> bool {
    let text = match said.meta {
        Some(_) => mcp::x402(std::str::from_utf8(said.body).unwrap_or_default()),
        None => x402_v2::header(said.headers),
    };
    let Some(Ok(text)) = text else { return false };
    let extensions = json::members(&text).and_then(|members| members.member("extensions").ok()?.map(str::to_owned));
    let papers = extensions.map(|text| paper::offers(&text, EXTENSION)).unwrap_or_default();
    papers.iter().filter_map(SaidOffer::read).any(|said| said.is_over(at))
}

/// The signed receipt in a reply to a payment, held against the payment. What lies beside a receipt that does not read
/// is not read either.
pub(super) fn receipt(said: &Words<'_>, paying: &Paying<'_>) -> Option<Attested> {
    let text = match said.meta {
        Some(_) => super::receipt::in_a_tool(Dialect::X402V2, said)?,
        None => [x402_v2::RECEIPT, x402_v1::RECEIPT].into_iter().find_map(|name| settlement(said.headers, name))?,
    };
    let paper = paper::receipt(&text, EXTENSION)?;
    let signer = paper.signer(eip712::Document::Receipt);
    let said = SaidReceipt::read(&paper);
    let differs = said.as_ref().map(|said| said.differs(paying)).unwrap_or_default();
    let mut attested = told(&paper, signer, paying.payee, &differs);
    attested.transaction = said.and_then(|said| said.chain_tx());
    Some(attested)
}

fn settlement(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = super::receipt::only(headers, name).filter(|text| text.len() <= limits::CHALLENGE_HEADER_BYTES)?;
    base64::decode_text(text)
}

fn told(paper: &Paper, signer: Signer, payee: &Account, differs: &[&str]) -> Attested {
    let is_payees = signer.is_account(payee.address());
    let (verdict, signer, why) = match signer {
        Signer::Nobody(named) => (Attestation::WrongSignature, named, None),
        Signer::Key { .. } if is_payees => (Attestation::ByPayee, Some("the payee".to_owned()), None),
        Signer::Key { name, .. } => (Attestation::ByAnotherKey, Some(name), None),
        Signer::Unknown(why) => (Attestation::CannotVerify, None, Some(why)),
    };
    let is_other = !differs.is_empty() && verdict != Attestation::WrongSignature;
    Attested {
        verdict: if is_other { Attestation::Differs } else { verdict },
        signer,
        why,
        differs: differs.iter().map(|what| (*what).to_owned()).collect(),
        transaction: None,
        document: paper.shown(),
    }
}

fn papers(offer: &Offer) -> Vec<Paper> {
    match &offer.echo {
        Echo::X402V2 { extensions: Some(extensions), .. } => paper::offers(extensions, EXTENSION),
        Echo::X402V2 { extensions: None, .. } | Echo::X402V1 { .. } | Echo::Mpp { .. } => Vec::new(),
    }
}

/// What a challenge calls what it sells.
fn named(offer: &Offer) -> Option<String> {
    match &offer.echo {
        Echo::X402V2 { resource: Some(resource), .. } => x402_v2::url_of(resource),
        Echo::X402V2 { resource: None, .. } | Echo::X402V1 { .. } | Echo::Mpp { .. } => None,
    }
}

/// Whether a document is about what was asked for: by that URL, or by what the challenge called it. Where TLS ends
/// before the seller it says `http`; the query may be left out, and a slash at the end says nothing.
fn is_same(written: &str, asked: &Url, named: Option<&str>) -> bool {
    named == Some(written) || Url::parse(written).is_ok_and(|written| is_same_url(&written, asked))
}

fn is_same_url(written: &Url, asked: &Url) -> bool {
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    let is_web = matches!(written.scheme(), "http" | "https");
    let is_query = written.query().is_none_or(|query| Some(query) == asked.query());
    is_web
        && is_query
        && (written.host_str(), written.port(), path(written)) == (asked.host_str(), asked.port(), path(asked))
}

/// The address in what names somebody: by itself, or at the end of a CAIP-10 name.
fn address_in(text: &str) -> Option<String> {
    address_in_any_case(text.rsplit(':').next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
