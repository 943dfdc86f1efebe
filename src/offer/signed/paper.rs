//! One signed document, and what it says.

use alloy_primitives::{Address, B256};
use serde_json::{Map, Value};

use super::super::{Offer, Unpayable};
use super::{Paying, address_in, eip712, is_same, jws};
use crate::json;
use crate::limits;
use crate::money::{Amount, Network, address_in_any_case};
use crate::text::is_unseen;
use crate::time::Time;

/// A document and its signature, not checked.
pub(super) struct Paper {
    /// Byte for byte.
    pub text: String,
    /// What is signed; empty where it does not read.
    pub fields: Map<String, Value>,
    seal: Seal,
}

enum Seal {
    Eip712(String),
    Jws(String),
    Unreadable(&'static str),
}

/// Whose signature it is.
pub(super) enum Signer {
    /// Of this key. Keys of EVM accounts have an address.
    Key { name: String, address: Option<Address> },
    /// Not known, and why.
    Unknown(String),
    /// Of nobody; least of all of the key that it names.
    Nobody(Option<String>),
}

impl Signer {
    /// Whether it is the key of the account at this address.
    pub fn is_account(&self, of: &str) -> bool {
        let Signer::Key { address: Some(address), .. } = self else { return false };
        address_in_any_case(of) == address_in_any_case(&address.to_string())
    }
}

/// What signed offers a challenge has; as many as are read.
pub(super) fn offers(extensions: &str, extension: &str) -> Vec<Paper> {
    let inside = info(extensions, extension).and_then(|info| json::members(info)?.member("offers").ok()?);
    let listed: Vec<&serde_json::value::RawValue> =
        inside.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    listed.into_iter().take(limits::OFFERS).filter_map(|raw| Paper::read(raw.get())).collect()
}

/// The signed receipt in what a seller says of a payment.
pub(super) fn receipt(settlement: &str, extension: &str) -> Option<Paper> {
    let extensions = json::members(settlement)?.member("extensions").ok()??;
    Paper::read(json::members(info(extensions, extension)?)?.member("receipt").ok()??)
}

fn info<'a>(extensions: &'a str, extension: &str) -> Option<&'a str> {
    let declared = json::members(extensions)?.member(extension).ok()??;
    json::members(declared)?.member("info").ok()?
}

impl Paper {
    /// None where it is no document at all, or longer than any honest one.
    fn read(text: &str) -> Option<Paper> {
        if text.len() > limits::SIGNED_DOCUMENT_BYTES {
            return None;
        }
        let Value::Object(mut written) = json::strict(text).ok()? else { return None };
        let signature = written.get("signature").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (fields, seal) = match written.get("format").and_then(Value::as_str) {
            Some("eip712") => match written.remove("payload") {
                Some(Value::Object(fields)) => (fields, Seal::Eip712(signature)),
                _ => (Map::new(), Seal::Unreadable("it does not say what was signed")),
            },
            Some("jws") => match jws::payload(&signature) {
                Some(fields) => (fields, Seal::Jws(signature)),
                None => (Map::new(), Seal::Unreadable("its signature does not read")),
            },
            _ => (Map::new(), Seal::Unreadable("it is signed in a form that bursar does not know")),
        };
        Some(Paper { text: text.to_owned(), fields, seal })
    }

    /// As it was written: what cannot be seen stands as JSON's escapes of it, and what breaks a line is a blank. It means
    /// the same to whoever reads it.
    pub fn shown(&self) -> String {
        let mut shown = String::with_capacity(self.text.len());
        for c in self.text.chars() {
            match c {
                '\n' | '\r' | '\t' => shown.push(' '),
                c if is_unseen(c) => {
                    c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown += &format!("\\u{unit:04x}"));
                }
                c => shown.push(c),
            }
        }
        shown
    }

    /// Who signed it, as this kind of document.
    pub fn signer(&self, document: eip712::Document) -> Signer {
        if self.fields.get("version").and_then(Value::as_u64) != Some(1) && self.is_readable() {
            return Signer::Unknown("it is of a version that bursar does not know".to_owned());
        }
        match &self.seal {
            Seal::Eip712(signature) => eip712::signer(document, &self.fields, signature),
            Seal::Jws(compact) => jws::signer(compact),
            Seal::Unreadable(why) => Signer::Unknown((*why).to_owned()),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.fields.get(key)?.as_str().map(str::to_owned)
    }

    fn is_readable(&self) -> bool {
        match self.seal {
            Seal::Eip712(_) | Seal::Jws(_) => true,
            Seal::Unreadable(_) => false,
        }
    }
}

/// The terms of a signed offer.
pub(super) struct SaidOffer {
    pub resource_url: String,
    scheme: String,
    network: String,
    asset: String,
    pub pay_to: String,
    amount: String,
    valid_until: u64,
}

/// What a signed receipt says.
pub(super) struct SaidReceipt {
    resource_url: String,
    network: String,
    payer: String,
    issued_at: i64,
    transaction: String,
}

impl SaidOffer {
    /// Where it reads.
    pub fn read(paper: &Paper) -> Option<SaidOffer> {
        let text = |key| paper.text(key);
        Some(SaidOffer {
            resource_url: text("resourceUrl")?,
            scheme: text("scheme")?,
            network: text("network")?,
            asset: text("asset")?,
            pay_to: text("payTo")?,
            amount: text("amount")?,
            valid_until: match paper.fields.get("validUntil") {
                None | Some(Value::Null) => 0,
                Some(until) => until.as_u64()?,
            },
        })
    }

    /// By its fields alone: an index is nobody's word.
    pub fn is_for(&self, offer: &Offer) -> bool {
        let is_at = |written: &str, address: &str| address_in_any_case(written).as_deref() == Some(address);
        self.scheme == offer.scheme.name()
            && is_network(&self.network, offer.network())
            && is_at(&self.asset, offer.asset.account.address())
            && is_at(&self.pay_to, offer.payee.address())
            && Amount::parse(&self.amount) == Some(offer.amount)
    }

    /// The same for an entry that cannot be paid, as far as it reads: what is left out there contradicts nothing.
    pub fn is_for_unpayable(&self, entry: &Unpayable) -> bool {
        let is = |written: &str, read: &str| read.is_empty() || written.eq_ignore_ascii_case(read);
        is(&self.scheme, &entry.scheme)
            && is(&self.network, &entry.network)
            && is(&self.pay_to, &entry.payee)
            && is(&self.amount, &entry.amount)
    }

    /// A time that is left out has no end. Clocks may differ.
    pub fn is_over(&self, at: Time) -> bool {
        let now = u64::try_from(at.secs()).unwrap_or_default();
        self.valid_until != 0 && now > self.valid_until.saturating_add(limits::PAST_WINDOW.as_secs())
    }
}

impl SaidReceipt {
    /// Where it reads.
    pub fn read(paper: &Paper) -> Option<SaidReceipt> {
        let text = |key| paper.text(key);
        Some(SaidReceipt {
            resource_url: text("resourceUrl")?,
            network: text("network")?,
            payer: text("payer")?,
            issued_at: paper.fields.get("issuedAt")?.as_i64()?,
            transaction: match paper.fields.get("transaction") {
                None | Some(Value::Null) => String::new(),
                Some(named) => named.as_str()?.to_owned(),
            },
        })
    }

    /// What it says of a payment that is not so.
    pub fn differs(&self, paying: &Paying<'_>) -> Vec<&'static str> {
        let wrong = [
            ("payer", address_in(&self.payer).as_deref() != Some(paying.payer.address())),
            ("resource", !is_same(&self.resource_url, paying.asked, paying.named)),
            ("network", !is_network(&self.network, paying.payer.network())),
            ("transaction", !self.is_claimed(paying.claimed_tx)),
            ("time", !self.is_recent(paying)),
        ];
        wrong.into_iter().filter(|(_, is_wrong)| *is_wrong).map(|(what, _)| what).collect()
    }

    /// The chain transaction it names, in one spelling.
    pub fn chain_tx(&self) -> Option<String> {
        self.transaction.parse::<B256>().ok().map(|hash| hash.to_string())
    }

    /// One that is left out contradicts nothing.
    fn is_claimed(&self, claimed: Option<&str>) -> bool {
        match self.chain_tx() {
            None => self.transaction.is_empty(),
            Some(named) => claimed.is_none_or(|claimed| claimed.eq_ignore_ascii_case(&named)),
        }
    }

    fn is_recent(&self, paying: &Paying<'_>) -> bool {
        let issued = Time::from_secs(self.issued_at.clamp(0, limits::LAST_SECOND));
        let (since, now) = (paying.since.minus(limits::RECEIPT_CLOCKS), paying.now.plus(limits::RECEIPT_CLOCKS));
        since <= issued && issued <= now
    }
}

/// In CAIP-2, or as v1 calls it.
fn is_network(written: &str, network: &Network) -> bool {
    written == network.as_str() || network.v1_name() == Some(written)
}
